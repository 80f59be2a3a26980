"""What ``outbox list`` shows on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.wording import correction, visible
from transforms.outbox.waiting import Waiting
from transforms.reasons import sentence


def waiting_lines(found: Waiting, most: int | None) -> list[str]:
    """Lines for a person; of each kind at most ``most`` entries, and how many more there are."""
    if not any((found.held, found.in_flight, found.expired, found.meters)):
        return ["Nothing waits, and no meter was ever commanded"]
    lines = _section("Held for approval", [_held(run) for run in found.held], most)
    lines += _section("In flight, not answered yet", [_command(command) for command in found.in_flight], most)
    lines += _section("Expired without an answer", [_command(command) for command in found.expired], most)
    lines += _section("Meters that were commanded", [_meter(meter) for meter in found.meters], most)
    return lines


def _section(title: str, entries: list[list[str]], most: int | None) -> list[str]:
    if not entries:
        return [f"{title}: none"]
    lines = [f"{title}: {len(entries):,}", *(line for entry in entries[:most] for line in entry)]
    if most is not None and len(entries) > most:
        lines.append(f"  ... and {len(entries) - most:,} more; --all shows them")
    return lines


def _held(run: Mapping[str, Any]) -> list[str]:
    head = f"  {run['run_id']}: {run['commands']:,} commands held since {run['issued_at']}"
    if run["approvable"]:
        return [head, f"    until {run['expires_at']}: meterwright outbox approve {run['run_id']}"]
    return [head, f"    too late to approve: {sentence(run['why'])}"]


def _command(command: Mapping[str, Any]) -> list[str]:
    times = f"issued {command['issued_at']}, expires {command['expires_at']}"
    return [
        f"  {visible(command['feature_code'])}: sequence {command['sequence']}, {command['form']}, {times}",
        f"    {command['command_id']} {correction(command['correction'])}",
    ]


def _meter(meter: Mapping[str, Any]) -> list[str]:
    since = f" since {meter['changed_at']}" if meter["changed_at"] else ""
    ack, effect = meter["last_ack"], meter["last_effect"]
    told = [
        f"{meter['attempts']} sent since it was last in order",
        f"last ack: {ack['status']} at {ack['at']}" if ack else "no ack",
    ]
    if effect:
        told.append(f"effect: {effect['effect']}")
    return [
        f"  {visible(meter['feature_code'])}: {correction(meter['in_force'])}{since}",
        f"    {visible('; '.join(told))}",
    ]
