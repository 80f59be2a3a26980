"""Meters: one row per meter over a whole audit, what it did, what it does now, and what that cost."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from transforms.audit.compliance import against, favours_one_party, in_service_factor, one_sign
from transforms.audit.consumption import weighted_error
from transforms.audit.drift import Crossings, Slopes, crossings, slopes
from transforms.audit.flags import with_flags
from transforms.audit.money import priced
from transforms.audit.places import Located, locate, random_variance, regime_of
from transforms.audit.pooled import pool, relate
from transforms.audit.regimes import grouped, told, with_shared
from transforms.audit.series import Floats, Ints, prepared
from transforms.audit.volume import mis_registered
from transforms.judge.evidence import FLOWING, ZONE_NAMES
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.schemas import AUDIT_METERS
from transforms.summarise.moments import BINS

#: of a regime that drifts, only so many days before its end tell what the meter does now
RECENT_DAYS = 30
_DAY_US = 86_400e6


def meters(
    windows: pl.DataFrame,
    moments: pl.DataFrame,
    regimes: pl.DataFrame,
    fleet: pl.DataFrame,
    registry: Registry,
    policy: Policy,
    span_end: datetime,
) -> pl.DataFrame:
    """Sum up each meter.

    Zone errors, compliance and the weighted error are those of the newest regime, as the meter is now: the last 30 days of
    it where it drifts. Volumes and money are those of the whole span, over instants with both readings and a reference
    that counts; nothing is extrapolated to gaps.

    Parameters
    ----------
    windows, moments : DataFrame
        `AUDIT_WINDOWS` and `AUDIT_MOMENTS` of some meters, all their windows.
    regimes : DataFrame
        `REGIMES` of the same meters.
    fleet : DataFrame
        The fleet table.
    registry : Registry
        Sites, dates of installation, tariffs.
    policy : Policy
        Everything that decides.
    span_end : datetime
        End of the audit.

    Returns
    -------
    DataFrame
        `AUDIT_METERS`, one row per feature code in ``windows``, sorted by it.
    """
    listed = prepared(windows)
    table = _who(listed, registry)
    for part in (
        _volumes(listed, moments, fleet, registry, policy),
        _relations(listed, moments, regimes, fleet, policy, span_end),
    ):
        table = table.join(part, on="feature_code", how="left", maintain_order="left")
    table = table.with_columns(
        pl.col("n_regimes").fill_null(0),
        pl.col(
            "volume_l", "misregistered_l", "misregistered_low_l", "misregistered_high_l", "under_l", "over_l"
        ).fill_null(0.0),
    )
    return with_flags(table).select(pl.col(name).cast(kind) for name, kind in AUDIT_METERS.items()).sort("feature_code")


def _who(listed: pl.DataFrame, registry: Registry) -> pl.DataFrame:
    """Who each meter is, and how often it got which verdict."""
    counts = {
        f"n_{verdict}": (pl.col("verdict") == verdict).sum()
        for verdict in ("healthy", "steady", "unsteady", "inconclusive")
    }
    return (
        listed.group_by("feature_code", maintain_order=True)
        .agg(pl.col("flowmeter_id").drop_nulls().last(), n_windows=pl.len(), **counts)
        .join(
            registry.meters.select("feature_code", "model", "site", "installed_on"),
            on="feature_code",
            how="left",
            maintain_order="left",
        )
    )


def _volumes(
    listed: pl.DataFrame, moments: pl.DataFrame, fleet: pl.DataFrame, registry: Registry, policy: Policy
) -> pl.DataFrame:
    """Litres and money over the whole span."""
    located = locate(moments, listed)
    random = random_variance(located, listed, fleet, policy)
    trusted = listed.with_columns(random_l2=random).filter("trusted")
    sites = registry.meters.select("feature_code", "site", "model")
    difference = pl.col("meter_volume_l") - pl.col("volume_l")
    cost = pl.col("price_per_m3") / 1000
    parts = (
        priced(trusted.drop("model"), sites, registry.tariffs)
        .with_columns(under=(-difference).clip(0.0), over=difference.clip(0.0))
        .group_by("feature_code", maintain_order=True)
        .agg(
            under_l=pl.col("under").sum(),
            over_l=pl.col("over").sum(),
            under_billed=pl.when(cost.is_not_null().any()).then((pl.col("under") * cost).sum()),
            over_billed=pl.when(cost.is_not_null().any()).then((pl.col("over") * cost).sum()),
            currency=pl.col("currency").drop_nulls().first(),
        )
    )
    flowing = (
        moments.join(trusted.select("feature_code", "window_start"), on=["feature_code", "window_start"], how="semi")
        .filter(pl.col("bin") >= FLOWING.start)
        .group_by("feature_code", maintain_order=True)
        .agg(volume_error=pl.col("sy").sum() / pl.col("sx").sum() - 1)
    )
    return (
        mis_registered(trusted, ["feature_code"])
        .join(parts, on="feature_code", how="left")
        .join(flowing, on="feature_code", how="left")
    )


def _relations(
    listed: pl.DataFrame,
    moments: pl.DataFrame,
    regimes: pl.DataFrame,
    fleet: pl.DataFrame,
    policy: Policy,
    span_end: datetime,
) -> pl.DataFrame:
    """What each meter with regimes does now, and where it is heading."""
    unsteady = (regimes["form"] == "unsteady").fill_null(False).to_numpy()
    owned = listed.with_columns(group=regime_of(listed, regimes)).filter((pl.col("group") >= 0) & pl.col("trusted"))
    telling = told(owned, unsteady)
    lines = slopes(telling, regimes.height)
    chosen = _per_meter(regimes)
    newest = chosen["newest"].to_numpy()
    recent = _recent(telling, regimes, chosen)
    groups = with_shared(
        chosen.select("feature_code").with_columns(group=pl.int_range(pl.len(), dtype=pl.Int64)),
        recent,
        "feature_code",
        policy,
    )
    located = locate(moments, listed)
    number = recent.select("place", "feature_code").join(groups.select("feature_code", "group"), on="feature_code")
    pooled = pool(located, grouped(number, listed.height), groups, fleet, policy)
    zones = relate(pooled, policy).zones
    least = policy.evidence.min_zone_pairs
    numbers = listed.select("feature_code").join(groups, on="feature_code", how="left", maintain_order="left")
    whose = numbers["group"].fill_null(-1).to_numpy()
    counts = listed["trusted"].to_numpy() & (whose >= 0)
    profile = _profile(located.take(counts), whose, len(newest))
    weighted = weighted_error(pooled, profile, least)
    mpe = pooled.model.mpe
    when = _crossing(lines, regimes, chosen, mpe[1] * policy.tolerance, span_end)
    half = lines.quantile * np.sqrt(lines.slope_variance)
    columns: dict[str, object] = {
        "feature_code": chosen["feature_code"],
        "n_regimes": chosen["n_regimes"],
        "is_off": chosen["is_off"],
        "was_off": chosen["was_off"],
        "drift_per_month": _known(lines.per_month[newest]),
        "drift_low": _known((lines.per_month - half)[newest]),
        "drift_high": _known((lines.per_month + half)[newest]),
        "weighted_error": _known(weighted.error),
        "weighted_error_low": _known(weighted.low),
        "weighted_error_high": _known(weighted.high),
        "one_sign": _text(one_sign(zones, least)),
        "on_verification": _text(against(zones, mpe, least)),
        "in_service": _text(against(zones, in_service_factor(policy) * mpe, least)),
        "favours": favours_one_party(zones, mpe, least),
        "crosses_on": _date(when.day),
        "crosses_low": _date(when.low),
        "crosses_high": _date(when.high),
        "ahead_days": _known(when.day - span_end.timestamp() / 86_400),
    }
    for z, zone in enumerate(ZONE_NAMES):
        enough = zones.n[z] >= least
        columns[f"error_{zone}"] = _known(np.where(enough, zones.error[z], np.nan))
        columns[f"uncertainty_{zone}"] = _known(np.where(enough, zones.expanded[z], np.nan))
    return pl.DataFrame(columns).join(
        _unsteady_reasons(owned, chosen, unsteady), on="feature_code", how="left", maintain_order="left"
    )


def _per_meter(regimes: pl.DataFrame) -> pl.DataFrame:
    """Per meter its newest regime, and the one since which it has been off: rows of ``regimes``."""
    off = pl.col("form").is_in(["offset", "linear", "unsteady"]).fill_null(False)
    return (
        regimes.select("feature_code", "form", off=off)
        .with_row_index("row")
        .with_columns(
            # regimes after which none is healthy any more
            tail=pl.col("off").reverse().cum_prod().reverse().over("feature_code").cast(pl.Boolean)
        )
        .group_by("feature_code", maintain_order=True)
        .agg(
            n_regimes=pl.len(),
            newest=pl.col("row").last().cast(pl.Int64),
            since=pl.coalesce(pl.col("row").filter("tail").first(), pl.col("row").last()).cast(pl.Int64),
            opening=pl.col("row").first().cast(pl.Int64),
            is_off=pl.col("off").last(),
            was_off=pl.col("off").slice(0, pl.len() - 1).any(),
        )
    )


def _recent(telling: pl.DataFrame, regimes: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """The windows of each meter's newest regime, the last 30 days of it where it drifts."""
    newest = chosen.select(group=pl.col("newest").cast(pl.Int64)).with_columns(
        drifts=regimes["drift_per_month"].is_not_null().gather(chosen["newest"])
    )
    last = pl.col("window_end").max().over("group")
    return telling.join(newest, on="group", how="inner").filter(
        ~pl.col("drifts") | (last - pl.col("window_start") <= pl.duration(days=RECENT_DAYS))
    )


