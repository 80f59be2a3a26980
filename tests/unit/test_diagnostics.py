"""Diagnostics of one meter's fit against scatter of which it is known what is wrong with it, and against data that allow none."""

from __future__ import annotations

import ast
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.judging import Floats
from transforms.judge.dossier.diagnostics import Diagnostic, diagnose
from transforms.judge.dossier.fitted import Fitted

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE_US = 60_000_000
N = 96
KEYS = [
    "second_opinion", "heteroscedasticity", "autocorrelation", "normality", "curvature", "influence", "robust",
]  # fmt: skip


def flows(n: int = N, seed: int = 3) -> Floats:
    return np.exp(np.random.default_rng(seed).uniform(np.log(20), np.log(2000), n))


def even(n: int = N, seed: int = 2) -> Floats:
    """Normal scores in random order: the scatter itself holds nothing that a test could find by chance."""
    from scipy.special import ndtri

    scores = ndtri((np.arange(n) + 0.5) / n)
    return np.random.default_rng(seed).permutation(scores / scores.std())


def fitted(q: Floats, q_meter: Floats, form: str = "line", **changes: Any) -> Fitted:
    """The line by normal equations, with the inverse of the variance expected (1 % of the flow) as weights."""
    expected = (0.01 * np.where(q > 0, q, 1.0)) ** 2
    w = 1 / expected
    ok = np.isfinite(q) & np.isfinite(q_meter)
    columns = {"gain": [q], "offset": [np.ones_like(q)], "line": [q, np.ones_like(q)]}[form]
    x = np.column_stack(columns)[ok]
    normal = x.T @ (w[ok, None] * x)
    y = (q_meter - q if form == "offset" else q_meter)[ok]
    found, errors = np.linalg.pinv(normal) @ (x.T @ (w[ok] * y)), np.sqrt(np.diag(np.linalg.pinv(normal)))
    if form == "gain":  # as ours: that no offset is seen does not make it known to be zero
        both = np.column_stack([q, np.ones_like(q)])[ok]
        errors = np.maximum(errors, np.sqrt(np.linalg.pinv(both.T @ (w[ok, None] * both))[0, 0]))
    a1, a1_se = (1.0, 0.0) if form == "offset" else (found[0], errors[0])
    a2, a2_se = (0.0, 0.0) if form == "gain" else (found[-1], errors[-1])
    given: dict[str, Any] = {
        "form": form, "a1": float(a1), "a1_se": float(a1_se), "a2": float(a2), "a2_se": float(a2_se),
        "estimator": "weighted", "curved": False, "matters": 0.01, "start": START, "us": np.arange(len(q)) * 15 * MINUTE_US,
        "q": q, "q_meter": q_meter, "weights": w, "expected": expected,
    }  # fmt: skip
    return Fitted(**given | changes)


def told(given: Fitted | None) -> dict[str, Diagnostic]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = diagnose(given)
    assert [each.key for each in found.told] in (KEYS, [])
    assert all(
        np.isfinite(value) for each in found.told for value in each.figures.values() if not isinstance(value, str)
    )
    return {each.key: each for each in found.told}


def looks(given: Fitted) -> set[str]:
    return {key for key, each in told(given).items() if each.outlook == "look"}


@pytest.mark.parametrize("form", ["gain", "offset", "line"])
def test_a_clean_line_shows_nothing(form: str) -> None:
    q = flows()
    true = {"gain": 1.08 * q, "offset": q + 12, "line": 1.08 * q + 5}[form]
    found = told(fitted(q, true + 0.01 * q * even(), form))
    assert {each.outlook for each in found.values()} == {"nothing to see"}
    name = "a2" if form == "offset" else "a1"
    opinion = found["second_opinion"].figures
    assert opinion["standard_errors_apart"] == 0
    assert opinion[name] == pytest.approx(opinion[f"our_{name}"], rel=1e-9)
    assert opinion[f"{name}_low"] < {"gain": 1.08, "offset": 12, "line": 1.08}[form] < opinion[f"{name}_high"]
    assert found["second_opinion"].sentence.endswith("the same line")


def test_a_line_that_is_not_ours_is_said() -> None:
    q = flows()
    right = fitted(q, 1.08 * q + 5 + 0.01 * q * even())
    moved = fitted(q, right.q_meter, a1=right.a1 + 0.5 * right.a1_se)
    opinion = told(moved)["second_opinion"]
    assert (opinion.outlook, opinion.figures["standard_errors_apart"]) == ("look", 0.5)
    york = told(fitted(q, right.q_meter, a1=moved.a1, estimator="errors_in_both"))["second_opinion"]
    assert "ours is York's line" in york.sentence
    sure = told(fitted(q, right.q_meter, a1_se=right.a1_se / 2, a1=right.a1))["second_opinion"]
    assert sure.outlook == "look"
    assert "our interval is too narrow by 5" in sure.sentence  # half


