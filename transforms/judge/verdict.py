"""Verdicts: each meter of a bucket with its verdict, the reason and the numbers behind it, as the outbox has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from transforms.fit.lines import Floats, Ints
from transforms.judge.estimate import with_robust
from transforms.judge.evidence import FLOWING, ZONE_NAMES, Bools, Model, Reference
from transforms.judge.findings import Findings, first_findings, numbers_of, with_details
from transforms.judge.ladder import Standing, blocked_by, climb, stand
from transforms.judge.precision import imprecise, marginal, pairs_needed, unproven
from transforms.judge.second_look import Look, SecondLook, choose_whom, take_second_look
from transforms.policy import Policy
from transforms.schemas import VERDICTS
from transforms.summarise.moments import Moments
from transforms.windows import Window

#: what later rooms need beyond the published columns: the measured curve [L/h], and what speaks against a command
EXTRAS: dict[str, pl.DataType | type[pl.DataType]] = {
    "curve_q_lph": pl.List(pl.Float64),
    "curve_q_meter_lph": pl.List(pl.Float64),
    "curve_error_lph": pl.Float64,
    "imprecise": pl.Boolean,
    "marginal": pl.Boolean,
    "unproven": pl.Boolean,
    "calibrated_on": pl.Date,
    "doubtful": pl.Boolean,
    "looked_at": pl.Boolean,
}
JUDGED = {**VERDICTS, **EXTRAS}


def judge_bucket(
    meters: pl.DataFrame,
    moments: pl.DataFrame | Moments,
    fleet: pl.DataFrame,
    calibration: pl.DataFrame | None,
    policy: Policy,
    window: Window,
    look: Look,
) -> pl.DataFrame:
    """Give each meter of a bucket its verdict.

    Parameters
    ----------
    meters : DataFrame
        `transforms.match.METERS`.
    moments : DataFrame or Moments
        Those of the meters with a ``meter_no``; a frame holds them in the long form.
    fleet : DataFrame
        The fleet table of the registered meters.
    calibration : DataFrame or None
        From `calibration_status`; None where every reference counts as calibrated.
    policy : Policy
        Everything that decides.
    window : Window
        The span judged.
    look : callable
        Gives the samples of a few meters for a second look.

    Returns
    -------
    DataFrame
        Columns `JUDGED`, one row per meter given, sorted by feature code.
    """
    listed = with_references(meters.join(fleet, on="feature_code", how="left"), calibration, policy)
    paired = listed.filter(pl.col("meter_no").is_not_null()).sort("meter_no")
    columns = {"feature_code": paired["feature_code"].to_list()}
    found = pl.DataFrame(columns, schema={"feature_code": pl.String})
    if not paired.is_empty():
        sums = moments
        if isinstance(sums, pl.DataFrame):
            sums = Moments.from_frame(sums, paired.height, policy.window.parts)
        found = _judge_paired(paired, sums, policy, window, look)
    rest = listed.filter(pl.col("meter_no").is_null())
    return _complete(pl.concat([found, unpaired(rest)], how="diagonal_relaxed"), listed, window)


def judge_silent(fleet: pl.DataFrame, seen: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Rows for the registered meters that nothing was heard of or about in the window."""
    silent = fleet.join(seen.select("feature_code"), on="feature_code", how="anti").with_columns(
        flowmeter_id=pl.lit(None, pl.String)
    )
    verdicts = silent.select(
        "feature_code",
        verdict=pl.lit("inconclusive"),
        reason=pl.lit("meter_missing"),
        n_pairs=pl.lit(0, pl.Int64),
        n_flowing=pl.lit(0, pl.Int64),
        coverage=pl.lit(0.0),
    )
    return _complete(verdicts, silent, window)


def set_changed_aside(judged: pl.DataFrame, codes: Sequence[str]) -> pl.DataFrame:
    """The same verdicts; meters that changed within the window and measured too little afterwards say so."""
    short = judged.filter(
        pl.col("feature_code").is_in(list(codes)) & pl.col("reason").is_in(["too_few_pairs", "no_flow"])
    )
    return set_aside(judged, short["feature_code"].to_list(), "parameters_changed")


def set_aside(judged: pl.DataFrame, codes: Sequence[str], reason: str) -> pl.DataFrame:
    """The same verdicts with some meters made inconclusive for a reason that their readings cannot tell."""
    if not codes:
        return judged
    chosen = pl.col("feature_code").is_in(list(codes))
    return judged.with_columns(
        verdict=pl.when(chosen).then(pl.lit("inconclusive")).otherwise("verdict"),
        reason=pl.when(chosen).then(pl.lit(reason)).otherwise("reason"),
        form=pl.when(chosen).then(None).otherwise("form"),
    )


