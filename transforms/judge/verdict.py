"""Verdicts: each meter of a bucket with its verdict, the reason and the numbers behind it, as the outbox has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from transforms.judge.columns import JUDGED, columns_of, extras_of, frame_of, published
from transforms.judge.paired import Paired, blocked_in
from transforms.judge.second_look import Look
from transforms.judge.words import NONE, REASON, REASON_NAMES, in_words
from transforms.judge.worked import work_out
from transforms.policy import Policy
from transforms.summarise.moments import Moments
from transforms.windows import Window


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
    blocked = blocked_in(rest)
    reasons = np.where(blocked == NONE, REASON["too_few_pairs"], blocked)
    return rest.select(
        "feature_code",
        verdict=pl.lit("inconclusive"),
        reason=in_words(reasons, REASON_NAMES),
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


def _judge_paired(paired: pl.DataFrame, moments: Moments, policy: Policy, window: Window, look: Look) -> pl.DataFrame:
    known = Paired.of(paired, policy)
    worked = work_out(known, moments, policy, window, look, sparing=True)
    start_us = int(window.start.timestamp()) * 1_000_000
    told = columns_of(known, moments, policy, worked, start_us) | extras_of(moments, policy, worked)
    return frame_of(published(told, worked.model.unit_lph)).with_columns(
        paired["feature_code"], paired["calibrated_on"]
    )
