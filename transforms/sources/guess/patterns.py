"""Patterns: the one that reads a column of dates, or a date and a time of day; a few cells that no pattern reads change
nothing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from transforms.sources.guess.profile import Profile

DATES: Final = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%d. %B %Y", "%d.%b.%Y", "%d-%b-%y",
    "%d %b %y", "%d/%b/%Y")  # fmt: skip
CLOCKS: Final = ("%H:%M:%S", "%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H%M%S", "%H%M", "%H.%M")
ZONES: Final = ("", "%#z", " %#z")
#: this share of the cells that are not empty must be read
ENOUGH: Final = 0.9
#: patterns that read so much less than the best are not compared with it any further
_CLOSE: Final = 0.02
_FEW: Final = 24
_MARKS: Final = "/:,.-"


@dataclass(frozen=True)
class Fit:
    """A pattern and what it reads: seconds since 1970 of each row, NaN where it reads nothing; and what is like it."""

    pattern: str
    instants: np.ndarray
    rivals: tuple[str, ...]
    beaten: bool


def parsed(texts: pl.Series, pattern: str) -> pl.Series:
    """Texts as times, null where the pattern does not read them."""
    try:
        if "%#z" in pattern:
            return texts.str.to_datetime(pattern, strict=False, time_zone="UTC")
        return texts.str.to_datetime(pattern, strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series([None] * texts.len(), dtype=pl.Datetime("us"))


def seconds(times: pl.Series) -> np.ndarray:
    """Times as seconds since 1970, NaN for null."""
    return times.dt.epoch("us").cast(pl.Float64).fill_null(np.nan).to_numpy() / 1e6


def spread(texts: pl.Series, count: int = _FEW) -> pl.Series:
    """Some of the texts that are there, from everywhere, those of the commonest build only."""
    known = texts.drop_nulls()
    some = known.gather_every(max(known.len() // (4 * count), 1)).head(4 * count)
    builds = [_build(text) for text in some]
    usual = Counter(builds).most_common(1)[0][0] if builds else ""
    return pl.Series(
        [text for text, build in zip(some, builds, strict=True) if build == usual][:count], dtype=pl.String
    )


def _build(text: str) -> str:
    """What a text is made of, whatever its digits and letters are."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text))


def reads(column: Profile, patterns: list[tuple[str, str, str]]) -> bool:
    """Whether one of some patterns reads most of a column's texts with something put before and behind them."""
    some = spread(column.texts, 50)
    if some.is_empty() or column.filled < 0.5 or not some.str.contains(r"\d").all():
        return False
    return any(
        _read(parsed(before + some + behind, one)) >= ENOUGH
        for one, before, behind in patterns
        if _possible(one, f"{before}{some[0]}{behind}")
    )


def best(texts: pl.Series, patterns: list[str], between: tuple[float, float]) -> Fit | None:
    """The pattern that reads most stamps; of those that read nearly as many, the one whose stamps move on most evenly."""
    some = spread(texts)
    first = next(iter(some), "")
    rated = []
    for pattern in [pattern for pattern in patterns if _possible(pattern, first)]:
        if _read(parsed(some, pattern)) < ENOUGH:
            continue
        instants = seconds(parsed(texts, pattern))
        known = instants[(instants > between[0]) & (instants < between[1])]
        share = known.size / max(texts.len() - texts.null_count(), 1)
        if share >= ENOUGH:
            instants[~((instants > between[0]) & (instants < between[1]))] = np.nan
            rated.append((share, _unevenness(known), pattern, instants))
    if not rated:
        return None
    most = max(share for share, *_ in rated)
    close = [one for one in rated if one[0] >= most - _CLOSE]
    close.sort(key=lambda one: (one[1], -one[0], patterns.index(one[2])))
    _, unevenness, pattern, instants = close[0]
    rival = next((one for one in close if one[2] == _swapped(pattern)), None)
    return Fit(
        pattern,
        instants,
        rivals=(rival[2],) if rival and rival[1] <= 2 * unevenness + 1e-9 else (),
        beaten=rival is not None,
    )


def _possible(pattern: str, text: str) -> bool:
    """Whether pattern and text have the same marks between their parts, and both names of months or halves of the day, or
    neither: to ask this is a hundred times quicker than to try, and nearly all patterns are out of the question."""
    marks = {mark for mark in _MARKS if mark in text}
    needed = {mark for mark in _MARKS if mark in pattern}
    offered = needed | (set("+-:") if "%#z" in pattern else set())
    words = any(word not in ("T", "Z") for word in re.findall(r"[^\W\d_]+", text))
    return needed <= marks <= offered and words == any(part in pattern for part in ("%b", "%B", "%p"))


def _swapped(pattern: str) -> str:
    """The pattern with day and month the other way round; empty where that cannot be mixed up."""
    swapped = pattern.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    return "" if swapped == pattern or pattern.startswith("%Y") else swapped


def _read(times: pl.Series) -> float:
    return 1 - times.null_count() / max(times.len(), 1)


def _unevenness(instants: np.ndarray) -> float:
    """How far the stamps jump about: the mean size of their steps in the order of the rows [s]."""
    return float(np.mean(np.abs(np.diff(instants)))) if instants.size > 1 else 0.0
