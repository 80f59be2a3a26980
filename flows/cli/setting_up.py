"""Commands that set things up: ``init``, ``policy``, ``simulate``."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.common import json_option, moment, open_workspace, progress, show, workspace_option
from flows.settings import workspace_root
from transforms.private import write_new
from transforms.windows import iso, parse_span
from transforms.workspace import STREAMS, Workspace


@click.command()
@workspace_option
@json_option
def init(folder: Path | None, as_json: bool) -> int:
    """Make an empty workspace with commented registry templates. Files that exist are left as they are."""
    from transforms.registry.templates import templates

    workspace = Workspace(workspace_root(folder))
    for place in (workspace.registry, *(workspace.raw / name for name in (*STREAMS, "acks", "images"))):
        place.mkdir(parents=True, exist_ok=True)
    written, kept = [], []
    for name, text in templates().items():
        path = workspace.registry / name
        if path.exists():
            kept.append(name)
        else:
            write_new(path, text)
            written.append(name)
    lines = [
        f"Workspace: {workspace.root}",
        f"Written to registry/: {', '.join(written) or 'nothing'}" + (f"; kept: {', '.join(kept)}" if kept else ""),
        "Next: list your meters in registry/meters.csv and their models in registry/models.toml,",
        "put dumps into raw/meter and raw/flowmeter, then: meterwright run",
    ]
    show({"workspace": str(workspace.root), "written": written, "kept": kept}, lines, as_json=as_json)
    return 0


@click.command()
@workspace_option
@json_option
def policy(folder: Path | None, as_json: bool) -> int:
    """Show the policy in force: each key, its value, and where the value comes from."""
    from transforms.policy import load_policy

    workspace = open_workspace(folder)
    rules = load_policy(workspace.registry / "policy.toml")
    rows = rules.rows()
    wide = max(len(key) for key, *_ in rows)
    lines = [
        f"{key:<{wide}}  {value!s:<28}  {origin}" + (f" (default {default})" if value != default else "")
        for key, value, default, origin in rows
    ]
    keys = {key: {"value": value, "default": default, "origin": origin} for key, value, default, origin in rows}
    show({"digest": rules.digest, "keys": keys}, [*lines, f"digest {rules.digest}"], as_json=as_json)
    return 0


@click.command()
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--meters", type=click.IntRange(1, 5_000_000), default=100, show_default=True, help="Meters in the fleet."
)
@click.option("--days", type=click.IntRange(1, 3660), default=1, show_default=True, help="Days of readings.")
@click.option("--interval", default="15m", show_default=True, help="Sampling interval.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same bytes.")
@click.option("--start", default="2026-01-01T00:00:00Z", show_default=True, help="First instant.")
@click.option(
    "--form",
    type=click.Choice(["csv", "csv.gz", "jsonl", "rle", "parquet"]),
    default="csv",
    show_default=True,
    help="How the dumps are written.",
)
@click.option(
    "--defects",
    type=click.Choice(["none", "usual"]),
    default="usual",
    show_default=True,
    help="Late, doubled, lost, disordered and repeated readings.",
)
@json_option
def simulate(
    target: Path, meters: int, days: int, interval: str, seed: int, start: str, form: str, defects: str, as_json: bool
) -> int:
    """Make a workspace full of labelled, realistic dumps in TARGET."""
    from flows.simulation import simulate_workspace
    from transforms.simulate import NONE, USUAL

    summary = simulate_workspace(
        target,
        meters=meters,
        days=days,
        interval=parse_span(interval),
        seed=seed,
        start=moment(start),
        form=form,
        defects=USUAL if defects == "usual" else NONE,
        progress=lambda done, total: progress(f"simulate: {done:,} of {total:,} meters"),
    )
    lines = [
        f"{meters:,} meters over {days} day(s) from {iso(moment(start))} in {target}",
        f"What is true of each meter: {target / 'truth.parquet'}",
        f"Next: meterwright run --workspace {target} --until {summary['end']}",
    ]
    show(summary, lines, as_json=as_json)
    return 0
