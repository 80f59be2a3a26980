"""The summary of an audit: totals, compliance, losses and money, as one object that can be written as JSON."""

from __future__ import annotations

from typing import Any

import polars as pl

from transforms.audit.volume import total_half_width
from transforms.canonical import rounded

#: how apparent loss is meant, for those who read the numbers alone
APPARENT_LOSS = (
    "customer metering inaccuracies in the sense of the AWWA water balance (manual M36): water that was delivered through"
    " the meters audited less what they registered, under- and over-registration set off against each other; negative if"
    " they registered more than was delivered. Unauthorised consumption and errors of data handling are not in it, nor is"
    " water at times without both readings and a reference that counts"
)


def summary(
    meters: pl.DataFrame,
    regimes: pl.DataFrame,
    fleet: pl.DataFrame,
    volumes: pl.DataFrame | None = None,
    shared: float = 1.0,
    worths: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """Sum up an audit.

    Parameters
    ----------
    meters, regimes, fleet : DataFrame
        `AUDIT_METERS`, `REGIMES` and `AUDIT_FLEET` of the whole audit.
    volumes : DataFrame, optional
        From `calibration_volumes`, sorted by ``calibrated_on`` and ``feature_code``; without them intervals of totals are the
        widest possible, see `fleet_groups`.
    shared : float
        See `total_half_width`.

    worths : DataFrame, optional
        The same in money, where there are tariffs.

    Returns
    -------
    dict
        Numbers, texts, lists and dicts only; numbers to nine digits.
    """
    return {
        "meters": {
            "n": meters.height,
            "judged": int((meters["n_windows"] > meters["n_inconclusive"]).sum()),
            "flagged": int(meters["flagged"].sum()),
            "flags": _counts(meters["flag"]),
        },
        "windows": {
            name: int(meters[f"n_{name}"].sum())
            for name in ("windows", "healthy", "steady", "unsteady", "inconclusive")
        },
        "regimes": {
            "n": regimes.height,
            "meters_with_changes": int((meters["n_regimes"] > 1).sum()),
            "forms": _counts(regimes["form"]),
            "drifting": int(regimes["drift_per_month"].is_not_null().sum()),
        },
        "compliance": {
            "on_verification": _counts(meters["on_verification"]),
            "in_service": _counts(meters["in_service"]),
            "one_sign": _counts(meters["one_sign"]),
        },
        "volume": _volume(meters, volumes, shared),
        "money": _money(meters, worths, shared),
        "drifting_models": _drifting_models(fleet),
        "assumptions": {"apparent_loss": APPARENT_LOSS, "reference": correlation(shared)},
    }


def correlation(shared: float) -> str:
    """What intervals of totals take for granted of the references' errors."""
    own = f"; {1 - shared:.0%} of its variance is each reference's own, the rest is" if shared < 1 else ", and"
    return (
        f"the error of a reference is one and the same over all windows of one calibration{own} one and the same for all"
        " references calibrated on one day; independent from one day of calibration to another"
    )


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.drop_nulls().value_counts().sort(column.name)
    return {str(name): int(count) for name, count in counted.iter_rows()}


def _volume(meters: pl.DataFrame, volumes: pl.DataFrame | None, shared: float) -> dict[str, Any]:
    total, off, under, over = (
        float(meters[name].sort().sum()) for name in ("volume_l", "misregistered_l", "under_l", "over_l")
    )
    if volumes is None or volumes.is_empty():
        half = float((meters["misregistered_high_l"] - meters["misregistered_l"]).sort().sum())
    else:
        half = float(total_half_width(volumes, [], shared).item())
    return {
        "volume_l": rounded(total),
        "misregistered_l": rounded(off),
        "misregistered_low_l": rounded(off - half),
        "misregistered_high_l": rounded(off + half),
        "under_l": rounded(under),
        "over_l": rounded(over),
        "apparent_loss_l": rounded(-off),
        "apparent_loss_low_l": rounded(-off - half),
        "apparent_loss_high_l": rounded(-off + half),
        "apparent_loss_share": rounded(-off / total) if total > 0 else None,
    }


def _money(meters: pl.DataFrame, worths: pl.DataFrame | None, shared: float) -> dict[str, Any] | None:
    currency = meters["currency"].drop_nulls()
    if currency.is_empty():
        return None
    under, over = (float(meters[name].drop_nulls().sort().sum()) for name in ("under_billed", "over_billed"))
    half = None if worths is None else float(total_half_width(worths, [], shared).item())
    return {
        "currency": currency[0],
        "under_billed": rounded(under),
        "over_billed": rounded(over),
        "net_under_billed": rounded(under - over),
        "net_under_billed_low": None if half is None else rounded(under - over - half),
        "net_under_billed_high": None if half is None else rounded(under - over + half),
        "unpriced_l": rounded(float(meters["unpriced_l"].drop_nulls().sort().sum())),
        "meters_without_tariff": int(meters["currency"].is_null().sum()),
    }


def _drifting_models(fleet: pl.DataFrame) -> list[dict[str, Any]]:
    """The models whose median drift is not zero with 95 %."""
    found = fleet.filter(
        (pl.col("by") == "model") & ((pl.col("drift_low") > 0) | (pl.col("drift_high") < 0)).fill_null(False)
    ).sort("group")
    names = ("median_drift_per_month", "drift_low", "drift_high")
    return [
        {"model": row["group"], "n_judged": row["n_judged"], **{name: rounded(row[name]) for name in names}}
        for row in found.iter_rows(named=True)
    ]
