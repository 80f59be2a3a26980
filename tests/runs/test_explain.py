"""Whole explanations through the real program: they say what the run said, with every check, and write nothing else."""

from __future__ import annotations

import json
import math
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli.common import make_context
from flows.cli.main import main
from flows.explain import explain
from flows.simulation import simulate_workspace
from reports.explain import Explanation, plain_sentence, to_json
from reports.explain_terminal import WIDTH, screen
from tests.runs.test_hostile_names import NAMES, Page, tree, write
from tests.workspaces import START, Small, demand, noisy, output
from transforms.judge.dossier import SPEAKS_FOR, STAGES
from transforms.simulate.behaviours import BEHAVIOURS

Q = demand()
TRUE = noisy(Q, 0.002)
NOON = "2026-01-01T12:00:00Z"


def gained(values: list[float], gain: float) -> list[float]:
    return [gain * value for value in values]


def told(small: Small, code: str, *more: str) -> dict[str, Any]:
    exit_code, text = output(["explain", code, "--workspace", str(small.root), "--json", *more])
    assert exit_code == 0
    return json.loads(text)


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {check["key"]: check["outcome"] for check in answer["checks"]}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """One good meter, one that reads high and gets a command, one without flow, one that never reported; a stranger."""
    small = Small(tmp_path_factory.mktemp("ran") / "workspace")
    small.registry(["GOOD", "HIGH", "DRY", "SILENT"])
    meters = {"GOOD": TRUE, "HIGH": gained(TRUE, 1.08), "DRY": [0.0] * 48, "STRANGER": TRUE}
    small.dump("meter", meters).dump("flowmeter", {"GOOD": Q, "HIGH": Q, "DRY": [0.0] * 48})
    small.run()
    return small


