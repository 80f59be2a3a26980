"""Whom a run tells what: notices to the terminals of the meters that something happens to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from flows.situation import Known
from transforms.decide import Decision, Situation
from transforms.notices import notices_for
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.windows import parse_time

#: a question for a photo, and word that all is done, stay open for as long as a command would
KINDS = ("self_maintenance", "photo_request", "done", "visit")


def notices_of(
    registry: Registry,
    policy: Policy,
    known: Known,
    decision: Decision,
    situation: Situation,
    now: datetime,
    photographed: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The notices of a run, sorted; at most one open notice for each terminal and purpose.

    Customers are told of commands that leave, asked for a photo once parameters were applied, told when it is done, and
    once of each visit to come. ``photographed`` are commands after which a photo came: no other one is asked for.
    """
    if registry.terminals is None or situation.stale:
        return []
    known_orders = {episode.order_id for episode in situation.episodes.values()} | situation.displays
    subjects: dict[str, Sequence[Mapping[str, Any]]] = {
        "self_maintenance": [command for command in decision.commands if command["state"] == "ready"],
        "photo_request": [each for each in _applied(known) if each["command_id"] not in photographed],
        "done": [effect for effect in situation.effects.values() if effect["effect"] == "cured"],
        "visit": [order for order in decision.work_orders if order["order_id"] not in known_orders],
    }
    return _to_terminals(registry, policy, subjects, _earlier(known, policy, now), now, now + policy.command.expires)


def notices_of_release(
    registry: Registry,
    policy: Policy,
    known: Known,
    own: Sequence[Mapping[str, Any]],
    released: Sequence[Mapping[str, Any]],
    now: datetime,
) -> list[dict[str, Any]]:
    """The notices that go with held commands as they are released; ``own`` are those that left with their run."""
    end = max(parse_time(command["expires_at"]) for command in released)
    earlier = [*_earlier(known, policy, now), *own]
    return _to_terminals(registry, policy, {"self_maintenance": released}, earlier, now, end)


def _earlier(known: Known, policy: Policy, now: datetime) -> list[dict[str, Any]]:
    """The notices that may be open still, and those that may have been said already of what is said now.

    A request for a photo, and word that all is done, come from the same command for as long as its effect is awaited.
    """
    waiting = {state.awaiting: state for state in known.states.values() if state.awaiting is not None}
    sent = (parse_time(a.issued_at) for state in waiting.values() for a in state.attempts if a.command_id in waiting)
    return known.history.notices_since(min([now - policy.command.expires, *sent]), now)


def _to_terminals(
    registry: Registry,
    policy: Policy,
    subjects: Mapping[str, Sequence[Mapping[str, Any]]],
    earlier: Sequence[Mapping[str, Any]],
    now: datetime,
    end: datetime,
) -> list[dict[str, Any]]:
    """Notices on some subjects, by kind, to the terminals concerned, where none on the same is open among earlier ones."""
    told = {item["feature_code"] for items in subjects.values() for item in items}
    if registry.terminals is None or not told:
        return []
    terminals = defaultdict(list)
    for row in registry.terminals.filter(pl.col("feature_code").is_in(told)).iter_rows(named=True):
        terminals[row["feature_code"]].append({**row, "language": row["language"] or policy.languages})
    said = {notice["notice_id"] for notice in earlier}
    open_ = {(n["terminal_id"], n["kind"]) for n in earlier if parse_time(n["expires_at"]) > now}
    found = []
    for kind in KINDS:
        for notice in notices_for(kind, subjects.get(kind, ()), terminals, now, end):
            purpose = (notice["terminal_id"], kind)
            if notice["notice_id"] not in said and purpose not in open_:
                open_.add(purpose)
                found.append(notice)
    return sorted(found, key=lambda notice: (notice["feature_code"], notice["kind"], notice["notice_id"]))


def _applied(known: Known) -> list[dict[str, Any]]:
    """Commands that were applied and whose effect is still open: a photo of the display would show what is in force."""
    return [
        {"feature_code": code, "command_id": state.awaiting}
        for code, state in sorted(known.states.items())
        if state.awaiting is not None
    ]
