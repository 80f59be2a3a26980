"""What the line leaves over: scatter that differs with the flow, goes on in time, is not normal, or hides a bend.

Breusch and Pagan (1979) with Koenker's correction; Durbin and Watson (1950), Ljung and Box (1978), Newey and West (1987);
Jarque and Bera (1980); Ramsey (1969). "Look" is said at `LEVEL`.
"""

from __future__ import annotations

import numpy as np

from transforms.judge.dossier.check import chance, minus, percent
from transforms.judge.dossier.diagnostics.anew import Anew, least_squares
from transforms.judge.dossier.diagnostics.told import LEVEL, Answer


def scatter(anew: Anew) -> Answer:
    """Whether scatter measured by what is expected still changes with the flow, and what that does to the interval (HC2)."""
    from statsmodels.stats.diagnostic import het_breuschpagan

    lagrange, p, _, _ = het_breuschpagan(anew.left, anew.line)
    above = anew.q > np.median(anew.q)
    high, low = (float(np.sqrt((anew.left[half] ** 2).mean())) for half in (above, ~above))
    ratio = float(anew.fit.HC2_se[0] / anew.fit.bse[0])
    times = high / low if low > 0 else float("inf")
    figures = {"lagrange": lagrange, "p": p, "large_over_small": times, "se_ratio": ratio}
    if not p < LEVEL:
        return "nothing to see", f"{chance(p)}: it follows the flow as the weights of the fit expect", figures
    what = f"measured by what is expected, the larger flows scatter {times:.2g} times as much as the smaller"
    return "look", f"{chance(p)}: {what}; {anew.wider(ratio)}", figures


def order(anew: Anew) -> Answer:
    """Whether neighbours in time err alike, and what that does to the interval (HAC).

    The HAC covariance takes 1.3 root n lags (Lazarus, Lewis, Stock and Watson 2018), because the fewer that are usual make
    it too small. It is compared with the same covariance without lags, so that nothing but the order counts, and raised by
    what so many lags lose of a variance (Kiefer and Vogelsang 2005): 1 - b + b²/3 is left, b the share of lags in all pairs.
    """
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.stats.stattools import durbin_watson

    asked = min(10, anew.n // 5)
    p = float(acorr_ljungbox(anew.left, lags=[asked])["lb_pvalue"].iloc[0])
    seen = float(durbin_watson(anew.left))
    lags = int(np.ceil(1.3 * np.sqrt(anew.n)))
    b = (lags + 1) / anew.n
    robust = anew.fit.get_robustcov_results(cov_type="HAC", maxlags=lags, use_correction=True)
    ratio = float(robust.bse[0] / anew.fit.HC1_se[0] / np.sqrt(1 - b + b**2 / 3))
    figures = {"durbin_watson": seen, "ljung_box_p": p, "ljung_box_lags": asked, "hac_lags": lags, "se_ratio": ratio}
    told = f"Durbin-Watson {seen:.2f}, {chance(p)}"
    if not p < LEVEL:
        return (
            "nothing to see",
            f"{told}: neighbours in time are not seen to err alike, each pair counts as one",
            figures,
        )
    what = "err alike, so that the pairs count as fewer" if seen < 2 else "do not err independently"
    return "look", f"{told}: neighbours in time {what}; {anew.wider(ratio)}", figures


def shape(anew: Anew) -> Answer:
    """Whether the scatter is normal, as the intervals take it to be."""
    from statsmodels.stats.stattools import jarque_bera

    value, p, skewness, kurtosis = (float(each) for each in jarque_bera(anew.left))
    figures = {"jarque_bera": value, "p": p, "skewness": skewness, "kurtosis": kurtosis}
    if not p < LEVEL:
        return "nothing to see", f"{chance(p)}: as normal as the intervals want it", figures
    if kurtosis > 4:
        what = f"wild readings are more frequent than normal (kurtosis {kurtosis:.3g} in place of 3)"
    elif abs(skewness) > 0.5:
        what = minus(f"it leans to one side (skewness {skewness:.2g})")
    else:
        what = f"it is flatter than normal (kurtosis {kurtosis:.2g} in place of 3)"
    return "look", f"{chance(p)}: {what}; the interval is a rough one, compare the robust line", figures


def bend(anew: Anew) -> Answer:
    """Whether the square of the flow explains what a line does not: Ramsey's test with one power, which of a line in one
    variable is this F test; and by how much our line misses the parabola. One that matters no more than a change of the
    meter would that nobody calls unsteady is not worth a look."""
    bent = least_squares(anew.meter, np.column_stack([anew.line, anew.q**2]), anew.weights)
    f, p, _ = (float(each) for each in bent.compare_f_test(anew.whole))
    miss = (anew.meter - anew.fit.resid - bent.fittedvalues) / anew.q
    worst = int(np.argmax(np.abs(miss)))
    at = float(anew.q[worst]) * anew.flow
    figures = {"f": f, "p": p, "largest_miss": float(miss[worst]), "at_lph": at}
    if not p < LEVEL:
        return "nothing to see", f"{chance(p)}: the square of the flow explains nothing more", figures
    if abs(miss[worst]) <= anew.given.matters:
        what = (
            f"a bend is left, but with {percent(miss[worst], plus=True)} of the flow at most it is too small to matter"
        )
        return "nothing to see", f"{chance(p)}: {what}", figures
    what = f"the line misses a parabola by up to {percent(miss[worst], plus=True)} of the flow, at {at:.4g} L/h"
    means = "the curve is there for that" if anew.given.curved else "so would a meter that a command corrects by it"
    return "look", f"{chance(p)}: {what}; {means}", figures
