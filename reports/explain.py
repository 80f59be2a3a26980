"""What is known about one meter's verdict, the sentence that sums it up, and the same as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from reports.several import together
from reports.wording import deviation, finite, flow, moment, number, percent, visible
from transforms.canonical import rounded
from transforms.judge.dossier import Check, Diagnostics, Dossier
from transforms.reasons import sentence
from transforms.windows import Window, iso

#: numbers of the verdict that the JSON object repeats, named as in verdicts.parquet
NUMBERS = (
    "n_pairs", "n_flowing", "coverage", "volume_error", "error_q1_q2", "error_q2_q3", "error_q3_q4",
    "uncertainty_q1_q2", "uncertainty_q2_q3", "uncertainty_q3_q4", "a1", "a1_se", "a2", "a2_se", "q_min_lph",
    "q_max_lph", "pairs_needed", "pooled_verdict", "pooled_windows", "pooled_since", "pooled_n_flowing",
    "pooled_volume_error", "pooled_uncertainty",
)  # fmt: skip


@dataclass(frozen=True)
class Before:
    """One meter in one run: its verdict (None if the run did not know it) and the ids of what was sent."""

    run_id: str
    start: datetime
    verdict: str | None
    reason: str | None
    volume_error: float | None
    sent: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Everything there is to say about one meter in one window.

    Attributes
    ----------
    run_id, said
        The window's run and its row of verdicts.parquet; None where there is no run, or the run did not know the meter.
    dossier
        What judging it again from the lake says, check by check.
    changed_inputs
        What is not as it was when the run was made: ``policy``, ``registry``, ``program``.
    guards
        The run's guards of a command.
    command, order, withheld, ack
        What the run sent or kept back, and the answer to the command.
    history
        The last runs, oldest first, this one included.
    pairs
        `transforms.schemas.PAIRS` of the window.
    limits
        The meter's row of the fleet table, tolerance counted in its permissible errors; empty if it is not registered.
    registers
        What was found in its register, as sentences without a full stop.
    """

    feature_code: str
    window: Window
    run_id: str | None
    dossier: Dossier
    said: Mapping[str, Any] | None
    changed_inputs: tuple[str, ...]
    guards: tuple[Check, ...]
    command: Mapping[str, Any] | None
    order: Mapping[str, Any] | None
    withheld: tuple[str, ...]
    ack: Mapping[str, Any] | None
    history: tuple[Before, ...]
    pairs: pl.DataFrame
    limits: Mapping[str, Any]
    registers: tuple[str, ...] = ()

    @property
    def verdict(self) -> Mapping[str, Any]:
        """The verdict explained: the run's where there is one."""
        return self.said or self.dossier.row

    @property
    def agrees(self) -> bool:
        """Whether judging again says what the run said."""
        return all(self.verdict[name] == self.dossier.row[name] for name in ("verdict", "reason", "form"))

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks in the order of the ladder, the guards last."""
        return (*self.dossier.checks, *self.guards)


def plain_sentence(given: Explanation) -> str:
    """The verdict in one or two plain sentences, the meter's name made safe to show."""
    row, who = given.verdict, visible(given.feature_code)
    verdict = row["verdict"]
    if verdict == "healthy":
        text = f"{who} reads inside its permissible error{_zones(row)}"
    elif verdict == "steady":
        text = f"{who} {_steady(row)}"
    elif verdict == "unsteady":
        off = finite(row.get("volume_error"))
        how = f" ({percent(off)} over the window's volume)" if off is not None else ""
        text = f"{who} is off in no steady way{how}: {sentence(row['reason'])}"
    else:
        text = f"{who} was not judged, which is not the same as good: {sentence(row['reason'])}"
    return " ".join(part for part in (f"{text}; {_what_followed(given)}.", together(row)) if part)


def _zones(row: Mapping[str, Any]) -> str:
    """The errors of the zones with evidence, as an aside."""
    told = [
        f"{percent(row[f'error_{zone}'])} ± {percent(row[f'uncertainty_{zone}'], plus=False)} from {zone[:2].upper()} to "
        f"{zone[3:].upper()}"
        for zone in ("q1_q2", "q2_q3", "q3_q4")
        if finite(row.get(f"error_{zone}")) is not None
    ]
    return f" ({', '.join(told)})" if told else ""


