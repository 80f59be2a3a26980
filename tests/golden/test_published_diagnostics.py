"""Diagnostics against published numbers of published data sets."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tests.golden.test_published_fits import REFERENCE
from transforms.judge.dossier.diagnostics import Diagnostic, diagnose
from transforms.judge.dossier.fitted import Fitted

#: Gesell adaptive score against the age at the first word [months] of 21 children; Mickey, Dunn and Clark (1967)
AGE = [15.0, 26, 10, 9, 15, 20, 18, 11, 8, 20, 7, 9, 10, 11, 11, 10, 12, 42, 17, 11, 10]
SCORE = [95.0, 71, 83, 91, 102, 87, 93, 100, 104, 94, 113, 96, 83, 84, 102, 100, 105, 57, 121, 86, 100]
#: Sales of the Blaisdell Company and of its industry by quarter [million $]; Neter, Wasserman and Kutner, Applied Linear
#: Statistical Models, the example of autocorrelation
INDUSTRY = [
    127.3, 130.0, 132.7, 129.4, 135.0, 137.1, 141.2, 142.8, 145.5, 145.3,
    148.3, 146.4, 150.2, 153.1, 157.3, 160.7, 164.2, 165.6, 168.7, 171.7,
]  # fmt: skip
COMPANY = [
    20.96, 21.40, 21.96, 21.52, 22.39, 22.76, 23.48, 23.66, 24.10, 24.01,
    24.54, 24.30, 25.00, 25.64, 26.36, 26.98, 27.52, 27.78, 28.24, 28.78,
]  # fmt: skip


def told(
    x: list[float], y: list[float], line: tuple[float, float], errors: tuple[float, float], sd: float
) -> dict[str, Diagnostic]:
    """The diagnostics of a published line, one pair a minute."""
    same = np.ones(len(x))
    given = Fitted(
        form="line", a1=line[0], a1_se=errors[0], a2=line[1], a2_se=errors[1], estimator="ordinary", curved=False, matters=0.01,
        start=datetime(2026, 1, 1, tzinfo=UTC), us=np.arange(len(x)) * 60_000_000,
        q=np.array(x, dtype=np.float64), q_meter=np.array(y, dtype=np.float64), weights=same, expected=sd**2 * same,
    )  # fmt: skip
    return {each.key: each for each in diagnose(given).told}


def test_norris() -> None:
    """NIST StRD: certified parameters and standard errors to eleven digits."""
    norris = REFERENCE["norris"]
    (a2, a1), (a2_se, a1_se) = norris["coefficients"], norris["standard_errors"]
    opinion = told(norris["x"], norris["y"], (a1, a2), (a1_se, a2_se), norris["residual_sd"])["second_opinion"]
    assert opinion.outlook == "nothing to see"
    certified = {"a1": a1, "a1_se": a1_se, "a2_lph": a2, "a2_lph_se": a2_se}
    for name, value in certified.items():
        assert opinion.figures[name] == pytest.approx(value, rel=1e-10), name
    assert opinion.figures["standard_errors_apart"] == 0


def test_cooks_distance_of_the_eighteenth_child() -> None:
    """Largest Cook's distance 0.678, of child 18 (the next is 0.223); without it the slope is -0.779 in place of -1.127."""
    influence = told(AGE, SCORE, (-1.1270, 109.874), (0.3102, 5.0678), 11.0229)["influence"]
    assert influence.figures["cooks_distance"] == pytest.approx(0.678, abs=5e-4)
    assert influence.figures["at"] == "2026-01-01T00:17:00Z"  # the eighteenth minute
    assert influence.figures["q_lph"] == pytest.approx(42)
    assert influence.figures["a1_without"] == pytest.approx(-0.779, abs=5e-4)


def test_durbin_watson_of_the_blaisdell_company() -> None:
    """D = 0.735, far below the bounds of the test at 1 %; b1 = 0.17628 with s = 0.00144, b0 = -1.4548 with s = 0.21415."""
    found = told(INDUSTRY, COMPANY, (0.17628, -1.4548), (0.00144, 0.21415), 0.08606)
    opinion, order = found["second_opinion"], found["autocorrelation"]
    assert opinion.outlook == "nothing to see"
    assert opinion.figures["a1"] == pytest.approx(0.17628, abs=5e-6)
    assert opinion.figures["a2_lph"] == pytest.approx(-1.4548, abs=5e-5)
    assert order.figures["durbin_watson"] == pytest.approx(0.735, abs=5e-4)
