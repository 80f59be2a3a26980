"""What the columns of the registry's tables have in common: how a value is checked, how it is read, what stands twice."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.faults import Check, shown
from transforms.registry.validity import DAY_PATTERN

CODE_LENGTH: Final = 128
#: characters that no identifier may hold: controls and the two Unicode line ends
CONTROL_CHARACTERS: Final = r"[\p{Cc}\p{Zl}\p{Zp}]"


def present(column: str, key: str | None) -> Check:
    """Something stands there. In this and the others ``key`` is the column that names the row in a message, if one does."""
    return Check(pl.col(column).is_null(), lambda _: f"{column} is empty; fill it in or remove the row", key)


def identifier(column: str) -> tuple[Check, Check]:
    """An identifier is not too long and holds no control characters."""
    too_long = Check(
        pl.col(column).str.len_chars() > CODE_LENGTH,
        lambda bad: f"{column} has {len(bad[column])} characters, at most {CODE_LENGTH} are allowed; shorten it",
    )
    control = Check(
        pl.col(column).str.contains(CONTROL_CHARACTERS),
        lambda bad: f"{column} {shown(bad[column])} holds control characters; remove them",
    )
    return too_long, control


def private_identifier(column: str) -> Check:
    """As `identifier`, with a message that does not show the value."""
    too_long, control = identifier(column)
    what = f"{column} is longer than {CODE_LENGTH} characters or holds control characters; correct it"
    return Check(too_long.bad | control.bad, lambda _: what)


def date(column: str, key: str | None) -> Check:
    """A date, where anything stands."""
    return Check(
        pl.col(column).is_not_null() & as_date(column).is_null(),
        lambda bad: f"{column} {shown(bad[column])} is not a date; write for example 2026-01-31",
        key,
    )


def as_number(column: str) -> pl.Expr:
    """A column of text as numbers, null where it holds none."""
    return pl.col(column).cast(pl.Float64, strict=False)


def as_date(column: str) -> pl.Expr:
    """A column of text as dates (YYYY-MM-DD), null where it holds none."""
    text = pl.col(column)
    return pl.when(text.str.contains(DAY_PATTERN)).then(text).str.to_date("%Y-%m-%d", strict=False)


def repeated(table: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """The rows whose keys stand in an earlier row, with that row's number as ``first``."""
    named = table.drop_nulls(list(keys))
    if named[keys[0]].n_unique() == named.height:  # the common case, cheaper than telling pairs of keys apart
        return named.clear()
    repeats = named.filter(~(pl.struct(keys) if len(keys) > 1 else pl.col(keys[0])).is_first_distinct())
    if repeats.is_empty():
        return repeats
    first = named.group_by(keys).agg(pl.col("row").min().alias("first"))
    return repeats.join(first, on=keys, how="left")
