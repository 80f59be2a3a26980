"""Ahead: windows that were missed are made good for one after the other, but what is sent leaves now.

So all of them are judged first, the newest before the others, and each is told what newer ones say of its meters. What was
found is put aside on disk, so that memory holds one window, and each is judged once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.situation import Known, put_into_words
from transforms.windows import Window

#: what is known of a meter by its newest window that could be judged
NEWER = ("feature_code", "verdict", "volume_error")

Judged = tuple[pl.DataFrame, pl.DataFrame]


@dataclass(frozen=True)
class Ahead:
    """Windows that are judged but not decided yet, each in its folder."""

    home: Path

    def judged(self, window: Window, changed: pl.DataFrame) -> Judged | None:
        """The verdicts and sums of a window, if they were worked out with the same changes of parameters."""
        folder = self.home / window.name
        if not folder.is_dir() or not _read(folder / "changed").equals(changed):
            return None
        verdicts, sums = (_read(folder / name) for name in ("judged", "sums"))
        return verdicts, sums

    def overtaken(self, window: Window, judged: pl.DataFrame, limits: pl.DataFrame) -> dict[str, str]:
        """Feature code -> verdict of the meters that a newer window knows better: the newest one that could judge them.

        It is healthy or unsteady, or off by something else: by more than the permissible error to another amount.

        Parameters
        ----------
        judged
            The window's verdicts.
        limits
            ``feature_code``, ``mpe_high``: the permissible error [relative] of each meter.
        """
        file = self.home / window.name / "newer"
        if not file.is_file():
            return {}
        both = _read(file).join(judged.select(NEWER[0], was="volume_error"), on="feature_code", how="left")
        both = both.join(limits, on="feature_code", how="left")
        another = (pl.col("volume_error") - pl.col("was")).abs() > pl.col("mpe_high")
        better = both.filter((pl.col("verdict") != "steady") | another.fill_null(False))
        return dict(better.select("feature_code", "verdict").iter_rows())


def look_ahead(
    home: Path, windows: Sequence[Window], judge: Callable[[Window], tuple[Known, pl.DataFrame, pl.DataFrame]]
) -> Ahead | None:
    """Judge some windows that have no run yet, if there are several; else there is nothing to look ahead to.

    Parameters
    ----------
    home
        A folder for what was found.
    judge
        Judges one window: what was known before, the verdicts, the sums.
    """
    if len(windows) < 2:
        return None
    if home.is_dir():
        shutil.rmtree(home)  # a run that was killed left it
    newest: pl.DataFrame | None = None
    for window in sorted(windows, key=lambda window: window.end, reverse=True):
        folder = home / window.name
        folder.mkdir(parents=True, exist_ok=True)
        known, judged, sums = judge(window)
        found = {"changed": known.changed, "judged": judged, "sums": sums}
        if newest is not None:
            found["newer"] = newest
        for name, frame in found.items():
            frame.write_ipc(folder / name, compression="lz4")
        told = put_into_words(known, judged).filter(pl.col("verdict") != "inconclusive").select(NEWER)
        newest = told if newest is None else pl.concat([newest, told.join(newest, on="feature_code", how="anti")])
    return Ahead(home)


def _read(file: Path) -> pl.DataFrame:
    # by its bytes: in a path Polars takes letters for patterns
    return pl.read_ipc(file.read_bytes())
