"""A simulated fleet written straight into the lake: years of readings without the detour over dumps.

The files are what ingest would have written of complete dumps, one per stream and date and bucket; several processes
write the spans of a fleet side by side.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

#: days of one block of the simulation, see `transforms.simulate.fleet.BLOCK_DUMPS`
DAYS_AT_ONCE = 16
_WRITERS = 2


def write_lake(
    root: Path, meters: int, days: int, start: datetime, seed: int, interval: timedelta = timedelta(minutes=15)
) -> None:
    """Make a workspace with a registry and a lake, and no raw dumps.

    Every flowmeter is calibrated anew each month, as a utility that is audited would.
    """
    from transforms.simulate import Fleet, registry_files
    from transforms.workspace import Workspace

    workspace = Workspace(root)
    workspace.registry.mkdir(parents=True)
    fleet = Fleet.draw(_plan(meters, days, start, seed, interval))
    texts = registry_files(fleet)
    texts["flowmeters.csv"] = _calibrated_monthly(texts["flowmeters.csv"], start, days)
    for name, text in texts.items():
        (workspace.registry / name).write_text(text, encoding="utf-8")
    fleet.meters.write_parquet(root / "truth.parquet")
    spans = [(k, min(DAYS_AT_ONCE, days - k)) for k in range(0, days, DAYS_AT_ONCE)]
    with ProcessPoolExecutor(_WRITERS, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_write_span, root, meters, days, start, seed, interval, *span) for span in spans]
        entries = [entry for job in jobs for entry in job.result()]
    _commit(workspace.lake, fleet, entries, meters)


def _plan(meters: int, days: int, start: datetime, seed: int, interval: timedelta) -> Any:
    from transforms.simulate import RECORDED, SIMPLE_SHARES, Plan

    return Plan(meters, days, start, interval, seed, shares=SIMPLE_SHARES, sources=RECORDED)


def _calibrated_monthly(text: str, start: datetime, days: int) -> str:
    import polars as pl

    table = pl.read_csv(text.encode(), infer_schema=False).unique("flowmeter_id")
    first = start.date() - timedelta(days=5)
    dates = [first + timedelta(days=30 * k) for k in range(days // 30 + 1)]
    repeated = [table.with_columns(calibrated_on=pl.lit(day.isoformat())) for day in dates]
    return str(pl.concat(repeated).sort("flowmeter_id", "calibrated_on").write_csv())


def _write_span(
    root: Path, meters: int, days: int, start: datetime, seed: int, interval: timedelta, first_day: int, n_days: int
) -> list[dict[str, Any]]:
    """Write some days of both streams, and return the entries of their files in the ledger."""
    import numpy as np

    from transforms.simulate import Fleet

    per_day = timedelta(days=1) // interval
    fleet = Fleet.draw(_plan(meters, days, start, seed, interval))
    values = {name: np.empty((meters, n_days * per_day)) for name in ("meter", "flowmeter")}
    for rows, meter, reference in _span(fleet, first_day, n_days, per_day):
        values["meter"][rows], values["flowmeter"][rows] = meter, reference
    entries = []
    us = int(interval.total_seconds() * 1e6)
    for day in range(n_days):
        date = start + timedelta(days=first_day + day)
        for stream, device in (("meter", 0), ("flowmeter", meters)):
            flows = np.ascontiguousarray(values[stream][:, day * per_day : (day + 1) * per_day]).ravel()
            entries.append(_write_file(root / "lake", stream, date, device, meters, us, flows))
    return entries


def _span(fleet: Any, first_day: int, n_days: int, per_day: int) -> Iterator[tuple[slice, Any, Any]]:
    """The readings of some days, some meters at a time."""
    import numpy as np

    first, stamps = first_day * per_day, n_days * per_day
    step = max(1, 1_500_000 // stamps)
    for top in range(0, fleet.plan.meters, step):
        rows = slice(top, min(top + step, fleet.plan.meters))
        rng = np.random.default_rng([fleet.plan.seed, 1, first, top])
        _, _, meter, reference = fleet._read(rows, first, stamps, rng)
        yield rows, meter, reference


def _write_file(
    lake: Path, stream: str, date: datetime, device: int, meters: int, us: int, flows: Any
) -> dict[str, Any]:
    import numpy as np
    import polars as pl

    from transforms.ingest.store import write_readings
    from transforms.windows import iso

    per_day = len(flows) // meters
    begin = int(date.timestamp()) * 1_000_000
    table = pl.DataFrame(
        {
            "device_no": np.repeat(np.arange(device, device + meters, dtype=np.int32), per_day),
            "ts": np.tile(begin + us * np.arange(per_day, dtype=np.int64), meters),
            "flow_lph": flows,
        }
    ).with_columns(pl.col("ts").cast(pl.Datetime("us")), pl.col("flow_lph").fill_nan(None))
    table = table.filter(pl.col("flow_lph").is_not_null())
    name = f"stream={stream}/date={date.date().isoformat()}/bucket=000/g000001.parquet"
    path = lake / name
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = table.with_columns(volume_l=pl.lit(None, pl.Float64))
    write_readings(path, [whole.to_arrow()], flow=True, volume=False)
    ts, devices = table["ts"].dt.replace_time_zone("UTC"), table["device_no"]
    return {
        "path": name,
        "stream": stream,
        "date": date.date().isoformat(),
        "bucket": 0,
        "rows": table.height,
        "min_ts": iso(ts.min().astimezone(UTC)),
        "max_ts": iso(ts.max().astimezone(UTC)),
        "min_device": devices.min(),
        "max_device": devices.max(),
        "has_flow": True,
        "has_volume": False,
    }


def _commit(lake: Path, fleet: Any, entries: list[dict[str, Any]], meters: int) -> None:
    import numpy as np
    import polars as pl

    from transforms.lake import LEDGER, Lake
    from transforms.schemas import DEVICES

    codes = fleet.meters["feature_code"]
    own = fleet.meters.select(pl.when("own_code").then("feature_code"))["feature_code"]
    devices = pl.DataFrame(
        {
            "device_no": np.arange(2 * meters, dtype=np.int32),
            "stream": ["meter"] * meters + ["flowmeter"] * meters,
            "feature_code": pl.concat([codes, own]),
            "flowmeter_id": pl.concat([pl.Series([None] * meters, dtype=pl.String), fleet.meters["flowmeter_id"]]),
            "bucket": np.zeros(2 * meters, dtype=np.int32),
        }
    ).cast(pl.Schema(DEVICES))
    devices.write_parquet(lake / "devices-000001.parquet")
    entries.sort(key=lambda entry: entry["path"])
    content = replace(
        Lake(lake, n_buckets=1, generation=1, devices_file="devices-000001.parquet"), files=entries
    ).content()
    (lake / LEDGER).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from tests.bench.session import START

    write_lake(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), START, seed=1)
