"""A chunk's sums: one bucket's pairs of many windows reduced to moments, and listed for those who need a second look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.lake import Lake
from transforms.match import METERS, Parties
from transforms.match.few import FewMatch, match_few
from transforms.match.span import Chunk, SpanMatch, heard_in, match_span
from transforms.sql import connect
from transforms.summarise.many import Bools, Floats, Ints, Kinds, Listed, OnGrid, moments_of
from transforms.summarise.moments import Moments
from transforms.summarise.pairs import Pairs

#: a chunk's meters: `METERS` with the number of the window; ``meter_no`` counts the rows that have moments
ROWS: dict[str, pl.DataType | type[pl.DataType]] = {**METERS, "window": pl.Int32}

#: the columns that say whose a row is: names, which repeat one after the other
NAMES = ("feature_code", "flowmeter_id")

#: megabytes that the joins for meters off the grid may take in one process
MEMORY_MB = 500

_KINDS = {"per_lph": "per_lph", "q1": "q1_u", "q2": "q2_u", "q3": "q3_u", "top": "top_u",
          "band_low": "band_low_u", "band_high": "band_high_u"}  # fmt: skip


@dataclass(frozen=True)
class ChunkSummary:
    """What a chunk's readings come to.

    Attributes
    ----------
    rows : DataFrame
        `ROWS` without `NAMES`, sorted by feature code and window: one row per window and feature code that reported, is
        watched or is contradicted in it.
    runs : dict of DataFrame
        Of each of `NAMES` the runs of rows of the same one, one after the other: ``len`` and ``value``. Strings take longest to
        write and to look up, so that each run is told once.
    moments : Moments
        Of the rows that have a ``meter_no``.
    samples : SampleSource
        Where their single pairs come from.
    """

    rows: pl.DataFrame
    runs: dict[str, pl.DataFrame]
    moments: Moments
    samples: SampleSource

    @property
    def named(self) -> pl.DataFrame:
        """`ROWS`, names among them."""
        names = {name: pl.Series(run["value"].repeat_by(run["len"]).explode()) for name, run in self.runs.items()}
        return self.rows.with_columns(**names).select(*ROWS)


@dataclass(frozen=True)
class SampleSource:
    """The pairs of a chunk, kept for the second look; ``row`` holds the row of each ``meter_no``."""

    matched: SpanMatch
    few: FewMatch | None
    few_row: Ints
    kinds: Kinds
    row: Ints

    def look(self, meters: Ints) -> Pairs:
        """The pairs of some rows, by their ``meter_no``, increasing."""
        rows = self.row[meters]
        matched = self.matched
        found = Pairs.none()
        if matched.q is not None and matched.q_meter is not None:
            where = matched.q, matched.q_meter, matched.watched, matched.slots_us, matched.phase
            first, us, x, y = _pairs_of(rows, *where, self.kinds.per_lph, self.kinds.top)
            some = np.flatnonzero(np.diff(first))
            found = Pairs(meters[some], np.append(first[some], first[-1]), us, x, y)
        if self.few is None or not self.few.pairs.height:
            return found
        number = np.repeat(found.meter_no, np.diff(found.first))
        parts = (number, *found[2:]), self._from_list(meters, rows, self.few.pairs)
        number, us, x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((us, number))
        return Pairs.of(number[order], us[order], x[order], y[order])

    def _from_list(self, meters: Ints, rows: Ints, pairs: pl.DataFrame) -> tuple[Ints, Ints, Floats, Floats]:
        windows = self.matched.watched.shape[1]
        number = np.full(self.matched.watched.size, -1, dtype=np.int64)
        number[rows] = meters
        per_lph, top = self.kinds.per_lph[self.few_row // windows], self.kinds.top[self.few_row // windows]
        us, q, q_meter = (pairs[name].to_numpy() for name in ("us", "q", "q_meter"))
        x, y = q * per_lph, q_meter * per_lph
        keep = (number[self.few_row] >= 0) & (np.abs(x) <= top) & (np.abs(y) <= top)
        return number[self.few_row][keep], us[keep], x[keep], y[keep]


@compiled
def _pairs_of(
    rows: Ints, q: Floats, q_meter: Floats, watched: Bools, us: Ints, phase: Ints, per_lph: Floats, top: Floats
) -> tuple[Ints, Ints, Floats, Floats]:
    """The pairs of some rows in the units of the moments: where those of each row begin, time, reference and meter."""
    windows, slots = watched.shape[1], len(us)
    most = len(rows) * slots
    first, when, x, y = np.zeros(len(rows) + 1, np.int64), np.empty(most, np.int64), np.empty(most), np.empty(most)
    n = 0
    for k in range(len(rows)):
        row = rows[k]
        device, window = row // windows, row % windows
        if watched[device, window]:
            scale, most_u = per_lph[device], top[device]
            for slot in range(slots):
                a, b = q[device, window, slot] * scale, q_meter[device, window, slot] * scale
                if abs(a) <= most_u and abs(b) <= most_u:
                    when[n], x[n], y[n] = us[slot] + phase[device], a, b
                    n += 1
        first[k + 1] = n
    return first, when[:n], x[:n], y[:n]


def summarise_chunk(
    lake: Lake,
    chunk: Chunk,
    parties: Parties,
    changed: pl.DataFrame,
    scratch: Path,
    *,
    parts: int,
    by_bin: bool = False,
) -> ChunkSummary:
    """Match and sum one bucket's readings of the windows of a chunk, each cut into ``parts`` equal sub-windows.

    Parameters
    ----------
    changed : DataFrame
        ``feature_code``, ``window``, ``since``: meters of which only what they measured from some moment in a window on
        counts in that window.
    scratch : Path
        A folder for what does not stay; it is made when it is needed.
    by_bin : bool
        Whether extremes are told of each flow bin, as a run keeps them, or of what the judgement asks for.
    """
    heard = parties if parties.claimed.plain.all() else heard_in(lake, chunk, parties)
    matched = match_span(lake, chunk, heard, changed)
    if heard is parties and len(matched.few) == len(matched.codes):
        # of many codes few may have reported: an array of all of them would mostly be empty, and was not made
        heard = heard_in(lake, chunk, parties)
        if len(heard.codes) < len(parties.codes):
            matched = match_span(lake, chunk, heard, changed)
    parties = heard
    few, few_row = None, np.zeros(0, dtype=np.int64)
    if matched.few:
        scratch.mkdir(parents=True, exist_ok=True)
        codes = [matched.codes[k] for k in matched.few]
        with connect(threads=1, memory_mb=MEMORY_MB, spill=scratch / "spill") as con:
            few = match_few(con, lake, chunk, parties, changed, codes, scratch)
        codes_at = pl.DataFrame({"feature_code": matched.codes, "at": np.arange(len(matched.codes))})
        at = few.pairs.select("feature_code", "window").join(codes_at, on="feature_code", maintain_order="left")
        few_row = at["at"].to_numpy() * chunk.windows + at["window"].to_numpy()
    kinds = _kinds(parties)
    rows, runs, row = _rows(matched, few, parties, chunk)
    place = np.full(matched.watched.size, -1, dtype=np.int64)
    place[row] = np.arange(len(row))
    pairs, part_us = (_on_grid(matched, chunk), _listed(few, few_row)), chunk.window_us // parts
    moments = moments_of(*pairs, place, kinds, parts, part_us, by_bin=by_bin)
    source = SampleSource(matched, few, few_row, kinds, row)
    return ChunkSummary(rows, runs, moments, source)


def _kinds(parties: Parties) -> Kinds:
    """The models' numbers of every code, NaN where the meter is not registered."""
    columns = {name: parties.models[column].cast(pl.Float64) for name, column in _KINDS.items()}
    return Kinds(**{name: column.to_numpy() for name, column in columns.items()})


