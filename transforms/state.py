"""State of the fleet's parameters: the fold of what was sent and what was answered, never stored a second time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from transforms.correction import Correction
from transforms.windows import parse_time


@dataclass(frozen=True)
class MeterState:
    """One meter as its commands and acks tell.

    ``in_force`` is the correction last known to be applied, ``changed_at`` when; ``pending`` the command that is
    neither answered nor expired; ``sequence`` the highest ever used.
    """

    sequence: int = 0
    in_force: Correction = field(default_factory=Correction)
    changed_at: datetime | None = None
    last_command: str | None = None
    pending: str | None = None
    pending_until: datetime | None = None


@dataclass(frozen=True)
class Episode:
    """An open need for a visit: since when, and why."""

    reason: str
    since: str
    order_id: str


def fold_commands(
    commands: Iterable[Mapping[str, Any]], acks: Iterable[Mapping[str, Any]], now: datetime
) -> dict[str, MeterState]:
    """Fold commands, in the order they were issued, with the acks that came back by ``now``.

    Held commands have not left and change nothing but the sequence. Of several acks to one command the earliest
    counts, so an ack that arrives twice does no harm.
    """
    answers: dict[str, Mapping[str, Any]] = {}
    for ack in sorted(acks, key=lambda a: (parse_time(a["at"]), a["status"])):
        if parse_time(ack["at"]) <= now:
            answers.setdefault(ack["command_id"], ack)
    states: dict[str, MeterState] = {}
    for command in sorted(commands, key=lambda c: (c["feature_code"], c["sequence"])):
        code = command["feature_code"]
        before = states.get(code, MeterState())
        after = replace(before, sequence=command["sequence"])
        if command["state"] == "ready":
            answer = answers.get(command["command_id"])
            expires = parse_time(command["expires_at"])
            after = replace(after, last_command=command["command_id"], pending=None, pending_until=None)
            if answer is None:
                if expires > now:
                    after = replace(after, pending=command["command_id"], pending_until=expires)
            elif answer["status"] == "applied":
                after = replace(
                    after,
                    in_force=Correction.from_json(command["correction"]),
                    changed_at=parse_time(answer["at"]),
                )
        states[code] = after
    return states


def fold_orders(orders: Iterable[Mapping[str, Any]], healthy_since: Mapping[str, str]) -> dict[str, Episode]:
    """The need for a visit that is open for each meter: its newest work order, unless it was healthy later.

    Parameters
    ----------
    orders : iterable of mapping
        Work orders in the order of their windows; each has ``window_start`` beside its own keys.
    healthy_since : mapping
        Feature code -> start (ISO) of the newest window in which it was healthy.
    """
    episodes: dict[str, Episode] = {}
    for order in orders:
        code = order["feature_code"]
        if healthy_since.get(code, "") > order["window_start"]:
            episodes.pop(code, None)
            continue
        episodes[code] = Episode(order["reason"], order["since"], order["order_id"])
    return episodes
