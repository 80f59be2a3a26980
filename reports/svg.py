"""Pictures as SVG that can live inside an HTML page: small, with the same bytes everywhere, and with ids of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape

from reports.paths import svg_path
from reports.picture import LABEL_SIZE, Label, Picture, Shape

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


def _n(value: float) -> str:
    """A length with at most two decimals."""
    return _written(round(value * 100))


@cache
def _written(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".")


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
    return f'<path d="{svg_path(shape, height)}" {" ".join(looks)}/>'


def _label(label: Label, height: float) -> str:
    return (
        f'<text x="{_n(label.x)}" y="{_n(height - label.y)}" text-anchor="{_ANCHORS[label.align]}" '
        f'fill="{label.colour}">{escape(label.text)}</text>'
    )
