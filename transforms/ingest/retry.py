"""Retry: a dump of which rows were set aside is read once more, under a mended mapping.

What was accepted before stays in the lake and comes out as known, so only rows that were refused can be new. That holds
only if the mended mapping reads what it accepted before as before; where it does not, the dump is left as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from transforms.errors import LakeError
from transforms.ingest.dumps import Dump
from transforms.ingest.quarantine import name_of
from transforms.ingest.rules import NUMBER
from transforms.sql import quote

_CONFLICTING = "conflicting"


def combine(dump: Dump, before: dict[str, Any]) -> None:
    """Make the account of a dump that was read again that of both readings together.

    Raises
    ------
    LakeError
        If rows that were accepted before are now read in another way.
    """
    refused = before["reasons"].get(_CONFLICTING, 0)
    known = before["accepted"] + refused
    if dump.duplicate < known + before["duplicate"]:
        raise LakeError(
            f"{dump.candidate.file}: the mapping now reads rows otherwise that were accepted before "
            f"({known + before['duplicate']:,} good rows then, {dump.duplicate:,} of them found again), and the lake would "
            "hold both readings. Nothing was changed. Move the lake folder away and ingest again: it is rebuilt from raw"
        )
    dump.accepted += before["accepted"]
    dump.duplicate -= known
    if refused:
        dump.reasons[_CONFLICTING] += refused
    dump.retried = int(before.get("retried", 0)) + 1


def keep_refused(con: duckdb.DuckDBPyConnection, folder: Path, dump: Dump) -> None:
    """Add to the table ``bad`` the readings that contradicted others when the dump was read first: they still do."""
    file = folder / f"{name_of(dump)}.parquet"
    if not file.exists():
        for ending in (".parquet", ".csv"):
            former = folder / f"{name_of(dump, former=True)}{ending}"
            if former.exists():
                former.rename(file.with_suffix(ending))
    if file.exists():
        con.execute(
            f'INSERT INTO bad SELECT {dump.number}, line, {NUMBER[_CONFLICTING]}, detail, "row" '
            f"FROM read_parquet({quote(str(file))}) WHERE reason = '{_CONFLICTING}'"
        )


def clear_aside(folder: Path, dump: Dump) -> None:
    """Take away the quarantine of a dump of which nothing is set aside any more."""
    for ending in (".parquet", ".csv"):
        (folder / f"{name_of(dump)}{ending}").unlink(missing_ok=True)
