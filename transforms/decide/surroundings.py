"""Surroundings: what readings of displays are weighed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from transforms.photos.wire import Wire
from transforms.registry import Model
from transforms.screens import Screen
from transforms.state import MeterState

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What readings are weighed with.

    Attributes
    ----------
    wires
        Feature code -> what the meter and its reference sent.
    models, screens
        Feature code -> the meter's model, and what its display may show.
    states
        Feature code -> state.
    commands
        Command id -> command, of all that left.
    references
        Flowmeter id -> relative expanded uncertainty (k = 2) and day of calibration of those that count as true; None where
        all do.
    judged
        Feature code -> verdict, of the meters with photos.
    installed
        Feature code -> since when the meter is there, where that is known.
    """

    wires: Mapping[str, Wire]
    models: Mapping[str, Model]
    screens: Mapping[str, Sequence[Screen]]
    states: Mapping[str, MeterState]
    commands: Mapping[str, Row]
    references: Mapping[str, tuple[float, date]] | None
    judged: Mapping[str, Row]
    installed: Mapping[str, datetime]


def decimals_of(row: Row, around: Surroundings) -> int:
    """Decimals of the screen that a reading is of."""
    screens = around.screens.get(row["feature_code"], ())
    return next((screen.decimals for screen in screens if screen.name == row["screen"]), 0)
