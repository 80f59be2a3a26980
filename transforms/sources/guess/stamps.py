"""Time stamps: which column or columns hold them, in which format, and whether their zone is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import Final

import numpy as np
import polars as pl

from transforms.sources.guess.months import foreign_months, in_english
from transforms.sources.guess.profile import Profile

_EPOCHS: Final = {"epoch_s": 1.0, "epoch_ms": 1e3, "epoch_us": 1e6}
_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2000, 2100))
_DATES: Final = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%d. %B %Y", "%d.%b.%Y", "%d-%b-%y",
    "%d %b %y", "%d/%b/%Y")  # fmt: skip
_CLOCKS: Final = ("%H:%M:%S", "%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H%M%S", "%H%M", "%H.%M")
_ZONES: Final = ("", "%#z", " %#z")
#: 1970, 2000 and 2100 in days since 1899-12-30
_EXCEL_1970, _EXCEL_FIRST, _EXCEL_LAST = 25_569, 36_526, 73_050
_ISO: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
_ENOUGH: Final = 0.99
_SAMPLE: Final = 2_000


@dataclass(frozen=True)
class Stamps:
    """Where time stamps stand.

    Attributes
    ----------
    names
        The column, or date and time of day.
    format
        As sources.toml has it; None for ISO 8601.
    zoned
        Whether each stamp says its offset, or counts from 1970 in UTC.
    instants
        Seconds since 1970 of each row, NaN where unreadable; local time where not ``zoned``.
    months
        The names of the months where they are not English, else empty.
    """

    names: tuple[str, ...]
    format: str | None
    zoned: bool
    instants: np.ndarray
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    months: tuple[str, ...] = ()


def find_stamps(columns: list[Profile]) -> Stamps | None:
    """The stamps of a table, or None where no column holds any."""
    for place, column in enumerate(columns):
        foreign = None if column.is_number else foreign_months(column.texts)
        if foreign is None:
            continue
        language, names = foreign
        translated = replace(column, texts=in_english(column.texts, names))
        found = find_stamps([*columns[:place], translated, *columns[place + 1 :]])
        if found is not None and column.name in found.names:
            reason = f"the months in {column.name!r} are {language}"
            return replace(found, months=tuple(names), reasons=[*found.reasons, reason])
    for column in columns:
        found = _epoch(column) or _iso(column) or _excel(column)
        if found:
            return found
    patterns = [
        f"{date}{gap}{clock}{zone}" for date, gap, clock, zone in product(_DATES, (" ", "T", ""), _CLOCKS, _ZONES)
    ]
    for column in columns:
        if column.filled > _ENOUGH and _looks_dated(column) and (found := _best((column,), patterns)):
            return found
    return _split(columns)


def _epoch(column: Profile) -> Stamps | None:
    if not (column.is_number and column.whole and column.filled > _ENOUGH and column.distinct > 1):
        return None
    for name, per_s in _EPOCHS.items():
        seconds = column.numbers / per_s
        known = seconds[np.isfinite(seconds)]
        # a register may happen to lie in that range; stamps move on in small, repeated steps
        steps = np.diff(np.unique(known))
        if np.all((known > _FIRST) & (known < _LAST)) and steps.size and np.median(steps) <= 86_400:
            unit = {"epoch_s": "seconds", "epoch_ms": "milliseconds", "epoch_us": "microseconds"}[name]
            reason = f"{column.name!r} counts {unit} since 1970 (from {_day(known.min())} to {_day(known.max())})"
            return Stamps((column.name,), name, True, seconds, [reason])
    return None


def _excel(column: Profile) -> Stamps | None:
    """Days since 1899-12-30, as spreadsheets count: fractions that are whole minutes, in small steps."""
    if not column.is_number or column.whole or column.filled < _ENOUGH or column.distinct < 3:
        return None
    days = column.numbers[np.isfinite(column.numbers)]
    if not np.all((days > _EXCEL_FIRST) & (days < _EXCEL_LAST)) or np.median(np.diff(np.unique(days))) > 1:
        return None
    minutes = days * 1440
    if np.mean(np.abs(minutes - np.rint(minutes)) < 0.02) < _ENOUGH:
        return None
    seconds = np.rint((column.numbers - _EXCEL_1970) * 86_400)
    reason = f"{column.name!r} counts days as spreadsheets do (from {_day(np.nanmin(seconds))} to {_day(np.nanmax(seconds))})"
    return Stamps((column.name,), "excel", False, seconds, [reason], [_no_zone(column.name)])


def _iso(column: Profile) -> Stamps | None:
    known = column.texts.drop_nulls()
    if known.is_empty() or not known.head(_SAMPLE).str.contains(f"^{_ISO}").all():
        return None
    zoned = bool(known.head(_SAMPLE).str.contains(r"(Z|[+-]\d\d:?\d\d|[+-]\d\d)$").all())
    parsed = _either(column.texts.str.replace(" ", "T", literal=True).str.slice(0, 19))
    if parsed.null_count() > (1 - _ENOUGH) * parsed.len():
        return None
    doubts = [] if zoned else [_no_zone(column.name)]
    says = "with its offset" if zoned else "without an offset"
    return Stamps((column.name,), None, zoned, _seconds(parsed), [f"{column.name!r} is ISO 8601 {says}"], doubts)


def _either(texts: pl.Series) -> pl.Series:
    frame = texts.alias("t").to_frame()
    return frame.select(
        pl.coalesce(
            pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False),
            pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M", strict=False),
        )
    ).to_series()


def _split(columns: list[Profile]) -> Stamps | None:
    """A date in one column and the time of day in another."""
    dates = [column for column in columns if _reads(column, [(f"{d} %H:%M", "", " 00:00") for d in _DATES])]
    clocks = [
        column
        for column in columns
        if column not in dates
        and (not column.is_number or _padded(column))
        and _reads(column, [(f"%Y-%m-%d {c}", "2000-01-01 ", "") for c in _CLOCKS])
    ]
    for date, clock in product(dates, clocks):
        found = _best((date, clock), [f"{d} {c}{z}" for d, c, z in product(_DATES, _CLOCKS, _ZONES)])
        if found:
            return found
    for date in dates:
        found = _best((date,), [f"{d} %H:%M" for d in _DATES], behind=" 00:00")
        if found:
            return found
    return None


def _looks_dated(column: Profile) -> bool:
    """Whether a text could hold a date and a time of day at all: enough digits, and no number unless of a fixed length."""
    first = next(iter(column.texts.drop_nulls()), "")
    if column.is_number:
        return bool(column.texts.drop_nulls().str.len_chars().is_in([12, 14]).all())
    return sum(letter.isdigit() for letter in str(first)) >= 5


def _padded(column: Profile) -> bool:
    """Whether numbers could be times of day without colons: all of one length, four or six digits."""
    lengths = column.texts.drop_nulls().str.len_chars().unique().to_list()
    return lengths in ([4], [6])


def _reads(column: Profile, patterns: list[tuple[str, str, str]]) -> bool:
    """Whether one of some patterns reads a column's texts with something put before and behind them."""
    known = column.texts.drop_nulls().head(50)
    if known.is_empty() or column.filled < _ENOUGH or not known.str.contains(r"\d").all():
        return False
    return any(bool(_parse(before + known + behind, one).null_count() == 0) for one, before, behind in patterns)


