"""Many windows at once are what one window after the other is, for streams as nasty as can be drawn."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.workspaces import MODEL, START
from transforms.fleet import fleet_table
from transforms.judge import calibration_status, judge_bucket
from transforms.judge.columns import JUDGED, frame_of, published
from transforms.judge.findings import model_of
from transforms.judge.many import Calibrations, judge_windows, places
from transforms.lake import Lake
from transforms.match import CHANGED, Parties, claims
from transforms.match.span import Chunk
from transforms.policy import Policy
from transforms.registry import Registry, load_registry
from transforms.schemas import DEVICES
from transforms.sql import connect, session
from transforms.summarise import Moments, look_closer, recorded, summarise_bucket, summarise_window
from transforms.summarise.span import summarise_chunk

HOURS, WINDOWS = 6, 4
#: small enough that registers begin again at zero
ROLLOVER_L = 20_000.0
MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Stream:
    """How one device reports: its interval and phase [min], what is missing, and the step of its register [L], 0 where
    it sends flows."""

    interval: int
    phase: int
    missing: float
    register: float
    jitter: bool


streams = st.builds(
    Stream,
    interval=st.sampled_from([15, 15, 15, 30, 60]),
    phase=st.sampled_from([0, 0, 0, 7]),
    missing=st.sampled_from([0.0, 0.0, 0.1, 0.6]),
    register=st.sampled_from([0.0, 0.0, 0.1, 10.0, 1000.0]),
    jitter=st.sampled_from([False, False, False, True]),
)
fleets = st.lists(st.tuples(streams, streams, st.booleans()), min_size=1, max_size=4)


def readings(stream: Stream, rng: np.random.Generator, gain: float) -> pl.DataFrame:
    """One device over the span and some hours before it."""
    count = (WINDOWS * HOURS + 8) * 60 // stream.interval
    minutes = (np.arange(count) * stream.interval - 8 * 60 + stream.phase).astype(np.int64)
    us = minutes * MINUTE_US + (rng.integers(-40, 40, count) * 1_000_000 if stream.jitter else 0)
    flow = np.where(rng.random(count) < 0.5, 0.0, np.round(rng.gamma(1.0, 300.0, count) * gain))
    kept = rng.random(count) >= stream.missing
    register = np.cumsum(flow) * stream.interval / 60 + 1000.0
    if stream.register:
        register = np.floor(np.mod(register, ROLLOVER_L) / stream.register) * stream.register
    column, other = ("volume_l", "flow_lph") if stream.register else ("flow_lph", "volume_l")
    start_us = int(START.timestamp()) * 1_000_000
    return pl.DataFrame(
        {
            "ts": pl.Series(us[kept] + start_us).cast(pl.Datetime("us")),
            column: (register if stream.register else flow)[kept],
            other: pl.Series([None] * int(kept.sum()), dtype=pl.Float64),
        }
    ).select("ts", "flow_lph", "volume_l")


def lake_of(root: Path, fleet: list[Any], seed: int, versions: bool, contradicted: bool) -> tuple[Lake, pl.DataFrame]:
    """A lake of one bucket, a file a day, and its dictionary of devices."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[pl.DataFrame]] = {"meter": [], "flowmeter": []}
    devices = []
    for k, (meter, reference, own_code) in enumerate(fleet):
        for stream, each, number in (("meter", meter, k), ("flowmeter", reference, len(fleet) + k)):
            table = readings(each, np.random.default_rng([seed, k]) if rng.random() < 0.5 else rng, 1.0 + 0.04 * k)
            rows[stream].append(table.with_columns(device_no=pl.lit(number, pl.Int32)))
            code = f"M{k}" if stream == "meter" or own_code else None
            devices.append((number, stream, code, f"F{k}" if stream == "flowmeter" else None, 0))
    entries = []
    conflicts = []
    for stream, tables in rows.items():
        whole = pl.concat(tables).select("device_no", "ts", "flow_lph", "volume_l").sort("device_no", "ts")
        for (day,), table in whole.group_by(pl.col("ts").dt.date(), maintain_order=True):
            kept = table
            name = f"{stream}-{day}.parquet"
            if versions and str(day) == "2026-01-01":
                some = table.with_columns(version=pl.lit(None, pl.Int64)).gather_every(3)
                corrected = some.with_columns(
                    pl.col("flow_lph", "volume_l") + 5, version=(pl.int_range(pl.len()) % 4).cast(pl.Int64)
                )
                kept = table.with_columns(version=pl.lit(None, pl.Int64))
                kept = pl.concat([kept, corrected]).sort("device_no", "ts", "version")
            kept.write_parquet(root / name)
            conflicts.append(kept.select("device_no", "ts", version=pl.lit(None, pl.Int64)).gather_every(11))
            stamps = table["ts"].dt.replace_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%S+00:00")
            entries.append(
                {
                    "path": name,
                    "stream": stream,
                    "date": str(day),
                    "bucket": 0,
                    "rows": kept.height,
                    "min_ts": stamps.min(),
                    "max_ts": stamps.max(),
                    "min_device": table["device_no"].min(),
                    "max_device": table["device_no"].max(),
                    "has_flow": table["flow_lph"].count() > 0,
                    "has_volume": table["volume_l"].count() > 0,
                    "has_version": "version" in kept.columns,
                }
            )
    dictionary = pl.DataFrame(devices, schema=DEVICES, orient="row")
    pl.concat(conflicts).write_parquet(root / "conflicts.parquet")
    return Lake(
        root, n_buckets=1, files=entries, conflicts_file="conflicts.parquet" if contradicted else None
    ), dictionary


