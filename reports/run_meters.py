"""The meters that a run's report looks at one by one: what was commanded or ordered, in words, numbers and charts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reports.charts import (
    VERDICT_COLOURS,
    FleetErrors,
    MeterSamples,
    difference_chart,
    fleet_chart,
    mapping_chart,
    spread_words,
)
from reports.picture import Floats
from reports.several import together
from reports.svg import drawing
from reports.wording import (
    NOTHING,
    THIN,
    correction,
    deviation,
    evidence,
    finite,
    flow,
    moment,
    number,
    percent,
    visible,
)
from transforms.reasons import sentence

if TYPE_CHECKING:
    from reports.run import RunReport

#: a page stays readable and small with this many pairs of charts, whatever it is given
MOST_CHARTED = 60
#: reasons for which one line through all readings says nothing
NO_LINE = ("stuck", "dropout", "clock_skew", "reverse_flow", "step")


def fleet_charts(verdicts: pl.DataFrame, limits: pl.DataFrame) -> dict[str, Any] | None:
    """The histogram of the judged meters in a wide and a narrow drawing; None if no meter was judged."""
    from markupsafe import Markup

    judged = verdicts.filter(pl.col("verdict").is_in(list(VERDICT_COLOURS)) & pl.col("volume_error").is_finite())
    if not judged.height:
        return None
    by_verdict = {
        name: judged.filter(pl.col("verdict") == name)["volume_error"].sort().to_numpy() for name in VERDICT_COLOURS
    }
    upper, lower = (_distinct(limits[column]) for column in ("mpe_high", "mpe_low"))
    drawn = tuple((limit, limit in upper) for limit in sorted({*upper, *lower}))
    fleet = FleetErrors(by_verdict, drawn)
    with drawing():
        wide = Markup(fleet_chart(fleet, "fleet-wide"))  # noqa: S704 - our own SVG, no text from outside
        narrow = Markup(fleet_chart(fleet, "fleet-narrow", narrow=True))  # noqa: S704 - as above
    return {
        "wide": wide,
        "narrow": narrow,
        "sentence": _fleet_sentence(judged["volume_error"].to_numpy()),
        "limits": [
            f"{style} {' or '.join(f'±{limit * 100:g}{THIN}%' for limit in zone)} from {span}"
            for style, zone, span in (("solid", upper, "Q2 to Q4"), ("dashed", lower, "Q1 to Q2"))
            if zone
        ],
        "verdicts": [name for name in VERDICT_COLOURS if len(by_verdict[name])],
    }


def _fleet_sentence(errors: Floats) -> str:
    """Few meters are told by their number: nine in ten of three would be two, or none at all."""
    middle, who, ends = spread_words(errors)
    if len(errors) == 1:
        return f"The volume error of the one meter that was judged is {middle}."
    if who == "all":
        who = f"all {len(errors)}"
    over = f"Over the {number(len(errors))} meters that were judged"
    return f"{over}, the median volume error is {middle}; {who} lie between {ends}."


def _distinct(column: pl.Series) -> list[float]:
    return sorted({round(limit, 6) for limit in column.drop_nulls().unique().to_list()})


class _Fleet:
    """Rows of the frames by feature code, for the few meters that are looked at."""

    def __init__(self, report: RunReport, codes: Collection[str], start: datetime, end: datetime):
        wanted = list(codes)
        self.start, self.end = start, end
        self.verdicts = _by_code(report.verdicts.filter(pl.col("feature_code").is_in(wanted)))
        self.limits = _by_code(report.limits.filter(pl.col("feature_code").is_in(wanted)))
        clean = report.samples.filter(
            pl.col("feature_code").is_in(wanted) & pl.col("q_lph").is_finite() & pl.col("q_meter_lph").is_finite()
        )
        parts = clean.sort("feature_code", "timestamp", "q_lph", "q_meter_lph").partition_by("feature_code")
        self.samples = {part["feature_code"][0]: part for part in parts}

    def charts(
        self, code: str, key: str, command: Mapping[str, Any] | None, *, lined: bool = True
    ) -> dict[str, Any] | None:
        """Both charts of a meter as SVG, None if it has no samples; ``lined`` says whether a fitted line tells anything."""
        from markupsafe import Markup

        part = self.samples.get(code)
        if part is None:
            return None
        limit = self.limits.get(code, {})
        band = finite(limit.get("band_low")), finite(limit.get("band_high"))
        samples = MeterSamples(
            times=part["timestamp"].to_list(),
            q_lph=part["q_lph"].to_numpy().astype(np.float64),
            q_meter_lph=part["q_meter_lph"].to_numpy().astype(np.float64),
            start=self.start,
            end=self.end,
            q1=finite(limit.get("q1")),
            q2=finite(limit.get("q2")),
            mpe_low=finite(limit.get("mpe_low")),
            mpe_high=finite(limit.get("mpe_high")),
            band=None if band[0] is None or band[1] is None else (band[0], band[1]),
            line=_line(command or self.verdicts.get(code, {})) if lined else None,
            curve=_curve(command),
        )
        who = f"meter {visible(code)}"
        return {
            "mapping": Markup(mapping_chart(samples, f"{key}-map", who)),  # noqa: S704 - our own SVG, title escaped
            "difference": Markup(difference_chart(samples, f"{key}-diff", who)),  # noqa: S704 - as above
            "fitted": samples.line is not None or bool(samples.curve),
            "band": None if samples.band is None else f"{flow(samples.band[0])} to {flow(samples.band[1])}",
            "limits": samples.mpe_high is not None,
        }


def _by_code(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["feature_code"]: row for row in frame.iter_rows(named=True)}


def _line(source: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """The fitted line (a1, a2 [L/h]) and the range of flows it was seen on, of a command or a verdict."""
    if source.get("form") == "curve" or (source.get("a1") is None and source.get("a2") is None):
        return None
    a1, a2 = finite(source.get("a1")), finite(source.get("a2"))
    low, high = finite(source.get("q_min_lph")), finite(source.get("q_max_lph"))
    if low is None or high is None:
        return None
    return (1.0 if a1 is None else a1, a2 or 0.0, low, high)


def _curve(command: Mapping[str, Any] | None) -> tuple[tuple[float, float], ...]:
    """The measured curve as (q, q') points, from the command's own numbers.

    A command without them shows its correction turned round, if it is a first one: a later one starts from raw flow.
    """
    if command is None or command.get("form") != "curve":
        return ()
    measured = (command.get("curve") or {}).get("points")
    if measured:
        return tuple((float(q), float(q_meter)) for q, q_meter in measured)
    if command.get("supersedes"):
        return ()
    points = (command.get("correction") or {}).get("points") or ()
    return tuple((float(q_true), float(q_raw)) for q_raw, q_true in points)


def _said(command: Mapping[str, Any], verdict: Mapping[str, Any]) -> str:
    """The command in one sentence."""
    if command.get("form") == "curve":
        whole = percent(verdict.get("volume_error"))
        first = f"It is {whole} off over the window's volume, by an amount that varies with flow"
    else:
        first = f"It {deviation(command.get('a1'), command.get('a2'))}"
    low, high = finite(command.get("q_min_lph")), finite(command.get("q_max_lph"))
    seen = f" (seen from {flow(low)} to {flow(high)})" if low is not None and high is not None else ""
    then = "once a person approves," if command.get("state") == "held" else "from now on"
    return f"{first}{seen}; {then} it {correction(command.get('correction') or {})}."


def _with_error(value: object, error: object, decimals: int, unit: str = "") -> str:
    spread = f" ± {number(error, decimals)}" if finite(error) is not None else ""
    return f"{number(value, decimals)}{spread}{unit}"


def _acted_on(command: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that a command rests on: those of several windows where it says so, without what they do not tell."""
    if not command.get("pooled"):
        return dict(verdict)
    return {"volume_error": verdict.get("pooled_volume_error"), "n_flowing": verdict.get("pooled_n_flowing")}


def _figures(command: Mapping[str, Any], verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    figures = [
        ("volume error", percent(verdict.get("volume_error"))),
        ("Q1 to Q2", percent(verdict.get("error_q1_q2"))),
        ("Q2 to Q3", percent(verdict.get("error_q2_q3"))),
        ("Q3 to Q4", percent(verdict.get("error_q3_q4"))),
    ]
    if command.get("form") == "linear":
        figures.append(("slope a1", _with_error(command.get("a1"), command.get("a1_se"), 4)))
    if command.get("form") != "curve":
        figures.append(("offset a2", _with_error(command.get("a2"), command.get("a2_se"), 1, f"{THIN}L/h")))
    figures += [
        ("residual scatter", flow(verdict.get("residual_std_lph"))),
        ("largest error of the points", flow(command.get("approximation_lph"))),
        ("R²", number(verdict.get("r2"), 4)),
        ("flowing pairs", number(verdict.get("n_flowing"))),
    ]
    return [(name, shown) for name, shown in figures if not shown.startswith(NOTHING)]


def command_cards(
    report: RunReport, commands: Sequence[Mapping[str, Any]], start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """One entry a command: sentence, figures, and charts where there are samples."""
    fleet = _Fleet(report, [command["feature_code"] for command in commands], start, end)
    cards = []
    with drawing():
        charted = 0
        for place, command in enumerate(commands, start=1):
            code = command["feature_code"]
            told = fleet.verdicts.get(code, {})
            verdict = _acted_on(command, told)
            charts = fleet.charts(code, f"c{place}", command) if charted < MOST_CHARTED else None
            charted += charts is not None
            points = (command.get("correction") or {}).get("points")
            cards.append(
                {
                    "key": f"c{place}",
                    "code": code,
                    "command": command,
                    "held": command.get("state") == "held",
                    "said": _said(command, verdict),
                    "why": sentence(told["reason"]) if told.get("reason") else "",
                    "together": together(told) if command.get("pooled") else "",
                    "figures": _figures(command, verdict),
                    "volume_error": percent(verdict.get("volume_error")),
                    "does": correction(command.get("correction") or {}),
                    "reads": "" if command.get("form") == "curve" else deviation(command.get("a1"), command.get("a2")),
                    "points": [(flow(q_raw), flow(q_true)) for q_raw, q_true in points or ()],
                    "charts": charts,
                }
            )
    return cards


def order_cards(
    report: RunReport,
    orders: Sequence[Mapping[str, Any]],
    commanded: Collection[str],
    start: datetime,
    end: datetime,
    *,
    most: int,
) -> list[dict[str, Any]]:
    """One entry a work order: reason, evidence, and at most ``most`` pairs of charts, of meters not charted above."""
    fleet = _Fleet(report, [order["feature_code"] for order in orders], start, end)
    cards = []
    with drawing():
        charted = 0
        for place, order in enumerate(orders, start=1):
            code = order["feature_code"]
            wanted = code not in commanded and charted < most
            lined = order["reason"] not in NO_LINE
            charts = fleet.charts(code, f"w{place}", None, lined=lined) if wanted else None
            charted += charts is not None
            verdict = fleet.verdicts.get(code, {})
            said = sentence(order["reason"])
            cards.append(
                {
                    "key": f"w{place}",
                    "code": code,
                    "order": order,
                    "said": f"{said[:1].upper()}{said[1:]}.",
                    "model": verdict.get("model") or "",
                    "detail": _detail(order),
                    "evidence": evidence(_telling(order)),
                    "charts": charts,
                }
            )
    return cards


def _detail(order: Mapping[str, Any]) -> str:
    """When, by how long or how often: the number that belongs to the reason, as a sentence."""
    given = order.get("evidence") or {}
    reason, lag, dead = order["reason"], finite(given.get("lag_s")), finite(given.get("dead_share"))
    if reason == "step" and given.get("changed_at"):
        return f"It changed at about {moment(given['changed_at'])}."
    if reason == "clock_skew" and lag:
        return f"It comes {number(abs(lag) / 60)}{THIN}min {'after' if lag > 0 else 'before'} the reference."
    if reason == "dropout" and dead:
        return f"It misses {percent(dead, plus=False)} of them."
    if reason == "stuck" and dead:
        return f"It shows nothing at {percent(dead, plus=False)} of the instants at which water flows."
    return ""


def _telling(order: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence without what the sentence has said, and without a line where none fits."""
    told = {"lag_s", "changed_at", "dead_share"} if order["reason"] in NO_LINE else {"dead_share"}
    if order["reason"] in NO_LINE:
        told |= {"a1", "a1_se", "a2", "a2_se", "r2"}
    return {key: value for key, value in (order.get("evidence") or {}).items() if key not in told}
