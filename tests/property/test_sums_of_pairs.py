"""The sums of many windows are those that a person with a pencil would take, pair by pair."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.summarise import many
from transforms.summarise.many import Kinds, Listed, OnGrid, moments_of
from transforms.summarise.moments import BINS, SUMMED, SUMS, Moments
from transforms.summarise.stored import from_arrays, to_arrays

PARTS, SLOTS, PART_US = 4, 12, 3 * 900_000_000
NAN = float("nan")
#: L/h to millionths of Q3, Q1, Q2, Q3, the largest flow that is one, and the band
KIND = (400.0, 6_250.0, 10_000.0, 1_000_000.0, 5_000_000.0, 1_600.0, 24_000.0)

flows = st.one_of(
    st.just(0.0),
    st.just(NAN),
    st.floats(-50.0, 14_000.0),
    st.sampled_from([15.625, 25.0, 79.05, 250.0, 2_500.0, 15.6, 0.001]),
)
windows = st.lists(st.tuples(flows, flows), min_size=SLOTS, max_size=SLOTS)


def by_hand(pairs: list[tuple[int, float, float]]) -> dict[str, Any]:
    """Sums by part and bin of pairs (time, q, q'), and what is told of the window."""
    cells: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * 6)
    counts, reach = dict.fromkeys(SUMS[6:], 0), defaultdict(list)
    for us, q, q_meter in pairs:
        if math.isnan(q) or math.isnan(q_meter):
            continue
        x, y = round(q * KIND[0]), round(q_meter * KIND[0])
        if abs(x) > KIND[4] or abs(y) > KIND[4]:
            continue
        of_bin = sum(x >= border for border in (KIND[1], KIND[2], 31_623, 100_000, 316_228, KIND[3]))
        part = us // PART_US if of_bin else 0
        cells[part, of_bin] = [a + b for a, b in zip(cells[part, of_bin], (1, x, y, x * x, x * y, y * y), strict=True)]
        reach[of_bin].append((x, y))
        if of_bin:
            counts["n_above"] += y > x
            counts["n_below"] += y < x
            counts["n_band_above"] += KIND[5] <= y - x <= KIND[6]
            counts["n_band_below"] += KIND[5] <= x - y <= KIND[6]
    return {"cells": dict(cells), "counts": counts, "reach": dict(reach)}


def check(found: Moments, row: int, told: dict[str, Any]) -> None:
    for part in range(PARTS):
        for of_bin in range(BINS):
            expected = told["cells"].get((part, of_bin), [0] * 6)
            assert [int(found.values[name][part, of_bin, row]) for name in SUMMED] == expected
    assert {name: int(found.total(name, slice(1, BINS))[row]) for name in SUMS[6:]} == told["counts"]
    for of_bin, pairs in told["reach"].items():
        for k, name in enumerate("xy"):
            values = [pair[k] for pair in pairs]
            assert int(found.by_bin(f"{name}_min")[of_bin, row]) == min(values)
            assert int(found.by_bin(f"{name}_max")[of_bin, row]) == max(values)


@settings(max_examples=25, deadline=None)
@given(
    grid=st.lists(st.tuples(windows, st.booleans(), st.booleans()), min_size=2, max_size=4),
    phase=st.sampled_from([0, 420_000_000]),
    few=windows,
    room=st.sampled_from([0, 12]),
)
def test_sums_are_those_of_the_pairs(grid: list[Any], phase: int, few: list[tuple[float, float]], room: int) -> None:
    """Rows of a grid, watched and kept or not, and a last one whose pairs come in a list; with room for few cells at first."""
    us = np.arange(SLOTS) * 900_000_000
    q = np.array([[[pair[0] for pair in row]] for row, _, _ in grid] + [[[NAN] * SLOTS]])
    q_meter = np.array([[[pair[1] for pair in row]] for row, _, _ in grid] + [[[NAN] * SLOTS]])
    rows = len(q)
    watched = np.array([[watch] for _, watch, _ in grid] + [[False]])
    kept = np.array([keep for _, _, keep in grid] + [True])
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    listed = Listed(np.full(SLOTS, rows - 1), us, np.array([a for a, _ in few]), np.array([b for _, b in few]))
    kinds = Kinds(*(np.full(rows, value) for value in KIND))
    with patch.object(many, "_CELLS", room):
        found = moments_of(OnGrid(q, q_meter, watched, us, np.full(rows, phase)), listed, place, kinds, PARTS, PART_US)
    told = [
        by_hand([(int(t) + phase, a, b) for t, (a, b) in zip(us, row, strict=True)] if watch else [])
        for row, watch, _ in grid
    ]
    told.append(by_hand([(int(t), a, b) for t, (a, b) in zip(us, few, strict=True)]))
    kept_rows = np.flatnonzero(kept)
    some = found.pick(np.array([len(kept_rows) - 1, 0]))
    again = from_arrays(to_arrays(found), PARTS)
    for at, row in enumerate(kept_rows):
        check(found, at, told[row])
        # what is kept says the same of all that the judgement asks
        for name in SUMMED:
            assert (again.values[name][..., at] == found.values[name][..., at]).all()
        for name in ("x_min", "x_max", "y_min", "y_max"):
            assert again.total(name, slice(1, BINS))[at] == found.total(name, slice(1, BINS))[at]
    check(some, 0, told[kept_rows[-1]])
    check(some, 1, told[kept_rows[0]])
    dense = Moments(dict(found.values))
    for name in ("first", "cell", "sums"):
        assert (getattr(dense.cells, name) == getattr(found.cells, name)).all()


def test_sums_that_need_more_room_are_kept_as_well() -> None:
    """More pairs in a cell than a byte counts, and more flow than 32 bits hold."""
    count, flow = 600, 12_500.0
    pairs = np.full((1, 1, count), flow)
    kinds = Kinds(*(np.array([value]) for value in KIND))
    grid = OnGrid(pairs, pairs, np.array([[True]]), np.arange(count), np.zeros(1, np.int64))
    again = from_arrays(to_arrays(moments_of(grid, Listed.none(), np.zeros(1, np.int64), kinds, PARTS, PART_US)), PARTS)
    x = round(flow * KIND[0])
    expected = dict(zip(SUMMED, (count, count * x, count * x, *(count * x * x,) * 3), strict=True))
    assert {name: int(again.values[name][0, 6, 0]) for name in SUMMED} == expected
    assert again.values["n"].sum() == count
