"""A town whose meters drift and obey commands: the real program in a closed loop with simulated devices.

Every twelve hours the devices report, the program runs, and what it sends reaches the devices, or gets lost, is refused,
executed late or answered twice. Nothing is known to the program but what stands in its workspace.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.approval import approve
from flows.cli.common import make_context
from flows.cycle import run_cycle
from flows.engines.plain import PlainEngine
from tests.bench.corrected import apply_corrections
from transforms.schemas import UTC_US
from transforms.simulate import Fleet, Plan, registry_files
from transforms.simulate.demand import Array
from transforms.windows import Window, iso, parse_time
from transforms.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = timedelta(hours=12)
QUARTER = timedelta(minutes=15)
PER_WINDOW = SPAN // QUARTER
MONTH_H = 730.5
#: how a device takes a command, and how often [share of the commands that arrive]
BEHAVIOUR = {
    "at once": 0.72,
    "late": 0.08,
    "twice": 0.06,
    "lost": 0.05,
    "ack lost": 0.03,
    "refuses": 0.03,
    "fails": 0.03,
}
NO_CORRECTION = {"gain": 1.0, "offset_lph": 0.0}


@dataclass
class Device:
    """One meter's own memory: what it uses, since when, and every command it has carried out."""

    sequence: int = 0
    in_force: list[tuple[datetime, Mapping[str, Any]]] = field(default_factory=list)
    carried_out: Counter[str] = field(default_factory=Counter)


