"""The fleet of an audit, cut by model, year of installation, size and site: who is off, who drifts, what it cost."""

from __future__ import annotations

import numpy as np
import polars as pl

from transforms.audit.volume import total_half_width
from transforms.registry import Registry
from transforms.schemas import AUDIT_FLEET

#: years of installation that make one group
YEARS = 5


def fleet_groups(
    meters: pl.DataFrame, registry: Registry, volumes: pl.DataFrame | None = None, shared: float = 1.0
) -> pl.DataFrame:
    """Group the meters of an audit.

    Errors and drifts are medians over the meters judged; the interval of a median drift is that of the sign test, which
    assumes no distribution (95 %, null below six meters).

    Parameters
    ----------
    meters : DataFrame
        `AUDIT_METERS`.
    registry : Registry
        The models' sizes.
    volumes : DataFrame, optional
        Litres by meter and calibration, from `calibration_volumes` of all windows, sorted by ``calibrated_on`` and
        ``feature_code``. Without them the reference's errors of all meters are taken as one and the same, which gives the
        widest interval.
    shared : float
        See `total_half_width`.

    Returns
    -------
    DataFrame
        `AUDIT_FLEET`, sorted by ``by`` and ``group``.
    """
    sizes = pl.DataFrame(
        [(model.name, f"Q3 {model.q3 / 1000:g} m3/h") for model in registry.models.values()],
        schema={"model": pl.String, "size": pl.String},
        orient="row",
    )
    begin = (pl.col("installed_on").dt.year() // YEARS * YEARS).cast(pl.Int32)
    listed = meters.join(sizes, on="model", how="left", maintain_order="left").with_columns(
        age=pl.when(pl.col("installed_on").is_not_null()).then(pl.format("{} to {}", begin, begin + YEARS - 1))
    )
    found = [_grouped(listed, by, volumes, shared) for by in ("model", "age", "size", "site")]
    return pl.concat(found).select(pl.col(name).cast(kind) for name, kind in AUDIT_FLEET.items()).sort("by", "group")


def _grouped(listed: pl.DataFrame, by: str, volumes: pl.DataFrame | None, shared: float) -> pl.DataFrame:
    own = listed.with_columns(group=pl.col(by)).filter(pl.col("group").is_not_null())
    judged = pl.col("n_healthy") + pl.col("n_steady") + pl.col("n_unsteady") > 0
    table = own.group_by("group", maintain_order=True).agg(
        by=pl.lit(by).first(),
        n_meters=pl.len(),
        n_judged=judged.sum(),
        n_flagged=pl.col("flagged").sum(),
        n_outside=(pl.col("on_verification") == "outside").sum(),
        median_error=pl.col("volume_error").filter(judged).median(),
        median_drift_per_month=pl.col("drift_per_month").median(),
        drifts=pl.col("drift_per_month").drop_nulls().sort(),
        volume_l=pl.col("volume_l").sort().sum(),
        misregistered_l=pl.col("misregistered_l").sort().sum(),
        widest=(pl.col("misregistered_high_l") - pl.col("misregistered_l")).sort().sum(),
    )
    table = table.with_columns(_median_interval(table["drifts"]))
    if volumes is None:
        table = table.with_columns(half_l=pl.col("widest"))
    else:
        # by number, not by name, which takes ten times as long; that they are sorted now Polars must be told, or it would add
        # them up in another way
        groups = own.select("feature_code", "group", number=pl.col("group").rank("dense"))
        known = volumes.join(groups, on="feature_code", how="inner", maintain_order="left")
        known = known.sort("number", maintain_order=True).with_columns(pl.col("group").set_sorted())
        table = table.join(total_half_width(known, ["group"], shared), on="group", how="left")
    half = pl.col("half_l").fill_null(0.0)
    return table.with_columns(
        misregistered_low_l=pl.col("misregistered_l") - half, misregistered_high_l=pl.col("misregistered_l") + half
    ).select(AUDIT_FLEET.keys())


def _median_interval(ordered: pl.Series) -> list[pl.Series]:
    """Order statistics that hold the median with 95 % (the sign test turned round, Conover, chapter 3)."""
    count = ordered.list.len().cast(pl.Int64).to_numpy()
    ranks = np.array([_lowest_rank(int(n)) for n in count], dtype=np.int64)
    known = ranks >= 0
    low, high = (
        pl.select(pl.when(pl.Series(known)).then(ordered.list.get(pl.Series(np.where(known, at, 0)), null_on_oob=True)))
        .to_series()
        .alias(name)
        for name, at in (("drift_low", ranks), ("drift_high", count - 1 - ranks))
    )
    return [low, high]


def _lowest_rank(n: int) -> int:
    """The rank (from 0) of the order statistic below which the median lies with at most 2.5 %; -1 where there is none.

    In whole numbers: of the 2^n ways in which n meters may lie about the median, at most a fortieth have so few below it.
    """
    rank, ways, few, all_ways = -1, 1, 1, 1 << n
    while 40 * few <= all_ways:
        rank += 1
        ways = ways * (n - rank) // (rank + 1)
        few += ways
    return rank
