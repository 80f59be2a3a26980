"""A span's matching: one bucket's readings of many windows, paired instant by instant on a grid of time.

The same pairs, for each window, as `transforms.match.bucket.match_bucket` finds one window at a time. Meters whose stamps
keep to no grid, or not to that of their reference, are left to it (`SpanMatch.few`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from transforms.lake import Lake, LakeFile
from transforms.match.chunk import Chunk
from transforms.match.flows import Flows, Registers, flows_of
from transforms.match.grid import Bools, Floats, Grid, Ints, grid_for, lay
from transforms.match.pairing import resolve
from transforms.match.parties import Claimed, Parties
from transforms.match.samples import LOOK_BACK

#: instants that no reading has: a validity without beginning, without end [us since 1970]
ALWAYS = (-(2**62), 2**62)


@dataclass(frozen=True)
class SpanMatch:
    """Who was matched with whom in each window, arrays of shape (codes, windows) where nothing else is said.

    Attributes
    ----------
    codes : list of str
        The feature codes at home in the bucket, sorted.
    n_meter, n_reference : ndarray
        Readings of the meter and of its reference.
    flowmeter : ndarray
        Index into ``flowmeter_ids`` of the reference, -1 where there is none or it has no name.
    conflict : ndarray of bool
        The statements about the meter contradict each other.
    interval_us : ndarray
        Sampling interval of the meter, 0 where it cannot be told.
    from_register : ndarray of bool
        The meter's flows are what its register advanced by.
    watched : ndarray of bool
        Meter and reference both reported.
    slots_us : ndarray
        Instants since the window's start [us], (slots,), to which ``phase`` (codes,) is added.
    q, q_meter : ndarray or None
        Flows of reference and meter [L/h], (codes, windows, slots), NaN where there is no pair; None where nothing lies on
        a grid. ``q`` has more rows than codes where some devices have a row of their own.
    few : list of int
        Places in ``codes`` of the meters that were left to the joins; their entries elsewhere say nothing.
    """

    codes: list[str]
    n_meter: Ints
    n_reference: Ints
    flowmeter: Ints
    flowmeter_ids: list[str]
    conflict: Bools
    interval_us: Ints
    from_register: Bools
    watched: Bools
    slots_us: Ints
    phase: Ints
    q: Floats | None
    q_meter: Floats | None
    few: list[int]


def match_span(lake: Lake, chunk: Chunk, parties: Parties, changed: pl.DataFrame) -> SpanMatch:
    """Match the readings of one bucket's own parties (see `Parties.split`) in all windows of a chunk.

    Parameters
    ----------
    changed : DataFrame
        ``feature_code``, ``window``, ``since``: meters of which only what they measured from some moment in a window on
        counts in that window.
    """
    codes = parties.codes
    blank = _blank(codes, chunk)
    if not codes:
        return blank
    buckets = sorted({chunk.bucket, *parties.claims["bucket"].unique().to_list()})
    files = {
        "meter": _files(lake, "meter", [chunk.bucket], chunk),
        "flowmeter": _files(lake, "flowmeter", buckets, chunk),
    }
    derived = not parties.instants.is_empty() or any(file.has_volume for each in files.values() for file in each)
    back_us = int(LOOK_BACK.total_seconds()) * 1_000_000 if derived else 0
    end_us = chunk.start_us + chunk.windows * chunk.window_us
    grid = grid_for(list(files.values()), chunk.start_us, end_us, chunk.window_us, back_us, len(codes))
    if grid is None:
        return _all_few(blank)
    simple, involved = _sort_claims(parties.claimed, len(codes), chunk)
    devices = {"meter": parties.meters, "flowmeter": np.concatenate([simple, involved])}
    back = back_us // grid.step_us
    flows = {}
    for stream, numbers in devices.items():
        wanted = (
            files[stream]
            if not derived
            else _files(lake, stream, buckets if stream == "flowmeter" else [chunk.bucket], chunk, LOOK_BACK)
        )
        instant = np.isin(numbers, parties.instants["device_no"].to_numpy()) & (stream == "flowmeter")
        laid = lay(wanted, numbers, grid, lake.conflicts())
        registers = Registers.unknown(len(numbers))
        if stream == "meter" and laid.register is not None:
            registers = _registers(numbers, parties.registers)
        flows[stream] = flows_of(laid, chunk.windows, back, instant, parties.settled, registers)
    return _pair(blank, chunk, parties, grid, flows["meter"], flows["flowmeter"], involved, changed)


def heard_in(lake: Lake, chunk: Chunk, parties: Parties) -> Parties:
    """The parties without the claims of flowmeters, and the codes, of which no device has a reading in a chunk.

    They say nothing there: of what is claimed only that counts which somebody sends.
    """
    buckets = sorted({chunk.bucket, *parties.claims["bucket"].unique().to_list()})
    files = [*_files(lake, "meter", [chunk.bucket], chunk), *_files(lake, "flowmeter", buckets, chunk)]
    heard = pl.Series("device_no", [], pl.Int32)
    for file in files:
        some = pl.read_parquet(file.path, columns=["device_no"], glob=False, hive_partitioning=False)["device_no"]
        heard = pl.concat([heard, some.unique().cast(pl.Int32)]).unique()
    told = pl.col("device_no").is_in(heard.implode())
    claims = parties.claims.filter(told)
    codes = pl.concat([parties.devices.filter(told)["feature_code"], claims["feature_code"]]).unique()
    return replace(parties.only(codes), claims=claims)


def _registers(devices: Ints, known: pl.DataFrame) -> Registers:
    """What is known of the registers of devices, by row."""
    rows = pl.DataFrame({"device_no": devices.astype(np.int32)})
    found = rows.join(known, on="device_no", how="left", maintain_order="left")
    return Registers(
        limit_lph=found["limit_lph"].fill_null(np.inf).to_numpy(),
        rollover_l=found["rollover_l"].fill_null(np.nan).to_numpy(),
        coarse_lph=found["coarse_lph"].fill_null(np.inf).to_numpy(),
    )


def _files(
    lake: Lake, stream: str, buckets: Sequence[int], chunk: Chunk, back: timedelta = timedelta(0)
) -> list[LakeFile]:
    return [file for b in buckets for file in lake.files_for(stream, chunk.start - back, chunk.end, b)]


def _blank(codes: list[str], chunk: Chunk) -> SpanMatch:
    shape = (len(codes), chunk.windows)
    zeros, never = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    return SpanMatch(
        codes=codes,
        n_meter=zeros.copy(),
        n_reference=zeros.copy(),
        flowmeter=np.full(shape, -1, dtype=np.int64),
        flowmeter_ids=[],
        conflict=never.copy(),
        interval_us=zeros.copy(),
        from_register=never.copy(),
        watched=never.copy(),
        slots_us=np.zeros(0, dtype=np.int64),
        phase=np.zeros(len(codes), dtype=np.int64),
        q=None,
        q_meter=None,
        few=[],
    )


def _all_few(blank: SpanMatch) -> SpanMatch:
    blank.few.extend(range(len(blank.codes)))
    return blank


def _sort_claims(claimed: Claimed, codes: int, chunk: Chunk) -> tuple[Ints, Ints]:
    """The claims that need no second thought, and the devices of the others.

    Returns
    -------
    simple : ndarray
        For each code the one flowmeter device that claims it all through the chunk and no other meter; -1 for those
        about which there is more to say, or nothing.
    involved : ndarray
        Devices that claim the codes about which there is more to say.
    """
    end_us = chunk.start_us + chunk.windows * chunk.window_us
    plain = claimed.plain & (claimed.valid_from <= chunk.start_us) & (claimed.valid_to >= end_us)
    simple = np.full(codes, -1, dtype=np.int64)
    simple[claimed.place[plain]] = claimed.device[plain]
    return simple, np.unique(claimed.device[~plain])


def _pair(
    blank: SpanMatch,
    chunk: Chunk,
    parties: Parties,
    grid: Grid,
    meter: Flows,
    flowmeter: Flows,
    involved: Ints,
    changed: pl.DataFrame,
) -> SpanMatch:
    codes = blank.codes
    place, ids = parties.place, parties.flowmeter_ids
    count, width = len(codes), meter.lph.shape[2]
    slots_us = np.arange(width, dtype=np.int64) * grid.step_us
    # simple claims stand in the first rows, one per code; each of the others where it was found to hold
    reference = np.where(flowmeter.n[:count] > 0, np.arange(count)[:, None], -1)
    named = np.full(count, -1, dtype=np.int64)
    claimed = parties.claimed
    is_involved = np.isin(claimed.device, involved)
    named[claimed.place[~is_involved]] = claimed.flowmeter[~is_involved]
    names = np.where(reference >= 0, named[:, None], -1)
    conflict = np.zeros((count, chunk.windows), dtype=bool)
    valid = np.empty((2, count, chunk.windows), dtype=np.int64)
    valid[0], valid[1] = ALWAYS
    few = set(np.flatnonzero(meter.odd | flowmeter.odd[:count]).tolist())
    if len(involved):
        rest = parties.claims.filter(pl.Series(is_involved))
        rows = {int(device): count + k for k, device in enumerate(involved)}
        of_id = {name: k for k, name in enumerate(ids)}
        few |= {
            place[code]
            for code, device in rest.select("feature_code", "device_no").iter_rows()
            if flowmeter.odd[rows[device]]
        }
        for window in range(chunk.windows):
            pairing = resolve(
                rest, _activity(flowmeter, involved, count, window, chunk, slots_us), chunk.window(window)
            )
            for code, device, name, begin, end in pairing.pairs.iter_rows():
                here = place[code], window
                reference[here], names[here] = rows[device], of_id.get(name, -1)
                valid[0][here], valid[1][here] = _us(begin), _us(end)
            for code, name in pairing.conflicts.iter_rows():
                conflict[place[code], window], names[place[code], window] = True, of_id.get(name, -1)
    watched = (meter.n > 0) & (reference >= 0)
    # rows of codes about which there is more to say are empty so far: their device has a row of its own
    n_reference, reference_us = flowmeter.n[:count].copy(), flowmeter.interval_us[:count].copy()
    q, phase = flowmeter.lph, np.repeat(flowmeter.phase[:count, None], chunk.windows, axis=1)
    others = np.nonzero(reference >= count)
    if len(others[0]):
        source, window_of = reference[others], others[1]
        n_reference[others] = flowmeter.n[source, window_of]
        reference_us[others] = flowmeter.interval_us[source, window_of]
        q[others], phase[others] = q[source, window_of], flowmeter.phase[source]
    either_us = np.where(meter.interval_us > 0, meter.interval_us, np.where(reference >= 0, reference_us, 0))
    few |= set(np.flatnonzero((watched & (phase != meter.phase[:, None])).any(axis=1)).tolist())
    few |= _stragglers(meter, q, watched, either_us, grid.step_us)
    _begin_anew(changed, place, valid, either_us)
    q_meter = _within(meter.lph, valid, watched, chunk, meter.phase, slots_us)
    left = sorted(few)
    for array in (watched, conflict):
        array[left] = False
    return SpanMatch(
        codes=codes,
        n_meter=meter.n,
        n_reference=n_reference,
        flowmeter=names,
        flowmeter_ids=ids,
        conflict=conflict,
        interval_us=meter.interval_us,
        from_register=meter.from_register,
        watched=watched,
        slots_us=slots_us,
        phase=meter.phase,
        q=q,
        q_meter=q_meter,
        few=left,
    )


def _us(moment: datetime) -> int:
    return int((moment - datetime.fromtimestamp(0, moment.tzinfo)) / timedelta(microseconds=1))


def _activity(flowmeter: Flows, involved: Ints, first: int, window: int, chunk: Chunk, slots_us: Ints) -> pl.DataFrame:
    """What `resolve` asks of the devices that it is about."""
    there = ~np.isnan(flowmeter.lph[first:, window])
    n = there.sum(axis=1)
    width = there.shape[1]
    base = chunk.start_us + window * chunk.window_us + flowmeter.phase[first:]
    begins = base + slots_us[np.argmax(there, axis=1)]
    ends = base + slots_us[width - 1 - np.argmax(there[:, ::-1], axis=1)]
    frame = pl.DataFrame({"device_no": involved.astype(np.int32), "n": n, "first_ts": begins, "last_ts": ends})
    stamps = [pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC") for name in ("first_ts", "last_ts")]
    return frame.filter(pl.col("n") > 0).with_columns(stamps)


def _stragglers(meter: Flows, q: Floats, watched: Bools, interval_us: Ints, step_us: int) -> set[int]:
    """Codes with readings left over on both sides that half an interval may bring together."""
    wide = watched & (interval_us // 2 >= step_us)
    some = np.nonzero(wide)
    if not len(some[0]):
        return set()
    ours, theirs = ~np.isnan(meter.lph[some]), ~np.isnan(q[some])
    both = (ours & ~theirs).any(axis=1) & (theirs & ~ours).any(axis=1)
    return set(some[0][both].tolist())


def _begin_anew(changed: pl.DataFrame, place: dict[str, int], valid: Ints, interval_us: Ints) -> None:
    """Meters that were changed within a window count from the first interval on that began after that."""
    if changed.is_empty():
        return
    for code, window, since in changed.select("feature_code", "window", "since").iter_rows():
        if code in place:
            here = place[code], window
            valid[0][here] = max(int(valid[0][here]), _us(since) + int(interval_us[here]))


def _within(lph: Floats, valid: Ints, watched: Bools, chunk: Chunk, phase: Ints, slots_us: Ints) -> Floats:
    """The meters' flows, without those from before or after the validity of a pair."""
    begins = chunk.start_us + np.arange(chunk.windows) * chunk.window_us
    partial = np.nonzero(watched & ((valid[0] > begins) | (valid[1] < begins + chunk.window_us)))
    if not len(partial[0]):
        return lph
    stamp = begins[partial[1], None] + phase[partial[0], None] + slots_us
    inside = (stamp >= valid[0][partial][:, None]) & (stamp < valid[1][partial][:, None])
    out = lph.copy()
    out[partial] = np.where(inside, lph[partial], np.nan)
    return out


__all__ = ["ALWAYS", "Chunk", "SpanMatch", "match_span"]
