"""Judging and fitting a fleet from its moments, without any reading of files; and what the second look adds to that."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.measuring import apart
from tests.bench.session import END, Session, clear, say
from tests.bench.tables import show

if TYPE_CHECKING:  # in the measuring process itself Polars would be in the way, see `measure`
    import polars as pl

    from transforms.fit.lines import Ints

WORKERS = 2
WANTED_S = 2.0


class Judged(NamedTuple):
    """What was measured: seconds of wall clock, meters."""

    moments_s: float
    moments_cpu_s: float
    fetch_s: float
    look_s: float
    paired: int
    flagged: int
    looked: int


def measure_judging(root: Path, repetitions: int) -> Judged:
    """Ingest a workspace, sum it, and then judge what lies in memory: the best of some repetitions.

    Buckets are spread over `WORKERS` threads as a run spreads them.
    """
    import polars as pl

    from flows.cli.common import make_context
    from flows.engines.plain import PlainEngine
    from flows.intake import ingest_dumps
    from flows.window import parties_of
    from transforms import statistics
    from transforms.judge import calibration_status, judge_bucket
    from transforms.lake import Lake
    from transforms.sql import session as sql_session
    from transforms.summarise import Pairs, look_closer, summarise_bucket
    from transforms.windows import newest_complete, parse_time

    statistics.load()
    context = make_context(root, WORKERS)
    policy = context.policy
    window = newest_complete(parse_time(END), policy.window.length)
    context.workspace.scratch.mkdir(parents=True, exist_ok=True)
    nothing = Pairs.none()
    with PlainEngine(WORKERS) as engine:
        engine.run("ingest", lambda e: ingest_dumps(context, e))
        lake = Lake.open(context.workspace)
        own = parties_of(context, lake).split(lake.n_buckets)
        calibration = calibration_status(context.registry.flowmeters, policy, window)
        buckets = range(lake.n_buckets)
        summaries, samples, fetch_s = [], [], 0.0
        with context.database() as database:
            for bucket in buckets:
                with sql_session(database) as con:
                    summary = summarise_bucket(con, lake, bucket, window, own[bucket], parts=policy.window.parts)
                    asked: list[Ints] = []

                    def remember(meters: Ints, asked: list[Ints] = asked) -> Pairs:
                        asked.append(meters)
                        return nothing

                    fleet = own[bucket].fleet
                    judge_bucket(summary.meters, summary.moments, fleet, calibration, policy, window, look=remember)
                    begun = time.perf_counter()
                    fetched = [look_closer(con, window, meters) for meters in asked]
                    fetch_s += time.perf_counter() - begun
                    summaries.append(summary)
                    samples.append(fetched[0] if fetched else nothing)

        def judge(bucket: int, looking: bool) -> pl.DataFrame:
            given = samples[bucket] if looking else nothing
            summary = summaries[bucket]
            return judge_bucket(
                summary.meters, summary.moments, own[bucket].fleet, calibration, policy, window, look=lambda _: given
            )

        times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for _ in range(repetitions):
            for looking in (False, True):
                begun, cpu = time.perf_counter(), time.process_time()
                judged = engine.map("judge", lambda bucket, looking=looking: judge(bucket, looking), buckets)
                times[looking].append((time.perf_counter() - begun, time.process_time() - cpu))
    whole = pl.concat(judged)
    alone, cpu_s = min(times[False])
    return Judged(
        moments_s=alone,
        moments_cpu_s=cpu_s,
        fetch_s=fetch_s / WORKERS,
        look_s=max(min(times[True])[0] - alone, 0.0),
        paired=int((whole["n_pairs"] > 0).sum()),
        flagged=int(whole["doubtful"].sum()),
        looked=int(whole["looked_at"].sum()),
    )


def run(session: Session) -> None:
    """Print how long judging takes, and the second look beside it."""
    root = session.fleet(session.meters)
    clear(root)
    say(f"judge {session.meters:,} meters from their moments")
    found = apart(measure_judging, root, session.repetitions(5))
    scale = 100_000 / max(found.paired, 1)
    whole = found.moments_s + found.fetch_s + found.look_s
    share = 100 * found.looked / max(found.paired, 1)
    show(
        f"Judging and fitting from moments: {found.paired:,} meters with pairs, one window, {WORKERS} threads",
        ("step", "meters", "seconds", "per 100,000 meters [s]", "share of the whole [%]"),
        [
            (name, meters, s, s * scale, 100 * s / whole)
            for name, meters, s in (
                ("moments to verdicts and parameters", found.paired, found.moments_s),
                ("second look: fetching the samples", found.looked, found.fetch_s),
                ("second look: tests and curves", found.looked, found.look_s),
                ("all", found.paired, whole),
            )
        ],
        [
            f"Wanted: the first line at most {WANTED_S:g} s per 100,000. Processor time of it: {found.moments_cpu_s:.2f} s.",
            f"Second look: {found.flagged:,} flagged, {found.looked:,} looked at ({share:.1f} %).",
            "Seconds of the samples' fetch: one bucket after the other, over two.",
        ],
    )
