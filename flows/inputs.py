"""Inputs: the dumps that a run or an audit rests on, as its manifest lists them, and their rows in all."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

#: what is told of each dump that something rests on
_DUMP_KEYS = (
    "file", "stream", "source", "sha256", "bytes", "read", "accepted", "duplicate", "quarantined", "reasons", "note",
)  # fmt: skip


def told_of(dump: dict[str, Any]) -> dict[str, Any]:
    """What a manifest tells of a dump."""
    # a lake of an earlier version counted no replaced readings, because there were none
    again = {"retried": dump["retried"]} if dump.get("retried") else {}
    return {**{key: dump[key] for key in _DUMP_KEYS}, "replaced": dump.get("replaced", 0), **again}


def in_order(dumps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Dumps as a manifest lists them."""
    return sorted(dumps, key=lambda dump: (dump["stream"], dump["file"], dump["source"] or "", dump["sha256"]))


def row_accounting(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of some dumps in all: read = accepted + duplicate + quarantined."""
    reasons: dict[str, int] = defaultdict(int)
    for dump in inputs:
        for reason, count in dump["reasons"].items():
            reasons[reason] += count
    sums = {
        key: sum(dump[key] for dump in inputs) for key in ("read", "accepted", "duplicate", "quarantined", "replaced")
    }
    return {**sums, "reasons": dict(sorted(reasons.items()))}
