"""Units that a file states: in the names of its columns, in a line under them, or in a column of their own."""

from __future__ import annotations

import re
from collections.abc import Collection

import polars as pl

from transforms.sources.guess.profile import Profile
from transforms.sources.guess.words import Unit, unit_of
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L


def holds_units(column: Profile) -> bool:
    """Whether a column names the unit of each row."""
    known = column.texts.drop_nulls().unique().to_list()
    return 0 < len(known) <= 10 and all(unit_of(text) for text in known)


def units_under_names(table: pl.DataFrame) -> dict[str, Unit]:
    """The units in the first row of a table, by column, if it is a line of units and no reading; else nothing."""
    if table.height < 2:
        return {}
    texts = {name: str(text).strip("[]() ") for name, text in table.row(0, named=True).items() if text is not None}
    units = {name: unit for name, text in texts.items() if (unit := unit_of(text)) is not None}
    others = [text for name, text in texts.items() if name not in units]
    return {} if any(letter.isdigit() for text in others for letter in text) else units


def unit_stated(column: Profile, known: Collection[str] = (*FLOW_TO_LPH, *VOLUME_TO_L)) -> Unit | None:
    """The unit of a kind that a column's name holds, or the line under the names; None where neither does."""
    found = unit_in(column.label, known)
    return found or (column.unit if column.unit is not None and column.unit.name in known else None)


def unit_in(name: str, known: Collection[str]) -> Unit | None:
    """The unit of a kind that a text holds, in brackets or at its end, or None."""
    bracketed = re.findall(r"[\[(（]([^\])）]+)[\])）]", name)
    parts = re.split(r"[ _,]+", name.strip())
    ends = ["_".join(parts[-k:]) for k in (1, 2) if k < len(parts) or k == 1]
    for text in (*bracketed, *ends):
        for spelled in (text, text.replace("_per_", "/").replace("_", "/")):
            found = unit_of(spelled)
            if found is not None and found.name in known:
                return found
    return None
