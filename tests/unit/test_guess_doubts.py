"""Proposals that would feed wrongly: a few bad cells change nothing, and what is left out or unclear is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from transforms.sources.columns import reads_dates
from transforms.sources.guess import Proposal, look_at, propose

_HOURS = [f"{hour:02d}:00" for hour in range(24)]


def of(tmp_path: Path, lines: Iterable[str], **known: Any) -> Proposal:
    """The proposal for a file of these lines."""
    path = tmp_path / "export.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return propose(look_at(path), path.name, **known)


def said(proposal: Proposal) -> str:
    """All doubts as one text."""
    return "\n".join([*proposal.doubts, *(doubt for one in proposal.sources for doubt in one.doubts.values())])


def stamps(proposal: Proposal) -> Any:
    return proposal.sources[0].keys["columns"]["timestamp"]


def daily(cell: Callable[[int, str], str]) -> list[str]:
    """A register of one meter by the hour for three days; the stamp as ``cell`` writes it."""
    return [
        f"{cell(day, hour)};{100 + 24 * day + k * k % 7 / 10 + k:.1f}"
        for day in (19, 20, 21)
        for k, hour in enumerate(_HOURS)
    ]


@pytest.mark.parametrize("bad", ["25:99", "24:00", "", "n/a", "12.00.00,5"])
@pytest.mark.parametrize("row", [0, 3, 40])
def test_one_bad_time_of_day_does_not_change_what_is_proposed(bad: str, row: int, tmp_path: Path) -> None:
    lines = daily(lambda day, hour: f"{day}/01/2026;{hour}")
    lines[row] = f"19/01/2026;{bad};{lines[row].split(';')[2]}"
    proposal = of(tmp_path, ["Data;Ora;Lettura (m3)", *lines])
    assert stamps(proposal) == {"name": ["Data", "Ora"], "format": "%d/%m/%Y %H:%M"}
    assert proposal.faults == []
    if bad:
        assert (
            f"1 stamp does not read and will be set aside as bad_timestamp; the first is '19/01/2026 {bad}' in line {row + 2}"
            in said(proposal)
        )


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda day, hour: f"2026-01-{day}T{hour}:00Z", "Zeit"),
        (lambda day, hour: f"2026-01-{day} {hour}", "Zeit"),
        (lambda day, hour: str(1_768_000_000 + day * 86_400 + int(hour[:2]) * 3600), {"name": "Zeit", "format": "epoch_s"}),
        (lambda day, hour: f"{46_000 + day + int(hour[:2]) / 24:.6f}", {"name": "Zeit", "format": "excel"}),
        (lambda day, hour: f"{day}.01.2026 {hour}", {"name": "Zeit", "format": "%d.%m.%Y %H:%M"}),
        (lambda day, hour: f"01/{day}/26 {hour}", {"name": "Zeit", "format": "%m/%d/%y %H:%M"}),
        (lambda day, hour: f"{day}-ene-2026 {hour}", None),
    ],
)  # fmt: skip
def test_one_bad_stamp_in_any_form_does_not_change_what_is_proposed(
    write: Callable[[int, str], str], expected: Any, tmp_path: Path
) -> None:
    lines = daily(write)
    lines[5] = "Ausfall;" + lines[5].split(";")[1]
    proposal = of(tmp_path, ["Zeit;Stand (m3)", *lines])
    found = stamps(proposal)
    assert found == expected or (
        expected is None and (found["format"], found["months"][0]) == ("%d-%b-%Y %H:%M", "ene")
    )
    assert "the first is 'Ausfall' in line 7" in said(proposal)


@pytest.mark.parametrize(
    ("name", "clock"),
    [
        ("Ora", lambda hour: str(int(hour[:2]) + 1)),  # hours that end, 1 to 24: no format reads them
        ("Zeit", lambda hour: f"{int(hour[:2]) / 24:.6f}"),  # fractions of a day, as spreadsheets keep them
    ],
)
def test_a_time_of_day_that_is_not_read_is_a_fault(name: str, clock: Callable[[str], str], tmp_path: Path) -> None:
    proposal = of(tmp_path, [f"Date;{name};Volume (m3)", *daily(lambda day, hour: f"{day}.01.2026;{clock(hour)}")])
    faults = "\n".join(proposal.faults)
    assert f"'{name}' looks like the time of day" in faults
    assert "share what 'Date' has with another row" in faults


def test_an_hour_beside_a_date_is_read_with_it(tmp_path: Path) -> None:
    proposal = of(tmp_path, ["Date;Hour;Volume (m3)", *daily(lambda day, hour: f"{day}.01.2026;{int(hour[:2])}")])
    assert stamps(proposal) == {"name": ["Date", "Hour"], "format": "%d.%m.%Y %H"}
    assert proposal.faults == []
    assert reads_dates("%d.%m.%Y %H")


def test_readings_that_nothing_tells_apart_are_a_fault(tmp_path: Path) -> None:
    rows = [f"Nord;2026-01-01T{k:02d}:00:00Z;{m * 1000 + k}" for k in range(24) for m in (1, 2, 3)]
    (fault,) = of(tmp_path, ["Zähler;Zeit;Stand (m3)", *rows]).faults
    assert "100% of the rows share what 'Zähler' and 'Zeit' have with another row" in fault


def two_names(first: str, second: str) -> list[str]:
    rows = [
        f"{first.format(m)};{second.format(m)};2026-01-01T{k:02d}:00:00Z;{m * 1000 + k * m}" for m in (1, 2, 3) for k in range(24)
    ]  # fmt: skip
    return ["Serial;DevEUI;Time;Volume (l)", *rows]


def test_of_several_names_the_one_that_is_registered_counts_or_the_others_are_named(tmp_path: Path) -> None:
    lines = two_names("S{}", "E{}")
    known = of(tmp_path, lines, registered=["E1", "E2", "E9"])
    assert known.sources[0].keys["columns"]["feature_code"] == "DevEUI"
    assert "could name the meters as well" not in said(known)
    assert "'DevEUI' could name the meters as well" in said(of(tmp_path, lines)) or "'Serial' could" in said(
        of(tmp_path, lines)
    )


def test_names_that_lost_zeros_and_letters_become_feature_codes(tmp_path: Path) -> None:
    lines = [
        "Zähler;Zeit;Stand (l)",
        *(f"{n};2026-01-01T{k:02d}:00:00Z;{n + k * k}" for n in (71, 4203) for k in range(24)),
    ]
    proposal = of(tmp_path, lines, registered=["WM-00071", "WM-04203", "WM-00005"])
    assert proposal.sources[0].keys["columns"]["feature_code"] == {"name": "Zähler", "pad": 5, "prefix": "WM-"}
    strange = of(tmp_path, lines, registered=["X", "Y"])
    assert "0 are feature codes of meters.csv" in said(strange)


def flows_and_register(unit: str, scale: float) -> list[str]:
    """Flow and register of two devices that measure alike, the flow times ``scale``."""
    rows, total = [], 5_000.0
    for k in range(60):
        litres = (k * 37) % 50
        total += litres
        rows.append(
            f"2026-01-01T{k // 4:02d}:{k % 4 * 15:02d}:00Z;{litres * 4 * scale * (1 + (k % 5 - 2) / 50):.6f};{total / 1000:.3f}"
        )
    return [f"Time;Flow ({unit});Volume (m3)", *rows]


def test_units_that_a_name_states_wrongly_are_a_fault(tmp_path: Path) -> None:
    assert of(tmp_path, flows_and_register("l/h", 1.0)).faults == []
    for scale in (0.001, 60.0, 1 / 3.6, 1000.0):
        (fault,) = of(tmp_path, flows_and_register("l/h", scale)).faults
        assert f"at a ratio of {scale:.3g}"[:20] in fault


def test_a_volume_that_rises_and_falls_is_that_of_an_interval(tmp_path: Path) -> None:
    lines = [f"2026-01-{1 + k // 96:02d}T{k // 4 % 24:02d}:{k % 4 * 15:02d}:00Z;{(k * 37) % 50}" for k in range(120)]
    proposal = of(tmp_path, ["Time;Consumption (gal)", *lines])
    assert proposal.sources[0].keys["columns"]["flow_lph"] == {"name": "Consumption (gal)", "unit": "gal", "per": "15m"}
    assert "volume of each interval" in said(proposal)


def test_a_register_that_begins_again_stays_a_register(tmp_path: Path) -> None:
    lines = [f"2026-01-01T{k:02d}:00:00Z;{(99_980 + 3 * k * k) % 100_000}" for k in range(24)]
    columns = of(tmp_path, ["Time;Index (l)", *lines]).sources[0].keys["columns"]
    assert columns["volume_l"] == {"name": "Index (l)", "unit": "L"}


@pytest.mark.parametrize(
    ("values", "expected", "doubt"),
    [
        (["101.234", "101.300", "102.000"], {}, "might separate thousands"),
        (["999.234", "1000.300", "1002.000"], {}, ""),
        (["1.001.234", "1.001.300", "1.002.000"], {"decimal": ",", "thousands": "."}, ""),
        (["101,234", "101,300", "102,000"], {"decimal": ","}, "might separate thousands"),
        (["999,234", "1000,300", "1002,000"], {"decimal": ","}, ""),
        (["970", "1,001", "1,002"], {"thousands": ","}, ""),
        (["1 001,2", "1 001,3", "1 002,0"], {"decimal": ",", "thousands": " "}, ""),
    ],
)
def test_points_and_commas_are_told_by_what_stands_around_them(
    values: list[str], expected: dict[str, str], doubt: str, tmp_path: Path
) -> None:
    rows = [f"2026-01-{1 + k}T00:00:00Z;{value};3" for k, value in enumerate(values)]
    proposal = of(tmp_path, ["Time;Volume (l);Port", *rows])
    keys = proposal.sources[0].keys if proposal.sources else look_at(tmp_path / "export.csv").dialect.__dict__
    assert {key: keys[key] for key in expected} == expected
    assert ("might" in said(proposal)) == bool(doubt)
    assert doubt in said(proposal)


def test_columns_named_by_the_beginnings_of_intervals(tmp_path: Path) -> None:
    ends = [f"{k + 1:02d}:00" for k in range(24)]
    for names, label in ((_HOURS, "start"), (ends, None)):
        rows = [f"A;2026-01-{day};" + ";".join(str(day * k * 7 % 50) for k in range(24)) for day in (19, 20, 21)]
        keys = of(tmp_path, ["meter;date;" + ";".join(names), *rows]).sources[0].keys
        assert keys.get("label") == label


def test_what_stands_in_place_of_a_number_is_named(tmp_path: Path) -> None:
    rows = [f"A;2026-01-01T{k:02d}:00:00Z;{'---' if k == 7 else 100 + k}" for k in range(24)]
    proposal = of(tmp_path, ["Meter;Time;Volume (l)", *rows])
    assert proposal.sources[0].keys["missing"] == ["---"]
    assert "this stands 1 time in place of a number" in said(proposal)


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("Meter;Time;Reading", "A;2026-01-01T{k:02d}:00:00Z;{v:.1f} m³", "hold a unit behind each number, such as '100.5 m³'"),
        ("Meter;Date;Time;Volume (l)", "A;46040;{f:.6f};{v}", "'Date' looks like the days of a spreadsheet"),
        ("Meter;Note;Volume (l)", "A;x;{v}", "no column holds time stamps"),
    ],
)  # fmt: skip
def test_what_no_mapping_reads_is_said_and_nothing_proposed(header: str, row: str, words: str, tmp_path: Path) -> None:
    proposal = of(tmp_path, [header, *(row.format(k=k, f=k / 24, v=100.5 + k) for k in range(24))])
    assert proposal.sources == []
    assert words in said(proposal)


def test_columns_whose_names_say_no_quantity_are_meters(tmp_path: Path) -> None:
    rows = [f"2026-01-01T{k:02d}:00:00Z;{k * k};{k * 3};{k * 5}" for k in range(24)]
    keys = of(tmp_path, ["Zeit;Nord;Süd;West", *rows]).sources[0].keys
    assert keys["wide"] == {"names": "feature_code", "columns": ["Nord", "Süd", "West"], "value": "volume_l"}


def test_a_comma_cannot_separate_fields_and_decimals(tmp_path: Path) -> None:
    proposal = of(
        tmp_path, ["Meter,Time,Volume (l)", *(f'A,2026-01-01T{k:02d}:00:00Z,"{100 + k},5"' for k in range(24))]
    )
    assert proposal.sources == []
    assert "',' separates fields and decimals alike" in said(proposal)
