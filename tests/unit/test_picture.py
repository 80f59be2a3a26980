"""Pictures: lines cut to a field, labels set on their baselines, SVG that says what was drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest

from reports.paths import pdf_path, svg_path
from reports.picture import Label, Shape, cut
from reports.sheet import Sheet
from reports.svg import inline_svg

FIELD = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([(1, 1), (9, 9)], [[(1, 1), (9, 9)]]),
        ([(5, 5), (5, 25)], [[(5, 5), (5, 10)]]),
        ([(-10, 5), (20, 5)], [[(0, 5), (10, 5)]]),
        ([(-5, -5), (15, 15)], [[(0, 0), (10, 10)]]),
        ([(11, 0), (12, 10)], []),
        ([(2, 5), (2, 15), (8, 15), (8, 5)], [[(2, 5), (2, 10)], [(8, 10), (8, 5)]]),
        ([(1, 1), (5, 5), (5, 20)], [[(1, 1), (5, 5), (5, 10)]]),
        ([(-1, 11), (11, 11)], []),
    ],
)
def test_lines_are_cut_to_the_field(line: list[tuple[float, float]], expected: list[list[tuple[float, float]]]) -> None:
    parts = cut(np.array(line, dtype=float), FIELD)
    assert [part.tolist() for part in parts] == [[list(map(float, place)) for place in part] for part in expected]


def test_a_sheet_places_its_data() -> None:
    sheet = Sheet((2.0, 1.0), (0.0, 10.0), (-1.0, 1.0), (0.25, 0.25, 0.5, 0.5))
    sheet.dots(np.array([0.0, 10.0]), np.array([-1.0, 1.0]), "#0072b2")
    sheet.curve((0.0, 10.0), (0.0, 4.0), "#d55e00")
    dots, curve = sheet.figure.layered()
    assert dots.outlines[0].tolist() == [[36.0, 18.0], [108.0, 54.0]]
    assert curve.outlines[0].tolist() == [[36.0, 36.0], [54.0, 54.0]]  # left where it leaves the field


def test_svg_grows_downwards_and_escapes_what_it_says() -> None:
    sheet = Sheet((1.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 0.0, 1.0, 1.0))
    sheet.boxes([[(0.0, 0.0), (0.0, 0.5), (1.0, 0.5)]], "#009e73", 0.25)
    sheet.text(0.5, 0.5, "<b>", ha="center")
    svg = inline_svg(sheet.figure, "k", "<script>", "a & b")
    assert 'd="M0 72L0 36L72 36z" fill="#009e73" opacity="0.25"' in svg
    assert '<title id="k-t">&lt;script&gt;</title>' in svg and "a &amp; b" in svg and "&lt;b&gt;</text>" in svg
    assert set(re.findall(r'id="([^"]*)"', svg)) == {"k-t", "k-d", "k-c"}


def test_labels_stand_on_their_baselines() -> None:
    assert Label.placed(0, 100, "x", "left", "top", "#000").y < Label.placed(0, 100, "x", "left", "center", "#000").y
    assert Label.placed(0, 100, "x", "left", "bottom", "#000").y > 100


@pytest.mark.parametrize("times", [1.0, 1e-3, 1e6])
def test_paths_say_their_places_in_hundredths(times: float) -> None:
    places = np.random.default_rng(7).normal(size=(60, 5, 2)) * 30 * times

    def said(value: float) -> str:
        return f"{round(value * 100) / 100:.2f}".rstrip("0").rstrip(".")

    def outline(given: np.ndarray, top: float, side: int) -> list[str]:
        return [f"{said(x)} {said(top + side * y)}" for x, y in given.tolist()]

    closed = Shape(places, 0, fill="#000000", closed=True)
    assert svg_path(closed, 72.0) == "".join(f"M{'L'.join(outline(each, 72.0, -1))}z" for each in places)
    lines = Shape([places[0], places[1, :2], places[2, :3]], 0, stroke="#000000")
    drawn = [outline(each, 0.0, 1) for each in lines.outlines]
    assert pdf_path(lines) == " ".join(f"{first} m {' '.join(f'{each} l' for each in rest)}" for first, *rest in drawn)
    dots = Shape([places[0]], 0, stroke="#000000", dots=True)
    assert svg_path(dots, 72.0) == "".join(f"M{each}h0" for each in outline(places[0], 72.0, -1))
    assert pdf_path(dots) == " ".join(f"{each} m {each} l" for each in outline(places[0], 0.0, 1))
    assert svg_path(Shape([], 0), 72.0) == pdf_path(Shape([], 0)) == ""
