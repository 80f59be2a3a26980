"""Estimators: the parameters of each meter's line by the estimator that the policy names, with honest standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from transforms.fit import Choice, fit_robust, fit_york, proportional_errors
from transforms.fit.choose import GAIN, LINE
from transforms.fit.lines import Floats, Ints, Lines
from transforms.judge.evidence import Model, Reference
from transforms.judge.samples import Samples, lay_out


def with_errors_in_both(
    choice: Choice, sums: Mapping[str, Ints], model: Model, reference: Reference
) -> tuple[Choice, Floats]:
    """The chosen full lines by York's method, which lets the reference scatter as well.

    Forms with one parameter stay as they are: an error of the reference that is small against the spread of the flows
    moves them by less than their standard error.

    Returns
    -------
    Choice
    weights : ndarray
        The weight of a pair in York's fit, shape (bins, meters).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        square = sums["sxx"] / np.maximum(sums["n"], 1)
    var_x = reference.repeatability**2 * square
    var_y = model.repeatability**2 * square + model.resolution**2 / 6
    york = fit_york(sums, var_x, var_y)
    usable = np.isfinite(york.a1) & (york.a1 > 0)
    both = usable & (choice.index == LINE)
    names = Lines.__dataclass_fields__
    # Goodness of fit is told by the caller with its own weights, so chi2 stays that of the pairs' differences.
    full = Lines(**{name: np.where(usable, getattr(york, name), getattr(choice.full, name)) for name in names})
    lines = Lines(**{name: np.where(both, getattr(york, name), getattr(choice.lines, name)) for name in names})
    slope = np.where(usable, york.a1, 1.0)
    return Choice(choice.index, lines, full), 1 / np.maximum(var_y + slope**2 * var_x, np.finfo(np.float64).tiny)


def robust_lines(samples: Samples) -> Lines:
    """Full lines by Huber's M-estimator, from the samples of some meters."""
    names = Lines.__dataclass_fields__
    found = Lines(**{name: np.full(len(samples.meter_no), np.nan) for name in names})
    for laid in lay_out(samples):
        lines = fit_robust(laid.x, laid.y, laid.w)
        for name in names:
            getattr(found, name)[laid.rows] = getattr(lines, name)
    return found


def with_robust(published: Lines, robust: Mapping[str, Floats], index: Ints, reference: Reference) -> Lines:
    """The published lines with those of the full form replaced by robust ones, where there are any.

    Parameters
    ----------
    robust
        ``a1, a1_se, a2, a2_se, correlation`` of all meters, NaN where no robust line was fitted.
    index
        Form of each meter.
    """
    usable = (index == LINE) & np.isfinite(robust["a1"]) & (robust["a1"] > 0)
    if not usable.any():
        return published
    chosen = replace(published, **{name: np.where(usable, robust[name], getattr(published, name)) for name in robust})
    told = with_common(chosen, np.zeros_like(chosen.a1), reference)
    return replace(
        published, **{name: np.where(usable, getattr(told, name), getattr(published, name)) for name in robust}
    )


def standard_errors(
    choice: Choice, sums: Mapping[str, Ints], weights: Floats, scatter: Floats, model: Model, reference: Reference
) -> Lines:
    """`scattered` with what the sums by flow bin, shape (bins, meters), say of the full lines' standard errors."""
    return scattered(choice, full_errors(choice, sums, weights, model, reference), scatter)


def full_errors(choice: Choice, sums: Mapping[str, Ints], weights: Floats, model: Model, reference: Reference) -> Lines:
    """The full lines with the standard errors that the sums by flow bin, shape (bins, meters), and the variance expected give."""
    relative, constant = known_variances(model, reference)
    return proportional_errors(choice.full, sums, weights, relative, constant, observed=False)


def known_variances(model: Model, reference: Reference) -> tuple[Floats, Floats]:
    """The variance that is expected of a pair's difference: the part that goes with the square of the flow, and the constant."""
    return model.repeatability**2 + reference.repeatability**2, model.resolution**2 / 6


def scattered(choice: Choice, full: Lines, scatter: Floats) -> Lines:
    """The chosen lines with standard errors for a scatter that grows with the flow within each bin as well, as ``full`` has them.

    That a gain is not refused does not make the offset known to be zero, so its slope is no surer than the full line's.
    """
    root = np.sqrt(scatter)
    line, gain = choice.index == LINE, choice.index == GAIN
    lines = choice.lines
    slope = np.where(line, root * full.a1_se, np.where(gain, np.fmax(lines.a1_se, root * full.a1_se), lines.a1_se))
    return replace(
        lines,
        a1_se=slope,
        a2_se=np.where(line, root * full.a2_se, lines.a2_se),
        correlation=np.where(line, full.correlation, lines.correlation),
    )


def with_common(lines: Lines, level: Floats, reference: Reference) -> Lines:
    """Lines with the reference's common error in their uncertainty.

    A reference that reads g times the true flow turns q' = a1 q + a2 into q' = (a1 / g) q + a2: the same for all pairs,
    so it averages out over no window (GUM, 5.2). Where a1 is fixed at 1, the error goes into a2, at the mean flow.

    Parameters
    ----------
    level
        Weighted mean of the flows that the fit rests on.
    """
    relative = reference.uncertainty / 2
    fixed = lines.a1_se == 0
    a1_se = np.where(fixed, 0.0, np.hypot(lines.a1_se, relative * lines.a1))
    a2_se = np.where(fixed, np.hypot(lines.a2_se, relative * level), lines.a2_se)
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.where(a1_se * a2_se > 0, lines.a1_se * lines.a2_se / (a1_se * a2_se), 0.0)
    return replace(lines, a1_se=a1_se, a2_se=a2_se, correlation=lines.correlation * shared)
