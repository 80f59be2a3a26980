"""The same judgement the usual way: pandas, and one statsmodels OLS per meter in a loop, for a sample, scaled up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.measuring import apart
from tests.bench.session import RUN, Session, say
from tests.bench.tables import show

SAMPLE, QUICK_SAMPLE = 300, 50
_PARTS = 4


@dataclass(frozen=True)
class Loop:
    """What the loop took and found.

    Attributes
    ----------
    join_s : float
        Reading the whole lake into pandas and joining the two streams of the whole fleet [s].
    loop_s : float
        The loop over the meters of the sample [s].
    meters, pairs : int
        Size of the sample.
    same_pairs : int
        Meters of the sample for which Meterwright counted the same number of pairs and of flowing pairs.
    furthest : float
        Largest difference between the two volume errors of a meter of the sample.
    """

    join_s: float
    loop_s: float
    meters: int
    pairs: int
    same_pairs: int
    furthest: float


def loop(root: Path, sample: int) -> Loop:
    """Join with pandas, then judge ``sample`` meters one by one; ``root`` has a lake and a run in its outbox."""
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]
    import statsmodels.api as sm  # imported before the clock starts

    from transforms.fleet import fleet_table
    from transforms.registry import load_registry
    from transforms.workspace import Workspace

    workspace = Workspace(root)
    fleet = pd.DataFrame(fleet_table(load_registry(workspace.registry)).to_dict(as_series=False)).set_index(
        "feature_code"
    )
    begun = time.perf_counter()
    pairs = _joined(pd, workspace)
    join_s = time.perf_counter() - begun
    codes = np.random.default_rng(0).choice(fleet.index.to_numpy(), min(sample, len(fleet)), replace=False)
    few = pairs[pairs["feature_code"].isin(codes)]
    begun = time.perf_counter()
    found = pd.DataFrame([_judged(sm, np, code, group, fleet) for code, group in few.groupby("feature_code")])
    loop_s = time.perf_counter() - begun
    counts = ["n_pairs", "n_flowing"]
    columns = ["feature_code", *counts, "volume_error"]
    ours = pd.read_parquet(workspace.run(RUN) / "verdicts.parquet", columns=columns)
    both = found.merge(ours, on="feature_code", suffixes=("", "_ours"))
    same = (both[counts].to_numpy() == both[[f"{name}_ours" for name in counts]].to_numpy()).all(axis=1)
    furthest = (both["volume_error"] - both["volume_error_ours"]).abs().max()
    return Loop(join_s, loop_s, len(codes), len(few), int(same.sum()), float(furthest))


def _joined(pd: Any, workspace: Any) -> Any:
    """All pairs of the fleet: ``feature_code, ts, q, q_meter``."""
    from transforms.lake import Lake

    lake = Lake.open(workspace)
    devices = pd.read_parquet(lake.root / str(lake.devices_file))
    preset = pd.read_csv(workspace.registry / "pairs.csv").set_index("flowmeter_id")["feature_code"]
    code = devices["feature_code"].fillna(devices["flowmeter_id"].map(preset))
    streams = {}
    for stream in ("meter", "flowmeter"):
        files = [lake.root / entry["path"] for entry in lake.files if entry["stream"] == stream]
        readings = pd.concat([pd.read_parquet(file, partitioning=None) for file in files], ignore_index=True)
        # The join is on numbers: a meter's device number stands for its feature code in both streams.
        streams[stream] = readings[["device_no", "ts", "flow_lph"]]
    meters = devices["stream"] == "meter"
    number = pd.Series(devices.loc[meters, "device_no"].to_numpy(), index=code[meters])
    partner = pd.Series(code.map(number).to_numpy(), index=devices["device_no"])
    reference = streams["flowmeter"].assign(device_no=streams["flowmeter"]["device_no"].map(partner))
    joined = streams["meter"].merge(reference, on=["device_no", "ts"], suffixes=("_meter", ""))
    named = pd.Series(code[meters].to_numpy(), index=devices.loc[meters, "device_no"])
    return joined.assign(feature_code=joined["device_no"].map(named)).rename(
        columns={"flow_lph": "q", "flow_lph_meter": "q_meter"}
    )


def _judged(sm: Any, np: Any, code: str, group: Any, fleet: Any) -> dict[str, Any]:
    """One meter: errors by flow zone, share of differences in the band, the fitted line and its drift over the window."""
    model = fleet.loc[code]
    group = group.sort_values("ts")
    flowing = group[group["q"] >= model["q1_lph"]]
    found: dict[str, Any] = {"feature_code": code, "n_pairs": len(group), "n_flowing": len(flowing)}
    if len(flowing) < 6:
        return found
    q, q_meter = flowing["q"], flowing["q_meter"]
    difference = q_meter - q
    found["volume_error"] = q_meter.sum() / q.sum() - 1
    low = q < model["q2_lph"]
    for zone, of_zone in (("q1_q2", low), ("q2_q4", ~low)):
        found[f"error_{zone}"] = q_meter[of_zone].sum() / q[of_zone].sum() - 1 if of_zone.any() else np.nan
    inside = difference.abs().between(model["band_low_lph"], model["band_high_lph"])
    share = max((inside & (difference > 0)).mean(), (inside & (difference < 0)).mean())
    line = sm.OLS(q_meter, sm.add_constant(q, has_constant="add")).fit()
    drift = [part.mean() for part in np.array_split(line.resid.to_numpy(), _PARTS)]
    found |= {
        "a1": line.params["q"],
        "a2": line.params["const"],
        "a1_se": line.bse["q"],
        "a2_se": line.bse["const"],
        "p": line.pvalues["q"],
        "r2": line.rsquared,
        "residual_std_lph": float(np.sqrt(line.mse_resid)),
        "drift_lph": max(drift) - min(drift),
        "share_in_band": share,
    }
    healthy = not (abs(found["error_q1_q2"]) > model["mpe_low"] or abs(found["error_q2_q4"]) > model["mpe_high"])
    steady = share >= model["proportion"] or line.rsquared > 0.99
    found["verdict"] = "healthy" if healthy else "steady" if steady else "unsteady"
    return found


def run(session: Session) -> None:
    """Print what the loop would take for the fleet, against Meterwright's matching, summing and judging of all of it."""
    meters = session.meters
    steps = session.steps(meters)
    say("pandas and statsmodels, meter by meter")
    taken = apart(loop, session.fleet(meters), QUICK_SAMPLE if session.quick else SAMPLE)
    ours = steps["judge"].wall_s
    scaled = taken.loop_s * meters / taken.meters
    show(
        f"pandas + statsmodels, meter by meter, against match + summarise + judge of {meters:,} meters",
        ("what", "seconds", "times Meterwright"),
        [
            (f"Meterwright: {meters:,} meters", ours, 1.0),
            (f"pandas: read the lake, join all {meters:,} meters", taken.join_s, taken.join_s / ours),
            (f"loop: {taken.meters:,} meters, {taken.pairs:,} pairs, measured", taken.loop_s, None),
            (f"loop: scaled to {meters:,} meters", scaled, scaled / ours),
            ("pandas and loop together", taken.join_s + scaled, (taken.join_s + scaled) / ours),
        ],
        [
            "Meterwright on all cores, the loop on one, as such loops are written.",
            f"Check: both saw the same pairs of {taken.same_pairs:,} of {taken.meters:,} meters.",
            f"Check: their volume errors differ by {taken.furthest:.0e} at most.",
        ],
    )
