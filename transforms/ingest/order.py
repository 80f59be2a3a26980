"""Order: a batch's readings brought into the order of the lake's files by sorting one whole number for each of them.

Day, device (by bucket), second of the day and the reading's place in the batch, the first three as ranks among those that
occur, make a number of 63 bits. NumPy sorts such numbers several times faster than a database sorts rows; readings of one
device at one instant stand side by side afterwards; and all but the value can be read off the number. Where this way does
not lead (doubled readings, fractions of seconds, too many of anything), only the try is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.arrow import to_numpy
from transforms.ingest.part import Part
from transforms.ingest.versions import Ranks, Versions

#: readings that are put in order in memory; DuckDB can spill what is more
MOST_READINGS: Final = 20_000_000
_BITS: Final = 63
_US: Final = 1_000_000
_DAY_S: Final = 86_400
#: days since 1970 that a reading can be of, and some more
_DAYS: Final = 1 << 16
#: readings that are worked on at once: so few that the processor's cache holds them
_CHUNK: Final = 1 << 17

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ordered:
    """Readings in the order of the files, no two of one device at one instant.

    Attributes
    ----------
    keys : ndarray of int64
        For each reading, from high bits to low, the ranks of its day, device and second, and its place in ``values``.
    values : dict of ndarray of float64
        ``flow`` [L/h] and ``volume`` [L], those there are, in the order in which they came; not a number stands for none.
    days, devices, seconds : ndarray of int64
        By rank: days since 1970; device numbers, bucket by bucket; seconds of the day.
    bits : (int, int, int)
        How many bits of a key are for the device, the second and the place.
    slices : dict of slice
        Where the readings of a part stand, by its number.
    versions : Versions
        Of the dumps.
    ranks : ndarray or None
        Which of the versions each of ``values`` is of; None where there is one.
    """

    keys: Ints
    values: dict[str, Floats]
    days: Ints
    devices: Ints
    seconds: Ints
    bits: tuple[int, int, int]
    slices: dict[int, slice]
    versions: Versions
    ranks: Ranks | None

    def parts(self, stream: str, n_buckets: int) -> list[Part]:
        """What becomes one file each."""
        gaps = {name: bool(np.isnan(values).any()) for name, values in self.values.items()}
        found = []
        for number, where in self.slices.items():
            keys = self.keys[where]
            seconds = (keys >> self.bits[2]) & self._mask(1)
            first, last = (self._seconds(keys[:1], rank)[0] for rank in (seconds.min(), seconds.max()))
            has = [
                name in self.values and not (gaps[name] and np.isnan(self.values[name][keys & self._mask(2)]).all())
                for name in ("flow", "volume")
            ]
            found.append(
                Part.of(
                    number, stream, n_buckets, len(keys), datetime.fromtimestamp(first, UTC),
                    datetime.fromtimestamp(last, UTC), *map(int, self._devices(keys[[0, -1]])), *has,
                    bool(self.versions),
                )
            )  # fmt: skip
        return found

    def tables(self, number: int, rows: int) -> Iterator[pa.Table]:
        """The readings of a part, so many rows at a time: device_no, ts, the values there are, and version where there is any."""
        where = self.slices[number]
        for begin in range(where.start, where.stop, rows):
            yield self._piece(slice(begin, min(begin + rows, where.stop)))

    def _piece(self, where: slice) -> pa.Table:
        if not self.versions:
            return self._table(where, self.values)
        ranks = np.zeros(where.stop - where.start, self.versions.rank.dtype)
        table = self._table(where, self.values, ranks)
        return table.append_column("version", self.versions.column(ranks))

    def instants(self) -> pa.Table:
        """All readings without their values: device_no, ts."""
        return self._table(slice(None), {})

    def _table(self, where: slice, values: dict[str, Floats], ranks: Ranks | None = None) -> pa.Table:
        """Columns of some readings; where ``ranks`` are given, those of their versions are filled in."""
        keys = self.keys[where]
        device_no = np.empty(len(keys), np.int32)
        stamps = np.empty(len(keys), np.int64)
        kept = {name: np.empty(len(keys), np.float64) for name in values}
        for some in _chunks(len(keys)):
            chunk = keys[some]
            device_no[some] = self._devices(chunk)
            stamps[some] = self._seconds(chunk, (chunk >> self.bits[2]) & self._mask(1)) * _US
            places = chunk & self._mask(2)
            for name, column in kept.items():
                column[some] = values[name][places]
            if ranks is not None and self.ranks is not None:
                ranks[some] = self.ranks[places]
        # by way of Polars: PyArrow's own way from an array imports pandas first
        ts = pl.Series("ts", stamps).cast(pl.Datetime("us"))
        columns = [pl.Series("device_no", device_no), ts]
        columns += [pl.Series(name, column, nan_to_null=True) for name, column in kept.items()]
        return pl.DataFrame(columns).to_arrow()

    def _devices(self, keys: Ints) -> Ints:
        found: Ints = self.devices[(keys >> (self.bits[1] + self.bits[2])) & self._mask(0)]
        return found

    def _seconds(self, keys: Ints, rank: Ints) -> Ints:
        """Since 1970."""
        found: Ints = (self.days * _DAY_S)[keys >> sum(self.bits)] + self.seconds[rank]
        return found

    def _mask(self, place: int) -> int:
        return (1 << self.bits[place]) - 1


def fetch(
    con: duckdb.DuckDBPyConnection,
    readings: str,
    values: Sequence[str],
    buckets: Ints,
    n_buckets: int,
    versions: Versions,
) -> Fetched | None:
    """Fetch readings that are to be put in order, if that may be done in memory.

    Parameters
    ----------
    con : DuckDBPyConnection
        Where the readings are.
    readings : str
        SELECT of device_no, ts and the values, and of dump where there are several versions.
    values : sequence of str
        The columns of values that any reading has.
    buckets : ndarray of int64
        By device number.
    n_buckets : int
        Of the lake; a part's number is the day times this plus the bucket.
    versions : Versions
        Of the dumps.
    """
    (count,) = con.sql(f"SELECT count(*) FROM ({readings})").fetchall()[0]
    if not 0 < count <= MOST_READINGS:
        return None
    return Fetched.read(con, readings, values, count, buckets, n_buckets, versions)


@dataclass(frozen=True)
class Fetched:
    """Readings as they came, and which days, devices and seconds of the day occur."""

    device_no: NDArray[np.int32]
    day: NDArray[np.uint16]
    second: NDArray[np.int32]
    values: dict[str, Floats]
    seen_days: NDArray[np.bool_]
    seen_devices: NDArray[np.bool_]
    seen_seconds: NDArray[np.bool_]
    ranks: Ranks | None
    buckets: Ints
    n_buckets: int
    versions: Versions

    @staticmethod
    def read(
        con: duckdb.DuckDBPyConnection,
        readings: str,
        values: Sequence[str],
        count: int,
        buckets: Ints,
        n_buckets: int,
        versions: Versions,
    ) -> Fetched | None:
        """Fetch them; None if a stamp has a fraction of a second."""
        found = Fetched(
            np.empty(count, np.int32),
            np.empty(count, np.uint16),
            np.empty(count, np.int32),
            {name: np.empty(count, np.float64) for name in values},
            np.zeros(_DAYS, np.bool_),
            np.zeros(len(buckets), np.bool_),
            np.zeros(_DAY_S, np.bool_),
            np.empty(count, versions.rank.dtype) if versions.several else None,
            buckets,
            n_buckets,
            versions,
        )
        begin = 0
        columns = ", ".join([*values, "dump"] if versions.several else values)
        with con.sql(f"SELECT device_no, epoch_us(ts) AS us, {columns} FROM ({readings})").to_arrow_reader(
            _CHUNK
        ) as reader:
            for batch in reader:
                where = slice(begin, begin + batch.num_rows)
                if not found.take(batch, where):
                    return None
                if found.ranks is not None:
                    found.ranks[where] = versions.rank[to_numpy(batch["dump"])]
                begin += batch.num_rows
        return found

    def take(self, batch: pa.RecordBatch, where: slice) -> bool:
        us = to_numpy(batch["us"])
        seconds = us // _US
        if (us != seconds * _US).any():
            return False
        self.device_no[where] = device_no = to_numpy(batch["device_no"])
        self.day[where] = day = seconds // _DAY_S
        self.second[where] = second = seconds - day * _DAY_S
        for name, column in self.values.items():
            column[where] = to_numpy(batch[name])
        self.seen_days[day] = True
        self.seen_devices[device_no] = True
        self.seen_seconds[second] = True
        return True

    def in_order(self) -> Ordered | None:
        """The readings put in order; None where that cannot be done by sorting numbers, or two share device and instant."""
        count = len(self.day)
        days, devices, seconds = (
            np.flatnonzero(seen) for seen in (self.seen_days, self.seen_devices, self.seen_seconds)
        )
        devices = devices[np.argsort(self.buckets[devices], kind="stable")]
        bits = (_bits(len(devices)), _bits(len(seconds)), _bits(count))
        if _bits(len(days)) + sum(bits) > _BITS:
            return None
        keys = self.keys(_ranks(days, sum(bits)), _ranks(devices, bits[1] + bits[2]), _ranks(seconds, bits[2]))
        keys.sort()
        # that of two neighbours all but the places are the same
        if any((keys[some][1:] ^ keys[some][:-1] < 1 << bits[2]).any() for some in _chunks(count, overlap=1)):
            return None
        slices = _slices(keys, days, self.buckets[devices], bits, self.n_buckets)
        return Ordered(keys, self.values, days, devices, seconds, bits, slices, self.versions, self.ranks)

    def keys(self, days: Ints, devices: Ints, seconds: Ints) -> Ints:
        """The keys, given what a day, a device and a second add to one."""
        keys = np.arange(len(self.day))
        for some in _chunks(len(keys)):
            keys[some] += days[self.day[some]]
            keys[some] += devices[self.device_no[some]]
            keys[some] += seconds[self.second[some]]
        return keys


def _bits(count: int) -> int:
    """Bits that so many ranks take."""
    return (count - 1).bit_length()


def _ranks(values: Ints, shift: int) -> Ints:
    """By value its rank, shifted to its place in a key."""
    ranks = np.zeros(int(values.max()) + 1, np.int64)
    ranks[values] = np.arange(len(values)) << shift
    return ranks


def _slices(keys: Ints, days: Ints, buckets: Ints, bits: tuple[int, int, int], n_buckets: int) -> dict[int, slice]:
    """Where the readings of each part stand."""
    numbers, firsts = np.unique(buckets, return_index=True)
    begins = ((np.arange(len(days)) << bits[0])[:, None] | firsts) << (bits[1] + bits[2])
    edges = [*np.searchsorted(keys, begins.ravel()).tolist(), len(keys)]
    parts = (days[:, None] * n_buckets + numbers).ravel().tolist()
    return {
        number: slice(begin, end) for number, begin, end in zip(parts, edges, edges[1:], strict=False) if begin < end
    }


def _chunks(count: int, overlap: int = 0) -> Iterator[slice]:
    for begin in range(0, count, _CHUNK):
        yield slice(begin, begin + _CHUNK + overlap)
