"""Commands on foreign exports: ``sources try`` proposes how a file is read, ``sources check`` shows what a mapping does."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.common import json_option, open_workspace, show, workers_option, workspace_option
from flows.settings import worker_count
from reports.wording import visible
from transforms.errors import UsageError

if TYPE_CHECKING:
    from transforms.crosscheck import Concern
    from transforms.policy import Policy
    from transforms.registry import Registry
    from transforms.sources import Source
    from transforms.workspace import Workspace

_SHOWN = 10


@click.group()
def sources() -> None:
    """Make an export of your own known: try a file, check a mapping."""


@sources.command("try")
@workspace_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="What the source is to be called. Default: after the file.")
@click.option("--stream", type=click.Choice(["meter", "flowmeter"]), help="Whose readings these are.")
@click.option("--timezone", help="The clock of stamps without an offset: Europe/Paris or +12:00 for example.")
@click.option("--code", help="The feature code, where no column of the file names the meter.")
@click.option("--write", is_flag=True, help="Add the proposal to sources.toml of the workspace.")
@workers_option
@json_option
def try_file(
    folder: Path | None,
    file: Path,
    name: str | None,
    stream: str | None,
    timezone: str | None,
    code: str | None,
    write: bool,
    workers: int | None,
    as_json: bool,
) -> int:
    """Look at FILE and propose how it is read: the reasons, ten rows before and after, and what is unsure."""
    from flows.trying import readable
    from transforms.sources.guess import look_at, propose, to_toml
    from transforms.sources.guess.look import first_lines

    workspace, registry, policy = _known(folder)
    place = _below_raw(workspace, file)
    with readable(workspace, file, threads=worker_count(workers)) as copy:
        looked, before = look_at(copy), first_lines(copy, _SHOWN)
    codes = registry.meters["feature_code"].to_list()
    proposal = propose(looked, place, name=name, stream=stream, timezone=timezone, code=code, registered=codes)
    text = to_toml(proposal)
    proposed = read_text(text) if proposal.sources else ()
    after: list[str] = []
    counts: dict[str, Any] = {}
    concerned: list[Concern] = []
    if proposed:
        from flows.cli.tried import accounts, first_rows
        from flows.trying import trial
        from transforms.crosscheck import concerns

        with trial(
            workspace, registry, proposed, [(file, place)], absurd_flow_lph=_absurd(registry, policy),
            threads=worker_count(workers), not_after=_not_after(policy), taste=True,
        ) as tried:  # fmt: skip
            after = first_rows(tried.readings)
            counts = accounts(tried)
            concerned = concerns(tried.readings, counts, registry, policy.window.length)
    wrong = [*proposal.faults, *(one.sentence for one in concerned if one.grave)]
    if write and proposed and not wrong:
        _append(workspace, text, {source.name for source in proposed})
    told = {
        "sources": [{"name": one.name, "keys": one.keys, "doubts": one.doubts} for one in proposal.sources],
        "reasons": proposal.reasons,
        "doubts": proposal.doubts,
        "faults": proposal.faults,
        "concerns": [asdict(one) for one in concerned],
        "toml": text,
        "rows": counts,
    }
    lines = [
        *(f"because {reason}" for reason in proposal.reasons),
        *(f"UNSURE: {doubt}" for doubt in proposal.doubts),
        *(f"UNSURE, {one.name}: {doubt}" for one in proposal.sources for doubt in one.doubts.values()),
        *(f"UNSURE: {one.sentence}" for one in concerned if not one.grave),
        *(f"WRONG AS IT STANDS: {sentence}" for sentence in wrong),
        *(
            ["Not written to sources.toml: mend what is wrong, or write by hand what is shown below"]
            if write and wrong
            else []
        ),
        "",
        f"The first lines of {file.name}:",
        *(f"  {line[:160]}" for line in before),
        "",
        *_after(counts, after),
        "",
    ]
    show(told, [visible(line) for line in lines] + text.splitlines(), as_json=as_json)
    return 0 if proposed and not wrong else 3


@sources.command()
@workspace_option
@click.option("--source", "names", multiple=True, help="Check only this source. May be given several times.")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@workers_option
@json_option
def check(
    folder: Path | None, names: tuple[str, ...], files: tuple[Path, ...], workers: int | None, as_json: bool
) -> int:
    """Carry out the mappings of sources.toml on FILES, or on all that they claim, without ingesting anything."""
    from flows.cli.tried import accounts, spans, told
    from flows.trying import trial
    from transforms.crosscheck import concerns
    from transforms.ingest.discover import discover

    workspace, registry, policy = _known(folder)
    chosen = [source for source in registry.sources if not names or source.name in names]
    unknown = sorted(set(names) - {source.name for source in chosen})
    if unknown:
        raise UsageError(
            f"sources.toml has no source {unknown[0]!r}; it has {', '.join(s.name for s in registry.sources) or 'none'}"
        )
    if files:
        laid = [(file, _below_raw(workspace, file)) for file in files]
        claimed = [name for _, name in laid]
    else:
        found, _ = discover(workspace.raw, chosen)
        laid = sorted({(one.path, one.file) for one in found if one.source is not None})
        claimed = [name for _, name in laid]
    if not laid:
        raise UsageError("no file below raw/ is claimed by these sources; name files, or look at each source's glob")
    with trial(
        workspace, registry, chosen, laid, absurd_flow_lph=_absurd(registry, policy),
        threads=worker_count(workers), not_after=_not_after(policy),
    ) as tried:  # fmt: skip
        counts, lines = accounts(tried), told(tried, registry)
        facts = {"rows": counts, "dumps": [asdict(one) for one in tried.accounts], "readings": spans(tried, registry)}
        concerned = concerns(tried.readings, counts, registry, policy.window.length)
        unread = sorted(set(claimed) - {one.file for one in tried.accounts})
    lines += [visible(f"{name}: no source claims it; look at the globs") for name in unread]
    lines += [visible(f"{'WRONG AS IT STANDS' if one.grave else 'UNSURE'}: {one.sentence}") for one in concerned]
    told_of = {**facts, "concerns": [asdict(one) for one in concerned], "unclaimed": unread}
    show(told_of, lines, as_json=as_json)
    return 3 if counts["quarantined"] or unread or any(one.grave for one in concerned) else 0


def _after(counts: dict[str, Any], rows: list[str]) -> list[str]:
    if not counts:
        return []
    from flows.cli.tried import in_words

    return [
        f"Read so, of its beginning: {in_words(counts)}. The first readings, in UTC, L/h and L:",
        *(f"  {row}" for row in rows),
    ]


def _known(folder: Path | None) -> tuple[Workspace, Registry, Policy]:
    from transforms.policy import load_policy
    from transforms.registry import load_registry

    workspace = open_workspace(folder)
    return workspace, load_registry(workspace.registry), load_policy(workspace.registry / "policy.toml")


def _below_raw(workspace: Workspace, file: Path) -> str:
    """A file's path below raw/, or its mere name where it lies elsewhere."""
    resolved, raw = file.resolve(), workspace.raw.resolve()
    return resolved.relative_to(raw).as_posix() if resolved.is_relative_to(raw) else file.name


def _absurd(registry: Registry, policy: Policy) -> float:
    return policy.ingest.absurd_factor * max((model.q4 for model in registry.models.values()), default=1e9)


def _not_after(policy: Policy) -> datetime:
    """The latest stamp that is believed, as in a run that begins now."""
    return datetime.now(UTC) + policy.ingest.future_tolerance


def read_text(text: str) -> tuple[Source, ...]:
    """The sources that a proposal's text describes: it is read as sources.toml is."""
    import tempfile

    from transforms.sources import read_sources

    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return read_sources(Path(file.name))


def _append(workspace: Workspace, text: str, names: set[str]) -> None:
    """Add sources to sources.toml; one that is there already is never replaced."""
    from transforms.sources import read_sources

    file = workspace.registry / "sources.toml"
    there = {source.name for source in read_sources(file)} if file.exists() else set()
    doubled = sorted(there & names)
    if doubled:
        raise UsageError(f"{file.name} has a source {doubled[0]!r} already; give another one with --name")
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    gap = "" if not before or before.endswith("\n\n") else "\n" if before.endswith("\n") else "\n\n"
    draft = file.with_suffix(".toml.tmp")
    draft.write_text(before + gap + text, encoding="utf-8")
    draft.replace(file)