def _best(columns: tuple[Profile, ...], patterns: list[str], behind: str = "") -> Stamps | None:
    """The pattern that reads all stamps; of several, the one whose stamps move on most evenly.

    ``behind`` is put behind each text, so that a date alone can be read by a pattern for dates with a time of day.
    """
    frame = pl.DataFrame({str(k): column.texts for k, column in enumerate(columns)})
    texts = frame.select(pl.concat_str(pl.all(), separator=" ")).to_series() + behind
    few = texts.drop_nulls().head(20)
    first = next(iter(few), "")
    # most patterns are out of the question by a mark between their parts that the text does not have
    possible = [pattern for pattern in patterns if all(mark in first for mark in set(pattern) & set("/:,"))]
    fitting = [pattern for pattern in possible if _parse(few, pattern).null_count() == 0]
    rated = []
    for pattern in fitting:
        instants = _seconds(_parse(texts, pattern))
        known = instants[np.isfinite(instants)]
        if known.size >= _ENOUGH * len(texts) and np.all((known > _FIRST) & (known < _LAST)):
            rated.append((_unevenness(known), pattern, instants))
    if not rated:
        return None
    rated.sort(key=lambda one: (one[0], patterns.index(one[1])))
    _, pattern, instants = rated[0]
    names = tuple(column.name for column in columns)
    zoned = "%#z" in pattern
    shown = pattern.replace("%.f", ".%f").replace("%#z", "%z")
    shown = shown.removesuffix(" %H:%M") if behind else shown
    reasons = [f"{' and '.join(map(repr, names))} read as {shown!r}"]
    doubts = [] if zoned else [_no_zone(names[0])]
    swapped = pattern.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    if swapped != pattern and not pattern.startswith("%Y"):
        other = next((rate for rate, rival, _ in rated if rival == swapped), None)
        if other is None:
            reasons.append("day and month cannot be taken for each other: some number is above 12")
        elif other > 2 * rated[0][0] + 1e-9:
            reasons.append("read the other way round, day and month would make the stamps jump")
        else:
            doubts.append(f"day and month might be the other way round; {shown!r} is a guess")
    return Stamps(names, shown, zoned, instants, reasons, doubts)


def _parse(texts: pl.Series, pattern: str) -> pl.Series:
    try:
        if "%#z" in pattern:
            return texts.str.to_datetime(pattern, strict=False, time_zone="UTC")
        return texts.str.to_datetime(pattern, strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series([None] * texts.len(), dtype=pl.Datetime("us"))


def _seconds(parsed: pl.Series) -> np.ndarray:
    return parsed.dt.epoch("us").cast(pl.Float64).fill_null(np.nan).to_numpy() / 1e6


def _unevenness(instants: np.ndarray) -> float:
    """How far the stamps jump about: the mean size of their steps in the order of the rows [s]."""
    return float(np.mean(np.abs(np.diff(instants)))) if instants.size > 1 else 0.0


def _no_zone(name: str) -> str:
    return f"the stamps in {name!r} say no offset: UTC is only a guess, set timezone to the clock that they were taken from"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
