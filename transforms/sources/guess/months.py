"""Names of months in the languages of Europe's utilities, and which language a column of dates is written in."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

#: language -> ways to write the twelve months
_NAMES: Final = {
    "German": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
        "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    ),
    "French": (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv févr mars avr mai juin juil août sept oct nov déc",
    ),
    "Italian": (
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
    ),
    "Spanish": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sep oct nov dic",
    ),
    "Dutch": (
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan feb mrt apr mei jun jul aug sep okt nov dec",
    ),
    "Portuguese": (
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan fev mar abr mai jun jul ago set out nov dez",
    ),
}
_ENGLISH: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_WORD: Final = r"[^\W\d_]{3,}"
_MOST: Final = 60


def foreign_months(texts: pl.Series) -> tuple[str, list[str]] | None:
    """The language of the months in a column of dates and its twelve names; None for English, and where there are none.

    Where the months seen are written alike in several languages, the first of them is taken: their other months are then
    still a guess, and a row with one that is not in the list is set aside as `bad_timestamp`.
    """
    known = texts.drop_nulls()
    if known.is_empty() or not known.head(20).str.contains(r"\d").all():
        return None
    words = set(known.str.to_lowercase().str.extract_all(_WORD).explode().drop_nulls().unique().head(_MOST).to_list())
    words -= {"am", "pm", "utc"}
    if not words or words <= {month.lower() for month in _ENGLISH}:
        return None
    for language, ways in _NAMES.items():
        for way in ways:
            names = way.split()
            if words <= {name.lower() for name in names}:
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