def _steady(row: Mapping[str, Any]) -> str:
    if row["form"] == "curve":
        return (
            f"{deviation(1 + (finite(row['volume_error']) or 0.0), None)} over the window's volume, along a curve that held "
            "all window: the error depends on the flow"
        )
    a1, a2 = finite(row["a1"]) or 0.0, finite(row["a2"]) or 0.0
    sign = "\u2212" if a2 < 0 else "+"
    slope = f"{a1:.4f} q" if row["form"] == "linear" else "q"
    known = [f"± {number(row['a1_se'], 4)}"] if row["form"] == "linear" else []
    relation = f"q' = {slope}"
    if a2:
        relation += f" {sign} {flow(abs(a2))}"
        known.append(f"± {flow(row['a2_se'])}")
    return f"{deviation(a1, a2)} and has done so steadily all window: {relation} ({', '.join(known)})"


def _what_followed(given: Explanation) -> str:
    """What the run did about it, as a clause."""
    if given.said is None:
        return "no run has decided about this window" + (" and this meter" if given.run_id else " yet")
    if given.command is not None:
        name = given.command["command_id"]
        if given.command["state"] == "held":
            return f"a command is held until a person approves ({visible(name)})"
        what = "a command that takes an earlier one back" if given.command.get("undoes") else "a command"
        answer = f", {given.ack['status']} {moment(given.ack['at'])}" if given.ack else ", not answered yet"
        return f"{what} went out ({visible(name)}{answer})"
    if given.order is not None:
        also = "" if given.order["reason"] == given.verdict["reason"] else f": {sentence(given.order['reason'])}"
        return f"a work order asks for a visit ({visible(given.order['order_id'])}){also}"
    if given.withheld:
        return f"nothing was sent: {sentence(given.withheld[0])}"
    return "nothing was sent, and nothing needs to be" if given.verdict["verdict"] == "healthy" else "nothing was sent"


def caveats(given: Explanation) -> list[str]:
    """What a reader must know before trusting the numbers: sentences without a full stop."""
    found = []
    if given.run_id is None:
        found.append("this window has no run: it was judged from the lake just now, and nothing was written")
    elif given.said is None:
        found.append("the run does not know this meter: it was judged from the lake just now, and nothing was written")
    if not given.agrees:
        row = given.dossier.row
        why = (
            f"the {' and the '.join(given.changed_inputs)} changed since"
            if given.changed_inputs
            else ("readings came in later, or the run had more meters to look at closely than it may")
        )
        found.append(f"judged again now it would be {row['verdict']} ({row['reason']}); the checks tell of that: {why}")
    elif given.changed_inputs:
        found.append(f"the {' and the '.join(given.changed_inputs)} changed since the run; the verdict is the same")
    return [*found, *given.registers]


def to_json(given: Explanation) -> dict[str, Any]:
    """The same for a machine; names are as they came, numbers in per cent where a check's unit says so."""
    row, again = given.verdict, given.dossier.row
    return {
        "schema": "meterwright.explanation/1",
        "feature_code": given.feature_code,
        "window_start": iso(given.window.start),
        "window_end": iso(given.window.end),
        "run_id": given.run_id,
        **{name: row[name] for name in ("verdict", "reason", "form", "flowmeter_id", "model")},
        "sentence": plain_sentence(given),
        "caveats": caveats(given),
        "needs": given.dossier.needs or None,
        "numbers": {name: _plain(row.get(name)) for name in NUMBERS},
        "judged_again": {**{name: again[name] for name in ("verdict", "reason", "form")}, "same": given.agrees},
        "checks": [
            {
                **asdict(check),
                "value": _plain(check.value),
                "limit": _plain(check.limit),
                "speaks_for": list(check.speaks_for),
            }
            for check in given.checks
        ],
        "diagnostics": _diagnosed(given.dossier.diagnostics),
        "command_id": given.command["command_id"] if given.command else None,
        "order_id": given.order["order_id"] if given.order else None,
        "withheld": list(given.withheld),
        "history": [
            {
                **asdict(each),
                "start": iso(each.start),
                "volume_error": _plain(each.volume_error),
                "sent": list(each.sent),
            }
            for each in given.history
        ],
    }


def _diagnosed(found: Diagnostics) -> dict[str, Any]:
    return {
        "by": "statsmodels",
        "line": found.line or None,
        "n_pairs": found.pairs,
        "why_not": found.why or None,
        "note": found.note or None,
        "looks": found.looks,
        "told": [
            {
                **{name: getattr(each, name) for name in ("key", "name", "question", "outlook", "sentence")},
                "figures": {
                    name: value if isinstance(value, str) else rounded(value) for name, value in each.figures.items()
                },
            }
            for each in found.told
        ],
    }


def _plain(value: object) -> float | int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return rounded(finite(value))