def test_a_healthy_meter_is_told_by_its_zones(ran: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.cli.common.ReadAhead", pytest.fail)  # dumps are read by who takes them in
    answer = told(ran, "GOOD")
    assert (answer["verdict"], answer["reason"], answer["form"]) == ("healthy", "within_mpe", None)
    assert answer["sentence"].startswith("GOOD reads inside its permissible error (")
    assert answer["sentence"].endswith("nothing was sent, and nothing needs to be.")
    assert answer["run_id"] == "20260101T000000Z_12h_r1"
    assert answer["caveats"] == []
    zone = next(check for check in answer["checks"] if check["key"] == "error_q2_q3")
    assert (zone["outcome"], zone["limit"], zone["unit"], zone["speaks_for"]) == ("passed", 2.0, "%", ["healthy"])
    assert abs(zone["value"]) < 0.5
    found = outcomes(answer)
    for key in (
        "error_q3_q4",
        "threshold",
        "mapping",
        "form",
        "curve",
        "sample_step",
        "clock_skew",
        "imprecise",
        "breaker",
    ):
        assert found[key] == "not_evaluated"
    for key in ("reference_known", "reference_calibrated"):  # there is no flowmeters.csv to know it from
        assert found[key] == "not_evaluated"


def test_a_steady_meter_is_told_with_its_relation_and_command(ran: Small) -> None:
    answer = told(ran, "HIGH")
    (command,) = ran.lines("commands.jsonl")
    assert answer["command_id"] == command["command_id"]
    assert "HIGH reads 8." in answer["sentence"]
    assert f"q' = {command['a1']:.4f} q" in answer["sentence"]
    assert f"a command went out ({command['command_id']}, not answered yet)." in answer["sentence"]
    found = outcomes(answer)
    assert found["error_q2_q3"] == "failed"
    for key in (
        "mapping",
        "form",
        "imprecise",
        "marginal",
        "unproven",
        "limits",
        "in_flight",
        "breaker",
        "sample_step",
    ):
        assert found[key] == "passed"


def test_diagnostics_are_a_second_opinion_and_decide_nothing(ran: Small) -> None:
    answer = told(ran, "HIGH")
    given = answer["diagnostics"]
    (command,) = ran.lines("commands.jsonl")
    assert (given["by"], given["line"], given["n_pairs"], given["why_not"]) == ("statsmodels", "q' = a1 q", 24, None)
    opinion = given["told"][0]
    assert (opinion["key"], opinion["outlook"]) == ("second_opinion", "nothing to see")
    assert math.isclose(opinion["figures"]["a1"], command["a1"], rel_tol=1e-5)
    assert given["looks"] == sum(each["outlook"] == "look" for each in given["told"])
    assert not {each["key"] for each in given["told"]} & {check["key"] for check in answer["checks"]}
    assert told(ran, "DRY")["diagnostics"] == {
        "by": "statsmodels",
        "line": None,
        "n_pairs": 0,
        "why_not": "not asked: too little water flowed to judge the meter",
        "note": None,
        "looks": 0,
        "told": [],
    }


def test_without_flow_it_says_what_it_would_take(ran: Small) -> None:
    answer = told(ran, "DRY")
    assert (answer["verdict"], answer["reason"]) == ("inconclusive", "no_flow")
    assert answer["needs"] == "about 6 flowing pairs would let it be judged; it has 0"
    assert "which is not the same as good" in answer["sentence"]
    found = outcomes(answer)
    assert (found["pairs"], found["flowing"]) == ("passed", "failed")
    assert {found[f"error_{zone}"] for zone in ("q1_q2", "q2_q3", "q3_q4")} == {"not_evaluated"}


@pytest.mark.parametrize(("code", "reason"), [("SILENT", "meter_missing"), ("STRANGER", "unregistered")])
def test_a_meter_without_pairs_is_explained_as_such(ran: Small, code: str, reason: str) -> None:
    answer = told(ran, code)
    assert (answer["verdict"], answer["reason"]) == ("inconclusive", reason)
    assert answer["judged_again"]["same"]
    failed = [key for key, outcome in outcomes(answer).items() if outcome == "failed"]
    assert failed == [{"meter_missing": "meter_reported", "unregistered": "registered"}[reason]]
    exit_code, text = output(["explain", code, "--workspace", str(ran.root)])
    assert exit_code == 0
    assert "No flowing pair to plot." in text


def test_an_undecided_meter_is_told_how_far_it_is_from_a_verdict(small: Small) -> None:
    small.registry(["CLOSE", "FEW"])
    few = [value if k % 48 in (3, 5, 6, 8, 15, 17) else 0.0 for k, value in enumerate(Q)]
    loose = [1.013 * value * (1 + 0.018 * (-1) ** k) for k, value in enumerate(few)]
    small.dump("meter", {"CLOSE": gained(TRUE, 1.0201), "FEW": loose}).dump("flowmeter", {"CLOSE": Q, "FEW": few})
    small.run()
    close, more = told(small, "CLOSE"), told(small, "FEW")
    assert (close["reason"], more["reason"]) == ("undecided", "undecided")
    assert close["needs"].startswith("no amount of flow from Q2 to Q3 would settle it: the error is ")
    assert outcomes(close)["error_q2_q3"] == "open"
    needed = more["numbers"]["pairs_needed"]
    assert more["needs"] == f"about {needed} flowing pairs in all would settle it; it has 6"


def test_parameters_that_changed_within_the_window_are_named(small: Small) -> None:
    later = [*gained(TRUE, 1.08), *TRUE]
    small.registry(["HIGH"]).dump("meter", {"HIGH": later}).dump("flowmeter", {"HIGH": [*Q, *Q]})
    small.run()
    (command,) = small.lines("commands.jsonl")
    (small.root / "raw" / "acks").mkdir(parents=True)
    ack = {
        "command_id": command["command_id"],
        "feature_code": "HIGH",
        "status": "applied",
        "at": "2026-01-01T23:00:00Z",
    }
    (small.root / "raw" / "acks" / "a.jsonl").write_text(json.dumps(ack) + "\n")
    small.run(until="2026-01-02T00:00:00Z")
    answer = told(small, "HIGH")
    assert (answer["verdict"], answer["reason"]) == ("inconclusive", "parameters_changed")
    assert answer["judged_again"] == {
        "verdict": "inconclusive",
        "reason": "parameters_changed",
        "form": None,
        "same": True,
    }
    assert outcomes(answer)["unchanged"] == "failed"
    assert outcomes(answer)["error_q2_q3"] == "not_evaluated"
    assert [each["verdict"] for each in answer["history"]] == ["steady", "inconclusive"]
    assert answer["history"][0]["sent"] == [command["command_id"]]
    before = told(small, "HIGH", "--until", NOON)
    assert f"({command['command_id']}, applied 2026-01-01 23:00 UTC)" in before["sentence"]


def test_a_window_without_a_run_is_judged_and_nothing_is_written(ran: Small) -> None:
    before = {path: path.read_bytes() for path in ran.root.rglob("*") if path.is_file()}
    answer = told(ran, "HIGH", "--window", "6h", "--until", NOON)
    assert (answer["run_id"], answer["window_start"]) == (None, "2026-01-01T06:00:00Z")
    assert answer["verdict"] == "steady"
    assert answer["caveats"] == [
        "this window has no run: it was judged from the lake just now, and nothing was written"
    ]
    assert answer["sentence"].endswith("no run has decided about this window yet.")
    assert {outcomes(answer)[key] for key in ("limits", "in_flight", "breaker")} == {"not_evaluated"}
    assert {path: path.read_bytes() for path in ran.root.rglob("*") if path.is_file()} == before


def test_a_policy_that_changed_since_is_said(ran: Small, tmp_path: Path) -> None:
    changed = Small(shutil.copytree(ran.root, tmp_path / "workspace"))
    (changed.root / "registry" / "policy.toml").write_text("tolerance = 10.0\n")
    answer = told(changed, "HIGH")
    assert answer["verdict"] == "steady"  # the run's word stands
    assert answer["judged_again"]["verdict"] == "healthy"
    assert answer["caveats"] == [
        "judged again now it would be healthy (within_mpe); the checks tell of that: the policy changed since"
    ]


def test_a_name_that_nobody_knows_is_wrong_usage(ran: Small, capsys: pytest.CaptureFixture[str]) -> None:
    for code, hint in (
        ("GODO", "did you mean GOOD?"),
        (" high ", "did you mean HIGH?"),
        ("zzz\u202e", "zzz[U+202E]"),
        ("GOOD\udce4", "did you mean GOOD?"),
    ):
        assert main(["explain", code, "--workspace", str(ran.root)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert hint in said.err
        assert "neither in meters.csv nor in any dump read so far" in said.err


def test_an_empty_workspace_says_what_to_do(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    small.registry(["WM-1"])
    assert main(["explain", "WM-1", "--workspace", str(small.root)]) == 2
    assert "put dumps into raw/ and say: meterwright run" in capsys.readouterr().err


def test_the_screen_shows_sentence_checks_plot_and_past(ran: Small) -> None:
    _, text = output(["explain", "HIGH", "--workspace", str(ran.root)])
    lines = text.splitlines()
    assert lines[0].startswith("STEADY (")
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= 44
    assert "  FAILED        Error of indication Q2-Q3 " in text
    assert any(line.startswith("  not evaluated ") for line in lines)
    diagnosed = "Diagnostics of the fit, by statsmodels (they decide nothing; ± of the pairs alone)  nothing to see:"
    assert any(line.startswith(diagnosed) for line in lines)
    assert sum("|" in line and "%" in line for line in lines) == 3  # the plot's labelled rows
    assert lines[-1].startswith("Last runs: 01-01 00:00 steady +8.")


def test_a_page_goes_where_it_is_wanted_and_is_named_by_a_digest(ran: Small, tmp_path: Path) -> None:
    wanted = tmp_path / "page.html"
    answer = told(ran, "HIGH", "--html", str(wanted))
    assert answer["page"] == str(wanted)
    exit_code, text = output(["explain", "HIGH", "--workspace", str(ran.root), "--html"])
    (made,) = (ran.root / "reports").glob("explain_*.html")
    assert exit_code == 0
    assert text.splitlines()[-1] == f"Page: {made}"
    assert made.read_bytes() == wanted.read_bytes()
    assert made.name.endswith("_20260101T000000Z_12h.html")
    page = Page(made.read_text(encoding="utf-8"))
    assert page.tags["svg"] == 3
    assert page.tags["script"] == 0
    assert "Diagnostics of the fit, by statsmodels" in page.text
    assert all(each["sentence"] in page.text for each in answer["diagnostics"]["told"])
    unasked = sum(outcome == "not_evaluated" for outcome in outcomes(answer).values())
    assert made.read_text(encoding="utf-8").count('class="outcome o-not_evaluated">not evaluated<') == unasked
    assert f"{unasked} not evaluated. What was not evaluated has not passed." in page.text


def test_names_from_outside_stay_names(tmp_path: Path) -> None:
    small = write(tmp_path / "a" / "workspace", NAMES, "<i>M</i> '; \" ../x = `$x$`")
    small.run()
    before = tree(tmp_path, small.root)
    for name in NAMES:
        exit_code, text = output(["explain", "--workspace", str(small.root), "--html", "--json", "--", name])
        assert exit_code == 0
        answer = json.loads(text)
        assert answer["feature_code"] == name
        file = Path(answer["page"])
        assert file.parent == small.root / "reports"
        page = Page(file.read_text(encoding="utf-8"))
        assert not set(page.tags) & {"script", "img", "b"}
        assert not {each for each in page.attributes if each.startswith("on")}
        assert "\u202e" not in page.text
    (turned,) = (name for name in NAMES if "\u202e" in name)
    assert "\u202e" not in output(["explain", "--workspace", str(small.root), "--", turned])[1]
    assert len(list((small.root / "reports").glob("explain_*.html"))) == len(NAMES)
    assert tree(tmp_path, small.root) == before


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Every behaviour in equal parts, with the usual defects, judged once."""
    small = Small(tmp_path_factory.mktemp("fleet") / "workspace")
    shares = dict.fromkeys(BEHAVIOURS, 1 / len(BEHAVIOURS))
    simulate_workspace(
        small.root, meters=210, days=1, interval=timedelta(minutes=15), seed=11, start=START, shares=shares
    )
    # what is explained are verdicts; charts would take longer than all of them
    (small.root / "registry" / "policy.toml").write_text("[report]\nplots = 0\n")
    small.run()
    return small


def test_what_is_explained_is_what_was_judged(fleet: Small) -> None:
    """Of each behaviour several meters: the dossier arrives at the run's verdict, reason, form and numbers."""
    truth = pl.read_parquet(fleet.root / "truth.parquet")
    some = truth.group_by("behaviour", maintain_order=True).agg(pl.col("feature_code").head(2)).sort("behaviour")
    assert some.height == len(BEHAVIOURS)
    rows = fleet.verdicts()
    context = make_context(fleet.root, 1)
    seen = set()
    for code in some.explode("feature_code")["feature_code"]:
        found = explain(context, code, None, None)
        assert found.agrees, (code, found.verdict["reason"], found.dossier.row["reason"])
        for name in ("volume_error", "a1", "a2", "a1_se", "error_q2_q3", "uncertainty_q2_q3", "pairs_needed"):
            said, again = rows[code][name], found.dossier.row[name]
            assert (said is None) == (again is None), (code, name)
            assert said is None or math.isclose(said, again, rel_tol=1e-9), (code, name)
        _second_opinion(found)
        _consistent(found.dossier.row, {check.key: check for check in found.checks})
        answer = to_json(found)
        assert json.loads(json.dumps(answer)) == answer
        assert max(map(len, screen(found))) <= WIDTH
        assert plain_sentence(found).startswith(code)
        seen.add(found.verdict["verdict"])
    assert seen == {"healthy", "steady", "unsteady", "inconclusive"}


def _second_opinion(found: Explanation) -> None:
    """Another program, told the pairs and the weights, finds the line that was judged by."""
    diagnostics = found.dossier.diagnostics
    assert bool(diagnostics.told) != bool(diagnostics.why)
    for each in diagnostics.told[:1]:
        assert each.figures["standard_errors_apart"] < 1e-5, (found.feature_code, each)


def _consistent(row: dict[str, Any], checks: dict[str, Any]) -> None:
    """The checks bear the verdict out: something speaks for it, and what the reason names has failed."""
    verdict, reason = row["verdict"], row["reason"]
    assert {word for check in checks.values() for word in check.speaks_for} <= set(SPEAKS_FOR)
    assert [check.stage for check in checks.values()] == sorted(
        (check.stage for check in checks.values()), key=STAGES.index
    )
    if reason not in ("undecided", "scatter"):
        assert any(verdict in check.speaks_for for check in checks.values()), (reason, checks)
    named = {
        "stuck": "stuck",
        "dropout": "dropout",
        "clock_skew": "clock_skew",
        "reference_coarse": "rounding",
        "meter_coarse": "rounding",
        "meter_cut_off": "rounding",
        "reverse_flow": "reverse_flow",
        "step": "sample_step",
        "no_flow": "flowing",
        "curve_mapping": "curve",
    }
    if reason in named:
        assert checks[named[reason]].outcome == "failed"
    if verdict == "healthy":
        assert "failed" not in {checks[f"error_{zone}"].outcome for zone in ("q1_q2", "q2_q3", "q3_q4")}
    if reason == "drifting":
        assert "failed" in {checks["drift"].outcome, checks["sample_drift"].outcome}
    if reason == "scatter":
        assert checks["mapping"].outcome == "failed"
