"""What a policy would have commanded: each window through the guards of `transforms.decide`, one window at a time.

The loop is left out: no command was sent in between, no parameters changed, and no window knows the ones before it. So the
guards that ask for several windows in a row (`confirm_windows`, `prove_windows`) see one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from flows.audit.desk import OTHER, WINDOWS, Desk, folder_of
from transforms.damage import writable
from transforms.judge.many import JUDGED_WINDOWS
from transforms.match.span import Chunk
from transforms.schemas import UTC_US

COMMANDED: dict[str, pl.DataType | type[pl.DataType]] = {"feature_code": pl.String, "window_start": UTC_US}

#: what a reader must know of the comparison
NOTES = (
    "Both policies judge the same stored moments; no reading was read again for the second one.",
    "Single readings were looked at where the first policy asked for it.",
    "Where only the second policy would have looked, its windows count as unproven and give no command.",
    "Commands are those that each window by itself would have sent through the guards.",
    "The history of the loop is left out: no earlier command, answer or streak of windows counts.",
)


def commands_of(desk: Desk, chunks: Sequence[Chunk]) -> int:
    """Note which windows of some chunks, one for each bucket and all of one span, would have sent a command.

    Returns the number of those that the setting's own policy would have sent.
    """
    # no other audit decides anything
    from transforms.decide import Situation, decide

    setting = desk.setting
    limits = desk.fleet.select("feature_code", "max_gain_change", "max_offset_lph")
    counts = []
    for which, name, policy in (("a", WINDOWS, setting.policy), ("b", OTHER, setting.what_if or setting.policy)):
        blocks = [(desk.written.windows.read(f"{folder_of(setting, chunk)}/{name}"), chunk.bucket) for chunk in chunks]
        frames = [
            desk.written.told(desk.written.windows, block, bucket, list(JUDGED_WINDOWS)) for block, bucket in blocks
        ]
        whole = pl.concat(frames).sort("feature_code", "window_start")
        rows = []
        for number in range(chunks[0].windows):
            window = chunks[0].window(number)
            judged = whole.filter(pl.col("window_start") == window.start)
            nothing = Situation(states={}, episodes={}, confirmed={}, stale=False)
            decision = decide(judged, limits, policy, window, window.run_id(1), window.end, nothing)
            rows += [(command["feature_code"], window.start) for command in decision.commands]
        found = pl.DataFrame(rows, schema=COMMANDED, orient="row")
        target = _file(setting.work, which, chunks[0])
        with writable(target):
            found.write_parquet(target.with_suffix(".part"))
        target.with_suffix(".part").replace(target)
        counts.append(found.height)
    return counts[0]


def with_commands(windows: pl.DataFrame, work: Path, which: str) -> pl.DataFrame:
    """Windows with ``commanded``: whether policy ``a`` or ``b`` would have sent a command after it."""
    files = sorted(work.glob(f"commands-{which}-*.parquet"))
    empty = pl.DataFrame(schema=COMMANDED)
    sent = pl.concat([empty, *(pl.read_parquet(file, glob=False) for file in files)])
    sent = sent.with_columns(commanded=pl.lit(True))
    joined = windows.join(sent, on=["feature_code", "window_start"], how="left", maintain_order="left")
    return joined.with_columns(pl.col("commanded").fill_null(False))


def _file(work: Path, which: str, chunk: Chunk) -> Path:
    return work / f"commands-{which}-{chunk.start:%Y%m%dT%H%M%SZ}.parquet"
