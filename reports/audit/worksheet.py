"""XlsxWriter's worksheet, made quick for hundreds of thousands of numbers: the same bytes with fewer steps a cell."""

from __future__ import annotations

from functools import cache, lru_cache
from io import StringIO
from typing import Any


@cache
def worksheet_class() -> type[Any]:
    """The worksheet: its base is imported only when a workbook is written."""
    from xlsxwriter.utility import xl_rowcol_to_cell_fast
    from xlsxwriter.worksheet import Worksheet

    class Sheet(Worksheet):  # type: ignore[misc]
        fh: Any

        # most columns of words have a few different ones
        _escape_control_characters = staticmethod(lru_cache(4096)(Worksheet._escape_control_characters))

        def _write_single_row(self, current_row_num: int = 0) -> None:
            # the file of rows is read later, and takes far longer than memory to write a cell to
            file, self.fh = self.fh, StringIO()
            super()._write_single_row(current_row_num)
            file.write(self.fh.getvalue())
            self.fh = file

        def _write_cell(self, row: int, col: int, cell: Any) -> None:
            # a number with a format of its own, as nearly all are, has nothing to escape and nothing to look up
            if cell.__class__.__name__ == "Number" and cell.format:
                place, look = xl_rowcol_to_cell_fast(row, col), cell.format._get_xf_index()
                self.fh.write(f'<c r="{place}" s="{look}"><v>{cell.number:.16G}</v></c>')
            else:
                super()._write_cell(row, col, cell)

    return Sheet
