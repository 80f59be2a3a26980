"""What a run must know before it judges: earlier runs, answers of devices, and the state that follows from both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

import polars as pl

from flows.registered import in_place
from transforms.decide import DIFFERS, Situation, awaited, judge_effects, unclear
from transforms.feedback import Acks, for_commands, read_acks
from transforms.fleet import fleet_table
from transforms.judge import calibration_status, set_aside, set_changed_aside
from transforms.match import CHANGED
from transforms.outbox import History, read_history
from transforms.policy import Policy
from transforms.pool import as_decided, judge_pooled
from transforms.registry import Registry
from transforms.schemas import UTC_US
from transforms.state import SHOWN, MeterState, fold_commands, fold_orders
from transforms.windows import Window, iso, parse_time
from transforms.workspace import Workspace


@dataclass(frozen=True)
class Known:
    """Everything known before a window is judged.

    Attributes
    ----------
    history
        The runs of earlier windows.
    acks
        The answers of the devices, and those that could not be used.
    commands
        Command id -> command, of all that left.
    states
        Feature code -> state of each meter that was ever commanded.
    changed
        ``feature_code``, ``since``: meters that are not the same all window, because parameters were applied or the
        meter was exchanged; only what they measured from then on is judged.
    absent
        ``feature_code``, ``reason`` of meters that were not yet, or no longer, in use during the window.
    same
        ``feature_code``, ``since``: from when on meters are surely the same as now, where that is not always; null while
        a command is in flight, which may have been carried out already.
    exchanged
        Meters installed on a day that was not over when the window began, so that what it shows may be another meter's, and those
        that are no longer in use.
    unclear
        Meters of which nobody knows which parameters they use, see `transforms.decide.unclear`.
    """

    history: History
    acks: Acks
    commands: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, MeterState]
    changed: pl.DataFrame
    absent: pl.DataFrame
    same: pl.DataFrame
    exchanged: frozenset[str]
    unclear: frozenset[str] = frozenset()


def look_around(workspace: Workspace, registry: Registry, window: Window, now: datetime) -> Known:
    """Read what earlier runs and the devices said, and fold it; nothing is written."""
    history = read_history(workspace, window)
    commands = history.lines("commands.jsonl")
    left = {command["command_id"]: command for command in commands if command["state"] == "ready"}
    # An ack to a command of a later window tells nothing here, but there is nothing wrong with it either.
    sent = [*commands, *history.lines_not_before("commands.jsonl")]
    asked = {command["command_id"]: command for command in sent if command["state"] == "ready"}
    read = read_acks(workspace)
    acks = for_commands(read, {name: command["feature_code"] for name, command in asked.items()})
    since = in_place(registry, {line["feature_code"] for line in (*commands, *read.acks)})
    states = fold_commands(commands, acks.acks, now, history.effects(), since)
    changed, absent = _changed(states, registry, window), _absent(registry, window)
    same, exchanged = _same(states, registry), _exchanged(registry, window, now)
    return Known(
        history, acks, left, states, changed, absent, same, exchanged, unclear(read.acks, asked, states, now, since)
    )


def put_into_words(known: Known, judged: pl.DataFrame) -> pl.DataFrame:
    """The verdicts with the reasons that only the situation tells."""
    for (reason,), group in known.absent.group_by("reason", maintain_order=True):
        judged = set_aside(judged, group["feature_code"].to_list(), str(reason))
    return set_changed_aside(judged, known.changed["feature_code"].to_list())


def with_earlier_windows(
    known: Known, judged: pl.DataFrame, sums: pl.DataFrame, registry: Registry, policy: Policy, window: Window
) -> pl.DataFrame:
    """The meters that this window settles only together with earlier ones, see `transforms.pool.judge_pooled`."""
    earlier = known.history.earlier(window, policy.judge.pool_windows - 1)
    calibration = calibration_status(registry.flowmeters, policy, window)
    return judge_pooled(judged, sums, earlier, fleet_table(registry), calibration, known.same, policy, window)


def effects_of(known: Known, judged: pl.DataFrame, window: Window) -> pl.DataFrame:
    """What the commands that were applied before the end of this window did."""
    waiting = awaited(known.states, window.end)
    return judge_effects(waiting, judged, as_decided(known.history.verdicts_behind(_with_ends(known, waiting))))


def _with_ends(known: Known, commands: pl.DataFrame) -> pl.DataFrame:
    """Commands with the ends of their windows (ISO text)."""
    ends = [known.commands[name]["window_end"] for name in commands["command_id"]]
    return commands.with_columns(pl.Series("window_end", ends, dtype=pl.String))


def situation_of(
    known: Known, judged: pl.DataFrame, effects: pl.DataFrame, window: Window, registry: Registry, policy: Policy
) -> Situation:
    """What a decision rests on beside the verdicts."""
    lines = known.history.orders()
    # An order from before an exchange was for another meter: the same need of the new one is another.
    since = {code: iso(moment) for code, moment in in_place(registry, {o["feature_code"] for o in lines}).items()}
    own = [order for order in lines if order["window_start"] >= since.get(order["feature_code"], "")]
    orders = [order for order in own if order["reason"] != DIFFERS]
    healthy = known.history.healthy_since({order["feature_code"]: order["window_start"] for order in orders})
    wanted = max(policy.confirm_windows, policy.command.prove_windows)
    changed = {code: since for code, since in known.same.iter_rows() if since is not None}
    without = known.history.unmoved() | set(effects.filter(pl.col("effect") == "no_effect")["command_id"])
    unmoved = {
        code: command for code, state in known.states.items() if (command := _unmoved(state, known.commands, without))
    }
    lost = {code: command for code, state in known.states.items() if (command := _lost(state, known.commands))}
    return Situation(
        states=known.states,
        episodes=fold_orders(orders, healthy),
        confirmed=known.history.steady_streak(window, judged, wanted, changed),
        stale=known.history.later,
        effects={row["feature_code"]: row for row in effects.iter_rows(named=True)},
        displays=frozenset(order["order_id"] for order in lines if order["reason"] == DIFFERS),
        exchanged=known.exchanged,
        unclear={**_renamed(known, judged, registry), **dict.fromkeys(known.unclear, "unclear_answers")},
        unmoved=unmoved,
        lost=lost,
    )


def _unmoved(
    state: MeterState, commands: Mapping[str, Mapping[str, Any]], without: Collection[str]
) -> Mapping[str, Any] | None:
    """The command that a meter says it uses, if it is among those ``without`` effect; one that was said again because nobody had
    answered may have been in force already."""
    command = commands.get(state.in_force_by or "")
    if command is None or command["command_id"] not in without:
        return None
    expired = {one.command_id for one in state.attempts if one.status == "expired"}
    return None if command.get("repeats") in expired else command


def _lost(state: MeterState, commands: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last command without an answer of which nobody knows whether it was carried out; one that would change nothing leaves
    no doubt about what is in force."""
    if state.silent is None:
        return None
    open_ = takewhile(lambda one: one.status == "expired" and one.effect not in SHOWN, reversed(state.attempts))
    sent = (commands[one.command_id] for one in open_)
    return next((command for command in sent if command["correction"] != state.in_force.to_json()), None)


