"""Versions: of which version each dump of a batch is, where its name tells, and the column that says so of its readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.ingest.dumps import Dump

Ranks = NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class Versions:
    """The versions of some dumps.

    Attributes
    ----------
    distinct : tuple of int or None
        Those there are, None for dumps whose name tells none.
    rank : ndarray of unsigned integers
        By the dump's number, where its version stands in ``distinct``.
    """

    distinct: tuple[int | None, ...]
    rank: Ranks

    @staticmethod
    def of(dumps: Sequence[Dump]) -> Versions:
        """What the names of dumps tell."""
        told = {dump.number: dump.candidate.version for dump in dumps}
        place = {version: rank for rank, version in enumerate(dict.fromkeys(told.values()))}
        rank = np.zeros(max(told) + 1, np.min_scalar_type(len(place)))
        rank[[*told]] = [place[version] for version in told.values()]
        return Versions(tuple(place), rank)

    def __bool__(self) -> bool:
        """Whether any dump has a version."""
        return self.distinct != (None,)

    @property
    def several(self) -> bool:
        return len(self.distinct) > 1

    def column(self, ranks: Ranks) -> pa.Array:
        """The column of some readings; a dictionary is written in a fraction of the time that the numbers take."""
        # through Polars, because PyArrow would import pandas first
        places = pl.Series(ranks)
        if None in self.distinct:
            # a Parquet file knows places that are missing, but no version that is
            places = places.set(places == self.distinct.index(None), None)
        known = [0 if version is None else version for version in self.distinct]
        return pa.DictionaryArray.from_arrays(places.to_arrow(), pl.Series(known, dtype=pl.Int64).to_arrow())

    def by_dump(self) -> pa.Table:
        """A row per number of a dump: ``dump``, ``version``."""
        numbers = pl.Series(np.arange(len(self.rank), dtype=np.int32))
        versions = pl.Series(self.distinct, dtype=pl.Int64).gather(self.rank)
        return pl.DataFrame({"dump": numbers, "version": versions}).to_arrow()
