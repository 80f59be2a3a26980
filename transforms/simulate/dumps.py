"""Readings as the devices and gateways send them: plain columns, or run-length frames."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.schemas import UTC_US
from transforms.simulate.demand import Array, Indices
from transforms.simulate.fleet import Block, Fleet
from transforms.windows import iso


def identities(fleet: Fleet, rows: slice, stream: str) -> pl.DataFrame:
    """What a device says about itself in every record, one row per meter: the identifying columns of a stream.

    A flowmeter that does not write the feature code of its meter has null there.
    """
    here = fleet.meters[rows]
    if stream == "meter":
        return here.select("feature_code")
    return here.select(
        "flowmeter_id",
        feature_code=pl.when("own_code").then("feature_code"),
        via=pl.when("relayed").then(pl.lit("meter")).otherwise(pl.lit("direct")),
    )


def plain(fleet: Fleet, block: Block, stream: str, stamps: slice, as_text: bool) -> pl.DataFrame:
    """One row per reading: the identifying columns, ``timestamp`` (text or UTC) and ``flow_lph``.

    Parameters
    ----------
    stamps
        Which stamps of the block.
    as_text
        Time stamps as ISO 8601 text, for the text forms.
    """
    values = block.values(stream, stamps)
    sent = ~np.isnan(values)
    device, stamp = np.nonzero(sent)
    first = block.first + (stamps.start or 0)
    instants = [fleet.plan.start + (first + k) * fleet.plan.interval for k in range(values.shape[1])]
    if as_text:
        clock = pl.Series("timestamp", [iso(instant) for instant in instants], dtype=pl.String)
    else:
        clock = pl.Series("timestamp", [instant.astimezone(UTC) for instant in instants], dtype=UTC_US)
    flow = pl.Series("flow_lph", values[sent])
    return identities(fleet, block.rows, stream)[device].with_columns(clock.gather(stamp), flow)


def run_length(fleet: Fleet, block: Block, stream: str, stamps: slice) -> pl.Series:
    """One JSON text per device and unbroken stretch of readings: the run-length frames of FORMATS."""
    values = block.values(stream, stamps)
    device, begin, value, length, frame = _runs(values)
    runs = pl.DataFrame({"device": device, "begin": begin, "value": value, "length": length, "frame": frame})
    pieces = runs.with_columns(piece=pl.format("[{}, {}]", "value", "length"))
    frames = pieces.group_by("frame", maintain_order=True).agg(
        pl.col("device").first(), pl.col("begin").first(), pl.col("piece").str.join(", ")
    )
    first = block.first + (stamps.start or 0)
    starts = pl.Series(
        [iso(fleet.plan.start + (first + k) * fleet.plan.interval) for k in range(values.shape[1])], dtype=pl.String
    )
    names = identities(fleet, block.rows, stream)
    keys = [pl.format('"' + name + '": "{}", ', name).fill_null("") for name in names.columns]
    seconds = int(fleet.plan.interval.total_seconds())
    head = names.select(pl.concat_str(keys)).to_series().gather(frames["device"])
    table = pl.DataFrame({"head": head, "start": starts.gather(frames["begin"]), "runs": frames["piece"]})
    text = '{{}"start": "{}", "interval_s": ' + str(seconds) + ', "unit": "L/h", "quantity": "flow", "runs": [{}]}'
    return table.select(_fill(text, "head", "start", "runs")).to_series()


def _fill(text: str, *columns: str) -> pl.Expr:
    """Join text and columns at each ``{}``; braces that stand alone are kept."""
    parts = text.split("{}")
    pieces: list[pl.Expr] = []
    for part, column in zip(parts, (*columns, None), strict=True):
        pieces.append(pl.lit(part))
        if column is not None:
            pieces.append(pl.col(column))
    return pl.concat_str(pieces)


def _runs(values: Array) -> tuple[Indices, Indices, Array, Indices, Indices]:
    """Device, first stamp, value and length of every run of equal readings, and the number of its frame.

    A frame ends where its device ends, and at a reading that was not sent.
    """
    width = values.shape[1]
    flat = values.ravel()
    sent = ~np.isnan(flat)
    new_device = np.arange(flat.size) % width == 0
    after_gap: NDArray[np.bool_] = np.concatenate([[True], ~sent[:-1]])
    changed = np.concatenate([[True], flat[1:] != flat[:-1]])
    starts_frame = sent & (new_device | after_gap)
    starts_run = sent & (starts_frame | changed)
    at = np.flatnonzero(starts_run)
    run_of = np.cumsum(starts_run) - 1
    length = np.bincount(run_of[sent], minlength=len(at)).astype(np.int64)
    frame = np.cumsum(starts_frame)[at] - 1
    device, begin = np.divmod(at, width)
    return device, begin, flat[at], length, frame
