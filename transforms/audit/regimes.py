"""Regimes: the stretches of time over which a meter's relation to its reference stays one and the same."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from transforms.audit.compliance import in_words
from transforms.audit.drift import slopes
from transforms.audit.history import cut
from transforms.audit.places import locate, random_variance, regime_of
from transforms.audit.pooled import Relations, pool, relate
from transforms.audit.series import Floats, Ints, prepared
from transforms.audit.volume import Z95, mis_registered, shared_uncertainty
from transforms.fit.choose import FORMS
from transforms.policy import Policy
from transforms.schemas import REGIMES


def regimes(
    windows: pl.DataFrame, moments: pl.DataFrame, fleet: pl.DataFrame, policy: Policy, length: timedelta
) -> pl.DataFrame:
    """Find each meter's regimes and say what it did in them.

    Parameters
    ----------
    windows, moments : DataFrame
        `AUDIT_WINDOWS` and `AUDIT_MOMENTS` of some meters, all their windows.
    fleet : DataFrame
        The fleet table.
    policy : Policy
        Everything that decides.
    length : timedelta
        Length of a window.

    Returns
    -------
    DataFrame
        `REGIMES`, sorted by meter and time. Meters of which no window tells an error have none. ``begins`` of the first
        regime is where the evidence begins; since when it has been so is not known, its interval is null.
    """
    listed = prepared(windows).join(
        fleet.select("feature_code", "mpe_high"), on="feature_code", how="left", maintain_order="left"
    )
    # a meter that is not registered has no permissible error, and is not trusted either
    mpe = listed.group_by("meter", maintain_order=True).first()["mpe_high"].fill_null(1.0).to_numpy()
    cuts = cut(listed, mpe, policy)
    if cuts.is_empty():
        return pl.DataFrame(schema=REGIMES)
    dated = _dated(cuts, listed, length)
    found = _measured(dated, listed, moments, fleet, policy)
    return found.select(pl.col(name).cast(kind) for name, kind in REGIMES.items())


def _dated(cuts: pl.DataFrame, listed: pl.DataFrame, length: timedelta) -> pl.DataFrame:
    """When each regime begins and ends. A window that saw the step itself tells the moment."""
    columns = ("window_start", "window_end", "changed_at")
    start, end, changed = (listed[name] for name in columns)

    def at(series: pl.Series, rows: pl.Series) -> pl.Series:
        return series.gather(rows.cast(pl.UInt32))

    first = cuts["first"]
    table = cuts.with_columns(
        feature_code=at(listed["feature_code"], first),
        begins=at(start, first),
        begins_low=at(start, cuts["low"]),
        begins_high=at(end, cuts["high"]),
        inside=at(changed, first),
        before=at(changed, (first - 1).clip(0)),
        ends=at(end, cuts["last"]),
    )
    seen = pl.coalesce(
        pl.when(pl.col(name).is_between("begins_low", "begins_high")).then(pl.col(name))
        for name in ("inside", "before")
    )
    # the step of a window before is that of this change only if the window touches the change
    near = (seen >= pl.col("begins") - length) & (seen <= pl.col("begins") + length)
    begins = pl.when(near.fill_null(False)).then(seen).otherwise("begins")
    table = table.with_columns(begins=begins)
    following = pl.col("begins").shift(-1).over("meter")
    return table.with_columns(
        regime=pl.int_range(pl.len()).over("meter") + 1, ends=following.fill_null(pl.col("ends"))
    ).with_columns(group=pl.int_range(pl.len(), dtype=pl.Int64))


def _measured(
    dated: pl.DataFrame, listed: pl.DataFrame, moments: pl.DataFrame, fleet: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """The regimes with what their windows measured together."""
    located = locate(moments, listed)
    random = random_variance(located, listed, fleet, policy)
    owned = listed.with_columns(group=regime_of(listed, dated), random_l2=random).filter(pl.col("group") >= 0)
    trusted = owned.filter("trusted")
    unsteady = dated["unsteady"].to_numpy()
    telling = told(trusted, unsteady)
    groups = with_shared(dated.select("group", "feature_code"), telling, "group", policy)
    pooled = pool(located, grouped(telling, listed.height), groups, fleet, policy)
    relations = relate(pooled, policy)
    drift = slopes(telling, dated.height)
    volumes = mis_registered(trusted, ["group"])
    unit = pooled.model.unit_lph
    form = _forms(relations, unsteady)
    line = (form == "offset") | (form == "linear")
    half = Z95 * np.hypot(relations.ratio_se, (1 + relations.ratio) * groups["reference_uncertainty"].to_numpy())
    counted = telling.group_by("group").agg(n_windows=pl.len())
    drifts = dated["drifts"].to_numpy()
    return (
        dated.with_columns(
            form=pl.Series(form.tolist(), dtype=pl.String),
            a1=_known(relations.lines.a1, line),
            a1_se=_known(relations.lines.a1_se, line),
            a2=_known(relations.lines.a2 * unit, line),
            a2_se=_known(relations.lines.a2_se * unit, line),
            volume_error=_known(relations.ratio, np.isfinite(relations.ratio)),
            volume_error_low=_known(relations.ratio - half, np.isfinite(half)),
            volume_error_high=_known(relations.ratio + half, np.isfinite(half)),
            drift_per_month=_known(drift.per_month, drifts & np.isfinite(drift.per_month)),
        )
        .join(counted, on="group", how="left")
        .join(volumes, on="group", how="left")
        .with_columns(
            pl.col("n_windows").fill_null(0),
            pl.col("volume_l", "misregistered_l", "misregistered_low_l", "misregistered_high_l").fill_null(0.0),
        )
        .sort("feature_code", "regime")
    )


def told(trusted: pl.DataFrame, unsteady: np.ndarray) -> pl.DataFrame:
    """The windows that tell of their regime's relation: usable, and in a steady regime not unsteady themselves."""
    loud = pl.Series(unsteady).gather(trusted["group"])
    return trusted.filter(pl.col("usable") & (loud | ~pl.col("unsteady").fill_null(False)))


