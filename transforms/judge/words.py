"""Verdicts, forms and reasons by number: millions of windows are told in small whole numbers, and put into words at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.reasons import VERDICT_REASONS

Numbers = npt.NDArray[np.int8]

#: stands for no word
NONE = -1
#: stands for a whole number that there is none of
MISSING = -(2**63)

VERDICT_NAMES = ("healthy", "steady", "unsteady", "inconclusive")
HEALTHY, STEADY, UNSTEADY, INCONCLUSIVE = range(len(VERDICT_NAMES))

#: the first three as `transforms.fit.FORMS` has them by its own numbers
FORM_NAMES = ("offset", "linear", "curve")
OFFSET, LINEAR, CURVE = range(len(FORM_NAMES))

REASON_NAMES = tuple(VERDICT_REASONS)
#: the number of each reason
REASON = {name: number for number, name in enumerate(REASON_NAMES)}

#: the words of each column that has some
WORDS = {"verdict": VERDICT_NAMES, "form": FORM_NAMES, "reason": REASON_NAMES}


def in_words(numbers: npt.NDArray[np.integer], names: Sequence[str] | pl.Series) -> pl.Series:
    """The words of some numbers, null for `NONE`."""
    number = pl.Series(numbers.astype(np.int32))
    if number.len() and number.min() < 0:  # type: ignore[operator]
        number = number.set(number < 0, None)
    return (names if isinstance(names, pl.Series) else pl.Series(names, dtype=pl.String)).gather(number)
