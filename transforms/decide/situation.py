"""What a decision rests on beside the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transforms.state import Episode, MeterState


@dataclass(frozen=True)
class Situation:
    """What a decision rests on beside the verdicts.

    ``confirmed`` holds, for meters steady now, in how many windows in a row (this one included) they were. ``stale``
    is true for a window older than one already judged: then nothing is sent. ``effects`` holds, by feature code, what
    this window showed of the command applied last (`transforms.schemas.EFFECTS`). ``episodes`` are the needs that verdicts
    tell of, ``displays`` the ids of the orders that displays have brought about. ``exchanged`` are the
    meters installed on a day that was not over when the window began, so that what it shows may be another meter's, and those
    removed since;
    ``contradicted`` those of which dumps say different things, see `transforms.decide.contradicted`.
    ``overtaken`` holds, by feature code, the verdict of a newer window that is run together with this one and tells
    something else: what is sent leaves now, so the newer one decides. ``unclear`` are the meters of which it is not known
    which parameters they use, with the reason. ``unmoved`` holds the command that a meter says it carried out where the
    window that told of no effect found it as steadily off as before; ``lost`` one that expired unanswered, of which nobody knows
    whether it was carried out.
    """

    states: Mapping[str, MeterState]
    episodes: Mapping[str, Episode]
    confirmed: Mapping[str, int]
    stale: bool
    effects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    displays: frozenset[str] = frozenset()
    exchanged: frozenset[str] = frozenset()
    contradicted: frozenset[str] = frozenset()
    overtaken: Mapping[str, str] = field(default_factory=dict)
    unclear: Mapping[str, str] = field(default_factory=dict)
    unmoved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lost: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
