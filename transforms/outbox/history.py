"""History: what earlier runs said, read back from the outbox, which is the only record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from transforms.errors import MeterwrightError, UsageError
from transforms.schemas import VERDICTS
from transforms.windows import Window, iso, parse_time
from transforms.workspace import Workspace


@dataclass(frozen=True)
class History:
    """The runs before a window, oldest first, and what they hold.

    ``later`` is true if the outbox already has a run for a later window. Of windows that begin together, which happens
    where the length was changed, the longer one is the later.
    """

    folders: tuple[Path, ...]
    manifests: tuple[dict[str, Any], ...]
    later: bool

    def lines(self, name: str) -> list[dict[str, Any]]:
        """All lines of one of the runs' JSON Lines files, each with its run's ``window_start``."""
        found = []
        for folder, manifest in zip(self.folders, self.manifests, strict=True):
            for line in read_lines(folder / name):
                found.append({**line, "window_start": manifest["window_start"]})
        return found

    def previous(self) -> pl.DataFrame | None:
        """Verdicts of the newest earlier run."""
        return pl.read_parquet(self.folders[-1] / "verdicts.parquet", glob=False) if self.folders else None

    def newest_end(self) -> datetime | None:
        """End of the newest window that has a run."""
        return max((parse_time(manifest["window_end"]) for manifest in self.manifests), default=None)

    def healthy_since(self, codes: list[str]) -> dict[str, str]:
        """For each of some meters the start of the newest window in which it was healthy, as ISO text."""
        if not codes or not self.folders:
            return {}
        newest = (
            pl.scan_parquet([folder / "verdicts.parquet" for folder in self.folders], glob=False)
            .filter((pl.col("verdict") == "healthy") & pl.col("feature_code").is_in(codes))
            .group_by("feature_code")
            .agg(pl.col("window_start").max())
            .collect()
        )
        return {code: iso(start) for code, start in newest.iter_rows()}

    def effects(self) -> dict[str, str]:
        """Command id -> effect, as earlier runs judged it; the first word counts."""
        files = [folder / "effects.parquet" for folder, m in self._runs() if m["counts"].get("effect")]
        if not files:
            return {}
        found = pl.concat([pl.read_parquet(file, columns=["command_id", "effect"], glob=False) for file in files])
        return dict(found.unique("command_id", keep="first", maintain_order=True).iter_rows())

    def verdicts_behind(self, commands: pl.DataFrame) -> pl.DataFrame:
        """The verdict that each of some commands rests on: ``command_id`` and the verdict's columns.

        Parameters
        ----------
        commands : DataFrame
            ``command_id``, ``feature_code``, ``window_start`` (ISO text).
        """
        wanted = set(commands["window_start"].to_list())
        found = [
            pl.read_parquet(folder / "verdicts.parquet", glob=False).join(
                commands.filter(pl.col("window_start") == manifest["window_start"]).select(
                    "command_id", "feature_code"
                ),
                on="feature_code",
            )
            for folder, manifest in self._runs()
            if manifest["window_start"] in wanted
        ]
        empty = pl.DataFrame(schema={**VERDICTS, "command_id": pl.String})
        return pl.concat([empty, *found], how="diagonal").unique("command_id", keep="last", maintain_order=True)

    def notices_since(self, moment: datetime) -> list[dict[str, Any]]:
        """The notices of runs that were made after some moment."""
        return [
            notice
            for folder, manifest in self._runs()
            if parse_time(manifest["issued_at"]) > moment and manifest["counts"]["notices"]
            for notice in read_lines(folder / "notices.jsonl")
        ]

    def _runs(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        return zip(self.folders, self.manifests, strict=True)

    def steady_streak(self, window: Window, judged: pl.DataFrame, wanted: int) -> dict[str, int]:
        """In how many windows in a row, this one included, each meter was steadily off to the same side.

        Parameters
        ----------
        judged : DataFrame
            This window's verdicts.
        wanted : int
            How many windows to look back to, this one included.
        """
        runs = {_span(manifest): folder for folder, manifest in zip(self.folders, self.manifests, strict=True)}
        alive = _sides(judged)
        streak = dict.fromkeys(alive["feature_code"].to_list(), 1)
        for back in range(1, wanted):
            folder = runs.get((window.start - back * window.length, window.end - back * window.length))
            if folder is None or alive.is_empty():
                break
            columns = ["feature_code", "verdict", "volume_error"]
            before = pl.read_parquet(folder / "verdicts.parquet", columns=columns, glob=False)
            alive = alive.join(_sides(before), on=["feature_code", "high"], how="semi")
            for code in alive["feature_code"]:
                streak[code] = back + 1
        return streak

    def dumps_named(self) -> set[tuple[str, str]]:
        """Dumps (stream, digest) that an earlier manifest lists."""
        return {(dump["stream"], dump["sha256"]) for manifest in self.manifests for dump in manifest["inputs"]}


def read_history(workspace: Workspace, window: Window) -> History:
    """Read the manifests of the runs of earlier windows.

    Raises
    ------
    MeterwrightError
        If a run's manifest is missing or unreadable: the outbox was tampered with.
    """
    found = []
    later = False
    for folder in sorted(workspace.outbox.glob("*_r*")) if workspace.outbox.exists() else []:
        manifest = read_manifest(folder)
        span = _span(manifest)
        if span < (window.start, window.end):
            found.append((span, int(manifest["revision"]), folder, manifest))
        elif span > (window.start, window.end):
            later = True
    found.sort(key=lambda item: item[:2])
    return History(tuple(f[2] for f in found), tuple(f[3] for f in found), later)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of one run.

    Raises
    ------
    MeterwrightError
        If it is missing or unreadable.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        _span(manifest)
        int(manifest["revision"])
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise MeterwrightError(
            f"outbox/{folder.name}/manifest.json cannot be read ({error.__class__.__name__}); "
            "restore the folder from a backup, or move it away if it is not one of Meterwright's"
        ) from error
    return manifest


def read_lines(file: Path) -> list[dict[str, Any]]:
    """All lines of a JSON Lines file of the outbox. Only a line feed ends a line: names may hold other separators."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def _span(manifest: dict[str, Any]) -> tuple[datetime, datetime]:
    return parse_time(manifest["window_start"]), parse_time(manifest["window_end"])


def _sides(verdicts: pl.DataFrame) -> pl.DataFrame:
    """The steady meters, and whether each reads high."""
    steady = verdicts.filter((pl.col("verdict") == "steady") & pl.col("volume_error").is_not_null())
    return steady.select("feature_code", high=pl.col("volume_error") > 0)
