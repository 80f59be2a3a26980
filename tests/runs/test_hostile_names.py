"""Names from outside are names and nothing else: never a path, never SQL, never markup, never a formula."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from reports.wording import visible
from tests.workspaces import MODEL, QUARTER, START, Small, demand, noisy, output
from transforms.outbox import read_lines

Q = demand()
TRUE = noisy(Q, 0.002)
NAMES = [
    'it\'s a "meter"',
    "'; DROP TABLE devices; --",
    "' OR 1=1 UNION SELECT * FROM read_csv('/x') --",
    "../../escaped",
    "/absolute/escaped",
    "..",
    "C:\\escaped\\..",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><b onclick='x'>&amp;",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "-2+3",
    "a,b;c\td".replace("\t", " "),
    "$x^2$ %s {0} {begin} {{7*7}}",
    "水表🚰№7 \u202ereversed\u202c",
    "e\u0301 and \u00e9",
    "NaN",
    "null",
    "x" * 128,
]
PLAIN = [f"WM-{k:02}" for k in range(len(NAMES))]
STAMPS = [f"{START + k * QUARTER:%Y-%m-%dT%H:%M:%SZ}" for k in range(48)]


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def write(root: Path, names: Sequence[str], model: str) -> Small:
    """A fleet in which every other meter is off by a gain and the rest scatters, all bound to a terminal."""
    small = Small(root).registry([])
    registry, raw = root / "registry", root / "raw"
    (registry / "meters.csv").write_text(as_csv(["feature_code", "model", "site"], [(n, model, n) for n in names]))
    (registry / "models.toml").write_text(MODEL.replace('"T-R160"', json.dumps(model)))
    (registry / "pairs.csv").write_text(as_csv(["feature_code", "flowmeter_id"], [(n, "F " + n[:126]) for n in names]))
    (registry / "flowmeters.csv").write_text(
        as_csv(["flowmeter_id", "calibrated_on"], [("F " + n[:126], "2025-12-20") for n in names])
    )
    (registry / "terminals.csv").write_text(
        as_csv(["feature_code", "terminal_id", "channel", "language"], [(n, "T " + n[:126], n, "zh-CN") for n in names])
    )
    (registry / "policy.toml").write_text("[breaker]\nshare = 1.0\n")
    meters: list[tuple[object, ...]] = []
    for k, name in enumerate(names):
        flows = [1.08 * v for v in TRUE] if k % 2 else noisy(Q, 0.25)
        meters += [(name, stamp, f"{flow:.6f}") for stamp, flow in zip(STAMPS, flows, strict=True)]
    references = [
        (name, "F " + name[:126], stamp, f"{flow:.6f}") for name in names for stamp, flow in zip(STAMPS, Q, strict=True)
    ]
    for stream, header, rows in (
        ("meter", ["feature_code", "timestamp", "flow_lph"], meters),
        ("flowmeter", ["feature_code", "flowmeter_id", "timestamp", "flow_lph"], references),
    ):
        (raw / stream).mkdir(parents=True)
        (raw / stream / "a.csv").write_text(as_csv(header, rows), encoding="utf-8")
    return small


def tree(folder: Path, leave_out: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path != leave_out and leave_out not in path.parents)
    return {path.relative_to(folder).as_posix() for path in found}


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def page(small: Small) -> Page:
    (report,) = (small.root / "reports").glob("[0-9]*/index.html")  # of the run, not of an audit that another test made
    return Page(report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A whole run, deep inside a folder in which nothing else may change."""
    home = tmp_path_factory.mktemp("hostile")
    small = write(home / "a" / "b" / "workspace", NAMES, "<i>M</i> '; \" ../x = `$x$`")
    before = tree(home, small.root)
    assert small.run() == 0
    assert tree(home, small.root) == before
    return small


