"""One tiny faulty dump at a time beside good ones, through whole runs: a clear message, and nothing lost but the bad row."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.workspaces import MODEL, Small, demand, noisy

Q = demand()
TRUE = noisy(Q, 0.002)
HEAD = b"feature_code,timestamp,flow_lph\n"
GOOD = b"WM-2,2026-01-01T00:00:00Z,10\nWM-2,2026-01-01T00:15:00Z,11\n"
FRAME = (
    b'{"feature_code": "WM-2", "start": "2026-01-01T00:00:00Z", "interval_s": 900, "unit": "%s", '
    b'"quantity": "flow", "runs": [[1.0, 4]]}\n'
)


def row(stamp: str = "2026-01-01T00:30:00Z", value: str = "12", code: str = "WM-2") -> bytes:
    return f"{code},{stamp},{value}\n".encode()


def parquet(**columns: list[Any]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def truncated_gzip() -> bytes:
    """Cut off just before its end mark: all its text is there, but nothing vouches for that."""
    return gzip.compress(HEAD + GOOD + row(), mtime=0)[:-8]


def cut_gzip() -> bytes:
    """Cut within the text: what can be read ends in the middle of a line."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(HEAD + GOOD + b"WM-2,2026-01-0") + packer.flush(zlib.Z_SYNC_FLUSH)


#: file, content, rows read, of these accepted, reasons of the others
FAULTS: dict[str, tuple[str, bytes | Callable[[], bytes], int, int, dict[str, int]]] = {
    "missing column": ("bad.csv", b"feature_code,flow_lph\nWM-2,10\nWM-2,11\n", 2, 0, {"missing_column": 2}),
    "no offset": ("bad.csv", HEAD + GOOD + row("2026-01-01 00:30:00"), 3, 2, {"no_offset": 1}),
    "NaN": ("bad.csv", HEAD + GOOD + row(value="NaN"), 3, 2, {"not_finite": 1}),
    "infinity": ("bad.csv", HEAD + GOOD + row(value="inf") + row(value="-Infinity"), 4, 2, {"not_finite": 2}),
    "negative": ("bad.csv", HEAD + GOOD + row(value="-0.1"), 3, 2, {"negative": 1}),
    "absurd": ("bad.csv", HEAD + GOOD + row(value="12501"), 3, 2, {"absurd": 1}),
    "no number": ("bad.csv", HEAD + GOOD + row(value="12 L/h"), 3, 2, {"not_a_number": 1}),
    "truncated gzip": ("bad.csv.gz", truncated_gzip, 3, 0, {"unreadable_file": 3}),
    "gzip cut in a line": ("bad.csv.gz", cut_gzip, 3, 0, {"unreadable_file": 3}),
    "no gzip at all": ("bad.csv.gz", HEAD + GOOD, 1, 0, {"unreadable_file": 1}),
    "broken JSON line": (
        "bad.jsonl",
        b'{"feature_code": "WM-2", "timestamp": "2026-01-01T00:00:00Z", "flow_lph": 10}\n{"feature_code": "WM-2", "ti\n',
        2,
        1,
        {"bad_json": 1},
    ),
    "unknown unit": (
        "bad.jsonl",
        FRAME % b"furlong3/h",
        1,
        0,
        {"unknown_unit": 1},
    ),
    "Parquet with other types": (
        "bad.parquet",
        parquet(feature_code=["WM-2"], timestamp=[True], flow_lph=[1.0]),
        1,
        0,
        {"wrong_type": 1},
    ),
    "Parquet with text for numbers": (
        "bad.parquet",
        parquet(feature_code=["WM-2", "WM-2"], timestamp=["2026-01-01T00:00:00Z"] * 2, flow_lph=["10", "ten"]),
        2,
        1,
        {"not_a_number": 1},
    ),
    "no Parquet at all": ("bad.parquet", b"PAR1 but not really", 1, 0, {"unreadable_file": 1}),
    "not UTF-8": ("bad.csv", HEAD + GOOD + b"WM-\xe9,2026-01-01T00:30:00Z,12\n", 3, 2, {"not_utf8": 1}),
    "duplicate header": (
        "bad.csv",
        b"feature_code,timestamp,flow_lph,flow_lph\nWM-2,2026-01-01T00:00:00Z,10,11\n",
        1,
        0,
        {"duplicate_column": 1},
    ),
    "a line of a megabyte": ("bad.csv", HEAD + GOOD + row(value="1" * (1 << 20)), 3, 2, {"line_too_long": 1}),
    "too many fields": ("bad.csv", HEAD + GOOD + row(value="12,13"), 3, 2, {"wrong_column_count": 1}),
    "no meter named": ("bad.csv", HEAD + GOOD + row(code=""), 3, 2, {"no_feature_code": 1}),
    "a year that cannot be": ("bad.csv", HEAD + GOOD + row("1926-01-01T00:00:00Z"), 3, 2, {"implausible_time": 1}),
}


