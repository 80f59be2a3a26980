"""Judging many windows at once: the rows are meters in windows, and each gets what `judge_bucket` would give it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.judge.columns import JUDGED, MISSING, Columns, columns_of, extras_of, nothing
from transforms.judge.evidence import FLOWING
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

    def newest(self, last_day: int) -> tuple[np.ndarray, np.ndarray]:
        """For each flowmeter its newest calibration up to a day: place in ``day``, and whether there is one."""
        span = np.int64(1) << 32
        owner = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        at = (
            np.searchsorted(owner * span + self.day, np.arange(len(self.first) - 1) * span + last_day, side="right") - 1
        )
        return at, at >= self.first[:-1]


def with_references(
    listed: pl.DataFrame, calibrations: Calibrations | None, policy: Policy, windows: Sequence[Window]
) -> pl.DataFrame:
    """What is known of the rows' references at the end of their window, as `verdict.with_references` has it."""
    if calibrations is None:
        return pl.select(
            reference_valid=pl.repeat(True, listed.height),
            reference_known=pl.repeat(True, listed.height),
            reference_uncertainty=pl.repeat(policy.reference.uncertainty, listed.height),
            calibrated_on=pl.repeat(None, listed.height, dtype=pl.Date),
        )
    flowmeter = places(listed["flowmeter_id"], calibrations.ids)
    number = listed["window"].to_numpy()
    known, has = flowmeter >= 0, np.zeros(len(flowmeter), dtype=bool)
    day, age = np.zeros(len(flowmeter), dtype=np.int64), np.zeros(len(flowmeter), dtype=np.int64)
    uncertainty = np.full(len(flowmeter), policy.reference.uncertainty)
    last_days = np.array([int((window.end.timestamp() - 1e-6) // 86400) for window in windows])
    for last_day in np.unique(last_days).tolist():
        here = np.flatnonzero((last_days[number] == last_day) & known)
        at, there = calibrations.newest(last_day)
        some = here[there[flowmeter[here]]]
        has[some] = True
        newest = at[flowmeter[some]]
        day[some], age[some] = calibrations.day[newest], last_day - calibrations.day[newest]
        uncertainty[some] = calibrations.uncertainty[newest]
    return pl.select(
        reference_known=pl.Series(known),
        reference_valid=pl.Series(known & has & (age <= policy.reference_max_age_days)),
        reference_uncertainty=pl.Series(uncertainty),
        calibrated_on=pl.select(
            pl.when(pl.Series(has)).then(pl.Series(day.astype(np.int32)).cast(pl.Date))
        ).to_series(),
    )


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
    paired = listed.filter(pl.col("meter_no").is_not_null())
    whole = paired.height == listed.height
    columns, second = nothing_said(0 if whole else listed.height), SecondLook.none(0)
    if not whole:
        # rows without a single pair, and why
        blocked = listed.select(blocked_by()).to_series().to_numpy()
        columns["reason"][:] = np.where(blocked == NONE, REASON["too_few_pairs"], blocked)
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


def with_models(rows: pl.DataFrame, fleet: pl.DataFrame) -> pl.DataFrame:
    """Rows with what the judge asks of the fleet table, null for meters that are not registered."""
    number = pl.Series(places(rows["feature_code"], fleet["feature_code"]))
    number = number.set(number < 0, None)
    return rows.with_columns(fleet.select(pl.col(_MODELS).gather(number)).get_columns())


def places(names: pl.Series, known: pl.Series) -> npt.NDArray[np.int64]:
    """The place of each name among those known, -1 where it is not; names that repeat follow each other and are looked for
    once."""
    runs = names.rle().struct.unnest()
    numbered = pl.DataFrame({"value": known, "place": np.arange(len(known))})
    found = runs.join(numbered, on="value", how="left", maintain_order="left")["place"].fill_null(-1).to_numpy()
    return np.repeat(found, runs["len"].to_numpy())


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
    weights = worked.found.weights[FLOWING]
    xx, xy = ((weights * moments.by_bin(name, FLOWING)).sum(axis=0) for name in ("sxx", "sxy"))
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
