"""Layout: the columns that the readings of a batch need while they are staged; an empty one costs almost what a full one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transforms.ingest.dumps import Dump
from transforms.ingest.mapping import fields_of
from transforms.sql import quote

#: what a reading may tell, and its types
VALUES: Final = {"flow": "DOUBLE", "volume": "DOUBLE", "version": "BIGINT"}

_TABLES = """
CREATE OR REPLACE TEMP TABLE staged (dump INTEGER, device_no INTEGER, {identifiers}, ts TIMESTAMP, {values});
CREATE OR REPLACE TEMP TABLE bad (dump INTEGER, line BIGINT, reason UTINYINT, detail VARCHAR, "row" VARCHAR);
"""


@dataclass(frozen=True)
class Layout:
    """The columns of the table ``staged``, beside dump, device_no and ts.

    Attributes
    ----------
    identifiers : tuple of str
        Of a device of this stream; null where ``device_no`` is not.
    values : tuple of str
        ``flow``, and ``volume`` and ``version`` where a dump may have them.
    """

    identifiers: tuple[str, ...]
    values: tuple[str, ...]

    @staticmethod
    def of(dumps: Sequence[Dump]) -> Layout:
        """What dumps of one stream, their headers checked, need."""
        filled = {"flow"}.union(*map(_may_fill, dumps))
        return Layout(identifiers_of(dumps[0].candidate.stream), tuple(name for name in VALUES if name in filled))

    @property
    def columns(self) -> str:
        """SQL: the names of all columns."""
        return ", ".join(["dump", "device_no", *self.identifiers, "ts", *self.values])

    @property
    def tables(self) -> str:
        """SQL: makes the empty tables ``staged`` and ``bad``."""
        return _TABLES.format(
            identifiers=", ".join(f"{name} VARCHAR" for name in self.identifiers),
            values=", ".join(f"{name} {VALUES[name]}" for name in self.values),
        )


def identifiers_of(stream: str) -> tuple[str, ...]:
    """The identifiers of a device: who watches whom is part of what a flowmeter's readings say."""
    return ("feature_code",) if stream == "meter" else ("feature_code", "flowmeter_id")


def _may_fill(dump: Dump) -> set[str]:
    """The value columns that a dump may fill."""
    if dump.candidate.format != "csv":
        return set(VALUES)
    if dump.fault is not None or not dump.header:
        return set()
    fields = fields_of(dump.candidate, quote, dump.header)
    return {name for name in VALUES if getattr(fields, name)}
