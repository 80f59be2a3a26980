"""A year in a closed loop: meters that drift, devices that obey or do not, and what it is worth."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.measuring import apart
from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

METERS, DAYS = 1_000, 365
QUICK_METERS, QUICK_DAYS = 60, 15
#: meters are corrected before they reach the limit: while one drifts, it takes evidence to be sure
POLICY = "tolerance = 0.6\n"
#: windows over which errors are compared at the end
_LAST = 28

Rows = list[tuple[Cell, ...]]


def live(root: Path, meters: int, days: int) -> tuple[Rows, Rows]:
    """Let a town live through its days; rows of the two tables."""
    import numpy as np

    from tests.closed_loop import PER_WINDOW, Town, in_flight_at_once

    windows = days * 2
    town = Town.build(root, meters, days, seed=1, policy=POLICY)
    taken = []
    wrong = {False: 0.0, True: 0.0}
    volume = 0.0
    late: list[dict[bool, np.ndarray]] = []
    for number in range(windows):
        begun = time.perf_counter()
        town.step(number)
        taken.append(time.perf_counter() - begun)
        flow = town.flow(number)
        litres = np.where(flow >= town.fleet.q1[:, None], flow, 0.0).sum(axis=1) / (PER_WINDOW / 12)
        volume += float(litres.sum())
        both = {corrected: town.error(number, corrected=corrected) for corrected in (False, True)}
        for corrected, error in both.items():
            wrong[corrected] += float(np.nansum(np.abs(error) * litres))
        if number >= windows - _LAST:
            late.append({c: np.where(np.isnan(e), 0.0, e) * litres for c, e in both.items()} | {"litres": litres})
        if number % 50 == 0:
            say(f"window {number} of {windows}: {taken[-1]:.2f} s, {len(town.sent)} commands so far")
    curable = ~np.isfinite(town.broken)
    used = sum(each["litres"] for each in late)
    mpe = np.array([model.mpe for model in town.fleet.models])[town.fleet.kind]
    inside = {}
    for corrected in (False, True):
        error = sum(each[corrected] for each in late) / np.maximum(used, 1e-9)
        seen = curable & (used > 0)
        inside[corrected] = 100 * float((np.abs(error[seen]) <= mpe[seen]).mean())
    reasons: dict[str, int] = {}
    for order in town.orders.values():
        reasons[order["reason"]] = reasons.get(order["reason"], 0) + 1
    needless = sum(np.isinf(town.broken[town.codes.index(o["feature_code"])]) for o in town.orders.values())
    twice = sum(count > 1 for device in town.devices.values() for count in device.carried_out.values())
    worth: Rows = [
        ("curable meters inside the permissible error in the last two weeks [%]", inside[False], inside[True]),
        ("volume mis-registered [m3]", wrong[False] / 1000, wrong[True] / 1000),
        ("  of the volume that flowed [%]", 100 * wrong[False] / volume, 100 * wrong[True] / volume),
        (
            "visits, if each meter outside at the end were visited once",
            float((100 - inside[False]) / 100 * curable.sum()),
            None,
        ),
        ("work orders", None, len(town.orders)),
        ("  of these to meters that parameters would have cured", None, int(needless)),
    ]
    worth += [(f"  with reason {reason}", None, count) for reason, count in sorted(reasons.items())]
    loop: Rows = [
        ("commands sent", len(town.sent)),
        ("commands to a meter with one in flight", in_flight_at_once(town)),
        ("corrections carried out twice by a device", int(twice)),
        ("seconds a run, first fifty", float(np.mean(taken[:50]))),
        ("seconds a run, last fifty", float(np.mean(taken[-50:]))),
    ]
    return worth, loop


def run(session: Session) -> None:
    """Print what the year was worth, and how the loop behaved."""
    meters, days = (QUICK_METERS, QUICK_DAYS) if session.quick else (METERS, DAYS)
    worth, loop = apart(live, session.folder / "town", meters, days)
    show(
        f"A year of {meters:,} meters, {days} days, two runs a day",
        ("what", "without", "with Meterwright"),
        worth,
        ["Wanted: at least 99 % of curable meters inside. Policy: " + POLICY.strip()],
    )
    show("The loop", ("what", "number"), loop, ["Wanted: none in flight at once, none carried out twice."])