@dataclass
class Town:
    """The meters, their true errors over time, their devices, and the workspace that the program works in.

    ``gain`` and ``drift`` are the raw error at the start and per month, relative; ``offset_lph`` goes with flow;
    ``broken`` is the hour from which a meter scatters and no parameters help, infinity for the others.
    """

    fleet: Fleet
    workspace: Workspace
    gain: Array
    drift: Array
    offset_lph: Array
    broken: Array
    devices: dict[str, Device]
    seed: int
    rng: np.random.Generator
    acks: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    approved: list[str] = field(default_factory=list)

    @staticmethod
    def build(root: Path, meters: int, days: float, seed: int, policy: str = "") -> Town:
        """Make a town: a third of the meters drift fast, a third slowly, one in twelve is off from the start."""
        plan = Plan(meters, days, START, QUARTER, seed, SPAN, shares={"healthy": 1.0})
        fleet = Fleet.draw(plan)
        rng = np.random.default_rng([seed, 77])
        workspace = Workspace(root)
        workspace.registry.mkdir(parents=True)
        for name, text in registry_files(fleet).items():
            (workspace.registry / name).write_text(text, encoding="utf-8")
        (workspace.registry / "policy.toml").write_text(policy + "\n[report]\nplots = 0\n", encoding="utf-8")
        sign = np.where(rng.random(meters) < 0.35, -1.0, 1.0)
        kind = rng.random(meters)
        drift = sign * np.where(kind < 1 / 3, rng.uniform(0.006, 0.015, meters), rng.uniform(0.0, 0.0005, meters))
        off = rng.random(meters) < 1 / 12
        gain = np.where(off, sign * rng.uniform(0.03, 0.10, meters), fleet.truth["a1"] - 1.0)
        offset = np.where(off & (rng.random(meters) < 0.5), sign * 0.3 * fleet.q1, 0.0)
        broken = np.where(rng.random(meters) < 0.02, rng.uniform(0.0, days * 24.0, meters), np.inf)
        devices = {code: Device() for code in fleet.meters["feature_code"]}
        return Town(fleet, workspace, gain, drift, offset, broken, devices, seed, rng)

    @property
    def codes(self) -> list[str]:
        return list(self.devices)

    def window(self, number: int) -> Window:
        return Window(START + number * SPAN, SPAN)

    def step(self, number: int) -> None:
        """One window: the devices report, answers arrive, the program runs, commands are delivered."""
        window = self.window(number)
        self.report(number)
        now = window.end + timedelta(minutes=20)
        self._answer(now)
        context = replace(make_context(self.workspace.root, 2), progress=lambda _: None)
        with PlainEngine(2) as engine:
            _, (outcome,) = engine.run("town", lambda e: run_cycle(context, e, [window], now))
        manifest = outcome.manifest
        if manifest["counts"]["held"]:
            # the breaker wants a person's word; here it is always given
            manifest, _ = approve(context, manifest["run_id"], "an operator of the town", now)
            self.approved.append(manifest["run_id"])
        folder = self.workspace.run(manifest["run_id"])
        for command in _lines(folder / "commands.jsonl"):
            self.sent.append(command)
            self._deliver(command, now)
        for order in _lines(folder / "work_orders.jsonl"):
            self.orders.setdefault(order["order_id"], order)

    def raw(self, flow: Array, number: int) -> Array:
        """What the meters would show without any correction, before noise: (meters, samples)."""
        hours = number * 12.0 + np.arange(flow.shape[1]) / 4.0
        error = self.gain[:, None] + self.drift[:, None] * hours[None, :] / MONTH_H
        return np.where(flow > 0.0, np.maximum(flow * (1.0 + error) + self.offset_lph[:, None], 0.0), 0.0)

    def flow(self, number: int) -> Array:
        """True flow of a window, (meters, samples)."""
        return self.fleet.demand.flow(slice(0, len(self.devices)), number * PER_WINDOW, PER_WINDOW, 15)

    def shown(self, raw: Array, number: int) -> Array:
        """Raw flows as each device corrects them, with the correction that was in force at each stamp."""
        stamps = [START + (number * PER_WINDOW + k) * QUARTER for k in range(PER_WINDOW)]
        shown = raw.copy()
        for row, device in enumerate(self.devices.values()):
            for since, correction in device.in_force:
                first = sum(stamp <= since for stamp in stamps)
                if first < PER_WINDOW:
                    # an interval in which the parameters changed holds both; it is shown as if the old ones held
                    shown[row, first:] = apply_corrections(raw[row : row + 1, first:], [correction])[0]
        return shown

    def report(self, number: int) -> None:
        """Write the dumps of a window."""
        flow = self.flow(number)
        shown = self.shown(self.raw(flow, number), number)
        scattered = (number * 12.0 >= self.broken)[:, None] & np.ones(flow.shape, dtype=bool)
        shown = np.where(scattered, shown * np.exp(0.3 * self.rng.standard_normal(flow.shape)), shown)
        meters, references = self.fleet.instruments()
        readings = {
            "meter": meters.read(shown, flow, self.rng),
            "flowmeter": references.read(flow * self.fleet.truth["reference_gain"][:, None], flow, self.rng),
        }
        start = pl.lit(START + number * SPAN).cast(UTC_US)
        for stream, values in readings.items():
            folder = self.workspace.raw / stream
            folder.mkdir(parents=True, exist_ok=True)
            frame = pl.DataFrame(
                {
                    "feature_code": np.repeat(np.array(self.codes), PER_WINDOW),
                    "k": np.tile(np.arange(PER_WINDOW), len(self.devices)),
                    "flow_lph": values.ravel(),
                }
            ).with_columns(timestamp=start + pl.col("k") * pl.lit(QUARTER))
            if stream == "flowmeter":
                frame = frame.join(self.fleet.meters.select("feature_code", "flowmeter_id"), on="feature_code")
            frame.drop("k").write_parquet(folder / f"{self.window(number).name}.parquet")

    def error(self, number: int, *, corrected: bool) -> Array:
        """Relative volume error of each meter over a window, free of noise; NaN where too little flowed."""
        flow = self.flow(number)
        raw = self.raw(flow, number)
        shown = self.shown(raw, number) if corrected else raw
        used = flow >= self.fleet.q1[:, None]
        volume = np.where(used, flow, 0.0).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(used.sum(axis=1) >= 5, np.where(used, shown, 0.0).sum(axis=1) / volume - 1.0, np.nan)

    def _deliver(self, command: dict[str, Any], now: datetime) -> None:
        # each command has chances of its own, so that one more or less changes nothing for other meters
        rng = np.random.default_rng([self.seed, 78, self.codes.index(command["feature_code"]), command["sequence"]])
        how = str(rng.choice(list(BEHAVIOUR), p=list(BEHAVIOUR.values())))
        device = self.devices[command["feature_code"]]
        delay = timedelta(minutes=float(rng.uniform(5, 240)) if how != "late" else float(rng.uniform(1500, 4000)))
        at = now + delay
        if how == "lost" or at >= parse_time(command["expires_at"]):
            return
        status = {"refuses": "rejected", "fails": "failed"}.get(how, "applied")
        if status == "applied":
            for _ in range(2 if how == "twice" else 1):
                if command["sequence"] > device.sequence:
                    device.sequence = command["sequence"]
                    device.in_force.append((at, command["correction"]))
                    device.carried_out[command["command_id"]] += 1
        if how == "ack lost":
            return
        line = {
            "command_id": command["command_id"],
            "feature_code": command["feature_code"],
            "status": status,
            "at": iso(at.replace(microsecond=0)),
            "detail": how,
        }
        arrives = at + timedelta(hours=float(rng.uniform(0, 10)))
        self.acks += [(arrives, line)] * (2 if how == "twice" else 1)

    def _answer(self, now: datetime) -> None:
        due = [line for arrives, line in self.acks if arrives <= now]
        self.acks = [(arrives, line) for arrives, line in self.acks if arrives > now]
        if due:
            folder = self.workspace.raw / "acks"
            folder.mkdir(parents=True, exist_ok=True)
            text = "".join(json.dumps(line) + "\n" for line in due)
            (folder / f"{now:%Y%m%dT%H%M}.jsonl").write_text(text, encoding="utf-8")


def in_flight_at_once(town: Town) -> int:
    """How many commands went to a meter while an earlier one was neither answered nor expired."""
    acks = [
        json.loads(line)
        for file in (town.workspace.raw / "acks").glob("*.jsonl")
        for line in file.read_text().splitlines()
    ]
    known = {ack["command_id"]: parse_time(ack["at"]) for ack in acks}
    clashes, until = 0, dict[str, datetime]()
    for command in sorted(town.sent, key=lambda c: (c["feature_code"], c["sequence"])):
        code, issued = command["feature_code"], parse_time(command["issued_at"])
        clashes += issued < until.get(code, issued)
        expires = parse_time(command["expires_at"])
        until[code] = min(expires, known.get(command["command_id"], expires))
    return clashes


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
