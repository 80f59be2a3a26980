"""Volume: litres that a meter registered too much or too little, with an interval that holds the reference's error.

Mis-registered is what the meter counted less what passed. What passed is known by the reference only, which reads 1 + g
times the true flow: g is one number for all windows of one calibration, so that it averages out over none of them, and is
taken as independent from one calibration to the next (GUM, 5.2 and F.1.2.3). What is random is the scatter that is normal for
single readings, of the meter and of the reference, and the step of the reading: the careful choice, since the meter did
count what it counted.
"""

from __future__ import annotations

import polars as pl

from transforms.audit.places import locate, random_variance
from transforms.audit.series import prepared
from transforms.policy import Policy

#: half the width of a 95 % interval in standard deviations
Z95 = 1.959963984540054


def mis_registered(windows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Volumes of groups of windows.

    Parameters
    ----------
    windows : DataFrame
        Windows whose reference counts, with ``random_l2`` and the keys.
    by : list of str
        The keys of a group, all of one meter.

    Returns
    -------
    DataFrame
        The keys, ``volume_l``, ``misregistered_l``, ``misregistered_low_l``, ``misregistered_high_l`` (95 %).
    """
    known = windows.filter(pl.col("volume_l").is_not_null() & pl.col("meter_volume_l").is_not_null())
    common = (pl.col("volume_l") * pl.col("reference_uncertainty").fill_null(0.0)).sum()
    by_calibration = known.group_by([*by, "flowmeter_id", "calibrated_on"], maintain_order=True).agg(
        pl.col("volume_l").sum(),
        misregistered_l=(pl.col("meter_volume_l") - pl.col("volume_l")).sum(),
        random_l2=pl.col("random_l2").fill_null(0.0).sum(),
        common_l=common,
    )
    half = Z95 * (pl.col("common_l").pow(2).sum() + pl.col("random_l2").sum()).sqrt()
    return (
        by_calibration.group_by(by, maintain_order=True)
        .agg(pl.col("volume_l", "misregistered_l").sum(), half=half)
        .select(
            *by,
            "volume_l",
            "misregistered_l",
            misregistered_low_l=pl.col("misregistered_l") - pl.col("half"),
            misregistered_high_l=pl.col("misregistered_l") + pl.col("half"),
        )
    )


def shared_uncertainty(windows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The reference's standard uncertainty in the mean error of groups of windows, weighted by volume: ``shared``.

    That of one calibration where a group rests on one, less where it rests on several.
    """
    volume = pl.col("volume_l").fill_null(0.0)
    return (
        windows.group_by([*by, "flowmeter_id", "calibrated_on"], maintain_order=True)
        .agg(
            volume_l=volume.sum(),
            common_l=(volume * pl.col("reference_uncertainty").fill_null(0.0)).sum(),
            most=pl.col("reference_uncertainty").max(),
        )
        .group_by(by, maintain_order=True)
        .agg(
            shared=pl.when(pl.col("volume_l").sum() > 0)
            .then(pl.col("common_l").pow(2).sum().sqrt() / pl.col("volume_l").sum())
            .otherwise(pl.col("most").max())
        )
    )


def calibration_volumes(
    windows: pl.DataFrame, moments: pl.DataFrame, fleet: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """What intervals of totals over meters rest on: litres by meter and calibration, see `total_half_width`.

    Parameters
    ----------
    windows, moments : DataFrame
        `AUDIT_WINDOWS` and `AUDIT_MOMENTS` of some meters.

    Returns
    -------
    DataFrame
        ``feature_code, calibrated_on, volume_l, common_l`` (the reference's standard uncertainty in litres),
        ``random_l2`` (variance of the random part).
    """
    listed = prepared(windows)
    random = random_variance(locate(moments, listed), listed, fleet, policy)
    return (
        listed.with_columns(random_l2=random)
        .filter(pl.col("trusted") & pl.col("volume_l").is_not_null())
        .group_by("feature_code", "calibrated_on", maintain_order=True)
        .agg(
            pl.col("volume_l").sum(),
            common_l=(pl.col("volume_l") * pl.col("reference_uncertainty").fill_null(0.0)).sum(),
            random_l2=pl.col("random_l2").fill_null(0.0).sum(),
        )
    )


def total_half_width(volumes: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Half of the 95 % interval of mis-registered totals over many meters.

    References calibrated on one day were calibrated against one standard: their errors are taken as one and the same
    (fully correlated), those of different days as independent. That is the careful choice for a batch, since errors of
    one sign add up; where no calibration is known, all are one batch.

    Returns
    -------
    DataFrame
        The keys and ``half_l``; one row without keys if there are none.
    """
    batches = volumes.group_by([*by, "calibrated_on"], maintain_order=True).agg(pl.col("common_l", "random_l2").sum())
    half = Z95 * (pl.col("common_l").pow(2).sum() + pl.col("random_l2").sum()).sqrt()
    if not by:
        return batches.select(half_l=half)
    return batches.group_by(by, maintain_order=True).agg(half_l=half)
