"""Meter and flowmeter together: both tell of one pipe, so a wrong unit, label or clock shows between them."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import polars as pl

from transforms.crosscheck.concern import Concern
from transforms.crosscheck.factors import taken_for

_FEWEST: Final = 12
#: meters with an error beyond this are no meters any more, but another unit
_RATIO: Final = 1.6
#: so many meters are asked for a lag, those with most pairs
_ASKED: Final = 20
#: how far meter and flowmeter are moved against each other [s]
_FARTHEST: Final = 14 * 3600
#: below this their flows are so unlike that a lag may be why; above this they are alike; and by how much it must help
_UNLIKE, _ALIKE, _BETTER = 0.9, 0.8, 0.15


def about_pairs(steps: pl.DataFrame) -> list[Concern]:
    """Concerns about readings of meters beside those of their flowmeters; none where only one stream is there."""
    known = steps.filter(pl.col("code").is_not_null() & pl.col("lph").is_not_null())
    meter, flowmeter = (
        known.filter(pl.col("stream") == stream)
        .select("code", "timestamp", "lph", "usual_s")
        .unique(["code", "timestamp"], maintain_order=True)
        for stream in ("meter", "flowmeter")
    )
    if meter.is_empty() or flowmeter.is_empty():
        return []
    shared = meter.filter(pl.col("code").is_in(flowmeter["code"].unique().implode()))
    if shared.is_empty():
        return [
            Concern(
                "no_pairs",
                f"no meter, such as {meter['code'][0][:60]!r}, has a flowmeter among {flowmeter['code'].n_unique():,} others, "
                f"such as {flowmeter['code'][0][:60]!r}",
                grave=True,
            )
        ]
    pairs = shared.join(flowmeter, on=["code", "timestamp"], suffix="_ref", maintain_order="left")
    found = []
    if 2 * pairs.height < shared.height:
        found.append(
            Concern(
                "few_pairs",
                f"only {pairs.height:,} of {shared.height:,} readings of meters have one of their flowmeter at the same instant: "
                "do their clocks, zones or intervals differ?",
                grave=pairs.is_empty(),
            )
        )
    return [*found, *_ratio(pairs), *_lag(shared, flowmeter)]


def _ratio(pairs: pl.DataFrame) -> list[Concern]:
    sums = (
        pairs.group_by("code")
        .agg(n=pl.len(), meter=pl.col("lph").sum(), flowmeter=pl.col("lph_ref").sum())
        .filter((pl.col("n") >= _FEWEST) & (pl.col("meter") > 0) & (pl.col("flowmeter") > 0))
        .with_columns(ratio=pl.col("meter") / pl.col("flowmeter"))
        .sort("code")
    )
    if sums.is_empty():
        return []
    ratio = float(np.median(sums["ratio"].to_numpy()))
    if 1 / _RATIO < ratio < _RATIO:
        return []
    why = taken_for(ratio)
    guess = f", as of the meter {why}, or the other way round of the flowmeter" if why else ""
    return [
        Concern(
            "ratio",
            f"meters show {ratio:.4g} times the volume of their flowmeters (the median of {sums.height:,}{guess}): look at the "
            "units",
            grave=True,
        )
    ]


def _lag(meter: pl.DataFrame, flowmeter: pl.DataFrame) -> list[Concern]:
    """Whether the meters' flows are those of their flowmeters some intervals earlier or later."""
    counts = meter.group_by("code").agg(n=pl.len()).sort("n", "code", descending=[True, False]).head(_ASKED)
    lags: list[int] = []
    usual = float(meter["usual_s"].median() or 0.0)  # type: ignore[arg-type]
    if usual <= 0:
        return []
    for code in counts["code"]:
        one, other = (frame.filter(pl.col("code") == code) for frame in (meter, flowmeter))
        lag = _best_lag(one, other, usual)
        if lag is not None:
            lags.append(lag)
    if not lags:
        return []
    (lag, count), *_ = Counter(lags).most_common(1)
    if lag == 0 or 2 * count <= len(lags):
        return []
    later = "later" if lag > 0 else "earlier"
    away = abs(lag) * usual / 60
    hint = (
        'does one of them stamp the start of its interval (label = "start")?'
        if abs(lag) == 1
        else "is the time zone, or the clock, of one of them another?"
    )
    return [
        Concern(
            "lag",
            f"{count:,} of {len(lags):,} meters show what their flowmeter does {away:.4g} min {later}: {hint}",
            grave=True,
        )
    ]


def _best_lag(meter: pl.DataFrame, flowmeter: pl.DataFrame, usual: float) -> int | None:
    """By how many intervals a meter comes after its flowmeter; None where that cannot be told."""
    stamps = [frame["timestamp"].dt.epoch("us").to_numpy() / 1e6 for frame in (meter, flowmeter)]
    origin = min(times.min() for times in stamps)
    size = int((max(times.max() for times in stamps) - origin) / usual) + 1
    if size > 200_000:
        return None
    y, x = (np.full(size, np.nan) for _ in range(2))
    for row, times, frame in ((y, stamps[0], meter), (x, stamps[1], flowmeter)):
        row[((times - origin) / usual).round().astype(int).clip(0, size - 1)] = frame["lph"].to_numpy()
    here = _alike(y, x, 0)
    if here is None or here >= _UNLIKE:
        return None if here is None else 0
    farthest = min(int(_FARTHEST / usual), size // 2)
    rated = [
        (score, -abs(lag), lag) for lag in range(-farthest, farthest + 1) if (score := _alike(y, x, lag)) is not None
    ]
    if not rated:
        return None
    score, _, lag = max(rated)
    return lag if score >= _ALIKE and score >= here + _BETTER else 0


def _alike(y: np.ndarray, x: np.ndarray, lag: int) -> float | None:
    """The correlation of two rows of flows, the first moved back by ``lag`` places."""
    size = y.size - abs(lag)
    a, b = (y[lag:], x[:size]) if lag >= 0 else (y[:size], x[-lag:])
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if a.size < 2 * _FEWEST or np.std(a) == 0 or np.std(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
