"""Where few of many meters have reported, those alone are matched."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.property.test_span_matching import HOURS, WINDOWS, Stream, lake_of, registry_of, with_unheard
from tests.workspaces import START
from transforms.fleet import fleet_table
from transforms.match import CHANGED, Parties, claims, grid
from transforms.match.span import Chunk
from transforms.summarise.span import ChunkSummary, summarise_chunk


def summary_of(root: Path, unheard: int, *, named: bool) -> ChunkSummary:
    """One meter that reported, of whose flowmeter the record or the table says so, and some that did not."""
    stream = Stream(interval=15, phase=0, missing=0.0, register=0.0, jitter=False)
    lake, devices = lake_of(root, [(stream, stream, named)], 1, False, False)
    registry = registry_of(root, 1 + unheard)
    devices = with_unheard(devices, 1, unheard)
    if named:  # no flowmeter has two numbers, so that every claim is plain
        devices = devices.filter((pl.col("stream") == "meter") | (pl.col("device_no") < 100))
    never = pl.DataFrame(schema={"feature_code": pl.String, "window": pl.Int32, "since": CHANGED["since"]})
    parties = Parties(
        fleet=fleet_table(registry),
        devices=devices,
        claims=claims(devices, registry.pairs),
        instants=devices.clear(),
        settled=0.1,
        changed=pl.DataFrame(schema=CHANGED),
    ).split(1)[0]
    assert len(parties.codes) == 1 + unheard
    (root / "scratch").mkdir()
    return summarise_chunk(
        lake, Chunk(0, START, timedelta(hours=HOURS), WINDOWS), parties, never, root / "scratch", parts=4
    )


@pytest.mark.parametrize("named", [True, False], ids=["by its record", "by the table"])
def test_meters_that_never_reported_do_not_keep_the_others_from_a_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """A registry of ten thousand, and an export of some hundred of them."""
    monkeypatch.setattr(grid, "_LARGE", 0)
    monkeypatch.setattr(grid, "_THIN", 2)
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    alone, among = summary_of(tmp_path / "one", 0, named=named), summary_of(tmp_path / "many", 9, named=named)
    assert among.samples.few is None
    assert among.rows.equals(alone.rows)
    assert among.named.equals(alone.named)
    assert among.rows["meter_no"].null_count() == 0
