"""Feedback: what came back from the devices. Acks are dumps like any other: read as they are, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transforms.errors import UsageError
from transforms.events import kept, lines_of, parsed, set_aside_lines
from transforms.windows import parse_time
from transforms.workspace import Workspace

STATUSES = ("applied", "rejected", "failed")


@dataclass(frozen=True)
class Acks:
    """Acks that can be read, each with its ``place``, and for each line that cannot be used why.

    ``refused`` holds ``file, line, reason, row`` of such lines; `sentence_of` puts one into words.
    """

    acks: list[dict[str, Any]]
    refused: list[dict[str, Any]]


def read_acks(workspace: Workspace) -> Acks:
    """Read every line of ``raw/acks/*.jsonl``, files in the order of their names."""
    acks: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for place, line in lines_of(workspace, "acks"):
        fault, ack = _read(line)
        if ack is not None:
            acks.append({**ack, "place": place, "row": kept(line)})
        else:
            refused.append({**place, "reason": fault, "row": kept(line)})
    return Acks(acks, refused)


def for_commands(found: Acks, commands: Mapping[str, str]) -> Acks:
    """The same with acks to commands that never left, or from another meter than the one commanded, among the refused.

    Parameters
    ----------
    commands : mapping
        Command id -> feature code of every command that left.
    """
    good, refused = [], list(found.refused)
    for ack in found.acks:
        meant = commands.get(ack["command_id"])
        if meant == ack["feature_code"]:
            good.append({key: value for key, value in ack.items() if key not in ("place", "row")})
        else:
            fault = (
                "command_id is that of no command sent" if meant is None else "feature_code is not that of the command"
            )
            refused.append({**ack["place"], "reason": fault, "row": ack["row"]})
    return Acks(good, sorted(refused, key=lambda item: (item["file"], item["line"])))


def sentence_of(refused: Mapping[str, Any]) -> str:
    """What is wrong with a line, with its place."""
    return f"{refused['file']} line {refused['line']}: {refused['reason']}"


def set_aside_acks(workspace: Workspace, found: Acks) -> None:
    """Write the refused lines to ``quarantine/acks.jsonl``."""
    set_aside_lines(workspace, "acks.jsonl", found.refused)


def _read(line: bytes) -> tuple[str, dict[str, Any] | None]:
    ack, fault = parsed(line, ("command_id", "feature_code", "status", "at"))
    if fault:
        return fault, None
    if ack["status"] not in STATUSES:
        return f"status is none of {', '.join(STATUSES)}", None
    try:
        parse_time(ack["at"])
    except UsageError:
        return "at is not a time in ISO 8601 with Z", None
    return "", ack
