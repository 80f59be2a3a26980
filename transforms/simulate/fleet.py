"""A fleet of simulated meters: who has what, and the readings of every meter and reference, a block at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.simulate.behaviour import NEUTRAL, WINDOW_H, Kinds, Mask, since_begin
from transforms.simulate.behaviours import BEHAVIOURS
from transforms.simulate.demand import Array, Households, Indices, Series, recording
from transforms.simulate.devices import MODELS, REGISTER_RESOLUTION_LPH, Instruments, MeterModel, register_models
from transforms.simulate.houses import Demand
from transforms.simulate.identities import identities
from transforms.simulate.plan import Block, Part, Plan
from transforms.simulate.pulses import PulseDemand
from transforms.simulate.registers import Registers

#: readings per stream that are in memory at once
BLOCK_READINGS = 1_500_000
#: dumps that are written side by side; more of them make another block of time
BLOCK_DUMPS = 32
#: uncertainty (k = 2) that the calibration of a clamp-on reference states, relative
REFERENCE_UNCERTAINTY = 0.005
REFERENCE_RESOLUTION_LPH = 0.1
#: registers stand anywhere below this when the simulation begins [L]
REGISTER_START_L = 2_000_000


@dataclass(frozen=True)
class Fleet:
    """Meters with their truth.

    Attributes
    ----------
    meters
        ``feature_code, flowmeter_id, model, behaviour, source, serial, installed_on, site, own_code, relayed``;
        ``own_code`` says that the flowmeter writes the feature code into its records, ``relayed`` that the meter
        relays them.
    truth
        Parameter name to (meters,) array, see ``behaviour.NEUTRAL``; also ``reference_gain``, ``demand_scale`` and
        ``leak_lph``.
    models
        All models of the fleet; ``kind`` says which of them each meter is, (meters,).
    behaviour
        Name of each meter's behaviour, (meters,).
    """

    plan: Plan
    meters: pl.DataFrame
    truth: dict[str, Array]
    demand: Demand
    models: tuple[MeterModel, ...]
    kind: Indices
    behaviour: NDArray[np.str_]

    @classmethod
    def draw(cls, plan: Plan, series: Series | None = None) -> Fleet:
        """Draw a fleet; ``series`` is the recorded demand, the shipped household recording unless given."""
        rng, apart = np.random.default_rng([plan.seed, 0]), np.random.default_rng([plan.seed, 3])
        count = plan.meters
        models, kind = MODELS, _apportion([model.share for model in MODELS], count, rng)
        behaviour = np.array(list(plan.shares))[_apportion(list(plan.shares.values()), count, rng)]
        if any(BEHAVIOURS[name].register_l for name in plan.shares):
            models += register_models(plan.interval)
            for number, model in enumerate(models[len(MODELS) :], start=len(MODELS)):
                kind[_having(behaviour, "register_l", model.register_l)] = number
        truth = {name: np.full(count, neutral) for name, neutral in NEUTRAL.items()}
        q1, q3 = np.array([(model.q1, model.q3) for model in models])[kind].T
        for name, each in BEHAVIOURS.items():
            rows = np.flatnonzero(behaviour == name)
            for parameter, values in each.draw(_kinds(models, kind[rows]), rng).items():
                truth[parameter][rows] = values
        truth["reference_gain"] = 1.0 + 0.5 * REFERENCE_UNCERTAINTY * np.clip(rng.standard_normal(count), -2.5, 2.5)
        size = q3 / MODELS[0].q3
        minute = plan.start.astimezone(UTC).hour * 60 + plan.start.astimezone(UTC).minute
        households = Households.draw(series or Series.read(recording()), size, rng, minute)
        source = np.array(list(plan.sources))[_apportion(list(plan.sources.values()), count, apart)]
        shop, is_recorded = (source == "shop").astype(np.float64), (source == "recorded").astype(np.float64)
        pulses = PulseDemand.draw(plan.seed, shop, households.scale / size, size, q1, minute)
        demand = Demand(households, pulses, is_recorded)
        truth["demand_scale"] = households.scale
        truth["leak_lph"] = np.where(is_recorded > 0.0, 0.0, pulses.leak_lph)
        _fit_to_demand(plan, demand, behaviour, truth, q1)
        step = np.array([model.register_l for model in models])[kind]
        truth["register_l"] = step
        truth["register_start_l"] = np.where(step > 0.0, apart.integers(0, REGISTER_START_L, count), 0.0)
        names = pl.Series([model.name for model in models]).gather(kind)
        meters = identities(plan, rng).with_columns(
            model=names,
            behaviour=pl.Series(behaviour.tolist(), dtype=pl.String),
            source=pl.Series(source.tolist(), dtype=pl.String),
        )
        return cls(plan, meters, truth, demand, models, kind, behaviour)

    @property
    def q1(self) -> Array:
        """Minimum flow rate of each meter [L/h], (meters,)."""
        return np.asarray([model.q1 for model in self.models])[self.kind]

    def instruments(self, rows: slice = slice(None)) -> tuple[Instruments, Instruments]:
        """What the meters and the references add to the flow they see."""
        return _instruments(self.models, self.kind[rows], self.plan)

    def blocks(self) -> Iterator[Block]:
        """All readings, in blocks of bounded size: meter by meter within a group of dumps, then the next group."""
        start = self.truth["register_start_l"]
        registers = Registers(self.truth["register_l"], start / 1e6, start.copy())
        span = self.plan.per_dump * BLOCK_DUMPS
        for turn, first in enumerate(range(0, self.plan.samples, span)):
            stamps = min(span, self.plan.samples - first)
            height = max(1, BLOCK_READINGS // stamps)
            for part, top in enumerate(range(0, self.plan.meters, height)):
                rows = slice(top, min(top + height, self.plan.meters))
                rng = np.random.default_rng([self.plan.seed, 1, turn, part])
                flow, shown, meter, reference = self._read(rows, first, stamps, rng)
                parts = self._parts(rows, first, meter, reference, registers)
                yield Block(rows, first, flow, shown, meter, reference, parts, top == 0, rows.stop == self.plan.meters)

    def block_count(self) -> int:
        """How many blocks ``blocks`` yields."""
        span = self.plan.per_dump * BLOCK_DUMPS
        stamps = [min(span, self.plan.samples - first) for first in range(0, self.plan.samples, span)]
        return sum(-(-self.plan.meters // max(1, BLOCK_READINGS // each)) for each in stamps)

    def first_window(self, block: Block) -> slice:
        """Those stamps of a block that lie in the first 12 h."""
        return slice(0, max(0, min(_first_window(self.plan) - block.first, block.flow.shape[1])))

    def _hours(self, first: int, stamps: int) -> Array:
        """Hours since the start at each stamp, (stamps,)."""
        return (first + np.arange(stamps, dtype=np.float64)) * (self.plan.interval / timedelta(hours=1))

    def _read(
        self, rows: slice, first: int, stamps: int, rng: np.random.Generator
    ) -> tuple[Array, Array, Array, Array]:
        """True flow, what the meters make of it, and the readings of meters and references, all (rows, stamps)."""
        hours = self._hours(first, stamps)
        flow = self.demand.flow(rows, first, stamps, self.plan.minutes)
        at_meter, by_meter, by_reference = (np.empty_like(flow) for _ in range(3))
        behaviour = self.behaviour[rows]
        present = [
            (each, here, {parameter: values[rows][here] for parameter, values in self.truth.items()})
            for name, each in BEHAVIOURS.items()
            if len(here := np.flatnonzero(behaviour == name))
        ]
        for each, here, truth in present:
            flow[here] = used = each.demand(flow[here], truth, hours, rng)
            if (lag := truth["lag"].astype(np.int64)).any():
                at_meter[here] = self.demand.flow(rows.start + here, first - lag, stamps, self.plan.minutes)
            else:
                at_meter[here] = used
            by_meter[here] = each.meter(at_meter[here], truth, hours, rng)
            by_reference[here] = each.reference(used, truth, hours, rng)
        by_reference *= self.truth["reference_gain"][rows, None]
        meters, references = self.instruments(rows)
        meter, reference = meters.read(by_meter, at_meter, rng), references.read(by_reference, flow, rng)
        for each, here, truth in present:
            if (forced := each.forced(flow[here], truth, hours, rng)) is not None:
                as_usual = np.isnan(forced)
                by_meter[here] = np.where(as_usual, by_meter[here], forced)
                meter[here] = np.where(as_usual, meter[here], forced)
            if (missing := each.missing(flow[here], truth, hours, rng)) is not None:
                meter[here] = np.where(missing, np.nan, meter[here])
        return flow, by_meter, meter, reference

    def _parts(self, rows: slice, first: int, meter: Array, reference: Array, registers: Registers) -> tuple[Part, ...]:
        """What of a block is sent: flows of meters, registers of meters if there are any, flows of flowmeters."""
        everyone = np.arange(rows.start, rows.stop, dtype=np.int64)
        by_register = np.flatnonzero(self.truth["register_l"][rows] > 0.0)
        flowmeters = Part("flowmeter", "flow_lph", everyone, reference)
        if not len(by_register):
            return Part("meter", "flow_lph", everyone, meter), flowmeters
        by_flow = np.flatnonzero(self.truth["register_l"][rows] == 0.0)
        counting = everyone[by_register]
        litres = meter[by_register] * (self.plan.minutes / 60.0)
        counted = registers.advance(counting, litres, self._exchanges(counting, first, meter.shape[1]))
        return (
            Part("meter", "flow_lph", everyone[by_flow], meter[by_flow]),
            Part("meter", "volume_l", counting, counted),
            flowmeters,
        )

    def _exchanges(self, rows: Indices, first: int, stamps: int) -> Mask:
        """At which stamps a meter is new, (rows, stamps)."""
        hours = self._hours(first - 1, stamps + 1)
        new = since_begin({"begins_h": self.truth["begins_h"][rows]}, hours) >= 0.0
        exchanged = _having(self.behaviour[rows], "exchanged", True)
        return np.asarray(exchanged[:, None] & new[:, 1:] & ~new[:, :-1])


def _apportion(shares: list[float], count: int, rng: np.random.Generator) -> Indices:
    """Give out ``count`` places by largest remainder and shuffle them, so that a small fleet has its shares too."""
    ideal = np.array(shares) / sum(shares) * count
    whole = np.floor(ideal).astype(np.int64)
    order = np.argsort(-(ideal - whole), kind="stable")
    whole[order[: count - int(whole.sum())]] += 1
    return rng.permutation(np.repeat(np.arange(len(shares), dtype=np.int64), whole))


def _having(behaviour: NDArray[np.str_], attribute: str, value: object) -> Mask:
    """Which of the meters have a behaviour of that kind, (meters,)."""
    return np.isin(behaviour, [name for name, each in BEHAVIOURS.items() if getattr(each, attribute) == value])


def _first_window(plan: Plan) -> int:
    """How many stamps lie in the first 12 h."""
    return min(plan.samples, math.ceil(WINDOW_H * 60 / plan.minutes))


def _fit_to_demand(plan: Plan, demand: Demand, behaviour: NDArray[np.str_], truth: dict[str, Array], q1: Array) -> None:
    """Set the parameters that depend on the flow of the first window, see ``Behaviour``."""
    stamps = _first_window(plan)
    if len(rows := np.flatnonzero(_having(behaviour, "scaled_by_peak", True))):
        peak = demand.flow(rows, 0, stamps, plan.minutes).max(axis=1)
        truth["scale_lph"][rows] = np.maximum(peak, q1[rows])
    moved = _having(behaviour, "begins_in_flow", True) & (truth["begins_h"] > 0.0)
    if len(rows := np.flatnonzero(moved)):
        flowing = demand.flow(rows, 0, stamps, plan.minutes) >= q1[rows, None]
        count = flowing.sum(axis=1)
        before = np.clip(np.rint(truth["begins_h"][rows] / WINDOW_H * count), 3, np.maximum(count - 3, 3))
        # the first stamp at which so many have flowed, and half an interval later the change
        parted = np.argmax(np.cumsum(flowing, axis=1) >= before[:, None], axis=1)
        begins = (parted + 0.5) * (plan.minutes / 60.0)
        truth["begins_h"][rows] = np.where(count >= 6, begins, truth["begins_h"][rows])


def _kinds(models: Sequence[MeterModel], kind: Indices) -> Kinds:
    columns = np.array([(model.q1, model.q2, model.q3, model.mpe, *model.band) for model in models])[kind]
    return Kinds(*columns.T)


def _instruments(models: Sequence[MeterModel], kind: Indices, plan: Plan) -> tuple[Instruments, Instruments]:
    """The meters, whose registers count finely whatever step they show, and the references."""
    steps = [REGISTER_RESOLUTION_LPH if model.register_l else model.resolution for model in models]
    rows = [(model.noise, model.q1, step) for model, step in zip(models, steps, strict=True)]
    noise, q1, resolution = np.array(rows)[kind].T
    meters = Instruments(noise, q1 / 4.0, resolution, plan.outliers)
    same = np.ones(len(kind))
    return meters, Instruments(plan.reference_noise * same, q1 / 8.0, REFERENCE_RESOLUTION_LPH * same)
