"""The statistics of some meters: their regimes, what each did and does, and what intervals of totals rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from transforms.audit.listed import Told, listed
from transforms.audit.meters import sum_up
from transforms.audit.money import prices_of
from transforms.audit.regimes import find_regimes
from transforms.audit.unjudged import not_judged
from transforms.audit.volume import calibration_volumes
from transforms.policy import Policy
from transforms.registry import Registry


@dataclass(frozen=True)
class Statistics:
    """Tables of some meters: `AUDIT_METERS`, `REGIMES`, litres by meter and calibration (`calibration_volumes`), the same in
    money where there are tariffs, and `NOT_JUDGED`."""

    meters: pl.DataFrame
    regimes: pl.DataFrame
    volumes: pl.DataFrame
    worths: pl.DataFrame | None
    unjudged: pl.DataFrame


def statistics(
    told: Told,
    fleet: pl.DataFrame,
    registry: Registry,
    policy: Policy,
    length: timedelta,
    span_end: datetime,
    changes: pl.DataFrame | None = None,
) -> Statistics:
    """Work out the statistics of some meters.

    Parameters
    ----------
    told : Told
        What was judged of them.
    fleet : DataFrame
        The fleet table.
    registry : Registry
        Sites, dates of installation, tariffs.
    policy : Policy
        Everything that decides.
    length : timedelta
        Length of a window.
    span_end : datetime
        End of the audit.
    changes : DataFrame, optional
        ``feature_code``, ``since`` of each time that a meter's parameters were changed, or the meter itself.
    """
    known = listed(told, fleet, policy, changes)
    prices = prices_of(known, registry)
    found = find_regimes(known, policy, length)
    return Statistics(
        sum_up(known, found, registry, policy, span_end, prices),
        found.table,
        calibration_volumes(known),
        None if prices is None else calibration_volumes(known, prices.per_l),
        not_judged(known),
    )