def test_neighbours_that_err_alike_make_the_interval_too_narrow() -> None:
    """Of a mean of n errors in a chain with correlation r, the standard error is sqrt((1 + r) / (1 - r)) times as large."""
    n, r = 2000, 0.6
    noise = np.random.default_rng(5).normal(size=n)
    for k in range(1, n):
        noise[k] = r * noise[k - 1] + np.sqrt(1 - r**2) * noise[k]
    q = flows(n)
    order = told(fitted(q, 1.08 * q * (1 + 0.01 * noise), "gain"))["autocorrelation"]
    assert order.outlook == "look"
    assert order.figures["durbin_watson"] == pytest.approx(2 * (1 - r), abs=0.1)
    assert order.figures["se_ratio"] == pytest.approx(2.0, rel=0.15)
    narrow = 100 * (1 - 1 / float(order.figures["se_ratio"]))
    assert f"the interval of a1 is too narrow by {narrow:.1f} %" in order.sentence


def test_neighbours_that_err_in_turns_are_told_and_do_no_harm() -> None:
    q, turns = flows(), np.where(np.arange(N) % 2, 1, -1) * np.abs(even())
    order = told(fitted(q, 1.08 * q * (1 + 0.01 * turns), "gain"))["autocorrelation"]
    assert order.outlook == "look"
    assert order.sentence.endswith("but the interval of a1 is hardly the narrower for it")
    assert float(order.figures["durbin_watson"]) > 3


def test_scatter_that_grows_faster_than_the_flow_is_seen() -> None:
    q = flows()
    growth = q / np.median(q)
    found = told(fitted(q, 1.08 * q + 5 + 0.01 * q * growth * even()))["heteroscedasticity"]
    assert found.outlook == "look"
    large = q > np.median(q)
    expected = np.sqrt(np.mean(growth[large] ** 2) / np.mean(growth[~large] ** 2))
    assert found.figures["large_over_small"] == pytest.approx(expected, rel=0.3)
    assert "the larger flows scatter" in found.sentence


@pytest.mark.parametrize("form", ["gain", "line"])
def test_one_planted_reading_is_found_with_its_time(form: str) -> None:
    q = flows(48)
    good = (1.08 * q + (5 if form == "line" else 0)) + 0.01 * q * even(48)
    spoilt = good.copy()
    at = int(np.argmax(q))
    spoilt[at] *= 1.5
    found = told(fitted(q, spoilt, form))
    influence = found["influence"]
    hour, minute = divmod(at * 15, 60)
    assert influence.figures["at"] == f"2026-01-01T{hour:02}:{minute:02}:00Z"
    assert influence.figures["q_lph"] == pytest.approx(q[at])
    assert influence.outlook == "look"
    assert "that one reading carries the slope" in influence.sentence
    rest = np.arange(48) != at
    without = fitted(q[rest], spoilt[rest], form)
    assert influence.figures["a1_without"] == pytest.approx(without.a1, rel=1e-9)
    robust = found["robust"]
    assert (robust.outlook, robust.figures["weighed_below_half"]) == ("look", 1)
    assert robust.figures["a1"] == pytest.approx(without.a1, abs=without.a1_se)
    assert found["normality"].outlook == "look"
    assert looks(fitted(q, good, form)) == set()


def test_a_bend_is_seen_with_its_size() -> None:
    q = flows()
    bend = told(fitted(q, 1.02 * q + 0.04 * q**2 / 2000 + 0.002 * q * even(), "gain"))["curvature"]
    assert bend.outlook == "look"
    line = fitted(q, 1.02 * q + 0.04 * q**2 / 2000, "gain").a1
    miss = line - 1.02 - 0.04 * q / 2000
    assert abs(float(bend.figures["largest_miss"])) == pytest.approx(np.abs(miss).max(), abs=0.003)
    curved = told(fitted(q, 1.02 * q + 0.04 * q**2 / 2000 + 0.002 * q * even(), "gain", curved=True))["curvature"]
    assert curved.sentence.endswith("the curve is there for that")
    small = told(fitted(q, 1.02 * q + 0.01 * q**2 / 2000 + 0.002 * q * even(), "gain"))["curvature"]
    assert float(small.figures["p"]) < 0.01
    assert (small.outlook, small.sentence.endswith("too small to matter")) == ("nothing to see", True)


