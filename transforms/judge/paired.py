"""Paired meters before any reading is asked: their models' and references' numbers, and what stands in the way of judging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools, Model, Reference
from transforms.judge.findings import numbers_of
from transforms.judge.words import NONE, REASON, Numbers
from transforms.policy import Policy


@dataclass(frozen=True)
class Paired:
    """What is known of the paired meters of a bucket, arrays of shape (meters,).

    Attributes
    ----------
    blocked
        `blocked_by`.
    interval_us
        Sampling interval [us], 0 where it is not known.
    from_register
        Whether the meter's flows are what its register advanced by.
    q1, q2
        Minimum and transitional flow rate, in the units of the moments.
    """

    blocked: Numbers
    interval_us: Ints
    from_register: Bools
    q1: Floats
    q2: Floats
    model: Model
    reference: Reference

    @staticmethod
    def of(frame: pl.DataFrame, policy: Policy) -> Paired:
        """From a frame: `transforms.match.METERS`, the fleet table's columns, and those of `verdict.with_references`."""
        q1, q2 = (frame[name].to_numpy().astype(np.float64) for name in ("q1_u", "q2_u"))
        interval_us = frame["interval_us"].fill_null(0).to_numpy().astype(np.int64)
        known = blocked_in(frame), interval_us, frame["from_register"].to_numpy()
        return Paired(*known, q1, q2, *numbers_of(frame, policy))


def blocked_in(frame: pl.DataFrame) -> Numbers:
    """`blocked_by` for a frame."""
    names = ("conflict", "n_meter", "n_reference", "reference_known", "reference_valid")
    return blocked_by(frame["model"].is_not_null().to_numpy(), *(frame[name].to_numpy() for name in names))


def blocked_by(
    registered: Bools, conflict: Bools, n_meter: Ints, n_reference: Ints, known: Bools, valid: Bools
) -> Numbers:
    """The number of the reason why a meter cannot be judged, whatever its readings say; `NONE` where nothing stands in the way.

    Parameters
    ----------
    conflict
        Whether statements contradict each other on which flowmeter watches it.
    n_meter, n_reference
        How many readings there are of it and of the reference.
    known, valid
        Whether the reference is registered, and was calibrated recently enough.
    """
    steps = (
        (~registered, "unregistered"),
        (conflict, "pairing_conflict"),
        (n_meter == 0, "meter_missing"),
        (n_reference == 0, "reference_missing"),
        (~known, "reference_unregistered"),
        (~valid, "reference_expired"),
    )
    found = np.full(len(registered), NONE, dtype=np.int8)
    # from the last to the first, each of which goes before those after it
    for holds, why in reversed(steps):
        found[holds] = REASON[why]
    return found
