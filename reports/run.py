"""The report of a run: one self-contained HTML page, made from what the run put into its outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import polars as pl

from reports import aftermath, photos, registers
from reports import run_sections as sections
from reports.page import render_page
from reports.run_meters import MOST_CHARTED, command_cards, fleet_charts, order_cards
from reports.several import pooled_sentence
from reports.wording import count, instant, moment, number, span
from transforms.match.register_findings import FINDINGS
from transforms.schemas import EFFECTS, READINGS
from transforms.windows import Window

_Record = TypeVar("_Record", bound=Mapping[str, Any])

MOST_COMMANDS = 250
MOST_ORDERS = 150
MOST_PHOTOS = 500


@dataclass(frozen=True)
class RunReport:
    """Everything the page shows; built by flows from the outbox content. Flows in L/h, errors relative, times UTC.

    ``samples`` holds pairs (`transforms.schemas.PAIRS`) of the meters that get charts, ``limits`` the columns
    ``feature_code, mpe_low, mpe_high, band_low, band_high, q1, q2, q3, q4``: the permissible error from Q1 to Q2
    (``mpe_low``) and from Q2 to Q4 (``mpe_high``), tolerance counted. ``previous`` holds ``feature_code,
    verdict, reason`` of the previous run, None for the first. ``effects`` are those told in this window. ``readings`` are the
    photos looked at, ``pictures`` by reading id the addresses (data:) of small copies of those that are shown. ``registers``
    are what was found (`FINDINGS`) in registers of meters that could not be judged for lack of flows, or are unsteady.
    """

    manifest: dict[str, Any]
    verdicts: pl.DataFrame
    commands: list[dict[str, Any]]
    work_orders: list[dict[str, Any]]
    samples: pl.DataFrame
    previous: pl.DataFrame | None
    limits: pl.DataFrame
    effects: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EFFECTS))
    readings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=READINGS))
    pictures: Mapping[str, str] = field(default_factory=dict)
    registers: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FINDINGS))


def render_run(report: RunReport) -> str:
    """The page as one string of HTML that needs nothing else: no script, no font, no image from anywhere.

    The same report gives the same bytes. Feature codes, file names and other strings from outside are escaped, and
    control and direction characters in them are written out.
    """
    start, end = _window(report.manifest)
    commands = sorted(
        report.commands, key=lambda command: (command.get("state") != "held", str(command["feature_code"]))
    )
    orders = sections.by_priority(report.work_orders)
    charted = set(report.samples["feature_code"].unique())
    commanded = {command["feature_code"] for command in commands}
    cards = command_cards(report, _shown(commands, MOST_COMMANDS, charted), start, end)
    room = MOST_CHARTED - sum(card["charts"] is not None for card in cards)
    visits = order_cards(report, _shown(orders, MOST_ORDERS, charted), commanded, start, end, most=room)
    held = sum(command.get("state") == "held" for command in commands)
    tiles = sections.verdict_counts(report.verdicts)
    waiting = sections.inconclusive(report.verdicts)
    rows = sections.accounting(report.manifest)
    suspects = sections.suspect_references(report.manifest)
    shown = photos.section(report.readings, report.pictures, MOST_PHOTOS)
    context = {
        "manifest": report.manifest,
        "title": f"Run {report.manifest['run_id']}",
        "span": span(start, end),
        "what_happened": _what_happened(tiles, len(commands), held, report.verdicts.height),
        "needs": _needs(report.manifest, suspects, held, orders, rows, waiting, shown),
        "tiles": tiles,
        "pooled": pooled_sentence(report.verdicts),
        "n_meters": count(report.verdicts.height, "meter"),
        "changes": sections.changes(report.verdicts, report.previous),
        "fleet": fleet_charts(report.verdicts, report.limits),
        "commands": _capped(commands, len(cards)),
        "command_cards": cards,
        "approved": _approved(report.manifest),
        "withheld": sections.withheld(report.manifest),
        "suspects": suspects,
        "effects": aftermath.effects(report.effects),
        "revision": aftermath.revision(report.manifest),
        "orders": _capped(orders, len(visits)),
        "order_cards": visits,
        "inconclusive": waiting,
        "photos": shown,
        "photo_lines": photos.account(report.manifest, sections.MOST_CODES),
        "rows": rows,
        "registers": registers.findings(report.registers),
        "second_look": sections.second_look(report.manifest),
        "ack_faults": sections.ack_faults(report.manifest),
        "issued_at": moment(report.manifest.get("issued_at")),
        "provenance": _provenance(report.manifest, start, end),
    }
    return render_page("run.html.j2", context, pictures=bool(report.pictures))


def _window(manifest: Mapping[str, Any]) -> tuple[datetime, datetime]:
    start, end = instant(manifest["window_start"]), instant(manifest["window_end"])
    if start is None or end is None:
        raise ValueError("the manifest has no window_start or window_end")
    return start, end


def _shown(records: Sequence[_Record], most: int, charted: Collection[str]) -> list[_Record]:
    """As many records as a page takes, in their order; those of meters that have samples to draw are never left out."""
    room = most - sum(record["feature_code"] in charted for record in records)
    shown = []
    for record in records:
        if record["feature_code"] in charted:
            shown.append(record)
        elif room > 0:
            shown.append(record)
            room -= 1
    return shown


def _capped(records: Sequence[Any], shown: int) -> dict[str, Any]:
    return {
        "many": len(records),
        "n": number(len(records)),
        "more": number(len(records) - shown) if len(records) > shown else "",
    }


def _what_happened(tiles: Sequence[Mapping[str, Any]], commands: int, held: int, meters: int) -> str:
    """The run in one plain sentence."""
    many = {tile["name"]: tile["many"] for tile in tiles}
    if not meters:
        return "There is no meter in the registry and none reported."
    parts = [f"{number(many['healthy'])} read inside their permissible error"]
    if many["steady"]:
        parts.append(f"{_are(many['steady'])} steadily off{_sent(commands, held)}")
    if many["unsteady"]:
        parts.append(f"{_are(many['unsteady'])} off in no steady way")
    if many["inconclusive"]:
        parts.append(f"{number(many['inconclusive'])} could not be judged")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    return f"Of {count(meters, 'meter')}, {listed}."


def _are(many: int) -> str:
    return f"{number(many)} {'is' if many == 1 else 'are'}"


def _sent(commands: int, held: int) -> str:
    if not commands:
        return " (none gets new parameters)"
    if held == commands:
        return f" ({count(held, 'correction')} held for approval)"
    also = f", {number(held)} of them held for approval" if held else ""
    return f" ({number(commands)} {'gets' if commands == 1 else 'get'} new parameters{also})"


def _needs(
    manifest: Mapping[str, Any],
    suspects: Sequence[Mapping[str, str]],
    held: int,
    orders: Sequence[Mapping[str, Any]],
    rows: Mapping[str, Any],
    waiting: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Any] | None,
) -> list[dict[str, str]]:
    """What a person has to do, the most urgent first, each with the section that says more."""
    needs = [
        {
            "what": f"Check the {each['who']}: {each['seen']}, far more often than elsewhere. Most likely {each['means']}; "
            f"no meter behind {each['them']} gets new parameters for now.",
            "say": "",
            "anchor": "suspects",
        }
        for each in suspects
    ]
    if held:
        needs.append(
            {
                "what": f"Look at the references and the dumps: {count(held, 'command')} held, because so many at once "
                "are rarely the meters' own fault. Nothing was sent. If all is well with them, release the commands with",
                "say": f"meterwright outbox approve {manifest['run_id']}",
                "anchor": "commands",
            }
        )
    if orders:
        high = sum(order.get("priority") == "high" for order in orders)
        urgent = f", {number(high)} of high priority" if high else ""
        needs.append({"what": f"Visit {count(len(orders), 'meter')}{urgent}.", "say": "", "anchor": "orders"})
    for group in waiting:
        if group["remedy"]:
            what = f"{count(group['many'], 'meter')} not judged: {group['remedy']}."
            needs.append({"what": what, "say": "", "anchor": "inconclusive"})
    if shown and shown["waiting"]:
        what = f"{count(shown['waiting'], 'photo')} that no machine could read safely: look at"
        needs.append({"what": what, "say": "meterwright review list --html", "anchor": "photos"})
    if rows["total"]["set_aside"]:
        what = f"{count(rows['total']['set_aside'], 'row')} of the dumps went into quarantine: see why."
        needs.append({"what": what, "say": "", "anchor": "rows"})
    return needs


def _provenance(manifest: Mapping[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
    facts = [
        ("run", manifest["run_id"], ""),
        ("revision", manifest.get("revision"), ""),
        *_approval(manifest),
        ("issued at", moment(manifest.get("issued_at")), ""),
        ("Meterwright", manifest.get("code_version"), ""),
        ("policy", manifest.get("policy_digest"), "digest"),
        ("registry", manifest.get("registry_digest"), "digest"),
    ]
    versions = manifest.get("versions")
    if isinstance(versions, Mapping):
        facts += [(str(name), version, "") for name, version in sorted(versions.items())]
    length = Window(start, end - start).name.rpartition("_")[2]
    words = ["meterwright", "run", "--window", length, "--until", str(manifest["window_end"])]
    if manifest.get("approved"):
        words = ["meterwright", "outbox", "approve", str(manifest["approved"]["of"])]
    if manifest.get("issued_at"):
        words += ["--now", str(manifest["issued_at"])]
    return {"facts": [fact for fact in facts if fact[1] not in (None, "")], "command": " ".join(words)}


def _approval(manifest: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Who released the commands of this run, if they were held."""
    word = manifest.get("approved")
    if not word:
        return []
    return [("approved by", word["by"], ""), ("approved at", moment(word["at"]), ""), ("approval of", word["of"], "")]


def _approved(manifest: Mapping[str, Any]) -> str:
    """The approval in a sentence, empty for a run that needed none."""
    word = manifest.get("approved")
    if not word:
        return ""
    dropped = f"; {number(len(word['dropped']))} no longer held good and were dropped" if word["dropped"] else ""
    released = count(word["released"], "command")
    return f"{released} held by run {word['of']}, released by {word['by']} at {moment(word['at'])}{dropped}."
