"""How judged windows are written between the steps of an audit, and the columns that are read of them: those that stand there,
those that follow from whole numbers, and those that follow from the meter and the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy.typing as npt
import polars as pl
import pyarrow as pa

from flows.audit.home import Home
from flows.audit.judged import Block, Layout
from flows.audit.plan import Setting
from flows.audit.tables import table_of
from transforms.audit import COMPARED, LISTED
from transforms.fit.lines import Floats
from transforms.judge.columns import series_of
from transforms.judge.many import JUDGED_WINDOWS, places
from transforms.judge.plain import OF_STILL, ON_FLOWS, PLAIN, WHOLE, on_flows, volumes
from transforms.judge.words import WORDS
from transforms.schemas import AUDIT_WINDOWS

#: columns that follow from a row's meter and window
_FOLLOWING = ("feature_code", "model", "window_start", "window_end")
#: whole numbers that the plain columns of the statistics follow from
_OF_LISTED = ("flow_x", "flow_more", *OF_STILL)
#: numbers that find a row's meter and window, and its sums among those of its group
_FOUND_BY = ("code", "window", "cells", "interval_us")


class Written:
    """The judged windows of one audit."""

    def __init__(self, setting: Setting, flowmeter_ids: Sequence[str], home: Callable[[int], Home]) -> None:
        """
        Parameters
        ----------
        flowmeter_ids
            All that may stand in a window.
        home
            The meters of a bucket.
        """
        self._setting, self._flowmeter_ids, self._home = setting, flowmeter_ids, home

    @cached_property
    def windows(self) -> Layout:
        """How judged windows are written: what follows from the meter and the window is left out."""
        columns = AUDIT_WINDOWS if self._setting.what_if is None else JUDGED_WINDOWS
        # those first that the statistics ask for, which so stand together
        names = [
            name
            for name in dict.fromkeys([*_OF_LISTED, *LISTED, *WHOLE, *columns])
            if name not in (*_FOLLOWING, *PLAIN)
        ]
        kept = {name: columns.get(name, pl.Int64) for name in names}
        pooled = {f"pooled_{name}": some for name, some in WORDS.items()}
        found_by = dict.fromkeys(_FOUND_BY, pl.Int64)
        return Layout({**found_by, **kept}, {**WORDS, **pooled, "flowmeter_id": self._flowmeter_ids})

    @cached_property
    def listed(self) -> Layout:
        """How those columns of judged windows are read that the statistics ask for."""
        return self.windows.only(
            {*_FOUND_BY, *_OF_LISTED, *LISTED, *(COMPARED if self._setting.what_if is not None else ())}
        )

    def told(self, layout: Layout, block: Block, bucket: int, names: Sequence[str]) -> pl.DataFrame:
        """Columns of a block as a frame, those included that follow from the meter and the window."""
        columns = self.columns(layout, block, bucket, names)
        return pl.DataFrame([series_of(name, JUDGED_WINDOWS[name], *columns[name]) for name in names])

    def table(self, block: Block, bucket: int) -> pa.Table:
        """`AUDIT_WINDOWS` of a block of judged windows."""
        return table_of(self.columns(self.windows, block, bucket, list(AUDIT_WINDOWS)))

    def columns(
        self, layout: Layout, block: Block, bucket: int, names: Sequence[str]
    ) -> dict[str, tuple[npt.NDArray[Any], pl.Series | None]]:
        """Columns of a block with their words, those included that follow from the meter and the window."""
        known = {name: (layout.of(block, name), layout.words.get(name)) for name in names if name in layout.columns}
        plain = self._plain(layout, block, bucket, names)
        return {
            name: known.get(name) or plain.get(name) or self._following(layout, block, bucket, name) for name in names
        }

    def _plain(self, layout: Layout, block: Block, bucket: int, names: Sequence[str]) -> dict[str, tuple[Floats, None]]:
        """The plain columns of a block, if any is asked for."""
        told: dict[str, Floats] = {}
        if not set(PLAIN).isdisjoint(names):
            whole = {name: layout.of(block, name) for name in WHOLE if name in layout.columns}
            unit_lph = self._home(bucket).unit_lph[layout.of(block, "code")]
            told = volumes(whole, unit_lph, layout.of(block, "interval_us"))
            if not set(ON_FLOWS).isdisjoint(names):
                told |= on_flows(whole, layout.of(block, "n_flowing"), unit_lph)
        return {name: (values, None) for name, values in told.items()}

    def _following(
        self, layout: Layout, block: Block, bucket: int, name: str
    ) -> tuple[npt.NDArray[Any], pl.Series | None]:
        """A column that follows from the meter and the window, with its words."""
        if name in ("window_start", "window_end"):
            length_us = int(self._setting.length.total_seconds()) * 1_000_000
            begin_us = int(self._setting.begin.timestamp()) * 1_000_000 + (length_us if name == "window_end" else 0)
            return begin_us + layout.of(block, "window") * length_us, None
        home, code = self._home(bucket), layout.of(block, "code")
        # of the words for the meters only those that are wanted: each file of a group keeps them all
        first, last = (int(code.min()), int(code.max()) + 1) if len(code) else (0, 0)
        if name == "feature_code":
            return code - first, home.codes[first:last]
        models = home.models[first:last].unique(maintain_order=True).drop_nulls()
        return places(home.models[first:last], models)[code - first], models
