"""Look: from a picture and the screens that it may show to what was seen.

Screens of one format cannot be told apart by what stands on them, so a reading that fits several of them is no sure one.
The frames of a clip are read one by one and voted: what a reflection hides in one, another shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.display import trust
from transforms.display.engine import Engine
from transforms.display.frame import Reading, fits, readings
from transforms.display.picture import Picture
from transforms.display.sight import Candidate, Sight
from transforms.screens import Screen

#: quantities that may be below zero, with a minus left of the digits
SIGNED: Final = ("flow", "a1", "a2", "offset")
#: candidates that a person is shown
_SHOWN: Final = 5
#: grids of one format that are read
_GRIDS: Final = 2
#: weight of a reading with digits beside it against one without
_PART: Final = 0.05
#: a second grid is read if it is worth this share of the first
_AS_GOOD: Final = 0.6
#: another screen must be this much less probable
_APART: Final = 0.1
#: clips: share of the frames' weight behind the reading, frames that read it, and frames after which it may be enough
_MAJORITY: Final = 0.75
_FRAMES_BEHIND: Final = 3


@dataclass(frozen=True)
class _Format:
    digits: int
    decimals: int
    signed: bool


#: what frames say: the best reading of each string in each format
_Votes = dict[tuple[_Format, str], Reading]


def look(engine: Engine, picture: Picture, screens: Sequence[Screen]) -> Sight:
    """Read a picture.

    Parameters
    ----------
    engine
        See `engine.open_engine`.
    picture
        See `picture.load`.
    screens
        What the display can show; the reading must fit one of them.
    """
    by_format: dict[_Format, list[Screen]] = {}
    for screen in screens:
        by_format.setdefault(_Format(screen.digits, screen.decimals, screen.quantity in SIGNED), []).append(screen)
    if not by_format:
        return Sight("unsure", "no_screen", frames=len(picture.frames))
    formats = tuple(by_format)
    if len(picture.frames) == 1:
        return _sight(_frame(engine, picture.frames[0], formats), True, by_format, 1)
    seen: list[_Votes] = []
    for frame in _spread(picture.frames):
        seen.append(_frame(engine, frame, formats))
        if len(seen) >= _FRAMES_BEHIND:
            sight = _sight(*_voted(seen), by_format, len(seen))
            if sight.status == "sure":
                break
    return sight if len(seen) >= _FRAMES_BEHIND else _sight(*_voted(seen), by_format, len(seen))


def _spread(frames: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Frames far apart first: the middle one, then those of the quarters, and so on."""
    order = sorted(range(len(frames)), key=lambda k: (_depth(k + 1, len(frames) + 1), k))
    return [frames[k] for k in order]


def _depth(place: int, whole: int) -> int:
    """How often a span is halved until ``place`` is met."""
    low, high, depth = 0, whole, 0
    while low < high:
        middle = (low + high) // 2
        if place == middle:
            return depth
        low, high = (middle + 1, high) if place > middle else (low, middle)
        depth += 1
    return depth


def _frame(engine: Engine, image: NDArray[np.uint8], formats: tuple[_Format, ...]) -> _Votes:
    """What one frame says about each string of each format."""
    grey = engine.cv2.cvtColor(image, engine.cv2.COLOR_BGR2GRAY)
    votes: _Votes = {}
    found = fits(engine, image, grey, list(dict.fromkeys((form.digits, form.decimals) for form in formats)))
    for form in formats:
        grids = found[form.digits, form.decimals][:_GRIDS]
        for fit in grids:
            if fit.worth < _AS_GOOD * grids[0].worth:
                break
            mine = readings(engine, grey, fit, form.signed)
            for reading in mine:
                key = (form, reading.text)
                if key not in votes or votes[key].probability < reading.probability:
                    votes[key] = reading
            if mine[0].safe and mine[0].probability >= trust.ENOUGH:
                break
    return votes


def _voted(frames: Sequence[_Votes]) -> tuple[_Votes, bool]:
    """The readings of a clip, and whether its frames agree.

    A reading is as probable as its frames together make it, were every second of them independent, times its share of
    all frames' weight.
    """
    best = [max((r.probability for r in votes.values()), default=0.0) for votes in frames]
    together: _Votes = {}
    agreed: set[tuple[_Format, str]] = set()
    for key in sorted(
        {key for votes in frames for key in votes}, key=lambda key: (key[0].digits, key[0].decimals, key[1])
    ):
        mine = [votes[key] for votes in frames if key in votes]
        behind = [v[key] for v, top in zip(frames, best, strict=True) if key in v and v[key].probability >= top > 0.2]
        share = sum(r.probability for r in mine) / max(sum(best), 1e-9)
        odds = float(np.prod([1 - min(r.probability, 0.999) for r in behind])) ** 0.5
        strongest = max(mine, key=lambda r: (r.safe, r.probability))
        together[key] = Reading(
            key[1], float((1 - odds) * min(share, 1.0)), any(r.safe for r in behind), strongest.evidence
        )
        if len(behind) >= min(_FRAMES_BEHIND, len(frames)) and share >= _MAJORITY:
            agreed.add(key)
    top = max(together, key=lambda key: together[key].probability, default=None)
    return together, top in agreed


def _sight(votes: _Votes, agreed: bool, by_format: dict[_Format, list[Screen]], frames: int) -> Sight:
    def worth(item: tuple[tuple[_Format, str], Reading]) -> float:
        """Probability; of next to nothing for what has digits beside it, which is a part of something longer."""
        return item[1].probability * (1.0 if item[1].evidence.beside <= trust.BESIDE else _PART)

    ordered = sorted(votes.items(), key=lambda item: (-worth(item), item[0][1], item[0][0].decimals))
    candidates = tuple(
        _candidate(screen, reading) for (form, _), reading in ordered for screen in by_format[form]
    )[:_SHOWN]  # fmt: skip
    if not ordered:
        return Sight("unsure", "no_display", frames=frames)
    (form, _), best = ordered[0]
    rival = max((worth(item) for item in ordered if item[0][0] != form), default=0.0)
    if len(by_format[form]) > 1 or rival > _APART * best.probability:
        reason = "ambiguous_screen"
    elif not agreed:
        reason = "frames_differ"
    else:
        reason = trust.doubt(best.evidence, best.probability, voted=frames > 1)
    return Sight("unsure" if reason else "sure", reason, candidates, frames)


def _candidate(screen: Screen, reading: Reading) -> Candidate:
    """The digits with the point where the screen has it; what the picture shows of a point is never asked."""
    digits = reading.text.removeprefix("-")
    whole, decimals = digits[: len(digits) - screen.decimals], digits[len(digits) - screen.decimals :]
    text = reading.text[: -len(digits)] + whole + ("." + decimals if decimals else "")
    return Candidate(screen, text, float(text), reading.probability)
