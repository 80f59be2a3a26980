"""Meters: one row per meter over a whole audit, what it did, what it does now, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import polars as pl

from transforms.audit.bends import Paths, paths
from transforms.audit.compliance import against, favours_one_party, in_service_factor, one_sign
from transforms.audit.consumption import Weighted
from transforms.audit.flags import with_flags
from transforms.audit.listed import NEVER, VERDICTS, Listed
from transforms.audit.money import Prices, apart
from transforms.audit.pooled import pool, relate
from transforms.audit.regimes import Found, known, only, shared
from transforms.audit.series import Bools, Floats, Ints, Series
from transforms.audit.volume import mis_registered
from transforms.judge.evidence import FLOWING, ZONE_NAMES, Zones
from transforms.judge.words import REASON_NAMES, in_words
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.schemas import AUDIT_METERS

#: of a regime that drifts, only so many days before its end tell what the meter does now
RECENT_DAYS = 30
_DAY_US = 86_400e6

#: what is said of money where no tariff is known
_NO_MONEY = [
    *(
        pl.lit(None, pl.Float64).alias(name)
        for name, kind in AUDIT_METERS.items()
        if "billed" in name or name == "unpriced_l"
    ),
    pl.lit(None, pl.String).alias("currency"),
]

Said = TypeVar("Said", Zones, Weighted)


def sum_up(
    windows: Listed, found: Found, registry: Registry, policy: Policy, span_end: datetime, prices: Prices | None
) -> pl.DataFrame:
    """Sum up each meter.

    Zone errors, compliance and the weighted error are those of the newest regime, as the meter is now: the last 30 days of
    it where it drifts. Volumes and money are those of the whole span, over instants with both readings and a reference
    that counts; nothing is extrapolated to gaps.

    Parameters
    ----------
    windows : Listed
        All windows of some meters.
    found : Found
        Their regimes.
    registry : Registry
        Sites and dates of installation.
    policy : Policy
        Everything that decides.
    span_end : datetime
        End of the audit.
    prices : Prices or None
        What litres cost, None where nobody knows.

    Returns
    -------
    DataFrame
        `AUDIT_METERS`, one row per meter, sorted by feature code.
    """
    table = _who(windows, registry)
    table = table.with_columns(_volumes(windows, prices)).fill_nan(None)
    table = table.join(
        _relations(windows, found, policy, span_end),
        on="feature_code",
        how="left",
        maintain_order="left",
    ).with_columns(pl.col("n_regimes").fill_null(0))
    return with_flags(table).select(pl.col(name).cast(kind) for name, kind in AUDIT_METERS.items())


def _who(windows: Listed, registry: Registry) -> pl.DataFrame:
    """Who each meter is, and how often it got which verdict."""
    many = windows.meters.height
    cells = np.bincount(windows.meter * len(VERDICTS) + windows.verdict, minlength=many * len(VERDICTS))
    counts = cells.reshape(many, len(VERDICTS))
    return (
        windows.meters.select("feature_code", "flowmeter_id")
        .with_columns(
            n_windows=pl.Series(counts.sum(axis=1)),
            **{f"n_{verdict}": pl.Series(counts[:, number]) for number, verdict in enumerate(VERDICTS)},
        )
        .join(
            registry.meters.select("feature_code", "model", "site", "installed_on"),
            on="feature_code",
            how="left",
            maintain_order="left",
        )
    )


def _volumes(windows: Listed, prices: Prices | None) -> list[pl.Series | pl.Expr]:
    """Litres and money over the whole span."""
    many = windows.meters.height
    litres = mis_registered(windows, windows.meter, many)
    sums = windows.summed.sums[:, FLOWING].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = sums[2] / sums[1] - 1
    per_l = np.full(len(windows.meter), np.nan) if prices is None else prices.per_l
    under, over, under_billed, over_billed, unpriced = apart(
        windows.meter, windows.measured, windows.volume_l, windows.meter_volume_l, per_l, many
    )
    columns = {
        "volume_l": litres.volume,
        "misregistered_l": litres.misregistered,
        "misregistered_low_l": litres.misregistered - litres.half,
        "misregistered_high_l": litres.misregistered + litres.half,
        "under_l": under,
        "over_l": over,
        "volume_error": known(error),
    }
    if prices is None:
        return [*(pl.Series(name, values) for name, values in columns.items()), *_NO_MONEY]
    worth = mis_registered(windows, windows.meter, many, per_l)
    has = np.bincount(windows.meter, weights=~np.isnan(per_l), minlength=many) > 0
    columns |= {
        "under_billed": known(under_billed, has),
        "over_billed": known(over_billed, has),
        "net_under_billed_low": known(-worth.misregistered - worth.half, has),
        "net_under_billed_high": known(-worth.misregistered + worth.half, has),
        "unpriced_l": unpriced,
    }
    return [*(pl.Series(name, values) for name, values in columns.items()), prices.currency.alias("currency")]


def _relations(windows: Listed, found: Found, policy: Policy, span_end: datetime) -> pl.DataFrame:
    """What each meter with regimes does now, and where it is heading."""
    chosen = _per_meter(found)
    newest, meter = chosen.newest, found.meter[chosen.newest]
    zones, weighted = _now(windows, found, chosen, policy)
    least = policy.evidence.min_zone_pairs
    mpe = found.pooled.model.mpe[:, newest]
    path = _heading(windows, found, chosen, mpe[1] * policy.tolerance, span_end)
    columns: dict[str, object] = {
        "feature_code": windows.meters["feature_code"].gather(meter),
        "n_regimes": chosen.n_regimes,
        "is_off": chosen.is_off,
        "was_off": chosen.was_off,
        "drift_per_month": known(path.slope),
        "drift_low": known(path.slope_low),
        "drift_high": known(path.slope_high),
        "weighted_error": known(weighted.error),
        "weighted_error_low": known(weighted.low),
        "weighted_error_high": known(weighted.high),
        "one_sign": _text(one_sign(zones, least)),
        "on_verification": _text(against(zones, mpe, least)),
        "in_service": _text(against(zones, in_service_factor(policy) * mpe, least)),
        "favours": favours_one_party(zones, mpe, least),
        "crosses_on": _date(path.crosses),
        "crosses_low": _date(path.crosses_low),
        "crosses_high": _date(path.crosses_high),
        "ahead_days": known(path.crosses - span_end.timestamp() / 86_400),
        "unsteady_reason": _unsteady_reasons(windows, found, newest),
    }
    for z, zone in enumerate(ZONE_NAMES):
        enough = zones.n[z] >= least
        columns[f"error_{zone}"] = known(zones.error[z], enough)
        columns[f"uncertainty_{zone}"] = known(zones.expanded[z], enough)
    return pl.DataFrame(columns).fill_nan(None)


@dataclass(frozen=True)
class _Chosen:
    """Per meter with regimes: its newest one, its first one, the one since which it has been off (else the newest), how many
    there are, and whether it is off now or was before."""

    newest: Ints
    opening: Ints
    since: Ints
    n_regimes: Ints
    is_off: Bools
    was_off: Bools


def _per_meter(found: Found) -> _Chosen:
    off = found.table["form"].is_in(["offset", "linear", "curve", "unsteady"]).fill_null(False).to_numpy()
    row = np.arange(len(off))
    last = np.flatnonzero(np.append(found.meter[1:] != found.meter[:-1], True)[: len(off)])
    first = np.append(0, last[:-1] + 1)[: len(last)]
    # the regime after the last one that is not off
    calm = np.maximum.accumulate(np.where(~off, row, -1)) if len(off) else row
    since = np.minimum(np.maximum(calm[last] + 1, first), last)
    many = last - first + 1
    offs = np.add.reduceat(off.astype(np.int64), first) if len(first) else first
    return _Chosen(last, first, since, many, off[last], offs - off[last] > 0)


def _now(windows: Listed, found: Found, chosen: _Chosen, policy: Policy) -> tuple[Zones, Weighted]:
    """The zones and the weighted error of each meter as it is: of its newest regime, its last 30 days where it drifts."""
    newest, count = chosen.newest, len(found.meter)
    zones, weighted = _picked(found.relations.zones, newest), _picked(found.relations.weighted, newest)
    drifting = np.flatnonzero(found.drifts[newest])
    if len(drifting):
        regime = newest[drifting]
        number = np.full(count + 1, -1)
        number[regime] = np.arange(len(regime))
        group_of = number[only(found.telling, found.regime_of)]
        recent = _recent(windows, group_of, len(regime))
        meter = found.meter[regime]
        pooled = pool(windows, recent, meter, shared(windows, recent, len(regime), policy), policy)
        relations = relate(pooled, policy, windows.summed.volume[:, meter])
        zones, weighted = _replaced(zones, relations.zones, drifting), _replaced(weighted, relations.weighted, drifting)
    return zones, weighted


def _recent(windows: Listed, group_of: Ints, groups: int) -> Ints:
    """The groups of the windows of the last days of each group; -1 for the others."""
    last = np.full(groups + 1, NEVER)
    np.maximum.at(last, group_of, np.where(group_of >= 0, windows.end, NEVER))
    return np.where((group_of >= 0) & (last[group_of] - windows.start <= RECENT_DAYS * int(_DAY_US)), group_of, -1)


def _picked(values: Said, some: Ints) -> Said:
    """What is said of some of the groups, which are the last axis."""
    return replace(values, **{one.name: getattr(values, one.name)[..., some] for one in fields(values)})


def _replaced(values: Said, others: Said, where: Ints) -> Said:
    """The same with other values for some of the groups."""
    found = {one.name: getattr(values, one.name).copy() for one in fields(values)}
    for name, array in found.items():
        array[..., where] = getattr(others, name)
    return replace(values, **found)


def _heading(windows: Listed, found: Found, chosen: _Chosen, limit: Floats, span_end: datetime) -> Paths:
    """How fast each meter drifts, and when it crossed or will cross its permissible error.

    Where it drifts, by what its windows say of the drift; where it stepped out, on the date of the step. A meter that has
    been off since its first regime, and does not drift, has no date.
    """
    day = span_end.timestamp() / 86_400
    lines, row = found.lines, np.where(chosen.is_off, chosen.since, chosen.newest)
    half = lines.quantile * np.sqrt(lines.slope_variance)
    slope = tuple(values[chosen.newest] for values in (lines.per_month, lines.per_month - half, lines.per_month + half))
    begins, low, high = (
        np.where(us == NEVER, np.nan, us / _DAY_US) for us in (found.begins[row], found.low[row], found.high[row])
    )
    stepped = chosen.is_off & (row != chosen.opening)
    told = Paths(*slope, *(np.where(stepped, when, np.nan) for when in (begins, low, high)))
    path = _paths(windows, found, row, limit, day)
    by_line = np.isfinite(path.crosses) & ((path.crosses >= begins) | ~stepped)
    # an earlier regime tells when the meter went off, not how it drifts now
    now = np.isfinite(path.slope) & (row == chosen.newest)
    return Paths(
        **{
            name: np.where(by_line if name.startswith("crosses") else now, getattr(path, name), getattr(told, name))
            for name in Paths.__dataclass_fields__
        }
    )


def _paths(windows: Listed, found: Found, row: Ints, limit: Floats, day: float) -> Paths:
    """Where the regimes of some rows lead that drift; NaN for the others."""
    some = np.flatnonzero(found.drifts[row])
    number = np.full(len(found.meter) + 1, -1)
    number[row[some]] = np.arange(len(some))
    group = number[found.regime_of[found.telling]]
    known = paths(Series.packed(windows, found.telling[group >= 0], group[group >= 0]), limit[some], day)
    full = {name: np.full(len(row), np.nan) for name in Paths.__dataclass_fields__}
    for name, values in full.items():
        values[some] = getattr(known, name)
    return Paths(**full)


def _unsteady_reasons(windows: Listed, found: Found, newest: Ints) -> pl.Series:
    """The most frequent reason of unsteady windows in each meter's newest regime, where that is unsteady."""
    loud = newest[found.unsteady[newest]]
    chosen = np.flatnonzero(windows.trusted & (windows.unsteady == 1) & np.isin(found.regime_of, loud))
    reasons = (
        pl.DataFrame({"regime": found.regime_of[chosen], "reason": in_words(windows.reason[chosen], REASON_NAMES)})
        .group_by("regime", "reason")
        .agg(count=pl.len())
        .sort(["regime", "count", "reason"], descending=[False, True, False])
        .unique("regime", keep="first", maintain_order=True)
    )
    listed = pl.DataFrame({"regime": newest}).join(reasons, on="regime", how="left", maintain_order="left")
    return listed["reason"]


def _text(values: np.ndarray) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String)


def _date(days: Floats) -> pl.Series:
    whole = np.where(np.isfinite(days), np.floor(days), 0).astype(np.int32)
    return pl.select(pl.when(pl.Series(np.isfinite(days))).then(pl.Series(whole).cast(pl.Date))).to_series()
