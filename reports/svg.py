"""Pictures as SVG that can live inside an HTML page: small, with the same bytes everywhere, and with ids of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from itertools import islice

import numpy as np

from reports.picture import LABEL_SIZE, Floats, Label, Picture, Shape

_ANCHORS = {"left": "start", "center": "middle", "right": "end"}


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's own defaults, whatever a matplotlibrc says: it places the ticks.

    Matplotlib keeps its settings per process: draw in one thread at a time.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")})
        yield


def inline_svg(picture: Picture, key: str, title: str, description: str) -> str:
    """Write a picture as an SVG element for an HTML page.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    key : str
        Prefix of all ids in it, unique in the page.
    title, description : str
        What a screen reader says; may hold anything.
    """
    width, height = picture.width, picture.height
    left, bottom, across, up = picture.clip
    field = f"M{_n(left)} {_n(height - bottom)}h{_n(across)}v{_n(-up)}h{_n(-across)}z"
    clip = f'<clipPath id="{key}-c"><path d="{field}"/></clipPath>'
    shapes = "".join(_shape(shape, height) for shape in picture.layered())
    labels = "".join(_label(label, height) for label in picture.labels)
    return (
        f'<svg class="chart" viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-labelledby="{key}-t {key}-d" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>{clip}'
        f'<g clip-path="url(#{key}-c)" fill="none">{shapes}</g>'
        f'<g font-size="{LABEL_SIZE:g}">{labels}</g></svg>'
    )


class _Written(dict[int, str]):
    """Hundredths as they are written, with no zero that says nothing; a chart has few different ones."""

    def __missing__(self, hundredths: int) -> str:
        shown = f"{hundredths / 100:.2f}".rstrip("0").rstrip(".")
        self[hundredths] = shown
        return shown


_WRITTEN = _Written()


def _n(value: float) -> str:
    """A length with at most two decimals."""
    return _WRITTEN[round(value * 100)]


def places_of(shape: Shape, top: float | None = None) -> Iterable[Sequence[str]]:
    """The places of each outline as pairs of lengths; measured downwards from ``top`` if that is given."""
    outlines = shape.outlines
    places = outlines.reshape(-1, 2) if isinstance(outlines, np.ndarray) else np.concatenate(outlines)
    up = places[:, 1] if top is None else top - places[:, 1]
    pairs = map(" ".join, zip(_lengths(places[:, 0]), _lengths(up), strict=True))
    if isinstance(outlines, np.ndarray):
        return zip(*[pairs] * outlines.shape[1], strict=True)
    return [list(islice(pairs, len(outline))) for outline in outlines]


def _lengths(values: Floats) -> list[str]:
    """Many lengths at once, each with at most two decimals."""
    return list(map(_WRITTEN.__getitem__, np.rint(values * 100).astype(np.int64).tolist()))


def _shape(shape: Shape, height: float) -> str:
    looks = []
    if shape.stroke is not None:
        looks.append(f'stroke="{shape.stroke}" stroke-width="{_n(shape.width)}"')
        if shape.dash:
            looks.append(f'stroke-dasharray="{" ".join(_n(each) for each in shape.dash)}"')
        if shape.dots:
            looks.append('stroke-linecap="round"')
    if shape.fill is not None:
        looks.append(f'fill="{shape.fill}"')
    if shape.alpha != 1.0:
        looks.append(f'opacity="{_n(shape.alpha)}"')
    return f'<path d="{_path(shape, height)}" {" ".join(looks)}/>'


def _path(shape: Shape, height: float) -> str:
    if not len(shape.outlines):
        return ""
    # dots are strokes of no length with round ends: a tenth of the bytes of one element a point
    between, close = ("h0M", "h0") if shape.dots else ("L", "z" if shape.closed else "")
    return f"M{f'{close}M'.join(map(between.join, places_of(shape, height)))}{close}"


def _label(label: Label, height: float) -> str:
    return (
        f'<text x="{_n(label.x)}" y="{_n(height - label.y)}" text-anchor="{_ANCHORS[label.align]}" '
        f'fill="{label.colour}">{escape(label.text)}</text>'
    )
