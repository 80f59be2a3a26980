"""Commands on rows that were set aside: ``quarantine list``, ``show``, ``retry``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.common import json_option, make_context, open_workspace, show, workers_option, workspace_option
from flows.lock import hold
from reports.wording import visible
from transforms.errors import UsageError
from transforms.reasons import sentence

if TYPE_CHECKING:
    from transforms.workspace import Workspace

_SHOWN = 20


@click.group()
def quarantine() -> None:
    """Rows that could not be used: list them, look at them, and read them again when the mapping is mended."""


@quarantine.command("list")
@workspace_option
@click.option("--reason", help="Only dumps with rows set aside for this reason.")
@json_option
def list_dumps(folder: Path | None, reason: str | None, as_json: bool) -> int:
    """List the dumps of which rows were set aside."""
    dumps = [dump for dump in _set_aside(open_workspace(folder)) if reason is None or reason in dump["reasons"]]
    total: dict[str, int] = {}
    for dump in dumps:
        for name, count in dump["reasons"].items():
            total[name] = total.get(name, 0) + count
    lines = []
    for dump in dumps:
        told = ", ".join(f"{count:,} {name}" for name, count in dump["reasons"].items())
        source = f", source {dump['source']}" if dump["source"] else ""
        lines.append(visible(f"{dump['file']} ({dump['stream']}{source}): {told}"))
    lines += [f"{count:,} {name}: {sentence(name)}" for name, count in sorted(total.items())]
    lines.append(
        "Look with: meterwright quarantine show FILE. After the mapping is mended: meterwright quarantine retry"
    )
    shown = [{key: dump[key] for key in ("file", "stream", "source", "quarantined", "reasons")} for dump in dumps]
    nothing = ["No rows are set aside."]
    show({"dumps": shown, "reasons": dict(sorted(total.items()))}, lines if dumps else nothing, as_json=as_json)
    return 0


@quarantine.command("show")
@workspace_option
@click.argument("file")
@click.option("--reason", help="Only rows set aside for this reason.")
@click.option("--rows", "limit", type=click.IntRange(1, 100_000), default=_SHOWN, show_default=True)
@json_option
def show_rows(folder: Path | None, file: str, reason: str | None, limit: int, as_json: bool) -> int:
    """Show the rows of FILE (its path below raw/) that were set aside, with line and reason."""
    from transforms.ingest.quarantine import rows_aside

    workspace = open_workspace(folder)
    _named(workspace, [file])
    rows = rows_aside(workspace.quarantine, file)
    if reason is not None:
        rows = rows.filter(rows["reason"] == reason)
    lines = []
    for row in rows.head(limit).iter_rows(named=True):
        where = "the file" if row["line"] is None else f"line {row['line']}"
        detail = f" ({row['detail']})" if row["detail"] else ""
        lines.append(visible(f"{where}: {row['reason']}{detail}: {row['row'][:200]}"))
    if rows.height > limit:
        lines.append(f"... and {rows.height - limit:,} more; all stand in quarantine/, as CSV and as Parquet")
    show({"file": file, "rows": rows.head(limit).to_dicts(), "of": rows.height}, lines, as_json=as_json)
    return 0


@quarantine.command()
@workspace_option
@click.argument("files", nargs=-1)
@workers_option
@json_option
def retry(folder: Path | None, files: tuple[str, ...], workers: int | None, as_json: bool) -> int:
    """Read FILES (paths below raw/; default: all with rows set aside) once more, and take in what can be read now.

    What was accepted before stays and is not doubled. A file that another source claims by now needs no retry: the next
    ingest reads it as that source's.
    """
    context = make_context(folder, workers, reads_dumps=False)
    from flows.cli.telling import intake, intake_lines
    from flows.intake import retry_dumps

    with hold(context.workspace, "quarantine retry"):
        wanted = {_identity(dump): dump for dump in _named(context.workspace, files)}
        named = sorted({dump["file"] for dump in wanted.values()})
        gone = [file for file in named if not (context.workspace.raw / file).exists()]
        taken = retry_dumps(context, named)
    done = {_identity(dump.entry()): dump.accepted for dump in taken.new_dumps}
    before = sum(dump["accepted"] for dump in wanted.values())
    gained = sum(accepted - wanted[one]["accepted"] for one, accepted in done.items())
    lines = intake_lines(taken)
    lines += [visible(f"raw/{file} is no longer there, so it cannot be read again") for file in gone]
    lines += [
        visible(f"raw/{dump['file']}: no longer read by {_reader(dump)}")
        for one, dump in wanted.items()
        if one not in done and dump["file"] not in gone
    ]
    lines.append(f"{gained:,} rows more are accepted now ({before:,} were before)")
    show({**intake(taken), "gained": gained, "gone": gone}, lines, as_json=as_json)
    return 3 if taken.quarantined or gone else 0


def _set_aside(workspace: Workspace) -> list[dict[str, Any]]:
    """The ledger's entries of dumps with rows in quarantine."""
    from transforms.lake import Lake

    return [dump for dump in Lake.open(workspace).dumps if dump["quarantined"]]


def _identity(dump: dict[str, Any]) -> tuple[str, str | None, str]:
    """What tells the entries of one file apart: several sources may claim it, and it may have changed."""
    return dump["stream"], dump["source"], dump["sha256"]


def _reader(dump: dict[str, Any]) -> str:
    return f"source {dump['source']}" if dump["source"] else "plain columns"


def _named(workspace: Workspace, files: tuple[str, ...] | list[str]) -> list[dict[str, Any]]:
    """The entries meant, those of some files; all where none is named.

    Raises
    ------
    UsageError
        If a file has no rows set aside.
    """
    there = _set_aside(workspace)
    known = {dump["file"] for dump in there}
    for file in files:
        if file not in known:
            raise UsageError(
                f"{visible(file)} has no rows in quarantine; `meterwright quarantine list` names those that have"
            )
    return [dump for dump in there if not files or dump["file"] in files]
