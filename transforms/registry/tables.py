"""The registry's tables: what each column must hold, checked a table at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.faults import Check, Faults, near, shown
from transforms.registry.checks import as_date, as_number, date, identifier, present, private_identifier, repeated
from transforms.registry.csvfile import Layout, read_csv
from transforms.registry.validity import overlaps, parse_ends
from transforms.toml import file_name

MAX_REFERENCE_UNCERTAINTY: Final = 0.2
#: whether a value of a flowmeter is the mean of the interval that ends at its stamp, or the flow at that instant
SAMPLINGS: Final = ("mean", "instant")
#: a currency's code after ISO 4217
_CURRENCY: Final = r"^[A-Z]{3}$"
#: more than two days off is no clock that is a little wrong [s]
_CLOCK_LIMIT_S: Final = 172_800
_LANGUAGE: Final = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"


def read_meters(file: Path, faults: Faults) -> pl.DataFrame | None:
    """Read meters.csv: ``row, feature_code, model, serial, installed_on (Date), removed_on (Date), site,
    clock_offset_s, rollover_l``."""
    optional = ("serial", "installed_on", "removed_on", "site", "clock_offset_s", "rollover_l")
    table = read_csv(file, Layout(("feature_code", "model"), optional), faults)
    if table is None:
        return None
    name = file_name(file)
    faults.check(
        name,
        table,
        [
            present("feature_code", None),
            *identifier("feature_code"),
            present("model", "feature_code"),
            *identifier("model"),
            *identifier("serial"),
            date("installed_on", "feature_code"),
            date("removed_on", "feature_code"),
            Check(
                pl.col("clock_offset_s").is_not_null()
                & ~as_number("clock_offset_s").is_between(-_CLOCK_LIMIT_S, _CLOCK_LIMIT_S).fill_null(False),
                lambda bad: (
                    f"clock_offset_s {shown(bad['clock_offset_s'])} is not a number from -{_CLOCK_LIMIT_S} to"
                    f" {_CLOCK_LIMIT_S}; give the seconds by which the meter's clock is ahead"
                ),
                "feature_code",
            ),
            Check(
                pl.col("rollover_l").is_not_null()
                & ~as_number("rollover_l").is_between(0, math.inf, closed="none").fill_null(False),
                lambda bad: (
                    f"rollover_l {shown(bad['rollover_l'])} is not a number above zero; give the litres at which the"
                    " meter's register begins again at zero, 10000000 for four digits of m3"
                ),
                "feature_code",
            ),
        ],
    )
    faults.add_rows(
        name,
        repeated(table, ("feature_code",)),
        lambda bad: f"the feature code is already in row {bad['first']}; it must name one meter, remove one row",
        "feature_code",
    )
    return table.with_columns(
        as_date("installed_on"), as_date("removed_on"), as_number("clock_offset_s"), as_number("rollover_l")
    )


def check_models(meters: pl.DataFrame, name: str, known: frozenset[str], faults: Faults) -> None:
    """Note every meter whose model is not in models.toml."""

    def say(bad: dict[str, Any]) -> str:
        what = near(bad["model"], known) or "; correct it, or describe the model there"
        return f"model {shown(bad['model'])} is not in models.toml{what}"

    faults.check(name, meters, [Check(~pl.col("model").is_in(sorted(known)), say, "feature_code")])


def read_pairs(file: Path, faults: Faults) -> pl.DataFrame | None:
    """Read pairs.csv: ``row, feature_code, flowmeter_id, valid_from, valid_to``, half open instants in UTC."""
    table = read_csv(file, Layout(("feature_code", "flowmeter_id"), ("valid_from", "valid_to")), faults)
    if table is None:
        return None
    name = file_name(file)
    faults.check(
        name,
        table,
        [
            present("feature_code", None),
            *identifier("feature_code"),
            present("flowmeter_id", "feature_code"),
            *identifier("flowmeter_id"),
        ],
    )
    pairs = parse_ends(table, name, faults)
    faults.add_rows(
        name,
        overlaps(pairs, "feature_code"),
        lambda bad: (
            f"the meter is paired in row {bad['with_row']} for the same time;"
            " a meter has one flowmeter at a time, end one with valid_to before the next begins"
        ),
        "feature_code",
    )
    faults.add_rows(
        name,
        overlaps(pairs, "flowmeter_id"),
        lambda bad: (
            f"flowmeter {shown(bad['flowmeter_id'])} is paired in row {bad['with_row']} for the same time;"
            " a flowmeter watches one meter at a time, end one with valid_to before the next begins"
        ),
        "feature_code",
    )
    return pairs


def read_flowmeters(file: Path, faults: Faults) -> pl.DataFrame | None:
    """Read flowmeters.csv: ``row, flowmeter_id, calibrated_on (Date), uncertainty (relative, k = 2), sampling``.

    ``sampling`` is ``mean`` (the default: each value is the mean over the interval that ends at its stamp) or
    ``instant`` (the value is the flow at the stamp).
    """
    table = read_csv(file, Layout(("flowmeter_id", "calibrated_on"), ("uncertainty", "sampling")), faults)
    if table is None:
        return None
    name = file_name(file)
    uncertainty = as_number("uncertainty")
    good = (uncertainty.is_finite() & uncertainty.is_between(0, MAX_REFERENCE_UNCERTAINTY)).fill_null(False)
    faults.check(
        name,
        table,
        [
            present("flowmeter_id", None),
            *identifier("flowmeter_id"),
            present("calibrated_on", "flowmeter_id"),
            date("calibrated_on", "flowmeter_id"),
            Check(
                pl.col("uncertainty").is_not_null() & ~good,
                lambda bad: (
                    f"uncertainty {shown(bad['uncertainty'])} is not a number from 0 to {MAX_REFERENCE_UNCERTAINTY:g};"
                    " give it relative with k = 2, 0.005 for 0.5 %"
                ),
                "flowmeter_id",
            ),
            Check(
                pl.col("sampling").is_not_null() & ~pl.col("sampling").is_in(SAMPLINGS),
                lambda bad: (
                    f"sampling {shown(bad['sampling'])} is none of {', '.join(SAMPLINGS)}; leave it empty for mean"
                ),
                "flowmeter_id",
            ),
        ],
    )
    faults.add_rows(
        name,
        repeated(table, ("flowmeter_id", "calibrated_on")),
        lambda bad: f"the same flowmeter and calibrated_on stand in row {bad['first']}; remove one row",
        "flowmeter_id",
    )
    return table.with_columns(as_date("calibrated_on"), uncertainty, pl.col("sampling").fill_null(SAMPLINGS[0]))


def read_terminals(file: Path, faults: Faults) -> pl.DataFrame | None:
    """Read terminals.csv: ``row, feature_code, terminal_id, channel, language``.

    Its messages name rows and columns and never show a value: the values are telephone numbers, or may be, where
    somebody swapped two columns.
    """
    required = ("feature_code", "terminal_id", "channel")
    table = read_csv(file, Layout(required, ("language",), private=True), faults)
    if table is None:
        return None
    name = file_name(file)
    faults.check(
        name,
        table,
        [
            *(present(column, None) for column in required),
            *(private_identifier(column) for column in (*required, "language")),
            Check(
                ~pl.col("language").str.contains(_LANGUAGE),
                lambda _: "language is not a language tag; give one such as en, fr or zh-CN, or leave it empty",
            ),
        ],
    )
    faults.add_rows(
        name,
        repeated(table, ("feature_code", "terminal_id")),
        lambda bad: f"the same feature_code and terminal_id stand in row {bad['first']}; remove one row",
        None,
    )
    return table


def read_tariffs(file: Path, known: frozenset[str] | None, faults: Faults) -> pl.DataFrame | None:
    """Read tariffs.csv: ``row, site, model, from (Date), price_per_m3, currency``; site and model may be null.

    Parameters
    ----------
    known
        The models that there are; None where that is not known.
    """
    table = read_csv(file, Layout(("from", "price_per_m3", "currency"), ("site", "model")), faults)
    if table is None:
        return None
    name = file_name(file)
    price = as_number("price_per_m3")
    good = (price.is_finite() & (price >= 0)).fill_null(False)
    first = table["currency"].drop_nulls().first()

    def say(bad: dict[str, Any]) -> str:
        what = near(bad["model"], known or frozenset()) or "; correct it, or leave it empty for all models"
        return f"model {shown(bad['model'])} is not in models.toml{what}"

    faults.check(
        name,
        table,
        [
            *identifier("site"),
            Check(pl.col("model").is_not_null() & ~pl.col("model").is_in(sorted(known or ())), say)
            if known
            else identifier("model")[0],
            present("from", None),
            date("from", None),
            present("price_per_m3", None),
            Check(
                pl.col("price_per_m3").is_not_null() & ~good,
                lambda bad: (
                    f"price_per_m3 {shown(bad['price_per_m3'])} is not a number of 0 or more; write for example 2.15"
                ),
            ),
            present("currency", None),
            Check(
                pl.col("currency").is_not_null() & ~pl.col("currency").str.contains(_CURRENCY),
                lambda bad: (
                    f"currency {shown(bad['currency'])} is not a code of ISO 4217; write for example EUR or NZD"
                ),
            ),
            Check(
                pl.col("currency").str.contains(_CURRENCY) & (pl.col("currency") != pl.lit(first)),
                lambda bad: (
                    f"currency {shown(bad['currency'])} differs from {shown(first)} above; amounts in two currencies"
                    " cannot be added, give all prices in one"
                ),
            ),
        ],
    )
    keys = ("site", "model", "from")
    whole = table.with_columns(pl.col(keys).fill_null("\0"))
    faults.add_rows(
        name,
        repeated(whole, keys),
        lambda bad: f"the same site, model and from stand in row {bad['first']}; remove one row",
        None,
    )
    return table.with_columns(as_date("from"), price)
