"""Exactly N digits from a recogniser's steps, against every way of spelling them counted out."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest

from transforms.display.lattice import best_strings, log_probability


def spelled(path: tuple[int, ...]) -> str:
    """What a sequence of steps spells: repeats are one, 0 is none."""
    return "".join(str(label - 1) for label, _ in groupby(path) if label)


def counted(p: np.ndarray) -> dict[str, float]:
    """The probability of every string, over all sequences of steps; only none, 0 and 1 occur in them."""
    total: dict[str, float] = {}
    for path in product(range(3), repeat=len(p)):
        weight = float(np.prod([step[label] for step, label in zip(p, path, strict=True)]))
        total[spelled(path)] = total.get(spelled(path), 0.0) + weight
    return total


def lattice(seed: int, steps: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p = np.zeros((steps, 11), np.float32)
    p[:, :3] = rng.dirichlet([0.5, 0.5, 0.5], steps)
    return p


@pytest.mark.parametrize("seed", range(5))
def test_a_string_is_as_probable_as_all_ways_to_spell_it(seed: int) -> None:
    p = lattice(seed)
    truth = counted(p)
    for text in ("", "0", "01", "00", "101"):
        # Each digit is kept at one in ten thousand, so what never occurs is not quite impossible.
        assert np.exp(log_probability(p, text)) == pytest.approx(truth.get(text, 0.0), rel=0.02, abs=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_string_has_the_digits_asked_for(seed: int) -> None:
    p = lattice(seed)
    truth = counted(p)
    for count in (1, 2, 3):
        right = {text: weight for text, weight in truth.items() if len(text) == count}
        strings, share = best_strings(p, count)
        assert strings[0] == max(right, key=lambda text: right[text])
        assert share == pytest.approx(sum(right.values()), abs=0.03)


def test_a_digit_that_would_be_dropped_is_put_where_most_speaks_for_it() -> None:
    p = np.zeros((9, 11), np.float32)
    p[:, 0] = 1.0
    for step, digit, weight in ((1, 4, 0.99), (4, 2, 0.98), (7, 7, 0.2)):  # the last one is faint: 4 2, says greed
        p[step] = 0
        p[step, [0, 1 + digit]] = 1 - weight, weight
    assert best_strings(p, 2)[0][0] == "42"
    strings, share = best_strings(p, 3)
    assert strings[0] == "427"
    assert 0.1 < share < 0.3
