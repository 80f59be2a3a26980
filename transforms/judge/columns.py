"""Columns: what was worked out of paired meters, as arrays in the columns that the outbox has, and as the frame they make.

Numbers in floating point are NaN where there is nothing to say, whole ones `MISSING`, words stand by their number
(`transforms.judge.words`), curves as rows of points. A frame has nulls and words in their place; where a run makes a frame, an
audit of millions of windows keeps the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.fit.points import MOST_POINTS
from transforms.judge.evidence import ZONE_NAMES, Bools, Model
from transforms.judge.findings import Findings
from transforms.judge.paired import Paired
from transforms.judge.plain import WHOLE, on_flows, whole_of
from transforms.judge.precision import imprecise, marginal, pairs_needed, unproven
from transforms.judge.words import CURVE, MISSING, NONE, STEADY, UNSTEADY, WORDS, Numbers, in_words
from transforms.judge.worked import Worked
from transforms.policy import Policy
from transforms.schemas import VERDICTS
from transforms.summarise.moments import Moments

Columns = dict[str, npt.NDArray[Any]]

#: what later rooms need beyond the published columns: the measured curve [L/h], and what speaks against a command
EXTRAS: dict[str, pl.DataType | type[pl.DataType]] = {
    "curve_q_lph": pl.List(pl.Float64),
    "curve_q_meter_lph": pl.List(pl.Float64),
    "curve_error_lph": pl.Float64,
    "imprecise": pl.Boolean,
    "marginal": pl.Boolean,
    "unproven": pl.Boolean,
    "calibrated_on": pl.Date,
    "doubtful": pl.Boolean,
    "looked_at": pl.Boolean,
}
JUDGED = {**VERDICTS, **EXTRAS}

#: columns in L/h of meters that are off
_FLOWS = ("a2", "a2_se", "residual_std_lph")


def columns_of(
    paired: Paired, moments: Moments, policy: Policy, worked: Worked, start_us: npt.NDArray[np.int64] | int
) -> Columns:
    """What was worked out of the paired meters, the columns of the outbox but for who and when, and with the `WHOLE` numbers in
    place of the plain ones that follow from them (`published`).

    Parameters
    ----------
    start_us
        When the window began [us since 1970]: of each row, or one for all.
    """
    found, second = worked.found, worked.second
    interval_s = paired.interval_us / 1e6
    needed = pairs_needed(worked.standing, found, worked.model, worked.reference, worked.reason, policy)
    stepped = second.step & (second.changed_us != 0)
    return {
        "verdict": worked.verdict,
        "form": worked.form,
        "reason": worked.reason,
        "n_pairs": worked.n_pairs,
        "coverage": worked.coverage,
        **measured(moments, found, worked.model, worked.verdict, policy),
        "lag_s": _known(second.lag * interval_s, second.skewed),
        "changed_at": np.where(stepped, second.changed_us + start_us, MISSING),
        "dead_share": second.dead,
        "pairs_needed": np.where(needed == 0, MISSING, needed),
    }


def published(columns: Columns, unit_lph: Floats) -> Columns:
    """The same with the columns of the outbox in place of the whole numbers that they follow from."""
    told = {name: values for name, values in columns.items() if name not in WHOLE}
    return told | on_flows(columns, columns["n_flowing"], unit_lph)


def extras_of(moments: Moments, policy: Policy, worked: Worked) -> Columns:
    """The columns `EXTRAS` but for the calibration's day."""
    model, found, second = worked.model, worked.found, worked.second
    steady, curve = worked.verdict == STEADY, worked.form == CURVE
    wide = np.full((2, len(curve), MOST_POINTS), np.nan)
    rows = np.flatnonzero(curve)
    for k, points in enumerate((second.curve_q, second.curve_q_meter)):
        wide[k, rows] = points[np.cumsum(second.curved)[rows] - 1] * model.unit_lph[rows, None]
    return {
        "curve_q_lph": wide[0],
        "curve_q_meter_lph": wide[1],
        "curve_error_lph": _known(second.curve_error * model.unit_lph, curve),
        "imprecise": steady & imprecise(moments, found, second, model, worked.reference, worked.form, policy),
        "marginal": steady & marginal(found, policy),
        "unproven": steady & (unproven(moments, found, model, policy) | ~second.looked),
        "doubtful": worked.standing.doubtful,
        "looked_at": second.looked,
    }


def frame_of(columns: Mapping[str, npt.NDArray[Any]]) -> pl.DataFrame:
    """The frame that some columns make, in the types of `JUDGED`."""
    return pl.DataFrame([series_of(name, JUDGED[name], values, WORDS.get(name)) for name, values in columns.items()])


