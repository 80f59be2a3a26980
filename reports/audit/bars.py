"""Small bars for the cells of a table: a value with its interval about zero, and a share of a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.sheet import BLUE, VERMILION
from reports.wording import finite

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 120.0, 14.0


@dataclass(frozen=True)
class Bar:
    """A value with its interval as places from 0 to 1 along the cell, zero in the middle."""

    value: float
    low: float
    high: float

    @property
    def colour(self) -> str:
        """Below zero, the meter registers too little."""
        return VERMILION if self.value < 0.5 else BLUE

    def svg(self) -> Markup:
        """The bar for a page. It says nothing that the number beside it does not, so screen readers pass it by."""
        from markupsafe import Markup

        at, low, high = (1 + place * (WIDTH - 2) for place in (self.value, self.low, self.high))
        middle, height = WIDTH / 2, HEIGHT / 2
        return Markup(  # noqa: S704 - numbers only
            f'<svg class="ibar" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" aria-hidden="true">'
            f'<path d="M{middle:g} 0V{HEIGHT:g}" stroke="#8a939c" stroke-dasharray="2 2"/>'
            f'<path d="M{low:.1f} {height:g}H{high:.1f}" stroke="{self.colour}" stroke-width="3"/>'
            f'<circle cx="{at:.1f}" cy="{height:g}" r="4" fill="{self.colour}"/></svg>'
        )


def bars(rows: Sequence[Sequence[object]]) -> list[Bar | None]:
    """Bars of (value, low, high) on one scale that holds nearly all of them; None where a value is missing."""
    known = [tuple(finite(each) for each in row) for row in rows]
    reach = _reach(abs(edge) for row in known for edge in row if edge is not None)
    made: list[Bar | None] = []
    for value, low, high in known:
        if value is None:
            made.append(None)
            continue
        edges = (value, value if low is None else low, value if high is None else high)
        made.append(Bar(*(min(max(edge / reach, -1.0), 1.0) / 2 + 0.5 for edge in edges)))
    return made


def _reach(sizes: Iterable[float]) -> float:
    """The largest size, or where it dwarfs nine in ten of the others, four times the largest of those."""
    ordered = sorted(sizes, reverse=True)
    if not ordered or ordered[0] <= 0:
        return 1.0
    return min(ordered[0], 4 * ordered[len(ordered) // 10] or ordered[0])
