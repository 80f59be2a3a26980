"""Places: to which window each row of moments belongs, and to which regime each window, by sorted numbers, not by text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.audit.series import Floats, Ints
from transforms.policy import Policy


@dataclass(frozen=True)
class Located:
    """Moments in the order of their windows.

    Attributes
    ----------
    frame
        `AUDIT_MOMENTS`, those that belong to a window.
    window
        Row of each among the windows that they were sought in, rising.
    """

    frame: pl.DataFrame
    window: Ints

    def take(self, windows: np.ndarray) -> Located:
        """Those of some windows; ``windows`` says of each window whether."""
        chosen = windows[self.window]
        return Located(self.frame.filter(pl.Series(chosen)), self.window[chosen])


def keys(frame: pl.DataFrame, column: str, meters: pl.DataFrame, origin: int, span: int) -> Ints:
    """Meter and instant as one rising number; -1 for meters that are not listed."""
    runs = frame["feature_code"].rle().struct.unnest()
    number = runs.join(meters, left_on="value", right_on="feature_code", how="left", maintain_order="left")["meter"]
    meter = np.repeat(number.fill_null(-1).to_numpy().astype(np.int64), runs["len"].to_numpy())
    return np.where(meter >= 0, meter * span + np.clip(_us(frame, column) - origin, 0, span - 1), -1)


def _us(frame: pl.DataFrame, column: str) -> Ints:
    return np.asarray(frame[column].dt.epoch("us").to_numpy(), dtype=np.int64)


def _meters(listed: pl.DataFrame) -> pl.DataFrame:
    """The number of each meter."""
    return listed.group_by("feature_code", maintain_order=True).agg(pl.col("meter").first())


def locate(moments: pl.DataFrame, listed: pl.DataFrame) -> Located:
    """Find the window of each row of moments; rows of other meters or windows are left out.

    Parameters
    ----------
    listed : DataFrame
        From `prepared`.
    """
    if listed.is_empty():
        return Located(moments.clear(), np.zeros(0, dtype=np.int64))
    meters = _meters(listed)
    origin = int(_us(listed, "window_start").min())
    span = int(np.ptp(_us(listed, "window_start"))) + 2
    own = keys(listed, "window_start", meters, origin, span)
    sought = keys(moments, "window_start", meters, origin, span)
    window = np.minimum(np.searchsorted(own, sought), len(own) - 1)
    found = own[window] == sought
    table, window = moments.filter(pl.Series(found)), window[found]
    order = np.lexsort((table["bin"].to_numpy(), window))
    if (np.diff(order) == 1).all():
        return Located(table, window)
    return Located(table[order], window[order])


def regime_of(listed: pl.DataFrame, regimes: pl.DataFrame) -> Ints:
    """The row of ``regimes`` in which each window begins; -1 for windows of meters without any.

    Windows before a meter's first regime belong to it.

    Parameters
    ----------
    listed : DataFrame
        From `prepared`.
    regimes : DataFrame
        ``feature_code, begins``, sorted by both.
    """
    if listed.is_empty() or regimes.is_empty():
        return np.full(listed.height, -1, dtype=np.int64)
    meters = _meters(listed)
    starts, begins = _us(listed, "window_start"), _us(regimes, "begins")
    origin = int(min(starts.min(), begins.min()))
    span = int(max(starts.max(), begins.max())) - origin + 1
    own = keys(listed, "window_start", meters, origin, span)
    theirs = keys(regimes, "begins", meters, origin, span)
    meter, of_regime = listed["meter"].to_numpy(), theirs // span
    at = np.searchsorted(theirs, own, side="right") - 1
    mine = (at >= 0) & (of_regime[np.maximum(at, 0)] == meter)
    following = np.minimum(at + 1, len(theirs) - 1)
    opening = ~mine & (of_regime[following] == meter)
    return np.where(mine, at, np.where(opening, following, -1))


def random_variance(located: Located, listed: pl.DataFrame, fleet: pl.DataFrame, policy: Policy) -> Floats:
    """Variance [L^2] of each window's mis-registered volume that the scatter of single readings explains.

    The scatter that is normal for the model and for the reference, and the step of a reading at both ends of an interval,
    where water flowed at all.
    """
    numbers = listed.select("feature_code").join(
        fleet.select("feature_code", "per_lph", "repeatability", "resolution_lph"),
        on="feature_code",
        how="left",
        maintain_order="left",
    )
    per_lph, repeatability, step = (
        numbers[name].fill_null(np.nan).to_numpy()[located.window]
        for name in ("per_lph", "repeatability", "resolution_lph")
    )
    n, sx, sy, sxx, interval = (
        located.frame[name].to_numpy().astype(np.float64) for name in ("n", "sx", "sy", "sxx", "interval_s")
    )
    relative = repeatability**2 + policy.reference.repeatability**2
    pair = np.where((sx != 0) | (sy != 0), relative * sxx / per_lph**2 + n * step**2 / 6, 0.0)
    weights = np.nan_to_num(pair * (interval / 3600) ** 2)
    return np.bincount(located.window, weights=weights, minlength=listed.height).astype(np.float64)
