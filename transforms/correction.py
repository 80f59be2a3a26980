"""What a meter does with its raw flow: a straight line or a curve of a few points, absolute, and composed exactly.

A correction C carries the meter's raw flow to true flow. While C is in force, the meter shows C(raw), and a window
measures M, which carries the true flow q to what the meter shows, q'. The correction that also removes M is M inverse
after C. For maps that are linear between points this is exact: the result bends where C bends, and where C reaches a
flow at which M inverse bends. Only if more than 16 points come out are some left out, and the error is stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.canonical import rounded
from transforms.errors import MeterwrightError

Floats = npt.NDArray[np.float64]
Points = tuple[tuple[float, float], ...]

#: as many points as a meter takes
MOST_POINTS = 16

#: points nearer to each other than this share of the largest flow are one: the published digits must tell them apart
_NEAREST = 1e-6


class CorrectionError(MeterwrightError):
    """No increasing correction of at most 16 points can be made of what is given."""


@dataclass(frozen=True)
class Correction:
    """What a meter uses: ``q_true = gain * q_raw + offset_lph``, or ``points`` (q_raw, q_true), absolute.

    Flows in L/h. Where there are points, they alone count: linear between them, continued by the end segments. Zero
    raw flow stays zero, and a corrected flow is never below zero. ``approximation_lph`` is the largest error [L/h] that
    leaving out points made when this correction was composed; it is no part of what the meter uses.

    Raises
    ------
    CorrectionError
        If the gain is not above zero, a number is not finite, or the points are fewer than 2, more than 16 or not
        strictly increasing in both flows.
    """

    gain: float = 1.0
    offset_lph: float = 0.0
    points: Points = ()
    approximation_lph: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if not self.points:
            if not (isfinite(self.gain) and isfinite(self.offset_lph) and self.gain > 0):
                raise CorrectionError(
                    f"a correction of gain {self.gain:g} and offset {self.offset_lph:g} L/h; give a gain above zero"
                )
            return
        if not 2 <= len(self.points) <= MOST_POINTS:
            raise CorrectionError(f"a correction of {len(self.points)} points; give 2 to {MOST_POINTS}")
        _check_increasing(*self._axes(), "a correction's points")

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Correction:
        """Read ``{"gain", "offset_lph"}`` or ``{"points": [[q_raw, q_true], ...]}`` as a command has it."""
        try:
            if "points" in given:
                return cls(points=tuple((float(raw), float(true)) for raw, true in given["points"]))
            return cls(float(given["gain"]), float(given["offset_lph"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CorrectionError(
                f"a correction of {sorted(given)} cannot be read ({error}); give gain and offset_lph, or points"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """The correction as a command has it, in numbers of nine digits."""
        if self.points:
            return {"points": rounded_points(self.points)}
        return {"gain": rounded(self.gain), "offset_lph": rounded(self.offset_lph + 0.0)}

    @property
    def is_identity(self) -> bool:
        """Whether the raw flow is used unchanged."""
        return all(raw == true for raw, true in self.points) if self.points else self == Correction()

    def apply(self, raw: npt.ArrayLike) -> Floats:
        """True flow [L/h] for raw flow [L/h], for whole arrays; NaN stays NaN, and a flow below zero counts as zero."""
        flow = np.asarray(raw, dtype=np.float64)
        return np.where(flow <= 0.0, 0.0, np.maximum(self._carry(flow), 0.0))

    def slopes(self) -> Floats:
        """Slope [-] of each segment, of one for a line."""
        if not self.points:
            return np.array([self.gain])
        x, y = self._axes()
        return np.asarray(np.diff(y) / np.diff(x))

    def steepest(self, low: float = 0.0, high: float = np.inf) -> float:
        """The local slope [-] furthest from 1 among the segments that reach into raw flows from low to high [L/h].

        For a line this is the gain. The first segment reaches down to zero, the last one up to any flow.
        """
        if not self.points:
            return float(self.gain)
        slopes = self.slopes()
        x, _ = self._axes()
        begins, ends = np.append(-np.inf, x[1:-1]), np.append(x[1:-1], np.inf)
        slopes = slopes[(begins < high) & (ends > low)]
        return float(slopes[np.argmax(np.abs(slopes - 1.0))])

    def largest_gain_change(self, low: float = 0.0, high: float = np.inf) -> float:
        """The largest abs(local slope - 1) [-] on raw flows from low to high [L/h]; abs(gain - 1) for a line.

        With ``offset_at_zero`` it bounds a curve as gain and offset bound a line: at every raw flow r the correction
        moves the flow by no more than abs(offset_at_zero) + largest_gain_change * r.
        """
        return abs(self.steepest(low, high) - 1.0)

    @property
    def offset_at_zero(self) -> float:
        """What the first segment, continued, says at zero raw flow [L/h]: what small flows are moved by."""
        return float(self._carry(np.zeros(1))[0]) if self.points else self.offset_lph

    def then_line(self, a1: float, a2: float) -> Correction:
        """The correction that also removes q' = a1 q + a2 (a2 in L/h), measured while this one was in force.

        Exact for lines and curves alike, and a line stays a line. Where this correction cuts off at zero, the new one
        follows the uncut relation: the raw flow is known there, only its display is not.

        Raises
        ------
        CorrectionError
            If a1 is not above zero: then the meter does not follow the flow, and nothing undoes that.
        """
        if not (isfinite(a1) and isfinite(a2) and a1 > 0):
            raise CorrectionError(
                f"a relation q' = {a1:g} q + {a2:g} L/h cannot be undone; its slope must be above zero"
            )
        if not self.points:
            return Correction(self.gain / a1, (self.offset_lph - a2) / a1)
        x, y = self._axes()
        return _curve(x, (y - a2) / a1)

    def then_curve(self, q: Sequence[float], q_meter: Sequence[float]) -> Correction:
        """The correction that also removes a measured curve q -> q', given as points [L/h], with this one in force.

        Parameters
        ----------
        q : sequence of float
            True flows, strictly increasing, two or more.
        q_meter : sequence of float
            What the meter showed at them under the correction in force, strictly increasing. Below and above the
            points the end segments go on.

        Returns
        -------
        Correction
            With ``approximation_lph`` above zero if more than 16 points came out and some were left out.

        Raises
        ------
        CorrectionError
            If the points do not increase, or fall together in nine digits.
        """
        true, shown = np.asarray(q, dtype=np.float64), np.asarray(q_meter, dtype=np.float64)
        if true.ndim != 1 or true.shape != shown.shape or len(true) < 2:
            raise CorrectionError(f"a measured curve of {true.size} and {shown.size} flows; give two or more pairs")
        _check_increasing(true, shown, "a measured curve")
        at = self._back(shown)
        bends, ends = at[1:-1], at[[0, -1]]
        if self.points:
            x, _ = self._axes()
            bends, ends = np.append(bends, x[1:-1]), np.append(ends, x[[0, -1]])
        raw = np.unique(np.concatenate([bends, [ends.min(), ends.max()]]))
        return _curve(raw, _segments(self._carry(raw), shown, true))

    def _axes(self) -> tuple[Floats, Floats]:
        x, y = np.array(self.points, dtype=np.float64).T
        return x, y

    def _carry(self, raw: Floats) -> Floats:
        """The uncut map, also below zero: composition needs it whole."""
        return _segments(raw, *self._axes()) if self.points else np.asarray(self.gain * raw + self.offset_lph)

    def _back(self, true: Floats) -> Floats:
        """The inverse of the uncut map."""
        if not self.points:
            return np.asarray((true - self.offset_lph) / self.gain)
        x, y = self._axes()
        return _segments(true, y, x)


def rounded_points(points: Iterable[tuple[float, float]]) -> list[list[float]]:
    """Points as the outbox has them: pairs of numbers of nine digits."""
    return [[rounded(float(x) + 0.0) or 0.0, rounded(float(y) + 0.0) or 0.0] for x, y in points]


def _segments(at: Floats, x: Floats, y: Floats) -> Floats:
    """Linear between the points (x, y), continued by the end segments."""
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    return np.asarray(y[k] + (at - x[k]) * ((y[k + 1] - y[k]) / (x[k + 1] - x[k])))


def _check_increasing(x: Floats, y: Floats, what: str) -> None:
    for flows in (x, y):
        if not np.isfinite(flows).all() or (np.diff(flows) <= 0).any():
            raise CorrectionError(
                f"{what} must be finite and increase strictly; found {', '.join(f'{v:g}' for v in flows)}"
            )


def _curve(x: Floats, y: Floats) -> Correction:
    """A correction of the points (x, y), cut to flows at or above zero, apart enough, and at most 16."""
    x, y = _above_zero(*_apart(x, y))
    near_x, near_y = _apart(*_long_ends(x, y))
    kept = _thinned(near_x, near_y)
    few_x, few_y = near_x[kept], near_y[kept]
    error = float(np.abs(_segments(x, few_x, few_y) - y).max())
    points = tuple((float(a), float(b)) for a, b in rounded_points(zip(few_x, few_y, strict=True)))
    return Correction(points=points, approximation_lph=round(error, 6))


def _above_zero(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The same map at raw and true flows at or above zero, beginning where it enters them; nothing is used below."""
    edge = _edge(x, y)
    if x[0] >= edge:
        return x, y
    inside = x > edge
    reach = np.array([edge]) if inside.any() else np.array([edge, edge + (x[-1] - x[0])])
    first = np.maximum(_segments(reach, x, y), 0.0)
    return np.concatenate([reach, x[inside]]), np.concatenate([first, y[inside]])


