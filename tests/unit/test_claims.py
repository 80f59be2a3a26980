"""Claims: every statement about who watches whom, by a device itself or by pairs.csv."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.match.claims import CLAIMS, FOREVER, claims
from transforms.schemas import DEVICES, UTC_US

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
PAIRS_SCHEMA = {"feature_code": pl.String, "flowmeter_id": pl.String, "valid_from": UTC_US, "valid_to": UTC_US}

Device = tuple[str | None, str | None]
Row = tuple[str, str, datetime | None, datetime | None]


def devices(*flowmeters: Device, meters: tuple[str, ...] = ()) -> pl.DataFrame:
    """Flowmeter devices numbered from 0, in bucket 3, and meter devices after them."""
    rows = [(k, "flowmeter", code, name, 3) for k, (code, name) in enumerate(flowmeters)]
    rows += [(len(rows) + k, "meter", code, None, 3) for k, code in enumerate(meters)]
    return pl.DataFrame(rows, schema=DEVICES, orient="row")


def table(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=PAIRS_SCHEMA, orient="row")


def said(frame: pl.DataFrame) -> set[tuple[str, int, str | None, str]]:
    return set(frame.select("feature_code", "device_no", "flowmeter_id", "source").iter_rows())


@pytest.mark.parametrize(
    ("device", "rows", "expected"),
    [
        # its own word stands for itself, with or without a table
        (("WM-1", "F-1"), [], {("WM-1", "F-1", "record")}),
        (("WM-1", None), [], {("WM-1", None, "record")}),
        (("WM-1", "F-1"), [("WM-1", "F-1", None, None)], {("WM-1", "F-1", "record")}),
        (("WM-1", "F-1"), [("WM-9", "F-9", None, None)], {("WM-1", "F-1", "record")}),
        # without a code, the table places it; without a table nobody does
        ((None, "F-1"), [("WM-1", "F-1", None, None)], {("WM-1", "F-1", "table")}),
        ((None, "F-1"), [("WM-9", "F-9", None, None)], set()),
        ((None, "F-1"), [], set()),
        # without an id, it is called what the table calls that meter's flowmeter
        (
            ("WM-1", None),
            [("WM-1", "F-1", None, None)],
            {("WM-1", None, "record"), ("WM-1", "F-1", "record")},
        ),
        # the table gives its id to another meter: a contradiction for both
        (
            ("WM-1", "F-1"),
            [("WM-2", "F-1", None, None)],
            {("WM-1", "F-1", "record"), ("WM-1", "F-1", "other_meter"), ("WM-2", "F-1", "other_meter")},
        ),
        # the table gives its meter to another flowmeter
        (
            ("WM-1", "F-1"),
            [("WM-1", "F-2", None, None)],
            {("WM-1", "F-1", "record"), ("WM-1", "F-1", "other_flowmeter")},
        ),
        # both at once
        (
            ("WM-1", "F-1"),
            [("WM-1", "F-2", None, None), ("WM-2", "F-1", None, None)],
            {
                ("WM-1", "F-1", "record"),
                ("WM-1", "F-1", "other_meter"),
                ("WM-2", "F-1", "other_meter"),
                ("WM-1", "F-1", "other_flowmeter"),
            },
        ),
    ],
)
def test_what_is_claimed(device: Device, rows: list[Row], expected: set[tuple[str, str | None, str]]) -> None:
    found = claims(devices(device), table(*rows))
    assert said(found) == {(code, 0, name, source) for code, name, source in expected}
    assert found.height == len(expected)


def test_no_table_and_an_empty_one_say_the_same() -> None:
    known = devices(("WM-1", "F-1"), (None, "F-2"), ("WM-3", None))
    assert claims(known, None).equals(claims(known, table()))


def test_meters_claim_nothing() -> None:
    assert claims(devices(meters=("WM-1",)), table(("WM-1", "F-1", None, None))).is_empty()
    assert claims(devices(), None).is_empty()


def test_columns_and_types_are_as_stated() -> None:
    for rows in ((), (("WM-1", "F-1", None, FEBRUARY),)):
        assert dict(claims(devices(("WM-1", "F-1")), table(*rows)).schema) == CLAIMS


def test_a_place_in_the_table_lasts_as_long_as_the_table_says() -> None:
    rows = table(("WM-1", "F-1", None, FEBRUARY), ("WM-2", "F-1", FEBRUARY, None))
    found = claims(devices((None, "F-1")), rows).sort("feature_code")
    assert found.select("feature_code", "source", "valid_from", "valid_to").rows() == [
        ("WM-1", "table", FOREVER[0], FEBRUARY),
        ("WM-2", "table", FEBRUARY, FOREVER[1]),
    ]


def test_a_contradiction_lasts_as_long_as_the_table_says_and_the_record_for_ever() -> None:
    found = claims(devices(("WM-1", "F-1")), table(("WM-1", "F-2", FEBRUARY, None)))
    assert set(found.select("source", "valid_from", "valid_to").iter_rows()) == {
        ("record", *FOREVER),
        ("other_flowmeter", FEBRUARY, FOREVER[1]),
    }


def test_the_order_of_devices_and_rows_does_not_matter() -> None:
    known = devices(("WM-1", "F-1"), (None, "F-2"), ("WM-3", None), ("WM-2", "F-4"))
    rows = [("WM-2", "F-1", None, FEBRUARY), ("WM-1", "F-2", None, None), ("WM-3", "F-5", None, None)]
    found = claims(known, table(*rows))
    assert claims(known.reverse(), table(*reversed(rows))).equals(found)
