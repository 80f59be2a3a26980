"""The ladder from evidence to verdict: can we judge, is it off at all, is it off steadily, or else how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.fit import FORMS
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import FLOWING, ZONE_NAMES, Bools
from transforms.judge.findings import Findings, find, numbers_of
from transforms.policy import Policy
from transforms.schemas import VERDICTS
from transforms.summarise.moments import Moments
from transforms.windows import Window

#: what later rooms need beyond the published columns
EXTRAS: dict[str, pl.DataType | type[pl.DataType]] = {
    "drift_spread": pl.Float64,
    "scatter_ratio": pl.Float64,
}
JUDGED = {**VERDICTS, **EXTRAS}


def judge_bucket(
    meters: pl.DataFrame,
    moments: pl.DataFrame,
    fleet: pl.DataFrame,
    calibration: pl.DataFrame | None,
    policy: Policy,
    window: Window,
) -> pl.DataFrame:
    """Give each meter of a bucket its verdict.

    Parameters
    ----------
    meters : DataFrame
        `transforms.match.METERS`.
    moments : DataFrame
        Long form of the meters' moments.
    fleet : DataFrame
        The fleet table of the registered meters.
    calibration : DataFrame or None
        From `calibration_status`; None where every reference counts as calibrated.
    policy : Policy
        Everything that decides.
    window : Window
        The span judged.

    Returns
    -------
    DataFrame
        Columns `JUDGED`, one row per meter given, sorted by feature code.
    """
    listed = _with_references(meters.join(fleet, on="feature_code", how="left"), calibration, policy)
    paired = listed.filter(pl.col("meter_no").is_not_null()).sort("meter_no")
    columns = {"feature_code": paired["feature_code"].to_list()}
    found = pl.DataFrame(columns, schema={"feature_code": pl.String})
    if not paired.is_empty():
        found = _judge_paired(paired, Moments.from_frame(moments, paired.height, policy.window.parts), policy, window)
    rest = listed.filter(pl.col("meter_no").is_null())
    return _complete(pl.concat([found, _unpaired(rest)], how="diagonal_relaxed"), listed, window)


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


def _with_references(listed: pl.DataFrame, calibration: pl.DataFrame | None, policy: Policy) -> pl.DataFrame:
    if calibration is None:
        return listed.with_columns(
            reference_valid=pl.lit(True),
            reference_known=pl.lit(True),
            reference_uncertainty=pl.lit(policy.reference.uncertainty),
        )
    return listed.join(calibration, on="flowmeter_id", how="left").with_columns(
        reference_known=pl.col("reference_valid").is_not_null(),
        reference_valid=pl.col("reference_valid").fill_null(False),
        reference_uncertainty=pl.col("reference_uncertainty").fill_null(policy.reference.uncertainty),
    )


def _blocked() -> pl.Expr:
    """Why a meter cannot be judged, whatever its readings say; null where nothing stands in the way."""
    return (
        pl.when(pl.col("model").is_null())
        .then(pl.lit("unregistered"))
        .when(pl.col("conflict"))
        .then(pl.lit("pairing_conflict"))
        .when(pl.col("n_meter") == 0)
        .then(pl.lit("meter_missing"))
        .when(pl.col("n_reference") == 0)
        .then(pl.lit("reference_missing"))
        .when(~pl.col("reference_known"))
        .then(pl.lit("reference_unregistered"))
        .when(~pl.col("reference_valid"))
        .then(pl.lit("reference_expired"))
    )


def _unpaired(rest: pl.DataFrame) -> pl.DataFrame:
    return rest.select(
        "feature_code",
        verdict=pl.lit("inconclusive"),
        reason=_blocked().fill_null("too_few_pairs"),
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


def _judge_paired(paired: pl.DataFrame, moments: Moments, policy: Policy, window: Window) -> pl.DataFrame:
    model, reference = numbers_of(paired, policy)
    found = find(moments, model, reference, policy)
    n_pairs = moments.total("n")
    window_us = window.length.total_seconds() * 1e6
    coverage = np.minimum(n_pairs * paired["interval_us"].fill_null(0).to_numpy() / window_us, 1.0)
    verdict, reason = _ladder(paired, found, n_pairs, coverage, policy)
    steady = verdict == "steady"
    off = steady | (verdict == "unsteady")
    lines, unit = found.choice.lines, model.unit_lph
    sx, sy = (moments.total(name, FLOWING).astype(np.float64) for name in ("sx", "sy"))
    lowest, highest = (moments.total(name, FLOWING).astype(np.float64) for name in ("x_min", "x_max"))
    some = found.flowing > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        columns: dict[str, object] = {
            "feature_code": paired["feature_code"].to_list(),
            "verdict": verdict.tolist(),
            "form": [FORMS[i] if s else None for i, s in zip(found.choice.index, steady, strict=True)],
            "reason": reason.tolist(),
            "n_pairs": n_pairs,
            "n_flowing": found.flowing,
            "coverage": coverage,
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
    return pl.DataFrame(columns, schema_overrides={"verdict": pl.String, "form": pl.String, "reason": pl.String})


def _known(values: Floats, where: Bools) -> pl.Series:
    """A column that is null, not NaN, where there is nothing to say."""
    return pl.Series(np.where(where, values, np.nan), dtype=pl.Float64).fill_nan(None)


def _ladder(
    paired: pl.DataFrame, found: Findings, n_pairs: Ints, coverage: Floats, policy: Policy
) -> tuple[np.ndarray, np.ndarray]:
    zones, need = found.zones, policy.evidence
    blocked = paired.select(_blocked()).to_series().to_numpy()
    evidence = zones.inside | zones.outside | zones.open
    seen = np.where(evidence, zones.volume, 0.0).sum(axis=0) >= 0.5 * zones.volume.sum(axis=0)
    outside = zones.outside.any(axis=0)
    healthy = ~outside & ~zones.open.any(axis=0) & zones.inside.any(axis=0) & seen & ~found.stuck
    by_threshold = found.threshold & ("threshold" in policy.precheck.tests)
    by_mapping = found.mapping & ("mapping" in policy.precheck.tests)
    steady = outside & (by_threshold | by_mapping) & ~found.drifting & ~found.stuck
    unsteady = found.stuck | (outside & ~steady) | (~healthy & found.excessive)
    form = np.asarray(FORMS)[found.choice.index]
    steps = [
        (np.asarray([b is not None for b in blocked]), "inconclusive", blocked),
        ((n_pairs < need.min_pairs) | (coverage < need.min_coverage), "inconclusive", "too_few_pairs"),
        (found.flowing < need.min_flowing, "inconclusive", "no_flow"),
        (healthy, "healthy", "within_mpe"),
        (steady, "steady", np.char.add(form, np.where(by_threshold, "_in_band", "_mapping"))),
        (unsteady & found.stuck, "unsteady", "stuck"),
        (unsteady & found.drifting, "unsteady", "drifting"),
        (unsteady, "unsteady", "scatter"),
    ]
    verdict = np.full(len(blocked), "inconclusive", dtype=object)
    reason = np.full(len(blocked), "undecided", dtype=object)
    open_ = np.ones(len(blocked), dtype=bool)
    for holds, name, why in steps:
        now = open_ & holds
        verdict[now] = name
        reason[now] = why[now] if isinstance(why, np.ndarray) else why
        open_ &= ~holds
    return verdict, reason
