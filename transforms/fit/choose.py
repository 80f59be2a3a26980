"""Which form the data support: the simplest that is not clearly worse than a richer one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Centred, Floats, Lines, fit_gain, fit_line, fit_offset, scatter
from transforms.statistics import f_limit

#: index of a choice -> form as written in a verdict; a pure gain is a linear form whose a2 is zero
FORMS = ("offset", "linear", "linear")
OFFSET, GAIN, LINE = 0, 1, 2


@dataclass(frozen=True)
class Choice:
    """The chosen line of each meter and its index into `FORMS`; ``full`` is the line with both parameters free."""

    index: npt.NDArray[np.int64]
    lines: Lines
    full: Lines


def choose_form(sums: Centred, significance: float) -> Choice:
    """Choose offset, gain or full line for each meter.

    Each form with one parameter is tested against the full line by the partial F test, exact for the few pairs there
    may be. A gain that is not refused is taken: carried to flows not seen, a wrong gain does less harm than a wrong
    offset. Else an offset that is not refused, else the line. Where the flow hardly varied nothing can be refused.

    Parameters
    ----------
    sums : Centred
        The meters' weighted sums.
    significance : float
        Level at which a form with one parameter is refused.
    """
    offset, gain, line = fit_offset(sums), fit_gain(sums), fit_line(sums)
    possible = (line.dof > 0) & np.isfinite(line.a1) & (line.a1 > 0)
    refused = {
        form: possible & _refused(sums, simple, line, significance) for form, simple in ((OFFSET, offset), (GAIN, gain))
    }
    index = np.where(~refused[GAIN], GAIN, np.where(~refused[OFFSET], OFFSET, LINE))
    picked = {
        name: np.choose(index, [getattr(form, name) for form in (offset, gain, line)])
        for name in ("a1", "a1_se", "a2", "a2_se", "correlation", "chi2", "dof")
    }
    lines = Lines(**{name: np.asarray(value, dtype=np.float64) for name, value in picked.items()})
    return Choice(index, lines, line)


def _refused(sums: Centred, simple: Lines, line: Lines, significance: float) -> npt.NDArray[np.bool_]:
    """Partial F test: whether the line's second parameter is needed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (simple.chi2 - line.chi2) / scatter(sums, line.chi2, line.dof)
        return np.asarray(f > f_limit(1.0, line.dof + sums.prior_dof, significance))


__all__ = ["FORMS", "GAIN", "LINE", "OFFSET", "Choice", "Floats", "choose_form"]
