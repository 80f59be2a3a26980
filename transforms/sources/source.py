"""What a source is: which files below raw/ it claims, and where each of our columns comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from transforms.sources.places import Place

FORMATS: Final = ("csv", "jsonl", "parquet", "rle")
#: the folder of raw/ that holds what was fetched, one folder a source
PULLED: Final = "pulled"
#: time stamps that are counted since 1970-01-01T00:00Z
EPOCHS: Final = ("epoch_s", "epoch_ms", "epoch_us")
#: canonical columns by stream
CANONICAL: Final[dict[str, tuple[str, ...]]] = {
    "meter": ("feature_code", "timestamp", "flow_lph", "volume_l"),
    "flowmeter": ("feature_code", "flowmeter_id", "timestamp", "flow_lph", "volume_l", "via"),
}


@dataclass(frozen=True)
class Column:
    """Where a canonical column comes from.

    Attributes
    ----------
    names
        The foreign columns, joined by one space when there are several; empty where ``value`` stands in.
    format
        strptime pattern of a time stamp, or one of ``EPOCHS``; None for ISO 8601.
    unit
        Unit of the foreign values; None for the canonical one.
    value
        A constant instead of a column.
    """

    names: tuple[str, ...] = ()
    format: str | None = None
    unit: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Source:
    """One kind of foreign export: which files below raw/ it claims, and how they are read.

    With a ``place``, ``glob`` tells which files there are fetched, and those below ``raw/pulled/NAME/`` are claimed.
    """

    name: str
    stream: str
    glob: str
    format: str
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    skip_rows: int = 0
    timezone: str | None = None
    columns: dict[str, Column] = field(default_factory=dict)
    place: Place | None = None

    @property
    def claims(self) -> str:
        """The pattern, relative to raw/, of the files that this source claims."""
        return f"{PULLED}/{self.name}/**/*" if self.place else self.glob
