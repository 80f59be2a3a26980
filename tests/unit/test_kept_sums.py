"""Summaries that are kept: what is read of them again, and what an audit is lent of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flows.audit.arrays import write_arrays
from flows.audit.store import MOMENTS, Kept, Store
from flows.audit.summed import Summed
from transforms.fit.lines import Ints
from transforms.judge.second_look import SecondLook
from transforms.summarise.moments import BINS, SUMMED, Moments
from transforms.summarise.span import NAMES, ROWS
from transforms.summarise.stored import SUMS

PARTS, GROUP = 3, 2
KEY, LOOK = "a" * 40, "b" * 40


def _moments(rows: int, seed: int, largest: int = 900_000) -> Moments:
    """Sums of a few pairs per cell, drawn by chance, in some of the cells."""
    random = np.random.default_rng(seed)
    flow = random.integers(-largest, largest, (2, 4, PARTS, BINS, rows))
    told = random.random((4, PARTS, BINS, rows)) < 0.2
    x, y = np.where(told, flow, 0)
    values = dict(zip(SUMMED, (told, x, y, x * x, x * y, y * y), strict=True))
    sums = {name: one.sum(axis=0, dtype=np.int64) for name, one in values.items()}
    sums |= {name: np.zeros((1, 2, rows), np.int64) for name in ("n_above", "n_below", "n_band_above", "n_band_below")}
    return Moments(sums | {name: np.zeros((1, BINS, rows), np.int64) for name in ("x_min", "y_min", "x_max", "y_max")})


def _rows(codes: list[str]) -> pl.DataFrame:
    """One row with readings of each meter but of the last, of which there are none."""
    known = {"feature_code": codes, "flowmeter_id": "F", "meter_no": [*range(len(codes) - 1), None], "window": 0}
    some = {name: known[name] for name in known if name in ROWS}
    return pl.DataFrame(some, schema={name: ROWS[name] for name in some}).select(
        pl.col(name) if name in some else pl.lit(None, kind).alias(name) for name, kind in ROWS.items()
    )


def _put(store: Store, key: str, moments: Moments) -> Kept:
    meters = moments.values["n"].shape[-1]
    rows = _rows([f"M{k}" for k in range(meters + 1)])
    runs = {name: rows[name].rle().struct.unnest() for name in NAMES}
    return store.put(key, LOOK, rows.drop(NAMES), runs, moments, SecondLook.none(meters))


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    store, moments = Store(tmp_path), _moments(4, 1)
    put = _put(store, KEY, moments)
    found = store.find(KEY, LOOK, PARTS)
    assert found is not None and store.find(KEY, "c" * 40, PARTS) is None
    assert_frame_equal(found.rows, put.rows)
    for name, runs in put.runs.items():
        assert_frame_equal(found.runs[name], runs)
    for name in SUMMED:
        assert (found.moments.values[name] == moments.values[name]).all()
    # what stands there stays, whoever comes with the same
    before = {file: file.stat().st_ino for file in tmp_path.rglob("*.npy")}
    _put(store, KEY, moments)
    assert {file: file.stat().st_ino for file in tmp_path.rglob("*.npy")} == before


@pytest.mark.parametrize("file", ["rows.arrow", "moments.npy", "looked-"])
@pytest.mark.parametrize("damage", ["empty", "nonsense", "cut short", "gone"])
def test_what_is_kept_and_cannot_be_read_is_made_anew(tmp_path: Path, file: str, damage: str) -> None:
    store, moments = Store(tmp_path / "store"), _moments(4, 3)
    kept = _put(store, KEY, moments)
    (damaged,) = (path for path in (tmp_path / "store").rglob("*") if path.name.startswith(file))
    if damage == "gone":
        damaged.unlink()
    else:
        half = damaged.read_bytes()[: damaged.stat().st_size // 2]
        damaged.write_bytes({"empty": b"", "nonsense": b"nonsense", "cut short": half}[damage])
    assert store.find(KEY, LOOK, PARTS) is None
    _put(store, KEY, moments)
    again = store.find(KEY, LOOK, PARTS)
    assert again is not None
    assert again.rows.equals(kept.rows)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("largest", [50_000, 900_000, 2**30])
def test_sums_that_are_lent_are_those_of_the_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, largest: int
) -> None:
    """Two chunks, the second with flows of one word or two, or numbers that need all 64 bits, and nothing left of the store when
    they are read."""
    if not links:

        def refused(_self: Path, _target: Path) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(Path, "hardlink_to", refused)
    meters = 5
    store, chunks = Store(tmp_path / "store"), [_moments(meters, 2), _moments(meters, 3, largest)]
    folders = []
    for number, moments in enumerate(chunks):
        kept = _put(store, f"{number}" * 40, moments)
        folder = tmp_path / f"chunk-{number}"
        folder.mkdir()
        store.lend(f"{number}" * 40, kept.arrays, folder)
        Summed.write_edges(np.arange(meters), kept.arrays, 3, GROUP, str(folder))
        folders.append(str(folder))
    for file in (tmp_path / "store").rglob("*.npy"):
        file.unlink()
    for group in range(3):
        mine = np.arange(group * GROUP, min((group + 1) * GROUP, meters))
        counts = np.concatenate([(moments.values["n"] > 0).sum(axis=(0, 1))[mine] for moments in chunks])
        # meter after meter: each has a window in either chunk
        place = np.concatenate([np.arange(len(mine)) * 2 + number for number in range(2)])
        first, of_bin, sums = Summed().together(folders, group, [len(mine)] * 2, counts, place)
        for row in range(2 * len(mine)):
            told = np.stack([chunks[row % 2].values[name].sum(axis=0)[:, mine[row // 2]] for name in SUMMED])
            there: Ints = np.flatnonzero(told[0])
            assert of_bin[first[row] : first[row + 1]].tolist() == there.tolist()
            assert (sums[:, first[row] : first[row + 1]] == told[:, there]).all()


@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.9])
def test_sums_that_end_early_say_so(tmp_path: Path, left: float) -> None:
    kept = _put(Store(tmp_path / "store"), KEY, _moments(2, 4))
    write_arrays((kept.arrays[name] for name in SUMS), tmp_path / MOMENTS)
    Summed.write_edges(np.arange(2), kept.arrays, 1, 2, str(tmp_path))
    file = tmp_path / MOMENTS
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * left)])
    counts = (_moments(2, 4).values["n"] > 0).sum(axis=(0, 1))
    with pytest.raises(OSError, match="ends early"):
        Summed().together([str(tmp_path)], 0, [2], counts, np.arange(2))
