"""Claims: every statement about which flowmeter device watches which meter, whoever made it.

A flowmeter states it in its own record (the feature code in band); the preset correspondence, pairs.csv, states it for
a span of time. Statements are about devices, of which there are few, never about samples, of which there are many.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from transforms.schemas import UTC_US

#: the span of a statement that has no end
FOREVER = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))

CLAIMS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "device_no": pl.Int32,
    "bucket": pl.Int32,
    "flowmeter_id": pl.String,
    "source": pl.String,
    "valid_from": UTC_US,
    "valid_to": UTC_US,
}


def _span(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        "feature_code",
        "flowmeter_id",
        valid_from=pl.col("valid_from").cast(UTC_US).fill_null(FOREVER[0]),
        valid_to=pl.col("valid_to").cast(UTC_US).fill_null(FOREVER[1]),
    )


def claims(devices: pl.DataFrame, pairs: pl.DataFrame | None) -> pl.DataFrame:
    """All claims on meters by flowmeter devices of the lake.

    Parameters
    ----------
    devices : DataFrame
        The lake's dictionary: ``device_no``, ``stream``, ``feature_code``, ``flowmeter_id``, ``bucket``.
    pairs : DataFrame or None
        The preset correspondence with half-open validity ``[valid_from, valid_to)``.

    Returns
    -------
    DataFrame
        One row per claim. ``source`` is ``record`` (the device's own word, which stands for itself), ``table`` (a
        device without a word of its own, placed by pairs.csv), ``other_meter`` (pairs.csv gives this device's
        flowmeter to another meter: a contradiction for both) or ``other_flowmeter`` (pairs.csv gives this meter to
        another flowmeter). Contradictions count only where their spans meet the device's readings.
    """
    flowmeters = devices.filter(pl.col("stream") == "flowmeter").select(
        "device_no", "bucket", "feature_code", "flowmeter_id"
    )
    spoken = flowmeters.filter(pl.col("feature_code").is_not_null())
    if pairs is None or pairs.is_empty():
        found = [_rows(spoken, "record")]
        return pl.concat(found).sort("feature_code", "device_no", "source")
    table = _span(pairs)
    # A device that names its meter but not itself is called what the table calls that meter's flowmeter.
    nameless = spoken.filter(pl.col("flowmeter_id").is_null())
    named = spoken.filter(pl.col("flowmeter_id").is_not_null())
    by_code = table.rename({"flowmeter_id": "table_id"})
    by_id = table.rename({"feature_code": "table_code"})
    christened = (
        nameless.drop("flowmeter_id").join(table, on="feature_code", how="left")
        if not nameless.is_empty()
        else nameless.with_columns(valid_from=pl.lit(None, UTC_US), valid_to=pl.lit(None, UTC_US))
    )
    silent = flowmeters.filter(pl.col("feature_code").is_null()).drop("feature_code").join(table, on="flowmeter_id")
    elsewhere = named.join(by_id, on="flowmeter_id").filter(pl.col("table_code") != pl.col("feature_code"))
    otherwise = named.join(by_code, on="feature_code").filter(pl.col("table_id") != pl.col("flowmeter_id"))
    found = [
        _rows(named, "record"),
        _rows(nameless, "record"),
        _rows(christened, "record"),
        _rows(silent, "table"),
        _rows(elsewhere, "other_meter"),
        _rows(elsewhere.with_columns(feature_code=pl.col("table_code")), "other_meter"),
        _rows(otherwise, "other_flowmeter"),
    ]
    return (
        pl.concat(found).unique().sort("feature_code", "device_no", "source", "flowmeter_id", "valid_from", "valid_to")
    )


def _rows(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    begin = pl.col("valid_from") if "valid_from" in frame.columns else pl.lit(None, UTC_US)
    end = pl.col("valid_to") if "valid_to" in frame.columns else pl.lit(None, UTC_US)
    return frame.select(
        "feature_code",
        pl.col("device_no").cast(pl.Int32),
        pl.col("bucket").cast(pl.Int32),
        "flowmeter_id",
        source=pl.lit(source),
        valid_from=begin.fill_null(FOREVER[0]),
        valid_to=end.fill_null(FOREVER[1]),
    )
