"""Trust: how probable it is that a reading is exact, from what both opinions say about it.

A logistic regression on features of the reading, fitted to displays drawn with seeds that no test uses; the table of
`tests/bench/displays.py` shows how it holds on others. Acceptance asks for more than a high probability: both opinions must
name the same string, nothing like a digit may stand beside the grid, and light may not have washed out a digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

#: weights by feature, with the constant last
WEIGHTS: Final = (0.184, 0.163, 2.896, 1.214, 2.678, 0.400, 3.661, 0.241, -5.556, 0.585, -9.559)
#: probability from which a reading is taken without a person
ENOUGH: Final = 0.95
#: more of a digit beside the grid, more of a cell washed out, or less ink in a cell than this, and a person looks
BESIDE: Final = 0.3
WASHED: Final = 0.35
WEAKEST: Final = 0.4


@dataclass(frozen=True)
class Evidence:
    """What speaks for one reading of one grid.

    Attributes
    ----------
    first, second
        Log odds against the runner-up by the recogniser (mean over drawings) and by the segments.
    votes
        Share of the drawings whose best string it is.
    length
        How much speaks for that many digits.
    explained
        Share of the ink in its rows that the grid explains.
    split
        How far lit and dark segments lie apart.
    weakest, washed, beside
        See `second.Cells`.
    agree
        Whether each opinion alone would have chosen it.
    """

    first: float
    second: float
    votes: float
    length: float
    explained: float
    split: float
    weakest: float
    washed: float
    beside: float
    agree: bool


def features(e: Evidence) -> np.ndarray:
    """Of the regression, each bounded, with the constant last."""
    return np.array([
        np.clip(e.first, -6, 6), np.clip(e.second, -8, 8), e.votes, e.length, np.clip(e.explained, 0, 1),
        np.clip(e.split, 0, 8), np.clip(e.weakest, 0, 1), e.washed, e.beside, float(e.agree), 1.0,
    ])  # fmt: skip


def probability(e: Evidence) -> float:
    """That the reading is exact."""
    return float(1 / (1 + np.exp(-features(e) @ np.array(WEIGHTS))))


def safe(e: Evidence) -> bool:
    """Whether nothing forbids to take the reading, however probable it is."""
    return not doubt(e, 1.0)


def doubt(e: Evidence, likely: float, voted: bool = False) -> str:
    """Why a reading may not be taken, as a code of `transforms.reasons`; "" if it may.

    Parameters
    ----------
    likely
        Probability of the reading.
    voted
        Whether several frames stand behind it, which outweigh what a single one lacks.
    """
    if e.beside > BESIDE:
        return "other_format"
    if not voted and (e.washed > WASHED or e.weakest < WEAKEST):
        return "digit_hidden"
    if not e.agree:
        return "opinions_differ"
    return "" if likely >= ENOUGH else "unclear_digits"
