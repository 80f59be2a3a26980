"""What an audit is about, and how its span is cut into chunks of a bucket and some days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from transforms.canonical import canonical
from transforms.errors import UsageError
from transforms.lake import Lake
from transforms.match.span import Chunk
from transforms.policy import Policy
from transforms.windows import Window, iso, span_text, windows_between
from transforms.workspace import Workspace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
#: readings of one stream that a chunk holds at most, unless a single day has more: what bounds the memory
READINGS = 5_000_000
#: days of a chunk at most
MOST_DAYS = 32
#: windows that are put together at once, of whole meters, and meters at most: so that there is work for several processes
WINDOWS_AT_ONCE, METERS_AT_ONCE = 240_000, 320


@dataclass(frozen=True)
class Setting:
    """What an audit works with; plain values, so that it can be sent to other processes.

    Attributes
    ----------
    workspace : Workspace
        Where lake and outbox are, and where summaries are kept.
    registry : Path
        The registry folder.
    policy : Policy
        With the audit's length of window in it.
    what_if : Policy or None
        Another policy to be judged by beside.
    windows : tuple of Window
        All windows, in order.
    version : str
        Of the program.
    work : Path
        A folder for what has been judged so far; it lasts until the audit is done.
    """

    workspace: Workspace
    registry: Path
    policy: Policy
    what_if: Policy | None
    windows: tuple[Window, ...]
    version: str
    work: Path

    @property
    def begin(self) -> datetime:
        return self.windows[0].start

    @property
    def end(self) -> datetime:
        return self.windows[-1].end

    @property
    def length(self) -> timedelta:
        return self.windows[0].length

    @property
    def group(self) -> int:
        """How many meters' windows are put together at once."""
        return max(1, min(WINDOWS_AT_ONCE // len(self.windows), METERS_AT_ONCE))


def windows_of(begin: datetime, end: datetime, length: timedelta) -> tuple[Window, ...]:
    """The complete windows of a span.

    Raises
    ------
    UsageError
        If there is none.
    """
    if end <= begin:
        raise UsageError(f"--to {iso(end)} is not after --from {iso(begin)}: there is no complete window in between")
    windows = windows_between(begin, end, length)
    if not windows:
        raise UsageError(
            f"there is no complete window of {span_text(length)} between {iso(begin)} and {iso(end)}; windows begin at 00:00 UTC "
            "and tile the day"
        )
    return tuple(windows)


def chunks_of(lake: Lake, windows: Sequence[Window]) -> list[Chunk]:
    """The chunks of a span: days since 1970 in whole multiples, so that audits of overlapping spans share them."""
    begin, end, length = windows[0].start, windows[-1].end, windows[0].length
    days = _days(lake, begin, end)
    chunks = []
    for bucket in range(lake.n_buckets):
        at = begin
        while at < end:
            whole = (at - _EPOCH) // (days * _DAY) + 1
            until = min(_EPOCH + whole * days * _DAY, end)
            chunks.append(Chunk(bucket, at, length, (until - at) // length))
            at = until
    return chunks


def _days(lake: Lake, begin: datetime, end: datetime) -> int:
    """How many days a chunk has: a power of two, so that a fleet that grows a little keeps its chunks."""
    rows: dict[tuple[str, str, int], int] = defaultdict(int)
    for entry in lake.files:
        if begin.date().isoformat() <= entry["date"] <= end.date().isoformat():
            rows[entry["stream"], entry["date"], entry["bucket"]] += entry["rows"]
    fitting = READINGS // max([1, *rows.values()])
    return 1 << min(max(fitting, 1), MOST_DAYS).bit_length() - 1


def name_of(setting: Setting, digest: str) -> str:
    """The audit's folder in ``reports/``, e.g. ``audit_20260101T000000Z_20260701T000000Z_12h_0123456789ab``."""
    span = f"{setting.begin:%Y%m%dT%H%M%SZ}_{setting.end:%Y%m%dT%H%M%SZ}"
    length = setting.windows[0].name.rsplit("_", 1)[1]
    return f"audit_{span}_{length}_{digest[:12]}"


def said(setting: Setting) -> str:
    """What an audit is about, as text that a digest is taken of."""
    return canonical(
        {
            "begin": iso(setting.begin),
            "end": iso(setting.end),
            "length_s": int(setting.length.total_seconds()),
            "policy": setting.policy.digest,
            "what_if": setting.what_if.digest if setting.what_if else None,
            "version": setting.version,
        }
    )
