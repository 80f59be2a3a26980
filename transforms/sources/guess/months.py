"""Which language the months of a column of dates are written in, and such dates with English months."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from transforms.sources.guess.words import months

_ENGLISH: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_WORD: Final = r"[^\W\d_]{3,}"
_MOST: Final = 60
#: a few cells may hold something else altogether
_ENOUGH: Final = 0.9


def foreign_months(texts: pl.Series) -> tuple[str, list[str]] | None:
    """The language of the months in a column of dates and its twelve names; None for English, and where there are none.

    Where the months seen are written alike in several languages, the first of them is taken: their other months are then
    still a guess, and a row with one that is not in the list is set aside as `bad_timestamp`.
    """
    known = texts.drop_nulls()
    if known.is_empty() or known.head(20).str.contains(r"\d").mean() < _ENOUGH:  # type: ignore[operator]
        return None
    counts = (
        known.str.to_lowercase()
        .str.extract_all(_WORD)
        .explode()
        .drop_nulls()
        .alias("word")
        .value_counts(sort=True, name="n")
    ).head(_MOST)
    counts = counts.filter(~pl.col("word").is_in(["am", "pm", "utc"]))
    words: dict[str, int] = dict(counts.select("word", "n").iter_rows())
    total = int(counts["n"].sum())

    def share(names: list[str]) -> float:
        return sum(words.get(name.lower(), 0) for name in names) / total

    if not total or share(_ENGLISH) >= _ENOUGH:
        return None
    for language, ways in months().items():
        for names in (way.split() for way in ways):
            if share(names) >= _ENOUGH:
                return language, names
    return None


def in_english(texts: pl.Series, names: list[str]) -> pl.Series:
    """The texts with the months as English abbreviates them."""
    english = {name.lower(): short for name, short in zip(names, _ENGLISH, strict=True)}
    many = {
        text: re.sub(_WORD, lambda word: english.get(word[0].lower(), word[0]), text)
        for text in texts.unique().drop_nulls()
    }
    return texts.replace_strict(many, default=None, return_dtype=pl.String) if many else texts
