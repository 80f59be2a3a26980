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
    memory_mb = max(200, _megabytes(limit) // 2)
    while waiting:
        pairs = [(str(one.candidate.path), str(scratch / f"text-{one.number:06d}")) for one, *_ in waiting]
        answers = _ask([memory_mb, threads, str(scratch / "spill-copy"), pairs], sum(one.size for one, *_ in waiting))
        for same, (_, target), answer in zip(waiting, pairs, answers, strict=False):
            for dump in same:
                if answer is None:
                    dump.text = Path(target)
                else:
                    dump.fault = FileFaultError("unreadable_file", answer)
        waiting = waiting[len(answers) :]
        if waiting:
            for dump in waiting.pop(0):
                dump.fault = FileFaultError("unreadable_file", _CRASHED)


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
