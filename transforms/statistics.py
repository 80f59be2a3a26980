"""The distributions that the tests rest on, by their textbook names, for whole arrays at once.

They come from `scipy.special`, which takes a third of a second to import and is therefore imported when first needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled

Floats = npt.NDArray[np.float64]

#: levels and degrees of freedom up to which `needed` may ask chi-square first
_SMALL, _FEW = 0.1, 20.0


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


def f_exceeds(f: Floats, dof_between: Floats, dof_within: Floats, significance: float) -> npt.NDArray[np.bool_]:
    """Whether the P value of an F statistic is below a level; degrees of freedom below 1 are taken as 1."""
    between = np.maximum(dof_between, 1.0)
    found = np.zeros(len(f), dtype=bool)
    some = np.flatnonzero(f * between >= needed(between, significance))
    found[some] = f_survival(f[some], between[some], dof_within[some]) < significance
    return found


def needed(dof_between: Floats, significance: float) -> Floats:
    """What an F statistic times its degrees of freedom between, 1 or more, must reach for a P value below a level: most values
    need none.

    A ratio whose denominator is estimated exceeds a high value more often than one whose denominator is known, which is a
    chi-square over its degrees of freedom. (The chance P(x v) that chi-square exceeds x times v lies above its tangent at
    v = 1, as long as that is below 1 at v = 0; so its mean over all v of mean 1 is at least P(x). At the levels and degrees
    of freedom named here the tangent is.)
    """
    if significance > _SMALL:
        return np.zeros(len(dof_between))
    return np.where(dof_between <= _FEW, chi_square_limit(dof_between, significance) * (1 - 1e-9), 0.0)


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
    few, which = _distinct(np.ascontiguousarray(values).ravel())
    if len(few) == _MOST:
        few, which = np.unique(values, return_inverse=True)
    return np.asarray(function(few)[which.reshape(values.shape)])


#: different values that are told apart without sorting
_MOST = 1024


@compiled
def _distinct(values: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The different ones among some values in the order in which they come, and which each is; `_MOST` of them, where there
    are as many or more. What is not a number is a value like any other."""
    slots = 4 * _MOST
    number, few = np.full(slots, -1), np.empty(_MOST)
    which = np.empty(len(values), np.int64)
    found = 0
    for k in range(len(values)):
        value = values[k]
        # halves, thirds and whole numbers, and sums of them, end up in different places
        place = 0 if not np.isfinite(value) else np.int64(abs(value) * 720.0) * 2_654_435_761 % slots
        while number[place] >= 0:
            other = few[number[place]]
            if other == value or (np.isnan(other) and np.isnan(value)):
                break
            place = (place + 1) % slots
        if number[place] < 0:
            number[place], few[found] = found, value
            found += 1
            if found == _MOST:
                break
        which[k] = number[place]
    return few[:found], which