def _profile(located: Located, whose: Ints, groups: int) -> Floats:
    """Volume by flow bin and group, in the unit of the moments."""
    place = located.frame["bin"].to_numpy().astype(np.int64) * groups + whose[located.window]
    volume = (located.frame["sx"] * located.frame["interval_s"]).to_numpy()
    found = np.bincount(place, weights=volume, minlength=BINS * groups).astype(np.float64)
    return found.reshape(BINS, groups)


def _crossing(
    lines: Slopes, regimes: pl.DataFrame, chosen: pl.DataFrame, limit: Floats, span_end: datetime
) -> Crossings:
    """When each meter crossed or will cross its permissible error.

    Where it drifts, by its line; where it stepped out, the date of the step. A meter that has been off since its first
    regime, and does not drift, has no date.
    """
    row = np.where(chosen["is_off"].to_numpy(), chosen["since"].to_numpy(), chosen["newest"].to_numpy())
    line = Slopes(**{name: getattr(lines, name)[row] for name in Slopes.__dataclass_fields__})
    found = crossings(line, limit, np.full(len(row), span_end.timestamp() / 86_400))
    begins, low, high = (
        regimes[name].dt.epoch("us").cast(pl.Float64).fill_null(np.nan).to_numpy()[row] / _DAY_US
        for name in ("begins", "begins_low", "begins_high")
    )
    drifts = regimes["drift_per_month"].is_not_null().to_numpy()[row]
    stepped = chosen["is_off"].to_numpy() & (row != chosen["opening"].to_numpy())
    by_line = drifts & np.isfinite(found.day) & ((found.day >= begins) | ~stepped)
    known = by_line | stepped
    pairs = ((found.day, begins), (found.low, low), (found.high, high))
    return Crossings(*(np.where(known, np.where(by_line, mine, step), np.nan) for mine, step in pairs))


def _unsteady_reasons(owned: pl.DataFrame, chosen: pl.DataFrame, unsteady: np.ndarray) -> pl.DataFrame:
    """The most frequent reason of unsteady windows in the newest regime, where that is unsteady."""
    loud = chosen.filter(pl.Series(unsteady[chosen["newest"].to_numpy()]))
    return (
        owned.join(loud.select(group=pl.col("newest").cast(pl.Int64)), on="group", how="semi")
        .filter(pl.col("unsteady").fill_null(False))
        .group_by("feature_code", "reason")
        .agg(count=pl.len())
        .sort(["feature_code", "count", "reason"], descending=[False, True, False])
        .group_by("feature_code", maintain_order=True)
        .agg(unsteady_reason=pl.col("reason").first())
    )


def _known(values: Floats) -> pl.Series:
    return pl.Series(np.where(np.isfinite(values), values, np.nan), dtype=pl.Float64).fill_nan(None)


def _text(values: np.ndarray) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String)


def _date(days: Floats) -> pl.Series:
    whole = np.where(np.isfinite(days), np.floor(days), 0).astype(np.int32)
    return pl.select(pl.when(pl.Series(np.isfinite(days))).then(pl.Series(whole).cast(pl.Date))).to_series()
