"""The overview of an audit: what was audited, three sentences, compliance, volume and money, the fleet by group."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from reports.audit.bars import bars
from reports.audit.view import AuditView
from reports.audit.words import money, money_interval, percent_interval, volume, volume_interval
from reports.clock import local
from reports.wording import NOTHING, count, finite, instant, moment, number, percent, share, visible
from transforms.reasons import sentence

#: how a meter stands against a limit, in the order of the report; the last are those without evidence
STANDINGS = ("inside", "open", "outside", "not judged")
STANDING_WORDS = {
    "inside": "inside the permissible error, uncertainty counted",
    "open": "the evidence allows neither",
    "outside": "outside the permissible error, uncertainty counted",
    "not judged": "no window could be judged",
}
GROUPS = (("model", "By model"), ("age", "By age"), ("size", "By size"), ("site", "By site"))
MOST_GROUPS = 40


def span_of(view: AuditView) -> tuple[datetime, datetime]:
    """The span of the audit, from its facts."""
    start, end = instant(view.facts["from"]), instant(view.facts["to"])
    if start is None or end is None:
        raise ValueError("the facts of an audit need from and to; one of them is missing")
    return start, end


def title(view: AuditView) -> str:
    """The span as a heading."""
    start, end = span_of(view)
    return f"{local(start):%Y-%m-%d} to {local(end):%Y-%m-%d}"


def standings(meters: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    """How many meters stand how against a limit: ``on_verification`` or ``in_service``."""
    known = pl.col(column).is_in(STANDINGS[:3])
    counted = dict(
        meters.select(pl.when(known).then(column).otherwise(pl.lit("not judged")))
        .to_series()
        .value_counts()
        .iter_rows()
    )
    return [
        {
            "name": name,
            "many": counted.get(name, 0),
            "n": number(counted.get(name, 0)),
            "share": share(counted.get(name, 0), meters.height),
            "width": f"{100 * counted.get(name, 0) / max(meters.height, 1):.3f}",
            "words": STANDING_WORDS[name],
        }
        for name in STANDINGS
    ]


def compliance(view: AuditView) -> dict[str, Any]:
    """Both limits, the reasons for which meters are flagged, and whom the errors favour."""
    flags = view.meters.filter("flagged").group_by("flag").len().sort(["len", "flag"], descending=[True, False])
    signs = dict(view.meters["one_sign"].value_counts().iter_rows())
    return {
        "limits": [
            {"name": "On verification", "column": "on_verification", "rows": standings(view.meters, "on_verification")},
            {"name": "In service", "column": "in_service", "rows": standings(view.meters, "in_service")},
        ],
        "factor": number(view.in_service, 2).rstrip("0").rstrip("."),
        "flags": [
            {"n": number(many), "what": visible(sentence(flag or "not known"))} for flag, many in flags.iter_rows()
        ],
        "high": number(signs.get("high", 0)),
        "low": number(signs.get("low", 0)),
        "mixed": number(signs.get("mixed", 0)),
    }


def totals(view: AuditView) -> dict[str, Any]:
    """Volume and money of the whole audit; intervals of a total are the statistics' (errors have a common part)."""
    given = view.summary.get("volume")
    given = given if isinstance(given, Mapping) else {}
    assumed = view.summary.get("assumptions")

    def total(name: str) -> float | None:
        known = finite(given.get(name))
        if known is not None or name.endswith(("_low_l", "_high_l")):
            return known
        return float(view.meters[name].sum()) if view.meters[name].count() else None

    flowed, missed = total("volume_l"), total("misregistered_l")
    low, high = total("misregistered_low_l"), total("misregistered_high_l")
    told = low is None or high is None or low * high > 0
    under, over = total("under_l"), total("over_l")
    return {
        "missed": missed,
        "flowed": flowed,
        "side": "little" if (missed or 0.0) < 0 else "much",
        "volume": volume(flowed),
        "size": volume(None if missed is None else abs(missed)),
        "net": volume(missed, plus=True),
        "loss": volume(None if missed is None else -missed),
        "interval": volume_interval(low, high),
        "doubt": "" if told else ", which holds zero",
        "relative": percent(missed / flowed) if missed is not None and flowed else NOTHING,
        "under": volume(under),
        "over": volume(over),
        "money": _money(view.meters, view.summary.get("money")),
        "unpriced": _unpriced(view.meters),
        "assumed": [visible(text) for _, text in sorted(assumed.items())] if isinstance(assumed, Mapping) else [],
    }