def _on_grid(matched: SpanMatch, chunk: Chunk) -> OnGrid:
    q, q_meter = matched.q, matched.q_meter
    if q is None or q_meter is None:
        q = q_meter = np.zeros((len(matched.codes), chunk.windows, 0))
    return OnGrid(q, q_meter, matched.watched, matched.slots_us, matched.phase)


def _listed(few: FewMatch | None, row: Ints) -> Listed:
    if few is None:
        return Listed.none()
    return Listed(row, *(few.pairs[name].to_numpy() for name in ("us", "q", "q_meter")))


def _rows(
    matched: SpanMatch, few: FewMatch | None, parties: Parties, chunk: Chunk
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame], Ints]:
    """The rows and the runs of a `ChunkSummary`, and of rows with a ``meter_no`` the place among all codes in all windows."""
    codes, registered = parties.models["feature_code"], parties.models["registered"].to_numpy()
    listed = (matched.n_meter > 0) | (matched.n_reference > 0) | matched.conflict
    listed[matched.few] = False
    row = np.flatnonzero(listed)
    watched = (matched.watched & registered[:, None])[listed]
    ids = pl.Series(parties.flowmeter_ids, dtype=pl.String)
    flowmeter, interval_us = matched.flowmeter[listed], matched.interval_us[listed]
    frame = pl.DataFrame(
        {
            "meter_no": _known((np.cumsum(watched) - 1).astype(np.int32), watched),
            "conflict": matched.conflict[listed],
            "n_meter": matched.n_meter[listed],
            "n_reference": matched.n_reference[listed],
            "interval_us": _known(interval_us, interval_us > 0),
            "from_register": matched.from_register[listed],
            "window": (row % chunk.windows).astype(np.int32),
        },
        schema={name: kind for name, kind in ROWS.items() if name not in NAMES},
    )
    if few is not None:
        at, of_id = (
            few.meters.join(
                pl.DataFrame({name: known, "at": np.arange(len(known))}), on=name, how="left", maintain_order="left"
            )["at"]
            .fill_null(-1)
            .to_numpy()
            for name, known in zip(NAMES, (codes, ids), strict=True)
        )
        row = np.concatenate([row, at * chunk.windows + few.meters["window"].to_numpy()])
        frame = pl.concat([frame, few.meters.select(pl.col(name).cast(kind) for name, kind in frame.schema.items())])
        order = np.argsort(row, kind="stable")
        row, frame, flowmeter = row[order], frame[order], np.concatenate([flowmeter, of_id])[order]
        watched = frame["meter_no"].is_not_null().to_numpy()
        frame = frame.with_columns(meter_no=_known((np.cumsum(watched) - 1).astype(np.int32), watched))
    runs = {
        name: _runs(*one) for name, one in zip(NAMES, ((row // chunk.windows, codes), (flowmeter, ids)), strict=True)
    }
    return frame, runs, row[watched]


def _runs(number: Ints, names: pl.Series) -> pl.DataFrame:
    """Runs of the same number, -1 for none, one after the other, with their names."""
    begins = np.flatnonzero(np.diff(number, prepend=-2))
    value = names.gather(_known(number[begins], number[begins] >= 0))
    return pl.DataFrame({"len": np.diff(begins, append=len(number)).astype(np.uint32), "value": value})


def _known(values: npt.NDArray[np.integer[Any]], where: Bools) -> pl.Series:
    """Numbers that are known in some places only, null in the others."""
    known = pl.Series(values)
    return known if where.all() else known.set(pl.Series(~where), None)
