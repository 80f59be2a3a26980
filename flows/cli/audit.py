"""``audit``: every window of a span for every meter, by hand, over years of exports."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.common import json_option, moment, open_workspace, progress, show, workers_option, workspace_option
from flows.lock import hold
from flows.settings import version, worker_count, workspace_root
from reports.wording import visible
from transforms.errors import UsageError
from transforms.windows import parse_span
from transforms.workspace import STREAMS, Workspace

if TYPE_CHECKING:
    from flows.audit.report import Reader
    from flows.audit.run import Outcome
    from transforms.lake import Lake
    from transforms.policy import Policy
    from transforms.registry import Registry

AUDIENCES = ("operator", "supervisor", "customer")


@click.command()
@workspace_option
@click.option("--from", "begin", required=True, help="Begin of the span.")
@click.option("--to", "end", required=True, help="End of the span.")
@click.option("--window", "length", help="Length of the windows, 6h or 12h for example. Default: the policy's.")
@click.option(
    "--exports",
    type=click.Path(path_type=Path),
    help="Audit a folder of exports instead of the workspace's own readings; a throw-away workspace is made for it.",
)
@click.option("--registry", type=click.Path(path_type=Path), help="Another registry folder than the workspace's.")
@click.option(
    "--what-if", type=click.Path(path_type=Path), help="A second policy.toml: which verdicts and commands would differ?"
)
@click.option("--for", "audience", type=click.Choice(AUDIENCES), default="operator", show_default=True)
@click.option("--meter", help="The feature code that a customer's report is about.")
@workers_option
@json_option
def audit(
    folder: Path | None,
    begin: str,
    end: str,
    length: str | None,
    exports: Path | None,
    registry: Path | None,
    what_if: Path | None,
    audience: str,
    meter: str | None,
    workers: int | None,
    as_json: bool,
) -> int:
    """Every window of a span for every meter: one report, no commands."""
    place = Workspace(workspace_root(folder)) if registry else open_workspace(folder)
    since, until = moment(begin), moment(end)
    from flows.audit.crew import Crew
    from transforms.lake import Lake

    with Crew(worker_count(workers)) as hands:
        if exports is None:
            lake = Lake.open(place)
            if _all_known(place, lake):
                # who helps gets ready while this process reads what there is to do
                hands.call_for(lake.readings(since, until))
        from flows.audit.plan import Setting, windows_of
        from flows.audit.report import Reader
        from flows.audit.run import audit as carry_out
        from transforms.lake.damage import lake_legible
        from transforms.policy import load_policy
        from transforms.registry import load_registry

        own = (registry or place.registry).absolute()
        known, policy = load_registry(own), load_policy(own / "policy.toml")
        other = _second(what_if)
        span = parse_span(length) if length else policy.window.length
        windows = windows_of(since, until, span)
        reader = Reader(audience, meter, _language(known, policy, meter))
        _must_fit(reader, known)
        with hold(place, "audit"), lake_legible():
            home = place
            if exports is not None:
                from flows.audit.exports import take_away, throw_away

                home = throw_away(place, exports, known, progress)
            quarantined = _take_in(home, known, policy, worker_count(workers))
            setting = Setting(
                workspace=home,
                registry=own,
                policy=policy.with_window(span),
                what_if=other.with_window(span) if other else None,
                windows=windows,
                version=version(),
                work=home.cache / "audit" / "work",
            )
            command = _command(begin, end, length, exports, registry, what_if, reader)
            # a throw-away workspace stands wherever the audit was made: the exports are what was audited
            name = exports.resolve().name if exports else place.root.name
            outcome = carry_out(setting, known, place, hands, reader, command, name, progress)
            if exports is not None:
                take_away(home)
        show(_result(outcome), _lines(outcome), as_json=as_json)
    return 3 if quarantined or outcome.facts["rows"]["quarantined"] else 0


def _all_known(place: Workspace, lake: Lake) -> bool:
    """Whether no new dump seems to wait; to take it in needs the memory that others would have."""
    known = {dump["file"] for dump in lake.dumps}
    return all(f"{stream}/{path.name}" in known for stream in STREAMS for path in (place.raw / stream).glob("[!.]*"))


def _second(file: Path | None) -> Policy | None:
    """The policy to compare with, which must be there."""
    from transforms.policy import load_policy

    if file is None:
        return None
    if not file.is_file():
        raise UsageError(f"--what-if {file} is no file; name a policy.toml")
    return load_policy(file)


def _language(registry: Registry, policy: Policy, meter: str | None) -> str:
    """The language of a meter's customer."""
    if registry.terminals is None or meter is None:
        return policy.languages
    found = dict(registry.terminals.select("feature_code", "language").iter_rows())
    return str(found.get(meter) or policy.languages)


def _must_fit(reader: Reader, registry: Registry) -> None:
    if (reader.audience == "customer") != (reader.meter is not None):
        raise UsageError("a customer's report is about one meter, and only that: write --for customer --meter CODE")
    if reader.meter is not None and reader.meter not in registry.meters["feature_code"].to_list():
        raise UsageError(f"no meter is called {visible(reader.meter)} in meters.csv")


def _take_in(workspace: Workspace, registry: Registry, policy: Policy, workers: int) -> int:
    """Bring dumps that are new into the lake; how many rows were set aside."""
    from flows.context import Context
    from flows.engines import make_engine
    from flows.intake import ingest_dumps

    context = Context(workspace, registry, policy, workers, version(), progress)
    with make_engine("plain", workers, workspace.root) as engine:
        workspace.scratch.mkdir(parents=True, exist_ok=True)
        return engine.run("ingest", lambda e: ingest_dumps(context, e)).quarantined


def _command(
    begin: str,
    end: str,
    length: str | None,
    exports: Path | None,
    registry: Path | None,
    what_if: Path | None,
    reader: Reader,
) -> str:
    """The command that repeats the audit; folders by their last name only, for a report goes to others."""
    words = ["meterwright", "audit", "--from", begin, "--to", end]
    words += ["--window", length] if length else []
    for option, path in (("--exports", exports), ("--registry", registry), ("--what-if", what_if)):
        words += [option, path.resolve().name] if path else []
    words += ["--for", reader.audience] if reader.audience != "operator" else []
    words += ["--meter", reader.meter] if reader.meter else []
    return shlex.join(words)


def _result(outcome: Outcome) -> dict[str, Any]:
    return {
        "audit": outcome.folder.name,
        "fresh": outcome.fresh,
        "folder": str(outcome.folder),
        "report": str(outcome.folder / "index.html"),
        "parts": outcome.chunks,
        "parts_read": outcome.read,
        "rows": outcome.facts["rows"],
    }


def _lines(outcome: Outcome) -> list[str]:
    if not outcome.fresh:
        return [f"{outcome.folder.name} (done before)", f"Report: {outcome.folder / 'index.html'}"]
    return [
        f"{outcome.folder.name}: {outcome.read} of {outcome.chunks} parts of the span were read, the others were known",
        f"Report: {outcome.folder / 'index.html'}",
    ]
