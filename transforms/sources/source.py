"""What a source is: which files below raw/ it claims, and how a reading is found in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from transforms.sources.places import Place

FORMATS: Final = ("csv", "json", "jsonl", "parquet", "rle")
#: the folder of raw/ that holds what was fetched, one folder a source
PULLED: Final = "pulled"
#: time stamps that are counted since 1970-01-01T00:00Z
EPOCHS: Final = ("epoch_s", "epoch_ms", "epoch_us")
#: days since 1899-12-30 on the clock of a spreadsheet
EXCEL: Final = "excel"
#: canonical columns by stream
CANONICAL: Final[dict[str, tuple[str, ...]]] = {
    "meter": ("feature_code", "timestamp", "flow_lph", "volume_l"),
    "flowmeter": ("feature_code", "flowmeter_id", "timestamp", "flow_lph", "volume_l", "via"),
}
#: begins the name of a JSON key that is looked for from the top of the line, not in the record
FROM_TOP: Final = "$."


@dataclass(frozen=True)
class Column:
    """Where a canonical column comes from.

    Attributes
    ----------
    names
        The foreign columns, joined by one space when there are several; empty where something else stands in.
    format
        strptime pattern of a time stamp, one of ``EPOCHS``, or `EXCEL`; None for ISO 8601.
    months
        The twelve names of the months in the stamps, where they are not English; empty where they are.
    unit
        Unit of the foreign values; None for the canonical one.
    value
        A constant instead of a column.
    file
        A regular expression instead of a column: its group is found in the file's path below raw/.
    pattern
        A regular expression whose group is what is taken of the foreign text; None for all of it.
    pad
        Number of digits that an identifier is filled up to with zeros on the left; 0 for none.
    prefix
        What is put before an identifier.
    unit_column
        The foreign column that names the unit of each row.
    units
        What the unit column calls a unit, and ours for it.
    factor
        What a value is multiplied with before its unit counts, the litres of a pulse for example.
    per_s
        Length of the interval over which the foreign value is the volume; None where it is a flow or a register [s].
    """

    names: tuple[str, ...] = ()
    format: str | None = None
    unit: str | None = None
    value: str | None = None
    file: str | None = None
    pattern: str | None = None
    pad: int = 0
    prefix: str = ""
    unit_column: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    per_s: int | None = None
    months: tuple[str, ...] = ()
    factor: float = 1.0


@dataclass(frozen=True)
class Choice:
    """A foreign column and the texts in it that are wanted."""

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Wide:
    """A layout in which one row holds many readings, a column each.

    Attributes
    ----------
    names
        What the wide columns' names are: ``feature_code``, ``flowmeter_id``, or ``time`` of the day.
    columns
        The wide columns: names, or patterns with ``*`` and ``?``.
    value
        ``flow_lph`` or ``volume_l``: what the cells hold.
    step_s
        With ``time``, the k-th of the columns stands ``first_s`` + (k - 1) * ``step_s`` after the row's stamp; None
        where the names are times such as 00:15 [s].
    first_s
        Where the first column stands [s].
    """

    names: str
    columns: tuple[str, ...]
    value: str
    step_s: int | None = None
    first_s: int = 0


@dataclass(frozen=True)
class Source:
    """One kind of foreign export: which files below raw/ it claims, and how they are read.

    Attributes
    ----------
    place
        Where dumps are fetched from; then ``glob`` tells which files there, and those below ``raw/pulled/NAME/`` are
        claimed. None where they come to raw/ by themselves.
    header
        Whether CSV begins with a line of names; otherwise the columns are called ``1``, ``2`` and so on.
    quote
        The character around CSV fields; empty where there is none.
    comment
        Lines that begin with this are passed over; None for none.
    thousands
        Between groups of three digits; None for nothing.
    missing
        Texts that stand for a missing value.
    records
        Dotted path of the array of records in a JSON line or document; None where the line is the record, or the
        document the array.
    timezone
        IANA name or offset of stamps without an offset.
    ambiguous
        Which of the two instants a local time means that occurs twice: ``quarantine`` (it is not known), ``first``,
        ``second``, ``by_order`` (of the rows) or ``folded`` (the row tells of both hours).
    skipped
        What becomes of a local time that does not occur: ``quarantine``, or ``forward`` (the clock was not put forward).
    label_s
        What is added to a stamp that means the start of its interval: the interval's length, else 0 [s].
    shift_s
        What is added to each stamp because the clock was off [s].
    wide
        A layout with many readings a row.
    where
        The rows that are this source's; the others are left to other sources.
    status
        The rows whose value is good.
    version
        What tells a corrected reading from the one it corrects: the higher version counts. None where the name of the
        dump tells it, see `transforms.sources.newest`.
    conflict
        Readings that differ contradict each other, whatever is newer; then ``version`` is None.
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
    header: bool = True
    quote: str = '"'
    comment: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    records: str | None = None
    ambiguous: str = "quarantine"
    skipped: str = "quarantine"
    label_s: int = 0
    shift_s: int = 0
    wide: Wide | None = None
    where: Choice | None = None
    status: Choice | None = None
    version: Column | None = None
    conflict: bool = False
    place: Place | None = None

    @property
    def claims(self) -> str:
        """The pattern, relative to raw/, of the files that this source claims."""
        return f"{PULLED}/{self.name}/**/*" if self.place else self.glob

    @property
    def named_by_file(self) -> bool:
        """Whether readings depend on what their file is called."""
        return any(column.file for column in (*self.columns.values(), self.version) if column)

    @property
    def names_read(self) -> frozenset[str]:
        """The foreign columns that are looked at, those of a wide layout aside."""
        found = {name for column in self.columns.values() for name in column.names}
        found |= {column.unit_column for column in self.columns.values() if column.unit_column}
        found |= {choice.name for choice in (self.where, self.status) if choice}
        return frozenset(found | set(self.version.names if self.version else ()))