def _unpriced(meters: pl.DataFrame) -> str:
    """What was registered too little or too much while no tariff held; empty where there is nothing of the kind."""
    litres = float(meters["unpriced_l"].sum())
    if not litres or not meters["currency"].count():
        return ""
    return f"No tariff holds for {volume(litres)} of what was registered too little or too much; that is in no amount."


def _money(meters: pl.DataFrame, given: object) -> list[dict[str, str]]:
    """Over- and under-billing apart, by currency, and the interval of the net; empty without a tariff."""
    total = given if isinstance(given, Mapping) else {}
    billed = meters.filter(pl.col("under_billed").is_not_null() | pl.col("over_billed").is_not_null())
    summed = billed.group_by("currency").agg(pl.len(), pl.col("under_billed", "over_billed").sum()).sort("currency")
    return [
        {
            "currency": visible(row["currency"] or ""),
            "meters": number(row["len"]),
            "under": money(row["under_billed"], row["currency"]),
            "over": money(row["over_billed"], row["currency"]),
            "net": money(row["under_billed"] - row["over_billed"], row["currency"]),
            "interval": money_interval(
                total.get("net_under_billed_low"), total.get("net_under_billed_high"), row["currency"]
            )
            if total.get("currency") == row["currency"]
            else "",
        }
        for row in summed.iter_rows(named=True)
    ]


def sentences(view: AuditView) -> list[str]:
    """The audit in three sentences: what was audited, how the meters stand, what it cost."""
    start, end = span_of(view)
    days = (end - start).total_seconds() / 86_400
    judged = view.meters.filter(pl.col("n_windows") > pl.col("n_inconclusive")).height
    windows = number(view.meters["n_windows"].max() or 0)
    given = totals(view)
    were = "was" if view.meters.height == 1 else "were"
    done = were if judged or given["flowed"] else f"{were} to be"
    first = (
        f"{count(view.meters.height, 'meter')} {done} compared with their references over {count(round(days), 'day')}, "
        f"in up to {windows} windows of {visible(view.facts.get('window', ''))}; {number(judged)} could be judged."
    )
    stand = {each["name"]: each["many"] for each in standings(view.meters, "in_service")}
    known = sum(stand[name] for name in STANDINGS[:3])
    flagged = view.meters.filter("flagged").height
    against = (
        f"In service {number(stand['inside'])} of {number(known)} are inside the permissible error "
        f"({share(stand['inside'], known)}), {number(stand['outside'])} outside and {number(stand['open'])} open"
        if known
        else "No meter could be held against the limits"
    )
    second = f"{against}; {count(flagged, 'meter')} {'is' if flagged == 1 else 'are'} flagged."
    return [first, second, *_cost(given)]


def _cost(given: Mapping[str, Any]) -> list[str]:
    if given["missed"] is None:
        return []
    if not given["flowed"]:
        return ["No water flowed that could be compared, so nothing is said about volumes."]
    interval = f" (95 % interval {given['interval']}{given['doubt']})" if given["interval"] else ""
    billed = "; ".join(
        f"{each['under']} were under-billed and {each['over']} over-billed"
        + (f", {each['net']} net (95 % interval {each['interval']})" if each["interval"] else "")
        for each in given["money"]
    )
    said = (
        f"Together they registered {given['size']} too {given['side']}{interval}, {given['relative']} of the "
        f"{given['volume']} that flowed{f': {billed}' if billed else ''}."
    )
    return [said]


