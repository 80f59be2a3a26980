"""The sums of many windows are those that a person with a pencil would take, pair by pair."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.summarise import many
from transforms.summarise.many import Kinds, Listed, OnGrid, moments_of
from transforms.summarise.moments import BINS, SUMMED, SUMS, Cells, Ints, Moments
from transforms.summarise.stored import SUMS as STORED
from transforms.summarise.stored import add_up, begins, bins_of, from_arrays, to_arrays

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


def sums_of(told: Sequence[tuple[int, int]]) -> list[int]:
    """The sums of some pairs."""
    return [sum(column) for column in zip(*((1, x, y, x * x, x * y, y * y) for x, y in told), strict=True)]


#: pairs of flows in the units of sums: the meter's close to the reference's, about as far as 16 bits reach, and anywhere
edge = st.sampled_from([-131_072, -65_537, -65_536, -1, 65_535, 65_536, 131_071])
whole = st.one_of(st.integers(-5_000_000, 5_000_000), st.integers(-300, 300), edge)
apart = st.one_of(st.integers(-70_000, 70_000), st.sampled_from([-32_769, -32_768, 0, 32_767, 32_768]), whole)
pairs = st.tuples(whole, apart).map(lambda told: (told[0], told[0] + told[1]))
reached = st.one_of(whole, st.sampled_from([0, 1, -1, 2**16 - 1, 2**16, -(2**16), 2**31 - 1, -(2**31)]))
#: sums of a cell of a few pairs, often two, now and then the same or with the same reference; and sums that are of no pairs
of_pairs = st.one_of(
    st.lists(pairs, min_size=1, max_size=4),
    st.lists(pairs, min_size=2, max_size=2),
    pairs.map(lambda pair: [pair, pair]),
    st.tuples(pairs, whole).map(lambda told: [told[0], (told[0][0], told[1])]),
).map(sums_of)
made_up = st.tuples(
    st.sampled_from([2, 3, 300]), *[st.integers(-(2**40), 2**40)] * 2, *[st.integers(-(2**62), 2**62)] * 3
).map(list)
little = st.tuples(st.just(2), *[st.integers(-3, 3)] * 2, *[st.integers(-3, 3)] * 3).map(list)


def of_cells(rows: list[dict[int, list[int]]]) -> Moments:
    """Moments of rows of which nothing but the sums of some cells is known."""
    first = np.cumsum([0, *(len(row) for row in rows)])
    cell: Ints = np.array([number for row in rows for number in sorted(row)], np.int64)
    sums: Ints = np.array([row[number] for row in rows for number in sorted(row)], np.int64).reshape(-1, 6)
    others: dict[str, Ints] = {name: np.zeros((1, 2, len(rows)), np.int64) for name in SUMS[6:]}
    others |= {name: np.zeros((1, BINS, len(rows)), np.int64) for name in ("x_min", "y_min", "x_max", "y_max")}
    return Moments(others, Cells(first, cell, sums), PARTS)


def check_cells(moments: Moments) -> None:
    """What is kept is what was there, in parts and added up as well."""
    cells, arrays, rows = moments.cells, to_arrays(moments), len(moments.cells.first) - 1
    again = from_arrays(arrays, PARTS).cells
    assert (again.first == cells.first).all() and (again.cell == cells.cell).all() and (again.sums == cells.sums).all()
    edges = begins(arrays, np.array([0, rows // 2, rows]))
    for part, (begin, end) in enumerate([(0, rows // 2), (rows // 2, rows)]):
        lines = {name: arrays[name][slice(*edges[k, part : part + 2])] for k, name in enumerate(STORED)}
        some = {name: np.pad(array, ((0, 1), (0, 0))) for name, array in lines.items()}
        counts, place = np.diff(cells.first)[begin:end], np.arange(end - begin)
        seen, first = bins_of(counts, place, lines["cells"])
        which, found = np.empty(first[-1], np.uint8), np.empty((6, first[-1]), np.int64)
        add_up(counts, place, some, seen, first, which, found)
        for row in range(begin, end):
            own, at = slice(cells.first[row], cells.first[row + 1]), slice(*first[row - begin : row - begin + 2])
            of_bin = cells.cell[own] % BINS
            assert which[at].tolist() == sorted(set(of_bin.tolist()))
            for b, total in zip(which[at], found[:, at].T, strict=True):
                assert (cells.sums[own][of_bin == b].sum(axis=0) == total).all()


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


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.integers(0, PARTS * BINS - 1), of_pairs, max_size=6), min_size=1, max_size=5),
    other=st.one_of(st.none(), made_up, little),
)
def test_sums_of_cells_are_kept_to_the_last_digit(rows: list[dict[int, list[int]]], other: list[int] | None) -> None:
    """Cells of pairs alone, and with one cell that holds what no pairs add up to."""
    check_cells(of_cells([*rows, {0: other}] if other else rows))


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


@pytest.mark.parametrize("x", [0, 1, -7, 90_000])
@pytest.mark.parametrize("between", [0, 1, 131_071, 131_072, 4_000_000])
@pytest.mark.parametrize("off", [0, 5, -32_768, 16_384])
def test_two_pairs_are_kept_however_far_apart_they_lie(x: int, between: int, off: int) -> None:
    """The same pair twice, the same reference twice, and up to where their halves take more than two bytes."""
    cells = [
        sums_of([(x, x + off), (x + between, x + between + off + other)])
        for other in (0, 1, -1, 65_535, -65_535, 65_536, -65_536)
    ]
    moments = of_cells([dict(enumerate(cells))])
    check_cells(moments)
    assert to_arrays(moments)["cells"].dtype == np.uint8


@pytest.mark.parametrize("what", range(3, 6))
@pytest.mark.parametrize("more", [-2, -1, 1, 2])
def test_two_that_are_no_pairs_are_kept_as_well(what: int, more: int) -> None:
    """Squares that no two whole numbers have."""
    cell = sums_of([(9, 4), (6, -5)])
    cell[what] += more
    moments = of_cells([{2: cell, 5: sums_of([(1, 2), (3, 5)])}])
    check_cells(moments)
    assert to_arrays(moments)["cells"].dtype == np.int64


@pytest.mark.parametrize(
    ("cell", "count", "kind"),
    [
        (31, 255, "uint8"),
        (32, 1, "uint16"),
        (0, 256, "uint16"),
        (8_191, 65_535, "uint16"),
        (0, 65_536, "int64"),
        (8_192, 1, "int64"),
    ],
)
def test_windows_of_many_parts_or_readings_take_more_only_for_their_cells(cell: int, count: int, kind: str) -> None:
    told = sums_of([(3_000, 30_000)])
    moments = of_cells([{cell: [count * one for one in told]}, {1: sums_of([(5, 8), (-7, 9)])}])
    check_cells(moments)
    arrays = to_arrays(moments)
    assert (arrays["cells"].dtype, arrays["near"].dtype) == (kind, "int64" if kind == "int64" else "int16")


@pytest.mark.parametrize("flow", [-131_073, -65_537, -65_536, -65_535, -1, 0, 65_535, 65_536, 65_537, 131_072])
@pytest.mark.parametrize("rows", [2, 3])
def test_flows_have_a_high_word_only_where_they_need_one(flow: int, rows: int) -> None:
    """Of one pair, of two and of three, between cells that need none and others that do; each half of the rows read by itself."""
    some = [sums_of(told) for told in ([(flow, flow - 3)], [(flow - 9, 5), (9, 7)], [(flow, 1), (4, 2), (-4, 3)])]
    others = [sums_of([(x, x + 1)]) for x in (40_000, 70_000, -70_000)]
    moments = of_cells([dict(enumerate([*others[row:], *some, *others[:row]])) for row in range(rows)])
    check_cells(moments)
    arrays, flows = to_arrays(moments), moments.cells.sums[:, 1]
    assert (arrays["flows"].dtype, arrays["upper"].dtype) == ("uint16", "int16")
    assert len(arrays["upper"]) == ((flows < 0) | (flows > 65_535)).sum() + 1


@pytest.mark.parametrize(
    ("flow", "kind"), [(2**31 - 1, "int16"), (2**31, "int64"), (-(2**31), "int16"), (-(2**31) - 1, "int64")]
)
def test_flows_of_more_than_two_words_are_kept_as_well(flow: int, kind: str) -> None:
    """Such as many pairs add up to, whose squares are less."""
    cell = [200, flow, flow + 8, 2**46, 2**46 + 5, 2**46 + 9]
    moments = of_cells([{0: sums_of([(70_000, 5)]), 3: cell}, {2: sums_of([(-1, 1)]), 9: cell}])
    check_cells(moments)
    assert to_arrays(moments)["upper"].dtype == kind


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.tuples(reached, reached)), min_size=6, max_size=6), min_size=1, max_size=4
    ),
    st.sampled_from([1, 1, 1, 2**20]),
)
def test_extremes_are_kept_to_the_last_digit(rows: list[list[tuple[int, int] | None]], times: int) -> None:
    """Of no pairs, below zero, and in one, two, four and more bytes."""
    limit = np.iinfo(np.int64)
    there = np.array([[pair is not None for pair in row] for row in rows]).T
    told: Ints = np.array([[pair or (0, 0) for pair in row] for row in rows], np.int64).T * times
    lowest, highest = np.where(there, told.min(axis=0), limit.max), np.where(there, told.max(axis=0), limit.min)
    values = {
        "y_min": lowest[None, :4],
        "x_min": lowest[None, 4:],
        "y_max": highest[None, :4],
        "x_max": highest[None, 4:],
    }
    counts: dict[str, Ints] = {name: np.zeros((1, 2, len(rows)), np.int64) for name in SUMS[6:]}
    none = Cells(np.zeros(len(rows) + 1, np.int64), np.zeros(0, np.int64), np.zeros((0, 6), np.int64))
    arrays = to_arrays(Moments(counts | values, none, PARTS))
    fits = (told >= -(2**31)).all() and (told < 2**31).all()
    assert arrays["extremes"].dtype == (np.uint16 if fits else np.int64)
    again = from_arrays(arrays, PARTS)
    for name, one in values.items():
        assert (again.values[name] == one).all()


def test_sums_of_pairs_stand_in_few_bytes() -> None:
    """Nothing that most cells have in more bytes than it needs, and what is rare only where it is."""
    told = [
        [(5_000, 5_010)],
        [(-40, 30_000), (9_000, 8_000)],
        [(9_000, 50_000)],
        [(0, 0), (200_000, 200_000)],
        [(9_000, 9_100)] * 3,
        [(90_000, 90_100)] * 3,
    ]
    arrays = to_arrays(of_cells([dict(enumerate(map(sums_of, told)))]))
    # of what not all cells have, one more, so that a loop need not ask whether there are more
    assert {name: (str(array.dtype), array.shape) for name, array in arrays.items()} == {
        "cells": ("uint8", (6, 2)),
        "flows": ("uint16", (6, 1)),
        "upper": ("int16", (3, 1)),
        "near": ("int16", (6, 1)),
        "far": ("int32", (2, 1)),
        "twos": ("uint16", (2, 2)),
        "squares": ("uint32", (4, 3)),
        "high": ("int16", (3, 3)),
        "told": ("uint8", (1, 8)),
        "extremes": ("uint16", (6, 2)),
        "tall": ("int16", (1, 1)),
    }
