"""The flagged meters of an audit: the list to search and sort, and one by one what their pages are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from reports.audit.anchors import anchor, page_name
from reports.audit.bars import bars
from reports.audit.charts import Meter
from reports.audit.meter_words import meter_words
from reports.audit.overview import span_of
from reports.audit.timescale import TimeScale, focused, inside
from reports.audit.view import AuditView
from reports.audit.windows import COLUMNS, Windows, by_meter
from reports.audit.words import begun, money, reads, volume, volume_interval
from reports.wording import NOTHING, finite, percent, visible
from transforms.reasons import sentence

#: meters that get a page of their own, and rows of the list; the tables hold all of them
MOST_PAGES, MOST_LISTED = 500, 2000
#: two columns of the list that may differ, even in sign: a meter that stands still registers when nothing flows
ERROR_MEANT = "Error counts readings at which water flows (Q1 and above), mis-registered all of them."
#: windows that are asked for at once
_AT_ONCE = 1_000_000


def ranked(view: AuditView) -> pl.DataFrame:
    """The flagged meters, those with the most litres gone astray first, each with its ``place`` from 1."""
    size = pl.col("misregistered_l").abs().fill_nan(None)
    return (
        view.meters.filter("flagged")
        .sort(
            [size, pl.col("volume_error").abs().fill_nan(None), pl.col("feature_code")],
            descending=[True, True, False],
            nulls_last=True,
        )
        .with_row_index("place", offset=1)
    )


def listed(view: AuditView, pages: int = MOST_PAGES) -> list[dict[str, Any]]:
    """Rows of the list of flagged meters, ready to be shown; ``sort`` holds the numbers to sort by."""
    table = ranked(view).head(MOST_LISTED)
    last = view.regimes.group_by("feature_code").agg(pl.all().sort_by("regime").last())
    latest = {row["feature_code"]: row for row in last.join(table, on="feature_code", how="semi").iter_rows(named=True)}
    rows = table.to_dicts()
    litres = bars([(row["misregistered_l"], row["misregistered_low_l"], row["misregistered_high_l"]) for row in rows])
    return [
        {
            "place": row["place"],
            "anchor": anchor(row["feature_code"]),
            "page": page_name(row["place"]) if row["place"] <= pages else "",
            "code": row["feature_code"],
            "model": visible(row["model"] or NOTHING),
            "site": visible(row["site"] or ""),
            "why": visible(sentence(row["flag"] or "not known")),
            "said": _now(latest.get(row["feature_code"]), percent(row["volume_error"])),
            "error": percent(row["volume_error"]),
            "missed": volume(row["misregistered_l"], plus=True),
            "interval": volume_interval(row["misregistered_low_l"], row["misregistered_high_l"]),
            "bar": bar,
            "drift": percent(row["drift_per_month"]),
            "billed": _billed(row),
            "in_service": row["in_service"] if row["in_service"] in ("inside", "open", "outside") else "not judged",
            "sort": {
                "error": _plain(row["volume_error"]),
                "missed": _plain(row["misregistered_l"]),
                "drift": _plain(row["drift_per_month"]),
                "billed": _plain(_net(row)),
            },
        }
        for row, bar in zip(rows, litres, strict=True)
    ]


def any_billed(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a tariff holds for any of the meters listed: of money nothing is said otherwise."""
    return any(row["billed"] != NOTHING for row in rows)


def _plain(value: object) -> str:
    given = finite(value)
    return "" if given is None else f"{given:.9g}"


def _net(row: Mapping[str, Any]) -> float | None:
    under, over = finite(row["under_billed"]), finite(row["over_billed"])
    return None if under is None and over is None else (over or 0.0) - (under or 0.0)


def _billed(row: Mapping[str, Any]) -> str:
    net = _net(row)
    if net is None:
        return NOTHING
    return f"{money(abs(net), row['currency'])} {'over' if net > 0 else 'under'}"


def _now(regime: Mapping[str, Any] | None, beside: str) -> str:
    """What holds now, and since when; the error of all the time stands beside it."""
    if regime is None:
        return ""
    since = f" since {begun(regime)}" if regime["regime"] > 1 else ""
    return f"{reads(regime, beside=beside)}{since}"


def about(view: AuditView, codes: Sequence[str]) -> AuditView:
    """The view of some meters: no more than what is said of each of them by itself."""
    few = pl.col("feature_code").is_in(list(codes))
    kept = {
        name: getattr(view, name).filter(few) for name in ("meters", "regimes", "limits", "registers", "not_judged")
    }
    points = {code: view.points(code) for code in codes}
    facts = {name: value for name, value in view.facts.items() if name not in ("inputs", "rows", "policy")}
    return replace(view, **kept, fleet=view.fleet.clear(), points=points.get, summary={}, facts=facts, what_if=None)


@dataclass(frozen=True)
class Subject:
    """One flagged meter: its place in the list, what its charts are drawn from, and its finished words."""

    place: int
    code: str
    meter: Meter
    words: dict[str, Any]


def subjects(view: AuditView, table: pl.DataFrame) -> Iterator[Subject]:
    """Some rows of `ranked` one by one; windows are asked for a few meters at a time, so that memory stays flat."""
    start, end = span_of(view)
    scale = TimeScale(start, end)
    wanted = view.regimes.join(table, on="feature_code", how="semi").sort("feature_code", "regime")
    regimes = wanted.rows_by_key("feature_code", named=True)
    limits = view.limits.join(table, on="feature_code", how="semi")
    known = {row["feature_code"]: row for row in limits.iter_rows(named=True)}
    registers = view.registers.rows_by_key("feature_code", named=True)
    not_judged = view.not_judged.rows_by_key("feature_code", named=True)
    at_once = max(1, _AT_ONCE // (max(table["n_windows"].to_list(), default=0) or 1))
    for begin in range(0, table.height, at_once):
        part = table[begin : begin + at_once].to_dicts()
        windows = view.windows([row["feature_code"] for row in part], COLUMNS)
        nothing, by_code = Windows.of(windows.clear()), dict(by_meter(windows))
        for row in part:
            code = row["feature_code"]
            own = by_code.get(code, nothing)
            shown = focused(scale, own)
            meter = Meter(
                row=row,
                regimes=regimes.get(code, []),
                windows=inside(shown, own),
                points=view.points(code),
                limits=known.get(code, {}),
                scale=shown,
                span=(start, end),
                who=f"meter {visible(code)}",
                in_service=view.in_service,
                registers=registers.get(code, ()),
                not_judged=not_judged.get(code, ()),
            )
            yield Subject(row["place"], code, meter, meter_words(meter))
