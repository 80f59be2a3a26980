"""Parquet dumps copied by a child process before they are read.

A few wrong bytes in a Parquet file can make its reader run into an error of its own, after which nothing of this process's
DuckDB can be used, or crash. So another process reads what came from outside and writes it anew; only that copy is read
here. A file at which the child fails is `unreadable_file`, and the others go on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from transforms.ingest.dumps import Dump
from transforms.ingest.fields import FileFaultError

_CHILD: Final = Path(__file__).with_name("parquet_child.py")
#: how long the child may take for a batch of small files, and for each byte [s]
_PATIENCE: Final = 300.0
_PATIENCE_PER_BYTE: Final = 1e-5
_CRASHED: Final = "its reader crashed on it, or did not come to an end"


def copy_parquet(con: duckdb.DuckDBPyConnection, dumps: Sequence[Dump], scratch: Path) -> None:
    """Set ``text`` of the Parquet dumps to copies of them, or note their fault.

    Parameters
    ----------
    con : DuckDBPyConnection
        Whose threads and half of whose memory the child may use.
    dumps : sequence of Dump
        Of one batch; those of other formats are left alone.
    scratch : Path
        Where the copies go; each is named ``text-`` and the dump's number.
    """
    of_file: dict[Path, list[Dump]] = {}
    for dump in dumps:
        if dump.candidate.format == "parquet" and dump.size > 0:
            of_file.setdefault(dump.candidate.path, []).append(dump)
    waiting = list(of_file.values())
    if not waiting:
        return
    threads, limit = con.sql("SELECT current_setting('threads'), current_setting('memory_limit')").fetchall()[0]
    copies = [(one.candidate.path, scratch / f"text-{one.number:06d}") for one, *_ in waiting]
    answers = copy_files(copies, scratch / "spill-copy", memory_mb=max(200, _megabytes(limit) // 2), threads=threads)
    for same, (_, target), answer in zip(waiting, copies, answers, strict=True):
        for dump in same:
            if answer is None:
                dump.text = target
            else:
                dump.fault = FileFaultError("unreadable_file", answer)


def copy_files(copies: Sequence[tuple[Path, Path]], spill: Path, *, memory_mb: int, threads: int) -> list[str | None]:
    """Write Parquet files anew by a process of its own, which they may end.

    Parameters
    ----------
    copies : sequence of (Path, Path)
        Each file and where its copy goes.
    spill : Path
        A folder for what the memory does not hold.
    memory_mb, threads : int
        What the child may use [MB].

    Returns
    -------
    list of str or None
        For each file what is wrong with it; None where its copy is there.
    """
    told: list[str | None] = []
    while len(told) < len(copies):
        waiting = copies[len(told) :]
        pairs = [(str(source), str(target)) for source, target in waiting]
        told += _ask([memory_mb, threads, str(spill), pairs], sum(source.stat().st_size for source, _ in waiting))
        if len(told) < len(copies):
            told.append(_CRASHED)
    return told


def _megabytes(limit: str) -> int:
    """What DuckDB writes as ``1.1 GiB`` or ``381.4 MiB``."""
    number, unit = limit.split()
    return int(float(number) * {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "TiB": 1024.0**2}.get(unit, 1 / 1024**2))


def _ask(order: list[Any], size: int) -> list[Any]:
    """The child's answers, as many as it came to give."""
    command = [sys.executable, "-P", str(_CHILD)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file
            command,
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=_PATIENCE + _PATIENCE_PER_BYTE * size,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        done = late.stdout or b""
    return [json.loads(line) for line in done.splitlines() if line]
