"""The second opinion: each cell of the grid read by its seven segments alone, on or off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.display.grid import DIGIT, LIT, Grid, segments
from transforms.display.strokes import Ink, straightened

#: least scatter of a segment's ink, however clean the picture
_LEAST_SIGMA: Final = 0.13
#: what one segment can say against a digit at most: dirt is no proof
_CAP: Final = 9.0


@dataclass(frozen=True)
class Cells:
    """What the segments of each cell say.

    Attributes
    ----------
    logp
        Log probability of each digit in each cell: cells by 10.
    split
        How far lit and dark segments lie apart, in their scatter.
    weakest
        Of the least inked cell: mean ink of its lit segments, against the usual lit segment.
    washed
        Largest share of a cell that light has washed out.
    beside
        How much of a digit stands beside the grid, 0 to about 1, left and right.
    sign
        Whether a minus stands left of the grid.
    """

    logp: NDArray[np.float64]
    split: float
    weakest: float
    washed: float
    beside: tuple[float, float]
    sign: bool

    @property
    def text(self) -> str:
        """The likeliest digits."""
        return "".join(map(str, self.logp.argmax(1)))

    def margins(self) -> NDArray[np.float64]:
        """Log odds of the best digit of each cell against its runner-up."""
        ordered = np.sort(self.logp, axis=1)
        return ordered[:, -1] - ordered[:, -2]

    def of(self, text: str) -> float:
        """Log probability of a string of digits."""
        return float(self.logp[np.arange(len(text)), [int(c) for c in text]].sum())


def read(cv2: Any, ink: Ink, grid: Grid) -> Cells:
    """Read every cell of a grid by its segments."""
    plane = straightened(cv2, np.minimum(ink.level, 1.2), grid.slant, grid.tilt, grid.fan)
    found = segments(plane, grid, extra=1)
    marks, holes = found[1:-1, :7], found[1:-1, 7:]
    on, off, sigma = _levels(marks, holes)
    washed = segments(straightened(cv2, ink.washed, grid.slant, grid.tilt, grid.fan), grid)[:, :7]
    # Where light has taken the contrast away, a segment that seems off says nothing.
    spread = sigma + washed * (on - off)
    cost_on = np.minimum(np.square((marks - on) / spread) / 2 * (marks < on), _CAP)
    cost_off = np.minimum(np.square((marks - off) / spread) / 2 * (marks > off), _CAP)
    by_form = -(cost_on @ LIT.T + cost_off @ (1 - LIT).T)
    logp = np.stack([by_form[:, digit == DIGIT].max(1) for digit in range(10)], 1)
    logp -= np.log(np.exp(logp).sum(1, keepdims=True))
    forms = LIT[by_form.argmax(1)]
    weakest = float(((marks * forms).sum(1) / forms.sum(1)).min() / max(on, 1e-6))
    beside = [_digit_like(cell[:7], on, off) for cell in (found[0], found[-1])]
    middle = (on + off) / 2
    left = found[0]
    sign = bool(left[6] > middle and (np.delete(left[:7], 6) < middle).all())
    return Cells(logp, float((on - off) / sigma), weakest, float(washed.mean(1).max()), (beside[0], beside[1]), sign)


def _levels(marks: NDArray[np.float64], holes: NDArray[np.float64]) -> tuple[float, float, float]:
    """Ink of a lit segment and of a dark one, and their scatter: two groups, each with its median."""
    values = np.sort(marks.ravel())
    off, on = float(np.median(holes)), float(np.percentile(values, 85))
    for _ in range(5):
        cut = (on + off) / 2
        low, high = values[values < cut], values[values >= cut]
        if not len(low) or not len(high):
            break
        off, on = float(np.median(low)), float(np.median(high))
    cut = (on + off) / 2
    residual = np.where(values < cut, values - off, values - on)
    return (
        on,
        off,
        max(float(np.sqrt(np.mean(np.square(np.clip(residual, -0.4, 0.4))))), _LEAST_SIGMA * max(on - off, 0.2)),
    )


def _digit_like(cell: NDArray[np.float64], on: float, off: float) -> float:
    """How much of a digit a cell beside the grid holds: ink of the least inked segment of the digit that fits best."""
    relative = np.clip((cell - off) / max(on - off, 1e-6), 0, 1)
    return float(np.where(LIT > 0, relative, 1.0).min(1).max())