def registry_of(root: Path, count: int) -> Registry:
    folder = root / "registry"
    folder.mkdir()
    (folder / "models.toml").write_text(MODEL + f"rollover_l = {ROLLOVER_L}\n")
    (folder / "meters.csv").write_text("feature_code,model\n" + "".join(f"M{k},T-R160\n" for k in range(count)))
    (folder / "pairs.csv").write_text(
        "feature_code,flowmeter_id,valid_from,valid_to\n"
        + "".join(f"M{k},F{k},,{'2026-01-01T15:10:00Z' if k == 2 else ''}\n" for k in range(count))
    )
    (folder / "flowmeters.csv").write_text(
        "flowmeter_id,calibrated_on,sampling\n"
        + "".join(f"F{k},2025-12-{20 - 25 * (k == 3) % 19},{'instant' if k == 1 else 'mean'}\n" for k in range(count))
    )
    return load_registry(folder)


def with_unheard(devices: pl.DataFrame, count: int, unheard: int) -> pl.DataFrame:
    """A dictionary with as many more meters that never reported, and flowmeters under another number that did not, either."""
    meters = [(100 + k, "meter", f"M{k}", None, 0) for k in range(count, count + unheard)]
    flowmeters = [(200 + k, "flowmeter", f"M{k}", f"F{k}", 0) for k in range(count + unheard) if unheard]
    return pl.concat([devices, pl.DataFrame([*meters, *flowmeters], schema=DEVICES, orient="row")])


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fleet=fleets,
    seed=st.integers(0, 2**20),
    moved=st.booleans(),
    versions=st.sampled_from([False, False, True]),
    contradicted=st.booleans(),
    unheard=st.sampled_from([0, 0, 3]),
)
def test_a_span_is_its_windows(
    fleet: list[Any], seed: int, moved: bool, versions: bool, contradicted: bool, unheard: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lake, devices = lake_of(root, fleet, seed, versions, contradicted)
        registry = registry_of(root, len(fleet) + unheard)
        devices = with_unheard(devices, len(fleet), unheard)
        policy = Policy().with_window(timedelta(hours=HOURS))
        momentary = devices.filter(pl.col("flowmeter_id") == "F1")
        parties = Parties(
            fleet=fleet_table(registry),
            devices=devices,
            claims=claims(devices, registry.pairs),
            instants=momentary,
            settled=policy.reference.settled,
            changed=pl.DataFrame(schema=CHANGED),
        ).split(1)[0]
        since = START + timedelta(hours=8, minutes=20)
        changed = pl.DataFrame(
            [("M0", 1, since)] if moved else [],
            schema={"feature_code": pl.String, "window": pl.Int32, "since": CHANGED["since"]},
            orient="row",
        )
        chunk = Chunk(0, START, timedelta(hours=HOURS), WINDOWS)
        windows = [chunk.window(k) for k in range(WINDOWS)]
        (root / "scratch").mkdir()
        alone = []
        with connect(threads=1, memory_mb=200, spill=root / "spill") as database, session(database) as con:
            summary = summarise_chunk(lake, chunk, parties, changed, root / "scratch", parts=policy.window.parts)
            calibrations = Calibrations.read(registry.flowmeters, policy)
            known = parties.fleet, calibrations, policy, windows, summary.samples.look
            meter = places(summary.named["feature_code"], parties.fleet["feature_code"])
            flowmeter = None if calibrations is None else places(summary.named["flowmeter_id"], calibrations.ids)
            together = judge_windows(summary.rows, meter, flowmeter, summary.moments, *known)
            for number, window in enumerate(windows):
                since_then = changed.filter(pl.col("window") == number).select("feature_code", "since")
                own = replace(parties, changed=since_then)
                one = summarise_bucket(con, lake, 0, window, own, parts=policy.window.parts)
                calibration = calibration_status(registry.flowmeters, policy, window)
                alone.append(
                    judge_bucket(
                        one.meters,
                        one.moments,
                        own.fleet,
                        calibration,
                        policy,
                        window,
                        look=lambda meters, w=window: look_closer(con, w, meters),
                    )
                )
                if number != 1:
                    continue  # the window in which a meter may have been changed tells it for all
                laid = summarise_window(con, lake, 0, window, own, root / "scratch", parts=policy.window.parts)
                joined = Moments.from_frame(one.moments, one.meters["meter_no"].count(), policy.window.parts)
                assert_frame_equal(laid.meters, one.meters, check_exact=True)
                kept = [recorded(one.meters, sums, own.fleet) for sums in (laid.moments, joined)]
                assert_frame_equal(*kept, check_exact=True)
        expected = pl.concat(alone).sort("feature_code", "window_start")
        unit_lph = np.append(model_of(parties.fleet).unit_lph, np.nan)[meter]
        columns = published(together.columns, unit_lph).items()
        told = frame_of({name: values for name, values in columns if name in JUDGED})
        starts = pl.Series([window.start for window in windows]).cast(expected.schema["window_start"])
        who = summary.named.select("feature_code", "flowmeter_id", window_start=starts.gather(summary.rows["window"]))
        columns = [name for name in expected.columns if name in told.columns or name in who.columns]
        left_out = set(expected.columns) - set(columns)
        assert left_out == {"model", "window_end", *(name for name in JUDGED if name.startswith("pooled_"))}
        found = who.with_columns(told.get_columns()).select(columns).sort("feature_code", "window_start")
        assert_frame_equal(found, expected.select(columns), check_exact=True)
