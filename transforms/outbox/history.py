"""History: what earlier runs said, read back from the outbox, which is the only record.

A window may have several revisions. Which of them counts is decided here and nowhere else: of verdicts, work orders
and all else the newest; of what leaves, commands and notices, all of them, each id once, because what has left cannot
be taken back by leaving it out. The newest revision says how a command stands, except that one that was ready once is
never merely held again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from transforms.damage import RESTORE, legible, table_of_run
from transforms.errors import MeterwrightError
from transforms.outbox.runs import read_lines, span_of
from transforms.schemas import READINGS, VERDICTS
from transforms.windows import Window, iso, parse_time

if TYPE_CHECKING:
    from transforms.pool import Earlier

#: files of things that leave, and the key that tells one from another
LEAVING = {"commands.jsonl": "command_id", "notices.jsonl": "notice_id"}

#: what is asked of work orders
ORDER: dict[str, pl.DataType | type[pl.DataType]] = dict.fromkeys(
    ("feature_code", "reason", "since", "order_id"), pl.String
)

#: what a meter's windows have in common if they tell of one comparison
SAME = ("flowmeter_id", "model")

#: how many windows back, at most, it is asked whether a meter was steady: a week of windows of twelve hours
LOOK_BACK = 14


@dataclass(frozen=True)
class History:
    """The runs before a window, oldest first, and what they hold.

    ``folders`` and ``manifests`` are those of each window's newest revision, ``older`` the folders of its revisions
    before that. ``later`` is true if the outbox already has a run for a later window, ``rest`` are the folders of all
    runs of that window and later ones. Of windows that begin together, which happens where the length was changed, the
    longer one is the later. ``head`` is the end of the chain of all
    runs, as the next manifest names it in ``previous``: see `transforms.outbox.chain.chain_end`.
    """

    folders: tuple[Path, ...]
    manifests: tuple[dict[str, Any], ...]
    later: bool
    older: tuple[tuple[Path, ...], ...] = ()
    head: dict[str, str] | None = None
    rest: tuple[Path, ...] = ()

    def lines(self, name: str) -> list[dict[str, Any]]:
        """All lines of one of the runs' JSON Lines files that count, each with its run's ``window_start``."""
        return [
            {**line, "window_start": manifest["window_start"]}
            for revisions, manifest in self._revisions()
            if len(revisions) > 1 or manifest["files"][name]["rows"]
            for line in _lines_that_count(revisions, name)
        ]

    def lines_not_before(self, name: str) -> list[dict[str, Any]]:
        """All lines of a file of the runs of that window and later ones, in every revision."""
        return [line for folder in self.rest for line in read_lines(folder / name)]

    def orders(self) -> list[dict[str, Any]]:
        """Each work order that counts once, as it stands where it was said last, oldest first: `ORDER` and its run's
        ``window_start``.

        Every run repeats an order for as long as the need is open, so all lines together would be many times as many.
        """
        found = [
            (folder / "work_orders.jsonl", manifest["window_start"])
            for folder, manifest in self._runs()
            if manifest["files"]["work_orders.jsonl"]["rows"]
        ]
        if not found:
            return []
        # all at once: to parse many lines takes hardly longer than a few
        texts = [file.read_bytes().rstrip(b"\n") for file, _ in found]
        try:
            every = pl.read_ndjson(b"\n".join(texts), schema=ORDER)
        except pl.exceptions.PolarsError:
            for (file, _), text in zip(found, texts, strict=True):
                with legible(file, RESTORE):
                    pl.read_ndjson(text, schema=ORDER)
            raise
        starts = [start for (_, start), text in zip(found, texts, strict=True) for _ in text.splitlines()]
        if len(starts) != every.height:
            raise MeterwrightError(f"work orders of the runs in {self.folders[-1].parent} were altered; {RESTORE}")
        every = every.with_columns(window_start=pl.Series(starts, dtype=pl.String))
        return every.unique(["feature_code", "reason", "order_id"], keep="last", maintain_order=True).to_dicts()

    def previous(self) -> pl.DataFrame | None:
        """Verdicts of the newest earlier run."""
        return table_of_run(self.folders[-1] / "verdicts.parquet") if self.folders else None

    def newest_end(self) -> datetime | None:
        """End of the newest window that has a run."""
        return max((parse_time(manifest["window_end"]) for manifest in self.manifests), default=None)

    def healthy_since(self, ordered: Mapping[str, str]) -> dict[str, str]:
        """The start (ISO) of the newest window in which each of some meters was healthy, by itself or with earlier ones.

        Parameters
        ----------
        ordered : mapping
            Feature code -> start (ISO) of the window of its newest work order; older windows are not looked at.
        """
        found: dict[str, str] = {}
        open_ = dict(ordered)
        for folder, manifest in reversed(list(self._runs())):
            start = iso(parse_time(manifest["window_start"]))
            open_ = {code: since for code, since in open_.items() if code not in found and since < start}
            if not open_:
                break
            file = folder / "verdicts.parquet"
            healthy = pl.col("verdict") == "healthy"
            if manifest.get("counts", {}).get("pooled"):
                healthy |= pl.col("pooled_verdict").fill_null("") == "healthy"
            codes = pl.Series(sorted(open_)).implode()
            with legible(file, RESTORE):
                told = pl.scan_parquet(file, glob=False).filter(healthy & pl.col("feature_code").is_in(codes))
                well = told.select("feature_code").collect()
            found |= dict.fromkeys(well["feature_code"].to_list(), start)
        return found

    def effects(self) -> dict[str, str]:
        """Command id -> effect, as earlier runs judged it; the first word counts."""
        files = [folder / "effects.parquet" for folder, m in self._runs() if m["counts"].get("effect")]
        if not files:
            return {}
        found = pl.concat([table_of_run(file, ["command_id", "effect"]) for file in files])
        return dict(found.unique("command_id", keep="first", maintain_order=True).iter_rows())

    def unmoved(self) -> set[str]:
        """Ids of the commands without effect whose meters were steadily off in the very window that told so."""
        found: set[str] = set()
        for folder, manifest in self._runs():
            if (manifest["counts"].get("effect") or {}).get("no_effect"):
                told = table_of_run(folder / "effects.parquet", ["feature_code", "command_id", "effect"])
                verdicts = table_of_run(folder / "verdicts.parquet", ["feature_code", "verdict", "pooled_verdict"])
                decided = verdicts.filter(pl.coalesce("pooled_verdict", "verdict") == "steady")
                still = told.filter(pl.col("effect") == "no_effect").join(decided, on="feature_code", how="semi")
                found |= set(still["command_id"])
        return found

    def readings(self) -> pl.DataFrame:
        """The newest word on every photo that was looked at (`transforms.schemas.READINGS`), by the time it was taken."""
        found = [
            table_of_run(folder / "readings.parquet")
            for folder, manifest in self._runs()
            if manifest["files"]["readings.parquet"]["rows"]
        ]
        every = pl.concat([pl.DataFrame(schema=READINGS), *found], how="diagonal").select(list(READINGS))
        return every.unique("reading_id", keep="last", maintain_order=True).sort("captured_at", "reading_id")

    def verdicts_behind(self, commands: pl.DataFrame) -> pl.DataFrame:
        """The verdict that each of some commands rests on: ``command_id`` and the verdict's columns.

        Parameters
        ----------
        commands : DataFrame
            ``command_id``, ``feature_code``, ``window_start``, ``window_end`` (ISO texts): windows of different lengths may
            begin together.
        """
        wanted = set(commands.select("window_start", "window_end").iter_rows())
        found = [
            table_of_run(folder / "verdicts.parquet").join(
                commands.filter(
                    (pl.col("window_start") == manifest["window_start"])
                    & (pl.col("window_end") == manifest["window_end"])
                ).select("command_id", "feature_code"),
                on="feature_code",
            )
            for folder, manifest in self._runs()
            if (manifest["window_start"], manifest["window_end"]) in wanted
        ]
        empty = pl.DataFrame(schema={**VERDICTS, "command_id": pl.String})
        return pl.concat([empty, *found], how="diagonal").unique("command_id", keep="last", maintain_order=True)

    def told_of(self, start: str) -> frozenset[str]:
        """The feature codes that the runs of the windows which begin at an instant (ISO text) tell of."""
        folders = [folder for folder, manifest in self._runs() if manifest["window_start"] == start]
        return frozenset(
            code
            for folder in folders
            for code in table_of_run(folder / "verdicts.parquet", ["feature_code"])["feature_code"]
        )

    def notices_since(self, moment: datetime, open_at: datetime) -> list[dict[str, Any]]:
        """The notices of windows whose newest revision was made after some moment, or that may be open at another.

        Of a window with several revisions, and of runs that do not say until when their notices are open, all are taken.
        """
        return [
            notice
            for revisions, manifest in self._revisions()
            if len(revisions) > 1 or _has_notices(manifest, moment, open_at)
            for notice in _lines_that_count(revisions, "notices.jsonl")
        ]

    def _revisions(self) -> Iterator[tuple[list[Path], dict[str, Any]]]:
        """Each window's folders, oldest revision first, and the manifest of its newest one."""
        for number, (folder, manifest) in enumerate(self._runs()):
            yield [*(self.older[number] if self.older else ()), folder], manifest

    def _runs(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        return zip(self.folders, self.manifests, strict=True)

    def steady_streak(
        self, window: Window, judged: pl.DataFrame, wanted: int, changed: Mapping[str, datetime]
    ) -> dict[str, int]:
        """In how many windows in a row, this one included, each meter was steadily off to the same side.

        Windows that could not be judged neither count nor interrupt; at most `LOOK_BACK` windows are looked at, and none
        from before the meter was held against another flowmeter or had another model.

        Parameters
        ----------
        judged : DataFrame
            This window's verdicts.
        wanted : int
            How many windows are enough to know.
        changed : mapping
            Feature code -> from when on it is surely what it is now: windows that began before may tell of another meter.
        """
        runs = {span_of(manifest): folder for folder, manifest in zip(self.folders, self.manifests, strict=True)}
        alive = _sides(judged).filter(pl.col("verdict") == "steady").with_columns(count=1)
        since = pl.DataFrame(
            {"feature_code": list(changed), "since": list(changed.values())},
            schema={"feature_code": pl.String, "since": pl.Datetime("us", "UTC")},
        )
        alive = alive.join(since, on="feature_code", how="left").drop("verdict")
        alive = alive.join(judged.select("feature_code", *SAME), on="feature_code", how="left")
        streak = dict(alive.select("feature_code", "count").iter_rows())
        for back in range(1, LOOK_BACK):
            start = window.start - back * window.length
            folder = runs.get((start, start + window.length))
            alive = alive.filter((pl.col("count") < wanted) & (pl.col("since").is_null() | (pl.col("since") <= start)))
            if folder is None or alive.is_empty():
                break
            told = table_of_run(folder / "verdicts.parquet", ["feature_code", "verdict", "volume_error", *SAME])
            before = _sides(told).join(told.select("feature_code", *SAME), on="feature_code", how="left")
            another = pl.any_horizontal((pl.col(name) != pl.col(f"{name}_before")).fill_null(False) for name in SAME)
            steady = (pl.col("verdict") == "steady") & (pl.col("high") == pl.col("high_before"))
            silent = pl.col("verdict").is_null() | (pl.col("verdict") == "inconclusive")
            alive = (
                alive.join(before, on="feature_code", how="left", suffix="_before")
                .with_columns(agrees=steady.fill_null(False), silent=silent)
                .filter((pl.col("agrees") | pl.col("silent")) & ~another)
                .select("feature_code", "high", "since", *SAME, count=pl.col("count") + pl.col("agrees").cast(pl.Int32))
            )
            streak.update(alive.select("feature_code", "count").iter_rows())
        return streak

    def earlier(self, window: Window, count: int) -> list[Earlier]:
        """The runs with sums of at most ``count`` windows of the same length that end where this one begins, the newest
        first; windows without such a run are left out."""
        # imported here: with pools comes all that judges, which is not there yet where the outbox is first asked
        from transforms.pool import Earlier

        runs = {span_of(manifest): folder for folder, manifest in self._runs()}
        starts = (window.start - back * window.length for back in range(1, count + 1))
        found = ((start, runs.get((start, start + window.length))) for start in starts)
        return [Earlier(start, folder) for start, folder in found if folder and (folder / "moments.parquet").is_file()]

    def dumps_named(self) -> set[tuple[str, str]]:
        """Dumps (stream, digest) that an earlier manifest lists."""
        return {(dump["stream"], dump["sha256"]) for manifest in self.manifests for dump in manifest["inputs"]}


def _lines_that_count(revisions: Sequence[Path], name: str) -> list[dict[str, Any]]:
    """The lines of a window's revisions, oldest first, by the rule on top of this module."""
    key = LEAVING.get(name)
    if key is None or len(revisions) == 1:
        return read_lines(revisions[-1] / name)
    counting: dict[str, dict[str, Any]] = {}
    for folder in revisions:
        for line in read_lines(folder / name):
            before = counting.get(line[key])
            if before is None or not (before.get("state") == "ready" and line.get("state") == "held"):
                counting[line[key]] = line
    return list(counting.values())


def _has_notices(manifest: Mapping[str, Any], moment: datetime, open_at: datetime) -> bool:
    """Whether a run has notices and was made after some moment, or has any that may be open at another."""
    if not manifest["counts"]["notices"]:
        return False
    until = manifest.get("notices_until")
    return parse_time(manifest["issued_at"]) > moment or until is None or parse_time(until) > open_at


def _sides(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Each meter's verdict, and whether it reads high."""
    return verdicts.select("feature_code", "verdict", high=pl.col("volume_error") > 0)
