"""Profiles: what the texts of one column look like, in numbers that the guesses rest on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.sources.guess.dialect import Dialect
from transforms.sources.guess.numbers import NUMBER
from transforms.sources.guess.words import Unit


@dataclass(frozen=True)
class Profile:
    """One column.

    Attributes
    ----------
    name
        Its name, or position.
    texts
        Its texts, null where nothing stands.
    numbers
        The same as numbers, NaN where they are none.
    filled, numeric
        Share of rows with a text, and of these with a number.
    distinct
        Number of different texts.
    whole
        Whether all numbers are whole.
    label
        What stands above it: its name, or the words of several lines.
    unit
        Ours for the unit that stands under its name, or None.
    """

    name: str
    texts: pl.Series
    numbers: np.ndarray
    filled: float
    numeric: float
    distinct: int
    whole: bool
    label: str
    unit: Unit | None = None

    @property
    def is_number(self) -> bool:
        return self.numeric > 0.9

    @property
    def shown(self) -> str:
        """What it is called in sentences."""
        return repr(self.name) if self.label in ("", self.name) else f"column {self.name} ({self.label!r})"


def profiles(table: pl.DataFrame, dialect: Dialect | None) -> list[Profile]:
    """The profile of each column of a table of texts."""
    labels = {}
    if dialect is not None:
        names = dialect.names or [str(k) for k in range(1, len(dialect.labels) + 1)]
        labels = dict(zip(names, dialect.labels, strict=True))
    return [_profile(column, dialect, labels.get(column.name, column.name)) for column in table.get_columns()]


def of_rows(columns: list[Profile], rows: np.ndarray) -> list[Profile]:
    """The profiles of some rows only; ``rows`` is True where one counts."""
    return [
        _told(column.texts.filter(pl.Series(rows)), column.numbers[rows], column.label, column.unit)
        for column in columns
    ]


def _profile(column: pl.Series, dialect: Dialect | None, label: str) -> Profile:
    # a date with points between its parts is no number with thousands
    plain = column.set(~column.str.contains(f"^({NUMBER.pattern})$").fill_null(False), None)
    if dialect and dialect.thousands:
        plain = plain.str.replace_all(dialect.thousands, "", literal=True)
    if dialect and dialect.decimal == ",":
        plain = plain.str.replace(",", ".", literal=True)
    numbers = plain.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return _told(column, numbers, label, None)


def _told(column: pl.Series, numbers: np.ndarray, label: str, unit: Unit | None) -> Profile:
    known = column.drop_nulls()
    finite = numbers[np.isfinite(numbers)]
    return Profile(
        name=column.name,
        texts=column,
        numbers=numbers,
        filled=known.len() / max(column.len(), 1),
        numeric=float(finite.size / max(known.len(), 1)),
        distinct=known.n_unique(),
        whole=bool(finite.size and np.all(finite == np.rint(finite))),
        label=label,
        unit=unit,
    )
