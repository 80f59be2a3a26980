"""``windows.parquet`` read again: columns of the windows of a few meters, which stand beside each other in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from transforms.schemas import AUDIT_WINDOWS

#: columns that are read as words and their places: as text in each row they take longer than all numbers together
_WORDS = [name for name, kind in AUDIT_WINDOWS.items() if kind == pl.String]


class WindowsReader:
    """Gives columns of the windows of some meters; each row group is read once a call.

    It can be handed to another process, which opens the file for itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        #: of each meter the row group, its first row there, and how many it has
        self._places: dict[str, tuple[int, int, int]] = {}
        file = self._open()
        for group in range(file.num_row_groups):
            codes = file.read_row_group(group, columns=["feature_code"], use_threads=False)
            first = 0
            for code, rows in pl.DataFrame(codes).to_series().rle().struct.unnest().select("value", "len").iter_rows():
                self._places[code] = (group, first, rows)
                first += rows

    def __call__(self, codes: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
        """The columns of the meters' windows, sorted by meter and time."""
        file, by_group = self._open(), defaultdict(list)
        for code in sorted(set(codes)):
            if code in self._places:
                group, first, rows = self._places[code]
                by_group[group].append((first, rows))
        read = list(dict.fromkeys(("feature_code", "window_start", *columns)))
        kinds = pl.Schema({name: AUDIT_WINDOWS[name] for name in read})
        found = [pl.DataFrame(schema=kinds)]
        for group, places in sorted(by_group.items()):
            whole = file.read_row_group(group, columns=read, use_threads=False)
            mine = pa.concat_tables([whole.slice(*place) for place in places])
            found.append(pl.DataFrame(mine).select(read).cast(kinds))
        return pl.concat(found).sort("feature_code", "window_start").select(columns)

    def _open(self) -> Any:
        import pyarrow.parquet as pq

        if self._file is None:
            self._file = pq.ParquetFile(self._path, read_dictionary=_WORDS)
        return self._file

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}
