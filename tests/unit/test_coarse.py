"""References that round: what a step of theirs may make is no error of the meter."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.test_ambiguous import METERS, RISING, look

DRAWS = np.random.default_rng(3).permuted(RISING, axis=1)


@pytest.mark.parametrize("step", [36.0, 22.7124707])
def test_what_a_reference_cuts_off_is_no_offset_of_the_meter(step: float) -> None:
    """Hundredths of a litre per second, and tenths of a gallon per minute."""
    seen = look(np.floor(DRAWS / step) * step, DRAWS, exact=True)
    assert seen.looked.all()
    assert seen.ambiguous.all()


def test_a_meter_that_is_off_by_more_than_the_step_makes_is_off() -> None:
    assert look(np.floor(DRAWS / 10.0) * 10.0, 1.12 * DRAWS, exact=True).ambiguous.mean() < 0.2


def test_a_reference_that_does_not_round_has_no_step() -> None:
    assert look(DRAWS, 1.05 * DRAWS).ambiguous.sum() < 0.05 * METERS
