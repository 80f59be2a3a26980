"""Rows set aside: listed, looked at, and read again under a mended mapping, each exactly once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import main
from tests.ingesting import readings
from tests.workspaces import Small, demand
from transforms.lake import Lake
from transforms.workspace import Workspace

SOURCES = """
[sources.vendor]
stream = "meter"
glob = "vendor/*.csv"
format = "csv"
{more}
[sources.vendor.columns]
feature_code = "code"
timestamp = "time"
volume_l = {{name = "reading", unit_column = "unit"{units}}}
"""
MENDED = ', units = {"cbm" = "m3"}'
DUMP = """code,time,reading,unit
M-1,2026-01-01T00:00:00Z,1,L
M-1,2026-01-01T00:15:00Z,2,cbm
M-1,2026-01-01T00:30:00Z,3,L
M-1,2026-01-01T00:30:00Z,4,L
M-1,2026-01-01T00:30:00Z,3,L
M-1,2026-01-01T00:45:00Z,x,L
"""


@pytest.fixture
def small(tmp_path: Path) -> Small:
    small = Small(tmp_path).registry(["M-1"])
    (tmp_path / "raw" / "vendor").mkdir(parents=True)
    (tmp_path / "raw" / "vendor" / "a.csv").write_text(DUMP)
    mapping(small)
    assert main(["ingest", "--workspace", str(tmp_path)]) == 3
    return small


def mapping(small: Small, units: str = "", more: str = "") -> None:
    (small.root / "registry" / "sources.toml").write_text(SOURCES.format(units=units, more=more))


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["quarantine", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def entry(small: Small) -> dict[str, Any]:
    (dump,) = Lake.open(Workspace(small.root)).dumps
    return dump


def test_rows_set_aside_are_listed_and_shown(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--workspace", str(small.root)]
    code, told = said(capsys, "list", *where)
    assert (code, told["reasons"]) == (0, {"conflicting": 1, "not_a_number": 1, "unknown_unit": 1})
    assert said(capsys, "list", "--reason", "no_value", *where)[1]["dumps"] == []
    _, told = said(capsys, "show", "vendor/a.csv", *where)
    assert [(row["line"], row["reason"]) for row in told["rows"]] == [
        (3, "unknown_unit"), (5, "conflicting"), (7, "not_a_number"),
    ]  # fmt: skip
    (damaged,) = (small.root / "quarantine").glob("*.parquet")
    damaged.write_bytes(b"PAR1 and no more")
    assert main(["quarantine", "show", "vendor/a.csv", *where]) == 1
    assert f"quarantine/{damaged.name} cannot be read" in capsys.readouterr().err
    assert main(["quarantine", "show", "vendor/b.csv", *where]) == 2
    assert "quarantine list" in capsys.readouterr().err


def test_a_mended_mapping_takes_in_what_it_can_read_now_and_nothing_twice(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    before = entry(small)
    assert (before["read"], before["accepted"], before["duplicate"], before["quarantined"]) == (6, 2, 1, 3)
    had = readings(Workspace(small.root))
    mapping(small, MENDED)
    code, told = said(capsys, "retry", "--workspace", str(small.root))
    assert (code, told["gained"]) == (3, 1)
    after = entry(small)
    assert (after["read"], after["accepted"], after["duplicate"], after["quarantined"]) == (6, 3, 1, 2)
    assert after["reasons"] == {"conflicting": 1, "not_a_number": 1}
    assert sorted(had) == sorted(row for row in readings(Workspace(small.root)) if row[4] != 2000.0)
    _, told = said(capsys, "show", "vendor/a.csv", "--workspace", str(small.root))
    assert [(row["line"], row["reason"]) for row in told["rows"]] == [(5, "conflicting"), (7, "not_a_number")]
    # once more: nothing changes but the count of retries, and a plain ingest leaves the dump alone
    now = readings(Workspace(small.root))
    assert said(capsys, "retry", "--workspace", str(small.root))[1]["gained"] == 0
    assert main(["ingest", "--workspace", str(small.root)]) == 0
    assert readings(Workspace(small.root)) == now
    assert {**entry(small), "retried": 0} == {**after, "retried": 0}


def test_what_several_sources_read_of_one_file_is_counted_for_each(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = small.root / "registry" / "sources.toml"
    other = SOURCES.replace("sources.vendor", "sources.other")
    other = other.replace('feature_code = "code"', 'feature_code = {{name = "code", prefix = "X-"}}')
    both = (SOURCES + other).format
    sources.write_text(both(units="", more=""))
    assert main(["ingest", "--workspace", str(small.root)]) == 3
    sources.write_text(both(units=MENDED, more=""))
    code, told = said(capsys, "retry", "vendor/a.csv", "--workspace", str(small.root))
    assert (code, told["dumps"], told["gained"]) == (3, 2, 2)
    mapping(small, MENDED)
    assert main(["quarantine", "retry", "--workspace", str(small.root)]) == 3
    out = capsys.readouterr().out
    assert "raw/vendor/a.csv: no longer read by source other" in out
    assert "0 rows more are accepted now (6 were before)" in out


def test_it_ends_as_if_the_mapping_had_been_right_from_the_first(
    small: Small, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mapping(small, MENDED)
    assert main(["quarantine", "retry", "vendor/a.csv", "--workspace", str(small.root)]) == 3
    other = Small(tmp_path_factory.mktemp("other")).registry(["M-1"])
    mapping(other, MENDED)
    (other.root / "raw" / "vendor").mkdir(parents=True)
    (other.root / "raw" / "vendor" / "a.csv").write_text(DUMP)
    assert main(["ingest", "--workspace", str(other.root)]) == 3
    assert readings(Workspace(small.root)) == readings(Workspace(other.root))
    assert {**entry(small), "retried": 0} == entry(other)


def test_a_mapping_that_reads_otherwise_what_was_accepted_is_refused_and_changes_nothing(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    before, had = entry(small), readings(Workspace(small.root))
    aside = {path.name: path.read_bytes() for path in (small.root / "quarantine").iterdir()}
    mapping(small, MENDED, 'shift = "-15m"')
    assert main(["quarantine", "retry", "--workspace", str(small.root)]) == 1
    assert "accepted before" in capsys.readouterr().err
    assert (entry(small), readings(Workspace(small.root))) == (before, had)
    assert {path.name: path.read_bytes() for path in (small.root / "quarantine").iterdir()} == aside


def test_rows_taken_in_by_a_retry_reopen_their_window(tmp_path: Path) -> None:
    small = Small(tmp_path).registry(["M-1"])
    small.dump("flowmeter", {"M-1": demand()})
    rows = [f"M-1,2026-01-01T{k // 4:02d}:{15 * (k % 4):02d}:00Z,{value},lph" for k, value in enumerate(demand())]
    (tmp_path / "raw" / "vendor").mkdir(parents=True)
    (tmp_path / "raw" / "vendor" / "a.csv").write_text("code,time,reading,unit\n" + "\n".join(rows) + "\n")
    text = SOURCES.replace("volume_l", "flow_lph")
    (tmp_path / "registry" / "sources.toml").write_text(text.format(units="", more=""))
    assert small.run() == 3
    assert small.verdicts()["M-1"]["reason"] == "meter_missing"
    (tmp_path / "registry" / "sources.toml").write_text(text.format(units=', units = {"lph" = "L/h"}', more=""))
    assert main(["quarantine", "retry", "--workspace", str(tmp_path)]) == 0
    assert not list((tmp_path / "quarantine").iterdir())
    assert small.run() == 0
    assert small.verdicts("20260101T000000Z_12h_r2")["M-1"]["verdict"] == "healthy"