@pytest.fixture(scope="module")
def tame(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The same fleet with names that nobody would fear."""
    small = write(tmp_path_factory.mktemp("tame") / "workspace", PLAIN, "M")
    assert small.run() == 0
    return small


def test_every_name_comes_through_as_it_is(hostile: Small) -> None:
    verdicts = pl.read_parquet(hostile.folder() / "verdicts.parquet")
    assert sorted(verdicts["feature_code"]) == sorted(NAMES)
    assert set(verdicts["verdict"]) == {"steady", "unsteady"}
    assert set(verdicts["flowmeter_id"]) == {"F " + name[:126] for name in NAMES}
    commands, orders, notices = (
        read_lines(hostile.folder() / f"{name}.jsonl") for name in ("commands", "work_orders", "notices")
    )
    assert sorted(command["feature_code"] for command in commands) == sorted(NAMES[1::2])
    assert sorted(order["feature_code"] for order in orders) == sorted(NAMES[::2])
    assert sorted(notice["terminal_id"] for notice in notices) == sorted("T " + name[:126] for name in NAMES)
    assert all(notice["feature_code"] in notice["text"] for notice in notices)


def test_no_name_becomes_a_path(hostile: Small, tame: Small) -> None:
    assert tree(hostile.root, hostile.root / ".cache") == tree(tame.root, tame.root / ".cache")


def test_the_report_has_no_markup_of_theirs(hostile: Small, tame: Small) -> None:
    theirs, ours = page(hostile), page(tame)
    assert set(theirs.tags) <= set(ours.tags)
    assert theirs.attributes <= ours.attributes
    assert not {"script", "img", "iframe", "object", "embed", "link"} & set(theirs.tags)
    assert not [name for name in theirs.attributes if name.startswith("on")]
    for tag in ("title", "h1", "section", "svg", "table", "tr"):
        assert theirs.tags[tag] == ours.tags[tag], tag
    assert [name for name in NAMES if visible(name) not in theirs.text] == []


def test_the_next_run_reads_them_back(hostile: Small, tmp_path: Path) -> None:
    # of a copy: the others look at what one run has left
    small = Small(shutil.copytree(hostile.root, tmp_path / "workspace"))
    assert small.run(until="2026-01-02T00:00:00Z") == 0
    manifest = small.manifest("20260101T120000Z_12h_r1")
    assert manifest["counts"]["reason"] == {"meter_missing": len(NAMES)}


def test_no_name_is_a_formula_in_the_quarantine_that_a_person_opens(small: Small) -> None:
    small.registry(["WM-1"]).dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q})
    rows = [(name, "never", "1") for name in NAMES]
    text = as_csv(["feature_code", "timestamp", "flow_lph"], rows)
    (small.root / "raw" / "meter" / "=1+1.csv").write_text(text, encoding="utf-8")
    assert small.run() == 3
    (aside,) = (small.root / "quarantine").glob("*.csv")
    cells = [cell for row in csv.reader(aside.read_text(encoding="utf-8").splitlines()) for cell in row]
    assert len(cells) == 5 * (1 + len(NAMES))
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "@", "-", "\t")]


def test_a_name_of_one_character_too_many_is_refused(small: Small) -> None:
    long = "x" * 129
    small.registry([long])
    code, out = output(["run", "--workspace", str(small.root), "--engine", "plain", "--until", "2026-01-01T12:00:00Z"])
    assert (code, out) == (2, "") or code == 1
    small.registry(["WM-1"]).dump("meter", {"WM-1": TRUE, long: TRUE}).dump("flowmeter", {"WM-1": Q})
    assert small.run() == 3
    assert small.manifest()["rows"]["reasons"] == {"bad_feature_code": 48}
    assert set(small.verdicts()) == {"WM-1"}


FILES = [
    'it\'s "one".csv',
    "'; DROP TABLE staged; --.csv",
    "*.csv",
    "?.csv",
    "[a-z].csv",
    "{b,c}.csv",
    "date=2026-01-01.csv",
    "<script>alert(1)<|script>.csv",
    "=cmd|' .csv",
    "-rf.csv",
    "$(touch escaped) `x`.csv",
    "%2e%2e%2fescaped.csv",
    "~.csv",
    "\\..\\escaped.csv",
    "a b,c;d.CSV",
    "水表🚰.csv",
    "a\u202evsc.txt\x1b[2J.csv",
    "two\u2028lines\u0085here.csv",
    "x" * 200 + ".csv",
]


@pytest.mark.parametrize("faulty", [False, True])
def test_files_may_be_called_anything(tmp_path: Path, faulty: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file holds some of the rows; the sum of them all makes the meter healthy, or each has a bad row as well."""
    small = Small(tmp_path / "a" / "workspace")
    small.registry(["WM-1"]).dump("flowmeter", {"WM-1": Q}, name="'; --.csv")
    folder = small.root / "raw" / "meter"
    for k, name in enumerate(FILES):
        place = f"d{k} '[x]*/" if k % 3 == 0 else ""
        part = [v if i % len(FILES) == k else None for i, v in enumerate(TRUE)]
        (folder / place).mkdir(parents=True, exist_ok=True)
        small.dump("meter", {"WM-1": part}, name=place + name)
        if faulty:
            with (folder / place / name).open("a") as file:
                file.write(f"WM-1,{START + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ},-{k + 1}\n")
    before = tree(tmp_path, small.root)
    assert small.run() == (3 if faulty else 0)
    assert tree(tmp_path, small.root) == before
    assert small.verdicts()["WM-1"]["verdict"] == "healthy"
    assert small.verdicts()["WM-1"]["n_pairs"] == 48
    rows = small.manifest()["rows"]
    assert (rows["read"], rows["accepted"]) == ((96 + len(FILES), 96) if faulty else (96, 96))
    assert {dump["file"].rsplit("/", 1)[1] for dump in small.manifest()["inputs"]} == {*FILES, "'; --.csv"}
    found = page(small)
    assert not {"script", "img"} & set(found.tags)
    if faulty:
        assert "<script>alert(1)<|script>.csv" in found.text
        assert len(list((small.root / "quarantine").glob("*.csv"))) == len(FILES)
    streams = capsys.readouterr()
    assert "1 healthy" in streams.out
    assert not [sign for sign in streams.out + streams.err if sign in "\x1b\u202e\u2028\u0085"]


def test_a_file_name_that_is_no_text_is_left_alone_and_said(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    small.registry(["WM-1"]).dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q})
    name = os.fsencode(small.root / "raw" / "meter") + b"/\xff\xfe.csv"
    with open(name, "wb") as file:  # noqa: PTH123 - pathlib has no names in bytes
        file.write(b"feature_code,timestamp,flow_lph\n")
    assert small.run() == 0
    assert "was not read" in capsys.readouterr().out
    assert small.verdicts()["WM-1"]["verdict"] == "healthy"


def test_a_workspace_whose_own_path_has_glob_letters(tmp_path: Path) -> None:
    """Two windows, so that the first one's verdicts, orders and streaks are read back; a neighbour would match the glob."""
    (tmp_path / "wa").mkdir()
    small = Small(tmp_path / "w[a]*" / "x?").registry(["WM-1", "WM-2"], policy_toml="confirm_windows = 2\n")
    meters = {"WM-1": [1.08 * v for v in TRUE] * 2, "WM-2": noisy(Q, 0.25) * 2}
    small.dump("meter", meters).dump("flowmeter", dict.fromkeys(meters, Q * 2))
    assert small.run("--from", "2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z") == 0
    second = "20260101T120000Z_12h_r1"
    assert [command["feature_code"] for command in small.lines("commands.jsonl", second)] == ["WM-1"]
    assert [order["since"] for order in small.lines("work_orders.jsonl", second)] == ["2026-01-01T00:00:00Z"]
    assert (small.root / "reports" / second / "index.html").is_file()
