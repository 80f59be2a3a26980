"""What can be detected: chances, their inverses, and that verdicts counted on simulated moments agree with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judging import WINDOW_US, Kind, judge_moments
from transforms.judge.detectability import QUESTIONS, Setting, chance, detectable, pairs_for
from transforms.judge.precision import marginal
from transforms.policy import Policy

SETTING = Setting.under(Policy(), 250.0, 0.02, 0.01, 1.0)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("pairs", [6, 20, 60])
@pytest.mark.parametrize("offset", [False, True])
def test_counted_as_often_as_told(question: str, pairs: int, offset: bool) -> None:
    meters, rng = 3000, np.random.default_rng(pairs)
    for deviation in (0.004, 0.012, 0.03, 0.045):
        told = float(chance(question, deviation, pairs, SETTING))
        if not 0.02 < told < 0.98:
            continue
        shape = (meters, pairs)
        flow = 250.0 * 1.2 ** rng.uniform(-1, 1, shape)
        common = 1 + 0.0025 * rng.standard_normal((meters, 1))
        q = flow * common * (1 + 0.005 * rng.standard_normal(shape))
        shown = flow + deviation * 250.0 if offset else flow * (1 + deviation)
        q_meter = np.rint(shown * (1 + 0.01 * rng.standard_normal(shape)))
        us = np.tile((np.linspace(0, 0.99, pairs) * WINDOW_US).astype(np.int64), (meters, 1))
        judged = judge_moments(us, q, q_meter, Kind(), Policy())
        outside = judged.standing.outside
        answers = {
            "outside": outside,
            "commanded": outside & ~marginal(judged.found, Policy()),
            "healthy": judged.verdict == "healthy",
        }
        # an offset makes the error vary with the flow, so that single flow bins are looked at as well
        more = 0.12 if offset else 0.04
        assert told - 0.06 <= answers[question].mean() <= told + more


@given(
    pairs=st.integers(3, 200),
    flow=st.floats(20, 2000),
    ratio=st.floats(0.5, 3.0),
    uncertainty=st.floats(0.0, 0.01),
)
@settings(max_examples=30, deadline=None)
def test_what_is_detectable_has_just_the_power(pairs: int, flow: float, ratio: float, uncertainty: float) -> None:
    setting = replace(SETTING, flow_lph=flow, scatter_ratio=ratio, reference_uncertainty=uncertainty)
    for question in QUESTIONS:
        deviation = float(detectable(question, pairs, setting, 0.9))
        if np.isfinite(deviation) and deviation > 1e-9:
            assert float(chance(question, deviation, pairs, setting)) == pytest.approx(0.9, abs=1e-6)
    outside, commanded = (float(detectable(name, pairs, setting)) for name in ("outside", "commanded"))
    if np.isfinite(commanded):
        assert setting.mpe < outside <= commanded + 1e-12


def test_more_pairs_show_smaller_deviations_down_to_what_the_reference_allows() -> None:
    for question, better in (("outside", -1), ("commanded", -1), ("healthy", 1)):
        found = detectable(question, np.array([12, 24, 48, 96, 10_000]), SETTING)
        assert (np.diff(found) * better > 0).all()
    # 2 u of the reference and 1.2816 u more for the power, beyond the limit
    least = float(detectable("outside", 10_000, SETTING))
    assert least == pytest.approx(0.02 + (2 + 1.2816) * 0.0025, abs=4e-4)


def test_pairs_for_is_the_fewest() -> None:
    n = pairs_for("outside", 0.032, SETTING)
    assert float(chance("outside", 0.032, n, SETTING)) >= 0.9 > float(chance("outside", 0.032, n - 1, SETTING))
    assert pairs_for("outside", 0.021, SETTING) == 0
    assert pairs_for("healthy", 0.0195, SETTING) == 0


def test_both_signs_and_too_few_pairs() -> None:
    low, high = (float(chance("outside", sign * 0.04, 20, SETTING)) for sign in (-1, 1))
    assert low == pytest.approx(high, abs=0.02)
    assert float(chance("outside", 0.5, 2, SETTING)) == 0.0


def test_shapes_broadcast() -> None:
    assert chance("outside", np.array([[0.01], [0.03]]), np.array([6, 12, 24]), SETTING).shape == (2, 3)
    assert detectable("outside", np.array([[6, 12]]), SETTING).shape == (1, 2)


def test_an_unknown_question_is_refused() -> None:
    with pytest.raises(ValueError, match="no question of detectability"):
        chance("good", 0.1, 10, SETTING)


def _page_rows(heading: str) -> list[list[str]]:
    page = (Path(__file__).parents[2] / "docs" / "detectability.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| US-DN15-R160 |")]
    return [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("heading", "question"), [("Steady", "outside"), ("Commanded", "commanded"), ("Healthy", "healthy")]
)
def test_the_page_shows_what_the_code_computes(heading: str, question: str) -> None:
    rows = _page_rows(heading)
    assert [row[1] for row in rows] == ["Q1 to Q2", "2 % of Q3", "10 % of Q3", "50 % of Q3"]
    flows = (15.625 * np.sqrt(1.6), 50.0, 250.0, 1250.0)
    for row, flow in zip(rows, flows, strict=True):
        setting = Setting.under(Policy(), float(flow), float(row[3]) / 100, 0.01, 1.0)
        told = 100 * detectable(question, np.array([6, 10, 20, 40, 100]), setting)
        assert [np.nan if cell == "–" else float(cell) for cell in row[4:]] == pytest.approx(
            told, abs=0.051, nan_ok=True
        )
