"""Steadiness: the stretches of time in which a meter's windows are unsteady, told from single unsteady windows.

Two hidden states, steady and unsteady, with fixed chances of a verdict in each; the most probable sequence of states is
Viterbi's (Rabiner, Proc. IEEE 77, 1989). Windows without a verdict are no evidence.
"""

from __future__ import annotations

import numpy as np

from transforms.audit.series import Bools, Floats, Ints
from transforms.compiled import compiled

#: chance of an unsteady verdict while the meter is steady, and while it is not
IN_STEADY, IN_UNSTEADY = 0.02, 0.7
#: chance that the state changes from one window to the next
CHANGE = 1e-3
_STAY, _TURN = float(np.log1p(-CHANGE)), float(np.log(CHANGE))


def unsteady_stretches(verdicts: Ints) -> Bools:
    """Whether the meter was in an unsteady state in each window.

    Parameters
    ----------
    verdicts : ndarray
        1 for an unsteady verdict, 0 for another, -1 where none was given or no window is; shape (meters, windows).
    """
    return _most_probable(verdicts, evidence(verdicts))


@compiled
def _most_probable(verdicts: Ints, gain: Floats) -> Bools:
    meters, width = verdicts.shape
    state = np.zeros((meters, width), dtype=np.bool_)
    into_steady, into_unsteady = np.zeros(width, dtype=np.bool_), np.zeros(width, dtype=np.bool_)
    for row in range(meters):
        # without an unsteady verdict the unsteady state is never the more probable one
        if not (verdicts[row] == 1).any():
            continue
        steady, unsteady = 0.0, gain[row, 0]
        for k in range(1, width):
            into_steady[k] = unsteady + _TURN > steady + _STAY
            into_unsteady[k] = steady + _TURN > unsteady + _STAY
            steady, unsteady = (
                unsteady + _TURN if into_steady[k] else steady + _STAY,
                (steady + _TURN if into_unsteady[k] else unsteady + _STAY) + gain[row, k],
            )
        state[row, width - 1] = unsteady > steady
        for k in range(width - 1, 0, -1):
            turned = into_unsteady[k] if state[row, k] else into_steady[k]
            state[row, k - 1] = state[row, k] != turned
    return state


def evidence(verdicts: Ints) -> Floats:
    """By how much each verdict speaks for the unsteady state: the logarithm of the likelihood ratio."""
    for_it, against = np.log(IN_UNSTEADY / IN_STEADY), np.log((1 - IN_UNSTEADY) / (1 - IN_STEADY))
    return np.asarray(np.where(verdicts == 1, for_it, np.where(verdicts == 0, against, 0.0)))
