"""A chart with its title and its description: as SVG for a page, or as a figure that the PDF draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.picture import Picture
from reports.svg import inline_svg

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Drawn:
    """A picture that holds no text from outside; ``title`` and ``description`` may hold any."""

    figure: Picture
    title: str
    description: str

    def svg(self, key: str) -> Markup:
        """The chart for a page; ``key`` is the prefix of its ids, unique in the page."""
        from markupsafe import Markup

        return Markup(inline_svg(self.figure, key, self.title, self.description))  # noqa: S704 - own SVG, titles escaped
