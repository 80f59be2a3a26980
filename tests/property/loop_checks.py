"""What must hold of every run in the outbox, given what was known when it was made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.cli.main import main
from tests.property.loop_model import instant, play
from tests.property.loop_yard import Written, Yard
from transforms.correction import Correction


class Story:
    """A yard's runs as they come, and what its devices have said so far."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.runs: list[Written] = []
        self.acks: list[dict[str, Any]] = []
        self.notices: list[dict[str, Any]] = []
        self.installed: dict[str, datetime] = {}
        #: each command id once, in the order in which they were first said, and as they stand
        self.commands: list[dict[str, Any]] = []
        self.standing: dict[str, dict[str, Any]] = {}

    def exchanged(self, meters: str) -> None:
        rows = csv.DictReader(io.StringIO(meters))
        self.installed = {
            row["feature_code"]: datetime.fromisoformat(row["installed_on"]).replace(tzinfo=UTC) + timedelta(days=1)
            for row in rows
            if row["installed_on"]
        }

    def goes_on(self, now: datetime) -> None:
        """Check the runs that are new, one by one, and the outbox as a whole."""
        runs = self.yard.runs()
        assert [run.name for run in runs[: len(self.runs)]] == [run.name for run in self.runs]
        for run in runs[len(self.runs) :]:
            assert run.manifest["issued_at"] == _iso(now)
            self._check_commands(run, now)
            self._check_noted(run, now)
            self._check_effects(run)
            self._check_notices(run, now)
            self._check_acks(run)
            self.runs.append(run)
        self._check_approvals()
        self._check_list(now)
        out = io.StringIO()
        with redirect_stdout(out):
            code = main(["outbox", "verify", "--workspace", str(self.yard.root)])
        assert code == 0, out.getvalue()

    def _played(self, code: str, now: datetime) -> Any:
        own = [command for command in self.standing.values() if command["feature_code"] == code]
        return play(own, self.acks, now, self._effects_now(), self.installed.get(code))

    def _effects_now(self) -> dict[str, str]:
        """Of each window the newest revision counts, and of several words about a command the first."""
        newest: dict[str, Written] = {}
        for run in self.runs:
            newest[run.name.rpartition("_r")[0]] = run
        found: dict[str, str] = {}
        for name in sorted(newest):
            for row in newest[name].table("effects.parquet"):
                found.setdefault(row["command_id"], row["effect"])
        return found

    def _check_commands(self, run: Written, now: datetime) -> None:
        said = run.lines("commands.jsonl")
        assert len({command["command_id"] for command in said}) == len(said)
        assert len({command["feature_code"] for command in said}) == len(said)
        verdicts = {row["feature_code"]: row for row in run.table("verdicts.parquet")}
        for command in said:
            name, code = command["command_id"], command["feature_code"]
            assert command["run_id"] == run.name
            known = self.standing.get(name)
            if known is not None:
                assert run.manifest.get("approved"), "only approval says a command again"
                changing = ("run_id", "issued_at", "expires_at", "state")
                assert {k: v for k, v in known.items() if k not in changing} == {
                    k: v for k, v in command.items() if k not in changing
                }
                assert (known["state"], command["state"]) == ("held", "ready")
            else:
                highest = max((c["sequence"] for c in self.commands if c["feature_code"] == code), default=0)
                assert command["sequence"] > highest, "sequences only rise"
            state = self._played(code, now)
            if command["state"] == "ready":
                open_ = [one for one in state.open if one not in (name, command.get("withdraws"))]
                assert open_ == [], "one command in flight"
            self._check_correction(command, state, verdicts[code])
        for command in said:
            if command["command_id"] not in self.standing:
                self.commands.append(command)
            self.standing[command["command_id"]] = command

    def _check_correction(self, command: Mapping[str, Any], state: Any, verdict: Mapping[str, Any]) -> None:
        """It is composed with what is in force, of readings that were made under it, and once."""
        if command.get("withdraws"):
            assert _flat(command["correction"]) == pytest.approx(_flat(state.in_force))
            return
        assert state.changed_at is None or state.changed_at < instant(command["window_end"]), "composed twice"
        if command.get("undoes"):
            assert _flat(command["correction"]) == pytest.approx(_flat(state.before))
            return
        if "points" in command["correction"]:
            return
        expected = Correction.from_json(state.in_force).then_line(command["a1"], command["a2"])
        assert _flat(command["correction"]) == pytest.approx(_flat(expected.to_json()), rel=1e-6, abs=1e-4)
        begins = instant(command["window_start"])
        since = max(
            [moment for moment in (state.changed_at, self.installed.get(command["feature_code"])) if moment] or [begins]
        )
        most = (instant(command["window_end"]) - max(begins, since)).total_seconds() / 900
        assert verdict["n_pairs"] <= most, "readings from before the change are not mixed in"

    def _check_noted(self, run: Written, now: datetime) -> None:
        """What is only noted stands as the definition says, of the device that is there now."""
        for entry in run.manifest.get("noted", []):
            state, name = self._played(entry["feature_code"], now), entry["command_id"]
            assert name not in state.open
            since_cured = name in dict(state.attempts)
            assert entry["status"] == (state.status[name] if since_cured else "cured")

    def _check_effects(self, run: Written) -> None:
        for row in run.table("effects.parquet"):
            command = self.standing[row["command_id"]]
            assert row["applied_at"] < instant(run.manifest["window_end"]), "judged by a window from before it"
            assert not command.get("undoes") and not command.get("withdraws")

    def _check_notices(self, run: Written, now: datetime) -> None:
        for notice in run.lines("notices.jsonl"):
            for other in self.notices:
                assert other["notice_id"] != notice["notice_id"]
                same = (other["terminal_id"], other["kind"]) == (notice["terminal_id"], notice["kind"])
                assert not (same and instant(other["expires_at"]) > now), "one open notice"
            self.notices.append(notice)

    def _check_acks(self, run: Written) -> None:
        """What a device says of a command that it was sent is never set aside."""
        sent = {c["command_id"]: c["feature_code"] for c in self.standing.values() if c["state"] == "ready"}
        strange = sum(sent.get(ack["command_id"]) != ack["feature_code"] for ack in self.acks)
        own = sum(1 for c in run.lines("commands.jsonl") for ack in self.acks if ack["command_id"] == c["command_id"])
        if not run.manifest.get("approved"):
            refused = run.manifest["feedback"]["refused"]
            assert strange <= refused <= strange + own
            assert run.manifest["feedback"]["acks"] + refused == len(self.acks)

    def _check_approvals(self) -> None:
        of = [run.manifest["approved"]["of"] for run in self.runs if run.manifest.get("approved")]
        assert len(of) == len(set(of)), "approved once"

    def _check_list(self, now: datetime) -> None:
        """`outbox list` says of each meter what the definition says."""
        out = io.StringIO()
        with redirect_stdout(out):
            assert main(["outbox", "list", "--json", "--now", _iso(now), "--workspace", str(self.yard.root)]) == 0
        told = json.loads(out.getvalue())
        flying = {entry["feature_code"]: entry["command_id"] for entry in told["in_flight"]}
        assert {meter["feature_code"] for meter in told["meters"]} == {c["feature_code"] for c in self.commands}
        for meter in told["meters"]:
            state = self._played(meter["feature_code"], now)
            assert meter["sequence"] == state.sequence
            assert _flat(meter["in_force"]) == pytest.approx(_flat(state.in_force))
            assert meter["changed_at"] == (_iso(state.changed_at) if state.changed_at else None)
            assert meter["attempts"] == len(state.attempts)
            assert flying.get(meter["feature_code"]) == (state.open[-1] if state.open else None)


def _flat(correction: Mapping[str, Any]) -> list[float]:
    if "points" in correction:
        return [float(v) for point in correction["points"] for v in point]
    return [correction["gain"], correction["offset_lph"]]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")
