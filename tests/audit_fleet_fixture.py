"""A made-up fleet by seed, seen over many windows: steps, drifts and scatter, and the tables of an audit that follow.

Its numbers hang together (litres follow from errors and volumes), but nothing of the audit's own statistics is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from transforms.schemas import AUDIT_FLEET, AUDIT_METERS, AUDIT_WINDOWS, PAIRS, REGIMES

START = datetime(2024, 7, 1, tzinfo=UTC)
LENGTH = timedelta(hours=12)
PRICE, CURRENCY = 2.15, "EUR"
#: model -> Q1, Q2, Q3, Q4 [L/h], permissible error low and high
MODELS = {
    "UWM-15 R250": (6.4, 10.24, 1600.0, 2000.0, 0.05, 0.02),
    "UWM-20 R160": (15.625, 25.0, 2500.0, 3125.0, 0.05, 0.02),
    "SONIC-40 R100": (160.0, 256.0, 16000.0, 20000.0, 0.03, 0.01),
}
SITES = ("Harbour", "Old Town", "Mill Lane", "North Hill")
KINDS = ("step", "drift", "three", "offset", "scatter", "low")


class Fleet:
    """Errors and volumes of every meter in every window, as arrays of meters by windows."""

    def __init__(self, meters: int, flagged: int, days: int, seed: int):
        draw = np.random.default_rng(seed)
        self.many, self.windows = meters, days * 2
        self.codes = [f"WM-{7 * k + 1003:04d}" for k in range(meters)]
        self.models = [list(MODELS)[k % 3 if k % 5 else 0] for k in range(meters)]
        self.kinds = [""] * meters
        for place, k in enumerate(draw.permutation(meters)[:flagged]):
            self.kinds[k] = KINDS[place % len(KINDS)]
        self.silent = [not kind and k % 19 == 3 for k, kind in enumerate(self.kinds)]
        self.change = (draw.uniform(0.2, 0.6, meters) * self.windows).astype(int)
        self.second = np.minimum(self.change + self.windows // 6, self.windows - 4)
        self.size = draw.choice([-1.0, -1.0, 1.0], meters) * draw.uniform(0.028, 0.09, meters)
        time = np.linspace(0.0, 1.0, self.windows)
        truth = draw.normal(0.0, 0.004, (meters, 1)) + np.zeros((meters, self.windows))
        for k, kind in enumerate(self.kinds):
            after = np.arange(self.windows) >= self.change[k]
            if kind in {"step", "offset", "low"}:
                truth[k] += np.where(after, -abs(self.size[k]) if kind == "low" else self.size[k], 0.0)
            elif kind == "drift":
                truth[k] += self.size[k] * time
            elif kind == "three":
                late = np.arange(self.windows) >= self.second[k]
                truth[k] += np.where(late, self.size[k], np.where(after, -0.6 * self.size[k], 0.0))
        self.truth = truth
        self.se = draw.uniform(0.002, 0.006, (meters, self.windows))
        scatter = np.array([0.05 if kind == "scatter" else 0.0 for kind in self.kinds])[:, None]
        self.error = truth + draw.normal(0.0, 1.0, truth.shape) * np.hypot(self.se, scatter)
        q3 = np.array([MODELS[model][2] for model in self.models])[:, None]
        season = 1 + 0.25 * np.sin(2 * np.pi * (time + 0.1))
        self.volume = q3 / 1600 * 190 * season * draw.lognormal(-0.1, 0.45, truth.shape)
        self.volume[draw.random(truth.shape) < 0.02] = 0.0
        self.meter_volume = self.volume * (1 + self.error)
        limit = np.array([MODELS[model][5] for model in self.models])[:, None]
        far, unsure = np.abs(self.error) - limit, 2 * np.hypot(self.se, 0.0025)
        verdict = np.where(far > unsure, "steady", np.where(far < -unsure, "healthy", "inconclusive")).astype(object)
        verdict[np.array([kind == "scatter" for kind in self.kinds])] = "unsteady"
        verdict[self.volume == 0.0] = "inconclusive"
        verdict[np.array(self.silent)] = "inconclusive"
        self.verdict = verdict


def limits(codes: Sequence[str], models: Sequence[str]) -> pl.DataFrame:
    numbers = [MODELS[model] for model in models]
    names = ("q1_lph", "q2_lph", "q3_lph", "q4_lph", "mpe_low", "mpe_high")
    columns = {name: [row[k] for row in numbers] for k, name in enumerate(names)}
    return pl.DataFrame({"feature_code": list(codes), "model": list(models), **columns})


def _when(window: float) -> datetime:
    return START + float(window) * LENGTH


def windows_of(fleet: Fleet, codes: Sequence[str]) -> pl.DataFrame:
    places = {code: k for k, code in enumerate(fleet.codes)}
    parts = []
    for code in codes:
        k = places[code]
        verdict = fleet.verdict[k]
        dry = fleet.volume[k] == 0.0
        parts.append(
            pl.DataFrame(
                {
                    "feature_code": [code] * fleet.windows,
                    "flowmeter_id": [f"FM-{k:04d}"] * fleet.windows,
                    "model": [fleet.models[k]] * fleet.windows,
                    "window_start": [_when(w) for w in range(fleet.windows)],
                    "window_end": [_when(w + 1) for w in range(fleet.windows)],
                    "verdict": verdict.tolist(),
                    "reason": [
                        "no_flow" if still else _REASONS[each] for still, each in zip(dry, verdict, strict=True)
                    ],
                    "n_pairs": [0 if fleet.silent[k] else 48] * fleet.windows,
                    "n_flowing": np.where(dry, 0, 21).tolist(),
                    "coverage": [1.0] * fleet.windows,
                    "volume_error": [None if still else e for still, e in zip(dry, fleet.error[k], strict=True)],
                    "volume_l": fleet.volume[k],
                    "meter_volume_l": fleet.meter_volume[k],
                    "error": [None if still else e for still, e in zip(dry, fleet.error[k], strict=True)],
                    "error_se": fleet.se[k],
                    "reference_uncertainty": [0.0025] * fleet.windows,
                }
            )
        )
    frame = pl.concat(parts) if parts else pl.DataFrame(schema={"feature_code": pl.String})
    missing = [pl.lit(None, kind).alias(name) for name, kind in AUDIT_WINDOWS.items() if name not in frame.columns]
    return frame.with_columns(missing).select([pl.col(name).cast(kind) for name, kind in AUDIT_WINDOWS.items()])


_REASONS = {
    "healthy": "within_mpe",
    "steady": "linear_mapping",
    "unsteady": "scatter",
    "inconclusive": "undecided",
}


def points_of(fleet: Fleet, code: str) -> pl.DataFrame | None:
    k = fleet.codes.index(code)
    if k % 29 == 7:
        return None
    draw = np.random.default_rng(k)
    q1, _, q3, *_ = MODELS[fleet.models[k]]
    window = np.sort(draw.integers(0, fleet.windows, 600))
    q = np.exp(draw.uniform(np.log(q1 * 0.8), np.log(q3 * 0.8), 600))
    q[::9] = 0.0
    noise = draw.normal(0.0, 0.05 if fleet.kinds[k] == "scatter" else 0.008, 600)
    q_meter = np.round(q * (1 + fleet.truth[k][window] + noise), 1)
    times = [_when(w + 0.5) for w in window]
    return pl.DataFrame(
        {"feature_code": [code] * 600, "timestamp": times, "q_lph": np.round(q, 1), "q_meter_lph": q_meter},
        schema=PAIRS,
    )


def meters_of(fleet: Fleet) -> pl.DataFrame:
    rows = []
    for k, code in enumerate(fleet.codes):
        kind, silent = fleet.kinds[k], fleet.silent[k]
        volume, registered = float(fleet.volume[k].sum()), float(fleet.meter_volume[k].sum())
        missed = registered - volume
        each = fleet.meter_volume[k] - fleet.volume[k]
        under, over = float(-each[each < 0].sum()), float(each[each > 0].sum())
        if not kind:
            under, over = max(0.0, -missed), max(0.0, missed)
        count = {name: int((fleet.verdict[k] == name).sum()) for name in _REASONS}
        last = float(fleet.truth[k][-1])
        limit = MODELS[fleet.models[k]][5]
        outside = abs(last) > limit + 0.006
        drift = float(fleet.size[k]) / (fleet.windows / 60.9) if kind == "drift" else float(fleet.truth[k][0]) / 90
        drift -= 0.0009 if fleet.models[k] == "UWM-20 R160" and not kind else 0.0
        spread = 0.0004 if kind == "drift" else 0.0006
        rows.append(
            {
                "feature_code": code,
                "model": fleet.models[k],
                "site": SITES[k % 4],
                "flowmeter_id": f"FM-{k:04d}",
                "installed_on": date(2012 + k % 12, 1 + k % 12, 5),
                "n_windows": fleet.windows,
                **{f"n_{name}": many for name, many in count.items()},
                "n_regimes": {"step": 2, "offset": 2, "low": 2, "three": 3}.get(kind, 1),
                **(
                    {}
                    if silent
                    else {
                        "volume_l": volume,
                        "misregistered_l": missed,
                        "misregistered_low_l": missed - 0.0055 * volume,
                        "misregistered_high_l": missed + 0.0055 * volume,
                        "under_l": under,
                        "over_l": over,
                        "volume_error": missed / volume,
                        "drift_per_month": drift,
                        "drift_low": drift - spread,
                        "drift_high": drift + spread,
                        "error_q1_q2": last * 1.3 + 0.004,
                        "uncertainty_q1_q2": 0.012,
                        "error_q2_q3": last,
                        "uncertainty_q2_q3": 0.0061,
                        "error_q3_q4": None,
                        "weighted_error": last * 1.02,
                        "weighted_error_low": last * 1.02 - 0.006,
                        "weighted_error_high": last * 1.02 + 0.006,
                        "one_sign": "mixed" if abs(last) < 0.003 else "high" if last > 0 else "low",
                        "on_verification": "outside" if outside else "inside" if abs(last) < limit - 0.006 else "open",
                        "in_service": "outside" if abs(last) > 2 * limit + 0.006 else "inside",
                        "under_billed": under / 1000 * PRICE,
                        "over_billed": over / 1000 * PRICE,
                        "currency": CURRENCY,
                        "net_under_billed_low": (under - over - 40) / 1000 * PRICE,
                        "net_under_billed_high": (under - over + 40) / 1000 * PRICE,
                        "unpriced_l": 0.0,
                    }
                ),
                **(
                    {
                        "crosses_on": date(2025, 3, 1) + timedelta(days=k % 300),
                        "crosses_low": date(2025, 2, 1) + timedelta(days=k % 300),
                        "crosses_high": date(2025, 4, 15) + timedelta(days=k % 300) if k % 3 else None,
                    }
                    if kind == "drift"
                    else {}
                ),
                "flagged": bool(kind),
                "flag": {"scatter": "scatter", "drift": "drifting"}.get(kind, "linear_mapping") if kind else None,
            }
        )
    return pl.DataFrame(rows, schema=AUDIT_METERS)


def regimes_of(fleet: Fleet) -> pl.DataFrame:
    rows = []
    for k, code in enumerate(fleet.codes):
        if fleet.silent[k]:
            continue
        kind = fleet.kinds[k]
        edges = [0, fleet.windows]
        if kind in {"step", "offset", "low"}:
            edges = [0, int(fleet.change[k]), fleet.windows]
        elif kind == "three":
            edges = [0, int(fleet.change[k]), int(fleet.second[k]), fleet.windows]
        for regime, (begin, end) in enumerate(pairwise(edges), start=1):
            rows.append(_regime(fleet, k, code, kind, regime, begin, end))
    return pl.DataFrame(rows, schema=REGIMES)


def _regime(fleet: Fleet, k: int, code: str, kind: str, regime: int, begin: int, end: int) -> dict[str, Any]:
    volume = float(fleet.volume[k, begin:end].sum())
    missed = float(fleet.meter_volume[k, begin:end].sum()) - volume
    error = missed / volume if volume else 0.0
    off = abs(error) > MODELS[fleet.models[k]][5]
    form = "unsteady" if kind == "scatter" else ("offset" if kind == "offset" else "linear") if off else "healthy"
    return {
        "feature_code": code,
        "regime": regime,
        "begins": _when(begin),
        "begins_low": _when(begin - 3) if begin else _when(begin),
        "begins_high": _when(begin + 4) if begin else _when(begin),
        "ends": _when(end),
        "form": form,
        "a1": 1.0 if form == "offset" else 1 + error,
        "a1_se": 0.0006,
        "a2": error * volume / ((end - begin) * 12) if form == "offset" else 0.0,
        "a2_se": 0.2,
        "volume_error": error,
        "volume_error_low": error - 0.0055,
        "volume_error_high": error + 0.0055,
        "drift_per_month": float(fleet.size[k]) / (fleet.windows / 60.9) if kind == "drift" else None,
        "n_windows": end - begin,
        "volume_l": volume,
        "misregistered_l": missed,
        "misregistered_low_l": missed - 0.0055 * volume,
        "misregistered_high_l": missed + 0.0055 * volume,
    }


def groups_of(_fleet: Fleet, table: pl.DataFrame) -> pl.DataFrame:
    q3 = {model: f"Q3 = {numbers[2] / 1000:g} m³/h" for model, numbers in MODELS.items()}
    bands = pl.when(pl.col("installed_on").dt.year() < 2016).then(pl.lit("2012 to 2015"))
    cut = table.with_columns(
        size=pl.col("model").replace(q3),
        age=bands.when(pl.col("installed_on").dt.year() < 2020)
        .then(pl.lit("2016 to 2019"))
        .otherwise(pl.lit("2020 to 2023")),
    )
    parts = []
    for by in ("model", "age", "size", "site"):
        parts.append(
            cut.group_by(group=pl.col(by))
            .agg(
                n_meters=pl.len(),
                n_judged=pl.col("volume_l").count(),
                n_flagged=pl.col("flagged").sum(),
                n_outside=(pl.col("on_verification") == "outside").sum(),
                median_error=pl.col("volume_error").median(),
                median_drift_per_month=pl.col("drift_per_month").median(),
                drift_low=pl.col("drift_per_month").median() - 0.0009 / pl.len().sqrt() * 5,
                drift_high=pl.col("drift_per_month").median() + 0.0009 / pl.len().sqrt() * 5,
                volume_l=pl.col("volume_l").sum(),
                misregistered_l=pl.col("misregistered_l").sum(),
                misregistered_low_l=pl.col("misregistered_l").sum() - 0.0011 * pl.col("volume_l").sum(),
                misregistered_high_l=pl.col("misregistered_l").sum() + 0.0011 * pl.col("volume_l").sum(),
            )
            .sort("group")
            .with_columns(by=pl.lit(by))
        )
    return pl.concat(parts).select([pl.col(name).cast(kind) for name, kind in AUDIT_FLEET.items()])
