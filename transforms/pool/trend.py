"""Whether the relation to the reference moves from the oldest to the newest part of a pool."""

from __future__ import annotations

import numpy as np

from transforms.fit.lines import Floats
from transforms.judge.evidence import FLOWING
from transforms.judge.findings import Findings
from transforms.statistics import f_survival
from transforms.summarise.moments import Moments


def trend_test(moments: Moments, found: Findings, prior_dof: float) -> tuple[Floats, Floats]:
    """Partial F test of a gain that moves evenly with time, from the residuals' sums about the fitted line.

    A slow drift that an analysis of variance over the parts hardly sees has all of its size in this one degree of
    freedom. The line is not fitted again, which costs nothing where flows are alike in all parts.

    Returns
    -------
    p : ndarray
        P values, 1 where only one part has flowing pairs.
    change : ndarray
        By how much the error moves from the oldest to the newest part with flowing pairs, relative to the flow.
    """
    w, lines = found.weights(moments)[FLOWING], found.choice.lines
    sx, sxx, sxy = (moments.values[name][:, FLOWING].astype(np.float64) for name in ("sx", "sxx", "sxy"))
    residual = (w * (sxy - lines.a1 * sxx - lines.a2 * sx)).sum(axis=1)
    weight = (w * sxx).sum(axis=1)
    used = moments.by_part("n", FLOWING) > 0
    time = np.broadcast_to(np.arange(len(weight), dtype=np.float64)[:, None], weight.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = time - (weight * time).sum(axis=0) / weight.sum(axis=0)
        spread = (weight * apart**2).sum(axis=0)
        slope = np.where(spread > 0, (apart * residual).sum(axis=0) / spread, 0.0)
        # What the trend explains is taken out of the scatter about the line that knows of none.
        dof = np.maximum(prior_dof + found.flowing - 3.0, 1.0)
        explained = slope**2 * spread
        rest = np.maximum(found.scatter * (dof + 1.0) - explained, 0.0) / dof
        p = f_survival(explained / rest, 1.0, dof)
    length = np.where(used, time, -np.inf).max(axis=0) - np.where(used, time, np.inf).min(axis=0)
    several = used.sum(axis=0) >= 2
    return np.where(several & np.isfinite(p), p, 1.0), np.where(several, slope * length, 0.0)
