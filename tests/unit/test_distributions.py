"""The distributions for whole arrays: as `scipy.special` has them one value at a time, however many differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from transforms.statistics import chi_square_limit, f_limit, student_quantile


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