def beside_good_ones(small: Small, name: str, content: bytes, **files: str) -> Path:
    small.registry(["WM-1", "WM-2"], **files)
    small.dump("meter", {"WM-1": TRUE}, name="good.csv").dump("flowmeter", {"WM-1": Q})
    path = small.root / "raw" / "meter" / name
    path.write_bytes(content)
    return path


def set_aside(small: Small, path: Path) -> list[dict[str, str]]:
    """What a person finds in quarantine about a dump; the Parquet file beside says the same."""
    base = small.root / "quarantine" / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}-meter"
    rows = list(csv.DictReader(io.StringIO(base.with_suffix(".csv").read_text(encoding="utf-8"))))
    kept = pl.read_parquet(base.with_suffix(".parquet"))
    assert kept["reason"].to_list() == [found["reason"] for found in rows]
    assert {found["file"] for found in rows} == {f"meter/{path.name}"}
    return rows


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_bad_row_costs_itself_and_nothing_else(small: Small, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, content, read, accepted, reasons = FAULTS[fault]
    path = beside_good_ones(small, name, content if isinstance(content, bytes) else content())
    before = path.read_bytes()
    assert small.run() == 3
    out, err = capsys.readouterr()
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    assert f"meter/{name} (meter): {told}" in out
    assert "Traceback" not in out + err
    assert small.verdicts()["WM-1"]["verdict"] == "healthy"
    manifest = small.manifest()
    bad = next(dump for dump in manifest["inputs"] if dump["file"] == f"meter/{name}")
    assert (bad["read"], bad["accepted"], bad["duplicate"]) == (read, accepted, 0)
    assert bad["quarantined"] == read - accepted == sum(reasons.values())
    assert bad["reasons"] == manifest["rows"]["reasons"] == reasons
    assert manifest["rows"]["read"] == 96 + read
    assert manifest["rows"]["accepted"] == 96 + accepted
    found = set_aside(small, path)
    assert {one["reason"] for one in found} == set(reasons)
    assert path.read_bytes() == before
    assert f"meter/{name}" in (small.root / "reports" / small.folder().name / "index.html").read_text()


@pytest.mark.parametrize("content", [b"", HEAD, HEAD.rstrip(), b"\n\n", b"\xef\xbb\xbf" + HEAD])
def test_a_dump_without_rows_is_named_and_nothing_is_set_aside(
    small: Small, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    beside_good_ones(small, "bad.csv", content)
    assert small.run() == 0
    out = capsys.readouterr().out
    assert re.search(r"^  meter/bad.csv \(meter\): (empty_file|no_rows)$", out, re.MULTILINE)
    assert small.verdicts()["WM-1"]["verdict"] == "healthy"
    rows = small.manifest()["rows"]
    assert (rows["read"], rows["accepted"], rows["quarantined"]) == (96, 96, 0)
    bad = next(dump for dump in small.manifest()["inputs"] if dump["file"] == "meter/bad.csv")
    assert (bad["read"], bad["quarantined"]) == (0, 0)
    assert not (small.root / "quarantine").exists()


WRONG_UNIT = """
[sources.theirs]
stream = "meter"
glob = "meter/bad.csv"
format = "csv"
[sources.theirs.columns]
feature_code = "feature_code"
timestamp = "timestamp"
flow_lph = {name = "flow_lph", unit = "%s"}
"""


def test_a_unit_far_too_large_is_seen_by_its_values(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    """L/h read as m3/h: only the values without flow are believed."""
    path = beside_good_ones(small, "bad.csv", HEAD + GOOD + row(value="0"), sources_toml=WRONG_UNIT % "m3/h")
    path.write_bytes(path.read_bytes().replace(b",10\n", b",13\n").replace(b",11\n", b",14\n"))
    assert small.run() == 3
    assert "meter/bad.csv (meter): 2 absurd" in capsys.readouterr().out
    rows = small.manifest()["rows"]
    assert (rows["read"], rows["accepted"], rows["reasons"]) == (99, 97, {"absurd": 2})


def test_a_unit_that_does_not_exist_is_a_fault_of_the_registry(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    beside_good_ones(small, "bad.csv", HEAD + GOOD, sources_toml=WRONG_UNIT % "m3/day")
    assert small.run() == 2
    assert "registry/sources.toml" in capsys.readouterr().err
    assert not (small.root / "lake").exists()


def test_a_good_row_of_a_bad_dump_counts(small: Small) -> None:
    """All of a meter's readings in one dump with a bad row in its middle: the meter is judged by all the good ones."""
    small.registry(["WM-1"]).dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q})
    path = small.root / "raw" / "meter" / "a.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    lines.insert(20, b"WM-1,2026-01-01T04:40:00Z,oops\n")
    path.write_bytes(b"".join(lines))
    assert small.run() == 3
    row_of = small.verdicts()["WM-1"]
    assert (row_of["verdict"], row_of["n_pairs"]) == ("healthy", 48)
    (found,) = set_aside(small, path)
    assert (found["line"], found["row"]) == ("21", "WM-1,2026-01-01T04:40:00Z,oops")


def test_all_faults_at_once(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    beside_good_ones(small, "empty.csv", b"")
    read = accepted = 0
    for k, (name, content, n, good, _) in enumerate(FAULTS.values()):
        body = content if isinstance(content, bytes) else content()
        target = small.root / "raw" / "meter" / f"{k:02}-{name}"
        target.write_bytes(body.replace(b"WM-2", f"S{k:03}".encode()) if not name.endswith(("gz", "parquet")) else body)
        read, accepted = read + n, accepted + good
    assert small.run("--json") == 3
    found = json.loads(capsys.readouterr().out)
    rows = found["runs"][0]["rows"]
    assert rows["read"] == 96 + read
    assert rows["read"] == rows["accepted"] + rows["duplicate"] + rows["quarantined"]
    assert rows["accepted"] + rows["duplicate"] + rows["reasons"].get("conflicting", 0) == 96 + accepted
    assert len(found["ingest"]["faulty"]) == len(FAULTS) + 1
    assert small.verdicts()["WM-1"]["verdict"] == "healthy"
    assert small.run() == 0, "what was set aside is not set aside again"
    assert f"0 new, {3 + len(FAULTS)} known" in capsys.readouterr().out


def test_a_fault_in_one_stream_does_not_touch_the_other(small: Small) -> None:
    """The reference's dump is beyond reading: every meter says so, and nothing is decided."""
    small.registry(["WM-1"]).dump("meter", {"WM-1": [1.08 * v for v in TRUE]})
    (small.root / "raw" / "flowmeter").mkdir()
    (small.root / "raw" / "flowmeter" / "a.csv").write_bytes(b"\x00\x01\x02")
    assert small.run() == 3
    assert small.verdicts()["WM-1"]["reason"] == "reference_missing"
    assert small.lines("commands.jsonl") == []


def test_the_models_that_the_limit_of_the_absurd_follows(small: Small) -> None:
    """The limit is the Q4 of the meter's own model times the policy's factor; of a stranger, that of the largest model."""
    large = MODEL.replace("T-R160", "L-R160")
    for key, value in (("q1", 156.25), ("q2", 250.0), ("q3", 25000.0), ("q4", 31250.0)):
        line = next(line for line in large.splitlines() if line.startswith(key))
        large = large.replace(line, f"{key} = {value}")
    strange = row(value="62500", code="WM-9") + row("2026-01-01T00:45:00Z", "62501", "WM-9")
    known = row(value="6250") + row("2026-01-01T00:45:00Z", "6251")
    beside_good_ones(small, "bad.csv", HEAD + strange + known)
    (small.root / "registry" / "models.toml").write_text(MODEL + large)
    (small.root / "registry" / "policy.toml").write_text("[ingest]\nabsurd_factor = 2.0\n")
    assert small.run() == 3
    assert small.manifest()["rows"]["reasons"] == {"absurd": 2}


def test_a_stamp_in_the_future_is_set_aside(small: Small) -> None:
    """The future begins after the clock's time: what came since a window is kept when that window is judged."""
    far = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT00:00:00Z}"
    beside_good_ones(small, "bad.csv", HEAD + row() + row("2026-01-09T00:00:00Z") + row(far))
    assert small.run() == 3
    assert small.manifest()["rows"]["reasons"] == {"future": 1}