def test_the_test_for_a_bend_is_ramseys() -> None:
    from statsmodels.regression.linear_model import OLS
    from statsmodels.stats.diagnostic import linear_reset

    q = flows()
    y = 1.02 * q + 5 + 0.003 * q**2 / 2000 + even()
    same = np.ones(N)
    found = told(fitted(q, y, weights=same, expected=same))["curvature"]
    reset = linear_reset(OLS(y, np.column_stack([q, same])).fit(), power=2, use_f=True)
    assert found.figures["f"] == pytest.approx(float(reset.fvalue), rel=1e-6)
    assert found.figures["p"] == pytest.approx(float(reset.pvalue), rel=1e-6)


def test_without_scatter_nothing_but_the_line_is_told() -> None:
    q = flows()
    for q_meter in (q, 1.08 * q, 1.08 * q + 5, np.round(1.08 * q, 3)):
        found = told(fitted(q, q_meter))
        assert found["second_opinion"].outlook == "nothing to see"
        assert {each.outlook for key, each in found.items() if key != "second_opinion"} == {"not evaluated"}
        assert (
            found["influence"].sentence == "the line leaves less than 1 % of the scatter expected, nothing to diagnose"
        )


def test_of_flows_all_alike_nothing_changes_with_them() -> None:
    q = np.full(N, 500.0)
    found = told(fitted(q, 540 + 5 * even(), "gain"))
    assert {key for key, each in found.items() if each.outlook == "not evaluated"} == {
        "heteroscedasticity",
        "curvature",
    }
    assert found["curvature"].sentence == "the flows hardly differ, so nothing is seen to change with them"
    assert found["second_opinion"].figures["a1"] == pytest.approx(1.08, abs=0.001)


def test_few_pairs_are_told_as_few() -> None:
    q = flows(7)
    found = told(fitted(q, 1.08 * q * (1 + 0.01 * even(7)), "gain"))
    assert {key for key, each in found.items() if each.outlook != "not evaluated"} == {"second_opinion", "influence"}
    assert found["normality"].sentence == "only 7 flowing pairs; 20 are needed to tell"
    few = diagnose(fitted(q[:5], 1.08 * q[:5]))
    assert (few.told, few.why) == ((), "only 5 flowing pairs; 6 are needed")
    none = diagnose(fitted(q[:0], q[:0], a1=1.0, a1_se=0.0, a2=0.0, a2_se=0.0))
    assert (none.told, none.why) == ((), "no flowing pair")
    assert diagnose(None).why == "the flows determine no line"


def test_a_flow_that_is_no_number_is_no_pair() -> None:
    q = flows()
    q_meter = 1.08 * q * (1 + 0.01 * even())
    clean = told(fitted(q, q_meter, "gain"))
    holes = q_meter.copy()
    more, more_meter = np.append(q, [50.0, np.nan, 60.0]), np.append(holes, [np.nan, 50.0, np.inf])
    found = diagnose(fitted(more, more_meter, "gain"))
    assert found.pairs == N
    assert {each.key: each for each in found.told} == clean
    nothing = diagnose(fitted(more, np.full(len(more), np.nan), "gain", a1=1.0, a1_se=0.01))
    assert nothing.why == "no flowing pair"


def test_pairs_that_agree_but_for_two() -> None:
    """Two wild readings hide each other from Cook, not from Huber, whose scale of what agrees exactly is zero."""
    q = flows(24)
    q_meter = q.copy()
    q_meter[[3, 9]] *= 1.2
    found = told(fitted(q, q_meter, "gain"))
    assert found["influence"].outlook == "nothing to see"
    robust = found["robust"]
    assert (robust.outlook, robust.figures["weighed_below_half"]) == ("look", 2)
    assert robust.figures["a1"] == pytest.approx(1.0, abs=1e-6)
    assert 0 < float(robust.figures["a1_se"]) < 0.0001


def test_statsmodels_is_imported_by_the_diagnostics_alone_and_late() -> None:
    room = ROOT / "transforms" / "judge" / "dossier" / "diagnostics"
    users = set()
    for file in (file for package in ("transforms", "reports", "flows") for file in (ROOT / package).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "import statsmodels" not in text and "from statsmodels" not in text:
            continue
        users.add(file.parent)
        at_once = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert "statsmodels" not in " ".join(ast.unparse(node) for node in at_once), f"{file} imports it at once"
    assert users == {room}
