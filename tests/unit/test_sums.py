"""Sums in compiled loops come to the last digit that NumPy's come to."""

from __future__ import annotations

import numpy as np

from transforms.sums import pairwise


def test_every_length_is_summed_as_numpy_does() -> None:
    rng = np.random.default_rng(1)
    for size in [*range(300), 512, 720, 1000, 1024, 1440, 4321, 20_000]:
        values = rng.normal(size=(2, size)) * 10.0 ** rng.integers(-8, 8, (2, size))
        assert [pairwise(row) for row in values] == values.sum(axis=1).tolist()
