"""Who gets a second look: all that want one, up to the policy's share, the farthest off first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from flows.cli.telling import outcome_lines
from flows.window import Outcome
from tests.judging import Kind, paired_frame
from transforms.fit.points import MOST_POINTS
from transforms.judge import second_look
from transforms.judge.kept import from_table, to_table
from transforms.judge.paired import Paired
from transforms.judge.second_look import ROBUST, SecondLook, choose_whom, take_second_look
from transforms.policy import Policy
from transforms.summarise.pairs import Pairs


def _found(error: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(zones=SimpleNamespace(error=error))


def _policy(share: float) -> Policy:
    return replace(Policy(), judge=replace(Policy().judge, second_look_share=share))


def test_all_that_want_one_get_one_while_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_look, "ALWAYS", 4)
    wanted = np.array([False, True] * 4)
    chosen = choose_whom(wanted, _found(np.zeros((3, 8))), _policy(0.0))
    assert chosen.tolist() == [1, 3, 5, 7]


def test_too_many_are_cut_to_the_share_and_the_farthest_off_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_look, "ALWAYS", 2)
    error = np.full((3, 10), np.nan)
    error[1] = [0.01, -0.30, 0.02, 0.25, 0.0, 0.0, 0.03, -0.04, 0.0, 0.0]
    error[0, 8] = -0.5
    chosen = choose_whom(np.ones(10, dtype=bool), _found(error), _policy(0.3))
    assert chosen.tolist() == [1, 3, 8]


def test_the_bound_counts_the_bucket_and_not_those_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_look, "ALWAYS", 0)
    wanted = np.arange(100) < 40
    chosen = choose_whom(wanted, _found(np.tile(np.linspace(0, 1, 100), (3, 1))), _policy(0.25))
    assert chosen.tolist() == list(range(15, 40))


def test_meters_without_any_error_can_be_cut() -> None:
    many = second_look.ALWAYS + 50
    chosen = choose_whom(np.ones(many, dtype=bool), _found(np.full((3, many), np.nan)), _policy(0.0))
    assert len(chosen) == second_look.ALWAYS


def test_nobody_in_doubt_asks_for_no_samples() -> None:
    def look(_: np.ndarray) -> Pairs:
        raise AssertionError("samples were asked for")

    paired = Paired.of(paired_frame(2, Kind()), Policy())
    nobody = np.array([], dtype=np.int64)
    result = take_second_look(nobody, look, None, paired, Policy())  # type: ignore[arg-type]
    assert not result.looked.any()


def test_not_looked_at_is_neutral() -> None:
    none = SecondLook.none(3)
    flags = ("looked", "stuck", "dropout", "reverse", "skewed", "drifting", "step", "curved")
    assert not any(getattr(none, name).any() for name in flags)
    assert none.lag.tolist() == none.changed_us.tolist() == [0, 0, 0]
    assert np.isnan(none.dead).all()
    assert none.robust == {}


@pytest.mark.parametrize("curved", [False, True])
def test_what_verdicts_ask_for_is_kept(curved: bool) -> None:
    rng = np.random.default_rng(3)
    some = np.array([1, 4, 5, 8])
    second = SecondLook.none(9)
    second.looked[some] = True
    names = {"stuck", "dropout", "reverse", "skewed", "drifting", "step", "lag", "changed_us", "dead", "change"}
    for name in names:
        values = getattr(second, name)
        values[some] = rng.integers(0, 2, 4) if values.dtype == np.bool_ else rng.integers(-9, 9, 4)
    if curved:
        second.curved[4] = True
        points = np.full((2, 1, MOST_POINTS), np.nan)
        points[:, 0, :3] = [1.0, 2.0, 4.0], [1.5, 2.5, 3.0]
        second = replace(second, curve_q=points[0], curve_q_meter=points[1])
        second.curve_error[4], second.curve_uncertainty[4] = 0.1, 0.2
        second.robust.update({name: np.full(9, np.nan) for name in ROBUST})
        second.robust["a1"][[1, 5]] = 1.04
    kept = from_table(to_table(second), 9)
    names |= {"looked", "curved", "curve_q", "curve_q_meter", "curve_error", "curve_uncertainty"}
    for name in names:
        assert np.array_equal(getattr(kept, name), getattr(second, name), equal_nan=True), name
    assert set(kept.robust) == set(second.robust)
    for name in second.robust:
        assert np.array_equal(kept.robust[name], second.robust[name], equal_nan=True)
    assert to_table(kept).equals(to_table(second))


def test_the_terminal_says_when_some_were_left_out(tmp_path: Path) -> None:
    def said(flagged: int, looked_at: int) -> str:
        counts = {"verdict": {"healthy": 1}, "commands": 0, "held": 0, "work_orders": 0}
        manifest = {
            "run_id": "R",
            "feedback": {"faults": []},
            "counts": {**counts, "second_look": {"flagged": flagged, "looked_at": looked_at}},
        }
        return "\n".join(outcome_lines([Outcome(manifest, tmp_path, fresh=True)]))

    assert "1,500 meters wanted a look at their single readings and got none" in said(2500, 1000)
    assert "wanted a look" not in said(700, 700)
