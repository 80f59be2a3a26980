"""Tables as plain text: words to the left, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | float | None


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], notes: Sequence[str] = ()) -> None:
    """Print a table with its title above and notes below.

    Parameters
    ----------
    title : str
        What was measured, with its size.
    header : sequence of str
        Names of the columns, with units.
    rows : sequence of sequences
        Whole numbers get separators, other numbers three digits or two decimals; None is left empty.
    notes : sequence of str
        Sentences about how it was measured.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[k]) for line in [list(header), *cells]) for k in range(len(header))]
    right = [all(isinstance(row[k], int | float | None) for row in rows) for k in range(len(header))]

    def line(parts: Sequence[str]) -> str:
        padded = (p.rjust(w) if r else p.ljust(w) for p, w, r in zip(parts, widths, right, strict=True))
        return "  " + "  ".join(padded).rstrip()

    print(f"\n{title}")
    print(line(header))
    print("  " + "  ".join("-" * width for width in widths))
    for parts in cells:
        print(line(parts))
    for note in notes:
        print(f"  {note}")
    print(end="", flush=True)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:,.2f}"
