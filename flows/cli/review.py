"""Commands about photos that no machine could read safely: ``list``, ``accept``, ``reject``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.common import json_option, moment, open_workspace, show, who_says, workspace_option
from reports.wording import visible
from transforms.reasons import sentence
from transforms.windows import iso

if TYPE_CHECKING:
    from transforms.workspace import Workspace

#: how many are named on the terminal
LISTED = 20


@click.group()
def review() -> None:
    """Photos that no machine could read safely, and a person's word on them."""


@review.command(name="list")
@workspace_option
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only {LISTED}.")
@click.option("--html", is_flag=True, help="Also write a contact sheet, reports/review/index.html.")
@click.option("--now", "clock", help="The time by which reviews count. Default: the clock's.")
@json_option
def list_command(folder: Path | None, everything: bool, html: bool, clock: str | None, as_json: bool) -> int:
    """What waits for a person: each photo's path, what the machine took it for, and why that is not safe."""
    from flows.reviewing import waiting_readings
    from transforms.registry import load_registry

    workspace = open_workspace(folder)
    registry = load_registry(workspace.registry)
    found = waiting_readings(workspace, registry, moment(clock))
    waiting = [_told(workspace, reading) for reading in found.readings]
    said = [one.to_json() for one in found.said]
    lines = [f"Photos that wait for a person: {len(waiting):,}"]
    for reading in waiting[: None if everything else LISTED]:
        lines += _lines(reading)
    if len(waiting) > LISTED and not everything:
        lines.append(f"  ... and {len(waiting) - LISTED:,} more; --all shows them")
    if said:
        lines.append(f"Decided, and taken in by the next run: {len(said):,}")
    result: dict[str, Any] = {"waiting": waiting, "decided": said}
    if html:
        from flows.contact_sheet import write_contact_sheet
        from transforms.policy import load_policy

        policy = load_policy(workspace.registry / "policy.toml")
        page = write_contact_sheet(workspace, registry, found.readings, policy.report.timezone)
        lines.append(f"Contact sheet: {page}")
        result["page"] = str(page)
    show(result, lines, as_json=as_json)
    return 0


def _told(workspace: Workspace, reading: dict[str, Any]) -> dict[str, Any]:
    from flows.reviewing import photo_path

    path = photo_path(workspace, reading)
    return {
        "reading_id": reading["reading_id"],
        "feature_code": reading["feature_code"],
        "captured_at": iso(reading["captured_at"]),
        "photo": str(path),
        "deleted": not path.is_file(),
        "reason": reading["reason"],
        "why": sentence(reading["reason"]),
        "candidates": reading["candidates"] or [],
        "unit": reading["unit"],
        "wire_low": reading["wire_low"],
        "wire_high": reading["wire_high"],
    }


def _lines(reading: dict[str, Any]) -> list[str]:
    gone = " (deleted)" if reading["deleted"] else ""
    lines = [
        f"  {reading['reading_id']}  {visible(reading['feature_code'])}, taken {reading['captured_at']}: {reading['why']}",
        f"    {visible(reading['photo'])}{gone}",
    ]
    for one in reading["candidates"]:
        lines.append(f"    {visible(one['text'])} on {visible(one['screen'])}? {one['confidence']:.2f}")
    if reading["wire_low"] is not None:
        lines.append(
            f"    the meter sent {reading['wire_low']:g} to {_or_more(reading['wire_high'])} {reading['unit']}"
        )
    return lines


def _or_more(high: float | None) -> str:
    return "any" if high is None else f"{high:g}"


def _by_option(command: Any) -> Any:
    return click.option("--by", help="Who says so, for the record. Default: your login name.")(command)


def _clock_option(command: Any) -> Any:
    return click.option("--now", "clock", help="The time of the review. Default: the clock's.")(command)


@review.command()
@click.argument("reading_id", metavar="ID")
@workspace_option
@click.option("--value", required=True, help="What the display shows, with a point, in the screen's unit.")
@click.option("--screen", help="Which of the display's screens it is. Default: the one that the machine saw.")
@_by_option
@_clock_option
@json_option
def accept(
    reading_id: str,
    folder: Path | None,
    value: str,
    screen: str | None,
    by: str | None,
    clock: str | None,
    as_json: bool,
) -> int:
    """Say what the photo ID shows; the next run takes it as read."""
    return _decide(folder, reading_id, "accepted", by, clock, value, screen, as_json=as_json)


@review.command()
@click.argument("reading_id", metavar="ID")
@workspace_option
@_by_option
@_clock_option
@json_option
def reject(reading_id: str, folder: Path | None, by: str | None, clock: str | None, as_json: bool) -> int:
    """Say that the photo ID cannot be read, or does not show the meter."""
    return _decide(folder, reading_id, "rejected", by, clock, None, None, as_json=as_json)


def _decide(
    folder: Path | None,
    reading_id: str,
    decision: str,
    by: str | None,
    clock: str | None,
    value: str | None,
    screen: str | None,
    *,
    as_json: bool,
) -> int:
    from flows.reviewing import decide_on
    from transforms.registry import load_registry

    who, at = who_says(by), moment(clock)
    workspace = open_workspace(folder)
    registry = load_registry(workspace.registry)
    said, file = decide_on(workspace, registry, reading_id, decision, who, at, value, screen)
    told = decision if said.value is None else f"accepted as {value} on {visible(said.screen)}"
    lines = [f"{said.reading_id}: {told} by {visible(who)}; the next run takes it in", f"Event: {file}"]
    show({**said.to_json(), "event": str(file)}, lines, as_json=as_json)
    return 0
