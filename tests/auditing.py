"""Windows and moments of an audit made by hand, for tests of its statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.audit import LISTED, SUMS, Cells, Told
from transforms.audit.listed import listed
from transforms.audit.regimes import find_regimes
from transforms.audit.series import Floats, Ints, Series
from transforms.fleet import fleet_table
from transforms.judge.columns import Columns
from transforms.judge.words import MISSING, NONE, WORDS
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.registry.models import Model
from transforms.schemas import AUDIT_WINDOWS, UTC_US

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = timedelta(hours=12)
#: moments of one meter in one window and flow bin, the parts summed; flows in millionths of the model's Q3
AUDIT_MOMENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "window_start": UTC_US,
    "bin": pl.Int8,
    "n": pl.Int64,
    "sx": pl.Int64,
    "sy": pl.Int64,
    "sxx": pl.Int64,
    "sxy": pl.Int64,
    "syy": pl.Int64,
    "interval_s": pl.Float64,
}
#: Q1 to Q4 in L/h of a class 2 meter with R = 160; a litre an hour is 400 units of the moments
MODEL = Model("M", 15.625, 25.0, 2500.0, 3125.0, 2, (4.0, 60.0), repeatability=0.01)


def registry_of(codes: Sequence[str], tariffs: pl.DataFrame | None = None, **columns: Sequence[Any]) -> Registry:
    """A registry of meters of `MODEL`."""
    empty: dict[str, Any] = {"serial": None, "installed_on": None, "removed_on": None, "site": None}
    kinds = {"installed_on": pl.Date, "removed_on": pl.Date}
    meters = pl.DataFrame(
        {"feature_code": list(codes), "model": ["M"] * len(codes)}
        | {name: columns.get(name, [value] * len(codes)) for name, value in empty.items()},
        schema={"feature_code": pl.String, "model": pl.String} | {name: kinds.get(name, pl.String) for name in empty},
    )
    return Registry(meters, {"M": MODEL}, None, None, None, (), "", tariffs)


def fleet_of(codes: Sequence[str]) -> pl.DataFrame:
    return fleet_table(registry_of(codes))


def windows_of(
    errors: Sequence[float] | Floats,
    standard: float | Floats = 0.004,
    *,
    code: str = "WM-1",
    first: int = 0,
    **columns: object,
) -> pl.DataFrame:
    """One meter's windows in a row from ``first`` on, each with 100 L through the reference."""
    values = np.asarray(errors, dtype=np.float64)
    starts = [BEGIN + (first + k) * LENGTH for k in range(len(values))]
    known: dict[str, object] = {
        "feature_code": code,
        "flowmeter_id": f"F-{code}",
        "model": "M",
        "window_start": pl.Series(starts),
        "window_end": pl.Series([start + LENGTH for start in starts]),
        "verdict": "healthy",
        "reason": "within_mpe",
        "n_flowing": 20,
        "volume_l": 100.0,
        "meter_volume_l": pl.Series(100.0 * (1 + values)),
        "error": pl.Series(values),
        "error_se": pl.Series(np.broadcast_to(standard, values.shape)),
        "reference_uncertainty": 0.0,
        "calibrated_on": date(2025, 12, 20),
        **columns,
    }
    literal = [
        (pl.lit(value) if not isinstance(value, pl.Series | list) else pl.lit(pl.Series(value)))
        .cast(AUDIT_WINDOWS[name])
        .alias(name)
        for name, value in known.items()
    ]
    missing = [pl.lit(None, kind).alias(name) for name, kind in AUDIT_WINDOWS.items() if name not in known]
    return pl.DataFrame({"row": range(len(values))}).select(literal + missing).select(AUDIT_WINDOWS.keys())


def moments_of(windows: pl.DataFrame, cells: Mapping[int, tuple[Sequence[float], Sequence[float]]]) -> pl.DataFrame:
    """Moments of windows that all hold the same pairs of flows [L/h], by flow bin, read every quarter of an hour."""
    rows = []
    for of_bin, (q, q_meter) in sorted(cells.items()):
        x, y = (np.rint(400 * np.asarray(flow)).astype(np.int64) for flow in (q, q_meter))
        sums = {"sx": x.sum(), "sy": y.sum(), "sxx": (x * x).sum(), "sxy": (x * y).sum(), "syy": (y * y).sum()}
        rows.append({"bin": of_bin, "n": len(x), **{name: int(value) for name, value in sums.items()}})
    return (
        windows.select("feature_code", "window_start")
        .join(pl.DataFrame(rows), how="cross")
        .with_columns(interval_s=900.0)
        .select(pl.col(name).cast(kind) for name, kind in AUDIT_MOMENTS.items())
    )


def told_of(windows: pl.DataFrame, moments: pl.DataFrame) -> Told:
    """Frames of `AUDIT_WINDOWS` and `AUDIT_MOMENTS`, in any order, by number."""
    windows = windows.sort("feature_code", "window_start")
    codes = windows["feature_code"].unique().sort()
    flowmeters = windows["flowmeter_id"].drop_nulls().unique().sort()
    words = {**{name: pl.Series(some) for name, some in WORDS.items()}, "flowmeter_id": flowmeters}

    def numbers(column: pl.Series, names: pl.Series) -> Ints:
        return column.replace_strict(names, np.arange(len(names)), default=NONE, return_dtype=pl.Int64).to_numpy(
            writable=True
        )

    def plain(column: pl.Series) -> npt.NDArray[Any]:
        if column.dtype == pl.String:
            return numbers(column, words[column.name])
        if column.dtype == pl.Float64:
            return column.fill_null(np.nan).to_numpy(writable=True)
        return column.to_physical().cast(pl.Int64).fill_null(MISSING).to_numpy(writable=True)

    def placed(frame: pl.DataFrame, names: Sequence[str]) -> Columns:
        return {name: plain(frame[name]) for name in names if name in frame.columns}

    rows = windows.select("feature_code", "window_start").with_row_index("row")
    moments = moments.join(rows, on=["feature_code", "window_start"]).sort("row", "bin")
    intervals = moments.group_by("row").agg(pl.col("interval_s").first())
    return Told(
        codes=codes,
        meter=numbers(windows["feature_code"], codes),
        windows=placed(windows, LISTED),
        flowmeters=flowmeters,
        cells=Cells(
            first=np.searchsorted(moments["row"].to_numpy(), np.arange(windows.height + 1)),
            bin=moments["bin"].to_numpy().astype(np.uint8),
            sums=moments.select(SUMS).to_numpy().T.copy(),
            interval_s=plain(rows.join(intervals, on="row", how="left", maintain_order="left")["interval_s"]),
        ),
    )


def regimes_in(windows: pl.DataFrame, moments: pl.DataFrame, fleet: pl.DataFrame) -> pl.DataFrame:
    """The regimes of meters by the default policy."""
    return find_regimes(listed(told_of(windows, moments), fleet, Policy()), Policy(), LENGTH).table


def series_of(
    error: Floats, variance: Floats, day: Floats, calibration: Sequence[int] | None = None, common: float = 0.0
) -> Series:
    """One row of a series."""
    n = len(error)
    return Series(
        n=np.array([n]),
        error=np.asarray(error, dtype=np.float64)[None],
        variance=np.broadcast_to(np.asarray(variance, dtype=np.float64), (n,))[None].copy(),
        day=np.asarray(day, dtype=np.float64)[None],
        calibration=np.asarray(calibration if calibration is not None else [0] * n, dtype=np.int64)[None],
        common=np.full((1, n), common),
        place=np.arange(n)[None],
    )
