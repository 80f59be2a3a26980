"""Feedback: what came back from the devices. Acks are dumps like any other: read as they are, never changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from transforms.errors import UsageError
from transforms.windows import parse_time
from transforms.workspace import Workspace

STATUSES = ("applied", "rejected", "failed")


@dataclass(frozen=True)
class Acks:
    """Acks that can be read, and one sentence for each line that cannot."""

    acks: list[dict[str, Any]]
    faults: list[str]


def read_acks(workspace: Workspace) -> Acks:
    """Read every line of ``raw/acks/*.jsonl``, files in the order of their names."""
    folder = workspace.raw / "acks"
    acks: list[dict[str, Any]] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            fault, ack = _read(line)
            if ack is not None:
                acks.append(ack)
            else:
                faults.append(f"raw/acks/{path.name} line {number}: {fault}")
    return Acks(acks, faults)


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
