"""Proposals for unknown exports: what is found in files of many makes, and that nothing in a file can break out of it."""

from __future__ import annotations

import gzip
import json
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.sources.guess import LookError, Proposal, look_at, propose, to_toml

DATA = Path(__file__).resolve().parents[2] / "data"


def proposed(path: Path, **known: Any) -> Proposal:
    return propose(look_at(path), path.name, **known)


def only(path: Path, text: str | bytes, **known: Any) -> dict[str, Any]:
    """The keys of the one source that is proposed for a file with this content, as TOML gives them back."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    proposal = proposed(path, **known)
    (source,) = proposal.sources
    assert tomllib.loads(to_toml(proposal))["sources"][source.name] == source.keys
    return source.keys


GERMAN = """Auswertung Netz Nord
Stand: 01.02.2026

Zählernummer;Datum;Uhrzeit;Zählerstand [m³];Status
0012345;01.02.2026;00:00;1.234,567;OK
0012345;01.02.2026;00:15;1.234,601;OK
0012345;01.02.2026;00:30;1.234,640;OK
0012345;01.02.2026;00:45;1.234,640;Ersatzwert
0099887;01.02.2026;00:00;88,120;OK
0099887;01.02.2026;00:15;88,130;OK
0099887;01.02.2026;00:30;88,131;OK
0099887;01.02.2026;00:45;88,150;OK
"""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_german_export(tmp_path: Path, encoding: str) -> None:
    keys = only(tmp_path / "nord.csv", GERMAN.encode(encoding))
    assert keys["columns"] == {
        "timestamp": {"name": ["Datum", "Uhrzeit"], "format": "%d.%m.%Y %H:%M"},
        "feature_code": "Zählernummer",
        "volume_l": {"name": "Zählerstand [m³]", "unit": "m3"},
    }
    assert (keys["delimiter"], keys["decimal"], keys["thousands"], keys["skip_rows"]) == (";", ",", ".", 3)
    assert keys["status"] == {"name": "Status", "good": ["OK"]}
    assert keys.get("encoding", "utf-8") == encoding
    assert keys["timezone"] == "UTC"


def test_an_american_export(tmp_path: Path) -> None:
    rows = [
        f'D{k},1/{day}/2026 {hour}:00 {"AM" if hour < 12 else "PM"},"{1000 + day * 20 + hour + k:,}"'
        for k in (1, 2) for day in range(1, 15) for hour in (1, 5, 9, 11)
    ]  # fmt: skip
    keys = only(tmp_path / "a.csv", "Device ID,Read Time,Read (gal)\n" + "\n".join(rows))
    assert keys["thousands"] == ","
    assert keys["columns"] == {
        "timestamp": {"name": "Read Time", "format": "%m/%d/%Y %I:%M %p"},
        "feature_code": "Device ID",
        "volume_l": {"name": "Read (gal)", "unit": "gal"},
    }


def test_day_and_month_that_could_be_either_way_are_told_by_the_order_of_the_rows_or_left_in_doubt(
    tmp_path: Path,
) -> None:
    rows = [f"{day:02d}/{month:02d}/2026 00:00,{day}" for month in (1, 2) for day in range(1, 13)]
    keys = only(tmp_path / "a.csv", "time,flow\n" + "\n".join(rows))
    assert keys["columns"]["timestamp"]["format"] == "%d/%m/%Y %H:%M"
    (tmp_path / "b.csv").write_text("time,flow\n01/02/2026 00:00,4\n01/02/2026 00:15,1\n01/02/2026 00:30,9\n")
    assert any(
        "other way round" in doubt for one in proposed(tmp_path / "b.csv").sources for doubt in one.doubts.values()
    )


@pytest.mark.parametrize(("unit", "per_s"), [("epoch_s", 1), ("epoch_ms", 1000), ("epoch_us", 1_000_000)])
def test_epochs(tmp_path: Path, unit: str, per_s: int) -> None:
    rows = [f"{(1_767_225_600 + 900 * k) * per_s},WM-{m},{k % 3}" for m in "AB" for k in range(20)]
    keys = only(tmp_path / "a.csv", "ts,meter,flow_lph\n" + "\n".join(rows))
    assert keys["columns"]["timestamp"] == {"name": "ts", "format": unit}
    assert "timezone" not in keys


def test_one_column_a_meter(tmp_path: Path) -> None:
    rows = [f"2026-01-01T{k:02d}:00:00Z," + ",".join(str((k * m) % 7) for m in range(1, 6)) for k in range(20)]
    keys = only(tmp_path / "a.csv", "time," + ",".join(f"WM-{m:03d}" for m in range(1, 6)) + "\n" + "\n".join(rows))
    assert keys["wide"] == {
        "names": "feature_code",
        "columns": [f"WM-{m:03d}" for m in range(1, 6)],
        "value": "flow_lph",
    }


def test_one_column_an_hour(tmp_path: Path) -> None:
    head = ["meter", "date", *(f"{h:02d}:00" for h in range(1, 25))]
    rows = [
        [m, f"2026-01-{d:02d}", *(str((d * h * 7) % 50 / 10) for h in range(24))] for m in "AB" for d in range(1, 6)
    ]
    keys = only(tmp_path / "a.csv", "\n".join(",".join(row) for row in [head, *rows]))
    assert keys["wide"]["names"] == "time"
    assert keys["wide"]["columns"] == head[2:]
    assert keys["columns"]["timestamp"] == {"name": "date", "format": "%Y-%m-%d"}
    assert keys["columns"]["feature_code"] == "meter"


def test_no_header(tmp_path: Path) -> None:
    rows = [f"WM-{m},2026-01-01T{k:02d}:00:00+01:00,{k * m}" for m in (1, 2) for k in range(20)]
    keys = only(tmp_path / "a.csv", "\n".join(rows))
    assert keys["header"] is False
    assert keys["columns"]["timestamp"] == "2"
    assert keys["columns"]["feature_code"] == "1"


def test_json_with_nested_keys_compressed(tmp_path: Path) -> None:
    lines = [
        json.dumps({"meta": {"deviceId": f"D{m}"}, "time": f"2026-01-01T{k:02d}:00:00Z", "data": {"total_m3": 10 + k * m / 8}})
        for m in (1, 2) for k in range(20)
    ]  # fmt: skip
    keys = only(tmp_path / "a.jsonl.gz", gzip.compress("\n".join(lines).encode()))
    assert keys["format"] == "jsonl"
    assert keys["columns"] == {
        "timestamp": "time",
        "feature_code": "meta.deviceId",
        "volume_l": {"name": "data.total_m3", "unit": "m3"},
    }


def test_a_column_of_units(tmp_path: Path) -> None:
    rows = [f"WM-{m},2026-01-01T{k:02d}:00:00Z,{k * m},{'cbm' if m == 1 else 'L'}" for m in (1, 2) for k in range(20)]
    keys = only(tmp_path / "a.csv", "meter,time,reading,unit\n" + "\n".join(rows))
    assert keys["columns"]["volume_l"] == {"name": "reading", "unit_column": "unit", "units": {"cbm": "m3"}}


def test_flow_and_register_of_one_export_tell_each_others_unit() -> None:
    proposal = proposed(DATA / "raw" / "ecan" / "L37-0812-m1.csv", timezone="+12:00")
    by_stream = {source.keys["stream"]: source.keys["columns"] for source in proposal.sources}
    assert by_stream["meter"]["volume_l"] == {"name": "GLOBAL.Volume1", "unit": "m3"}
    assert by_stream["flowmeter"]["flow_lph"] == {"name": "GLOBAL.Flow1", "unit": "L/s"}
    assert all(source.keys["timezone"] == "+12:00" for source in proposal.sources)


def test_parquet_of_a_household() -> None:
    proposal = proposed(DATA / "demand" / "ampds2_water_2012-09_2012-10.parquet")
    assert proposal.sources
    assert all(source.keys["format"] == "parquet" for source in proposal.sources)


def test_run_length_frames(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"feature_code": "A", "start": "2026-01-01T00:00:00Z", "interval_s": 900, "runs": [[1, 2]]}\n'
    )
    (source,) = proposed(tmp_path / "a.jsonl").sources
    assert source.keys["format"] == "rle"
    assert "stream" in source.doubts


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"one column\nof words\n", b"{broken\n", b"PAR1xxxx", b"\x1f\x8bnope", b"\x28\xb5\x2f\xfdno"],
)
def test_what_is_no_export_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "strange.csv"
    path.write_bytes(content)
    with pytest.raises(LookError, match=r"strange\.csv"):
        look_at(path)


def test_names_in_a_file_stay_texts(tmp_path: Path) -> None:
    evil = 'flow"]\n[sources.evil]\nstream = "meter'
    pl.DataFrame(
        {"time": [f"2026-01-01T00:{k:02d}:00Z" for k in range(30)], evil: [str(k % 4) for k in range(30)]}
    ).write_parquet(tmp_path / "a.parquet")
    proposal = proposed(tmp_path / "a.parquet")
    read = tomllib.loads(to_toml(proposal))["sources"]
    assert list(read) == ["a"]
    assert read["a"]["columns"]["flow_lph"]["name"] == evil


@given(st.binary(max_size=400) | st.text(alphabet='0123456789-:T/,;.\n\t {}"aZm', max_size=400).map(str.encode))
def test_no_bytes_lead_to_anything_but_a_proposal_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        looked = look_at(path)
    except LookError:
        return
    tomllib.loads(to_toml(propose(looked, path.name)))


def test_months_of_another_language(tmp_path: Path) -> None:
    lines = [f"IT-1|{day}-{month}-26|{hour:02d}:00|{day + hour / 100:.3f}" for month in ("gen", "feb") for day in (20, 21)
             for hour in range(24)]  # fmt: skip
    keys = only(tmp_path / "letture.csv", "\n".join(["matricola|data|ora|lettura (m3)", *lines]) + "\n")
    stamp = keys["columns"]["timestamp"]
    assert (stamp["name"], stamp["format"]) == (["data", "ora"], "%d-%b-%y %H:%M")
    assert stamp["months"] == ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"]


def test_day_numbers_of_a_spreadsheet(tmp_path: Path) -> None:
    lines = [f"FR-1;{46023 + k / 96:.6f};{100 + k}".replace(".", ",") for k in range(96)]
    keys = only(tmp_path / "index.csv", "\n".join(["Compteur;Date;Index (l)", *lines]) + "\n", timezone="Europe/Paris")
    assert keys["columns"]["timestamp"] == {"name": "Date", "format": "excel"}
    assert keys["timezone"] == "Europe/Paris"


def test_a_line_of_units_under_the_header(tmp_path: Path) -> None:
    lines = [f"2026-01-{1 + k // 24:02d} {k % 24:02d}:00,{k % 5},{k % 3},{k % 2}" for k in range(72)]
    keys = only(tmp_path / "wide.csv", "\n".join(["Time,WM-1,WM-2,WM-3", ",m3/h,m3/h,m3/h", *lines]) + "\n")
    assert keys["columns"]["flow_lph"] == {"unit": "m3/h"}


def test_the_newer_dump_by_its_name_needs_no_key(tmp_path: Path) -> None:
    assert "version" not in only(tmp_path / "export_20260102030405_v2.csv", GERMAN)
