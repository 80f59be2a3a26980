"""`make run`: several windows of the shipped sample, and in ten lines what was found."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import polars as pl

from flows.cli.common import make_context, open_workspace, progress
from flows.cli.cycle import Prepared, execute
from flows.settings import worker_count
from flows.window import Outcome
from transforms.errors import MeterwrightError
from transforms.reasons import sentence
from transforms.windows import span_text, windows_between

#: the days that both the real recordings and the simulated fleet cover
BEGIN = datetime(2019, 12, 2, tzinfo=UTC)
END = datetime(2019, 12, 5, tzinfo=UTC)


def main() -> int:
    """Run the sample and say what was found."""
    try:
        workspace = open_workspace(None)
        done = execute(workspace, worker_count(), "prefect", _prepare, END)
        taken, outcomes = done.taken, done.outcomes
    except MeterwrightError as error:
        click.echo(f"meterwright: {error}", err=True)
        return 1
    click.echo("\n".join(_summary(taken.read or None, outcomes, workspace.outbox)))
    return 0


def _prepare() -> Prepared:
    context = make_context(None, None)
    windows = windows_between(BEGIN, END, context.policy.window.length)
    progress(f"sample: {len(windows)} windows of {span_text(context.policy.window.length)} from {BEGIN:%Y-%m-%d}")
    return context, windows


def _summary(read: int | None, outcomes: list[Outcome], outbox: Path) -> list[str]:
    counts = [outcome.manifest["counts"] for outcome in outcomes]
    verdicts = pl.concat(
        [pl.read_parquet(outbox / outcome.manifest["run_id"] / "verdicts.parquet", glob=False) for outcome in outcomes]
    )
    tally = dict(verdicts.group_by("verdict").len().iter_rows())
    total = {key: sum(count[key] for count in counts) for key in ("commands", "held", "work_orders", "notices")}
    real = verdicts.filter(pl.col("feature_code").is_in(["K37-3110", "L37-0812-m1"])).sort("feature_code")
    why = (
        verdicts.filter(pl.col("verdict") == "inconclusive").group_by("reason").len().sort("len", descending=True)
    ).row(0)
    intake = f"{read:,} rows read" if read else "nothing new to read"
    telling = max(outcomes, key=lambda outcome: outcome.manifest["counts"]["commands"])
    unsteady = verdicts.filter(pl.col("verdict") == "unsteady")["feature_code"].n_unique()
    return [
        "",
        f"Meterwright judged {verdicts['feature_code'].n_unique()} meters over {len(outcomes)} windows ({intake}).",
        "  "
        + ", ".join(f"{tally.get(name, 0)} {name}" for name in ("healthy", "steady", "unsteady", "inconclusive"))
        + " verdicts.",
        f"  Inconclusive mostly for {why[0]}: {sentence(why[0])}.",
        f"  {total['commands']} commands to meters ({total['held']} held), {total['notices']} notices to customers.",
        f"  {unsteady} meters are off in no steady way and need a visit.",
        *(_recording(name, real.filter(pl.col("feature_code") == name)) for name in ("K37-3110", "L37-0812-m1")),
        f"Report of the window with most commands, the others beside it: {telling.report}",
        f"Commands, notices, work orders and verdicts: {outbox}",
    ]


def _recording(name: str, rows: pl.DataFrame) -> str:
    said = ", ".join(f"{n} {verdict}" for verdict, n in rows.group_by("verdict").len().sort("verdict").iter_rows())
    a1 = rows["a1"].drop_nulls().to_list()
    gain = f"; it reads {sum(a1) / len(a1):.3f} of the reference" if a1 else ""
    return f"  Real recording {name}: {said}{gain}."


if __name__ == "__main__":
    sys.exit(main())
