"""Whether one relation carries the reference to the meter: the two prechecks, lack of fit, the form, the curve."""

from __future__ import annotations

import numpy as np

from transforms.fit.choose import GAIN, OFFSET
from transforms.judge.dossier.check import Check, Question, chance, minus, percent, plain, times
from transforms.judge.evidence import FLOWING, change_that_matters
from transforms.judge.findings import PERHAPS
from transforms.judge.worked import Worked
from transforms.policy import Policy
from transforms.statistics import chi_square_limit
from transforms.summarise.moments import Moments

STAGE = "is it off steadily"
THRESHOLD = Question(
    "threshold", "Threshold test", "Do the differences lie in the model's preset range, on one side?", STAGE
)
MAPPING = Question(
    "mapping",
    "Mapping test (chi-square goodness of fit)",
    "Does one relation leave no more scatter than is normal?",
    STAGE,
)
LACK = Question("lack_of_fit", "Lack of fit (F test)", "Is the relation straight?", STAGE)
FORM = Question("form", "Form (partial F test)", "Which is the simplest form that the data support?", STAGE)
CURVE = Question("curve", "Curve (BIC and partial F test)", "Does a straight line do as well as any curve?", STAGE)
PARTS = Question(
    "drift",
    "Change between parts (analysis of variance)",
    "Is the relation the same in all parts of the window?",
    STAGE,
)
ALL = (THRESHOLD, MAPPING, LACK, FORM, CURVE, PARTS)


def is_it_steady(
    worked: Worked | None, moments: Moments | None, stopped: str, not_looked: str, policy: Policy
) -> list[Check]:
    """The checks in the order of `ALL`.

    Parameters
    ----------
    stopped
        Why nothing was asked; empty where it was.
    not_looked
        Why no single reading was looked at; empty where they were.
    """
    if stopped or worked is None or moments is None:
        return [question.not_evaluated(f"not asked: {stopped}") for question in ALL]
    return [
        _threshold(worked, moments, policy),
        _mapping(worked, policy),
        _lack_of_fit(worked, policy),
        _form(worked, policy),
        _curve(worked, not_looked, policy),
        _parts(worked, moments, policy),
    ]


def _why_not(worked: Worked, test: str, policy: Policy) -> str:
    """Why a precheck was not asked; empty where it was."""
    if test not in policy.precheck.tests:
        return "the policy's precheck.tests leaves it out"
    if worked.standing.healthy[0]:
        return "not asked: the meter is not off"
    return ""


def _threshold(worked: Worked, moments: Moments, policy: Policy) -> Check:
    if why := _why_not(worked, "threshold", policy):
        return THRESHOLD.not_evaluated(why)
    found, model = worked.found, worked.model
    low, high = (float(edge[0] * model.unit_lph[0]) for edge in (model.band_low, model.band_high))
    band = f"{low:.4g} to {high:.4g} L/h"
    share, wanted = float(found.share[0]), float(model.proportion[0])
    numbers: dict[str, float | str | None] = {"value": 100 * share, "limit": 100 * wanted, "unit": "%"}
    if policy.threshold.mode == "mean":
        mean = float((moments.total("sy", FLOWING) - moments.total("sx", FLOWING))[0] / found.flowing[0])
        mean *= float(model.unit_lph[0])
        numbers = {"value": mean, "limit": high, "unit": "L/h"}
        sentence = f"the mean is {minus(f'{mean:+.4g}')} L/h; the range is {band} on one side"
    else:
        rule = "all" if policy.threshold.mode == "all" else percent(wanted)
        sentence = f"{percent(share)} lie within {band} on one side; {rule} must"
        numbers["limit"] = 100.0 if policy.threshold.mode == "all" else 100 * wanted
    return THRESHOLD.told(bool(found.threshold[0]), sentence, _steady(worked), ("unsteady",), **numbers)


def _steady(worked: Worked) -> tuple[str, ...]:
    """What a passed precheck speaks for: only a meter that is off can be off steadily."""
    return ("steady",) if worked.standing.outside[0] else ()


def _mapping(worked: Worked, policy: Policy) -> Check:
    if why := _why_not(worked, "mapping", policy):
        return MAPPING.not_evaluated(why)
    found = worked.found
    dof, ratio = found.choice.lines.dof, float(found.scatter_ratio[0])
    if not (dof[0] >= 1 and np.isfinite(ratio)):
        return MAPPING.not_evaluated("too few pairs, or flows that never differ, leave nothing to test a line with")
    chi2 = ratio**2 * float(dof[0])
    limit = float(chi_square_limit(dof, policy.judge.significance)[0])
    sentence = f"chi-square {plain(chi2)} ({int(dof[0])} dof), limit {plain(limit)}: scatter {ratio:.2f} × normal"
    if not found.mapping[0] and not found.excessive[0]:
        sentence = "the line fitted does not rise with the flow"
    if worked.second.curved[0] and not found.mapping[0]:
        return MAPPING.failed(f"{sentence}, about a line; but see the curve", value=chi2, limit=limit)
    return MAPPING.told(bool(found.mapping[0]), sentence, _steady(worked), ("unsteady",), value=chi2, limit=limit)


