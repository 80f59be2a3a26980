"""The fit made once more by statsmodels, beside ours: the line, and how sure it is."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.judge.dossier.check import minus, percent
from transforms.judge.dossier.diagnostics.told import LEVEL, Answer, Figures
from transforms.judge.dossier.fitted import Fitted
from transforms.statistics import chi_square_limit, student_quantile

#: two lines are the same if their parameters differ by less than this many of our standard errors
SAME = 0.1
#: by how much wider another interval must be before ours is called too narrow
NARROWER = 1.25
#: residuals below this share of what is expected are what rounding leaves, and tell nothing
NOTHING_LEFT = 0.01
#: our intervals, in standard errors
_K = 2.0
_OTHERS = {"errors_in_both": "ours is York's line, with errors in both flows", "robust": "ours is Huber's line"}


class Anew:
    """A line and its pairs, fitted once more with the same weights, flows as shares of the largest one.

    Attributes
    ----------
    given
        Our fit.
    us, q, meter
        Time since the window's start [us], reference and meter, of the pairs used, in order of time.
    flow
        The largest flow [L/h].
    weights, expected
        Weights in the fit, with a mean of 1, and the variance expected of each pair's difference.
    line, columns, y
        The design of a line with both parameters free, that of our form, and what is fitted by it.
    fit
        What statsmodels' weighted least squares found.
    left
        Its residuals, in the standard deviations expected of each pair.
    name
        The parameter that matters: ``a1``, or ``a2`` where only an offset is fitted.
    unit
        What statsmodels' values of it must be multiplied with to give 1 or L/h.
    ours, ours_se
        Our value of it and its standard error, of the pairs alone.
    """

    def __init__(self, given: Fitted, usable: npt.NDArray[np.bool_]) -> None:
        self.given, self.us = given, given.us[usable]
        self.flow = float(given.q[usable].max())
        self.q, self.meter = given.q[usable] / self.flow, given.q_meter[usable] / self.flow
        self.weights = given.weights[usable] / given.weights[usable].mean()
        self.expected = given.expected[usable] / self.flow**2
        one = np.ones_like(self.q)
        self.line = np.column_stack([self.q, one])
        self.columns = {"gain": self.q[:, None], "offset": one[:, None], "line": self.line}[given.form]
        self.offset_only = given.form == "offset"
        self.y = self.meter - self.q if self.offset_only else self.meter
        self.fit = least_squares(self.y, self.columns, self.weights)
        self.left = self.fit.resid / np.sqrt(self.expected)
        self.name, self.unit = ("a2", self.flow) if self.offset_only else ("a1", 1.0)
        self.ours, self.ours_se = (given.a2, given.a2_se) if self.offset_only else (given.a1, given.a1_se)

    @property
    def n(self) -> int:
        """How many pairs there are."""
        return len(self.q)

    @cached_property
    def alike(self) -> bool:
        """Whether the flows differ too little for anything to be seen to change with them."""
        return len(np.unique(self.q.round(6))) < 4

    @cached_property
    def whole(self) -> Any:
        """The fit of a line with both parameters free."""
        return least_squares(self.meter, self.line, self.weights)

    @cached_property
    def nothing_left(self) -> str:
        """Why the residuals tell nothing; empty if they may."""
        if float(np.sqrt((self.left**2).mean())) < NOTHING_LEFT:
            return f"the line leaves less than {percent(NOTHING_LEFT)} of the scatter expected, nothing to diagnose"
        return ""

    def shown(self, value: float) -> str:
        """A value of the parameter that matters, with its unit."""
        return minus(f"{value:+.4g} L/h") if self.offset_only else minus(f"{value:.5g}")

    def changed(self, value: float) -> str:
        """A change of it, with its unit."""
        return minus(f"{value:+.2g}{' L/h' if self.offset_only else ''}")

    def wider(self, ratio: float) -> str:
        """What it means that its standard error ought to be so many times as large."""
        if ratio > NARROWER:
            return f"with that counted the interval of {self.name} is too narrow by {narrow(ratio)}"
        return f"but the interval of {self.name} is hardly the narrower for it"


def least_squares(
    y: npt.NDArray[np.float64], columns: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> Any:
    """Weighted least squares by statsmodels."""
    from statsmodels.regression.linear_model import WLS

    return WLS(y, columns, weights=weights).fit()


def apart(difference: float, standard_error: float) -> float:
    """A difference in standard errors."""
    if standard_error > 0:
        return abs(difference) / standard_error
    return 0.0 if abs(difference) < 1e-9 else float("inf")


def narrow(ratio: float) -> str:
    """By how much an interval is too narrow whose standard error ought to be so many times as large."""
    return percent(1 - 1 / ratio)


def second_opinion(anew: Anew) -> Answer:
    """The parameters and intervals beside ours.

    Ours may be the wider, because it pools the scatter seen with the one expected of the model; it is too narrow if the
    other one's residual scatter is more than chance makes of ours.
    """
    given, fit = anew.given, anew.fit
    value, se = float(fit.params[0]) * anew.unit, float(fit.bse[0]) * anew.unit
    if given.form == "gain" and not anew.alike:
        # as ours: that a gain is not refused does not make the offset known to be zero
        se = max(se, float(anew.whole.bse[0]))
    dof = np.array([float(fit.df_resid)])
    t = float(student_quantile(_K, dof)[0])
    figures: dict[str, float | str] = _beside(anew.name, value, se, anew.ours, anew.ours_se, t)
    told = f"{anew.name} = {anew.shown(value)} ± {se:.2g}, ours {anew.shown(anew.ours)} ± {anew.ours_se:.2g}"
    off, ratio = apart(value - anew.ours, anew.ours_se), se / anew.ours_se if anew.ours_se > 0 else 1.0
    if given.form == "line":
        a2, a2_se = float(fit.params[1]) * anew.flow, float(fit.bse[1]) * anew.flow
        figures |= _beside("a2_lph", a2, a2_se, given.a2, given.a2_se, t)
        told += minus(f"; a2 = {a2:+.4g} ± {a2_se:.2g} L/h, ours {given.a2:+.4g} ± {given.a2_se:.2g} L/h")
        off = max(off, apart(a2 - given.a2, given.a2_se))
    figures |= {"standard_errors_apart": round(off, 6), "se_over_ours": ratio}
    if off > SAME:
        why = f" ({_OTHERS[given.estimator]})" if given.estimator in _OTHERS else ""
        return "look", f"{told}: {off:.2g} standard errors apart{why}, ask which one a command should carry", figures
    chance_explains = float(np.sqrt(chi_square_limit(dof, LEVEL)[0] / dof[0]))
    if ratio > max(NARROWER, chance_explains):
        return "look", f"{told}: the same line, but our interval is too narrow by {narrow(ratio)}", figures
    why = " (ours counts the scatter expected as well)" if ratio < 1 / NARROWER else ""
    return "nothing to see", f"{told}: the same line{why}", figures


def _beside(name: str, value: float, se: float, ours: float, ours_se: float, t: float) -> dict[str, float | str]:
    """A parameter with its interval, by statsmodels and by us."""
    figures: Figures = {
        name: value,
        f"{name}_se": se,
        f"{name}_low": value - t * se,
        f"{name}_high": value + t * se,
        f"our_{name}": ours,
        f"our_{name}_se": ours_se,
        f"our_{name}_low": ours - _K * ours_se,
        f"our_{name}_high": ours + _K * ours_se,
    }
    return dict(figures)
