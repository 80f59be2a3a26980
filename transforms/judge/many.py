"""Judging many windows at once: the rows are meters in windows, and each gets what `judge_bucket` would give it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.fit.lines import Floats
from transforms.judge.evidence import FLOWING
from transforms.judge.second_look import Look, SecondLook
from transforms.judge.verdict import JUDGED, Worked, tell, unpaired, work_out
from transforms.policy import Policy
from transforms.schemas import AUDIT_WINDOWS
from transforms.summarise.moments import Moments
from transforms.windows import Window

#: the columns of `judge_windows`: those of a run, of an audit, and what later rooms need
JUDGED_WINDOWS: dict[str, pl.DataType | type[pl.DataType]] = {**AUDIT_WINDOWS, **JUDGED}

_HOUR_US = 3.6e9


@dataclass(frozen=True)
class Calibrations:
    """The calibration history of all flowmeters, as arrays sorted by flowmeter and day.

    ``day`` counts days since 1970, ``uncertainty`` is relative, k = 2; ``place`` maps an id to its place in ``first``,
    where its history begins.
    """

    place: pl.DataFrame
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
            place=ids.with_row_index("calibration"),
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
    """Rows with what is known of their references at the end of their window, as `verdict.with_references` has it."""
    if calibrations is None:
        return listed.with_columns(
            reference_valid=pl.lit(True),
            reference_known=pl.lit(True),
            reference_uncertainty=pl.lit(policy.reference.uncertainty),
            calibrated_on=pl.lit(None, pl.Date),
        )
    placed = listed.select("flowmeter_id").join(
        calibrations.place, on="flowmeter_id", how="left", maintain_order="left"
    )
    flowmeter = placed["calibration"].cast(pl.Int64).fill_null(-1).to_numpy()
    number = listed["window"].to_numpy()
    known, has = flowmeter >= 0, np.zeros(len(flowmeter), dtype=bool)
    day, age = np.zeros(len(flowmeter), dtype=np.int64), np.zeros(len(flowmeter), dtype=np.int64)
    uncertainty = np.full(len(flowmeter), policy.reference.uncertainty)
    last_days = [int((window.end.timestamp() - 1e-6) // 86400) for window in windows]
    for last_day in sorted(set(last_days)):
        here = np.flatnonzero(np.isin(number, np.flatnonzero(np.asarray(last_days) == last_day)) & known)
        at, there = calibrations.newest(last_day)
        some = here[there[flowmeter[here]]]
        has[some] = True
        newest = at[flowmeter[some]]
        day[some], age[some] = calibrations.day[newest], last_day - calibrations.day[newest]
        uncertainty[some] = calibrations.uncertainty[newest]
    return listed.with_columns(
        reference_known=pl.Series(known),
        reference_valid=pl.Series(known & has & (age <= policy.reference_max_age_days)),
        reference_uncertainty=pl.Series(uncertainty),
        calibrated_on=pl.select(
            pl.when(pl.Series(has)).then(pl.Series(day.astype(np.int32)).cast(pl.Date))
        ).to_series(),
    )


@dataclass(frozen=True)
class JudgedRows:
    """Judged rows (`JUDGED_WINDOWS`, in the order given), and what the second look found of those with a ``meter_no``."""

    frame: pl.DataFrame
    second: SecondLook


def judge_windows(
    rows: pl.DataFrame,
    moments: Moments,
    fleet: pl.DataFrame,
    calibrations: Calibrations | None,
    policy: Policy,
    windows: Sequence[Window],
    look: Look | SecondLook,
) -> JudgedRows:
    """Give each row its verdict.

    Parameters
    ----------
    rows : DataFrame
        `transforms.summarise.span.ROWS`, in order of ``meter_no``.
    moments : Moments
        Of the rows with a ``meter_no``.
    fleet : DataFrame
        The fleet table of the registered meters.
    calibrations : Calibrations or None
        Of all flowmeters.
    windows : sequence of Window
        All of one length; ``window`` of a row is its place here.
    look : callable or SecondLook
        As for `transforms.judge.verdict.work_out`.
    """
    listed = rows.join(fleet, on="feature_code", how="left", maintain_order="left")
    listed = with_references(listed, calibrations, policy, windows)
    begins = pl.Series([window.start for window in windows], dtype=AUDIT_WINDOWS["window_start"])
    starts = begins.gather(listed["window"])
    listed = listed.with_columns(
        window_start=starts, window_end=starts + windows[0].length, place=pl.int_range(pl.len())
    )
    has = pl.col("meter_no").is_not_null()
    paired, rest = listed.filter(has), listed.filter(~has)
    found, second = [], SecondLook.none(0)
    if paired.height:
        number = paired["window"].to_numpy().astype(np.int64)
        worked = work_out(paired, moments, policy, windows[0], look, number, sparing=True)
        second = worked.second
        told = tell(paired, moments, policy, worked, paired["window_start"])
        found.append(told.with_columns(paired["place"], **_weighted(moments, worked, paired)))
    if rest.height:
        found.append(unpaired(rest).with_columns(rest["place"]))
    said = pl.concat(found, how="diagonal_relaxed") if found else pl.DataFrame(schema={"place": pl.Int64})
    if paired.height and rest.height:
        said = said.sort("place")
    known = listed.select("flowmeter_id", "model", "window_start", "window_end")
    return JudgedRows(complete(said.with_columns(known.get_columns())), second)


def complete(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns `JUDGED_WINDOWS`, null where there is nothing to say."""
    there = set(frame.columns)
    return frame.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name)
        for name, kind in JUDGED_WINDOWS.items()
    )


def judge_silent_windows(fleet: pl.DataFrame, seen: pl.DataFrame, windows: Sequence[Window]) -> pl.DataFrame:
    """Rows for the registered meters and the windows in which nothing was heard of or about them.

    Parameters
    ----------
    seen : DataFrame
        ``feature_code``, ``window_start`` of the rows that there are.
    """
    begins = pl.Series("window_start", [window.start for window in windows], dtype=AUDIT_WINDOWS["window_start"])
    silent = (
        fleet.select("feature_code", "model")
        .join(begins.to_frame(), how="cross")
        .join(seen.select("feature_code", "window_start"), on=["feature_code", "window_start"], how="anti")
    )
    return complete(
        silent.with_columns(
            window_end=pl.col("window_start") + windows[0].length,
            verdict=pl.lit("inconclusive"),
            reason=pl.lit("meter_missing"),
            n_pairs=pl.lit(0, pl.Int64),
            n_flowing=pl.lit(0, pl.Int64),
            coverage=pl.lit(0.0),
        )
    )


def _weighted(moments: Moments, worked: Worked, paired: pl.DataFrame) -> dict[str, pl.Series]:
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

    def known(values: Floats) -> pl.Series:
        return pl.Series(values, dtype=pl.Float64).fill_nan(None)

    return {
        "volume_l": known(moments.total("sx") * unit * hours),
        "meter_volume_l": known(moments.total("sy") * unit * hours),
        "error": known(np.where(xx > 0, error, np.nan)),
        "error_se": known(np.where(xx > 0, standard, np.nan)),
        "reference_uncertainty": known(worked.reference.uncertainty / 2),
    }
