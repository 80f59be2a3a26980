"""Exactly N digits: what a text recogniser's output says about strings of digits of one length.

The recogniser gives, for each of some tens of steps across the picture, probabilities of characters and of "none" (CTC).
Here every sequence of steps that spells N digits counts, and none of another length, so a digit that the recogniser would
rather drop has to be put somewhere. The point is never trusted: it counts as none. Forward algorithm and prefix search after
A. Graves et al., Connectionist Temporal Classification, ICML 2006.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: probability that a step keeps of each digit at least
_FLOOR: Final = 1e-4
_BEAM: Final = 10


def best_strings(steps: NDArray[np.float32], count: int) -> tuple[list[str], float]:
    """Strings of ``count`` digits worth a look, and the share of all probability that strings of that length have.

    Parameters
    ----------
    steps
        Steps by 11: probability of none, then of each digit; need not sum to 1.
    """
    p = _normal(steps)
    beams: dict[str, tuple[float, float]] = {"": (1.0, 0.0)}
    for step in p:
        grown: dict[str, tuple[float, float]] = {}
        for prefix, (none, last) in beams.items():
            stay_none, stay_last = grown.get(prefix, (0.0, 0.0))
            stay_none += (none + last) * step[0]
            if prefix:
                stay_last += last * step[1 + int(prefix[-1])]
            grown[prefix] = (stay_none, stay_last)
            if len(prefix) == count:
                continue
            for digit in range(10):
                if step[1 + digit] < 1e-3:
                    continue
                longer = prefix + str(digit)
                come = (none if prefix and prefix[-1] == str(digit) else none + last) * step[1 + digit]
                a, b = grown.get(longer, (0.0, 0.0))
                grown[longer] = (a, b + come)
        beams = _pruned(grown)
    right = {text: a + b for text, (a, b) in beams.items() if len(text) == count}
    return sorted(right, key=lambda text: (-right[text], text)), _share(p, count)


def _share(p: NDArray[np.float64], count: int) -> float:
    """Probability that the steps spell any string of ``count`` digits."""
    # By length and by what the last step was: none, or a digit that the next step may only hold on to.
    now = np.zeros((count + 1, 11))
    now[0, 0] = 1.0
    for step in p:
        total = now.sum(1)
        then = np.zeros_like(now)
        then[:, 0] = total * step[0]
        then[:, 1:] = now[:, 1:] * step[1:]
        then[1:, 1:] += (total[:-1, None] - now[:-1, 1:]) * step[1:]
        now = then
    return float(now[count].sum())


def log_probability(steps: NDArray[np.float32], text: str) -> float:
    """Log probability that the steps spell ``text`` (the forward algorithm)."""
    p = _normal(steps)
    labels = np.zeros(2 * len(text) + 1, np.intp)
    labels[1::2] = [1 + int(c) for c in text]
    skip = np.zeros(len(labels), bool)
    skip[3::2] = labels[3::2] != labels[1:-2:2]
    alpha = np.zeros(len(labels))
    alpha[0] = 1.0
    scale = 0.0
    for step in p:
        come = alpha.copy()
        come[1:] += alpha[:-1]
        come[2:] += np.where(skip[2:], alpha[:-2], 0.0)
        alpha = come * step[labels]
        total = alpha.sum()
        if total <= 0:
            return -1e3
        alpha /= total
        scale += float(np.log(total))
    return scale + float(np.log(max(alpha[-1] + (alpha[-2] if len(alpha) > 1 else 0.0), 1e-300)))


def _normal(steps: NDArray[np.float32]) -> NDArray[np.float64]:
    p = steps.astype(np.float64) + _FLOOR
    normal: NDArray[np.float64] = p / p.sum(1, keepdims=True)
    return normal


def _pruned(grown: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The best prefixes of every length: a short one must not push out the longer ones that are wanted."""
    ordered = sorted(grown.items(), key=lambda item: (-(item[1][0] + item[1][1]), item[0]))
    kept: dict[int, int] = {}
    chosen: dict[str, tuple[float, float]] = {}
    for text, weight in ordered:
        if kept.get(len(text), 0) < 3 or len(chosen) < _BEAM:
            kept[len(text)] = kept.get(len(text), 0) + 1
            chosen[text] = weight
    return chosen
