"""Readings as the devices and gateways send them: plain columns, or run-length frames."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.schemas import UTC_US
from transforms.simulate.defects import Selection
from transforms.simulate.demand import Array, Indices
from transforms.simulate.fleet import Fleet
from transforms.simulate.plan import Part
from transforms.windows import iso

#: what a frame says about the values of each column
_FRAMED = {"flow_lph": '"unit": "L/h", "quantity": "flow"', "volume_l": '"unit": "L", "quantity": "volume"'}


def names(fleet: Fleet, part: Part) -> pl.DataFrame:
    """What a device says about itself in every record, one row per meter: the identifying columns of a stream.

    A flowmeter that does not write the feature code of its meter has null there.
    """
    here = fleet.meters[part.rows]
    if part.stream == "meter":
        return here.select("feature_code")
    return here.select(
        "flowmeter_id",
        feature_code=pl.when("own_code").then("feature_code"),
        via=pl.when("relayed").then(pl.lit("meter")).otherwise(pl.lit("direct")),
    )


def plain(fleet: Fleet, part: Part, first: int, chosen: Selection, as_text: bool) -> pl.DataFrame:
    """One row per reading: the identifying columns, ``timestamp`` (text or UTC) and ``flow_lph`` or ``volume_l``.

    Parameters
    ----------
    first
        Number of the part's first stamp, counted from the start.
    chosen
        Which readings of the part, in which order.
    as_text
        Time stamps as ISO 8601 text, for the text forms.
    """
    lowest, instants = _instants(fleet, first, chosen)
    if as_text:
        clock = pl.Series("timestamp", [iso(instant) for instant in instants], dtype=pl.String)
    else:
        clock = pl.Series("timestamp", [instant.astimezone(UTC) for instant in instants], dtype=UTC_US)
    values = pl.Series(part.column, part.values[chosen.device, chosen.stamp])
    return names(fleet, part)[chosen.device].with_columns(clock.gather(chosen.stamp - lowest), values)


def run_length(fleet: Fleet, part: Part, first: int, chosen: Selection) -> pl.Series:
    """One JSON text per device and unbroken stretch of readings: the run-length frames of FORMATS."""
    device, begin, value, length, frame = _runs(part.values, chosen)
    runs = pl.DataFrame({"device": device, "begin": begin, "value": value, "length": length, "frame": frame})
    pieces = runs.with_columns(piece=pl.format("[{}, {}]", "value", "length"))
    frames = pieces.group_by("frame", maintain_order=True).agg(
        pl.col("device").first(), pl.col("begin").first(), pl.col("piece").str.join(", ")
    )
    lowest, instants = _instants(fleet, first, chosen)
    starts = pl.Series([iso(instant) for instant in instants], dtype=pl.String)
    said = names(fleet, part)
    keys = [pl.format('"' + name + '": "{}", ', name).fill_null("") for name in said.columns]
    seconds = int(fleet.plan.interval.total_seconds())
    head = said.select(pl.concat_str(keys)).to_series().gather(frames["device"])
    table = pl.DataFrame({"head": head, "start": starts.gather(frames["begin"] - lowest), "runs": frames["piece"]})
    text = '{{}"start": "{}", "interval_s": ' + f"{seconds}, {_FRAMED[part.column]}" + ', "runs": [{}]}'
    return table.select(_fill(text, "head", "start", "runs")).to_series()


def _instants(fleet: Fleet, first: int, chosen: Selection) -> tuple[int, list[datetime]]:
    """The lowest stamp of some readings, and the instants of it and all others up to the highest."""
    if not len(chosen.stamp):
        return 0, []
    lowest, highest = int(chosen.stamp.min()), int(chosen.stamp.max())
    stamps = range(first + lowest, first + highest + 1)
    return lowest, [fleet.plan.start + stamp * fleet.plan.interval for stamp in stamps]


def _fill(text: str, *columns: str) -> pl.Expr:
    """Join text and columns at each ``{}``; braces that stand alone are kept."""
    parts = text.split("{}")
    pieces: list[pl.Expr] = []
    for part, column in zip(parts, (*columns, None), strict=True):
        pieces.append(pl.lit(part))
        if column is not None:
            pieces.append(pl.col(column))
    return pl.concat_str(pieces)


def _runs(values: Array, chosen: Selection) -> tuple[Indices, Indices, Array, Indices, Indices]:
    """Device, first stamp, value and length of every run of equal readings, and the number of its frame.

    A frame ends where its device ends, and where the next reading is not that of the next stamp.
    """
    device, stamp = chosen.device, chosen.stamp
    sent = values[device, stamp]
    goes_on: NDArray[np.bool_] = (device[1:] == device[:-1]) & (stamp[1:] == stamp[:-1] + 1)
    begins = np.ones(min(len(sent), 1), dtype=np.bool_)
    starts_frame = np.concatenate([begins, ~goes_on])
    starts_run = np.concatenate([begins, ~goes_on | (sent[1:] != sent[:-1])])
    at = np.flatnonzero(starts_run)
    length = np.diff(np.append(at, len(sent)))
    frame = np.cumsum(starts_frame)[at] - 1
    return device[at], stamp[at], sent[at], length, frame
