"""A believable run to look at: a fleet with commands, work orders, meters not judged, and dumps with faults."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from reports.run import RunReport
from transforms.schemas import PAIRS, VERDICTS

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=12)
RUN = "20260101T000000Z_12h_r1"
MODELS = {
    "US-20": {
        "q1": 16.0,
        "q2": 25.6,
        "q3": 2500.0,
        "q4": 3125.0,
        "mpe_low": 0.05,
        "mpe_high": 0.02,
        "band": (3.0, 60.0),
    },
    "US-25": {
        "q1": 25.2,
        "q2": 40.3,
        "q3": 4000.0,
        "q4": 5000.0,
        "mpe_low": 0.03,
        "mpe_high": 0.01,
        "band": (5.0, 90.0),
    },
}
#: feature code -> (form, a1, a2, state, reason) of the commanded meters
COMMANDED = {
    "WM-0007": ("linear", 1.031, 4.2, "ready", "linear_mapping"),
    "WM-0019": ("offset", 1.0, 9.6, "ready", "offset_in_band"),
    "WM-0033": ("linear", 0.942, -6.1, "ready", "linear_in_band"),
    "WM-0058": ("offset", 1.0, -14.3, "held", "offset_mapping"),
    "WM-0091": ("linear", 1.118, 0.0, "held", "linear_in_band"),
    "WM-0120": ("linear", 0.975, 11.9, "ready", "linear_mapping"),
}
#: feature code -> (reason, priority, verdict) of the ordered visits
ORDERED = {
    "WM-0044": ("beyond_limits", "high", "steady"),
    "WM-0071": ("stuck", "high", "unsteady"),
    "WM-0102": ("scatter", "normal", "unsteady"),
    "WM-0133": ("drifting", "low", "unsteady"),
}
UNJUDGED = ["no_flow", "no_flow", "too_few_pairs", "reference_expired", "no_flow", "meter_missing", "undecided"]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def demand(rng: np.random.Generator, many: int) -> np.ndarray:
    """A household's flow [L/h]: mostly nothing, sometimes a tap, seldom a shower."""
    flowing = rng.random(many) < 0.6
    return np.where(flowing, np.round(rng.gamma(1.4, 260.0, many) + 20.0, 1), 0.0)


