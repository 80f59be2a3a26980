"""Judging one bucket of a window: the piece of work that is spread over threads, or over the workers of a cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.context import MEMORY_MB
from transforms.judge import judge_bucket
from transforms.lake import Lake
from transforms.lake.damage import lake_legible
from transforms.match import Parties
from transforms.policy import Policy
from transforms.sql import connect, session
from transforms.summarise import recorded, summarise_window
from transforms.windows import Window


@dataclass(frozen=True)
class JudgeBucket:
    """Judges the meters of a bucket; called with the bucket's number and its parties.

    It can be sent to another process, or to another machine that sees the workspace at the same place. A DuckDB stays where
    it is: who does not find one opens one.
    """

    scratch: Path
    lake: Lake
    window: Window
    policy: Policy
    calibration: pl.DataFrame | None
    database: duckdb.DuckDBPyConnection | None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "database": None}

    def __call__(self, bucket: tuple[int, Parties]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The verdicts of a bucket's meters, and the sums that they rest on."""
        number, mine = bucket
        scratch = self.scratch / f"match-{self.window.name}-{number}"
        scratch.mkdir(parents=True, exist_ok=True)
        with lake_legible(), self._connection(scratch) as con:
            sums = summarise_window(con, self.lake, number, self.window, mine, scratch, parts=self.policy.window.parts)
            verdicts = judge_bucket(
                sums.meters, sums.moments, mine.fleet, self.calibration, self.policy, self.window, look=sums.look
            )
            return verdicts, recorded(sums.meters, sums.moments, mine.fleet)

    def _connection(self, scratch: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        if self.database is not None:
            return session(self.database)
        return connect(threads=1, memory_mb=MEMORY_MB, spill=scratch / "spill")
