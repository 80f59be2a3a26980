"""Defects of simulated dumps: counted, the same for a seed, and accounted for to the row by ingest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.simulation import FORMS, simulate_workspace
from tests.workspaces import output
from transforms.errors import UsageError
from transforms.ingest import ingest
from transforms.registry import load_registry
from transforms.simulate import NONE, SHARES, USUAL, Defects, fleet
from transforms.simulate.defects import Losses, Selection, deal
from transforms.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DUMPS = [slice(0, 48), slice(48, 96), slice(96, 120)]
SOME = Defects(late=0.05, repeated=0.05, doubled=0.02, lost=0.01, disordered=0.03)


def dealt(defects: Defects, rows: int = 400) -> tuple[list[Selection], Losses]:
    values = np.ones((rows, 120))
    values[0] = np.nan
    losses = Losses()
    return deal(values, DUMPS, defects, np.random.default_rng(6), losses), losses


def in_order(one: Selection) -> bool:
    return bool(np.all(np.diff(one.device * 1000 + one.stamp) > 0))


def test_without_defects_every_reading_stands_once_in_its_dump_in_order() -> None:
    found, losses = dealt(NONE)
    assert losses == Losses(written=399 * 120)
    for span, one in zip(DUMPS, found, strict=True):
        assert in_order(one) and one.device.min() == 1
        assert len(one.stamp) == 399 * (span.stop - span.start)
        assert one.stamp.min() == span.start and one.stamp.max() == span.stop - 1


@pytest.mark.parametrize("what", ["late", "repeated", "doubled", "lost", "disordered"])
def test_each_defect_does_what_it_says_and_nothing_else(what: str) -> None:
    share = 0.2
    found, losses = dealt(replace(NONE, **{what: share}))
    keys = [one.device * 1000 + one.stamp for one in found]
    every = np.concatenate(keys)
    counts = {name: getattr(losses, name) for name in ("late", "repeated", "doubled", "lost")}
    assert {name for name, count in counts.items() if count} == ({what} - {"disordered"})
    assert len(every) == losses.written == 399 * 120 + counts["doubled"] + counts["repeated"] - counts["lost"]
    assert len(every) - len(np.unique(every)) == counts["doubled"] + counts["repeated"]
    strays = [
        int(np.sum((one.stamp < span.start) | (one.stamp >= span.stop))) for span, one in zip(DUMPS, found, strict=True)
    ]
    if what in {"late", "repeated"}:
        devices = np.unique(found[1].device[found[1].stamp < 48])
        assert strays[0] == 0 and sum(strays) == counts[what] == 2 * 12 * len(devices)
        assert counts[what] == pytest.approx(share * 399 * 24, rel=0.25)
    else:
        assert strays == [0, 0, 0]
    if what in {"doubled", "lost"}:
        assert counts[what] == pytest.approx(share * 399 * 120, rel=0.05)
    moved = [np.mean(np.diff(each) <= 0) for each in keys]
    assert max(moved) == 0 or what in {"disordered", "doubled"}
    assert what != "disordered" or min(moved) > 0.1


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="late, lost"):
        Defects(late=-0.1, lost=1.1)


@pytest.mark.parametrize("form", ["csv", "jsonl.gz", "rle", "parquet"])
def test_ingest_accounts_for_every_doubled_repeated_and_lost_row(tmp_path: Path, form: str) -> None:
    root = tmp_path / "w"
    # enough registers and gaps in a small fleet
    shares = {"healthy": 0.6, "register_litres": 0.1, "register_m3": 0.1, "exchanged": 0.1, "few_samples": 0.1}
    made = simulate_workspace(
        root, meters=60, days=1, interval=QUARTER, seed=4, start=START, form=form, shares=shares, defects=SOME
    )
    workspace = Workspace(root)
    done = ingest(workspace, load_registry(workspace.registry), absurd_flow_lph=20_000.0, threads=1)
    known = made["defects"]
    again = sum(known[stream][name] for stream in known for name in ("doubled", "repeated"))
    lost = sum(known[stream]["lost"] for stream in known)
    assert again > 100 and lost > 50
    assert (done.quarantined, done.duplicate) == (0, again)
    assert done.read == sum(made["readings"].values())
    sent = 60 * 96 * 2 - done.accepted - lost
    assert 0.7 * 6 * 96 < sent < 6 * 96, "what is missing otherwise are the few samples of a tenth of the meters"
    registers = [file for file in (root / "raw/meter").iterdir() if "_registers." in file.name]
    assert [file.name for file in sorted(registers)] == [
        f"20260101T{hour}0000Z_12h_registers{FORMS[form]}" for hour in ("00", "12")
    ]


def test_registers_travel_as_volume_in_frames_and_columns(tmp_path: Path) -> None:
    frames, tables = [], []
    for form in ("rle", "csv"):
        root = tmp_path / form
        simulate_workspace(
            root, meters=3, days=0.5, interval=QUARTER, seed=4, start=START, form=form, defects=NONE,
            shares={"register_litres": 1.0},
        )  # fmt: skip
        (file,) = [file for file in (root / "raw/meter").iterdir() if "_registers" in file.name]
        if form == "rle":
            frames = [json.loads(line) for line in file.read_text().splitlines()]
        else:
            tables.append(pl.read_csv(file))
    assert {(frame["unit"], frame["quantity"]) for frame in frames} == {("L", "volume")}
    assert tables[0].columns == ["feature_code", "timestamp", "volume_l"]
    expanded = [value for frame in frames for value, times in frame["runs"] for _ in range(times)]
    assert expanded == tables[0]["volume_l"].to_list()


def test_same_seed_same_bytes_with_everything_on(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        root = tmp_path / name
        simulate_workspace(root, meters=150, days=1, interval=QUARTER, seed=seed, start=START)
        made.append({str(f.relative_to(root)): f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()})
    assert made[0] == made[1]
    assert set(made[0]) == set(made[2]) and made[0] != made[2]
    truth = pl.read_parquet(tmp_path / "a/truth.parquet")
    assert set(truth["behaviour"]) == {name for name, share in SHARES.items() if share * 150 >= 0.5}


def test_registers_go_on_from_one_group_of_dumps_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "BLOCK_READINGS", 700)
    monkeypatch.setattr(fleet, "BLOCK_DUMPS", 2)
    simulate_workspace(
        tmp_path / "w", meters=30, days=2.5, interval=QUARTER, seed=4, start=START, form="parquet", defects=USUAL,
        shares={"register_litres": 1.0},
    )  # fmt: skip
    files = sorted((tmp_path / "w/raw/meter").glob("*_registers.parquet"))
    table = pl.concat([pl.read_parquet(file) for file in files]).unique().sort("feature_code", "timestamp")
    assert table.height > 0.99 * 30 * 240
    steps = table.select(pl.col("volume_l").diff().over("feature_code")).to_series().drop_nulls()
    assert steps.min() == 0 and steps.max() < 1000


def test_the_command_line_switches_defects_off(tmp_path: Path) -> None:
    made = {}
    for choice in ("none", "usual"):
        arguments = ["simulate", str(tmp_path / choice), "--meters", "60", "--defects", choice, "--json"]
        code, said = output(arguments)
        assert code == 0
        made[choice] = json.loads(said)
    assert sum(made["none"]["defects"]["meter"].values()) == 0
    assert made["none"]["readings"]["flowmeter"] == 60 * 96
    assert made["usual"]["defects"]["meter"]["doubled"] > 0
    assert made["usual"]["behaviours"]["healthy"] == 48
