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
from transforms.audit.series import Bools, Floats, Ints
from transforms.compiled import compiled

#: half the width of a 95 % interval in standard deviations
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Litres:
    """Volumes of groups of windows: what passed, what was mis-registered, and half of its 95 % interval [L]."""

    volume: Floats
    misregistered: Floats
    half: Floats


def mis_registered(windows: Listed, group_of: Ints, groups: int, price_per_l: Floats | None = None) -> Litres:
    """Volumes of groups of windows, or what they are worth.

    Parameters
    ----------
    group_of : ndarray
        Group of each window, all of one meter; -1 leaves it out. Windows that are not ``measured`` never count.
    price_per_l : ndarray, optional
        Price of a litre in each window, NaN where it has none: then money takes the place of litres, and windows without a
        price do not count.
    """
    found = _sums(windows, group_of, windows.calibration, groups, windows.measured, price_per_l)
    return Litres(
        volume=found.volume,
        misregistered=found.difference,
        half=Z95 * np.sqrt(found.of_groups(found.common**2) + found.scatter),
    )


def shared_uncertainty(windows: Listed, group_of: Ints, groups: int) -> Floats:
    """The reference's standard uncertainty in the mean error of groups of windows, weighted by volume, shape (groups,).

    That of one calibration where a group rests on one, less where it rests on several; NaN where none is known.
    """
    found = _sums(windows, group_of, windows.calibration, groups, np.ones(len(group_of), dtype=np.bool_))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.sqrt(found.of_groups(found.common**2)) / found.volume
    return np.where(found.volume > 0, mean, found.largest)


def calibration_volumes(windows: Listed, price_per_l: Floats | None = None) -> pl.DataFrame:
    """What intervals of totals over meters rest on: litres by meter and calibration, see `total_half_width`.

    With a price of each window, as in `mis_registered`, what they are worth.

    Returns
    -------
    DataFrame
        ``feature_code, calibrated_on, volume_l, common_l`` (the reference's standard uncertainty in litres),
        ``random_l2`` (variance of the random part).
    """
    many = windows.meters.height
    days = windows.calibrated_on[windows.calibration]
    found = _sums(windows, windows.meter, days, many, windows.measured, price_per_l)
    day = found.which
    return pl.DataFrame(
        {
            "feature_code": windows.meters["feature_code"].gather(found.owner),
            "calibrated_on": pl.Series(np.where(day == NEVER, 0, day)).cast(pl.Int32).cast(pl.Date),
            "volume_l": found.passed,
            "common_l": found.common,
            "random_l2": found.random,
            "known": day != NEVER,
        }
    ).select(
        "feature_code",
        pl.when("known").then("calibrated_on").alias("calibrated_on"),
        "volume_l",
        "common_l",
        "random_l2",
    )


@dataclass(frozen=True)
class _Sums:
    """Windows added up by group and calibration, and by group.

    Of each group and calibration: ``owner`` and ``which`` it is, the litres that ``passed``, the reference's standard uncertainty
    in them that is ``common``, and the variance of the ``random`` part. Of each group: ``volume``, what the meter registered
    beyond it (``difference``), the variance of the random part (``scatter``), and the ``largest`` relative uncertainty, NaN
    where none is known.
    """

    owner: Ints
    which: Ints
    passed: Floats
    common: Floats
    random: Floats
    volume: Floats
    difference: Floats
    scatter: Floats
    largest: Floats

    def of_groups(self, values: Floats) -> Floats:
        """Values of groups and calibrations, added up by group."""
        return np.bincount(self.owner, weights=values, minlength=len(self.volume)).astype(np.float64)


def _sums(
    windows: Listed, group_of: Ints, calibration: Ints, groups: int, counts: Bools, price_per_l: Floats | None = None
) -> _Sums:
    """Add up the windows of groups that count, all of one meter and rising; -1 leaves one out. Litres that are not known count as
    none."""
    litres = windows.volume_l, windows.meter_volume_l, windows.common, windows.random_l2
    if price_per_l is not None:
        passed, counted, common, random = litres
        litres = passed * price_per_l, counted * price_per_l, common, random * price_per_l**2
        counts = counts & ~np.isnan(price_per_l)
    return _Sums(*_added_up(group_of, calibration, groups, counts, *litres))


@compiled
def _added_up(
    group_of: Ints,
    calibration: Ints,
    groups: int,
    counts: Bools,
    volume_l: Floats,
    meter_volume_l: Floats,
    uncertainty: Floats,
    random_l2: Floats,
) -> tuple[Ints, Ints, Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
    most, before = 0, -1
    for k in range(len(group_of)):
        if group_of[k] >= 0 and counts[k]:
            most += before < 0 or group_of[k] != group_of[before] or calibration[k] != calibration[before]
            before = k
    # of each group and calibration, numbered as they come
    owner, which = np.zeros(most, dtype=np.int64), np.zeros(most, dtype=np.int64)
    passed, common, random = np.zeros(most), np.zeros(most), np.zeros(most)
    volume, difference, scatter = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    largest = np.full(groups, np.nan)
    count, begin, at, now = 0, 0, 0, -1
    for k in range(len(group_of)):
        group = group_of[k]
        if group < 0 or not counts[k]:
            continue
        if group != now:
            begin, now = count, group
        # windows of one calibration mostly follow each other
        if count == begin or at < begin or which[at] != calibration[k]:
            at = begin
            while at < count and which[at] != calibration[k]:
                at += 1
            if at == count:
                owner[at], which[at] = group, calibration[k]
                count += 1
        litres = volume_l[k]
        if np.isnan(litres):
            litres = 0.0
        passed[at] += litres
        random[at] += random_l2[k]
        volume[group] += litres
        difference[group] += meter_volume_l[k] - litres
        scatter[group] += random_l2[k]
        if not np.isnan(uncertainty[k]):
            common[at] += litres * uncertainty[k]
            if not largest[group] >= uncertainty[k]:
                largest[group] = uncertainty[k]
    known = owner[:count], which[:count], passed[:count], common[:count], random[:count]
    return *known, volume, difference, scatter, largest


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
