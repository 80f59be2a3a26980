"""The pairs that a meter's line was fitted to, with the weights of that fit and its numbers: what a second opinion needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from transforms.fit.choose import GAIN, OFFSET
from transforms.fit.lines import Floats, Ints
from transforms.judge.curved import KNOTS
from transforms.judge.evidence import change_that_matters
from transforms.judge.paired import Paired
from transforms.judge.worked import Worked
from transforms.policy import Policy
from transforms.summarise.moments import Moments
from transforms.summarise.pairs import Pairs

#: flow bins from Q3 up, in the units of the moments
_Q3 = 1_000_000.0


@dataclass(frozen=True)
class Fitted:
    """A line q' = a1 q + a2 and the flowing pairs behind it, in order of time.

    Attributes
    ----------
    form
        What was fitted: ``gain`` (a2 is 0), ``offset`` (a1 is 1) or ``line``.
    a1, a1_se, a2, a2_se
        The line and its standard errors, those of the pairs alone: the reference's calibration is not in them [1, L/h].
    estimator
        Which of the policy's estimators found it.
    curved
        Whether a curve describes the meter, so that no line is commanded.
    matters
        By how much the relative error must differ for it to matter (`transforms.judge.evidence.change_that_matters`).
    start, us
        When the window starts, and the time of each pair since then [us], (pairs,).
    q, q_meter
        Reference and meter [L/h], (pairs,).
    weights
        Weight of each pair in the fit, (pairs,).
    expected
        Variance expected of each pair's difference at its own flow [L²/h²], (pairs,).
    """

    form: Literal["gain", "offset", "line"]
    a1: float
    a1_se: float
    a2: float
    a2_se: float
    estimator: str
    curved: bool
    matters: float
    start: datetime
    us: Ints
    q: Floats
    q_meter: Floats
    weights: Floats
    expected: Floats


def fitted_of(
    worked: Worked, paired: Paired, moments: Moments, pairs: Pairs, policy: Policy, start: datetime
) -> Fitted | None:
    """What was fitted to the pairs of one meter, or None if its flows determined nothing.

    Parameters
    ----------
    worked, paired, moments
        Of a single meter.
    pairs
        Its single pairs, in the units of the moments.
    """
    x, y = np.rint(pairs.x), np.rint(pairs.y)  # as the moments count them
    flowing = x >= paired.q1[0]
    x, y, us = x[flowing], y[flowing], pairs.us[flowing]
    found, unit, estimator = worked.found, float(worked.model.unit_lph[0]), policy.fit.estimator
    lines, index = found.published, int(found.choice.index[0])
    a1, a1_se, a2, a2_se = (float(getattr(lines, name)[0]) for name in ("a1", "a1_se", "a2", "a2_se"))
    if not (len(x) and np.isfinite(a1)):
        return None
    if estimator == "ordinary":
        weights = np.ones(len(x))
    else:
        borders = [paired.q1[0], paired.q2[0], *KNOTS, _Q3]
        weights = found.weights(moments)[np.searchsorted(borders, x, side="right"), 0]
    common = float(worked.reference.uncertainty[0]) / 2
    if index == OFFSET:
        a2_se = _alone(a2_se, common * float((weights * x).sum() / weights.sum()))
    else:
        a1_se = _alone(a1_se, common * a1)
    return Fitted(
        form="gain" if index == GAIN else "offset" if index == OFFSET else "line",
        a1=a1,
        a1_se=a1_se,
        a2=a2 * unit,
        a2_se=a2_se * unit,
        estimator=estimator,
        curved=bool(worked.second.curved[0]),
        matters=float(change_that_matters(worked.model, policy.tolerance)[0]),
        start=start,
        us=us,
        q=x * unit,
        q_meter=y * unit,
        weights=weights / unit**2,
        expected=(found.relative[0] * x**2 + found.constant[0]) * unit**2,
    )


def _alone(total: float, common: float) -> float:
    """A standard error without what the reference's calibration adds to it (`transforms.judge.estimate.with_common`)."""
    return float(np.sqrt(max(total**2 - common**2, 0.0)))
