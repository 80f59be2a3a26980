"""Listed: the windows of some meters and their moments as the statistics ask for them, in the order of meter and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.audit.cells import Cells, Sums, added_up, random_variance
from transforms.audit.series import Bools, Floats, Ints
from transforms.compiled import compiled
from transforms.judge.columns import Columns
from transforms.judge.words import CURVE, INCONCLUSIVE, MISSING, NONE, REASON, UNSTEADY, in_words
from transforms.judge.words import VERDICT_NAMES as VERDICTS
from transforms.policy import Policy
from transforms.schemas import UTC_US

#: reasons for which a window tells nothing about its meter, whatever was measured in it
UNTRUSTED = (
    "reference_expired",
    "reference_missing",
    "reference_unregistered",
    "reference_coarse",
    "meter_cut_off",
    "unregistered",
    "pairing_conflict",
    "meter_missing",
    "not_installed",
    "decommissioned",
)
#: reasons for which a window tells no volume: many references show amounts only, not which way water ran
UNMEASURED = ("reverse_flow",)
#: flowing pairs below which a window's error is not used
LEAST_FLOWING = 3
#: stands for an instant, or a day, that there is none of
NEVER = MISSING
#: columns of the windows that the statistics ask for
COLUMNS = (
    "window_start", "window_end", "changed_at", "verdict", "form", "reason", "n_flowing", "flowmeter_id",
    "calibrated_on", "error", "error_se", "reference_uncertainty", "volume_l", "meter_volume_l",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What was judged of some meters, all their windows.

    Attributes
    ----------
    codes
        Feature codes, one a meter, sorted.
    meter
        Number of each window's meter. Windows stand in the order of meter and time.
    windows
        `COLUMNS` of the windows by number (`transforms.judge.columns`).
    flowmeters
        The words of ``flowmeter_id``.
    cells
        Their moments by flow bin.
    """

    codes: pl.Series
    meter: Ints
    windows: Columns
    flowmeters: pl.Series
    cells: Cells


@dataclass(frozen=True)
class Listed:
    """Windows in the order of meter and time; arrays have one entry per window unless said otherwise.

    Attributes
    ----------
    meters
        ``feature_code, flowmeter_id`` (the last one known) and the columns of the fleet table, a row per meter.
    meter
        Number of the meter.
    start, end, changed
        Begin and end of the window, and when the meter stepped in it [us since 1970]; `NEVER` where it did not.
    altered
        When the meter, or its parameters, were last changed before the window's end [us since 1970]; `NEVER` for not yet.
    verdict
        Its number in `VERDICTS`; where none was given, ``inconclusive``.
    reason, curved
        Of the verdict, by number (`transforms.judge.words`), -1 for none; whether its form is a curve.
    trusted, measured, usable, unsteady
        Whether the reference counts and it is known whose the window is; whether besides its litres tell what passed;
        whether its error tells something; whether the verdict is unsteady (1), another (0), or none (-1).
    error, error_se, common
        Error [relative], its random standard error, the reference's standard uncertainty (NaN where not known).
    volume_l, meter_volume_l, random_l2
        Litres, NaN where not known, and the variance of those of the reference that its own scatter explains.
    calibration
        Number of the reference's calibration.
    calibrated_on
        Days since 1970 by number of calibration; `NEVER` where not known.
    cells
        The moments.
    summed
        Those of trusted windows, added up by meter.
    """

    meters: pl.DataFrame
    meter: Ints
    start: Ints
    end: Ints
    changed: Ints
    altered: Ints
    verdict: Ints
    reason: Ints
    curved: Bools
    trusted: Bools
    measured: Bools
    usable: Bools
    unsteady: Ints
    error: Floats
    error_se: Floats
    common: Floats
    volume_l: Floats
    meter_volume_l: Floats
    random_l2: Floats
    calibration: Ints
    calibrated_on: Ints
    cells: Cells
    summed: Sums


def listed(told: Told, fleet: pl.DataFrame, policy: Policy, changes: pl.DataFrame | None = None) -> Listed:
    """List windows and moments.

    Parameters
    ----------
    fleet : DataFrame
        The fleet table.
    changes : DataFrame, optional
        ``feature_code``, ``since`` of changes of meters or their parameters that are on record.
    """
    windows, meter = told.windows, told.meter
    start, end, reason = windows["window_start"], windows["window_end"], windows["reason"]
    error, error_se, volume, meter_volume = (
        windows[name] for name in ("error", "error_se", "volume_l", "meter_volume_l")
    )  # fmt: skip
    numbers = windows["verdict"], reason, windows["n_flowing"], error, error_se, volume, meter_volume
    doubted = _doubted(meter, windows["verdict"], reason, len(told.codes))
    verdict, unsteady, trusted, measured, usable = _worth(*numbers, _any_of(UNTRUSTED), _any_of(UNMEASURED), doubted)
    calibration, calibrated_on, flowmeter = _calibrations(windows["flowmeter_id"], windows["calibrated_on"], told)
    meters = pl.DataFrame({"feature_code": told.codes, "flowmeter_id": flowmeter})
    meters = meters.join(fleet, on="feature_code", how="left", maintain_order="left")
    cells = told.cells
    return Listed(
        meters=meters,
        meter=meter,
        start=start,
        end=end,
        changed=windows["changed_at"],
        altered=_altered(meter, end, told.codes, changes),
        verdict=verdict,
        reason=reason,
        curved=windows["form"] == CURVE,
        trusted=trusted,
        measured=measured,
        usable=usable,
        unsteady=unsteady,
        error=error,
        error_se=error_se,
        common=windows["reference_uncertainty"],
        volume_l=volume,
        meter_volume_l=meter_volume,
        random_l2=random_variance(cells, meter, meters, policy.reference.repeatability),
        calibration=calibration,
        calibrated_on=calibrated_on,
        cells=cells,
        summed=added_up(cells, np.where(trusted, meter, -1), meters.height),
    )


