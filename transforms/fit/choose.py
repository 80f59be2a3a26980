"""Which form the data support: the simplest that is not clearly worse than a richer one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from transforms.fit.lines import Centred, Floats, Lines, fit_gain, fit_line, fit_offset

#: index of a choice -> form as written in a verdict; a pure gain is a linear form whose a2 is zero
FORMS = ("offset", "linear", "linear")
OFFSET, GAIN, LINE = 0, 1, 2


@dataclass(frozen=True)
class Choice:
    """The chosen line of each meter and its index into `FORMS`."""

    index: npt.NDArray[np.int64]
    lines: Lines


def choose_form(sums: Centred, significance: float) -> Choice:
    """Choose offset, gain or full line for each meter.

    Of the two forms with one parameter the one that leaves less scatter is taken; where the flow hardly varied both
    leave the same, and the gain is preferred: carried to flows not seen, a wrong gain does less harm than a wrong
    offset. The full line is taken only where the partial F test of its second parameter is significant and the
    parameter improves the fit beyond what chance would.

    Parameters
    ----------
    sums : Centred
        The meters' weighted sums.
    significance : float
        Level of the partial F test.
    """
    offset, gain, line = fit_offset(sums), fit_gain(sums), fit_line(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        # two units of log-likelihood: decisive evidence by the usual reading of AIC for forms of equal size
        clear = sums.n * (np.log(gain.chi2) - np.log(offset.chi2)) > 4.0
        single = np.where(clear, OFFSET, GAIN)
        simple = np.where(clear, offset.chi2, gain.chi2)
        f = (simple - line.chi2) / (line.chi2 / line.dof)
        p = special.fdtrc(1.0, np.maximum(line.dof, 1.0), np.maximum(f, 0.0))
    richer = (line.dof > 0) & np.isfinite(line.a1) & (line.a1 > 0) & (p < significance)
    index = np.where(richer, LINE, single)
    picked = {
        name: np.choose(index, [getattr(form, name) for form in (offset, gain, line)])
        for name in ("a1", "a1_se", "a2", "a2_se", "correlation", "chi2", "dof")
    }
    return Choice(index, Lines(**{name: np.asarray(value, dtype=np.float64) for name, value in picked.items()}))


__all__ = ["FORMS", "GAIN", "LINE", "OFFSET", "Choice", "Floats", "choose_form"]
