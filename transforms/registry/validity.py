"""From when to when a pair of meter and flowmeter holds, and which pairs contradict each other."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.faults import LISTED, Faults, shown
from transforms.schemas import UTC_US

DAY_PATTERN: Final = r"^(19|20|21)\d{2}-\d{2}-\d{2}$"
_INSTANT_PATTERN: Final = r"^(19|20|21)\d{2}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})$"
_NO_OFFSET_PATTERN: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$"


def parse_ends(table: pl.DataFrame, name: str, faults: Faults) -> pl.DataFrame:
    """Turn the texts ``valid_from`` and ``valid_to`` into instants, the ends of the half-open span ``[from, to)``.

    A plain date in ``valid_from`` is 00:00 UTC of that day; in ``valid_to`` it includes the whole day. An instant needs
    ``Z`` or an offset and stands for itself. An empty value leaves that side open.
    """
    pairs = table.with_columns(
        valid_from=_read(table, "valid_from", _instant("valid_from")),
        valid_to=_read(
            table,
            "valid_to",
            pl.when(_is_day("valid_to")).then(_instant("valid_to").dt.offset_by("1d")).otherwise(_instant("valid_to")),
        ),
    )
    for column in ("valid_from", "valid_to"):
        unread = table.filter(table[column].is_not_null() & pairs[column].is_null())
        _note_unread(unread, column, name, faults)
    faults.add_rows(
        name,
        table.filter(pairs["valid_from"] >= pairs["valid_to"]),
        lambda bad: (
            f"valid_from {bad['valid_from']} is not before valid_to {bad['valid_to']}; put them right or remove the row"
        ),
        "feature_code",
    )
    return pairs


def _read(table: pl.DataFrame, column: str, read: pl.Expr) -> pl.Series:
    """A column of texts, read; each text once, because many rows begin on one day."""
    texts = table.select(column).unique()
    found = texts.with_columns(read=read)
    return table.select(column).join(found, on=column, how="left", maintain_order="left")["read"]


def _note_unread(unread: pl.DataFrame, column: str, name: str, faults: Faults) -> None:
    no_offset = pl.col(column).str.contains(_NO_OFFSET_PATTERN)
    faults.add_rows(
        name,
        unread.filter(no_offset),
        lambda bad: f"{column} {shown(bad[column])} has no offset; add Z for UTC or an offset such as +02:00",
        "feature_code",
    )
    faults.add_rows(
        name,
        unread.filter(~no_offset),
        lambda bad: (
            f"{column} {shown(bad[column])} is neither a date nor an instant;"
            " write for example 2026-01-31 or 2026-01-31T12:00:00Z"
        ),
        "feature_code",
    )


def overlaps(pairs: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows that are valid together with an earlier-beginning row of the same key, whose number is ``with_row``.

    Parameters
    ----------
    pairs
        ``row``, the key, and ``valid_from``, ``valid_to`` as instants or null for an open side.
    key
        ``feature_code`` or ``flowmeter_id``.
    """
    spans = pairs.drop_nulls(key).filter((pl.col("valid_from") < pl.col("valid_to")).fill_null(True))
    if spans[key].n_unique() == spans.height:
        return spans.clear().with_columns(with_row=pl.lit(None, pl.Int64))
    begin = pl.col("valid_from").dt.epoch("us").fill_null(_OPEN_BEGIN)
    end = pl.col("valid_to").dt.epoch("us").fill_null(_OPEN_END)
    spans = spans.with_columns(begin=begin, end=end).sort(key, "begin", "row")
    reach = pl.col("end").cum_max().shift(1).over(key)
    found = spans.filter(reach > pl.col("begin")).sort("row")
    # the partner is sought only for as many as a message lists
    partners = (
        found.head(LISTED)
        .lazy()
        .join(spans.lazy().select(key, with_row="row", other_begin="begin", other_end="end"), on=key)
        .filter(
            (pl.col("with_row") != pl.col("row"))
            & (pl.col("other_begin") <= pl.col("begin"))
            & (pl.col("other_end") > pl.col("begin"))
        )
        .group_by("row")
        .agg(pl.col("with_row").min())
        .collect()
    )
    return found.join(partners, on="row", how="left").drop("begin", "end")


_OPEN_BEGIN: Final = -(2**62)
_OPEN_END: Final = 2**62


def _is_day(column: str) -> pl.Expr:
    return pl.col(column).str.contains(DAY_PATTERN)


def _instant(column: str) -> pl.Expr:
    """Read dates and instants alike, both brought to one spelling; null where the text is neither."""
    text = pl.col(column)
    full = text.str.replace(" ", "T", literal=True).str.replace(r"Z$", "+00:00")
    with_seconds = full.str.replace(r"T(\d{2}:\d{2})([+-])", "T${1}:00${2}")
    spelled = (
        pl.when(_is_day(column))
        .then(pl.concat_str(text, pl.lit("T00:00:00+00:00")))
        .when(text.str.contains(_INSTANT_PATTERN))
        .then(with_seconds)
    )
    return spelled.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", strict=False, time_unit="us", time_zone="UTC").cast(UTC_US)
