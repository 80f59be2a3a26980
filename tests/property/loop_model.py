"""The loop by the definition: what the formats and the design say of commands and acks, worked out the slow way.

Nothing of the program's fold is used here. A meter is played through: the commands that left for the device that carries
the feature code now, each with the answer that counts, and what a device does with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

IDENTITY: Mapping[str, Any] = {"gain": 1.0, "offset_lph": 0.0}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Played:
    """One meter: ``in_force`` and ``before`` as commands have a correction; ``open`` are the ids in flight, ``status`` what
    became of each command."""

    sequence: int
    in_force: Mapping[str, Any]
    before: Mapping[str, Any]
    changed_at: datetime | None
    open: list[str]
    awaiting: str | None
    attempts: list[tuple[str, str]]
    status: dict[str, str]


def answer(command: Mapping[str, Any], acks: Iterable[Mapping[str, Any]], now: datetime) -> Mapping[str, Any] | None:
    """Of the acks to a command, from the meter commanded and not from the future, the earliest."""
    own = [
        ack
        for ack in acks
        if ack["command_id"] == command["command_id"]
        and ack["feature_code"] == command["feature_code"]
        and instant(ack["at"]) <= now
    ]
    return min(own, key=lambda ack: (instant(ack["at"]), ack["status"]), default=None)


def play(
    commands: Sequence[Mapping[str, Any]],
    acks: Sequence[Mapping[str, Any]],
    now: datetime,
    effects: Mapping[str, str],
    installed: datetime | None,
) -> Played:
    """One meter by all its commands, each id once and as it stands by now."""
    left = sorted((c for c in commands if c["state"] == "ready"), key=lambda c: c["sequence"])
    answers = {c["command_id"]: answer(c, acks, now) for c in left}
    meant_for_another = [c for c in left if installed is not None and instant(c["issued_at"]) < installed]
    # such a one reached the meter that is there now if it was applied after the exchange, and may yet while it is open
    strays = {
        c["command_id"]
        for c in meant_for_another
        if (found := answers[c["command_id"]])
        and found["status"] == "applied"
        and installed
        and instant(found["at"]) >= installed
    }
    under_way = [
        c
        for c in meant_for_another
        if answers[c["command_id"]] is None and instant(c["expires_at"]) > max(installed or now, now)
    ]
    ours = [c for c in left if c not in meant_for_another or c["command_id"] in strays]
    status = {}
    for command in ours:
        found = answers[command["command_id"]]
        expired = instant(command["expires_at"]) <= now
        status[command["command_id"]] = found["status"] if found else "expired" if expired else "in_flight"
    # one that nobody answered was carried out all the same if the windows after it showed what it does
    shown = {name for name, effect in effects.items() if effect in ("cured", "improved")}
    used = [
        c
        for c in ours
        if status[c["command_id"]] == "applied" or (status[c["command_id"]] == "expired" and c["command_id"] in shown)
    ]
    newest = used[-1] if used else None
    # a meter ignores a sequence not above the one in force, so what came before an applied command is over
    reached = newest["sequence"] if newest else 0
    waiting = [*(c for c in ours if status[c["command_id"]] == "in_flight"), *under_way]
    waiting.sort(key=lambda c: c["sequence"])
    still_open = [c["command_id"] for c in waiting if c["sequence"] > reached]
    own = [c for c in ours if c["command_id"] not in strays]
    cured = [k for k, c in enumerate(own) if effects.get(c["command_id"]) == "cured"]
    since_cured = own[cured[-1] + 1 :] if cured else own
    waits = newest is not None and newest["command_id"] not in {*effects, *strays} and not _takes_back(newest)
    return Played(
        sequence=max((c["sequence"] for c in commands), default=0),
        in_force=newest["correction"] if newest else IDENTITY,
        before=used[-2]["correction"] if len(used) > 1 else IDENTITY,
        changed_at=_changed_at(newest, answers) if newest else None,
        open=still_open,
        awaiting=newest["command_id"] if newest and waits else None,
        attempts=[(c["command_id"], status[c["command_id"]]) for c in since_cured],
        status=status,
    )


def _changed_at(newest: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any] | None]) -> datetime:
    """When the device began to use it: as it says, but never before it was told."""
    said = answers[newest["command_id"]]
    if said is None:  # carried out by the time it expired, at the latest
        return instant(newest["expires_at"])
    return max(instant(said["at"]), instant(newest["issued_at"]))


def _takes_back(command: Mapping[str, Any]) -> bool:
    return bool(command.get("undoes") or command.get("withdraws"))
