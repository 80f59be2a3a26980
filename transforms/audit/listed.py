"""Listed: the windows of some meters and their moments as arrays in the order of meter and time, text left behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.audit.cells import Cells, located, random_variance
from transforms.audit.series import Bools, Floats, Ints
from transforms.policy import Policy
from transforms.schemas import UTC_US

#: reasons for which a window tells nothing about its meter, whatever was measured in it
UNTRUSTED = (
    "reference_expired",
    "reference_missing",
    "reference_unregistered",
    "unregistered",
    "pairing_conflict",
    "meter_missing",
    "not_installed",
    "decommissioned",
)
#: reasons for which a window tells no volume: many references show amounts only, not which way water ran
UNMEASURED = ("reverse_flow",)
#: verdicts by their number
VERDICTS = ("healthy", "steady", "unsteady", "inconclusive")
#: flowing pairs below which a window's error is not used
LEAST_FLOWING = 3
#: stands for an instant, or a day, that there is none of
NEVER = np.iinfo(np.int64).min
_US_PER_DAY = 86_400e6
_TIMES = ("window_start", "window_end", "changed_at")
_NUMBERS = ("error", "error_se", "reference_uncertainty", "volume_l", "meter_volume_l")
#: columns of the windows that the statistics ask for
COLUMNS = (
    "feature_code", *_TIMES, "verdict", "form", "reason", "n_flowing", "flowmeter_id", "calibrated_on", *_NUMBERS
)  # fmt: skip


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
        Of the verdict; whether its form is a curve.
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
    """

    meters: pl.DataFrame
    meter: Ints
    start: Ints
    end: Ints
    changed: Ints
    altered: Ints
    verdict: Ints
    reason: pl.Series
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

    @property
    def day(self) -> Floats:
        """Middle of each window [days since 1970]."""
        return np.asarray((self.start + self.end) / 2 / _US_PER_DAY)


def listed(
    windows: pl.DataFrame,
    moments: pl.DataFrame,
    fleet: pl.DataFrame,
    policy: Policy,
    changes: pl.DataFrame | None = None,
) -> Listed:
    """List windows and moments.

    Parameters
    ----------
    windows, moments : DataFrame
        `AUDIT_WINDOWS` and `AUDIT_MOMENTS` of some meters, all their windows, in any order. Moments of windows that are
        not there are left out.
    fleet : DataFrame
        The fleet table.
    changes : DataFrame, optional
        ``feature_code``, ``since`` of changes of meters or their parameters that are on record.
    """
    frame, codes, meter = _in_order(windows.select(COLUMNS))
    verdict = pl.col("verdict").fill_null("inconclusive").cast(pl.Enum(VERDICTS)).to_physical().cast(pl.Int64)
    told = frame.select(
        *(pl.col(name).dt.epoch("us").fill_null(NEVER) for name in _TIMES),
        *(pl.col(name).fill_null(np.nan) for name in _NUMBERS),
        verdict=verdict,
        trusted=~pl.col("reason").fill_null("").is_in(UNTRUSTED),
        curved=pl.col("form").eq_missing(pl.lit("curve")),
        one_way=~pl.col("reason").fill_null("").is_in(UNMEASURED),
        flowing=(pl.col("n_flowing") >= LEAST_FLOWING).fill_null(False),
    )
    start, end, changed, error, error_se, common, volume, meter_volume, verdicts, trusted, curved, one_way, flowing = (
        np.ascontiguousarray(column.to_numpy()) for column in told.iter_columns()
    )
    calibration, calibrated_on, flowmeters = _calibrations(frame, meter)
    meters = codes.to_frame().join(flowmeters, on="feature_code", how="left", maintain_order="left")
    meters = meters.join(fleet, on="feature_code", how="left", maintain_order="left")
    first = np.searchsorted(meter, np.arange(len(codes) + 1))
    cells = located(moments, codes, first, start)
    return Listed(
        meters=meters,
        meter=meter,
        start=start,
        end=end,
        changed=changed,
        altered=_altered(meter, end, codes, changes),
        verdict=verdicts,
        reason=frame["reason"],
        curved=curved,
        trusted=trusted,
        measured=trusted & one_way & np.isfinite(volume) & np.isfinite(meter_volume),
        usable=trusted & flowing & np.isfinite(error) & np.isfinite(error_se) & (error_se > 0),
        unsteady=np.where(verdicts == VERDICTS.index("inconclusive"), -1, verdicts == VERDICTS.index("unsteady")),
        error=error,
        error_se=error_se,
        common=common,
        volume_l=volume,
        meter_volume_l=meter_volume,
        random_l2=random_variance(cells, meter, meters, policy.reference.repeatability),
        calibration=calibration,
        calibrated_on=calibrated_on,
        cells=cells,
    )


def _in_order(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, Ints]:
    """The windows in the order of meter and time, the meters' feature codes, and the number of each window's meter."""
    runs = frame["feature_code"].rle().struct.unnest()
    codes = runs["value"].alias("feature_code")
    meter = np.repeat(np.arange(len(codes)), runs["len"].to_numpy())
    start = frame["window_start"].dt.epoch("us").to_numpy()
    rising = (np.diff(meter) > 0) | (np.diff(start) >= 0)
    if codes.is_sorted() and not codes.is_duplicated().any() and rising.all():
        return frame, codes, meter
    return _in_order(frame.sort("feature_code", "window_start"))


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


def _calibrations(frame: pl.DataFrame, meter: Ints) -> tuple[Ints, Ints, pl.DataFrame]:
    """The number of each window's calibration, the day of each, and the last known flowmeter of each meter."""
    if frame.is_empty():
        none = np.zeros(0, dtype=np.int64)
        return none, none, frame.select("feature_code", "flowmeter_id")
    ids = frame.select(pl.col("flowmeter_id").rle_id(), pl.col("calibrated_on").rle_id()).to_numpy()
    new = np.append(True, (np.diff(ids, axis=0) != 0).any(axis=1) | (np.diff(meter) != 0))
    # of each run of windows on one calibration the first stands for all
    heads = frame.select("feature_code", "flowmeter_id", "calibrated_on").filter(pl.Series(new))
    heads = heads.with_columns(number=pl.struct("flowmeter_id", "calibrated_on").rank("dense").cast(pl.Int64) - 1)
    number = heads["number"].to_numpy()
    day_of = np.zeros(int(number.max()) + 1, dtype=np.int64)
    day_of[number] = heads["calibrated_on"].cast(pl.Int32).cast(pl.Int64).fill_null(NEVER).to_numpy()
    flowmeters = heads.filter(pl.col("flowmeter_id").is_not_null()).group_by("feature_code", maintain_order=True)
    return number[np.cumsum(new) - 1], day_of, flowmeters.agg(pl.col("flowmeter_id").last())


__all__ = ["COLUMNS", "LEAST_FLOWING", "NEVER", "UNTRUSTED", "VERDICTS", "Listed", "listed"]
