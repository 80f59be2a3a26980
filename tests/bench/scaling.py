"""How time and memory grow from a tenth of the fleet to all of it."""

from __future__ import annotations

from tests.bench.session import Session
from tests.bench.tables import show


def run(session: Session) -> None:
    """Print both sizes side by side with the factor between them, overall and per step."""
    small, large = session.meters // 10, session.meters
    few, many = ([run for _, run in session.rounds(meters)] for meters in (small, large))
    pairs = {
        "start of the process to the commit [s]": [min(r.commit_s for r in runs) for runs in (few, many)],
        "start of the process to its end [s]": [min(r.end_s for r in runs) for runs in (few, many)],
        "peak memory [MiB]": [max(r.peak_bytes for r in runs) / 2**20 for runs in (few, many)],
    }
    before, after = session.steps(small), session.steps(large)
    pairs |= {f"{name} [s]": [before[name].wall_s, step.wall_s] for name, step in after.items()}
    show(
        f"Scaling: {small:,} to {large:,} meters, {large / small:g} times as many",
        ("what", f"{small:,}", f"{large:,}", "factor"),
        [(name, a, b, b / a if a > 0.005 else None) for name, (a, b) in pairs.items()],
        [f"Best of {len(many)} runs, the memory of the worst; the steps are those of one run each."],
    )
