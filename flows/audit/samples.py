"""Single pairs of an audit's meters, for the plots: those of some windows spread over the span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from flows.audit.desk import Desk
from transforms.match import Parties
from transforms.match.few import match_few
from transforms.match.span import Chunk, match_span
from transforms.schemas import PAIRS
from transforms.sql import connect
from transforms.summarise.span import MEMORY_MB
from transforms.windows import Window

#: windows from which pairs are taken, as evenly as can be
MOST_WINDOWS = 12


def some_windows(windows: Sequence[Window]) -> list[Window]:
    """A few windows, spread evenly over a span."""
    if len(windows) <= MOST_WINDOWS:
        return list(windows)
    at = np.linspace(0, len(windows) - 1, MOST_WINDOWS).round().astype(int)
    return [windows[k] for k in sorted(set(at.tolist()))]


def pairs_of(desk: Desk, codes: Sequence[str], window: Window) -> pl.DataFrame:
    """The pairs of some meters in a window (`PAIRS`)."""
    wanted = pl.col("feature_code").is_in(list(codes))
    found = [pl.DataFrame(schema=PAIRS)]
    for bucket, own in enumerate(desk.parties):
        few = replace(own, **{name: getattr(own, name).filter(wanted) for name in ("fleet", "devices", "claims")})
        if few.devices.is_empty():
            continue
        found.append(_in_window(desk, Chunk(bucket, window.start, window.length, 1), few))
    return pl.concat(found)


def _in_window(desk: Desk, chunk: Chunk, own: Parties) -> pl.DataFrame:
    nobody = pl.DataFrame(schema={"feature_code": pl.String, "window": pl.Int32, "since": PAIRS["timestamp"]})
    matched = match_span(desk.lake, chunk, own, nobody)
    parts = []
    if matched.q is not None and matched.q_meter is not None:
        q, q_meter = matched.q[: len(matched.codes), 0], matched.q_meter[:, 0]
        code, slot = np.nonzero(~(np.isnan(q) | np.isnan(q_meter)) & matched.watched)
        parts.append(
            (
                pl.Series(matched.codes, dtype=pl.String).gather(code),
                matched.slots_us[slot] + matched.phase[code],
                q[code, slot],
                q_meter[code, slot],
            )
        )
    if matched.few:
        # windows are looked at side by side
        scratch = desk.setting.work / f"pairs-{chunk.bucket}-{chunk.window(0).name}"
        scratch.mkdir(parents=True, exist_ok=True)
        with connect(threads=1, memory_mb=MEMORY_MB, spill=scratch / "spill") as con:
            names = [matched.codes[k] for k in matched.few]
            few = match_few(con, desk.lake, chunk, own, nobody, names, scratch).pairs
        parts.append((few["feature_code"], few["us"].to_numpy(), few["q"].to_numpy(), few["q_meter"].to_numpy()))
    frames = [
        pl.DataFrame(
            {
                "feature_code": code,
                "timestamp": pl.Series(us + chunk.start_us).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                "q_lph": q,
                "q_meter_lph": q_meter,
            }
        )
        for code, us, q, q_meter in parts
    ]
    return pl.concat([pl.DataFrame(schema=PAIRS), *frames])
