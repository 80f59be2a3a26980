"""The second look: the samples of the few meters that the moments do not clear, looked at one test after the other.

It settles what the sums alone cannot: in what way a meter is unsteady, whether a relation that looks steady hides a change,
and whether a curve describes what no line does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from transforms.fit.choose import GAIN, LINE
from transforms.fit.lines import Floats, Ints
from transforms.fit.points import MOST_POINTS
from transforms.judge.ambiguous import ambiguous, on_lines
from transforms.judge.coarse import (
    explained_by_rounding,
    made_of_samples,
    may_be_rounding,
    meter_steps,
    reference_steps,
)
from transforms.judge.curved import best_curve, may_bend
from transforms.judge.estimate import robust_lines
from transforms.judge.evidence import Bools
from transforms.judge.findings import PERHAPS, Findings, picked
from transforms.judge.moving import change_test
from transforms.judge.paired import Paired
from transforms.judge.samples import Samples
from transforms.judge.unsteady import Kinds, kinds_of
from transforms.policy import Policy
from transforms.summarise.pairs import Pairs

#: gives the pairs of some meters, by their numbers
Look = Callable[[Ints], Pairs]
#: what is kept of a robust line
ROBUST = ("a1", "a1_se", "a2", "a2_se", "correlation")
#: of a quadratic curve; a power law has one less, a line in pieces mostly one more
CURVE_PARAMETERS = 3
#: this many meters of a bucket always get a second look
ALWAYS = 1000


@dataclass(frozen=True)
class SecondLook(Kinds):
    """What the samples say, one entry per paired meter of the bucket; neutral for those not looked at.

    ``looked`` says whose samples were looked at. The others are as in `Kinds` and `Curved`; ``curved`` says that a curve
    describes the meter, ``ambiguous`` that time would explain its offset or curve about as well, or that rounding may be all,
    ``coarse`` that a sound meter beside a reference that rounds so, to steps of ``rounding`` (0 where none is told), would show
    the same, ``rough`` that one would whose readings are rounded as the meter's are, to ``own_rounding``; the points of curves,
    ``curve_q`` and ``curve_q_meter``, are those of the meters with one, in order, (curves, 16); ``robust`` holds the parameters
    of robust lines, and nothing if the policy does not ask for them.
    """

    looked: Bools
    curved: Bools
    ambiguous: Bools
    coarse: Bools
    rough: Bools
    rounding: Floats
    own_rounding: Floats
    curve_p: Floats
    curve_q: Floats
    curve_q_meter: Floats
    curve_error: Floats
    curve_uncertainty: Floats
    robust: dict[str, Floats]

    def only(self, rows: Bools) -> SecondLook:
        """The same, as if only some of the rows had been looked at."""
        if not (self.looked & ~rows).any():
            return self
        kept = rows[np.flatnonzero(self.curved)]
        blank = replace(SecondLook.none(len(rows)), curve_q=self.curve_q[kept], curve_q_meter=self.curve_q_meter[kept])
        for one in fields(SecondLook):
            if one.name not in ("robust", "curve_q", "curve_q_meter"):
                getattr(blank, one.name)[rows] = getattr(self, one.name)[rows]
        for name, values in self.robust.items():
            blank.robust[name] = np.where(rows, values, np.nan)
        return blank

    @staticmethod
    def none(meters: int) -> SecondLook:
        """Of a bucket in which nobody was looked at."""
        numbers, flows = np.zeros(meters, dtype=np.int64), np.full(meters, np.nan)
        arrays: dict[str, Any] = {one.name: np.zeros(meters, dtype=bool) for one in fields(SecondLook)}
        arrays |= {name: numbers.copy() for name in ("lag", "changed_us")}
        arrays |= {
            name: flows.copy()
            for name in ("dead", "change", "p_drift", "p_step", "curve_p", "curve_error", "curve_uncertainty")
        }
        arrays |= {name: np.zeros((0, MOST_POINTS)) for name in ("curve_q", "curve_q_meter")}
        arrays |= {name: np.zeros(meters) for name in ("rounding", "own_rounding")}
        return SecondLook(**arrays | {"robust": {}})


def choose_whom(wanted: Bools, found: Findings, policy: Policy, window: Ints | None = None) -> Ints:
    """The numbers of the meters that get a second look: all that want one, or the worst where there are too many.

    Parameters
    ----------
    window : ndarray, optional
        Number of the window of each row, where the rows are those of several windows: each has a share of its own.
    """
    if window is None:
        return _worst(np.flatnonzero(wanted), len(wanted), found, policy)
    numbers, counts = np.flatnonzero(wanted), np.bincount(window)
    wants = np.bincount(window[numbers], minlength=len(counts))
    for one in np.flatnonzero([many > _most(int(of), policy) for many, of in zip(wants, counts, strict=True)]):
        here = window[numbers] == one
        numbers = np.sort(np.append(numbers[~here], _worst(numbers[here], int(counts[one]), found, policy)))
    return numbers


def _worst(numbers: Ints, of: int, found: Findings, policy: Policy) -> Ints:
    most = _most(of, policy)
    if len(numbers) <= most:
        return numbers
    badness = np.nan_to_num(np.abs(found.zones.error[:, numbers])).max(axis=0)
    return np.sort(numbers[np.argsort(-badness, kind="stable")[:most]])


def _most(of: int, policy: Policy) -> int:
    """How many of so many meters get a second look."""
    return max(ALWAYS, int(policy.judge.second_look_share * of))


def take_second_look(
    whom: Ints,
    look: Look,
    found: Findings,
    paired: Paired,
    policy: Policy,
    *,
    sparing: bool = False,
) -> SecondLook:
    """Look at the samples of some meters.

    Parameters
    ----------
    whom : ndarray
        Their numbers, increasing.
    look : callable
        Where the samples come from.
    found : Findings
        What the moments say of all paired meters.
    paired : Paired
        The paired meters in the order of their numbers.
    sparing : bool
        Leave out P values that only explain why nothing was found.
    """
    result = SecondLook.none(len(paired.blocked))
    if not len(whom):
        return result
    samples = Samples.of(look(whom), paired.interval_us, paired.q1, paired.model, paired.reference)
    return _look_at(samples, result, found, paired, policy, sparing)


def _look_at(
    samples: Samples, result: SecondLook, found: Findings, paired: Paired, policy: Policy, sparing: bool
) -> SecondLook:
    """What was found, put into the result of nobody's samples."""
    judge = policy.judge
    rows = samples.meter_no
    kinds = kinds_of(
        samples, ~found.mapping[rows], judge.significance, judge.prior_pairs, judge.max_lag, sparing=sparing
    )
    result.looked[rows] = True
    for one in fields(Kinds):
        getattr(result, one.name)[rows] = getattr(kinds, one.name)
    if policy.fit.estimator == "robust":
        lines = robust_lines(samples)
        for name in ROBUST:
            result.robust[name] = np.full(len(result.looked), np.nan)
            result.robust[name][rows] = getattr(lines, name)
    odd = kinds.stuck | kinds.dropout | kinds.skewed
    result.rounding[rows], result.own_rounding[rows] = steps = reference_steps(samples), meter_steps(samples)
    rounded, result.coarse[rows], result.rough[rows] = _rounded(samples, *steps, found, paired, policy)
    result.ambiguous[rows] = rounded
    form = found.choice.index[rows]
    bounds = judge.form_significance, judge.prior_pairs, judge.max_lag
    asked = np.flatnonzero(~odd & (form != GAIN))
    if len(asked):
        lines, parameters = found.choice.lines, np.where(form[asked] == LINE, 2, 1)
        fitted = on_lines(samples, lines.a1[rows], lines.a2[rows])
        result.ambiguous[rows[asked]] |= ambiguous(samples, asked, fitted, parameters, *bounds)
    curved_p = found.curved_p[found.places(rows)]
    bent = np.flatnonzero(~odd & ((curved_p < PERHAPS * judge.form_significance) | ~found.mapping[rows]))
    bent = may_bend(samples, bent, judge.significance, judge.form_significance if sparing else 1.0)
    if not len(bent):
        return result
    some, mine = samples.pick(bent), rows[bent]
    curve = best_curve(some, paired.q2[mine], judge.significance, judge.form_significance)
    result.curved[mine], result.curve_p[mine] = curve.found, curve.p
    fitting = np.flatnonzero(curve.found)
    if not len(fitting):
        return result
    where = mine[fitting]
    for name in ("error", "uncertainty"):
        getattr(result, f"curve_{name}")[where] = getattr(curve, name)[fitting]
    parameters, fitted = np.full(len(fitting), CURVE_PARAMETERS), curve.fitted[some.flowing]
    result.ambiguous[where] = rounded[bent[fitting]] | ambiguous(some, fitting, fitted, parameters, *bounds)
    # Whether the relation changes is asked anew of what the curve leaves over.
    straightened = replace(some, y=some.y - curve.fitted + some.x).pick(fitting)
    drifting, step, changed_us, change, p_drift, p_step = change_test(
        straightened, judge.significance, judge.prior_pairs, sparing=sparing
    )
    result.drifting[where], result.step[where] = drifting, step
    result.changed_us[where], result.change[where] = changed_us, change
    result.p_drift[where], result.p_step[where] = p_drift, p_step
    return replace(result, curve_q=curve.q[fitting], curve_q_meter=curve.q_meter[fitting])


