"""One meter's verdict as a page: the sentence, the charts, every check with its number and limit, the last runs."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from reports.charts import MeterSamples, difference_chart, mapping_chart
from reports.error_chart import error_chart
from reports.explain import Explanation, caveats, plain_sentence
from reports.page import render_page
from reports.svg import drawing
from reports.wording import NOTHING, THIN, count, finite, flow, moment, number, percent, span, visible
from transforms.judge.dossier import Check, Diagnostic, Diagnostics
from transforms.reasons import sentence

WORDS = {"passed": "passed", "failed": "failed", "open": "open", "not_evaluated": "not evaluated"}

#: figures of the diagnostics that a page shows beside the sentences, in words
FIGURES = {
    "se_over_ours": "standard error over ours",
    "se_ratio": "standard error, times as large",
    "standard_errors_apart": "standard errors apart",
    "large_over_small": "scatter at large over small flows",
    "lagrange": "Lagrange multiplier",
    "p": "P",
    "durbin_watson": "Durbin-Watson",
    "ljung_box_p": "P (Ljung-Box)",
    "ljung_box_lags": "lags (Ljung-Box)",
    "hac_lags": "lags (HAC)",
    "jarque_bera": "Jarque-Bera",
    "skewness": "skewness",
    "kurtosis": "kurtosis",
    "f": "F",
    "largest_miss": "largest miss",
    "at_lph": "at",
    "at": "at",
    "q_lph": "reference",
    "q_meter_lph": "meter",
    "cooks_distance": "Cook's distance",
    "a1_change": "change of a1",
    "a2_change": "change of a2",
    "weighed_below_half": "weighed less than half",
}


def render_explanation(given: Explanation) -> str:
    """The page as one string of HTML that needs nothing else. The same explanation gives the same bytes.

    Feature codes and other strings from outside are escaped, and control and direction characters are written out.
    """
    row = given.verdict
    tally = {word: sum(WORDS[check.outcome] == word for check in given.checks) for word in WORDS.values()}
    return render_page(
        "explain.html.j2",
        {
            "code_name": given.feature_code,
            "title": f"Why {given.feature_code}",
            "span": span(given.window.start, given.window.end),
            "run_id": given.run_id,
            "verdict": row["verdict"],
            "form": row["form"],
            "reason": row["reason"],
            "reason_words": sentence(row["reason"]),
            "sentence": plain_sentence(given),
            "needs": given.dossier.needs,
            "notes": caveats(given),
            "figures": _figures(given),
            "charts": _charts(given),
            "stages": [
                {"title": _title(stage), "checks": [_shown(check) for check in checks]}
                for stage, checks in groupby(given.checks, key=lambda check: check.stage)
            ],
            "tally": ", ".join(f"{many} {word}" for word, many in tally.items() if many),
            "diagnostics": _diagnosed(given.dossier.diagnostics),
            "history": [
                {
                    "run": each.run_id,
                    "when": moment(each.start),
                    "verdict": each.verdict or "other",
                    "why": sentence(each.reason) if each.reason else "the run does not know this meter",
                    "error": percent(each.volume_error),
                    "sent": each.sent,
                }
                for each in reversed(given.history)
            ],
        },
    )


def _diagnosed(found: Diagnostics) -> dict[str, Any]:
    """The diagnostics, each with its figures as short names and values."""
    return {
        "line": found.line,
        "pairs": count(found.pairs, "flowing pair"),
        "why": found.why,
        "note": found.note,
        "looks": found.looks,
        "told": [
            {
                "name": each.name,
                "question": each.question,
                "outlook": each.outlook,
                "key": each.outlook.replace(" ", "_"),
                "said": each.sentence,
                "figures": _figures_of(each),
            }
            for each in found.told
        ],
    }


def _figure(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if name == "largest_miss":
        return percent(value)
    shown = _measure(value, "")
    return f"{shown}{THIN}L/h" if "_lph" in name or name.removeprefix("our_").startswith("a2") else shown


def _figures_of(each: Diagnostic) -> list[tuple[str, str]]:
    """What stands behind a diagnostic, in words and numbers; the ends of an interval in one."""
    shown = {name: _figure(name, value) for name, value in each.figures.items()}
    told = []
    for name, value in shown.items():
        if name.endswith("_low"):
            whose = "ours" if name.startswith("our_") else "statsmodels"
            begin, end = value.removesuffix(f"{THIN}L/h"), shown[f"{name.removesuffix('_low')}_high"]
            told.append((f"{name.removeprefix('our_')[:2]}, {whose} (k = 2)", f"{begin} to {end}"))
        elif name in FIGURES:
            told.append((FIGURES[name], value))
    return told


def _title(stage: str) -> str:
    return f"{stage[:1].upper()}{stage[1:]}{'' if stage.startswith('what') else '?'}"


def _shown(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "question": check.question,
        "outcome": check.outcome,
        "word": WORDS[check.outcome],
        "said": visible(check.sentence),
        "value": _measure(check.value, check.unit),
        "limit": _measure(check.limit, check.unit),
        "speaks_for": ", ".join(check.speaks_for),
    }


def _measure(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e7):
        shown = f"{value:.2g}"
    else:
        shown = number(value, 0 if value == int(value) and unit != "%" else 2 if unit or size >= 10 else 4)
    return f"{shown}{THIN}{unit}" if unit in ("%", "L/h", "d") else shown


def _figures(given: Explanation) -> list[tuple[str, str]]:
    row = given.verdict

    def zone(name: str) -> str:
        if finite(row.get(f"error_{name}")) is None:
            return NOTHING
        return f"{percent(row[f'error_{name}'])} ± {percent(row[f'uncertainty_{name}'], plus=False)}"

    figures = [
        ("model", visible(row["model"] or NOTHING)),
        ("flowmeter", visible(row["flowmeter_id"] or NOTHING)),
        ("pairs, flowing of all", f"{number(row['n_flowing'])} of {number(row['n_pairs'])}"),
        ("volume error", percent(row["volume_error"])),
        ("Q1 to Q2", zone("q1_q2")),
        ("Q2 to Q3", zone("q2_q3")),
        ("Q3 to Q4", zone("q3_q4")),
        ("slope a1", f"{number(row['a1'], 4)} ± {number(row['a1_se'], 4)}"),
        ("offset a2", f"{flow(row['a2'])} ± {flow(row['a2_se'])}"),
        ("residual scatter", flow(row["residual_std_lph"])),
    ]
    return [(name, shown) for name, shown in figures if not shown.startswith(NOTHING)]


def _charts(given: Explanation) -> dict[str, Any] | None:
    """The three charts as SVG, None if there is no pair."""
    from markupsafe import Markup

    clean = given.pairs.filter(pl.col("q_lph").is_finite() & pl.col("q_meter_lph").is_finite()).sort("timestamp")
    if clean.is_empty():
        return None
    row, limits = given.dossier.row, given.limits
    samples = MeterSamples(
        times=clean["timestamp"].to_list(),
        q_lph=clean["q_lph"].to_numpy().astype(np.float64),
        q_meter_lph=clean["q_meter_lph"].to_numpy().astype(np.float64),
        start=given.window.start,
        end=given.window.end,
        q1=limits.get("q1_lph"),
        q2=limits.get("q2_lph"),
        mpe_low=limits.get("mpe_low"),
        mpe_high=limits.get("mpe_high"),
        band=(limits["band_low_lph"], limits["band_high_lph"]) if limits.get("band_low_lph") is not None else None,
        line=_line(row),
        curve=tuple(zip(row["curve_q_lph"] or (), row["curve_q_meter_lph"] or (), strict=True)),
    )
    who = f"meter {visible(given.feature_code)}"
    with drawing():
        drawn = {
            "mapping": Markup(mapping_chart(samples, "map", who)),  # noqa: S704 - our own SVG, title escaped
            "errors": Markup(error_chart(samples, "err", who, limits.get("q4_lph"))),  # noqa: S704 - as above
            "difference": Markup(difference_chart(samples, "diff", who)),  # noqa: S704 - as above
        }
    return {
        **drawn,
        "fitted": samples.line is not None or bool(samples.curve),
        "limits": samples.mpe_high is not None,
        "band": None if samples.band is None else f"{flow(samples.band[0])} to {flow(samples.band[1])}",
    }


def _line(row: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """The fitted line of a steady meter and the flows it was seen on."""
    if row["verdict"] != "steady" or row["form"] == "curve":
        return None
    known = [finite(row[name]) for name in ("a1", "a2", "q_min_lph", "q_max_lph")]
    a1, a2, low, high = known
    return None if a1 is None or a2 is None or low is None or high is None else (a1, a2, low, high)
