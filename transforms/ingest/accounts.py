"""Accounts: what became of every raw row, per dump and in total."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DumpAccount:
    """One dump's row accounting; ``read == accepted + duplicate + quarantined`` always.

    Attributes
    ----------
    file : str
        Path relative to ``raw/``, with forward slashes.
    stream : str
        ``meter`` or ``flowmeter``.
    source : str or None
        Name of the entry in sources.toml, None for plain columns.
    sha256 : str
        Digest of the file as it came.
    bytes : int
        Size of the file as it came.
    reasons : dict
        Quarantined rows by reason code.
    note : str or None
        What is remarkable about the file as a whole, e.g. ``empty_file``.
    replaced : int
        Accepted rows that are one version more of a reading: of all its versions the highest is used.
    others : int
        Rows that the source leaves to other sources of the same file; they are not among those read.
    retried : int
        How often it was read once more, under a mended mapping.
    min_ts, max_ts : str or None
        First and last stamp of the readable rows, ISO 8601 UTC.
    """

    file: str
    stream: str
    source: str | None
    sha256: str
    bytes: int
    read: int
    accepted: int
    duplicate: int
    quarantined: int
    reasons: dict[str, int] = field(default_factory=dict)
    note: str | None = None
    replaced: int = 0
    others: int = 0
    retried: int = 0
    min_ts: str | None = None
    max_ts: str | None = None

    def entry(self) -> dict[str, Any]:
        """The account as the ledger keeps it."""
        return {**vars(self), "reasons": dict(sorted(self.reasons.items()))}


@dataclass(frozen=True)
class IngestResult:
    """What one ingest did.

    Attributes
    ----------
    new_dumps : tuple of DumpAccount
        The dumps that were not in the lake before.
    skipped : int
        Number of dumps whose content the lake has already.
    ignored : tuple of (str, str)
        Files that are no dumps, with the reason: those of `transforms.reasons.IGNORED_REASONS`.
    """

    new_dumps: tuple[DumpAccount, ...]
    skipped: int
    ignored: tuple[tuple[str, str], ...] = ()

    @property
    def read(self) -> int:
        return sum(dump.read for dump in self.new_dumps)

    @property
    def accepted(self) -> int:
        return sum(dump.accepted for dump in self.new_dumps)

    @property
    def duplicate(self) -> int:
        return sum(dump.duplicate for dump in self.new_dumps)

    @property
    def replaced(self) -> int:
        return sum(dump.replaced for dump in self.new_dumps)

    @property
    def others(self) -> int:
        return sum(dump.others for dump in self.new_dumps)

    @property
    def quarantined(self) -> int:
        return sum(dump.quarantined for dump in self.new_dumps)

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined rows of all new dumps by reason code."""
        total: Counter[str] = Counter()
        for dump in self.new_dumps:
            total.update(dump.reasons)
        return dict(sorted(total.items()))