def _long_ends(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The same map with end segments no shorter than 1 % of their flow, for the digits of a short one carry far."""
    ends = np.array([min(x[0], max(0.99 * x[1], _edge(x, y))), max(x[-1], 1.01 * x[-2])])
    inner = slice(1, -1)
    low, high = np.maximum(_segments(ends, x, y), 0.0)
    return np.concatenate([ends[:1], x[inner], ends[1:]]), np.concatenate([[low], y[inner], [high]])


def _edge(x: Floats, y: Floats) -> float:
    """The smallest raw flow at or above zero whose true flow is, too."""
    return max(0.0, float(_segments(np.zeros(1), y, x)[0]))


def _apart(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The points without those that the published digits cannot tell from the next one; the last one always stays."""
    gap = _NEAREST * max(float(np.abs(x).max()), float(np.abs(y).max()))
    kept = [len(x) - 1]
    for k in range(len(x) - 2, -1, -1):
        if x[kept[-1]] - x[k] > gap and y[kept[-1]] - y[k] > gap:
            kept.append(k)
    if len(kept) < 2:
        raise CorrectionError(
            "the points of the correction fall together; the relation measured is too flat to be undone"
        )
    return x[kept[::-1]], y[kept[::-1]]


def _thinned(x: Floats, y: Floats) -> npt.NDArray[np.int64]:
    """At most 16 of the points, such that the largest error [L/h] of what they draw is smallest.

    Both end segments stay as they are, so the error holds at every flow. Among all choices of points the best is found
    by dynamic programming over the number of points: the largest error up to point j is that up to some earlier point
    i, or that of the chord from i to j.
    """
    n = len(x)
    if n <= MOST_POINTS:
        return np.arange(n)
    i, j, k = np.ogrid[:n, :n, :n]
    run = np.where(j > i, x[j] - x[i], 1.0)
    chord = y[i] + (x[k] - x[i]) * (y[j] - y[i]) / run
    error = np.where((k > i) & (k < j), np.abs(chord - y[k]), 0.0).max(axis=2)
    error[np.tril_indices(n)] = np.inf
    error[0, 2:] = np.inf
    error[: n - 2, n - 1] = np.inf
    best, before = error[0], []
    for _ in range(MOST_POINTS - 2):
        through = np.maximum(best[:, None], error)
        before.append(through.argmin(axis=0))
        best = through.min(axis=0)
    chosen = [n - 1]
    for step in reversed(before):
        chosen.append(int(step[chosen[-1]]))
    return np.array([0, *chosen[::-1]])