def _any_of(reasons: tuple[str, ...]) -> Bools:
    """Whether a reason, by its number, is one of some."""
    return np.isin(np.arange(len(REASON)), [REASON[name] for name in reasons])


def _doubted(meter: Ints, verdict: Ints, reason: Ints, meters: int) -> Bools:
    """Windows of meters of which more than a third of the windows that show anything show that they or their references round:
    they do in all of them, and many together would show the rounding as an error of the meter."""
    coarse = (reason == REASON["reference_coarse"]) | (reason == REASON["meter_cut_off"])
    told = (verdict != INCONCLUSIVE) & (verdict != NONE)
    if not coarse.any():
        return np.zeros(len(meter), dtype=bool)
    rounds = 2 * np.bincount(meter[coarse], minlength=meters) > np.bincount(meter[told], minlength=meters)
    return np.asarray(rounds[meter])


@compiled
def _worth(
    verdict: Ints,
    reason: Ints,
    n_flowing: Ints,
    error: Floats,
    error_se: Floats,
    volume_l: Floats,
    meter_volume_l: Floats,
    untrusted: Bools,
    unmeasured: Bools,
    doubted: Bools,
) -> tuple[Ints, Ints, Bools, Bools, Bools]:
    """What each window is worth: ``verdict``, ``unsteady``, ``trusted``, ``measured`` and ``usable`` of `Listed`."""
    many = len(verdict)
    found, unsteady = np.empty(many, np.int64), np.empty(many, np.int64)
    trusted, measured, usable = np.empty(many, np.bool_), np.empty(many, np.bool_), np.empty(many, np.bool_)
    for k in range(many):
        found[k] = INCONCLUSIVE if verdict[k] == NONE else verdict[k]
        unsteady[k] = -1 if found[k] == INCONCLUSIVE else found[k] == UNSTEADY
        trusted[k] = (reason[k] == NONE or not untrusted[reason[k]]) and not doubted[k]
        counted = np.isfinite(volume_l[k]) and np.isfinite(meter_volume_l[k])
        measured[k] = trusted[k] and counted and (reason[k] == NONE or not unmeasured[reason[k]])
        precise = np.isfinite(error[k]) and np.isfinite(error_se[k]) and error_se[k] > 0
        usable[k] = trusted[k] and precise and n_flowing[k] >= LEAST_FLOWING
    return found, unsteady, trusted, measured, usable


def _altered(meter: Ints, end: Ints, codes: pl.Series, changes: pl.DataFrame | None) -> Ints:
    """The last change before the end of each window."""
    found = np.full(len(meter), NEVER)
    if changes is None or changes.is_empty():
        return found
    own = codes.to_frame("feature_code").with_row_index("meter").join(changes, on="feature_code").sort("meter", "since")
    since = own["since"].cast(UTC_US).dt.epoch("us")
    # few meters are ever changed; later changes overwrite earlier ones
    for number, at in zip(own["meter"].to_list(), since.to_list(), strict=True):
        first, last = np.searchsorted(meter, [number, number + 1])
        found[first + np.searchsorted(end[first:last], at, side="right") : last] = at
    return found


def _calibrations(flowmeter: Ints, calibrated_on: Ints, told: Told) -> tuple[Ints, Ints, pl.Series]:
    """The number of each window's calibration, the day of each, and the last known flowmeter of each meter."""
    meter, last = told.meter, np.full(len(told.codes), NONE)
    if not len(meter):
        return meter, meter, in_words(last, told.flowmeters)
    new = np.append(
        True,
        (meter[1:] != meter[:-1]) | (flowmeter[1:] != flowmeter[:-1]) | (calibrated_on[1:] != calibrated_on[:-1]),
    )
    # of each run of windows on one calibration the first stands for all
    head = np.flatnonzero(new)
    days, day = np.unique(calibrated_on[head], return_inverse=True)
    pairs, number = np.unique((flowmeter[head] + 1) * len(days) + day, return_inverse=True)
    some = head[flowmeter[head] != NONE]
    newest = some[np.append(meter[some][1:] != meter[some][:-1], True)[: len(some)]]
    last[meter[newest]] = flowmeter[newest]
    return number[np.cumsum(new) - 1], days[pairs % len(days)], in_words(last, told.flowmeters)


__all__ = ["COLUMNS", "LEAST_FLOWING", "NEVER", "UNTRUSTED", "VERDICTS", "Listed", "Told", "listed"]
