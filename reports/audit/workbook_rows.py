"""Rows of a workbook's sheet, written as XML at once.

XlsxWriter makes an object of every cell and asks it many questions when its row is written: fifteen times what the text of
a number takes. In constant memory a sheet is a file that rows are appended to; here a table's rows are, after those that were
written cell by cell. All that is not a row of a table is left to XlsxWriter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import polars as pl


@cache
def sheet_class() -> type[Any]:
    """A sheet of XlsxWriter that takes whole tables."""
    from xlsxwriter.utility import xl_col_to_name
    from xlsxwriter.worksheet import Worksheet

    class Sheet(Worksheet):  # type: ignore[misc]
        def write_rows(self, first: int, table: pl.DataFrame, formats: Sequence[Any]) -> None:
            """Write the rows of a table, null where a cell stays empty, from row ``first`` (0 is the top one) on.

            Strings are strings. The rows above must have been written, and nothing can be written above them any more.
            """
            if table.is_empty():
                return
            last = first + table.height - 1
            self._check_dimensions(first, 0)
            self._check_dimensions(last, table.width - 1)
            # what waits to be written comes before
            self._write_single_row(last + 1)
            cells = []
            for place, (column, style) in enumerate(zip(table.iter_columns(), formats, strict=True)):
                if column.null_count() == len(column):
                    # a format that no cell has is not to stand in the file
                    continue
                letters = xl_col_to_name(place)
                rests = _rests(column, f' s="{style._get_xf_index()}"')
                cells.append(
                    [f'<c r="{letters}{row}"{rest}' if rest else "" for row, rest in enumerate(rests, start=first + 1)]
                )
            rows = (
                f'<row r="{row}">{"".join(values)}</row>'
                for row, values in enumerate(zip(*cells, strict=True), first + 1)
            )
            self.fh.write("".join(rows))

    return Sheet


def _rests(column: pl.Series, style: str) -> list[str | None]:
    """What follows the address of each cell of a column, None for an empty one."""
    if column.dtype == pl.String:
        words = {word: _text(word, style) for word in column.unique() if word is not None}
        return [None if value is None else words[value] for value in column.to_list()]
    if column.dtype == pl.Boolean:
        return [None if value is None else f'{style} t="b"><v>{value:d}</v></c>' for value in column.to_list()]
    return [None if value is None else f"{style}><v>{value:.16G}</v></c>" for value in column.to_list()]


def _text(word: str, style: str) -> str:
    shown = word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    space = ' xml:space="preserve"' if word != word.strip() else ""
    return f'{style} t="inlineStr"><is><t{space}>{shown}</t></is></c>'
