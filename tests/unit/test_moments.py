"""Moments as arrays of all cells and as the cells that hold pairs tell the same sums."""

from __future__ import annotations

import numpy as np
import pytest

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