def with_references(listed: pl.DataFrame, calibration: pl.DataFrame | None, policy: Policy) -> pl.DataFrame:
    """Meters with what is known of their references: ``reference_valid``, ``reference_known``, ``reference_uncertainty``
    and ``calibrated_on``."""
    if calibration is None:
        return listed.with_columns(
            reference_valid=pl.lit(True),
            reference_known=pl.lit(True),
            reference_uncertainty=pl.lit(policy.reference.uncertainty),
            calibrated_on=pl.lit(None, pl.Date),
        )
    return listed.join(calibration, on="flowmeter_id", how="left").with_columns(
        reference_known=pl.col("reference_valid").is_not_null(),
        reference_valid=pl.col("reference_valid").fill_null(False),
        reference_uncertainty=pl.col("reference_uncertainty").fill_null(policy.reference.uncertainty),
    )


def unpaired(rest: pl.DataFrame) -> pl.DataFrame:
    """Meters without a single pair, and why."""
    return rest.select(
        "feature_code",
        verdict=pl.lit("inconclusive"),
        reason=blocked_by().fill_null("too_few_pairs"),
        n_pairs=pl.lit(0, pl.Int64),
        n_flowing=pl.lit(0, pl.Int64),
        coverage=pl.lit(0.0),
    )


def _complete(verdicts: pl.DataFrame, listed: pl.DataFrame, window: Window) -> pl.DataFrame:
    """Add who and when, in the published order of columns."""
    full = verdicts.join(listed.select("feature_code", "flowmeter_id", "model"), on="feature_code").with_columns(
        window_start=pl.lit(window.start), window_end=pl.lit(window.end)
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in JUDGED.items() if name not in full.columns]
    return (
        full.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in JUDGED.items()).sort("feature_code")
    )


@dataclass(frozen=True)
class Worked:
    """All steps from the moments of paired meters to their verdicts, arrays over the meters."""

    model: Model
    reference: Reference
    found: Findings
    n_pairs: np.ndarray
    coverage: Floats
    standing: Standing
    second: SecondLook
    verdict: np.ndarray
    reason: np.ndarray
    form: np.ndarray


def work_out(
    paired: pl.DataFrame,
    moments: Moments,
    policy: Policy,
    window: Window,
    look: Look | SecondLook,
    number: Ints | None = None,
    *,
    sparing: bool = False,
) -> Worked:
    """Judge the paired meters, one step after the other.

    Parameters
    ----------
    window
        The window, or, of several, any of them.
    look
        Gives samples for a second look; or what such a look found earlier, and then nobody is looked at again.
    number
        The window of each row, where the rows are those of several windows of one length.
    sparing
        Work out in detail only the meters in doubt: no other verdict says anything of what they would add.
    """
    model, reference = numbers_of(paired, policy)
    found = first_findings(moments, model, reference, policy)
    n_pairs = moments.total("n")
    window_us = window.length.total_seconds() * 1e6
    coverage = np.minimum(n_pairs * paired["interval_us"].fill_null(0).to_numpy() / window_us, 1.0)
    standing = stand(paired, moments, found, model, coverage, policy)
    rows = np.flatnonzero(standing.doubtful) if sparing else np.arange(paired.height)
    found = with_details(found, moments, model, reference, policy, rows)
    if isinstance(look, SecondLook):
        second = look.only(standing.doubtful & look.looked)
    else:
        whom = choose_whom(standing.doubtful, found, policy, number)
        second = take_second_look(whom, look, found, paired, model, reference, policy)
    found = replace(found, published=with_robust(found.published, second.robust, found.choice.index, reference))
    verdict, reason, form = climb(standing, found, second, model, policy)
    return Worked(model, reference, found, n_pairs, coverage, standing, second, verdict, reason, form)


def _judge_paired(paired: pl.DataFrame, moments: Moments, policy: Policy, window: Window, look: Look) -> pl.DataFrame:
    worked = work_out(paired, moments, policy, window, look, sparing=True)
    return tell(paired, moments, policy, worked, pl.Series([window.start]))


