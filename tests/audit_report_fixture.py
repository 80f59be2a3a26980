"""A made-up audit by seed, as the report of an audit takes it; plain, and with names that mean harm."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from reports.audit.view import AuditView
from tests.audit_fleet_fixture import (
    LENGTH,
    MODELS,
    START,
    Fleet,
    groups_of,
    limits,
    meters_of,
    points_of,
    regimes_of,
    windows_of,
)
from tests.run_report_fixture import HOSTILE
from transforms.schemas import NOT_JUDGED

POLICY = 'tolerance = 1.0\n\n[window]\nlength = "12h"\n\n[judge]\nsignificance = 0.0001\n'


def fake_audit(meters: int = 400, flagged: int = 60, days: int = 365, seed: int = 5, **changes: Any) -> AuditView:
    """An audit of so many meters over so many days, of which so many are off. ``changes`` replace fields of the view."""
    fleet = Fleet(meters, flagged, days, seed)
    table, regimes = meters_of(fleet), regimes_of(fleet)
    end = START + fleet.windows * LENGTH
    low, high = 1.25 * table["misregistered_low_l"].sum() * 0.9, table["misregistered_high_l"].sum() * 0.75
    given: dict[str, Any] = {
        "meters": table,
        "regimes": regimes,
        "fleet": groups_of(fleet, table),
        "not_judged": _not_judged(table, end),
        "windows": lambda codes, columns: windows_of(fleet, codes).select(columns),
        "points": lambda code: points_of(fleet, code),
        "summary": {
            "volume": {
                "volume_l": float(table["volume_l"].sum()),
                "misregistered_l": float(table["misregistered_l"].sum()),
                "misregistered_low_l": float(min(low, table["misregistered_l"].sum() - 900)),
                "misregistered_high_l": float(max(high, table["misregistered_l"].sum() + 900)),
            }
        },
        "facts": _facts(end),
        "what_if": _what_if(table),
        "limits": limits(fleet.codes, fleet.models),
        "in_service": 2.0,
    }
    return AuditView(**{**given, **changes})


def _not_judged(table: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """Of each meter with windows without a verdict one row, and of the first meter two."""
    rows = table.filter(pl.col("n_inconclusive") > 0).select(
        "feature_code", reason=pl.lit("no_flow"), n_windows="n_inconclusive", first=pl.lit(START), last=pl.lit(end),
        volume_l=pl.lit(12.5),
    )  # fmt: skip
    second = rows.head(1).with_columns(reason=pl.lit("undecided"), n_windows=pl.lit(1, pl.Int64))
    return pl.concat([rows, second]).select(pl.col(name).cast(kind) for name, kind in NOT_JUDGED.items())


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _facts(end: datetime) -> dict[str, Any]:
    inputs = [
        {
            "file": f"raw/{stream}/2024-{month:02d}.csv.gz",
            "stream": stream,
            "source": "",
            "sha256": digest(f"{stream}{month}"),
            "bytes": 1_048_576 + month,
            "read": 900_000,
            "accepted": 899_000 - 3 * month,
            "duplicate": 1_000,
            "quarantined": 3 * month,
            "reasons": {"bad_timestamp": 3 * month},
        }
        for month in (7, 8, 9, 10)
        for stream in ("meter", "flowmeter")
    ]
    totals = {key: sum(entry[key] for entry in inputs) for key in ("read", "accepted", "duplicate", "quarantined")}
    return {
        "from": START.isoformat().replace("+00:00", "Z"),
        "to": end.isoformat().replace("+00:00", "Z"),
        "window": "12h",
        "workspace": "riverside",
        "digest": digest("audit")[:32],
        "code_version": "0.1.0",
        "policy": POLICY,
        "policy_digest": digest("policy"),
        "registry_digest": digest("registry"),
        "versions": {"duckdb": "2.0.1", "numpy": "2.3.0", "polars": "2.1.0", "python": "3.11.9"},
        "command": f"meterwright audit --from 2024-07-01T00:00:00Z --to {end:%Y-%m-%dT%H:%M:%SZ} --window 12h",
        "inputs": inputs,
        "rows": {**totals, "reasons": {"bad_timestamp": totals["quarantined"]}},
    }


def _what_if(table: pl.DataFrame) -> dict[str, Any]:
    """Two policies of which the second calls fourteen meters steady that the first does not."""
    differ = table.filter("flagged").head(14)
    meters = differ.select(
        "feature_code",
        "n_windows",
        n_differ=pl.col("n_inconclusive"),
        n_steady_a=pl.col("n_steady"),
        n_steady_b=pl.col("n_steady") + pl.col("n_inconclusive"),
        commanded_a=pl.col("n_steady") > 10_000,
        commanded_b=pl.lit(True),
    )
    many = int(meters["n_differ"].sum())
    words = {"verdict_a": "inconclusive", "reason_a": "undecided", "verdict_b": "steady", "reason_b": "linear_mapping"}
    return {
        "summary": {
            "windows": int(table["n_windows"].sum()),
            "windows_that_differ": many,
            "meters": table.height,
            "meters_that_differ": meters.height,
            "commanded": {"a": 46, "b": 60, "only_a": [], "only_b": meters["feature_code"].to_list()},
            "verdicts": [
                {
                    "verdict_a": "healthy",
                    "reason_a": "within_mpe",
                    "verdict_b": "healthy",
                    "reason_b": "within_mpe",
                    "n": 9,
                },
                {**words, "n": many},
            ],
        },
        "pairs": pl.DataFrame([{**words, "n": many}]),
        "meters": meters,
        "a": {"name": "policy.toml", "digest": digest("policy"), "policy": POLICY},
        "b": {"name": "policy-b.toml", "digest": digest("b"), "policy": POLICY.replace("0.0001", "0.01")},
        "notes": ["Commands are told by each window alone, without the state of the loop."],
    }


def hostile_audit() -> AuditView:
    """A small audit whose meters, models, sites, files and groups have names that mean harm."""
    plain = fake_audit(meters=36, flagged=len(HOSTILE) + 2, days=30)
    wanted = plain.meters.filter("flagged")["feature_code"].to_list()
    evil = [*HOSTILE, "../../etc/passwd", "Ж" * 500]
    names = dict(zip(wanted, evil, strict=True))
    back = {new: old for old, new in names.items()}
    names_of_models = {model: HOSTILE[k] for k, model in enumerate(MODELS)}

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        named = frame.with_columns(pl.col("feature_code").replace(names))
        return named.with_columns(pl.col("model").replace(names_of_models)) if "model" in frame.columns else named

    def windows(codes: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
        known = list(dict.fromkeys(("feature_code", *columns)))
        return renamed(plain.windows([back.get(code, code) for code in codes], known)).select(columns)

    def points(code: str) -> pl.DataFrame | None:
        found = plain.points(back.get(code, code))
        return None if found is None else renamed(found)

    facts = {
        **plain.facts,
        "workspace": HOSTILE[0],
        "policy": HOSTILE[6],
        "code_version": HOSTILE[1],
        "inputs": [
            {**entry, "file": f"raw/meter/{name}.csv", "source": name, "note": name}
            for entry, name in zip(plain.facts["inputs"] * 2, HOSTILE, strict=False)
        ],
    }
    return AuditView(
        meters=renamed(plain.meters).with_columns(
            site=pl.lit(HOSTILE[2]),
            flowmeter_id=pl.lit(HOSTILE[1]),
            currency=pl.lit(HOSTILE[0]),
            flag=pl.lit(HOSTILE[3]),
        ),
        regimes=renamed(plain.regimes),
        fleet=plain.fleet.with_columns(group=pl.lit(HOSTILE[0])),
        not_judged=renamed(plain.not_judged).with_columns(reason=pl.lit(HOSTILE[3])),
        windows=windows,
        points=points,
        summary=plain.summary,
        facts=facts,
        what_if=_hostile_what_if(plain.what_if or {}, renamed, names),
        language=HOSTILE[1],
        limits=renamed(plain.limits),
        in_service=2.0,
    )


def _hostile_what_if(given: dict[str, Any], renamed: Any, names: dict[str, str]) -> dict[str, Any]:
    commanded = given["summary"]["commanded"]
    only = [names.get(code, code) for code in commanded["only_b"]]
    return {
        **given,
        "summary": {**given["summary"], "commanded": {**commanded, "only_b": only}},
        "meters": renamed(given["meters"]),
        "a": {"name": HOSTILE[0], "digest": HOSTILE[1], "policy": HOSTILE[6]},
        "b": {"name": HOSTILE[3], "digest": HOSTILE[5], "policy": HOSTILE[0]},
        "notes": [HOSTILE[0]],
    }
