"""Matplotlib figures as SVG that can live inside an HTML page: small, deterministic, and with ids of their own."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "meterwright",
    "font.size": 11.0,
    "path.simplify": False,
    "axes.unicode_minus": True,
    "text.parse_math": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
_COORDINATES = re.compile(r' (?:d|x|y|transform|points)="[^"]*"')
_MORE_DECIMALS = re.compile(r"(?<=\.\d\d)\d+")
_FONT_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
_STYLE_ELEMENT = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_IDENTIFIER = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(?:url\(#|href="#)([^)"]*)')
_NO_TURN = re.compile(r' transform="rotate\(-?0 [^"]*\)"')


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's own defaults plus ours, whatever a matplotlibrc says, so that a page has the same bytes everywhere.

    Matplotlib keeps its settings per process: draw in one thread at a time.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")})
        mpl.rcParams.update(_SETTINGS)
        yield


def inline_svg(figure: Any, key: str, title: str, description: str) -> str:
    """Write a figure as an SVG element for an HTML page.

    Parameters
    ----------
    figure : a ``matplotlib.figure.Figure`` that holds no text from outside
    key : prefix of all ids in it, unique in the page
    title, description : what a screen reader says; may hold anything
    """
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=_NO_METADATA)
    text = written.getvalue()
    text = text[text.index("<svg") :].strip()
    text = _STYLE_ELEMENT.sub("", text)
    text = _FONT_FAMILY.sub("", text)
    text = _NO_TURN.sub("", text)
    text = _COORDINATES.sub(lambda found: _MORE_DECIMALS.sub("", found[0]).replace("\n", ""), text)
    text = re.sub(r">\s+<", "><", text)
    text = _own_ids(text, key)
    _, _, body = text.partition(">")
    width, height = figure.get_size_inches() * 72
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{key}-t {key}-d" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>{body}'
    )


def _own_ids(text: str, key: str) -> str:
    """Prefix the ids that something refers to, and drop the others: several figures share a page."""
    wanted = set(_REFERENCE.findall(text))
    text = _IDENTIFIER.sub(lambda found: f' id="{key}-{found[1]}"' if found[1] in wanted else "", text)
    return _REFERENCE.sub(lambda found: found[0].replace("#", f"#{key}-"), text)
