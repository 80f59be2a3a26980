"""Published regression results, reproduced: NIST StRD, ISO/TS 28037:2010, and Pearson's data with York's weights.

The numbers lie in regression_reference.json. Where ISO/TS 28037 linearises standard errors at the solution, so do we.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transforms.fit import (
    CalibrationCurve,
    Curves,
    Lines,
    fit_power,
    fit_quadratic,
    fit_straight,
    fit_york,
    nonlinear,
    polynomial,
    power_law,
    single_bins,
    straight_line,
)

REFERENCE: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("regression_reference.json").read_text())
CLAUSE_6 = REFERENCE["iso_ts_28037 clause 6 example 1 (WLS, equal known weights)"]
CLAUSE_7 = REFERENCE["iso_ts_28037 clause 7 example (GDR, errors in both, uncorrelated)"]
PEARSON = REFERENCE["pearson_york"]


def test_no_entry_is_left_out() -> None:
    tested = {"norris", "pontius", "danwood", "misra1a", "pearson_york"}
    assert {name for name in REFERENCE if not name.startswith("iso_ts_28037 clause")} == tested
    assert sum(name.startswith("iso_ts_28037 clause") for name in REFERENCE) == len([CLAUSE_6, CLAUSE_7])


# ---- NIST StRD, linear: 11 of the certified digits


@pytest.mark.parametrize(("name", "degree"), [("norris", 1), ("pontius", 2)])
def test_nist_linear(name: str, degree: int) -> None:
    known = REFERENCE[name]
    fit = polynomial(known["x"], known["y"], degree)
    assert fit.parameters == pytest.approx(known["coefficients"], rel=1e-11)
    assert fit.u == pytest.approx(known["standard_errors"], rel=1e-11)
    assert fit.residual_sd == pytest.approx(known["residual_sd"], rel=1e-11)
    assert fit.r_squared == pytest.approx(known["r_squared"], rel=1e-14)


def test_nist_norris_as_a_straight_line() -> None:
    known = REFERENCE["norris"]
    fit = straight_line(known["x"], known["y"])
    assert [fit.a2, fit.a1] == pytest.approx(known["coefficients"], rel=1e-11)
    assert [fit.u_a2, fit.u_a1] == pytest.approx(known["standard_errors"], rel=1e-11)
    assert fit.residual_sd == pytest.approx(known["residual_sd"], rel=1e-11)
    assert fit.r_squared == pytest.approx(known["r_squared"], rel=1e-14)


@pytest.mark.parametrize(("name", "fit"), [("norris", fit_straight), ("pontius", fit_quadratic)])
def test_nist_linear_in_a_fleet(name: str, fit: Callable[..., Curves]) -> None:
    known = REFERENCE[name]
    x, y = (np.tile(np.array(known[key]), (3, 1)) for key in "xy")
    curves = fit(x, y, np.ones_like(x))
    for meter in range(3):
        errors = np.sqrt(np.diag(curves.covariance[meter]) * curves.scatter[meter])
        assert curves.parameters[meter] == pytest.approx(known["coefficients"], rel=1e-11)
        assert errors == pytest.approx(known["standard_errors"], rel=1e-11)


# ---- NIST StRD, nonlinear: 9 of the certified digits, from both published starts

MODELS = {
    "danwood": lambda q, b1, b2: b1 * q**b2,
    "misra1a": lambda q, b1, b2: b1 * (1 - np.exp(-b2 * q)),
}


def check_nonlinear(known: dict[str, Any], fit: CalibrationCurve) -> None:
    assert fit.parameters == pytest.approx([p["certified"] for p in known["parameters"]], rel=1e-9)
    assert fit.u == pytest.approx([p["certified_sd"] for p in known["parameters"]], rel=1e-9)
    assert fit.chi2 == pytest.approx(known["residual_sum_of_squares"], rel=1e-9)
    assert fit.residual_sd == pytest.approx(known["residual_sd"], rel=1e-9)
    assert fit.dof == known["dof"]


@pytest.mark.parametrize("start", ["start1", "start2"])
@pytest.mark.parametrize("name", ["danwood", "misra1a"])
def test_nist_nonlinear(name: str, start: str) -> None:
    known = REFERENCE[name]
    fit = nonlinear(MODELS[name], known["x"], known["y"], [p[start] for p in known["parameters"]])
    check_nonlinear(known, fit)


def test_nist_danwood_finds_its_own_start() -> None:
    known = REFERENCE["danwood"]
    check_nonlinear(known, power_law(known["x"], known["y"]))
    x, y = (np.tile(np.array(known[key]), (2, 1)) for key in "xy")
    fleet = fit_power(x, y, np.ones_like(x))
    assert fleet.parameters[1] == pytest.approx([p["certified"] for p in known["parameters"]], rel=1e-9)


# ---- ISO/TS 28037: every printed digit


def test_iso_28037_weighted() -> None:
    known, printed = CLAUSE_6, CLAUSE_6["published"]
    fit = straight_line(known["x"], known["y"], uy=known["uy"])
    values = {
        "a": fit.a2,
        "b": fit.a1,
        "ua": fit.u_a2,
        "ub": fit.u_a1,
        "cov_ab": fit.covariance[0, 1],
        "chi2": fit.chi2,
    }
    for name, value in values.items():
        assert round(value, 3) == printed[name], name
        assert value == pytest.approx(known["full_precision"][name], rel=1e-12), name
    assert fit.dof == printed["nu"]
    assert round(fit.chi2_limit(), 3) == printed["chi2_95"]
    predictions(known, fit)
    (inverse,) = known["inverse"]
    x0 = fit.invert(inverse["y0"], inverse["uy0"])
    assert (round(float(x0.value), 3), round(float(x0.u), 3)) == (inverse["x0"], inverse["ux0"])


def test_iso_28037_errors_in_both() -> None:
    known, printed = CLAUSE_7, CLAUSE_7["published"]
    fit = straight_line(known["x"], known["y"], ux=known["ux"], uy=known["uy"])
    values = {"a": fit.a2, "b": fit.a1, "ua": fit.u_a2, "ub": fit.u_a1, "cov_ab": fit.covariance[0, 1]}
    for name, value in values.items():
        assert round(value, 4) == printed[name], name
    assert round(fit.chi2, 3) == printed["chi2"]
    for name, value in (values | {"chi2": fit.chi2}).items():
        assert value == pytest.approx(known["full_precision_gauss_newton"][name], rel=1e-8), name
    assert fit.dof == printed["nu"]
    assert round(fit.chi2_limit(), 3) == printed["chi2_95"]
    predictions(known, fit)


def predictions(known: dict[str, Any], fit: Any) -> None:
    for forward in known["forward"]:
        y = fit.predict(forward["x0"], forward["ux0"])
        assert (round(float(y.value), 3), round(float(y.u), 3)) == (forward["y"], forward["uy"])
    together = fit.predict([f["x0"] for f in known["forward"]], [f["ux0"] for f in known["forward"]])
    assert np.round(together.u, 3).tolist() == [f["uy"] for f in known["forward"]]


# ---- Pearson's data with York's weights: every digit of the exact solution


def test_pearson_york() -> None:
    wx, wy = (1 / np.sqrt(PEARSON[key]) for key in ("wx", "wy"))
    fit = straight_line(PEARSON["x"], PEARSON["y"], ux=wx, uy=wy)
    assert (round(fit.a2, 8), round(fit.a1, 9)) == (PEARSON["exact"]["a"], PEARSON["exact"]["b"])
    assert round(fit.chi2 / fit.dof, 4) == PEARSON["reduced_chi2"]


def test_pearson_york_in_a_fleet() -> None:
    x, y, wx, wy = (np.tile(np.array(PEARSON[key], dtype=float)[:, None], (1, 3)) for key in ("x", "y", "wx", "wy"))
    fit: Lines = fit_york(single_bins(x, y), 1 / wx, 1 / wy)
    assert np.round(fit.a2, 8).tolist() == [PEARSON["exact"]["a"]] * 3
    assert np.round(fit.a1, 9).tolist() == [PEARSON["exact"]["b"]] * 3
    assert np.round(fit.chi2 / fit.dof, 4).tolist() == [PEARSON["reduced_chi2"]] * 3
