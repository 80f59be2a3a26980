"""Moments as arrays of all cells and as the cells that hold pairs tell the same sums, those of the pairs."""

from __future__ import annotations

import numpy as np
import pytest

from transforms.summarise.many import Kinds, Listed, OnGrid, moments_of
from transforms.summarise.moments import BINS, SUMMED, TOLD, Moments

PARTS, METERS = 3, 40


@pytest.fixture(scope="module")
def values() -> dict[str, np.ndarray]:
    """Sums of pairs that fill a third of the cells; one meter has none."""
    rng = np.random.default_rng(1)
    n = rng.integers(1, 9, (PARTS, BINS, METERS)) * (rng.random((PARTS, BINS, METERS)) < 0.33)
    n[:, :, 7] = 0
    return {name: n if name == "n" else n * rng.integers(-(10**9), 10**9, n.shape) for name in TOLD}


@pytest.mark.parametrize("bins", [slice(None), slice(1, BINS), slice(2, 6)])
def test_totals_are_sums_over_cells(values: dict[str, np.ndarray], bins: slice) -> None:
    moments = Moments(dict(values))
    listed = Moments({name: values[name] for name in TOLD if name not in SUMMED}, moments.cells, PARTS)
    for name in SUMMED:
        expected = values[name][:, bins].sum(axis=(0, 1))
        assert np.array_equal(moments.total(name, bins), expected), name
        assert np.array_equal(listed.total(name, bins), expected), name


def test_cells_are_those_that_hold_pairs_in_order(values: dict[str, np.ndarray]) -> None:
    cells = Moments(dict(values)).cells
    at = 0
    for meter in range(METERS):
        assert cells.first[meter] == at
        for cell in range(PARTS * BINS):
            here = [int(values[name][cell // BINS, cell % BINS, meter]) for name in SUMMED]
            if here[0]:
                assert cells.cell[at] == cell
                assert cells.sums[at].tolist() == here
                at += 1
    assert cells.first[-1] == at == len(cells.sums)


def test_every_pair_is_in_its_cell_however_many_cells_a_window_fills() -> None:
    devices, windows, slots, parts = 5, 4, 96, 6
    rng = np.random.default_rng(2)
    # millionths of Q3 in every bin, so that nearly all cells of all windows hold pairs
    edges = np.array([0, 4_000, 16_000, 31_623, 100_000, 316_228, 1_000_000, 1_200_000])
    q = rng.integers(0, 1_200_000, (devices, windows, slots)).astype(np.float64)
    q[rng.random(q.shape) < 0.7] //= 40
    q_meter = q + rng.integers(-50, 50, q.shape)
    q[rng.random(q.shape) < 0.05] = np.nan
    numbers = {"per_lph": 1.0, "q1": 4e3, "q2": 16e3, "q3": 1e6, "top": 2e6, "band_low": 10.0, "band_high": 20.0}
    kinds = Kinds(**{name: np.full(devices, value) for name, value in numbers.items()})
    grid = OnGrid(q, q_meter, np.ones((devices, windows), bool), np.arange(slots) * 60, np.zeros(devices, np.int64))
    found = moments_of(grid, Listed.none(), np.arange(devices * windows), kinds, parts, slots * 60 // parts)
    assert len(found.cells.cell) > 12 * devices * windows + 8 * parts
    for row in range(devices * windows):
        x, y = q[row // windows, row % windows], q_meter[row // windows, row % windows]
        there = ~np.isnan(x)
        x, y, part = x[there].astype(np.int64), y[there].astype(np.int64), (np.arange(slots) * parts // slots)[there]
        of_bin = np.searchsorted(edges, x, side="right") - 1
        cell = np.where(of_bin == 0, 0, part * BINS + of_bin)
        products = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
        own = slice(found.cells.first[row], found.cells.first[row + 1])
        assert found.cells.cell[own].tolist() == np.unique(cell).tolist()
        assert found.cells.sums[own].tolist() == [products[:, cell == k].sum(axis=1).tolist() for k in np.unique(cell)]
        assert [found.total(name)[row] for name in SUMMED] == products.sum(axis=1).tolist()
        assert [found.total(name, slice(1, BINS))[row] for name in SUMMED] == products[:, cell > 0].sum(axis=1).tolist()
