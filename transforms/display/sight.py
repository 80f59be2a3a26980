"""What was seen on a picture of a display: the candidates for its reading, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transforms.screens import Screen


@dataclass(frozen=True)
class Candidate:
    """One way to read a picture: ``text`` as it would stand on ``screen``, ``value`` in the screen's unit.

    ``confidence`` is a calibrated probability from 0 to 1 that this is the exact reading.
    """

    screen: Screen
    text: str
    value: float
    confidence: float


@dataclass(frozen=True)
class Sight:
    """What a photo or clip shows.

    Attributes
    ----------
    status
        ``sure``: the first candidate may be taken without a person, as far as the picture alone tells; ``unsure``: a
        person should look; ``refused``: the file is no picture that can be looked at.
    reason
        Code that says why it is not sure (`transforms.reasons`); empty where it is.
    candidates
        Best first, at most five.
    frames
        How many pictures were looked at: 1 for a photo.
    detail
        More on a refusal, for people: never holds a path.
    """

    status: Literal["sure", "unsure", "refused"]
    reason: str = ""
    candidates: tuple[Candidate, ...] = ()
    frames: int = 0
    detail: str = ""