def series_of(name: str, kind: Any, values: npt.NDArray[Any], words: Sequence[str] | pl.Series | None) -> pl.Series:
    """A column of a frame: of a type of Polars, null where nothing is known, in ``words`` where it holds their numbers."""
    if kind == pl.String:
        return in_words(values, words if words is not None else ()).alias(name)
    if kind == pl.List(pl.Float64):
        return _points(values).alias(name)
    told = pl.Series(name, values)
    if kind == pl.Float64:
        return told.fill_nan(None)
    gone = values == missing_of(kind) if values.dtype != np.bool_ else np.zeros(1, dtype=bool)
    if gone.any():
        told = told.set(pl.Series(gone), None)
    return told.cast(pl.Int32).cast(kind) if kind == pl.Date else told.cast(kind)


def missing_of(kind: Any) -> int:
    """The whole number that stands for nothing in a column of some type."""
    return NONE if kind in (pl.String, pl.Boolean) else MISSING


def nothing(kind: Any, rows: int | None = None) -> npt.NDArray[Any]:
    """A column of some type in which nothing is known; without ``rows`` one value that stands for all."""
    shape = () if rows is None else (rows, MOST_POINTS) if kind == pl.List(pl.Float64) else (rows,)
    if kind in (pl.Float64, pl.List(pl.Float64)):
        return np.full(shape, np.nan)
    return np.full(shape, missing_of(kind), dtype=np.int64)


def _points(wide: Floats) -> pl.Series:
    """The points of curves as lists, null where there is no curve."""
    rows = np.flatnonzero(np.isfinite(wide[:, 0]))
    found = [points[np.isfinite(points)].tolist() for points in wide[rows]]
    place = np.full(len(wide), NONE, dtype=np.int32)
    place[rows] = np.arange(len(rows))
    return pl.Series(found, dtype=pl.List(pl.Float64)).gather(pl.Series(place).replace(NONE, None))


def measured(moments: Moments, found: Findings, model: Model, verdict: Numbers, policy: Policy) -> Columns:
    """The columns that the moments give, with `WHOLE` numbers in place of the plain ones."""
    off = np.flatnonzero((verdict == STEADY) | (verdict == UNSTEADY))
    places, lines, unit = found.places(off), found.published, model.unit_lph
    of_off = {
        "a1": lines.a1,
        "a1_se": lines.a1_se,
        "a2": lines.a2,
        "a2_se": lines.a2_se,
        "r2": found.r2,
        "residual_std_lph": found.residual,
        "correlation": lines.correlation,
    }
    zones, own = found.zones, (found.flowing, found.spread, found.scatter_ratio)
    told = _measured(*own, zones.n, zones.error, zones.expanded, policy.evidence.min_zone_pairs)
    columns: Columns = {"n_flowing": found.flowing, **whole_of(moments), **dict(zip(_MEASURED, told, strict=True))}
    for name, values in of_off.items():
        columns[name] = np.full(len(unit), np.nan)
        columns[name][off] = values[places] * unit[off] if name in _FLOWS else values[places]
    return columns


#: the columns of `_measured`
_MEASURED = ("drift_spread", "scatter_ratio",
             *(f"{what}_{zone}" for zone in ZONE_NAMES for what in ("error", "uncertainty")))  # fmt: skip


@compiled
def _measured(
    n: Ints, spread: Floats, scatter_ratio: Floats, of_zone: Ints, error: Floats, expanded: Floats, least: int
) -> Floats:
    """What flowing pairs tell, NaN where there are none, and of zones where there are fewer than ``least``."""
    found = np.empty((8, len(n)))
    for row in range(len(n)):
        flows = n[row] > 0
        found[0, row], found[1, row] = rounded(spread[row], flows), rounded(scatter_ratio[row], flows)
        for zone in range(3):
            enough = of_zone[zone, row] >= least
            found[2 + 2 * zone, row] = error[zone, row] if enough else np.nan
            found[3 + 2 * zone, row] = rounded(expanded[zone, row], enough)
    return found


@compiled
def rounded(value: float, known: bool) -> float:
    """An uncertainty, or another measure of scatter, as it is published: to seven digits, of which it deserves two."""
    return float(np.float32(value)) if known and not np.isnan(value) else np.nan


def _known(values: Floats, where: Bools) -> Floats:
    """Numbers that are known in a few places only."""
    found, some = np.full(len(values), np.nan), np.flatnonzero(where)
    found[some] = values[some]
    return found