def grouped(telling: pl.DataFrame, windows: int) -> Ints:
    """The group of each of all windows; -1 for those that do not tell."""
    found = np.full(windows, -1, dtype=np.int64)
    found[telling["place"].to_numpy()] = telling["group"].to_numpy()
    return found


def with_shared(groups: pl.DataFrame, telling: pl.DataFrame, key: str, policy: Policy) -> pl.DataFrame:
    """Groups with the reference's uncertainty that is common to their windows, sorted by group."""
    return (
        groups.join(shared_uncertainty(telling, [key]), on=key, how="left")
        .sort("group")
        .rename({"shared": "reference_uncertainty"})
        .with_columns(pl.col("reference_uncertainty").fill_null(policy.reference.uncertainty / 2))
    )


def _forms(relations: Relations, unsteady: np.ndarray) -> np.ndarray:
    """The form of each regime: as a verdict would have it, with ``healthy`` where no zone is off or open."""
    zones = relations.zones
    off = zones.outside.any(axis=0)
    evident = zones.inside.any(axis=0) & ~zones.open.any(axis=0)
    names = np.array(FORMS, dtype=object)[relations.choice.index]
    fitted = np.isfinite(relations.lines.a1) & np.isfinite(relations.lines.a2)
    form = in_words(len(unsteady), (evident, "healthy"), (unsteady, "unsteady"))
    steadily = off & fitted & ~unsteady
    form[steadily] = names[steadily]
    return form


def _known(values: Floats, where: np.ndarray) -> pl.Series:
    return pl.Series(np.where(where, values, np.nan), dtype=pl.Float64).fill_nan(None)


__all__ = ["grouped", "regimes", "told", "with_shared"]