def _renamed(known: Known, judged: pl.DataFrame, registry: Registry) -> dict[str, str]:
    """Meters that may be others under a new feature code: they came after a command to one that is no longer registered, and
    are watched by its flowmeter. What that one was told may be in force."""
    registered = set(registry.meters["feature_code"])
    gone = [
        (code, command["command_id"], command["window_start"], command["window_end"], parse_time(command["issued_at"]))
        for code, state in known.states.items()
        if code not in registered and (command := known.commands.get(state.pending or state.in_force_by or ""))
    ]
    if not gone:
        return {}
    schema: dict[str, Any] = {
        **dict.fromkeys(("feature_code", "command_id", "window_start", "window_end"), pl.String),
        "at": UTC_US,
    }
    commands = pl.DataFrame(gone, schema=schema, orient="row")
    behind = known.history.verdicts_behind(commands).select("command_id", "flowmeter_id").drop_nulls()
    places = behind.join(commands, on="command_id").select("flowmeter_id", "at", start="window_start")
    placed = judged.select("feature_code", "flowmeter_id").join(places, on="flowmeter_id")
    found = {}
    fitted = in_place(registry, set(placed["feature_code"]))
    for code, _, at, start in placed.iter_rows():
        new = code in registered and code not in known.history.told_of(start)
        if new and not (code in fitted and fitted[code] > at):
            found[code] = "meter_exchanged"
    return found


def new_faults(known: Known, sentences: list[str]) -> list[str]:
    """Those of some sentences that no earlier run has said already."""
    said = {
        fault
        for manifest in known.history.manifests
        for told in (manifest["feedback"], manifest.get("photos") or {})
        for fault in told.get("faults", ())
    }
    return [sentence for sentence in sentences if sentence not in said]


def _changed(states: Mapping[str, MeterState], registry: Registry, window: Window) -> pl.DataFrame:
    rows: list[tuple[str, Any]] = [
        (code, state.changed_at)
        for code, state in states.items()
        if state.changed_at and window.start <= state.changed_at < window.end
    ]
    day = pl.col("installed_on").cast(UTC_US)
    exchanged = registry.meters.filter((day > window.start) & (day < window.end)).select("feature_code", day)
    rows += exchanged.rows()
    frame = pl.DataFrame(rows, schema={"feature_code": pl.String, "since": UTC_US}, orient="row")
    return frame.group_by("feature_code").agg(pl.col("since").max()).sort("feature_code")


def _exchanged(registry: Registry, window: Window, now: datetime) -> frozenset[str]:
    over = pl.col("installed_on").cast(UTC_US) + pl.duration(days=1)
    gone = pl.col("removed_on").cast(UTC_US) <= now
    return frozenset(registry.meters.filter((over > window.start) | gone)["feature_code"])


def _same(states: Mapping[str, MeterState], registry: Registry) -> pl.DataFrame:
    rows: list[tuple[str, Any]] = [
        (code, None if state.pending else state.same_since)
        for code, state in states.items()
        if state.pending or state.same_since
    ]
    commanded = pl.DataFrame(rows, schema=CHANGED, orient="row")
    fitted = registry.meters.filter(pl.col("installed_on").is_not_null()).select(
        "feature_code", fitted=pl.col("installed_on").cast(UTC_US) + pl.duration(days=1)
    )
    in_flight = pl.col("commanded") & pl.col("since").is_null()
    return (
        commanded.with_columns(commanded=pl.lit(True))
        .join(fitted, on="feature_code", how="full", coalesce=True)
        .select("feature_code", since=pl.when(~in_flight.fill_null(False)).then(pl.max_horizontal("since", "fitted")))
        .sort("feature_code")
    )


def _absent(registry: Registry, window: Window) -> pl.DataFrame:
    begins, ends = (pl.col(name).cast(UTC_US) for name in ("installed_on", "removed_on"))
    return (
        registry.meters.select(
            "feature_code",
            reason=pl.when(begins >= window.end)
            .then(pl.lit("not_installed"))
            .when(ends <= window.start)
            .then(pl.lit("decommissioned")),
        )
        .filter(pl.col("reason").is_not_null())
        .sort("feature_code")
    )
