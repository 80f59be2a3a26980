"""Whole runs on faulty registers: each fault becomes flows or a reason that report and explanation name."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from flows.audit.desk import Desk
from flows.audit.plan import Setting
from flows.audit.registers import registers_of_meters
from flows.cli.common import make_context
from flows.explain import explain
from flows.window import parties_of
from reports.explain import caveats
from reports.registers import of_one
from tests.workspaces import START, Small, demand, noisy
from transforms.lake import Lake
from transforms.match.register_findings import register_findings
from transforms.policy import load_policy
from transforms.windows import Window

REFERENCE = noisy(demand(3.0))


def register(begin: float = 5_000.0, step: float = 0.0) -> list[float | None]:
    """A sound register over the demand [L]; with a step it shows whole multiples of that only."""
    total, shown = begin, []
    for flow in demand(3.0):
        total += flow / 4
        shown.append(total - total % step if step else round(total, 1))
    return list(shown)


def faulty() -> dict[str, list[float | None]]:
    sound = register()
    gap = [None if 20 <= k < 26 else value for k, value in enumerate(sound)]
    back = [value - 30.0 if k in (20, 30, 40) and value is not None else value for k, value in enumerate(sound)]
    wide = register(9_999_000.0)
    reset = [value - 5_000.0 + (0 if k < 24 else -float(sound[23] or 0) + 5_000.0) if k >= 24 and value else value
             for k, value in enumerate(sound)]  # fmt: skip
    jump = [value + 90_000.0 if k >= 24 and value is not None else value for k, value in enumerate(sound)]
    return {
        "SOUND": sound,
        "ROLLED": [None if value is None else value % 1e7 for value in wide],
        "UNKNOWN-WIDTH": [None if value is None else value % 1e7 for value in wide],
        "RESET": reset,
        "EXCHANGED": jump,
        "BACK": back,
        "GAP": gap,
        "FROZEN": [5_000.0] * len(sound),
        "COARSE": register(5_000.0, 1_000.0),
    }


#: what each fault ends as: verdict, reason, and what is found in the register (None: nothing to say)
EXPECTED = {
    "SOUND": ("healthy", "within_mpe", None),
    "ROLLED": ("healthy", "within_mpe", "register_rollover"),
    "UNKNOWN-WIDTH": ("healthy", "within_mpe", "register_width_unknown"),
    "RESET": ("healthy", "within_mpe", "register_reset"),
    "EXCHANGED": ("healthy", "within_mpe", "register_jump"),
    "BACK": ("unsteady", "reverse_flow", "register_backwards"),
    "GAP": ("healthy", "within_mpe", "register_gap"),
    "FROZEN": ("unsteady", "stuck", "register_frozen"),
    "COARSE": ("inconclusive", "meter_missing", "register_coarse"),
}


def test_every_fault_of_a_register_is_flows_or_a_reason(tmp_path: Path) -> None:
    meters = faulty()
    small = Small(tmp_path).registry(list(meters))
    lines = "".join(f"{code},T-R160,{'1e7' if code == 'ROLLED' else ''}\n" for code in meters)
    (tmp_path / "registry" / "meters.csv").write_text("feature_code,model,rollover_l\n" + lines)
    small.dump("meter", meters, column="volume_l").dump("flowmeter", dict.fromkeys(meters, REFERENCE))
    assert small.run() == 0
    verdicts = small.verdicts()
    assert {code: (row["verdict"], row["reason"]) for code, row in verdicts.items()} == {
        code: (verdict, reason) for code, (verdict, reason, _) in EXPECTED.items()
    }
    # no command to a meter whose register alone is odd
    assert small.lines("commands.jsonl") == []
    # 47 intervals with a flow (the first reading ever has none before it), but for the steps that tell none
    lost = {"UNKNOWN-WIDTH": 1, "RESET": 1, "EXCHANGED": 1, "GAP": 7, "COARSE": 47}
    assert {code: row["n_pairs"] for code, row in verdicts.items()} == {code: 47 - lost.get(code, 0) for code in meters}

    page = (tmp_path / "reports" / small.folder().name / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r"register_\w+", page)) == {"register_coarse", "register_frozen", "register_backwards"}
    context = make_context(tmp_path, None)
    lake = Lake.open(context.workspace)
    parties = parties_of(context, lake).split(lake.n_buckets)
    with context.database() as con:
        window = Window(START, timedelta(hours=12))
        found = [register_findings(con, lake, bucket, window, own, [*meters]) for bucket, own in enumerate(parties)]
    rows = {row["feature_code"]: row for row in pl.concat(found).iter_rows(named=True)}
    assert {code: row["finding"] for code, row in rows.items()} == {
        code: finding for code, (_, _, finding) in EXPECTED.items() if finding
    }
    assert "likely 10\u202f000\u202f000\u202fL" in of_one(rows["UNKNOWN-WIDTH"])
    # an audit counts the same over its span
    policy = load_policy(tmp_path / "registry" / "policy.toml")
    windows = (window,)
    setting = Setting(context.workspace, context.workspace.registry, policy, None, windows, "test", tmp_path / "work")
    audited = registers_of_meters(Desk(setting), [*meters])
    assert_frame_equal(audited, pl.concat(found).sort("feature_code", "finding"))
    assert registers_of_meters(Desk(setting), []).is_empty()
    assert caveats(explain(context, "COARSE", None, None)) == [of_one(rows["COARSE"])]
