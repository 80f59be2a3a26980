"""Pairing: the claims that hold in one window, against the rules read one device at a time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_claims import devices, table
from transforms.match.claims import claims
from transforms.match.pairing import resolve
from transforms.schemas import UTC_US
from transforms.windows import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = Window(START, timedelta(hours=12))


def hour(number: float | None) -> datetime | None:
    return None if number is None else START + timedelta(hours=number)


@dataclass(frozen=True)
class Heard:
    """A flowmeter device that reported ``n`` readings from hour ``first`` to hour ``last`` of the window."""

    code: str | None
    name: str | None
    n: int = 48
    first: float = 0.25
    last: float = 11.75


@dataclass(frozen=True)
class Preset:
    """A row of pairs.csv with its validity in hours."""

    code: str
    name: str
    begins: float | None = None
    ends: float | None = None

    def meets(self, heard: Heard) -> bool:
        return (self.begins is None or self.begins <= heard.last) and (self.ends is None or self.ends > heard.first)


def paired(heard: list[Heard], presets: list[Preset]) -> tuple[dict[str, tuple[int, str | None]], set[str]]:
    """What `claims` and `resolve` make of it: meter -> (device, flowmeter), and the meters in conflict."""
    known = devices(*((one.code, one.name) for one in heard))
    rows = table(*((row.code, row.name, hour(row.begins), hour(row.ends)) for row in presets))
    activity = pl.DataFrame(
        [(k, one.n, hour(one.first), hour(one.last)) for k, one in enumerate(heard) if one.n],
        schema={"device_no": pl.Int32, "n": pl.Int64, "first_ts": UTC_US, "last_ts": UTC_US},
        orient="row",
    )
    found = resolve(claims(known, rows), activity, WINDOW)
    pairs = found.pairs.select("feature_code", "device_no", "flowmeter_id").rows()
    assert len({code for code, *_ in pairs}) == len(pairs), "a meter has at most one flowmeter"
    assert found.conflicts["feature_code"].n_unique() == found.conflicts.height
    return {code: (device, name) for code, device, name in pairs}, set(found.conflicts["feature_code"])


@pytest.mark.parametrize(
    ("heard", "presets", "pairs", "conflicts"),
    [
        ([Heard("A", "F")], [], {"A": (0, "F")}, set()),
        ([Heard("A", None)], [], {"A": (0, None)}, set()),
        ([Heard(None, "F")], [], {}, set()),
        ([Heard(None, "F")], [Preset("A", "F")], {"A": (0, "F")}, set()),
        ([Heard("A", None)], [Preset("A", "F")], {"A": (0, "F")}, set()),
        # a device that was not heard says nothing, and contradicts nothing
        ([Heard("A", "F"), Heard("A", "G", n=0)], [], {"A": (0, "F")}, set()),
        ([Heard("A", "F", n=0)], [Preset("B", "F")], {}, set()),
        # validity begins or ends with the readings; the end itself is outside
        ([Heard(None, "F", first=6)], [Preset("A", "F", ends=6)], {}, set()),
        ([Heard(None, "F", first=6)], [Preset("A", "F", ends=6.25)], {"A": (0, "F")}, set()),
        ([Heard(None, "F", last=6)], [Preset("A", "F", begins=6)], {"A": (0, "F")}, set()),
        ([Heard(None, "F", last=6)], [Preset("A", "F", begins=6.25)], {}, set()),
        # record against table
        ([Heard("A", "F")], [Preset("B", "F")], {}, {"A", "B"}),
        ([Heard("A", "F")], [Preset("A", "G")], {}, {"A"}),
        ([Heard("A", "F")], [Preset("B", "F", ends=0)], {"A": (0, "F")}, set()),
        ([Heard("A", "F", first=6)], [Preset("A", "G", ends=6)], {"A": (0, "F")}, set()),
        ([Heard("A", "F"), Heard("B", "G")], [Preset("A", "G"), Preset("B", "F")], {}, {"A", "B"}),
        # a conflict about one meter does not touch another
        ([Heard("A", "F"), Heard("C", "H")], [Preset("B", "F")], {"C": (1, "H")}, {"A", "B"}),
        # two instruments, and two records of one instrument
        ([Heard("A", "F"), Heard("A", "G")], [], {}, {"A"}),
        ([Heard("A", "F", n=10), Heard(None, "F", n=40)], [Preset("A", "F")], {"A": (1, "F")}, set()),
        ([Heard("A", "F", n=40), Heard(None, "F", n=10)], [Preset("A", "F")], {"A": (0, "F")}, set()),
        ([Heard("A", "F"), Heard(None, "G")], [Preset("A", "G")], {}, {"A"}),
        # a flowmeter that moves from one meter to the next watches both in turn
        (
            [Heard(None, "F")],
            [Preset("A", "F", ends=6), Preset("B", "F", begins=6)],
            {"A": (0, "F"), "B": (0, "F")},
            set(),
        ),
        # a meter whose flowmeter is exchanged within the window
        (
            [Heard(None, "F", last=5.75), Heard(None, "G", first=6)],
            [Preset("A", "F", ends=6), Preset("A", "G", begins=6)],
            {},
            {"A"},
        ),
    ],
)
def test_who_is_paired_and_who_is_not(
    heard: list[Heard], presets: list[Preset], pairs: dict[str, tuple[int, str | None]], conflicts: set[str]
) -> None:
    assert paired(heard, presets) == (pairs, conflicts)


def by_the_rules(heard: list[Heard], presets: list[Preset]) -> tuple[dict[str, set[int]], set[str]]:
    """Meter -> the devices that may be its reference, and the meters in conflict."""
    may_watch: dict[str, set[int]] = defaultdict(set)
    instruments: dict[str, set[str]] = defaultdict(set)
    conflicts: set[str] = set()
    for number, one in enumerate(heard):
        if not one.n:
            continue
        for row in (row for row in presets if row.meets(one)):
            if one.code is None and row.name == one.name:
                may_watch[row.code].add(number)
                instruments[row.code].add(row.name)
            if one.code is not None and one.name is None and row.code == one.code:
                instruments[row.code].add(row.name)
            if one.code is not None and one.name is not None:
                if row.name == one.name and row.code != one.code:
                    conflicts |= {one.code, row.code}
                if row.code == one.code and row.name != one.name:
                    conflicts.add(one.code)
        if one.code is not None:
            may_watch[one.code].add(number)
            instruments[one.code] |= {one.name} - {None}
    conflicts |= {code for code, names in instruments.items() if len(names) > 1}
    return {code: numbers for code, numbers in may_watch.items() if code not in conflicts}, conflicts


codes, names = st.sampled_from("ABC"), st.sampled_from("FGH")
hours = st.sampled_from([0.25, 3.0, 6.0, 9.0, 11.75])
spoken = st.builds(Heard, codes, names | st.none(), st.integers(0, 3), hours, hours)
silent = st.builds(Heard, st.none(), names, st.integers(0, 3), hours, hours)
heards = st.lists((spoken | silent).filter(lambda one: one.first <= one.last), max_size=5).map(
    lambda found: list({(one.code, one.name): one for one in found}.values())
)
ends = st.none() | st.sampled_from([-6.0, 0.0, 3.0, 6.0, 9.0, 12.0, 18.0])


def apart(rows: list[Preset]) -> list[Preset]:
    """The rows that the registry lets through: no meter and no flowmeter twice at a time."""
    kept: list[Preset] = []
    for row in rows:
        begins, ending = _span(row)
        rivals = [other for other in kept if other.code == row.code or other.name == row.name]
        if begins < ending and all(ending <= _span(other)[0] or begins >= _span(other)[1] for other in rivals):
            kept.append(row)
    return kept


def _span(row: Preset) -> tuple[float, float]:
    return -1e9 if row.begins is None else row.begins, 1e9 if row.ends is None else row.ends


@settings(max_examples=120, deadline=None)
@given(heards, st.lists(st.builds(Preset, codes, names, ends, ends), max_size=6).map(apart))
def test_contradictions_are_never_paired(heard: list[Heard], presets: list[Preset]) -> None:
    pairs, conflicts = paired(heard, presets)
    candidates, expected = by_the_rules(heard, presets)
    assert conflicts == expected
    assert set(pairs) == {code for code, numbers in candidates.items() if numbers}
    assert not conflicts & set(pairs)
    for code, (number, _) in pairs.items():
        assert number in candidates[code]
        assert heard[number].n == max(heard[other].n for other in candidates[code])
