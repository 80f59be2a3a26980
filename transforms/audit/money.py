"""Money: what water that was billed too low or too high was worth, by the tariff of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.audit.listed import Listed
from transforms.audit.series import Bools, Floats, Ints
from transforms.compiled import compiled
from transforms.registry import Registry

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Prices:
    """The price of a litre in each window, NaN where no tariff holds or no reference counts, and each meter's currency."""

    per_l: Floats
    currency: pl.Series


def prices_of(windows: Listed, registry: Registry) -> Prices | None:
    """What a litre costs in each window that tells of litres; None without tariffs."""
    if registry.tariffs is None:
        return None
    who = windows.meters.select("feature_code").join(
        registry.meters.select("feature_code", "site", "model"), on="feature_code", how="left", maintain_order="left"
    )
    chosen = np.flatnonzero(windows.trusted)
    tariff = tariff_of(
        windows.meter[chosen], windows.start[chosen] // _DAY_US, who.select("site", "model"), registry.tariffs
    )
    per_l = np.full(len(windows.meter), np.nan)
    per_l[chosen] = tariff.price_per_m3 / 1000
    return Prices(per_l, tariff.currency)


@dataclass(frozen=True)
class Tariff:
    """The price of a cubic metre in each window, NaN where no tariff holds, and the currency of each meter."""

    price_per_m3: Floats
    currency: pl.Series


def tariff_of(meter: Ints, day: Ints, who: pl.DataFrame, tariffs: pl.DataFrame) -> Tariff:
    """The tariff that holds in each window.

    Parameters
    ----------
    meter, day
        Of each window: the row of its meter in ``who``, and days since 1970.
    who : DataFrame
        ``site, model`` of each meter.
    tariffs : DataFrame
        ``site, model, from (Date), price_per_m3, currency``; site and model may be null.
    """
    # prices differ by site, model and day only, of which there are few
    kinds = who.select("site", "model").unique(maintain_order=True)
    numbers = who.join(kinds.with_row_index("kind"), on=["site", "model"], how="left", nulls_equal=True)
    first_day, last_day = (int(day.min()), int(day.max())) if len(day) else (0, -1)
    days = np.arange(first_day, last_day + 1)
    table = priced(
        kinds.join(pl.DataFrame({"day": pl.Series(days).cast(pl.Int32).cast(pl.Date)}), how="cross"), tariffs
    )
    place = numbers["kind"].to_numpy()[meter] * len(days) + day - first_day
    price = table["price_per_m3"].fill_null(np.nan).to_numpy()[place]
    has = np.flatnonzero(np.isfinite(price))
    first = np.full(who.height, -1)
    first[meter[has][::-1]] = place[has][::-1]
    currency = table["currency"].gather(np.maximum(first, 0)) if table.height else pl.Series([None] * who.height)
    return Tariff(price, currency.cast(pl.String).zip_with(pl.Series(first >= 0), pl.Series([None], dtype=pl.String)))


@compiled
def apart(
    meter: Ints, measured: Bools, volume_l: Floats, meter_volume_l: Floats, price_per_l: Floats, many: int
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Litres that each meter registered too little and too much, by window, what they were worth, and those without a price."""
    under, over, under_billed, over_billed = np.zeros(many), np.zeros(many), np.zeros(many), np.zeros(many)
    unpriced = np.zeros(many)
    for k in range(len(meter)):
        if measured[k]:
            owner, litres = meter[k], meter_volume_l[k] - volume_l[k]
            under[owner] += max(-litres, 0.0)
            over[owner] += max(litres, 0.0)
            if not np.isnan(price_per_l[k]):
                under_billed[owner] += max(-litres, 0.0) * price_per_l[k]
                over_billed[owner] += max(litres, 0.0) * price_per_l[k]
            else:
                unpriced[owner] += abs(litres)
    return under, over, under_billed, over_billed, unpriced


def priced(days: pl.DataFrame, tariffs: pl.DataFrame) -> pl.DataFrame:
    """Days with ``price_per_m3`` and ``currency`` of the tariff that holds for a meter's site and model.

    A tariff for the meter's site and model goes before one for its site, that before one for its model, that before the
    general one. Null where no tariff holds.

    Parameters
    ----------
    days : DataFrame
        ``site, model, day (Date)``.
    """
    listed = days.with_row_index("line").sort("day", "line")
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
        listed.join(priced_by.select("line", chosen), on="line", how="left").sort("line").drop("line").unnest("tariff")
    )