def _reading(code: str, q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = 1 + rng.normal(0, 0.006, len(q))
    if code in COMMANDED:
        _, a1, a2, _, _ = COMMANDED[code]
        return np.where(q > 0, np.maximum(a1 * q * noise + a2, 0), 0)
    reason = ORDERED[code][0]
    if reason == "beyond_limits":
        return q * 0.69 * noise
    if reason == "stuck":
        return np.full(len(q), 84.0)
    if reason == "drifting":
        return q * noise * np.linspace(1.0, 1.16, len(q))
    return np.maximum(q * (1 + rng.normal(0, 0.22, len(q))), 0)


def samples(codes: list[str], every: timedelta = timedelta(minutes=15), seed: int = 7) -> pl.DataFrame:
    many = int((END - START) / every)
    times = [START + k * every for k in range(many)]
    frames = []
    for number, code in enumerate(codes):
        rng = np.random.default_rng([seed, number])
        q = demand(rng, many)
        known = code if code in COMMANDED or code in ORDERED else [*COMMANDED, *ORDERED][number % 10]
        frames.append(
            pl.DataFrame({"feature_code": code, "timestamp": times, "q_lph": q, "q_meter_lph": _reading(known, q, rng)})
        )
    return pl.concat(frames).select(pl.col(name).cast(kind) for name, kind in PAIRS.items())


def _verdict(code: str, number: int, rng: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(VERDICTS)
    row |= {"feature_code": code, "flowmeter_id": f"FM-{number:04d}", "model": "US-25" if number % 5 == 0 else "US-20"}
    row |= {
        "window_start": START,
        "window_end": END,
        "n_pairs": 48,
        "n_flowing": int(rng.integers(18, 34)),
        "coverage": 1.0,
    }
    if code in COMMANDED:
        form, a1, a2, _, reason = COMMANDED[code]
        row |= {"verdict": "steady", "form": form, "reason": reason, "volume_error": a1 - 1 + a2 / 380}
        row |= {"a1": a1, "a1_se": 0.0011, "a2": a2, "a2_se": 0.62, "r2": 0.9996, "residual_std_lph": 3.1}
        row |= {"q_min_lph": 21.4, "q_max_lph": 1310.0, "mean_diff_lph": (a1 - 1) * 380 + a2, "share_in_band": 0.97}
        row |= {"error_q1_q2": a1 - 1 + a2 / 23, "error_q2_q3": a1 - 1 + a2 / 400}
    elif code in ORDERED:
        reason, _, verdict = ORDERED[code]
        error = {"beyond_limits": -0.31, "stuck": -0.74, "scatter": 0.041, "drifting": 0.08}[reason]
        row |= {"verdict": verdict, "form": "linear" if verdict == "steady" else None, "volume_error": error}
        row |= {"reason": "linear_mapping" if verdict == "steady" else reason, "residual_std_lph": 61.0, "r2": 0.83}
        if verdict == "steady":
            row |= {"a1": 0.69, "a1_se": 0.001, "a2": 0.1, "a2_se": 0.4, "q_min_lph": 21.0, "q_max_lph": 1200.0}
    elif number % 7 == 3:
        row |= {"verdict": "inconclusive", "reason": UNJUDGED[number // 7 % len(UNJUDGED)], "n_flowing": 0}
    else:
        row |= {"verdict": "healthy", "reason": "within_mpe", "volume_error": float(rng.normal(0.001, 0.005))}
        row |= {"error_q2_q3": row["volume_error"], "correlation": 0.9998}
    return row


def _command(code: str, number: int) -> dict[str, Any]:
    form, a1, a2, state, _ = COMMANDED[code]
    return {
        "schema": "meterwright.command/1",
        "command_id": digest(f"command {code}"),
        "feature_code": code,
        "model": "US-20",
        "sequence": 1 + number % 3,
        "supersedes": digest(f"older {code}") if number % 3 else None,
        "run_id": RUN,
        "window_start": "2026-01-01T00:00:00Z",
        "window_end": "2026-01-01T12:00:00Z",
        "issued_at": "2026-01-03T12:05:00Z",
        "expires_at": "2026-01-06T12:05:00Z",
        "state": state,
        "form": form,
        "a1": a1,
        "a1_se": 0.0011,
        "a2": a2,
        "a2_se": 0.62,
        "q_min_lph": 21.4,
        "q_max_lph": 1310.0,
        "procedure": ["pause", "apply", "self_test", "report"],
        "correction": {"gain": 1 / a1, "offset_lph": -a2 / a1},
    }


def _order(code: str, verdict: dict[str, Any]) -> dict[str, Any]:
    reason, priority, _ = ORDERED[code]
    evidence: dict[str, Any] = {
        "volume_error": verdict["volume_error"],
        "n_flowing": 28,
        "residual_std_lph": 61.0,
        "r2": 0.83,
    }
    if reason == "beyond_limits":
        evidence |= {"form": "linear", "a1": 0.69, "a1_se": 0.001, "a2": 0.1, "a2_se": 0.4, "share_in_band": 0.12}
        evidence |= {"gain_wanted": 1.449275, "max_gain_change": 0.25, "offset_wanted_lph": -0.1}
    return {
        "schema": "meterwright.work_order/1",
        "order_id": digest(f"order {code}"),
        "feature_code": code,
        "reason": reason,
        "evidence": evidence,
        "since": "2025-12-31T12:00:00Z",
        "priority": priority,
    }


def _input(file: str, read: int, duplicate: int, reasons: dict[str, int]) -> dict[str, Any]:
    stream, set_aside = file.split("/")[1], sum(reasons.values())
    counts = {"read": read, "accepted": read - duplicate - set_aside, "duplicate": duplicate, "quarantined": set_aside}
    return {
        "file": file,
        "stream": stream,
        "source": stream,
        "sha256": digest(file),
        "bytes": 71 * read,
        **counts,
        "reasons": reasons,
    }


def manifest(verdicts: pl.DataFrame, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    for entry in inputs:
        for code, many in entry["reasons"].items():
            reasons[code] = reasons.get(code, 0) + many
    totals = {key: sum(entry[key] for entry in inputs) for key in ("read", "accepted", "duplicate", "quarantined")}
    counts = {key: dict(verdicts.group_by(key).len().sort(key).rows()) for key in ("verdict", "reason")}
    return {
        "run_id": RUN,
        "window_start": "2026-01-01T00:00:00Z",
        "window_end": "2026-01-01T12:00:00Z",
        "revision": 1,
        "issued_at": "2026-01-03T12:05:00Z",
        "policy_digest": digest("policy"),
        "registry_digest": digest("registry"),
        "code_version": "0.1.0",
        "counts": {**counts, "commands": 6, "held": 2, "notices": 6, "work_orders": 4},
        "rows": {**totals, "reasons": reasons},
        "inputs": inputs,
    }


def fake_report(meters: int = 150) -> RunReport:
    """A run of some meters: 6 commands, 4 work orders, a seventh of the rest not judged."""
    rng = np.random.default_rng(20260101)
    names = [f"WM-{number:04d}" for number in range(1, meters + 1)]
    rows = [_verdict(code, number, rng) for number, code in enumerate(names, start=1)]
    verdicts = pl.DataFrame(rows, schema=VERDICTS)
    models = [(code, MODELS[model]) for code, model in verdicts.select("feature_code", "model").iter_rows()]
    limits = pl.DataFrame(
        [
            {"feature_code": code, "band_low": m["band"][0], "band_high": m["band"][1]}
            | {key: m[key] for key in ("mpe_low", "mpe_high", "q1", "q2", "q3", "q4")}
            for code, m in models
        ]
    )
    before = (
        verdicts.select("feature_code", "verdict", "reason")
        .with_row_index("row")
        .with_columns(
            verdict=pl.when(pl.col("row") % 23 == 6)
            .then(pl.lit("steady"))
            .when(pl.col("row") % 11 == 3)
            .then(pl.lit("healthy"))
            .otherwise("verdict")
        )
    )
    inputs = [
        _input("raw/meter/2026-01-01_a.csv.gz", 5_184, 0, {}),
        _input("raw/meter/2026-01-01_b.jsonl", 2_016, 96, {"negative": 3, "no_offset": 11}),
        _input("raw/flowmeter/2026-01-01.parquet", 6_912, 48, {}),
        _input("raw/flowmeter/late.csv", 288, 0, {"unreadable_file": 1, "absurd": 2}),
    ]
    return RunReport(
        manifest=manifest(verdicts, inputs),
        verdicts=verdicts,
        commands=[_command(code, number) for number, code in enumerate(COMMANDED)],
        work_orders=[_order(row["feature_code"], row) for row in rows if row["feature_code"] in ORDERED],
        samples=samples([*COMMANDED, *ORDERED]),
        previous=before.filter(pl.col("row") % 60 != 59).select("feature_code", "verdict", "reason"),
        limits=limits,
    )


#: codes that try to be markup, a formula, a change of direction, or simply too long
HOSTILE = (
    "<script>window.hit=1</script>",
    "\"'><img src=x onerror=window.hit=1>",
    "=cmd|' /C calc'!A0",
    "WM-\u202e9990-LTR\u2066\u200f",
    "M" * 128,
    "{{ 7 * 7 }}{% raw %}",
    "]]></svg></style></title><b>bold</b>",
    "javascript:alert(1)",
    "漢字-水表-０１",
    "nul\x07\x1b[31m\u2028line",
)


def hostile_report() -> RunReport:
    """The same run, with names from outside that mean harm: codes, flowmeters, models, files, sources and evidence."""
    plain = fake_report()
    names = dict(zip([*COMMANDED, *ORDERED], HOSTILE, strict=True))
    names |= {f"WM-{number:04d}": f"{HOSTILE[number % 10]}#{number}" for number in range(3, 150, 7)}

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("feature_code").replace(names))

    def record(entry: dict[str, Any]) -> dict[str, Any]:
        return entry | {"feature_code": names[entry["feature_code"]]}

    orders = [record(order) for order in plain.work_orders]
    orders[0]["evidence"] = {"note": HOSTILE[0], HOSTILE[1]: 1.5, "list": [HOSTILE[3], HOSTILE[4]]}
    commands = [record(command) | {"model": HOSTILE[number]} for number, command in enumerate(plain.commands)]
    inputs = [
        entry | {"file": f"raw/meter/{name}.csv", "source": name}
        for entry, name in zip(plain.manifest["inputs"] * 3, HOSTILE, strict=False)
    ]
    before = plain.previous
    return RunReport(
        manifest=manifest(plain.verdicts, inputs) | {"code_version": HOSTILE[0]},
        verdicts=renamed(plain.verdicts).with_columns(flowmeter_id=pl.lit(HOSTILE[1]), model=pl.lit(HOSTILE[0])),
        commands=commands,
        work_orders=orders,
        samples=renamed(plain.samples),
        previous=None if before is None else renamed(before),
        limits=renamed(plain.limits),
    )
