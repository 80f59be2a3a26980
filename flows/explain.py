"""Why a meter got its verdict: everything about one meter and one window, gathered; only a page is ever written."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows.context import Context
from flows.settings import use_matplotlib_in
from flows.situation import Known, look_around, put_into_words
from flows.window import parties_of
from reports.clock import shown_in
from reports.explain import Before, Explanation
from reports.registers import of_one
from reports.wording import visible
from transforms.damage import table_of_run
from transforms.decide.answers import guards_said
from transforms.errors import UsageError
from transforms.feedback import read_acks
from transforms.judge import calibration_status
from transforms.judge.dossier import Dossier, dossier_of
from transforms.lake import Lake
from transforms.lake.damage import lake_legible
from transforms.match import METERS, Parties
from transforms.match.register_findings import FINDINGS, register_findings
from transforms.outbox import History, read_history, read_lines, window_of
from transforms.schemas import PAIRS
from transforms.sql import session
from transforms.summarise import list_pairs, look_closer, summarise_bucket
from transforms.summarise.moments import FRAME
from transforms.windows import Window, newest_complete, parse_time

#: how many runs the meter's past is told of
RUNS_BACK = 10
#: up to so many codes are compared letter by letter with one that is not known
_COMPARED = 5_000


def explain(context: Context, code: str, until: datetime | None, length: timedelta | None) -> Explanation:
    """Gather what there is to say about one meter.

    Parameters
    ----------
    code
        Its feature code.
    until
        The window ends at or before this time; None for the newest.
    length
        Length of the window, which is then taken whether it has a run or not; None for the newest window with a run.

    Raises
    ------
    UsageError
        If nobody knows the code; with the most similar ones.
    """
    runs = read_history(context.workspace)
    lake = Lake.open(context.workspace)
    parties = parties_of(context, lake)
    _must_be_known(code, context, parties)
    window, place = _window(context, runs, lake, until, length)
    context = replace(context, policy=context.policy.with_window(window.length))
    folder, manifest = (runs.folders[place], runs.manifests[place]) if place is not None else (None, None)
    issued_at = parse_time(manifest["issued_at"]) if manifest else window.end
    known = look_around(context.workspace, context.registry, window, issued_at)
    dossier, pairs, registers = _judge_again(
        context, lake, replace(parties, changed=known.changed), code, window, known
    )
    said = _row(folder, code)
    command, order = _line(folder, "commands.jsonl", code), _line(folder, "work_orders.jsonl", code)
    withheld = [each["reason"] for each in (manifest or {}).get("withheld", []) if each["feature_code"] == code]
    limits = _limits(parties, code, context)
    acted_on = (said or {}).get("pooled_verdict") or (said or dossier.row)["verdict"]
    return Explanation(
        feature_code=code,
        window=window,
        run_id=manifest["run_id"] if manifest else None,
        dossier=dossier,
        said=said,
        changed_inputs=_changed_inputs(context, manifest),
        guards=tuple(guards_said(acted_on, command, order, withheld, limits, decided=said is not None)),
        command=command,
        order=order,
        withheld=tuple(withheld),
        ack=_ack(context, command),
        history=_past(runs, window, code),
        pairs=pairs,
        limits=limits,
        registers=tuple(of_one(row) for row in registers.iter_rows(named=True)),
    )


def _window(
    context: Context, runs: History, lake: Lake, until: datetime | None, length: timedelta | None
) -> tuple[Window, int | None]:
    """The window to explain, and the place of its run among all runs if it has one."""
    judged = [window_of(manifest) for manifest in runs.manifests]
    if length is None:
        ended = [k for k, window in enumerate(judged) if until is None or window.end <= until]
        if ended:
            # of several with the same end the longest, of several revisions the last
            place = max(ended, key=lambda k: (judged[k].end, judged[k].length, runs.manifests[k]["revision"]))
            return judged[place], place
    span = length or context.policy.window.length
    window = newest_complete(until or _last_reading(lake) + span, span)
    places = [k for k, found in enumerate(judged) if found == window]
    return window, max(places, key=lambda k: int(runs.manifests[k]["revision"]), default=None)


def _last_reading(lake: Lake) -> datetime:
    stamps = [parse_time(dump["max_ts"]) for dump in lake.dumps if dump["max_ts"]]
    if not stamps:
        raise UsageError("there is neither a run nor any reading yet; put dumps into raw/ and say: meterwright run")
    return max(stamps)


def _must_be_known(code: str, context: Context, parties: Parties) -> None:
    names = [frame["feature_code"] for frame in (context.registry.meters, parties.devices, parties.claims)]
    known = pl.concat([name.cast(pl.String) for name in names]).drop_nulls().unique()
    # what a terminal hands over need not be text that any file could hold
    text = code.encode("utf-8", "replace").decode("utf-8")
    if text == code and (known == code).any():
        return
    near = _similar(text, known)
    hint = f"; did you mean {' or '.join(visible(name) for name in near)}?" if near else ""
    raise UsageError(
        f"no meter is called {visible(code)}: it is neither in meters.csv nor in any dump read so far{hint}"
    )


def _similar(code: str, known: pl.Series) -> list[str]:
    """At most three codes that are written alike; in a large fleet only those that begin or end alike are compared."""
    alike = known.filter(known.str.to_lowercase().str.strip_chars() == code.strip().lower()).sort().to_list()
    if alike or not code:
        return list(alike[:3])
    if len(known) > _COMPARED:
        part = max(1, len(code) * 2 // 3)
        near = known.str.starts_with(code[:part]) | known.str.ends_with(code[-part:])
        known = known.filter(near).sort().head(_COMPARED)
    return difflib.get_close_matches(code, known.sort().to_list(), n=3)


def _judge_again(
    context: Context, lake: Lake, parties: Parties, code: str, window: Window, known: Known
) -> tuple[Dossier, pl.DataFrame, pl.DataFrame]:
    """The dossier of one meter, its pairs, and what was found in its register."""
    mine = pl.col("feature_code") == code
    alone = replace(
        parties,
        **{name: getattr(parties, name).filter(mine) for name in ("fleet", "devices", "claims", "changed")},
    )
    policy = context.policy
    calibration = calibration_status(context.registry.flowmeters, policy, window)
    homes = [
        (bucket, own)
        for bucket, own in enumerate(alone.split(lake.n_buckets))
        if not (own.devices.is_empty() and own.claims.is_empty())
    ]
    meters, moments, pairs = pl.DataFrame(schema=METERS), pl.DataFrame(schema=FRAME), pl.DataFrame(schema=PAIRS)
    registers = pl.DataFrame(schema=FINDINGS)
    with lake_legible(), context.database() as database, session(database) as con:
        for bucket, own in homes:
            pairs = list_pairs(con, lake, bucket, window, own, [code])
            registers = pl.concat([registers, register_findings(con, lake, bucket, window, own, [code])])
            summary = summarise_bucket(con, lake, bucket, window, own, parts=policy.window.parts)
            meters, moments = summary.meters, summary.moments
        dossier = dossier_of(
            meters,
            moments,
            alone.fleet,
            calibration,
            policy,
            window,
            look=lambda numbers: look_closer(con, window, numbers),
            changed_at=next(iter(alone.changed["since"]), None),
            absent=next(iter(known.absent.filter(mine)["reason"]), None),
            overrule=lambda judged: put_into_words(known, judged),
        )
    return dossier, pairs, registers


def _row(folder: Path | None, code: str) -> dict[str, Any] | None:
    if folder is None:
        return None
    found = table_of_run(folder / "verdicts.parquet").filter(pl.col("feature_code") == code)
    return found.row(0, named=True) if found.height else None


def _line(folder: Path | None, name: str, code: str) -> dict[str, Any] | None:
    if folder is None:
        return None
    return next((line for line in read_lines(folder / name) if line["feature_code"] == code), None)


def _limits(parties: Parties, code: str, context: Context) -> dict[str, Any]:
    found = parties.fleet.filter(pl.col("feature_code") == code)
    if found.is_empty():
        return {}
    row = found.row(0, named=True)
    tolerance = context.policy.tolerance
    return {**row, "mpe_low": row["mpe_low"] * tolerance, "mpe_high": row["mpe_high"] * tolerance}


def _changed_inputs(context: Context, manifest: dict[str, Any] | None) -> tuple[str, ...]:
    """What is not as it was when the run was made, so that judging again may say something else."""
    if manifest is None:
        return ()
    changed = {
        "policy": manifest.get("policy_digest") != context.policy.digest,
        "registry": manifest.get("registry_digest") != context.registry.digest,
        "program": manifest.get("code_version") != context.version,
    }
    return tuple(name for name, differs in changed.items() if differs)


def _ack(context: Context, command: dict[str, Any] | None) -> dict[str, Any] | None:
    """The answer to a command that counts: the earliest."""
    if command is None:
        return None
    acks = [ack for ack in read_acks(context.workspace).acks if ack["command_id"] == command["command_id"]]
    return min(acks, key=lambda ack: (parse_time(ack["at"]), ack["status"]), default=None)


def _past(runs: History, window: Window, code: str) -> tuple[Before, ...]:
    """The meter in the last runs up to this window, oldest first."""
    places = [k for k, manifest in enumerate(runs.manifests) if parse_time(manifest["window_end"]) <= window.end]
    return tuple(_before(runs.folders[k], runs.manifests[k], code) for k in places[-RUNS_BACK:])


def _before(folder: Path, manifest: dict[str, Any], code: str) -> Before:
    row = _row(folder, code) or {}
    sent = [
        line[key]
        for name, key in (("commands.jsonl", "command_id"), ("work_orders.jsonl", "order_id"))
        if (line := _line(folder, name, code))
    ]
    return Before(
        run_id=manifest["run_id"],
        start=parse_time(manifest["window_start"]),
        verdict=row.get("verdict"),
        reason=row.get("reason"),
        volume_error=row.get("volume_error"),
        sent=tuple(sent),
    )


def write_page(context: Context, found: Explanation, file: Path | None) -> Path:
    """Write the explanation as a page and return where; by default in ``reports/``, named by a digest of the code."""
    from reports.explain_page import render_explanation

    use_matplotlib_in(context.workspace.cache)
    with shown_in(context.policy.report.timezone):
        page = render_explanation(found)
    if file is None:
        digest = hashlib.sha256(found.feature_code.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        file = context.workspace.reports / f"explain_{digest}_{found.window.name}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
    elif file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"--html {file} names no file that can be written; name one in a folder that exists")
    staged = file.with_name(f".{file.name}.part")
    staged.write_text(page, encoding="utf-8")
    staged.replace(file)
    return file
