"""Readings of a few meters, laid out as the judge sees them: registry rows, moments, and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.judge.evidence import Model, Reference
from transforms.judge.findings import Findings, find, numbers_of
from transforms.judge.ladder import Standing, climb, stand
from transforms.judge.paired import blocked_in
from transforms.judge.samples import Samples
from transforms.judge.second_look import SecondLook
from transforms.judge.words import REASON_NAMES, VERDICT_NAMES
from transforms.metrology import MPE
from transforms.policy import Policy
from transforms.summarise.moments import FRAME, Moments
from transforms.summarise.pairs import Pairs

Floats = npt.NDArray[np.float64]
SCALE = 1_000_000
WINDOW_US = 12 * 3600 * 1_000_000
INTERVAL_US = 900 * 1_000_000


@dataclass(frozen=True)
class Kind:
    """A model of meter as models.toml states it, flows in L/h."""

    q1: float = 15.625
    q3: float = 2500.0
    accuracy_class: int = 2
    band: tuple[float, float] = (4.0, 60.0)
    repeatability: float = 0.01
    resolution: float = 1.0

    @property
    def q2(self) -> float:
        return 1.6 * self.q1

    @property
    def per_lph(self) -> float:
        return SCALE / self.q3


def paired_frame(meters: int, kind: Kind, uncertainty: float = 0.005) -> pl.DataFrame:
    """The rows of some meters that nothing is known against; ``uncertainty`` of the references, k = 2."""
    low, high = MPE[kind.accuracy_class]
    one: dict[str, Any] = {
        "model": "M",
        "conflict": False,
        "n_meter": 48,
        "n_reference": 48,
        "reference_known": True,
        "reference_valid": True,
        "reference_uncertainty": uncertainty,
        "per_lph": kind.per_lph,
        "mpe_low": low,
        "mpe_high": high,
        "band_low_u": round(kind.band[0] * kind.per_lph),
        "band_high_u": round(kind.band[1] * kind.per_lph),
        "proportion": 0.95,
        "repeatability": kind.repeatability,
        "resolution_lph": kind.resolution,
        "q1_u": round(kind.q1 * kind.per_lph),
        "q2_u": round(kind.q2 * kind.per_lph),
        "interval_us": INTERVAL_US,
        "from_register": False,
    }
    return pl.DataFrame({"meter_no": np.arange(meters), **{name: [value] * meters for name, value in one.items()}})


def moments_of(us: npt.NDArray[np.int64], q: Floats, q_meter: Floats, kind: Kind, parts: int = 4) -> Moments:
    """The sums of pairs, arrays of shape (meters, pairs): time since the window's start [us], flows [L/h], NaN for none.

    The bins are those of moments.sql.
    """
    meters, pairs = q.shape
    there = ~(np.isnan(q) | np.isnan(q_meter))
    x, y = (np.rint(np.where(there, flow, 0.0) * kind.per_lph).astype(np.int64) for flow in (q, q_meter))
    borders = [round(kind.q1 * kind.per_lph), round(kind.q2 * kind.per_lph), 31_623, 100_000, 316_228, SCALE]
    low, high = (round(edge * kind.per_lph) for edge in kind.band)
    frame = pl.DataFrame(
        {
            "meter_no": np.repeat(np.arange(meters), pairs),
            "part": (us * parts // WINDOW_US).ravel(),
            "bin": np.searchsorted(borders, x.ravel(), side="right"),
            "x": x.ravel(),
            "y": y.ravel(),
        }
    ).filter(pl.Series(there.ravel()))
    up, down = pl.col("y") - pl.col("x"), pl.col("x") - pl.col("y")
    sums = frame.group_by("meter_no", "part", "bin").agg(
        n=pl.len(),
        sx=pl.col("x").sum(),
        sy=pl.col("y").sum(),
        sxx=(pl.col("x") ** 2).sum(),
        sxy=(pl.col("x") * pl.col("y")).sum(),
        syy=(pl.col("y") ** 2).sum(),
        x_min=pl.col("x").min(),
        x_max=pl.col("x").max(),
        y_min=pl.col("y").min(),
        y_max=pl.col("y").max(),
        n_above=(up > 0).sum(),
        n_below=(down > 0).sum(),
        n_band_above=up.is_between(low, high).sum(),
        n_band_below=down.is_between(low, high).sum(),
    )
    return Moments.from_frame(sums.select(pl.col(name).cast(kind_) for name, kind_ in FRAME.items()), meters, parts)


@dataclass(frozen=True)
class Judged:
    """What the moments of some meters gave."""

    moments: Moments
    model: Model
    reference: Reference
    found: Findings
    standing: Standing
    verdict: npt.NDArray[np.str_]
    reason: npt.NDArray[np.str_]


def judge_moments(
    us: npt.NDArray[np.int64], q: Floats, q_meter: Floats, kind: Kind, policy: Policy, uncertainty: float = 0.005
) -> Judged:
    """Judge some meters from their moments alone, without a second look."""
    paired = paired_frame(len(q), kind, uncertainty)
    moments = moments_of(us, q, q_meter, kind, policy.window.parts)
    model, reference = numbers_of(paired, policy)
    found = find(moments, model, reference, policy)
    standing = stand(blocked_in(paired), moments, found, model, np.ones(len(q)), policy)
    verdict, reason, _ = climb(standing, found, SecondLook.none(len(q)), model, policy)
    told = (np.array(names)[numbers] for names, numbers in ((VERDICT_NAMES, verdict), (REASON_NAMES, reason)))
    return Judged(moments, model, reference, found, standing, *told)


def samples_of(us: npt.NDArray[np.int64], q: Floats, q_meter: Floats, kind: Kind) -> Samples:
    """The same pairs as the second look sees them."""
    meters = len(q)
    model, reference = numbers_of(paired_frame(meters, kind), Policy())
    there = ~(np.isnan(q) | np.isnan(q_meter))
    meter_no = np.broadcast_to(np.arange(meters)[:, None], q.shape)
    when = np.broadcast_to(us, q.shape)
    pairs = Pairs.of(meter_no[there], when[there], q[there] * kind.per_lph, q_meter[there] * kind.per_lph)
    return Samples.of(pairs, np.full(meters, INTERVAL_US), np.full(meters, kind.q1 * kind.per_lph), model, reference)


def every_quarter_hour(meters: int, pairs: int = 48) -> npt.NDArray[np.int64]:
    """Instants of pairs, (meters, pairs), from the window's start on [us]."""
    return np.tile(np.arange(pairs, dtype=np.int64) * INTERVAL_US, (meters, 1))
