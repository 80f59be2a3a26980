"""Steadiness: the stretches of time in which a meter's windows are unsteady, told from single unsteady windows.

Two hidden states, steady and unsteady, with fixed chances of a verdict in each; the most probable sequence of states is
Viterbi's (Rabiner, Proc. IEEE 77, 1989), for all meters at once. Windows without a verdict are no evidence.
"""

from __future__ import annotations

import numpy as np

from transforms.audit.series import Bools, Floats, Ints

#: chance of an unsteady verdict while the meter is steady, and while it is not
IN_STEADY, IN_UNSTEADY = 0.02, 0.7
#: chance that the state changes from one window to the next
CHANGE = 1e-3


def unsteady_stretches(verdicts: Ints) -> Bools:
    """Whether the meter was in an unsteady state in each window.

    Parameters
    ----------
    verdicts : ndarray
        1 for an unsteady verdict, 0 for another, -1 where none was given or no window is; shape (meters, windows).
    """
    meters, width = verdicts.shape
    state = np.zeros((meters, width), dtype=np.bool_)
    if not width or not (verdicts == 1).any():
        return state
    gain = evidence(verdicts)
    stay, change = np.log1p(-CHANGE), np.log(CHANGE)
    steady = np.zeros(meters)
    unsteady = gain[:, 0].copy()
    from_other = np.zeros((meters, width, 2), dtype=np.bool_)
    for k in range(1, width):
        into_steady, into_unsteady = unsteady + change > steady + stay, steady + change > unsteady + stay
        steady, unsteady = (
            np.where(into_steady, unsteady + change, steady + stay),
            np.where(into_unsteady, steady + change, unsteady + stay) + gain[:, k],
        )
        from_other[:, k, 0], from_other[:, k, 1] = into_steady, into_unsteady
    state[:, -1] = unsteady > steady
    rows = np.arange(meters)
    for k in range(width - 1, 0, -1):
        state[:, k - 1] = state[:, k] ^ from_other[rows, k, state[:, k].astype(np.intp)]
    return state


def evidence(verdicts: Ints) -> Floats:
    """By how much each verdict speaks for the unsteady state: the logarithm of the likelihood ratio."""
    for_it, against = np.log(IN_UNSTEADY / IN_STEADY), np.log((1 - IN_UNSTEADY) / (1 - IN_STEADY))
    return np.asarray(np.where(verdicts == 1, for_it, np.where(verdicts == 0, against, 0.0)))