def _rounded(
    samples: Samples, step: Floats, own: Floats, found: Findings, paired: Paired, policy: Policy
) -> tuple[Bools, Bools, Bools]:
    """Whether it may be rounding that each meter is off by, to its ``own`` steps, or beside a reference in steps of ``step``; and
    whether that explains all it shows, the rounding of the reference by itself, or with the meter's own."""
    rows, nothing = samples.meter_no, np.zeros(len(step))
    by_reference, coarse = _by_rounding(samples, step > 0, step, nothing, step, found, paired, policy)
    # what a register cuts off of one flow it adds to the next: so no flow is cut off, but each is rounded twice
    from_register = paired.from_register[rows]
    cut_off, own = step + np.where(from_register, 0.0, own), np.where(from_register, np.sqrt(2.0) * own, own)
    by_both, rough = _by_rounding(samples, own > 0, step, own, cut_off, found, paired, policy)
    return by_reference | by_both, coarse, rough


def _by_rounding(
    samples: Samples,
    asked: Bools,
    step: Floats,
    own: Floats,
    cut_off: Floats,
    found: Findings,
    paired: Paired,
    policy: Policy,
) -> tuple[Bools, Bools]:
    """Whether those meters that are asked about may be off by no more than is cut off, and whether a sound one would show the
    same beside a reference that rounds to a ``step``, if it does to its ``own``."""
    rounded, alike, some = np.zeros(len(asked), dtype=bool), np.zeros(len(asked), dtype=bool), np.flatnonzero(asked)
    if len(some):
        rows = samples.meter_no[some]
        zones, model = picked(found.zones, rows), picked(paired.model, rows)
        made = made_of_samples(samples, some, cut_off[some], paired.q2[rows])
        rounded[some] = may_be_rounding(made, zones, model, policy.tolerance) & (cut_off[some] > 0)
        steps, level = (step[some], own[some]), policy.judge.significance
        alike[some] = explained_by_rounding(samples, some, *steps, model, policy.tolerance, level)
        # few pairs that scatter much show no small error: what is off must be so by no more than a step makes
        alike[some] &= rounded[some] | ~(zones.outside.any(axis=0) | found.bent[rows])
    return rounded, alike
