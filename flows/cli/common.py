"""What every command shares: options, the workspace, the context of a cycle, and how results are printed.

What computes is imported where a command needs it: by then the dumps are being read already, and ``--help`` is quick.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flows.settings import login_name, signing_key, version, worker_count, workspace_root
from reports.wording import visible
from transforms.errors import UsageError
from transforms.fingerprint import ReadAhead
from transforms.windows import EARLIEST, LATEST, parse_time
from transforms.workspace import Workspace

if TYPE_CHECKING:
    from flows.context import Context
    from flows.photos import Eyes as OpensEyes

F = TypeVar("F", bound=Callable[..., Any])

NAME_LENGTH = 100


def workspace_option(command: F) -> F:
    """Add ``--workspace DIR``."""
    return click.option(
        "--workspace",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder of the utility. Default: METERWRIGHT_WORKSPACE, else data/ of the project.",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on standard output and nothing else."
    )(command)


def workers_option(command: F) -> F:
    """Add ``--workers N``."""
    return click.option(
        "--workers", type=int, help="Buckets worked on at once. Default: METERWRIGHT_WORKERS, else all cores."
    )(command)


def open_workspace(folder: Path | None) -> Workspace:
    """The workspace meant, which must have a registry."""
    workspace = Workspace(workspace_root(folder))
    if not workspace.registry.is_dir():
        raise UsageError(
            f"{workspace.root} is no workspace: it has no registry folder. Make one with: "
            f"meterwright init --workspace {workspace.root}"
        )
    return workspace


def make_context(folder: Path | None, workers: int | None, *, reads_dumps: bool = True) -> Context:
    """Load registry and policy and put together what a cycle works with; begin with the dumps if they are wanted."""
    workspace = open_workspace(folder)
    workers_meant = worker_count(workers)
    ahead = ReadAhead(workspace) if reads_dumps else None
    from transforms.registry import load_registry

    with ThreadPoolExecutor(1, thread_name_prefix="registry") as aside:
        # reading a large registry hardly needs the interpreter, which imports meanwhile
        loading = aside.submit(load_registry, workspace.registry)
        from flows.context import Context
        from transforms.policy import load_policy

        if reads_dumps:
            importlib.import_module("flows.intake")
        registry = loading.result()
    return Context(
        workspace=workspace,
        registry=registry,
        policy=load_policy(workspace.registry / "policy.toml"),
        workers=workers_meant,
        version=version(),
        progress=progress,
        ahead=ahead,
        signing_key=signing_key(workspace.registry),
        eyes=_eyes,
    )


def _eyes() -> OpensEyes | None:
    """What opens the eyes that read photos, None where the extra that they need is not installed."""
    from flows.eyes import Eyes

    return Eyes.open if Eyes.available() else None


def progress(sentence: str) -> None:
    """Say on standard error how far the work is."""
    click.echo(f"{datetime.now(UTC):%H:%M:%S} {visible(sentence)}", err=True)


def moment(text: str | None) -> datetime:
    """A time given on the command line, or the clock's, to the second.

    Raises
    ------
    UsageError
        If the text is no time, or one that no reading can have.
    """
    if not text:
        return datetime.now(UTC).replace(microsecond=0)
    found = parse_time(text)
    if not EARLIEST <= found < LATEST:
        raise UsageError(f"{text!r} lies outside {EARLIEST:%Y} to {LATEST:%Y}")
    return found


def who_says(by: str | None) -> str:
    """Who gives a word that goes on record: the name given, else the login name.

    Raises
    ------
    UsageError
        If it is no name.
    """
    who = login_name() if by is None else by.strip()
    if not who or len(who) > NAME_LENGTH or not who.isprintable():
        raise UsageError(f"--by needs a name of at most {NAME_LENGTH} printable characters")
    return who


def show(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print the result: as one JSON object, or as lines for a person."""
    click.echo(json.dumps(result, ensure_ascii=False) if as_json else "\n".join(lines))
