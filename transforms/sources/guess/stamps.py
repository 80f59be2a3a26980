"""Time stamps: which column or columns hold them, in which format, and whether their zone is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import product
from typing import Final

import numpy as np
import polars as pl

from transforms.sources.guess.months import foreign_months, in_english
from transforms.sources.guess.patterns import CLOCKS, DATES, ENOUGH, ZONES, best, reads, seconds, spread
from transforms.sources.guess.profile import Profile
from transforms.sources.guess.words import says

_EPOCHS: Final = {"epoch_s": 1.0, "epoch_ms": 1e3, "epoch_us": 1e6}
_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2000, 2100))
#: 1970, 2000 and 2100 in days since 1899-12-30
_EXCEL_1970, _EXCEL_FIRST, _EXCEL_LAST = 25_569, 36_526, 73_050
_ISO: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
_OFFSET: Final = r"(Z|[+-]\d\d:?\d\d|[+-]\d\d)$"
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
    clockless
        Whether the format reads a date and no time of day.
    """

    names: tuple[str, ...]
    format: str | None
    zoned: bool
    instants: np.ndarray
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    months: tuple[str, ...] = ()
    clockless: bool = False


def find_stamps(columns: list[Profile]) -> Stamps | None:
    """The stamps of a table, or None where no column holds any. Cells that no format reads change nothing if few."""
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
        found = epoch(column) or _iso(column) or _excel(column)
        if found:
            return found
    patterns = [f"{date}{gap}{clock}{zone}" for date, gap, clock, zone in product(DATES, (" ", "T", ""), CLOCKS, ZONES)]
    for column in columns:
        if column.filled > ENOUGH and _looks_dated(column) and (found := _best((column,), patterns)):
            return found
    return _split(columns)


def epoch(column: Profile) -> Stamps | None:
    """The stamps of a column that counts since 1970, or None."""
    if not (column.is_number and column.whole and column.filled > ENOUGH and column.distinct > 1):
        return None
    for name, per_s in _EPOCHS.items():
        times = column.numbers / per_s
        inside = (times > _FIRST) & (times < _LAST)
        known = times[inside]
        # a register may happen to lie in that range; stamps move on in small, repeated steps
        steps = np.diff(np.unique(known))
        if known.size >= ENOUGH * np.isfinite(times).sum() and steps.size and np.median(steps) <= 86_400:
            unit = {"epoch_s": "seconds", "epoch_ms": "milliseconds", "epoch_us": "microseconds"}[name]
            reason = f"{column.name!r} counts {unit} since 1970 (from {_day(known.min())} to {_day(known.max())})"
            return Stamps((column.name,), name, True, np.where(inside, times, np.nan), [reason])
    return None


def clock_texts(column: Profile) -> bool:
    """Whether a column's texts are times of day."""
    patterns = [(f"%Y-%m-%d {clock}", "2000-01-01 ", "") for clock in CLOCKS]
    return (not column.is_number or _padded(column)) and reads(column, patterns)


def hours(column: Profile) -> bool:
    """Whether a column has whole hours from 0 to 24 that go round, under a name that says so or as many as a day has."""
    if not column.is_number or not column.whole:
        return False
    known = column.numbers[np.isfinite(column.numbers)]
    inside = bool(known.min() >= 0 and known.max() <= 24)
    return inside and (column.distinct in (24, 25) or bool(says(column.label, "clock")))


def _excel(column: Profile) -> Stamps | None:
    """Days since 1899-12-30, as spreadsheets count: fractions that are whole minutes, in small steps."""
    if not column.is_number or column.whole or column.filled < ENOUGH or column.distinct < 3:
        return None
    inside = (column.numbers > _EXCEL_FIRST) & (column.numbers < _EXCEL_LAST)
    days = column.numbers[inside]
    if days.size < max(2, ENOUGH * np.isfinite(column.numbers).sum()) or np.median(np.diff(np.unique(days))) > 1:
        return None
    minutes = days * 1440
    if np.mean(np.abs(minutes - np.rint(minutes)) < 0.02) < ENOUGH:
        return None
    times = np.rint((np.where(inside, column.numbers, np.nan) - _EXCEL_1970) * 86_400)
    reason = (
        f"{column.name!r} counts days as spreadsheets do (from {_day(np.nanmin(times))} to {_day(np.nanmax(times))})"
    )
    return Stamps((column.name,), "excel", False, times, [reason], [_no_zone(column.name)])


