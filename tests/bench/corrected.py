"""What commands are worth: meters corrected as commanded, against the true flow of the window after.

For comparing estimators: run each policy on a copy of the same workspace and give each copy to ``corrected_meters``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from transforms.simulate import Fleet
from transforms.simulate.demand import Array

WINDOW_H = 12
#: fewer flowing instants than this make no volume to speak of
MIN_FLOWING = 5


def read_commands(folder: Path) -> list[dict[str, Any]]:
    """The commands of one run, ready and held alike."""
    return [json.loads(line) for line in (folder / "commands.jsonl").read_text(encoding="utf-8").splitlines()]


def apply_corrections(raw: Array, corrections: Sequence[Mapping[str, Any]]) -> Array:
    """Correct flows as FORMATS describes it: (meters, samples) and one correction per meter.

    Linear between points and continued by the end segments; zero stays zero, and nothing falls below zero.
    """
    lines = [_points(correction) for correction in corrections]
    width = max(len(line) for line in lines)
    # a segment that a shorter line lacks begins beyond every flow
    x, y = (np.full((len(lines), width), np.inf), np.zeros((len(lines), width)))
    for row, line in enumerate(lines):
        x[row, : len(line)], y[row, : len(line)] = np.transpose(line)
    true = np.zeros_like(raw)
    for k in range(width - 1):
        has = np.isfinite(x[:, k + 1])
        with np.errstate(invalid="ignore"):
            slope = np.where(has, (y[:, k + 1] - y[:, k]) / (x[:, k + 1] - x[:, k]), 0.0)
            here = has[:, None] & ((k == 0) | (raw >= x[:, [k]]))
            true = np.where(here, y[:, [k]] + slope[:, None] * (raw - x[:, [k]]), true)
    return np.where(raw > 0.0, np.maximum(true, 0.0), raw * 0.0)


def corrected_meters(root: Path, fleet: Fleet, run: str) -> pl.DataFrame:
    """The volume error of each commanded meter over the second 12 h of the simulation, had it obeyed.

    Parameters
    ----------
    root
        The workspace, which has the run that judged the first 12 h.
    fleet
        The fleet that the workspace was simulated from.
    run
        Name of the run's folder.

    Returns
    -------
    DataFrame
        ``feature_code``, ``n_after`` (instants of the second window with a true flow of Q1 or more and a reading),
        ``error_before`` and ``error_after`` (relative volume error over these, null below `MIN_FLOWING`), and ``mpe``
        (maximum permissible error between Q2 and Q4); one row per command.
    """
    commands = {command["feature_code"]: command["correction"] for command in read_commands(root / "outbox" / run)}
    chosen = np.flatnonzero(fleet.meters["feature_code"].is_in(sorted(commands)).to_numpy())
    used, before, after, count = (np.zeros(fleet.plan.meters) for _ in range(4))
    per_window = WINDOW_H * 60 // fleet.plan.minutes
    for block in fleet.blocks():
        stamps = slice(max(per_window - block.first, 0), max(2 * per_window - block.first, 0))
        rows = chosen[(chosen >= block.rows.start) & (chosen < block.rows.stop)]
        if not len(rows) or block.flow[:, stamps].shape[1] == 0:
            continue
        flow, raw = (values[rows - block.rows.start, stamps] for values in (block.flow, block.meter))
        codes = fleet.meters["feature_code"].gather(rows)
        right = apply_corrections(raw, [commands[code] for code in codes])
        counts = (flow >= fleet.q1[rows, None]) & ~np.isnan(raw)
        for total, values in ((used, flow), (before, raw), (after, right), (count, np.ones_like(flow))):
            total[rows] += np.where(counts, values, 0.0).sum(axis=1)
    enough = count >= MIN_FLOWING
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = [np.where(enough, total / used - 1.0, np.nan) for total in (before, after)]
    mpe = np.array([model.mpe for model in fleet.models])[fleet.kind]
    return pl.DataFrame(
        {
            "feature_code": fleet.meters["feature_code"].gather(chosen),
            "n_after": count[chosen].astype(np.int64),
            "error_before": pl.Series(errors[0][chosen]).fill_nan(None),
            "error_after": pl.Series(errors[1][chosen]).fill_nan(None),
            "mpe": mpe[chosen],
        }
    )


def _points(correction: Mapping[str, Any]) -> list[tuple[float, float]]:
    if "points" in correction:
        return [(raw, true) for raw, true in correction["points"]]
    return [(0.0, correction["offset_lph"]), (1.0, correction["gain"] + correction["offset_lph"])]
