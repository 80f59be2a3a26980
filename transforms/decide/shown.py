"""Shown: what follows from what displays showed, before the guards of a command are asked.

Three things, in this order. A display that contradicts the wire is a need for a visit, and keeps its meter from any
correction. Parameters that are not those of the command last applied make that command be said again. Everything else is
an observation of the meter that joins the fit: that of the window where there is one, else what the command in force
left to be expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from transforms.canonical import rounded
from transforms.correction import Correction
from transforms.decide.joined import fitted, observations_of
from transforms.decide.surroundings import Row, Surroundings, decimals_of
from transforms.photos.plausible import factor, step
from transforms.policy import Policy
from transforms.screens import Screen
from transforms.state import UNTOUCHED, MeterState
from transforms.windows import iso

PARAMETERS = ("a1", "a2", "gain", "offset")
#: consequences of readings that were held against the wire
CHECKED = ("display_differs", "agrees", "joined", "revised", "withheld", "beyond_limits")


@dataclass(frozen=True)
class Difference:
    """A display that contradicts the wire: since which photo it does, and the newest one's numbers."""

    since: datetime
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Displays:
    """What follows from displays, by feature code.

    Attributes
    ----------
    differs
        Meters to be visited, and not to be corrected.
    again
        The command to be said again, and the readings that ask for it.
    fits
        What replaces a verdict's own parameters: ``a1, a1_se, a2, a2_se, form, volume_error, photos`` and so on.
    said
        Reading id -> consequence, as far as photos alone tell; a command that follows makes another one of it.
    """

    differs: Mapping[str, Difference] = field(default_factory=dict)
    again: Mapping[str, tuple[Row, list[str]]] = field(default_factory=dict)
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


def weigh(fresh: Sequence[Row], record: pl.DataFrame, around: Surroundings, policy: Policy) -> Displays:
    """What follows from the readings of a run.

    Parameters
    ----------
    fresh
        Rows of readings.parquet that this run adds.
    record
        Those of earlier runs, the newest word on each photo.
    """
    added = {row["reading_id"] for row in fresh}
    contradicted = record.filter(pl.col("consequence") == "display_differs")["feature_code"].to_list()
    concerned = sorted({*contradicted, *(row["feature_code"] for row in fresh)})
    mine = pl.col("feature_code").is_in(concerned) & ~pl.col("reading_id").is_in(sorted(added))
    earlier = record.filter(mine).to_dicts()
    accepted = [row for row in fresh if row["status"] == "accepted"]
    said: dict[str, str] = {}
    again: dict[str, tuple[Row, list[str]]] = {}
    for code, rows in _by_meter(row for row in accepted if row["quantity"] in PARAMETERS):
        command, told = _parameters(rows, around.states.get(code, UNTOUCHED), around)
        said |= told
        if command is not None:
            again[code] = command, sorted(name for name, what in told.items() if what == "said_again")
    said |= {row["reading_id"]: _against_wire(row) for row in accepted if row["quantity"] not in PARAMETERS}
    known = [*earlier, *({**row, "consequence": said.get(row["reading_id"])} for row in fresh)]
    differs = _differences(known, around)
    fits: dict[str, Mapping[str, Any]] = {}
    fresh_codes = {row["feature_code"] for row in accepted}
    for code, rows in _by_meter(row for row in known if row["status"] == "accepted"):
        if code not in fresh_codes or code in differs or code in again:
            continue
        observations = [one for one in observations_of(code, rows, around, policy) if added.intersection(one.photos)]
        if observations:
            fit = fitted(code, observations, around, policy)
            said |= {name: "joined" for one in observations for name in one.photos if name in added}
            fits |= {code: fit} if fit else {}
    return Displays(differs, again, fits, said)


def _by_meter(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["feature_code"], []).append(row)
    return sorted(found.items())


def _against_wire(row: Row) -> str:
    """Whether a reading agrees with what the meter sent: both resolutions and all that moved are in the bounds."""
    if row["wire_low"] is None or row["wire_high"] is None:
        return "noted"
    return "agrees" if row["wire_low"] <= row["value"] <= row["wire_high"] else "display_differs"


def _parameters(rows: Sequence[Row], state: MeterState, around: Surroundings) -> tuple[Row | None, dict[str, str]]:
    """The command to be said again, if the newest photo of some screen shows other parameters, and what is said of each."""
    command = around.commands.get(state.in_force_by or "")
    said = {row["reading_id"]: "noted" for row in rows}
    if command is None or state.changed_at is None:
        return None, said
    since = state.changed_at
    newest = {row["screen"]: row for row in rows if row["captured_at"] >= since}
    wrong = False
    for row in newest.values():
        screen = Screen(row["screen"], row["quantity"], row["unit"], 0, decimals_of(row, around))
        wanted = _sent(screen.quantity, command)
        if wanted is None:
            continue
        same = _same(row["value"] * factor(screen), wanted, step(screen) * factor(screen))
        said[row["reading_id"]] = "confirmed" if same else "in_flight" if state.pending else "said_again"
        wrong = wrong or not same
    return (command if wrong and not state.pending else None), said


def _sent(quantity: str, command: Row) -> float | None:
    """What a display of a parameter should show after a command; None for a curve, which no one number tells."""
    if quantity in ("a1", "a2"):
        return None if command["form"] == "curve" else float(command[quantity])
    correction = Correction.from_json(command["correction"])
    if correction.points:
        return None
    return correction.gain if quantity == "gain" else correction.offset_lph


def _same(shown: float, wanted: float, digit: float) -> bool:
    """Whether a number shown is another one rounded or cut to the last digit; a display may leave out the sign."""
    return min(abs(shown - wanted), abs(shown - abs(wanted))) < digit * (1 + 1e-9)


def _differences(rows: Sequence[Row], around: Surroundings) -> dict[str, Difference]:
    """Meters whose newest photo that was held against the wire contradicts it."""
    found = {}
    checked = (row for row in rows if row["status"] == "accepted" and row["consequence"] in CHECKED)
    for code, several in _by_meter(checked):
        own = sorted(
            (row for row in several if row["captured_at"] >= around.installed.get(code, row["captured_at"])),
            key=lambda row: (row["captured_at"], row["reading_id"]),
        )
        if code not in around.judged or not own or own[-1]["consequence"] != "display_differs":
            continue
        agreed = [place for place, row in enumerate(own) if row["consequence"] != "display_differs"]
        newest = own[-1]
        low, high = newest["wire_low"], newest["wire_high"]
        found[code] = Difference(
            since=own[agreed[-1] + 1 if agreed else 0]["captured_at"],
            evidence={
                "reading_id": newest["reading_id"],
                "captured_at": iso(newest["captured_at"]),
                "screen": newest["screen"],
                "quantity": newest["quantity"],
                "unit": newest["unit"],
                "shown": newest["value"],
                "wire_low": low,
                "wire_high": high,
                "difference": rounded(newest["value"] - (high if newest["value"] > high else low)),
            },
        )
    return found
