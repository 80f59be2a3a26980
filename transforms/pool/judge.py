"""Judging pools: the sums of several windows, judged by the functions that judge one.

A pool tells whether a meter is healthy, steadily off, or still undecided. It never calls one unsteady, which shows within a
window, and a curve wants one window that shows it. The relation must be the same over the whole pool; where it is not, the
newer half is asked, and so on; where only the newest window is left, that stands for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from transforms.fit.lines import Floats, Ints
from transforms.judge.coarse import made_of_sums, may_be_rounding, meter_steps_of, reference_steps_of
from transforms.judge.columns import JUDGED, frame_of, measured, published
from transforms.judge.evidence import Bools
from transforms.judge.findings import find, numbers_of, picked
from transforms.judge.ladder import climb, stand
from transforms.judge.paired import blocked_in
from transforms.judge.precision import imprecise, marginal, unproven
from transforms.judge.second_look import SecondLook
from transforms.judge.verdict import with_references
from transforms.judge.words import HEALTHY, REASON, STEADY
from transforms.policy import Policy
from transforms.pool.gather import Earlier, gather, whom_to_ask
from transforms.pool.trend import trend_test
from transforms.schemas import UTC_US
from transforms.summarise.moments import SUMS, Moments
from transforms.windows import Window

#: parts of a pool between which the relation may not change, each of whole windows
PARTS = 8
#: meters that are worked on at once, which bounds the memory
MOST = 10_000


def judge_pooled(
    judged: pl.DataFrame,
    sums: pl.DataFrame,
    earlier: Sequence[Earlier],
    fleet: pl.DataFrame,
    calibration: pl.DataFrame | None,
    same: pl.DataFrame,
    policy: Policy,
    window: Window,
) -> pl.DataFrame:
    """Judge the meters whose own window leaves something open on this and earlier windows together.

    Parameters
    ----------
    judged : DataFrame
        The window's own verdicts, `JUDGED`.
    sums : DataFrame
        The window's own sums, `transforms.schemas.MOMENTS`.
    earlier : sequence
        Earlier runs, the newest first, as many as may be looked at.
    fleet : DataFrame
        The fleet table.
    calibration : DataFrame or None
        From `transforms.judge.calibration_status`.
    same : DataFrame
        ``feature_code``, ``since``: from when on a meter is surely the same as now, for those for which that is not
        always; null where that is not known yet, and nothing is added up.

    Returns
    -------
    DataFrame
        `JUDGED` for the meters that the pools tell something of, with the columns ``pooled_windows`` and ``pooled_since``
        filled, sorted by feature code. ``n_pairs`` and ``coverage`` stay those of the window.
    """
    empty = pl.DataFrame(schema=JUDGED)
    asked = (
        whom_to_ask(judged).select("feature_code", "flowmeter_id", "n_pairs", "coverage").join(fleet, on="feature_code")
    )
    unknown = same.filter(pl.col("since").is_null())
    asked = asked.join(unknown, on="feature_code", how="anti").join(same, on="feature_code", how="left")
    if asked.is_empty() or not earlier:
        return empty
    relative = pl.col("repeatability") ** 2 + policy.reference.repeatability**2
    asked = with_references(asked, calibration, policy).with_columns(relative=relative).sort("feature_code")
    pool = gather(asked, sums, earlier)
    starts = [window.start, *(run.start for run in earlier)]
    rows = [
        _judge_some(some, pool, starts, policy)
        for begin in range(0, asked.height, MOST)
        if not (some := asked.slice(begin, MOST)).is_empty()
    ]
    found = pl.concat([pl.DataFrame(schema={"feature_code": pl.String}), *rows], how="diagonal_relaxed")
    if found.is_empty():
        return empty
    own = asked.select("feature_code", "flowmeter_id", "model", "n_pairs", "coverage", "calibrated_on")
    full = found.join(own, on="feature_code").with_columns(
        window_start=pl.lit(window.start),
        window_end=pl.lit(window.end),
        doubtful=pl.lit(False),
        looked_at=pl.lit(False),
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in JUDGED.items() if name not in full.columns]
    return (
        full.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in JUDGED.items()).sort("feature_code")
    )


def _judge_some(asked: pl.DataFrame, pool: pl.DataFrame, starts: list[datetime], policy: Policy) -> pl.DataFrame:
    """The settled ones of some meters: those whose relation changes over the pool are asked of its newer half."""
    settled = []
    pool = pool.join(asked.select("feature_code"), on="feature_code", how="semi")
    while not asked.is_empty():
        deep = pool.group_by("feature_code").agg(oldest=pl.col("back").max(), windows=pl.col("back").n_unique())
        asked = (
            asked.drop("oldest", "windows", strict=False)
            .join(deep.filter(pl.col("windows") > 1), on="feature_code")
            .sort("feature_code")
        )
        if asked.is_empty():
            break
        rows, moving = _judge_pools(asked, pool, starts, policy)
        settled.append(rows)
        asked = asked.filter(pl.Series(moving))
        pool = (
            pool.join(asked.select("feature_code", "oldest"), on="feature_code")
            .filter(pl.col("back") <= pl.col("oldest") // 2)
            .drop("oldest")
        )
    return pl.concat(settled) if settled else pl.DataFrame(schema={"feature_code": pl.String})


def _judge_pools(
    asked: pl.DataFrame, pool: pl.DataFrame, starts: list[datetime], policy: Policy
) -> tuple[pl.DataFrame, Bools]:
    """The settled ones of some meters, and whose relation is not the same all over the pool."""
    count = asked.height
    moments = _added_up(asked, pool)
    model, reference = numbers_of(asked, policy)
    found = find(moments, model, reference, policy)
    p, change = trend_test(moments, found, policy.judge.prior_pairs)
    matters = np.abs(change) > model.mpe[1] * policy.tolerance / 2
    moving = np.asarray(found.drifting | (matters & (p < policy.judge.form_significance)))
    paired = asked.with_columns(conflict=pl.lit(False), n_meter=pl.lit(1), n_reference=pl.lit(1))
    standing = stand(blocked_in(paired), moments, found, model, np.ones(count), policy)
    nothing = SecondLook.none(count)
    verdict, reason, form = climb(standing, found, nothing, model, policy)
    steady = verdict == STEADY
    told = (verdict == HEALTHY) | (reason == REASON["undecided"]) | (steady & ~found.curved & ~standing.backwards)
    settled = ~moving & told
    rounded, some = np.zeros(count, dtype=bool), np.flatnonzero(steady & settled)
    if len(some):
        cut_off = _cut_off(asked["feature_code"].gather(some), pool, model.resolution[some])
        made = made_of_sums(moments.pick(some), found.weights(moments)[:, some], cut_off)
        zones = picked(found.zones, some)
        rounded[some] = (cut_off > 0) & may_be_rounding(made, zones, picked(model, some), policy.tolerance)
    columns = {
        "verdict": verdict,
        "form": form,
        "reason": reason,
        **published(measured(moments, found, model, verdict, policy), model.unit_lph),
        "share_in_band": np.full(count, np.nan),
        "imprecise": steady & (imprecise(moments, found, nothing, model, reference, form, policy) | rounded),
        "marginal": steady & marginal(found, policy),
        "unproven": steady & unproven(moments, found, model, policy),
    }
    rows = frame_of(columns).with_columns(
        asked["feature_code"],
        pooled_windows=asked["windows"].cast(pl.Int64),
        pooled_since=pl.Series(starts, dtype=UTC_US).gather(asked["oldest"]),
    )
    return rows.filter(pl.Series(settled)), moving


def _cut_off(codes: pl.Series, pool: pl.DataFrame, resolution: Floats) -> Floats:
    """How much the references of some meters, and the meters themselves, may cut off of each reading: their steps, told from the
    least and the largest flow of each bin in each window; 0 where those do not tell one."""
    flowing = pool.filter(pl.col("bin") > 0)
    # what a register cuts off of one flow it adds to the next
    by_register = flowing.group_by("feature_code").agg(pl.col("from_register").any())
    told = codes.to_frame().join(by_register, on="feature_code", how="left", maintain_order="left")["from_register"]
    own = meter_steps_of(*_ends(codes, flowing, "y"), resolution)
    return reference_steps_of(*_ends(codes, flowing, "x")) + np.where(told.fill_null(False).to_numpy(), 0.0, own)


def _ends(codes: pl.Series, flowing: pl.DataFrame, axis: str) -> tuple[Ints, Floats]:
    """The least and the largest flows of some meters in one list, and where those of each begin, and one more."""
    low, high = f"{axis}_min", f"{axis}_max"
    # where both are the same that is one reading, as far as can be told
    ends = flowing.select("feature_code", flow=low), flowing.filter(pl.col(high) > pl.col(low))
    shown = pl.concat([ends[0], ends[1].select("feature_code", flow=high)])
    numbered = pl.DataFrame({"feature_code": codes, "row": np.arange(len(codes))})
    listed = shown.join(numbered, on="feature_code").sort("row", "flow")
    first = np.searchsorted(listed["row"].to_numpy(), np.arange(len(codes) + 1))
    return first, listed["flow"].to_numpy().astype(np.float64)


def _added_up(asked: pl.DataFrame, pool: pl.DataFrame) -> Moments:
    """The sums of each meter's pool, its windows in order of time in `PARTS` parts."""
    numbered = asked.select("feature_code", "oldest").with_row_index("meter_no")
    part = (pl.col("oldest") - pl.col("back")) * PARTS // (pl.col("oldest") + 1)
    frame = (
        pool.join(numbered, on="feature_code")
        .with_columns(part=part)
        .group_by("meter_no", "part", "bin")
        .agg(
            pl.col("n", "sx", "sy", "sxx", "sxy", "syy").sum(),
            pl.col("x_min", "y_min").min(),
            pl.col("x_max", "y_max").max(),
        )
    )
    # The threshold test is for single windows: a constant band says nothing about the change from window to window.
    counts = [pl.lit(0, pl.Int64).alias(name) for name in SUMS if name not in frame.columns]
    return Moments.from_frame(frame.with_columns(counts), asked.height, PARTS)
