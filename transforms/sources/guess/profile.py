"""Profiles: what the texts of one column look like, in numbers that the guesses rest on."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.sources.guess.dialect import Dialect


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
    unit: str | None = None

    @property
    def is_number(self) -> bool:
        return self.numeric > 0.97

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name, in lower case, without numbers at their ends."""
        spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", self.name)
        return tuple(word.rstrip("0123456789") or word for word in re.split(r"[^0-9a-zà-ÿ³]+", spaced.lower()) if word)


def profiles(table: pl.DataFrame, dialect: Dialect | None) -> list[Profile]:
    """The profile of each column of a table of texts."""
    return [_profile(column, dialect) for column in table.get_columns()]


def _profile(column: pl.Series, dialect: Dialect | None) -> Profile:
    known = column.drop_nulls()
    plain = column
    if dialect and dialect.thousands:
        plain = plain.str.replace_all(dialect.thousands, "", literal=True)
    if dialect and dialect.decimal == ",":
        plain = plain.str.replace(",", ".", literal=True)
    numbers = plain.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    finite = numbers[np.isfinite(numbers)]
    return Profile(
        name=column.name,
        texts=column,
        numbers=numbers,
        filled=known.len() / max(column.len(), 1),
        numeric=float(finite.size / max(known.len(), 1)),
        distinct=known.n_unique(),
        whole=bool(finite.size and np.all(finite == np.rint(finite))),
    )
