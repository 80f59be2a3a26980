"""Feedback: what came back from the devices. Acks are dumps like any other: read as they are, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transforms.errors import UsageError
from transforms.windows import parse_time
from transforms.workspace import Workspace

#: so much of a refused line is kept
KEPT = 2000
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
    folder = workspace.raw / "acks"
    acks: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            fault, ack = _read(line)
            place = {"file": f"raw/acks/{path.name}", "line": number}
            if ack is not None:
                acks.append({**ack, "place": place, "row": _shown(line)})
            else:
                refused.append({**place, "reason": fault, "row": _shown(line)})
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
    """Write the refused lines to ``quarantine/acks.jsonl``; it always holds all of them, so writing it twice is no harm."""
    target = workspace.quarantine / "acks.jsonl"
    if not found.refused and not target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".tmp")
    draft.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in found.refused), encoding="utf-8")
    draft.replace(target)


def _shown(line: bytes) -> str:
    return line[:KEPT].decode("utf-8", "replace")


def _read(line: bytes) -> tuple[str, dict[str, Any] | None]:
    try:
        ack = json.loads(line)
    except (ValueError, RecursionError):
        return "is not JSON", None
    if not isinstance(ack, dict):
        return "is not an object", None
    for key in ("command_id", "feature_code", "status", "at"):
        if not isinstance(ack.get(key), str):
            return f"{key} is missing or no text", None
    if ack["status"] not in STATUSES:
        return f"status is none of {', '.join(STATUSES)}", None
    try:
        parse_time(ack["at"])
    except UsageError:
        return "at is not a time in ISO 8601 with Z", None
    return "", ack
