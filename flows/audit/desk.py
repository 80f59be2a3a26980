"""The desk: what a process needs to judge chunks, loaded once, and the judging of one chunk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.audit.changes import changes_of, within
from flows.audit.home import Home, set_changed_aside
from flows.audit.judged import Block, Layout, Room
from flows.audit.keys import Keys
from flows.audit.plan import Setting
from flows.audit.store import Kept, Runs, Store
from flows.audit.summed import Summed
from flows.audit.written import Written
from flows.registered import instants_of
from transforms.fleet import fleet_table
from transforms.judge.many import Calibrations, JudgedRows, judge_windows, nothing_said, places
from transforms.judge.second_look import Look, SecondLook
from transforms.lake import Lake
from transforms.match import CHANGED, Parties, claims
from transforms.match.span import Chunk
from transforms.policy import Policy
from transforms.registry import Registry, load_registry
from transforms.summarise.moments import Moments
from transforms.summarise.span import summarise_chunk
from transforms.summarise.stored import VERSION

#: names of a chunk's files in the work folder: windows judged by the policy, and by the other one
WINDOWS, OTHER = "windows", "other"
#: a work folder that a killed audit left is gone on with by the same state of this program: a change of the files in it, or of
#: what the numbers in them mean, is another layout
LAYOUT = f"4.{VERSION}"
#: stands for the bucket of registered meters of which the lake knows nothing
NOWHERE = -1


@dataclass(frozen=True)
class Done:
    """What became of a chunk: whether its samples were read, and how many windows of meters it holds."""

    read: bool
    rows: int


class Numbered:
    """Names by their place among those known, looked up anew only where they are not those of the last time: the meters of a
    chunk mostly are those of the chunk before."""

    def __init__(self) -> None:
        self._known, self._names = pl.Series(dtype=pl.String), pl.Series(dtype=pl.String)
        self._places = np.zeros(0, dtype=np.int64)

    def places(self, runs: pl.DataFrame, known: pl.Series) -> npt.NDArray[np.int64]:
        """As `transforms.judge.many.places`, of names whose runs (``value``, ``len``) are known."""
        if not (runs["value"].equals(self._names) and known.equals(self._known)):
            self._known, self._names, self._places = known, runs["value"], places(runs["value"], known)
        return np.repeat(self._places, runs["len"].to_numpy())


class Desk:
    """Judges chunks of one audit. Everything it loads is the same in every process."""

    def __init__(self, setting: Setting, registry: Registry | None = None) -> None:
        self.setting = setting
        self.lake = Lake.open(setting.workspace)
        self.registry: Registry = registry or load_registry(setting.registry)
        self._codes: dict[int, list[str]] = {}
        self._calibrations: dict[str, Calibrations | None] = {}
        self._homes: dict[int, Home] = {}
        self.rooms = {name: Room() for name in (WINDOWS, OTHER)}
        self.summed = Summed()
        self._codes_of, self._flowmeters_of = Numbered(), Numbered()
        self._in_fleet, self._calibrated = Numbered(), Numbered()
        self.store = Store(setting.workspace.cache / "audit" / "summaries")
        self.keys = Keys(self.lake, self.registry.flowmeters, setting.policy)

    @cached_property
    def parties(self) -> list[Parties]:
        """Who is who, by bucket."""
        devices = self.lake.devices()
        whole = Parties(
            fleet=self.fleet,
            devices=devices,
            claims=claims(devices, self.registry.pairs),
            instants=instants_of(devices, self.registry),
            settled=self.setting.policy.reference.settled,
            changed=pl.DataFrame(schema=CHANGED),
        )
        return whole.split(self.lake.n_buckets)

    @cached_property
    def fleet(self) -> pl.DataFrame:
        """The fleet table of all registered meters."""
        return fleet_table(self.registry)

    @cached_property
    def changes(self) -> pl.DataFrame:
        """When meters were changed."""
        return changes_of(self.setting.workspace, self.registry, self.setting.windows)

    def calibrations(self, policy: Policy) -> Calibrations | None:
        """The calibration history by a policy's default uncertainty."""
        if policy.digest not in self._calibrations:
            self._calibrations[policy.digest] = Calibrations.read(self.registry.flowmeters, policy)
        return self._calibrations[policy.digest]

    def codes(self, bucket: int) -> list[str]:
        """The feature codes of a bucket that may have rows, sorted; of `NOWHERE` those registered that are in no other."""
        if bucket not in self._codes:
            if bucket == NOWHERE:
                nothing = pl.Series("feature_code", [], pl.String)
                at_home = pl.concat([nothing, *(own.fleet["feature_code"] for own in self.parties)])
                names = [self.fleet.filter(~pl.col("feature_code").is_in(at_home.implode()))["feature_code"]]
            else:
                own = self.parties[bucket]
                names = [own.fleet["feature_code"], own.devices["feature_code"], own.claims["feature_code"]]
            self._codes[bucket] = pl.concat(names).unique().sort().to_list()
        return self._codes[bucket]

    @cached_property
    def written(self) -> Written:
        """How judged windows stand in files."""
        ids = pl.concat([own.claims["flowmeter_id"] for own in self.parties]).drop_nulls().unique().sort().to_list()
        return Written(self.setting, ids, self.home)

    def home(self, bucket: int) -> Home:
        """The meters of a bucket by their place in `codes`."""
        if bucket not in self._homes:
            self._homes[bucket] = Home.of(self.codes(bucket), self.registry.meters, self.fleet)
        return self._homes[bucket]

    def groups(self, bucket: int) -> int:
        """How many groups the meters of a bucket make."""
        return -(-len(self.codes(bucket)) // self.setting.group)

    def clear_up(self) -> None:
        """Let go of the memory that groups were gathered in."""
        for room in (*self.rooms.values(), self.summed.room):
            room.clear()

    def judge(self, chunk: Chunk) -> Done:
        """Judge the windows of a chunk into the work folder; what stands there already is left."""
        target = Path(folder_of(self.setting, chunk))
        if target.is_dir():
            return Done(read=False, rows=0)
        setting, policy, own = self.setting, self.setting.policy, self.parties[chunk.bucket]
        changed = within(self.changes, chunk.start, chunk.length, chunk.windows)
        files, near = self.keys.relevant(chunk, own)
        key, look = self.keys.summary(chunk, files, near, changed, policy.window.parts), self.keys.look(near, chunk)
        kept = self.store.find(key, look, policy.window.parts)
        draft = target.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        read = kept is None
        if kept is None:
            rows, runs, moments, judged = self._from_readings(chunk, near.parties, changed, draft / "scratch")
            kept = self.store.put(key, look, rows, runs, moments, judged.second)
        else:
            judged = self._judged(chunk, kept.rows, kept.runs, kept.moments, policy, kept.second)
        self._write(chunk, kept, judged, changed, draft / WINDOWS)
        if setting.what_if is not None:
            other = self._judged(chunk, kept.rows, kept.runs, kept.moments, setting.what_if, kept.second)
            self._write(chunk, kept, other, changed, draft / OTHER)
        code = self._codes_of.places(kept.runs["feature_code"], self.home(chunk.bucket).codes)
        paired = code[kept.rows["meter_no"].is_not_null().to_numpy()]
        self.summed.write_edges(paired, kept.arrays, self.groups(chunk.bucket), self.setting.group, str(draft))
        self.store.lend(key, kept.arrays, draft)
        draft.rename(target)
        return Done(read=read, rows=kept.rows.height)

    def _from_readings(
        self, chunk: Chunk, parties: Parties, changed: pl.DataFrame, scratch: Path
    ) -> tuple[pl.DataFrame, Runs, Moments, JudgedRows]:
        """A chunk's rows, the runs of their names, their moments, and what they are judged to be; its pairs are let go of."""
        policy = self.setting.policy
        summary = summarise_chunk(self.lake, chunk, parties, changed, scratch, parts=policy.window.parts)
        known = summary.rows, summary.runs, summary.moments
        judged = self._judged(chunk, *known, policy, summary.samples.look)
        shutil.rmtree(scratch, ignore_errors=True)
        return *known, judged

    def _judged(
        self,
        chunk: Chunk,
        rows: pl.DataFrame,
        runs: Runs,
        moments: Moments,
        policy: Policy,
        look: Look | SecondLook,
    ) -> JudgedRows:
        windows = [chunk.window(number) for number in range(chunk.windows)]
        fleet, calibrations = self.parties[chunk.bucket].fleet, self.calibrations(policy)
        meter, flowmeter = self._in_fleet.places(runs["feature_code"], fleet["feature_code"]), None
        if calibrations is not None:
            flowmeter = self._calibrated.places(runs["flowmeter_id"], calibrations.ids)
        known = rows, meter, flowmeter, moments, fleet, calibrations, policy, windows, look
        return judge_windows(*known, extras=self.setting.what_if is not None)

    def _write(self, chunk: Chunk, kept: Kept, judged: JudgedRows, changed: pl.DataFrame, file: Path) -> None:
        home, rows = self.home(chunk.bucket), kept.rows
        code = self._codes_of.places(kept.runs["feature_code"], home.codes)
        window = rows["window"].to_numpy().astype(np.int64)
        cells = np.zeros(rows.height, dtype=np.int64)
        cells[rows["meter_no"].is_not_null().to_numpy()] = kept.arrays["told"][:, 0]
        told = judged.columns | {
            "flowmeter_id": self._flowmeters_of.places(
                kept.runs["flowmeter_id"], self.written.windows.words["flowmeter_id"]
            ),
            "cells": cells,
            "interval_us": rows["interval_us"].fill_null(0).to_numpy(),
        }
        told, code, window = home.with_silent(told, code, window, chunk.windows)
        home.set_absent_aside(told, code, chunk.start_us + window * chunk.window_us, chunk.window_us)
        if changed.height:
            was_changed = np.zeros((len(home.codes), chunk.windows), dtype=bool)
            meters = places(changed["feature_code"], home.codes)
            was_changed[meters[meters >= 0], changed["window"].to_numpy()[meters >= 0]] = True
            set_changed_aside(told, was_changed[code, window])
        told |= {"code": code, "window": window + self._first(chunk)}
        self.written.windows.write(told, len(code), self.groups(chunk.bucket), self.setting.group, str(file))

    def silent(self, layout: Layout, number: int) -> Block:
        """The windows of one group of the registered meters of which the lake knows nothing."""
        setting = self.setting
        first = number * setting.group
        meters = np.arange(first, min(first + setting.group, len(self.codes(NOWHERE))))
        code, window = np.repeat(meters, len(setting.windows)), np.tile(np.arange(len(setting.windows)), len(meters))
        told = nothing_said(len(code))
        length_us = int(setting.length.total_seconds()) * 1_000_000
        start_us = int(setting.begin.timestamp()) * 1_000_000 + window * length_us
        self.home(NOWHERE).set_absent_aside(told, code, start_us, length_us)
        told |= {"code": code, "window": window, "cells": np.zeros(len(code), dtype=np.int64)}
        return layout.block(told, len(code))

    def _first(self, chunk: Chunk) -> int:
        """The number of a chunk's first window among those of the audit."""
        return (chunk.start - self.setting.begin) // self.setting.length


@lru_cache(maxsize=100_000)
def _name_of(bucket: int, start: datetime) -> str:
    return f"chunk-{bucket:03d}-{start:%Y%m%dT%H%M%SZ}"


def folder_of(setting: Setting, chunk: Chunk) -> str:
    """Where a chunk's judged windows stand."""
    return f"{setting.work}/{_name_of(chunk.bucket, chunk.start)}"
