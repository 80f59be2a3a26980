"""Wire: what a few meters and their references sent around the times at which photos were taken, read from the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.lake import Lake
from transforms.match import Parties, resolve
from transforms.match.samples import LOOK_BACK, load_samples, registers_of
from transforms.windows import Window

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

HOUR_US = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Span:
    """A stretch of time, half open."""

    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Flows:
    """Mean flows of one device: ``lph[i]`` [L/h] from ``begin[i]`` to ``end[i]`` [us since 1970]; gaps are left out."""

    begin: Times
    end: Times
    lph: Floats

    def volume_l(self, begin: int, end: int) -> tuple[float, int]:
        """Volume [L] between two instants [us] as far as it is known, and for how long [us] it is."""
        overlap = np.clip(np.minimum(self.end, end) - np.maximum(self.begin, begin), 0, None)
        return float(self.lph @ overlap) / HOUR_US, int(overlap.sum())

    def touching(self, begin: int, end: int) -> Flows:
        """The intervals that reach into a stretch of time [us]."""
        inside = (self.end > begin) & (self.begin < end)
        return Flows(self.begin[inside], self.end[inside], self.lph[inside])


@dataclass(frozen=True)
class Wire:
    """What one meter and its reference sent; None where they sent nothing.

    Attributes
    ----------
    meter, reference
        Their flows.
    registers_at, registers_l
        The meter's own registers: when [us], and how much [L].
    flowmeter_id
        The reference, None where there is none or the statements about it contradict each other.
    watched
        Since when and until when that reference watches the meter.
    """

    meter: Flows | None
    registers_at: Times
    registers_l: Floats
    reference: Flows | None
    flowmeter_id: str | None
    watched: Span | None = None


def microseconds(moment: datetime) -> int:
    """An instant as whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def wires(con: duckdb.DuckDBPyConnection, lake: Lake, parties: Parties, asked: Mapping[str, Span]) -> dict[str, Wire]:
    """What a few meters and their references sent in the spans asked for.

    Parameters
    ----------
    con
        A session of its own; temporary views are made in it.
    parties
        Those of the whole fleet.
    asked
        Feature code -> span. Meters whose spans begin on one day are read together, in one span that holds all theirs.
    """
    found: dict[str, Wire] = {}
    if not lake.n_buckets:
        return found
    days = sorted({span.begin.date() for span in asked.values()})
    for day in days:
        group = {code: span for code, span in asked.items() if span.begin.date() == day}
        start = min(span.begin for span in group.values()).replace(minute=0, second=0, microsecond=0)
        window = Window(start, max(span.end for span in group.values()) - start)
        found |= _of_window(con, lake, parties, sorted(group), window)
    return found


def _of_window(
    con: duckdb.DuckDBPyConnection, lake: Lake, parties: Parties, codes: list[str], window: Window
) -> dict[str, Wire]:
    devices = parties.devices.filter((pl.col("stream") == "meter") & pl.col("feature_code").is_in(codes))
    claimed = parties.claims.filter(pl.col("feature_code").is_in(codes))
    meters = _load(con, lake, parties, "meter", devices, window)
    registers = _registers(con) if not meters.is_empty() else {}
    references = _load(con, lake, parties, "flowmeter", claimed, window)
    meter_flows, reference_flows = _flows(con, "meter", meters), _flows(con, "flowmeter", references)
    watching = {row["feature_code"]: row for row in resolve(claimed, references, window).pairs.iter_rows(named=True)}
    numbers = dict(devices.sort("device_no").select("feature_code", "device_no").iter_rows())
    found = {}
    for code in codes:
        number, reference = numbers.get(code, -1), watching.get(code)
        at, litres = registers.get(number, (np.zeros(0, np.int64), np.zeros(0)))
        found[code] = Wire(
            meter=meter_flows.get(number),
            registers_at=at,
            registers_l=litres,
            reference=reference_flows.get(reference["device_no"]) if reference else None,
            flowmeter_id=reference["flowmeter_id"] if reference else None,
            watched=Span(reference["valid_from"], reference["valid_to"]) if reference else None,
        )
    return found


def _load(
    con: duckdb.DuckDBPyConnection, lake: Lake, parties: Parties, stream: str, devices: pl.DataFrame, window: Window
) -> pl.DataFrame:
    buckets = sorted(devices["bucket"].unique().to_list())
    files = [f for b in buckets for f in lake.files_for(stream, window.start - LOOK_BACK, window.end, b)]
    momentary = parties.instants if stream == "flowmeter" else parties.instants.clear()
    return load_samples(
        con,
        f"{stream}_samples",
        files,
        window,
        conflicts=lake.conflicts(),
        derived=any(file.has_volume for file in files) or not momentary.is_empty(),
        instants=momentary,
        settled=parties.settled,
        registers=registers_of(parties.devices.join(devices, on="device_no", how="semi"), parties.fleet),
        only=devices["device_no"].unique().sort().to_list(),
    )


def _flows(con: duckdb.DuckDBPyConnection, stream: str, activity: pl.DataFrame) -> dict[int, Flows]:
    """The flows of each device; one whose interval is not known has none."""
    if activity.is_empty():
        return {}
    frame: pl.DataFrame = con.sql(
        f"SELECT device_no, epoch_us(ts) AS at_us, lph FROM {stream}_samples ORDER BY device_no, at_us"
    ).pl()
    frame = frame.join(activity.select("device_no", "interval_us"), on="device_no", maintain_order="left")
    found = {}
    for (number,), part in frame.filter(pl.col("interval_us").is_not_null()).group_by("device_no", maintain_order=True):
        end = part["at_us"].to_numpy().astype(np.int64)
        # a reading that comes early tells of the shorter time since the one before it
        begin = np.maximum(end - part["interval_us"].to_numpy(), np.concatenate([[np.iinfo(np.int64).min], end[:-1]]))
        found[int(str(number))] = Flows(begin, end, part["lph"].to_numpy())
    return found


def _registers(con: duckdb.DuckDBPyConnection) -> dict[int, tuple[Times, Floats]]:
    frame: pl.DataFrame = con.sql(
        "SELECT device_no, epoch_us(ts) AS at_us, volume_l FROM meter_samples_read WHERE volume_l IS NOT NULL "
        "ORDER BY device_no, at_us"
    ).pl()
    return {
        int(str(number)): (part["at_us"].to_numpy().astype(np.int64), part["volume_l"].to_numpy())
        for (number,), part in frame.group_by("device_no", maintain_order=True)
    }
