"""Fits the weights of `transforms.display.trust` to drawn displays: ``python -m tests.displays.fitting [COUNT]``.

The seeds are used for nothing else. Prints the weights, and for several thresholds how many readings would be taken and how
many of those are wrong.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from tests.displays.sets import displays
from transforms.display import open_engine
from transforms.display.frame import fits, readings
from transforms.display.trust import Evidence, features, safe

SEED = 11
_RIDGE = 0.02


def samples(count: int, seed: int = SEED) -> list[tuple[Evidence, bool]]:
    """The best reading of each grid of drawn displays, and whether it is exact."""
    engine = open_engine()
    found = []
    for drawn in displays(count, seed, dseg=True):
        form = (drawn.screen.digits, drawn.screen.decimals)
        truth = drawn.reading.replace(".", "")
        grey = engine.cv2.cvtColor(drawn.image, engine.cv2.COLOR_BGR2GRAY)
        for fit in fits(engine, drawn.image, grey, [form])[form][:2]:
            best = readings(engine, grey, fit)[0]
            found.append((best.evidence, best.text == truth))
    return found


def fitted(x: NDArray[np.float64], exact: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights by logistic regression, drawn a little towards zero in units of each feature's scatter."""
    scale = np.append(x[:, :-1].std(0) + 1e-9, 1.0)

    def loss(w: NDArray[np.float64]) -> float:
        odds = (x / scale) @ w
        return float(np.logaddexp(0, np.where(exact, -odds, odds)).mean() + _RIDGE * np.square(w[:-1]).mean())

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), method="L-BFGS-B").x / scale)


def report(found: list[tuple[Evidence, bool]], weights: NDArray[np.float64]) -> None:
    """Print how many readings thresholds would take, and how many of them are wrong."""
    exact = np.array([right for _, right in found])
    p = 1 / (1 + np.exp(-np.array([features(e) for e, _ in found]) @ weights))
    allowed = np.array([safe(e) for e, _ in found])
    for enough in (0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995):
        taken = allowed & (p >= enough)
        print(f"{enough:5}: {taken.sum():4d} taken of {len(found)}, {(taken & ~exact).sum()} wrong")


if __name__ == "__main__":
    data = samples(int(sys.argv[1]) if len(sys.argv) > 1 else 240)
    best = fitted(np.array([features(e) for e, _ in data]), np.array([right for _, right in data]))
    print("WEIGHTS: Final = (" + ", ".join(f"{w:.3f}" for w in best) + ")")
    report(data, best)
