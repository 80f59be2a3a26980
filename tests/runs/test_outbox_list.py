"""`outbox list`: what waits, as it stands in the outbox and the acks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from flows.cli.main import main
from flows.cli.waiting import waiting_lines
from reports.wording import correction
from tests.workspaces import Small, demand, noisy
from transforms.outbox.waiting import Waiting

Q = demand()
TRUE = noisy(Q, 0.002)
RUN = "20260101T000000Z_12h_r1"
CODES = [f"WM-{k:02d}" for k in range(30)]


def fleet(small: Small, off: Sequence[str], policy: str = "") -> Small:
    small.registry(CODES, policy_toml="[report]\nplots = 0\n" + policy)
    small.dump("meter", {code: [(1.08 if code in off else 1.0) * v for v in TRUE] for code in CODES})
    return small.dump("flowmeter", dict.fromkeys(CODES, Q))


def listed(small: Small, capfd: pytest.CaptureFixture[str], now: str, *more: str) -> tuple[dict[str, Any], str]:
    """As JSON and as text."""
    arguments = ["outbox", "list", "--workspace", str(small.root), "--now", now, *more]
    capfd.readouterr()
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert main(arguments) == 0
    return found, capfd.readouterr().out


def ack(small: Small, command: dict[str, Any], status: str, at: str) -> None:
    (small.root / "raw" / "acks").mkdir(parents=True, exist_ok=True)
    line = {"command_id": command["command_id"], "feature_code": command["feature_code"], "status": status, "at": at}
    with (small.root / "raw" / "acks" / "a.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def test_nothing_waits(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    fleet(small, [])
    for _ in range(2):
        found, text = listed(small, capfd, "2026-01-01T12:00:00Z")
        assert found == {"held": [], "in_flight": [], "expired": [], "meters": []}
        assert text == "Nothing waits, and no meter was ever commanded\n"
        small.run()


def test_held_runs_and_how_to_approve_them(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert fleet(small, CODES[:4]).run() == 4
    found, text = listed(small, capfd, "2026-01-01T13:00:00Z")
    times = {"issued_at": "2026-01-01T12:00:00Z", "expires_at": "2026-01-04T12:00:00Z"}
    assert found["held"] == [{"run_id": RUN, "commands": 4, **times, "approvable": True}]
    assert found["in_flight"] == found["expired"] == []
    assert f"{RUN}: 4 commands held since 2026-01-01T12:00:00Z" in text
    assert f"until 2026-01-04T12:00:00Z: meterwright outbox approve {RUN}" in text
    assert "In flight, not answered yet: none" in text
    found, text = listed(small, capfd, "2026-01-04T12:00:00Z")
    assert (found["held"][0]["approvable"], found["held"][0]["why"]) == (False, "expired")
    assert "too late to approve: the command was held for longer" in text
    approve = ["outbox", "approve", RUN, "--workspace", str(small.root), "--now", "2026-01-01T14:00:00Z"]
    assert main(approve) == 0
    found, _ = listed(small, capfd, "2026-01-01T15:00:00Z")
    assert found["held"] == []
    assert [command["feature_code"] for command in found["in_flight"]] == CODES[:4]


def test_a_held_run_is_stale_once_a_later_window_was_judged(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    fleet(small, CODES[:4]).run()
    assert small.run(until="2026-01-02T00:00:00Z") == 0
    found, text = listed(small, capfd, "2026-01-02T00:00:00Z")
    assert (found["held"][0]["run_id"], found["held"][0]["why"]) == (RUN, "stale_window")
    assert "a later window has been judged already" in text


def test_commands_from_leaving_to_their_answer(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert fleet(small, CODES[:3]).run() == 0
    first, second, third = small.lines("commands.jsonl")
    found, text = listed(small, capfd, "2026-01-01T12:00:00Z")
    keys = ("feature_code", "command_id", "sequence", "run_id", "issued_at", "expires_at", "form", "correction")
    assert found["in_flight"] == [{key: command[key] for key in keys} for command in (first, second, third)]
    assert "In flight, not answered yet: 3" in text
    line = "  WM-00: sequence 1, linear, issued 2026-01-01T12:00:00Z, expires 2026-01-04T12:00:00Z\n"
    assert line + f"    {first['command_id']} {correction(first['correction'])}\n" in text
    assert "  WM-00: uses its raw flow unchanged\n    1 sent since it was last in order; no ack\n" in text
    ack(small, first, "applied", "2026-01-01T13:00:00Z")
    ack(small, second, "failed", "2026-01-01T13:30:00Z")
    found, text = listed(small, capfd, "2026-01-01T12:59:00Z")
    assert len(found["in_flight"]) == 3, "an ack dated later has not come yet"
    found, text = listed(small, capfd, "2026-01-05T00:00:00Z")
    assert found["in_flight"] == []
    assert [command["command_id"] for command in found["expired"]] == [third["command_id"]]
    meters = {meter["feature_code"]: meter for meter in found["meters"]}
    assert list(meters) == CODES[:3]
    assert meters["WM-00"] == {
        "feature_code": "WM-00",
        "sequence": 1,
        "attempts": 1,
        "in_force": first["correction"],
        "changed_at": "2026-01-01T13:00:00Z",
        "last_ack": {"command_id": first["command_id"], "status": "applied", "at": "2026-01-01T13:00:00Z"},
        "last_effect": None,
    }
    assert meters["WM-01"]["in_force"] == {"gain": 1.0, "offset_lph": 0.0}
    assert (meters["WM-01"]["last_ack"]["status"], meters["WM-02"]["last_ack"]) == ("failed", None)
    assert f"  WM-00: {correction(first['correction'])} since 2026-01-01T13:00:00Z\n" in text
    assert "    1 sent since it was last in order; last ack: failed at 2026-01-01T13:30:00Z\n" in text


def test_an_effect_is_shown_where_a_run_has_judged_one(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    fleet(small, CODES[:1]).run()
    file = small.folder() / "effects.parquet"
    row = {"feature_code": "WM-00", "command_id": "c-1", "sequence": 1, "applied_at": None, "effect": "cured"}
    schema = pl.read_parquet_schema(file)
    pl.DataFrame([{**row, "volume_error_before": 0.08, "volume_error_after": 0.001}], schema=schema).write_parquet(file)
    manifest = small.manifest()
    manifest["files"]["effects.parquet"]["rows"] = 1
    (small.folder() / "manifest.json").write_text(json.dumps(manifest))
    found, text = listed(small, capfd, "2026-01-01T12:00:00Z")
    effect = {"command_id": "c-1", "effect": "cured", "volume_error_before": 0.08, "volume_error_after": 0.001}
    assert found["meters"][0]["last_effect"] == effect
    assert "1 sent since it was last in order; no ack; effect: cured" in text


def test_long_lists_are_cut_and_lines_fit(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert fleet(small, CODES[:25], "[breaker]\nshare = 1.0\n").run() == 0
    found, text = listed(small, capfd, "2026-01-01T12:00:00Z")
    assert len(found["in_flight"]) == 25
    assert text.count("  ... and 5 more; --all shows them\n") == 2
    assert "WM-19: sequence" in text
    assert "WM-20: sequence" not in text
    assert max(map(len, text.splitlines())) <= 100
    _, text = listed(small, capfd, "2026-01-01T12:00:00Z", "--all")
    assert "WM-24: sequence" in text
    assert "more; --all" not in text


def test_what_devices_write_cannot_steer_the_terminal() -> None:
    ack = {"command_id": "c", "status": "applied", "at": "2026-01-01T00:00:00Z"}
    meter = {"feature_code": "A\x1b[2J", "attempts": 1, "in_force": {"gain": 1.0, "offset_lph": 0.0}}
    lines = waiting_lines(
        Waiting([], [], [], [{**meter, "changed_at": None, "last_ack": ack, "last_effect": None}]), 20
    )
    assert "\x1b" not in "".join(lines)