def _lack_of_fit(worked: Worked, policy: Policy) -> Check:
    found, level = worked.found, policy.judge.form_significance
    p = float(found.curved_p[0])
    if not np.isfinite(p):
        return LACK.not_evaluated("the flows fill too few flow bins to see a bend", limit=level)
    if found.curved[0]:
        return LACK.failed(f"{chance(p)}, limit {level:g}: the flow bins' means leave the line", value=p, limit=level)
    return LACK.passed(f"{chance(p)}, limit {level:g}: the flow bins' means lie on it", value=p, limit=level)


def _form(worked: Worked, policy: Policy) -> Check:
    if not worked.standing.outside[0]:
        return FORM.not_evaluated("not asked: the meter is not shown to be off")
    if worked.second.curved[0]:
        return FORM.not_evaluated("no straight form is used: a curve describes the meter")
    index, level = int(worked.found.choice.index[0]), f"{policy.judge.form_significance:g}"
    lines, unit = worked.found.published, float(worked.model.unit_lph[0])
    a1, a1_se = float(lines.a1[0]), float(lines.a1_se[0])
    a2, a2_se = float(lines.a2[0]) * unit, float(lines.a2_se[0]) * unit
    if not np.isfinite(a1):
        return FORM.not_evaluated("the flows determine no line")
    gain, offset = f"a1 = {a1:.5g} ± {a1_se:.2g}", f"a2 = {minus(f'{a2:+.4g}')} ± {a2_se:.2g} L/h"
    if index == GAIN:
        return FORM.passed(f"a pure gain is not refused at {level}: {gain}", value=a1)
    if index == OFFSET:
        return FORM.passed(f"a pure gain is refused at {level}, a pure offset is not: {offset}", value=a2, unit="L/h")
    return FORM.passed(f"a pure gain and a pure offset are refused at {level}: {gain}, {offset}", value=a1)


def _curve(worked: Worked, not_looked: str, policy: Policy) -> Check:
    second, level = worked.second, policy.judge.form_significance
    if not_looked:
        return CURVE.not_evaluated(not_looked)
    if second.stuck[0] or second.dropout[0] or second.skewed[0]:
        return CURVE.not_evaluated("not asked: what the readings look like otherwise makes a curve meaningless")
    if worked.found.mapping[0] and not worked.found.curved_p[0] < PERHAPS * level:
        return CURVE.not_evaluated("not asked: a straight line leaves nothing for a curve to explain")
    p = float(second.curve_p[0])
    numbers: dict[str, float | str | None] = {"value": p, "limit": level}
    if not second.curved[0]:
        if not np.isfinite(p):
            return CURVE.passed("no rising curve leaves as little scatter as is normal", **numbers)
        sentence = f"{chance(p)}, limit {level:g}: no curve is better by both criteria"
        return CURVE.passed(sentence, **numbers)
    points = int(np.isfinite(second.curve_q[0]).sum())
    error = float(second.curve_error[0] * worked.model.unit_lph[0])
    sentence = f"{chance(p)}, limit {level:g}: a curve is better, delivered as {points} points"
    if error > 0:
        sentence += f" that keep within {error:.2g} L/h of it"
    return CURVE.failed(sentence, *_steady(worked), **numbers)


def _parts(worked: Worked, moments: Moments, policy: Policy) -> Check:
    found = worked.found
    parts = int((moments.by_part("n", FLOWING)[:, 0] >= 2).sum())
    least = float(change_that_matters(worked.model, policy.tolerance)[0])
    if parts < 2:
        return PARTS.not_evaluated(
            f"water flowed at two instants or more in {times(parts, 'part')} of the window only: nothing to compare",
            limit=100 * least,
            unit="%",
        )
    spread, p = float(found.spread[0]), float(found.drift_p[0])
    numbers: dict[str, float | str | None] = {"value": 100 * spread, "limit": 100 * least, "unit": "%"}
    level = policy.judge.significance / 2
    sentence = f"{parts} parts differ by {percent(spread)} ({chance(p)}, limit {level:g})"
    if not found.drifting[0]:
        why = "chance explains it" if p >= level else f"less than the {percent(least)} that matter"
        return PARTS.passed(f"{sentence}: {why}", **numbers)
    if worked.second.curved[0]:
        return PARTS.failed(f"{sentence}, about a line; a curve describes the meter, so it does not count", **numbers)
    return PARTS.failed(f"{sentence}, more than the {percent(least)} that matter", "unsteady", **numbers)
