"""Newest: what the name of a dump says about which of two dumps is the newer one, as a whole number.

When a dump arrived and when its file was written are different on every copy of a raw folder; its name travels with it. Only
the last part of the path counts, so that a folder moved is not a correction.

A name may hold moments (`20260301120000`, `2026-03-01T12:00`), dates (`2026-03-01`, `01.03.2026`), a mark (`_v2`, `-rev3`)
and, where it was fetched, our own `~v2` of a file that changed at its place. They decide in this order. Of several dates the
latest counts: no export is older than what it holds, so the latest is the end of a span, or the export beside the day of data.
Not believed is what is as likely to be something else: months, dates whose day and month could be exchanged, two-digit years,
and bare numbers (seconds since 1970 look like a gateway's number).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from transforms.sources.source import PULLED

#: years that a date in a name can be of
_YEARS: Final = range(1990, 2101)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - clocks in names are compared with one another only
#: a later state of a fetched file, and the digest in a name that was not harmless at its place: both are ours
_FETCHED: Final = re.compile(r"~v([0-9]+)(?=(?:\.[A-Za-z0-9]{1,8}){0,2}$)")
_DIGEST: Final = re.compile(r"~[0-9a-f]{12}(?![0-9a-f])")
_DATE: Final = re.compile(
    r"(?<![0-9])(?:"
    r"(?P<y1>[0-9]{4})(?P<sep>[-_. ])(?P<m1>[0-9]{2})(?P=sep)(?P<d1>[0-9]{2})"
    r"|(?P<y2>[0-9]{4})(?P<m2>[0-9]{2})(?P<d2>[0-9]{2})(?:(?P<clock>[0-9]{4}(?:[0-9]{2})?)(?:(?<=[0-9]{14})[0-9]{3})?)?"
    r"|(?<![0-9]\.)(?P<d3>[0-9]{2})\.(?P<m3>[0-9]{2})\.(?P<y3>[0-9]{4})"
    r")(?![0-9])"
)
#: the time of day behind a date; four digits that something like a month follows may be a year
_TIME: Final = re.compile(
    r"[Tt_\-. ](?P<h>[0-9]{2})(?:"
    r"(?P<sep>[:.\-_])(?P<m>[0-9]{2})(?:(?P=sep)(?P<s>[0-9]{2}))?"
    r"|(?P<m0>[0-9]{2})(?:(?P<s0>[0-9]{2})(?:[0-9]{3})?|(?![-_.][0-9]{2}(?![0-9])))"
    r"|(?<=[Tt][0-9]{2})"
    r")(?![0-9])"
)
_MARK: Final = re.compile(r"(?<![A-Za-z0-9])(?:v|ver|version|rev|revision)[._-]?([0-9]{1,4})(?![A-Za-z0-9])", re.I)
#: what a mark counts for beside a date [us], and at most; beside none there is room for more
_BESIDE_DATE: Final = 1_000
_ALONE: Final = 1_000_000


def version_of_name(file: str) -> int | None:
    """What a dump's name says of its version: of two dumps the one with the higher number is the newer.

    With a date in the name the number is that moment in microseconds since 1970, as though its clock showed UTC, plus a
    thousand for each step of the mark, plus the number of the fetched state. None is older than any.

    Parameters
    ----------
    file : str
        The dump's path below raw/, with forward slashes.

    Returns
    -------
    int or None
        None where the name tells nothing.
    """
    folder, _, name = file.rpartition("/")
    state = 0
    if folder.split("/", 1)[0] == PULLED:
        if found := _FETCHED.search(name):
            state, name = int(found[1]), name[: found.start()] + name[found.end() :]
        name = _DIGEST.sub("", name)
    dates = list(_DATE.finditer(name))
    moments = [moment for moment in _moments(name, dates) if moment is not None]
    marks = _MARK.findall(_DATE.sub("/", name))
    mark = int(marks[-1]) if marks else 0
    if moments:
        within = min(mark, _BESIDE_DATE - 1) * _BESIDE_DATE + min(state, _BESIDE_DATE - 1)
        return (max(moments) - _EPOCH) // timedelta(microseconds=1) + within
    return mark * _ALONE + min(state, _ALONE - 1) if marks or state else None


def _moments(name: str, dates: list[re.Match[str]]) -> Iterator[datetime | None]:
    """The moments of the dates in a name that can be: with the time of day that follows, else midnight."""
    for number, date in enumerate(dates):
        year, month, day = (int(date[f"{part}1"] or date[f"{part}2"] or date[f"{part}3"]) for part in "ymd")
        time = None if date["clock"] else _TIME.match(name, date.end())
        # what looks like a time of day may be the year of the date that follows
        if time is not None and number + 1 < len(dates) and time.end() > dates[number + 1].start():
            time = None
        clock = date["clock"] or ""
        if time is not None:
            clock = time["h"] + (time["m"] or time["m0"] or "00") + (time["s"] or time["s0"] or "")
        day_alone = _moment(year, month, day, "0000")
        exact = _moment(year, month, day, clock or "0000")
        # an impossible time of day behind a good date is something else, but digits that run on make all of it a number
        yield exact if date["clock"] else exact or day_alone


def _moment(year: int, month: int, day: int, clock: str) -> datetime | None:
    hour, minute, second = (int(clock[at : at + 2] or 0) for at in (0, 2, 4))
    if year not in _YEARS or minute > 59 or second > 59 or hour > 24 or (hour == 24 and minute + second):
        return None
    try:
        return datetime(year, month, day) + timedelta(hours=hour, minutes=minute, seconds=second)  # noqa: DTZ001
    except ValueError:
        return None
