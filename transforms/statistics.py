"""The distributions that the tests rest on, by their textbook names, for whole arrays at once.

They come from `scipy.special`, which takes a third of a second to import and is therefore imported when first needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def load() -> Any:
    """Import `scipy.special`; called early in a thread of its own, it costs nobody's time."""
    return importlib.import_module("scipy.special")


def student_quantile(factor: float, dof: Floats) -> Floats:
    """Student's t at the one-sided probability that ``factor`` standard deviations have in a normal distribution."""
    special = load()
    probability = special.ndtr(factor)
    return _by_value(np.maximum(dof, 1.0), lambda some: special.stdtrit(some, probability))


def student_survival(t: Floats, dof: Floats) -> Floats:
    """P value, one-sided, of a Student's t statistic; degrees of freedom below 1 are taken as 1."""
    return np.asarray(load().stdtr(np.maximum(dof, 1.0), -t))


def f_survival(f: Floats, dof_between: Floats | float, dof_within: Floats) -> Floats:
    """P value of an F statistic; degrees of freedom below 1 are taken as 1."""
    special = load()
    return np.asarray(special.fdtrc(np.maximum(dof_between, 1.0), np.maximum(dof_within, 1.0), np.maximum(f, 0.0)))


def f_limit(dof_between: float, dof_within: Floats, significance: float) -> Floats:
    """The value that an F statistic exceeds with the given probability; degrees of freedom below 1 are taken as 1."""
    special = load()
    between = max(dof_between, 1.0)
    return _by_value(np.maximum(dof_within, 1.0), lambda some: special.fdtri(between, some, 1 - significance))


def chi_square_limit(dof: Floats, significance: float) -> Floats:
    """The value that a chi-square variable exceeds with the given probability; dof below 1 are taken as 1."""
    special = load()
    return _by_value(np.maximum(dof, 1.0), lambda some: special.chdtri(some, significance))


def binomial_survival(successes: Floats, trials: Floats, probability: Floats) -> Floats:
    """The chance of at least so many successes: P value of the one-sided binomial test, 1 for none."""
    found = load().bdtrc(np.maximum(successes - 1, 0), trials.astype(np.int64), probability)
    return np.where(successes > 0, found, 1.0)


def _by_value(values: Floats, function: Callable[[Floats], Floats]) -> Floats:
    """A costly function of many values of which few differ, as degrees of freedom do."""
    few, which = np.unique(values, return_inverse=True)
    return np.asarray(function(few)[which.reshape(values.shape)])
