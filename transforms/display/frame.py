"""One frame: the grids that N digits may stand on, and the readings of each by both opinions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.display import first, glass, search, second, strokes, trust
from transforms.display.engine import Engine
from transforms.display.glass import Glass, Grey
from transforms.display.grid import Grid
from transforms.display.second import Cells
from transforms.display.strokes import Ink

#: grids that explain less of the ink are no digits
_LEAST_EXPLAINED: Final = 0.35
_LEAST_SPLIT: Final = 1.5
#: where no grid is worth this much, lines of text are looked for
_LEAST_WORTH: Final = 0.45
#: a grid that explains this much, with segments this far apart, is the display: nothing else is looked at
_PLAIN: Final = (0.8, 5.0)
#: a grid that explains this much has the right kind of strokes, dark or light
_LIKELY: Final = (0.75, 4.0)
#: readings kept of each format
_KEPT: Final = 5


@dataclass(frozen=True)
class Reading:
    """One string of digits, the probability that it is exact, and whether it may be taken."""

    text: str
    probability: float
    safe: bool
    evidence: trust.Evidence


@dataclass(frozen=True)
class Fit:
    """A grid on a part of a picture, with what its segments say."""

    to_picture: NDArray[np.float64]
    ink: Ink
    grid: Grid
    explained: float
    cells: Cells

    @property
    def worth(self) -> float:
        """For choosing between grids: ink explained, less what looks like a digit beside it."""
        return min(self.explained, 1.0) * min(max(self.cells.split, 0.0), 6.0) / 6 - 0.5 * max(self.cells.beside)


def fits(
    engine: Engine, image: NDArray[np.uint8], grey: Grey, formats: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], list[Fit]]:
    """The grids on a picture for each format (number of digits, decimals), the best first."""
    cv2 = engine.cv2
    found: dict[tuple[int, int], list[Fit]] = {form: [] for form in formats}

    def try_on(part: Glass) -> bool:
        """Fit every format to a part of the picture; whether it is the display beyond doubt."""
        view, to_picture = glass.view(cv2, grey, part)
        both = strokes.inks(cv2, view)
        # A frame is the strongest stroke of all, and would pass for rows of digits.
        depth = max((strokes.frame(ink) for ink in both), key=sum)
        if any(depth):
            view, to_picture = glass.view(cv2, grey, glass.inside(to_picture, view.shape, depth))
            both = strokes.inks(cv2, view)
        for ink in both:
            for form in formats:
                best = search.fit(cv2, ink, *form)
                if best is None or best[1] < _LEAST_EXPLAINED:
                    continue
                cells = second.read(cv2, ink, best[0])
                if cells.split > _LEAST_SPLIT:
                    found[form].append(Fit(to_picture, ink, best[0], best[1], cells))
            if any(_clear(fit, _PLAIN) for mine in found.values() for fit in mine):
                return True
            if any(_clear(fit, _LIKELY) for mine in found.values() for fit in mine if fit.ink is ink):
                break  # strokes of the other kind are what lies between these
        return False

    if not any(try_on(part) for part in glass.find(cv2, grey)):
        best = max((fit.worth for mine in found.values() for fit in mine), default=0.0)
        if best < _LEAST_WORTH:
            parts = (glass.about_text(corners) for corners in engine.lines(image)[:2])
            any(try_on(part) for part in parts if part is not None)
    return {form: sorted(mine, key=lambda fit: -fit.worth) for form, mine in found.items()}


def _clear(fit: Fit, enough: tuple[float, float]) -> bool:
    return fit.explained > enough[0] and fit.cells.split > enough[1] and max(fit.cells.beside) < trust.BESIDE


def readings(engine: Engine, grey: Grey, fit: Fit, signed: bool = False) -> list[Reading]:
    """What a grid reads, the likeliest first: both opinions weighed together.

    Parameters
    ----------
    signed
        Whether a minus may stand left of the digits; there, too, both opinions have to say so.
    """
    count = fit.grid.count
    drawings = first.lines(engine.cv2, grey, fit.to_picture, fit.ink, fit.grid)
    steps, proposed, length = first.opinions(engine, drawings, count)
    texts = _worth_a_look(fit.cells, proposed)
    negative, same = _sign(engine, grey, fit) if signed else (False, not fit.cells.sign)
    by_first, by_second = first.weigh(steps, texts), np.array([fit.cells.of(text) for text in texts])
    by_second = by_second - by_second.max()
    both = by_first + by_second
    order = np.argsort(-both, kind="stable")
    result = []
    for k in order[:_KEPT]:
        others = np.arange(len(texts)) != k
        margins = [float(by[k] - by[others].max()) if others.any() else 0.0 for by in (by_first, by_second)]
        evidence = trust.Evidence(
            first=margins[0],
            second=margins[1],
            votes=float(np.mean([bool(p) and p[0] == texts[k] for p in proposed])),
            length=length,
            explained=fit.explained,
            split=fit.cells.split,
            weakest=fit.cells.weakest,
            washed=fit.cells.washed,
            beside=max(fit.cells.beside),
            agree=min(margins) > 0 and same,
        )
        result.append(Reading("-" * negative + texts[k], trust.probability(evidence), trust.safe(evidence), evidence))
    return result


def _sign(engine: Engine, grey: Grey, fit: Fit) -> tuple[bool, bool]:
    """Whether a minus stands before the digits, and whether both opinions say the same about it."""
    likely = first.minus(engine, grey, fit.to_picture, fit.ink, fit.grid)
    return fit.cells.sign, (likely > 0.5) if fit.cells.sign else (likely < 0.2)


def _worth_a_look(cells: Cells, proposed: list[list[str]]) -> list[str]:
    """Strings to be weighed: those proposed, the segments' own, and that with each digit's runner-up."""
    own = cells.text
    texts = {text for strings in proposed for text in strings} | {own}
    runner_up = cells.logp.argsort(1)[:, -2]
    texts |= {own[:k] + str(runner_up[k]) + own[k + 1 :] for k in range(len(own))}
    return sorted(texts)