def _iso(column: Profile) -> Stamps | None:
    known = column.texts.drop_nulls().head(_SAMPLE)
    if known.is_empty() or _mean(known.str.contains(_ISO)) < ENOUGH:
        return None
    zoned = _mean(known.filter(known.str.contains(_ISO)).str.contains(_OFFSET)) > 0.5
    texts = column.texts.str.replace(" ", "T", literal=True).str.slice(0, 19)
    # a mapping of local times reads no offset, and one of offsets no local time
    texts = texts.set(column.texts.str.contains(_OFFSET).fill_null(False) != zoned, None)
    times = seconds(_either(texts))
    if np.isfinite(times).sum() < ENOUGH * (texts.len() - column.texts.null_count()):
        return None
    doubts = [] if zoned else [_no_zone(column.name)]
    says_offset = "with its offset" if zoned else "without an offset"
    return Stamps((column.name,), None, zoned, times, [f"{column.name!r} is ISO 8601 {says_offset}"], doubts)


def _mean(flags: pl.Series) -> float:
    return float(flags.mean() or 0.0)  # type: ignore[arg-type]


def _either(texts: pl.Series) -> pl.Series:
    frame = texts.alias("t").to_frame()
    return frame.select(
        pl.coalesce(
            pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False),
            pl.col("t").str.to_datetime("%Y-%m-%dT%H:%M", strict=False),
        )
    ).to_series()


def _split(columns: list[Profile]) -> Stamps | None:
    """A date in one column and the time of day in another; a date alone where there is none."""
    daily = [(f"{date} %H:%M", "", " 00:00") for date in DATES]
    dates = [column for column in columns if _looks_dated(column, date=True) and reads(column, daily)]
    clocks = [column for column in columns if dates and column not in dates and clock_texts(column)]
    # where several could be the time of day, one that is called so
    clocks.sort(key=lambda column: not says(column.name, "clock"))
    for date, clock in product(dates, clocks):
        found = _best((date, clock), [f"{d} {c}{z}" for d, c, z in product(DATES, CLOCKS, ZONES)])
        if found:
            return found
    for date, hour in product(
        dates, (column for column in columns if hours(column) and np.nanmax(column.numbers) < 24)
    ):
        found = _best((date, hour), [f"{d} %H:%M" for d in DATES], behind=":00", unread=":%M")
        if found:
            return found
    for date in dates:
        found = _best((date,), [f"{d} %H:%M" for d in DATES], behind=" 00:00")
        if found:
            return found
    return None


def _looks_dated(column: Profile, *, date: bool = False) -> bool:
    """Whether a text could hold a date and a time of day, or a date, at all: enough digits, and no number unless of a
    fixed length."""
    some = spread(column.texts)
    if column.is_number:
        return bool(some.str.len_chars().is_in([8] if date else [12, 14]).all())
    digits: int = sum(letter.isdigit() for letter in next(iter(some), ""))
    return digits >= (3 if date else 5)


def _padded(column: Profile) -> bool:
    """Whether numbers could be times of day without colons: all of one length, four or six digits."""
    lengths = spread(column.texts, 200).str.len_chars().unique().to_list()
    return lengths in ([4], [6])


def _best(columns: tuple[Profile, ...], patterns: list[str], behind: str = "", unread: str = " %H:%M") -> Stamps | None:
    """The stamps by the pattern that fits best.

    ``behind`` is put behind each text, so that a date alone can be read by a pattern for dates with a time of day, whose
    end ``unread`` then is not part of the format.
    """
    frame = pl.DataFrame({str(k): column.texts for k, column in enumerate(columns)})
    texts = frame.select(pl.concat_str(pl.all(), separator=" ")).to_series() + behind
    found = best(texts, patterns, (_FIRST, _LAST))
    if found is None:
        return None
    names = tuple(column.name for column in columns)
    zoned = "%#z" in found.pattern
    shown = found.pattern.replace("%.f", ".%f").replace("%#z", "%z")
    shown = shown.removesuffix(unread) if behind else shown
    reasons = [f"{' and '.join(map(repr, names))} read as {shown!r}"]
    doubts = [] if zoned else [_no_zone(names[0])]
    if found.rivals:
        doubts.append(f"day and month might be the other way round; {shown!r} is a guess")
    elif found.beaten:
        reasons.append("read the other way round, day and month would make the stamps jump")
    elif "/" in found.pattern or found.pattern.startswith(("%d-%m", "%m-%d")):
        reasons.append("day and month cannot be taken for each other: some number is above 12")
    return Stamps(
        names, shown, zoned, found.instants, reasons, doubts, clockless="%H" not in shown and "%I" not in shown
    )


def _no_zone(name: str) -> str:
    return f"the stamps in {name!r} say no offset: UTC is only a guess, set timezone to the clock that they were taken from"


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
