"""What pulls the line: a single reading (Cook 1977), or wild readings together (Huber 1964)."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from transforms.judge.dossier.check import times
from transforms.judge.dossier.diagnostics.anew import NOTHING_LEFT, Anew, apart, least_squares
from transforms.judge.dossier.diagnostics.told import Answer
from transforms.windows import iso

#: Cook's distance of a reading that carries the line, if the parameter that matters moves by a standard error as well
_CARRIES = 1.0
#: how far that may move in any case, in standard errors of the line without the reading: its interval, k = 2
_FAR = 2.0
#: how far ours may be from Huber's line, in its standard errors, which wild readings do not widen: half its interval, k = 2
_APART = 1.0
#: rounds that Huber's line may take to settle
_ROUNDS = 200


def one_reading(anew: Anew) -> Answer:
    """The reading with the largest Cook's distance, and the line fitted without it."""
    from statsmodels.regression.linear_model import OLS

    # times the root of its weight each row is one of ordinary least squares, which the statistics of influence are for
    root = np.sqrt(anew.weights)
    influence = OLS(anew.y * root, anew.columns * root[:, None]).fit().get_influence()
    distances = np.nan_to_num(influence.cooks_distance[0], nan=np.inf)
    worst = int(np.argmax(distances))
    rest = np.arange(anew.n) != worst
    without = least_squares(anew.y[rest], anew.columns[rest], anew.weights[rest])
    distance, value = float(distances[worst]), float(without.params[0]) * anew.unit
    change, se = value - float(anew.fit.params[0]) * anew.unit, float(without.bse[0]) * anew.unit
    at = iso((anew.given.start + timedelta(microseconds=int(anew.us[worst]))).replace(microsecond=0))
    figures: dict[str, float | str] = {
        "at": at,
        "q_lph": anew.q[worst] * anew.flow,
        "q_meter_lph": anew.meter[worst] * anew.flow,
        "cooks_distance": distance,
        f"{anew.name}_without": value,
        f"{anew.name}_change": change,
    }
    moved = f"without the reading at {at} {anew.name} is {anew.shown(value)} ({anew.changed(change)})"
    far = apart(change, se)
    if far > _FAR or (distance > _CARRIES and far > 1):
        what = (
            f"{moved}: that one reading carries the {'offset' if anew.offset_only else 'slope'}, see what happened then"
        )
        return "look", f"Cook's distance {distance:.2g}: {what}", figures
    return "nothing to see", f"largest Cook's distance {distance:.2g}: {moved}, no single reading carries it", figures


def robust_line(anew: Anew) -> Answer:
    """Huber's line beside ours, each pair measured by the scatter expected of it."""
    from statsmodels.robust.norms import HuberT
    from statsmodels.robust.robust_linear_model import RLM

    if float(np.median(np.abs(anew.left))) < NOTHING_LEFT:
        return "not evaluated", "most pairs lie on the line, which leaves no scatter to measure the others by", {}
    root = 1 / np.sqrt(anew.expected)
    huber = RLM(anew.y * root, anew.columns * root[:, None], M=HuberT()).fit(maxiter=_ROUNDS)
    # of pairs that agree but for a few, Huber's scale goes to zero; rounding leaves more
    least = NOTHING_LEFT * float(np.sqrt(huber.normalized_cov_params[0, 0]))
    value, se = float(huber.params[0]) * anew.unit, max(float(huber.bse[0]), least) * anew.unit
    if not (np.isfinite(value) and huber.fit_history["iteration"] < _ROUNDS):
        return "not evaluated", "Huber's line does not settle on these pairs", {}
    light, off = int((huber.weights < 0.5).sum()), apart(value - anew.ours, se)
    figures: dict[str, float | str] = {anew.name: value, f"{anew.name}_se": se}
    figures |= {"weighed_below_half": light, "standard_errors_apart": off}
    told = f"{anew.name} = {anew.shown(value)} ± {se:.2g}, ours is {off:.2g} of its standard errors away"
    if off > _APART and light:
        return "look", f"{told}: {times(light, 'wild reading')} would be in what a command carries", figures
    if off > _APART:
        return "look", f"{told}: no reading is wild, but the line does not suit them all", figures
    return "nothing to see", f"{told}: wild readings, if any, do not move it", figures
