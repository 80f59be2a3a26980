"""Unclear: meters whose answers do not tell which parameters they use, so that nothing can be composed with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from transforms.state import UNTOUCHED, MeterState
from transforms.windows import parse_time


def unclear(
    acks: Iterable[Mapping[str, Any]],
    commands: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, MeterState],
    now: datetime,
    since: Mapping[str, datetime],
) -> frozenset[str]:
    """The meters of which nobody knows which parameters they use, by what they answered.

    One says that it carried out what was never sent to it from here (runs were taken away or restored, or somebody else
    commands it as well), or says of a command both that it was carried out and that it was not. A command that was carried
    out after that makes it clear again, because corrections are absolute.

    Parameters
    ----------
    acks
        All that can be read.
    commands
        Command id -> command, of all that left.
    since
        Feature code -> from when on the meter is another one than before.
    """
    told: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for ack in acks:
        at, code = parse_time(ack["at"]), ack["feature_code"]
        if at <= now and not (code in since and at < since[code]):
            told.setdefault((code, ack["command_id"]), []).append((at, ack["status"]))
    codes = set()
    for (code, name), answers in told.items():
        statuses, last = {status for _, status in answers}, max(at for at, _ in answers)
        state, command = states.get(code, UNTOUCHED), commands.get(name)
        if "applied" not in statuses:
            continue
        if command is None or command["feature_code"] != code:
            over = state.changed_at is not None and state.changed_at > last
        else:
            newer = commands.get(state.in_force_by or "", command)
            over = len(statuses) == 1 or newer["sequence"] > command["sequence"]
        if not over:
            codes.add(code)
    return frozenset(codes)
