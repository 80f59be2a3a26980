"""Volume: litres that a meter registered too much or too little, with an interval that holds the reference's error.

Mis-registered is what the meter counted less what passed. What passed is known by the reference only, which reads 1 + g
times the true flow: g is one number for all windows of one calibration, so that it averages out over none of them, and is
taken as independent from one calibration to the next (GUM, 5.2 and F.1.2.3). What is random is the scatter of the reference's
single readings. The meter's own scatter and steps are no uncertainty: it did count what it counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.audit.listed import NEVER, Listed
from transforms.audit.series import Floats, Ints
from transforms.compiled import compiled

#: half the width of a 95 % interval in standard deviations
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Litres:
    """Volumes of groups of windows: what passed, what was mis-registered, and half of its 95 % interval [L]."""

    volume: Floats
    misregistered: Floats
    half: Floats


def mis_registered(windows: Listed, group_of: Ints, groups: int) -> Litres:
    """Volumes of groups of windows.

    Parameters
    ----------
    group_of : ndarray
        Group of each window, all of one meter; -1 leaves it out. Windows that are not ``measured`` never count.
    """
    known = np.flatnonzero((group_of >= 0) & windows.measured)
    volume, group = windows.volume_l[known], group_of[known]
    cell, owner, _ = by_calibration(group, windows.calibration[known])
    common = _summed(cell, volume * np.nan_to_num(windows.common[known]), len(owner))
    return Litres(
        volume=_summed(group, volume, groups),
        misregistered=_summed(group, windows.meter_volume_l[known] - volume, groups),
        half=Z95 * np.sqrt(_summed(owner, common**2, groups) + _summed(group, windows.random_l2[known], groups)),
    )


def shared_uncertainty(windows: Listed, group_of: Ints, groups: int) -> Floats:
    """The reference's standard uncertainty in the mean error of groups of windows, weighted by volume, shape (groups,).

    That of one calibration where a group rests on one, less where it rests on several; NaN where none is known.
    """
    chosen = np.flatnonzero(group_of >= 0)
    group, uncertainty = group_of[chosen], windows.common[chosen]
    volume = np.nan_to_num(windows.volume_l[chosen])
    cell, owner, _ = by_calibration(group, windows.calibration[chosen])
    common = _summed(cell, volume * np.nan_to_num(uncertainty), len(owner))
    total, most = _summed(group, volume, groups), np.full(groups, np.nan)
    np.fmax.at(most, group, uncertainty)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.sqrt(_summed(owner, common**2, groups)) / total, most)


def calibration_volumes(windows: Listed) -> pl.DataFrame:
    """What intervals of totals over meters rest on: litres by meter and calibration, see `total_half_width`.

    Returns
    -------
    DataFrame
        ``feature_code, calibrated_on, volume_l, common_l`` (the reference's standard uncertainty in litres),
        ``random_l2`` (variance of the random part).
    """
    known = np.flatnonzero(windows.measured)
    volume = windows.volume_l[known]
    cell, meter, day = by_calibration(windows.meter[known], windows.calibrated_on[windows.calibration[known]])
    summed = {
        "volume_l": volume,
        "common_l": volume * np.nan_to_num(windows.common[known]),
        "random_l2": windows.random_l2[known],
    }
    return pl.DataFrame(
        {
            "feature_code": windows.meters["feature_code"].gather(meter),
            "calibrated_on": pl.Series(np.where(day == NEVER, 0, day)).cast(pl.Int32).cast(pl.Date),
            **{name: _summed(cell, values, len(meter)) for name, values in summed.items()},
            "known": day != NEVER,
        }
    ).select(
        "feature_code",
        pl.when("known").then("calibrated_on").alias("calibrated_on"),
        "volume_l",
        "common_l",
        "random_l2",
    )


def _summed(group: Ints, values: Floats, groups: int) -> Floats:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64)


@compiled
def by_calibration(group: Ints, calibration: Ints) -> tuple[Ints, Ints, Ints]:
    """Number the calibrations of each group.

    Parameters
    ----------
    group, calibration : ndarray
        Of each window; groups are rising.

    Returns
    -------
    cell : ndarray
        The number of group and calibration, of each window.
    owner, which : ndarray
        Group and calibration of each number.
    """
    cell = np.zeros(len(group), dtype=np.int64)
    owner, which = np.zeros(len(group), dtype=np.int64), np.zeros(len(group), dtype=np.int64)
    count, begin, at = 0, 0, 0
    for k in range(len(group)):
        if k > 0 and group[k] != group[k - 1]:
            begin = count
        # windows of one calibration mostly follow each other
        if count == begin or at < begin or which[at] != calibration[k]:
            at = begin
            while at < count and which[at] != calibration[k]:
                at += 1
            if at == count:
                owner[at], which[at] = group[k], calibration[k]
                count += 1
        cell[k] = at
    return cell, owner[:count], which[:count]


def total_half_width(volumes: pl.DataFrame, by: list[str], shared: float = 1.0) -> pl.DataFrame:
    """Half of the 95 % interval of mis-registered totals over many meters.

    References calibrated on one day were calibrated against one standard. Of the variance of such a calibration a share is
    the standard's, one and the same error for all of them; the rest is each reference's own, and averages out. Errors of
    different days are independent. Where nothing is known of a share, 1 is the careful choice, since errors of one sign add
    up; where no calibration is known, all are one batch.

    Parameters
    ----------
    volumes : DataFrame
        From `calibration_volumes`.
    by : list of str
        Keys of the totals.
    shared : float
        The share, 0 to 1.

    Returns
    -------
    DataFrame
        The keys and ``half_l``; one row without keys if there are none.
    """
    batches = volumes.group_by([*by, "calibrated_on"], maintain_order=True).agg(
        pl.col("common_l", "random_l2").sum(), own_l2=pl.col("common_l").pow(2).sum()
    )
    together, apart = pl.col("common_l").pow(2).sum(), pl.col("own_l2").sum()
    half = Z95 * (shared * together + (1 - shared) * apart + pl.col("random_l2").sum()).sqrt()
    if not by:
        return batches.select(half_l=half)
    return batches.group_by(by, maintain_order=True).agg(half_l=half)