def groups(view: AuditView) -> list[dict[str, Any]]:
    """The fleet cut by model, age, size and site: finished rows with a bar for the drift and one for the volume."""
    cuts = []
    for by, heading in GROUPS:
        part = view.fleet.filter(pl.col("by") == by)
        rows = part.head(MOST_GROUPS).to_dicts()
        if not rows:
            continue
        drifts = bars([_told_drift(row) for row in rows])
        litres = [
            (_over(row, "misregistered_l"), _over(row, "misregistered_low_l"), _over(row, "misregistered_high_l"))
            for row in rows
        ]
        cuts.append(
            {
                "by": by,
                "heading": heading,
                "rows": [_group(*each) for each in zip(rows, drifts, bars(litres), litres, strict=True)],
                "more": number(part.height - len(rows)) if part.height > len(rows) else "",
                "drifting": _drifting(rows) if by == "model" else "",
            }
        )
    return cuts


def _told_drift(row: Mapping[str, Any]) -> tuple[float | None, ...]:
    """A drift with its interval; none where too few meters tell one."""
    known = tuple(finite(row[name]) for name in ("median_drift_per_month", "drift_low", "drift_high"))
    return (None, None, None) if None in known else known


def _over(row: Mapping[str, Any], name: str) -> float | None:
    """A volume relative to what flowed through the group."""
    value, flowed = finite(row[name]), finite(row["volume_l"])
    return None if value is None or not flowed else value / flowed


def _group(row: Mapping[str, Any], drift: object, missed: object, litres: tuple[object, ...]) -> dict[str, Any]:
    flowed = finite(row["volume_l"])
    return {
        "group": visible(row["group"] or "not known"),
        "meters": number(row["n_meters"]),
        "judged": number(row["n_judged"]),
        "flagged": number(row["n_flagged"]),
        "flagged_share": share(row["n_flagged"] or 0, row["n_meters"] or 0),
        "outside": number(row["n_outside"]),
        "error": percent(row["median_error"]),
        "drift": percent(row["median_drift_per_month"]),
        "drift_interval": percent_interval(row["drift_low"], row["drift_high"]),
        "drift_bar": drift,
        "volume": volume(row["volume_l"]),
        "missed": volume(row["misregistered_l"], plus=True) if flowed else NOTHING,
        "missed_interval": volume_interval(row["misregistered_low_l"], row["misregistered_high_l"]),
        "missed_share": f"{percent(litres[0])} of {volume(flowed)}" if flowed else "",
        "missed_bar": missed,
    }


def _drifting(rows: list[dict[str, Any]]) -> str:
    """Which models drift: those whose interval of the drift does not hold zero."""
    known = [row for row in rows if _told_drift(row)[0] is not None]
    if not known:
        return "Whether a model drifts cannot be told: too few of its meters tell of a drift."
    told = [
        f"{visible(row['group'])} by {percent(row['median_drift_per_month'])} a month"
        for row in known
        if row["drift_low"] * row["drift_high"] > 0
    ]
    if not told:
        others = "" if len(known) == len(rows) else " Of the others too few meters tell of a drift."
        return f"No model is shown to drift: each interval of a drift holds zero.{others}"
    return f"Shown to drift: {'; '.join(told)}."


def figures(view: AuditView) -> list[tuple[str, str]]:
    """The audit's frame: span, window, meters, windows and their verdicts."""
    start, end = span_of(view)
    total = {name: int(view.meters[f"n_{name}"].sum()) for name in ("healthy", "steady", "unsteady", "inconclusive")}
    windows = int(view.meters["n_windows"].sum())
    return [
        ("from", moment(start)),
        ("to", moment(end)),
        ("window", visible(view.facts.get("window", NOTHING))),
        ("workspace", visible(view.facts.get("workspace", NOTHING))),
        ("meters", number(view.meters.height)),
        ("windows of meters", number(windows)),
        *((f"of them {name}", f"{number(many)} ({share(many, windows)})") for name, many in total.items()),
        ("regimes", number(view.regimes.height)),
    ]
