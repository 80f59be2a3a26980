"""Which form the data support: the simplest that is not clearly worse than a richer one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.lines import (
    BOTH,
    GAIN,
    OFFSET,
    Centred,
    Floats,
    Ints,
    Lines,
    Nine,
    Seven,
    gain_own,
    line_own,
    nine_of,
    offset_own,
    put_line,
    scatter_own,
    stacked,
)
from transforms.statistics import f_limit

#: index of a choice -> form as written in a verdict; a pure gain is a linear form whose a2 is zero
FORMS = ("offset", "linear", "linear")
LINE = BOTH


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
    limit = needed_limit(sums.n, sums.prior_dof, significance)
    index, lines = _choose(stacked(sums), np.ascontiguousarray(sums.prior), sums.prior_dof, limit)
    return Choice(index, Lines(*lines[0]), Lines(*lines[1]))


def needed_limit(n: Floats, prior_dof: float, significance: float) -> Floats:
    """What the partial F test of a line's second parameter must exceed, of meters with so many pairs."""
    return f_limit(1.0, n - 2 + prior_dof, significance)


@compiled
def _choose(sums: Floats, prior: Floats, prior_dof: float, limit: Floats) -> tuple[Ints, Floats]:
    meters = sums.shape[1]
    index, found = np.empty(meters, np.int64), np.empty((2, 7, meters))
    for row in range(meters):
        about = nine_of(sums, row)
        index[row], line = choose_own(about, prior[row], prior_dof, limit[row])
        put_line(line, found[0], row)
        put_line(line_own(about, prior[row], prior_dof), found[1], row)
    return index, found


@compiled
def choose_own(about: Nine, prior: float, prior_dof: float, limit: float) -> tuple[int, Seven]:
    """The same for the numbers of one meter: index of the form, and the line of that form."""
    gain, full = gain_own(about, prior, prior_dof), line_own(about, prior, prior_dof)
    a1, chi2, dof = full[0], full[5], full[6]
    if not (dof > 0 and np.isfinite(a1) and a1 > 0):
        return GAIN, gain
    scale = scatter_own(prior, prior_dof, chi2, dof)
    if not (gain[5] - chi2) / scale > limit:
        return GAIN, gain
    offset = offset_own(about, prior, prior_dof)
    if (offset[5] - chi2) / scale > limit:
        return BOTH, full
    return OFFSET, offset


__all__ = ["FORMS", "GAIN", "LINE", "OFFSET", "Choice", "Floats", "choose_form"]