def tell(paired: pl.DataFrame, moments: Moments, policy: Policy, worked: Worked, starts: pl.Series) -> pl.DataFrame:
    """What was worked out of the paired meters, in the columns that the outbox has, and `EXTRAS`.

    Parameters
    ----------
    starts
        When the window began: of each row, or one for all.
    """
    model, reference, found, standing = worked.model, worked.reference, worked.found, worked.standing
    second, verdict, reason, form = worked.second, worked.verdict, worked.reason, worked.form
    columns: dict[str, object] = {
        "feature_code": paired["feature_code"],
        "calibrated_on": paired["calibrated_on"],
        "verdict": verdict.tolist(),
        "form": form.tolist(),
        "reason": reason.tolist(),
        "n_pairs": worked.n_pairs,
        "coverage": worked.coverage,
        "doubtful": standing.doubtful,
        "looked_at": second.looked,
        **measured(moments, found, model, verdict, policy),
        **_looked(second, paired, model, starts, form == "curve"),
    }
    steady = verdict == "steady"
    columns["imprecise"] = steady & imprecise(moments, found, second, model, reference, form, policy)
    columns["unproven"] = steady & (unproven(moments, found, model, policy) | ~second.looked)
    columns["marginal"] = steady & marginal(found, policy)
    columns["pairs_needed"] = pl.Series(pairs_needed(standing, found, model, reference, reason, policy)).replace(
        0, None
    )
    return pl.DataFrame(columns, schema_overrides={"verdict": pl.String, "form": pl.String, "reason": pl.String})


def measured(moments: Moments, found: Findings, model: Model, verdict: np.ndarray, policy: Policy) -> dict[str, object]:
    """The columns that the moments give."""
    off = (verdict == "steady") | (verdict == "unsteady")
    lines, unit = found.published, model.unit_lph
    sx, sy = (moments.total(name, FLOWING).astype(np.float64) for name in ("sx", "sy"))
    lowest, highest = (moments.total(name, FLOWING).astype(np.float64) for name in ("x_min", "x_max"))
    some = found.flowing > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        columns: dict[str, object] = {
            "n_flowing": found.flowing,
            "mean_diff_lph": _known((sy - sx) / found.flowing * unit, some),
            "share_in_band": _known(found.share, some),
            "volume_error": _known(sy / sx - 1, some),
            "q_min_lph": _known(lowest * unit, some),
            "q_max_lph": _known(highest * unit, some),
            "drift_spread": _known(found.spread, some),
            "scatter_ratio": _known(found.scatter_ratio, some),
            "a1": _known(lines.a1, off),
            "a1_se": _known(lines.a1_se, off),
            "a2": _known(lines.a2 * unit, off),
            "a2_se": _known(lines.a2_se * unit, off),
            "r2": _known(found.r2, off),
            "residual_std_lph": _known(found.residual * unit, off),
            "correlation": _known(lines.correlation, off),
        }
    for z, zone in enumerate(ZONE_NAMES):
        enough = found.zones.n[z] >= policy.evidence.min_zone_pairs
        columns[f"error_{zone}"] = _known(found.zones.error[z], enough)
        columns[f"uncertainty_{zone}"] = _known(found.zones.expanded[z], enough)
    return columns


def _looked(
    second: SecondLook, paired: pl.DataFrame, model: Model, starts: pl.Series, curve: Bools
) -> dict[str, object]:
    """The columns that the second look gives."""
    interval_s = paired["interval_us"].fill_null(0).to_numpy() / 1e6
    changed = pl.Series(np.where(second.step, second.changed_us, 0)).replace(0, None).cast(pl.Duration("us"))
    unit = model.unit_lph
    return {
        "lag_s": _known(second.lag * interval_s, second.skewed),
        "changed_at": changed + starts.cast(VERDICTS["changed_at"]),
        "dead_share": _known(second.dead, second.looked),
        "curve_q_lph": _points(second.curve_q, unit, curve),
        "curve_q_meter_lph": _points(second.curve_q_meter, unit, curve),
        "curve_error_lph": _known(second.curve_error * unit, curve),
    }


def _points(values: Floats, unit: Floats, where: Bools) -> pl.Series:
    """The points of curves as lists in L/h, null where there is no curve."""
    rows = np.flatnonzero(where)
    found = [points[np.isfinite(points)] for points in values[rows] * unit[rows, None]]
    place = np.full(len(where), -1, dtype=np.int32)
    place[rows] = np.arange(len(rows))
    return pl.Series(found, dtype=pl.List(pl.Float64)).gather(pl.Series(place).replace(-1, None))


def _known(values: Floats, where: Bools) -> pl.Series:
    """A column that is null, not NaN, where there is nothing to say."""
    return pl.Series(np.where(where, values, np.nan), dtype=pl.Float64).fill_nan(None)
