"""Money: what water that was billed too low or too high was worth, by the tariff of the day."""

from __future__ import annotations

import polars as pl


def priced(windows: pl.DataFrame, sites: pl.DataFrame, tariffs: pl.DataFrame | None) -> pl.DataFrame:
    """Windows with ``price_per_m3`` and ``currency`` of the tariff that holds for the meter on the window's day.

    A tariff for the meter's site and model goes before one for its site, that before one for its model, that before the
    general one. Null where no tariff holds.

    Parameters
    ----------
    windows : DataFrame
        With ``feature_code`` and ``window_start``.
    sites : DataFrame
        ``feature_code, site, model``.
    tariffs : DataFrame or None
        ``site, model, from (Date), price_per_m3, currency``; site and model may be null.
    """
    if tariffs is None:
        return windows.with_columns(price_per_m3=pl.lit(None, pl.Float64), currency=pl.lit(None, pl.String))
    listed = (
        windows.join(sites, on="feature_code", how="left", maintain_order="left")
        .with_row_index("line")
        .with_columns(day=pl.col("window_start").dt.date())
        .sort("day", "line")
    )
    found: list[pl.DataFrame] = []
    for keys in (["site", "model"], ["site"], ["model"], []):
        named = pl.all_horizontal(pl.col(key).is_not_null() == (key in keys) for key in ("site", "model"))
        own = tariffs.filter(named).select(*keys, "from", "price_per_m3", "currency").sort("from")
        if own.is_empty():
            continue
        joined = listed.join_asof(
            own,
            left_on="day",
            right_on="from",
            by=keys or None,
            strategy="backward",
            check_sortedness=False,
        )
        found.append(joined.select("line", pl.struct("price_per_m3", "currency").alias(f"rank_{len(found)}")))
    priced_by = listed.select("line")
    for each in found:
        priced_by = priced_by.join(each, on="line", how="left", maintain_order="left")
    ranks = [pl.col(f"rank_{k}") for k in range(len(found))]
    chosen = pl.coalesce(
        *[pl.when(rank.struct.field("price_per_m3").is_not_null()).then(rank) for rank in ranks]
    ).alias("tariff")
    return (
        listed.join(priced_by.select("line", chosen), on="line", how="left")
        .sort("line")
        .drop("line", "day", "site", "model")
        .unnest("tariff")
    )
