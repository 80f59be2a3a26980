"""Judging many windows at once: the rows are meters in windows, and each gets what `judge_bucket` would give it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.fit.lines import Floats, Ints
from transforms.judge.columns import JUDGED, MISSING, Columns, columns_of, extras_of, nothing
from transforms.judge.evidence import FLOWING, Bools
from transforms.judge.ladder import blocked_by
from transforms.judge.second_look import Look, SecondLook
from transforms.judge.words import INCONCLUSIVE, NONE, REASON
from transforms.judge.worked import Worked, work_out
from transforms.policy import Policy
from transforms.schemas import AUDIT_WINDOWS
from transforms.summarise.moments import Moments
from transforms.windows import Window

#: the columns of `judge_windows`: those of a run, of an audit, and what later rooms need
JUDGED_WINDOWS: dict[str, pl.DataType | type[pl.DataType]] = {**AUDIT_WINDOWS, **JUDGED}

#: columns that tell whose the row is, and when
_ASIDE = ("feature_code", "flowmeter_id", "model", "window_start", "window_end")
#: columns of the fleet table that a verdict rests on
_MODELS = ("model", "per_lph", "q1_u", "q2_u", "band_low_u", "band_high_u", "mpe_low", "mpe_high", "proportion",
           "repeatability", "resolution_lph")  # fmt: skip
_HOUR_US = 3.6e9
#: days that are told apart, and the number of none
_SPAN, _NO_DAY = np.int64(1) << 32, -(2**31)


@dataclass(frozen=True)
class Calibrations:
    """The calibration history of all flowmeters, as arrays sorted by flowmeter and day.

    ``day`` counts days since 1970, ``uncertainty`` is relative, k = 2; the history of each of the ``ids`` begins at its place
    in ``first``.
    """

    ids: pl.Series
    first: np.ndarray
    day: np.ndarray
    uncertainty: np.ndarray

    @staticmethod
    def read(flowmeters: pl.DataFrame | None, policy: Policy) -> Calibrations | None:
        """From flowmeters.csv; None where it is absent: then every reference counts as calibrated."""
        if flowmeters is None:
            return None
        table = flowmeters.sort("flowmeter_id", "calibrated_on").filter(pl.col("calibrated_on").is_not_null())
        ids = flowmeters.select("flowmeter_id").unique().sort("flowmeter_id")
        counts = ids.join(table.group_by("flowmeter_id").len(), on="flowmeter_id", how="left", maintain_order="left")
        first = np.concatenate([[0], np.cumsum(counts["len"].fill_null(0).cast(pl.Int64).to_numpy())]).astype(np.int64)
        return Calibrations(
            ids=ids["flowmeter_id"],
            first=first,
            day=table["calibrated_on"].to_physical().to_numpy().astype(np.int64),
            uncertainty=table["uncertainty"].fill_null(policy.reference.uncertainty).to_numpy(),
        )

    @cached_property
    def _key(self) -> np.ndarray:
        """Flowmeter and day of each calibration as one number, rising."""
        return np.asarray(np.repeat(np.arange(len(self.ids)) * _SPAN, np.diff(self.first)) + self.day)

    def newest(self, last_day: int) -> tuple[np.ndarray, np.ndarray]:
        """For each flowmeter its newest calibration up to a day: place in ``day``, and whether there is one."""
        at = np.searchsorted(self._key, np.arange(len(self.ids)) * _SPAN + last_day, side="right") - 1
        return at, at >= self.first[:-1]


def with_references(
    listed: pl.DataFrame, calibrations: Calibrations | None, policy: Policy, windows: Sequence[Window]
) -> pl.DataFrame:
    """What is known of the rows' references at the end of their window, as `verdict.with_references` has it."""
    if calibrations is None:
        whole = np.ones(listed.height, dtype=bool)
        told = whole, whole, np.full(listed.height, policy.reference.uncertainty), np.full(listed.height, _NO_DAY)
    else:
        last_days = np.array([int((window.end.timestamp() - 1e-6) // 86400) for window in windows])
        days, which = np.unique(last_days, return_inverse=True)
        of_days = [_until(calibrations, day, policy) for day in days.tolist()]
        flowmeter = places(listed["flowmeter_id"], calibrations.ids)
        # the last of each day stands for those that are not known
        at = (which * (len(calibrations.ids) + 1))[listed["window"].to_numpy()] + flowmeter % (
            len(calibrations.ids) + 1
        )
        told = flowmeter >= 0, *(np.concatenate(some)[at] for some in zip(*of_days, strict=True))
    known, valid, uncertainty, day = told
    return pl.DataFrame(
        {
            "reference_known": known,
            "reference_valid": valid,
            "reference_uncertainty": uncertainty,
            "calibrated_on": _dates(day),
        }
    )


def _until(calibrations: Calibrations, last_day: int, policy: Policy) -> tuple[Bools, Floats, Ints]:
    """Whether each flowmeter counts as calibrated at the end of some day, its uncertainty and when that was; and of one that is
    not known."""
    at, there = calibrations.newest(last_day)
    some, many = np.flatnonzero(there), len(there) + 1
    valid, uncertainty = np.zeros(many, dtype=bool), np.full(many, policy.reference.uncertainty)
    day = np.full(many, _NO_DAY)
    day[some], uncertainty[some] = calibrations.day[at[some]], calibrations.uncertainty[at[some]]
    valid[some] = last_day - day[some] <= policy.reference_max_age_days
    return valid, uncertainty, day


def _dates(day: npt.NDArray[np.int64]) -> pl.Series:
    told = pl.Series(day.astype(np.int32))
    return (told.set(told == _NO_DAY, None) if (day == _NO_DAY).any() else told).cast(pl.Date)


@dataclass(frozen=True)
class JudgedRows:
    """Judged rows as arrays (`transforms.judge.columns`), in the order given, and what the second look found of those with a
    ``meter_no``. ``calibrated_on`` counts days since 1970."""

    columns: Columns
    second: SecondLook


def judge_windows(
    rows: pl.DataFrame,
    moments: Moments,
    fleet: pl.DataFrame,
    calibrations: Calibrations | None,
    policy: Policy,
    windows: Sequence[Window],
    look: Look | SecondLook,
    *,
    extras: bool = True,
) -> JudgedRows:
    """Give each row its verdict.

    Parameters
    ----------
    rows : DataFrame
        `transforms.summarise.span.ROWS`, in order of ``meter_no``, the rows of a meter one after the other.
    moments : Moments
        Of the rows with a ``meter_no``.
    fleet : DataFrame
        The fleet table of the registered meters.
    calibrations : Calibrations or None
        Of all flowmeters.
    windows : sequence of Window
        All of one length; ``window`` of a row is its place here.
    look : callable or SecondLook
        As for `transforms.judge.worked.work_out`.
    extras : bool
        Whether the columns that only later rooms need are asked for, `transforms.judge.columns.EXTRAS`.
    """
    reference = with_references(rows, calibrations, policy, windows)
    listed = with_models(rows, fleet).with_columns(reference.get_columns())
    whole = bool(listed.height) and listed["meter_no"].null_count() == 0
    paired = listed if whole else listed.filter(pl.col("meter_no").is_not_null())
    columns, second = {} if whole else _unpaired(listed), SecondLook.none(0)
    if paired.height:
        number = paired["window"].to_numpy().astype(np.int64)
        begins = np.array([int(window.start.timestamp()) * 1_000_000 for window in windows])
        worked = work_out(paired, moments, policy, windows[0], look, number, sparing=True)
        second = worked.second
        told = columns_of(paired, moments, policy, worked, begins[number]) | _weighted(moments, worked, paired)
        told |= extras_of(moments, policy, worked) if extras else {}
        told["calibrated_on"] = _days(paired)
        if whole:
            return JudgedRows(told, second)
        place = listed["meter_no"].is_not_null().to_numpy().nonzero()[0]
        for name, values in told.items():
            columns[name][place] = values
    return JudgedRows(columns, second)


def _unpaired(listed: pl.DataFrame) -> Columns:
    """The columns of rows without a single pair, and why."""
    columns, blocked = nothing_said(listed.height), listed.select(blocked_by()).to_series().to_numpy()
    columns["reason"][:] = np.where(blocked == NONE, REASON["too_few_pairs"], blocked)
    return columns


def with_models(rows: pl.DataFrame, fleet: pl.DataFrame) -> pl.DataFrame:
    """Rows with what the judge asks of the fleet table, null for meters that are not registered."""
    number = pl.Series(places(rows["feature_code"], fleet["feature_code"]))
    number = number.set(number < 0, None)
    return rows.with_columns(fleet.select(pl.col(_MODELS).gather(number)).get_columns())


def places(names: pl.Series, known: pl.Series) -> npt.NDArray[np.int64]:
    """The place of each name among those known, -1 where it is not; names that repeat follow each other and are looked for
    once."""
    runs = names.rle().struct
    value, length = runs.field("value"), runs.field("len").to_numpy()
    if value.equals(known):
        # all of them one after the other, as in most windows of an audit
        return np.repeat(np.arange(len(known)), length)
    numbered = pl.DataFrame({"value": known, "place": np.arange(len(known))})
    found = value.to_frame("value").join(numbered, on="value", how="left", maintain_order="left")["place"]
    return np.repeat(found.fill_null(-1).to_numpy(), length)


def _days(paired: pl.DataFrame) -> npt.NDArray[np.int64]:
    return paired["calibrated_on"].cast(pl.Int32).cast(pl.Int64).fill_null(MISSING).to_numpy()


def nothing_said(rows: int) -> Columns:
    """The columns of rows of which nothing can be said, for want of the meter's readings."""
    columns = {
        name: nothing(kind, rows)
        for name, kind in JUDGED_WINDOWS.items()
        if name not in _ASIDE and not name.startswith("pooled_")
    }
    columns["verdict"][:], columns["reason"][:] = INCONCLUSIVE, REASON["meter_missing"]
    columns["n_pairs"][:], columns["n_flowing"][:], columns["coverage"][:] = 0, 0, 0.0
    return columns


def _weighted(moments: Moments, worked: Worked, paired: pl.DataFrame) -> Columns:
    """What only an audit's table has: volumes, and the gain that fits all flowing pairs best, less one.

    The same weights and the same scatter as the errors of the zones, see `transforms.judge.evidence.zone_errors`.
    """
    hours = paired["interval_us"].fill_null(0).to_numpy() / _HOUR_US
    unit = worked.model.unit_lph
    xx, xy = worked.found.squares
    n, sx = (moments.total(name, FLOWING).astype(np.float64) for name in ("n", "sx"))
    same = moments.total("y_min", FLOWING) == moments.total("y_max", FLOWING)
    with np.errstate(divide="ignore", invalid="ignore"):
        rounding = np.where(same, worked.model.resolution**2 / 12 * (n / sx) ** 2, 0.0)
        error = xy / xx - 1
        standard = np.sqrt(np.maximum(worked.found.scatter / xx, rounding))

    return {
        "volume_l": moments.total("sx") * unit * hours,
        "meter_volume_l": moments.total("sy") * unit * hours,
        "error": np.where(xx > 0, error, np.nan),
        "error_se": np.where(xx > 0, standard, np.nan),
        "reference_uncertainty": worked.reference.uncertainty / 2,
    }
