"""The distributions for whole arrays: as `scipy.special` has them one value at a time, however many differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from transforms.statistics import chi_square_limit, f_exceeds, f_limit, student_quantile


@pytest.mark.parametrize("different", [1, 40, 1023, 1024, 5000])
def test_each_value_gets_its_own_quantile(different: int) -> None:
    rng = np.random.default_rng(different)
    few = np.concatenate([rng.uniform(1, 60, different // 2), 1.0 + np.arange(different - different // 2) / 3])
    dof = rng.permutation(np.concatenate([few, few, [0.5, 1.0, -0.0]])).reshape(1, -1)
    known = np.maximum(dof, 1.0)
    assert np.array_equal(chi_square_limit(dof, 1e-4), special.chdtri(known, 1e-4))
    assert np.array_equal(f_limit(1.0, dof, 0.01), special.fdtri(1.0, known, 0.99))
    assert np.array_equal(student_quantile(2.0, dof), special.stdtrit(known, special.ndtr(2.0)))


def test_what_is_not_a_number_stays_so() -> None:
    told = chi_square_limit(np.array([np.nan, 3.0, np.nan, np.inf]), 0.05)
    assert np.isnan(told[[0, 2]]).all()
    assert told[1] == pytest.approx(7.8147, abs=1e-4)  # any table of chi-square


@pytest.mark.parametrize("level", [1e-4, 0.01, 0.1, 0.4])
def test_a_variance_ratio_is_high_exactly_where_its_chance_is_below_the_level(level: float) -> None:
    rng = np.random.default_rng(9)
    between, within = rng.integers(0, 60, 20_000).astype(float), rng.integers(1, 400, 20_000) / 2
    # half of them close to the limit, where telling it by a bound would show
    f = special.fdtri(np.maximum(between, 1), np.maximum(within, 1), 1 - level) * rng.choice([1.0, 3.0], 20_000)
    f *= 1 + rng.normal(scale=0.05, size=len(f))
    known = special.fdtrc(np.maximum(between, 1), np.maximum(within, 1), f) < level
    assert np.array_equal(f_exceeds(f, between, within, level), known)
    assert 0.4 < known.mean() < 0.9


def test_no_ratio_is_no_high_one() -> None:
    assert f_exceeds(np.array([np.nan, np.inf, -1.0, 0.0]), np.ones(4), np.full(4, 9.0), 0.01).tolist() == [
        False, True, False, False,
    ]  # fmt: skip
