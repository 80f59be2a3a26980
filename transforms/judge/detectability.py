"""What can be detected: how large a deviation shows, with which chance, in how many flowing pairs of which scatter.

For a meter that is off by a constant share at one level of flow, judged as `transforms.judge.evidence.zone_errors` judges
a flow zone. The observed error e' of n pairs is the true one plus two independent errors: the mean of the pairs' scatter,
s / sqrt(n), and the reference's calibration error, which all pairs share and no number of them averages out (GUM, 5.2).
The scatter itself is estimated with the one expected pooled in (GUM, G.4.2), so its square follows chi-square with n - 1
degrees of freedom and the expanded uncertainty U a multiple of its root. Chances are integrals over that distribution:

    outside    |e'| - U > limit                      the zone is off; a steady relation makes the meter `steady`
    commanded  (|e'| - limit) / u > t(alpha / 3)     and not `marginal`: t test with Bonferroni's correction for the zones
    healthy    |e'| + U <= limit                     the zone is inside

A constant offset is a share that falls with the flow: the offset that shows at a flow q is q times the deviation there.
Chances are those of the relation's size alone; a command also waits for enough pairs in both halves of the window and for
flows that vary enough to tell gain from offset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.judge.evidence import ZONES
from transforms.policy import Policy
from transforms.statistics import load, student_quantile

Floats = npt.NDArray[np.float64]

QUESTIONS = ("outside", "commanded", "healthy")
#: places at which the distribution of the scatter is taken, all equally likely
_PLACES = (np.arange(400) + 0.5) / 400
#: beyond so many permissible errors nothing is looked for
_FARTHEST = 50.0
_MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Setting:
    """A meter at one level of flow, beside its reference, under a policy.

    Attributes
    ----------
    flow_lph
        Level of the flow [L/h].
    mpe
        Permissible error there, relative, tolerance counted.
    repeatability, resolution_lph
        Of the meter, as the registry states them: relative, and [L/h].
    reference_repeatability, reference_uncertainty
        Of the reference, relative: one reading's standard deviation, and the calibration's expanded uncertainty (k = 2).
    scatter_ratio
        Scatter that the meter really has over the one that the registry lets expect.
    """

    flow_lph: float
    mpe: float
    repeatability: float
    resolution_lph: float
    reference_repeatability: float = 0.005
    reference_uncertainty: float = 0.005
    scatter_ratio: float = 1.0
    coverage_factor: float = 2.0
    command_significance: float = 1e-4
    prior_pairs: float = 2.0
    min_zone_pairs: int = 3

    @staticmethod
    def under(policy: Policy, flow_lph: float, mpe: float, repeatability: float, resolution_lph: float) -> Setting:
        """The same with what a policy says; ``mpe`` is the accuracy class's own, before the policy's tolerance."""
        return Setting(
            flow_lph=flow_lph,
            mpe=mpe * policy.tolerance,
            repeatability=repeatability,
            resolution_lph=resolution_lph,
            reference_repeatability=policy.reference.repeatability,
            reference_uncertainty=policy.reference.uncertainty,
            coverage_factor=policy.judge.coverage_factor,
            command_significance=policy.judge.command_significance,
            prior_pairs=policy.judge.prior_pairs,
            min_zone_pairs=policy.evidence.min_zone_pairs,
        )

    @property
    def expected(self) -> float:
        """Relative standard deviation of a single difference that the registry lets expect at this flow."""
        return float(self._scatter(np.zeros(1))[0])

    def scatter(self, deviation: Floats) -> Floats:
        """The one that a meter really has which is off by so much: what is relative grows with its reading."""
        return self.scatter_ratio * self._scatter(deviation)

    def _scatter(self, deviation: Floats) -> Floats:
        relative = (self.repeatability**2 + self.reference_repeatability**2) * (1 + deviation) ** 2
        return np.asarray(np.sqrt(relative + self.resolution_lph**2 / 6 / self.flow_lph**2))


def chance(question: str, deviation: Floats | float, pairs: Floats | int, setting: Setting) -> Floats:
    """The chance that a meter which is off by ``deviation`` gets that answer after so many flowing pairs.

    Parameters
    ----------
    question
        One of `QUESTIONS`.
    deviation
        True relative error at the setting's flow, of either sign.
    pairs
        Flowing pairs at that flow; broadcast against ``deviation``.

    Returns
    -------
    ndarray
        Of the broadcast shape; 0 below the setting's ``min_zone_pairs``.

    Raises
    ------
    ValueError
        For a question that is none of `QUESTIONS`.
    """
    if question not in QUESTIONS:
        raise ValueError(f"{question!r} is no question of detectability; it is one of {', '.join(QUESTIONS)}")
    special = load()
    given = np.broadcast_arrays(np.asarray(deviation, dtype=np.float64), np.asarray(pairs, dtype=np.float64))
    off, n = given[0][..., None], np.maximum(given[1], 2.0)[..., None]
    common = setting.reference_uncertainty / 2
    # degrees of freedom of the scatter about a gain, and of the pooled estimate
    own, dof = n - 1, setting.prior_pairs + n - 1
    real = setting.scatter(off)
    chi2 = (real / setting.expected) ** 2 * special.chdtri(own, 1 - _PLACES)
    standard = setting.expected * np.sqrt((setting.prior_pairs + chi2) / dof / n)
    spread = np.hypot(real / np.sqrt(n), common * (1 + off))
    k = setting.coverage_factor
    expanded = np.hypot(student_quantile(k, dof) * standard, k * common)
    if question == "healthy":
        room = setting.mpe - expanded
        inside = special.ndtr((room - off) / spread) - special.ndtr((-room - off) / spread)
        told = np.where(room > 0, inside, 0.0)
    else:
        least = setting.mpe + expanded
        if question == "commanded":
            t = special.stdtrit(dof, 1 - setting.command_significance / len(ZONES))
            least = np.maximum(least, setting.mpe + t * np.hypot(standard, common))
        told = special.ndtr((off - least) / spread) + special.ndtr((-off - least) / spread)
    return np.where(given[1] < setting.min_zone_pairs, 0.0, told.mean(axis=-1))


def detectable(question: str, pairs: Floats | int, setting: Setting, power: float = 0.9) -> Floats:
    """The deviation at the border of what gets that answer with the stated power, relative; NaN where there is none.

    Of a meter that reads too much. For ``outside`` and ``commanded`` the smallest that does, for ``healthy`` the largest.
    """
    n = np.atleast_1d(np.asarray(pairs, dtype=np.float64))
    low, high = np.zeros(n.shape), np.full(n.shape, _FARTHEST * setting.mpe)
    rising = question != "healthy"
    possible = chance(question, high if rising else low, n, setting) >= power
    for _ in range(60):
        middle = (low + high) / 2
        enough = chance(question, middle, n, setting) >= power
        low, high = np.where(enough == rising, low, middle), np.where(enough == rising, middle, high)
    found = np.where(possible, (low + high) / 2, np.nan)
    return found.reshape(np.shape(pairs))


def pairs_for(question: str, deviation: float, setting: Setting, power: float = 0.9) -> int:
    """The fewest flowing pairs after which a deviation gets that answer with the stated power; 0 if no number does."""

    def enough(n: int) -> bool:
        return bool(chance(question, deviation, n, setting) >= power)

    if not enough(_MOST_PAIRS):
        return 0
    return _first(enough, setting.min_zone_pairs, _MOST_PAIRS)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number that holds, of a property that once it holds goes on doing so; it holds at ``high``."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
