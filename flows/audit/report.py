"""The report of an audit: from its figures to files, whose parts a crew makes side by side."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.audit.crew import Crew
from flows.audit.desk import Desk
from flows.audit.figures import Figures
from flows.audit.plan import Setting
from flows.audit.reader import windows_of
from flows.audit.registers import registers_of_meters
from flows.audit.samples import pairs_of, some_windows
from flows.audit.tables import WINDOWS_FILE
from flows.audit.what_if import NOTES
from flows.memory import give_back
from transforms.audit import comparison_summary
from transforms.audit.compliance import in_service_factor
from transforms.damage import writable
from transforms.policy import Policy
from transforms.schemas import PAIRS
from transforms.windows import Window

if TYPE_CHECKING:
    from reports.audit.view import AuditView

#: meters whose single pairs are drawn, the most water gone astray first
_DRAWN = 200
#: meters that no window could judge, whose registers are looked at as well; of so many meters and flagged ones, all are
_SILENT = 50


@dataclass(frozen=True)
class Reader:
    """Whom the report is for: an audience, and for a customer the meter and the language."""

    audience: str
    meter: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Report:
    """What a report is made from, and the folder that it is written into."""

    folder: Path
    view: AuditView
    reader: Reader

    @classmethod
    def of(
        cls,
        folder: Path,
        desk: Desk,
        figures: Figures,
        pairs: Iterator[pl.DataFrame],
        facts: dict[str, Any],
        reader: Reader,
    ) -> Report:
        """Put together what the report shows; ``windows.parquet`` stands in the folder, and ``pairs`` are from `pairs_drawn`."""
        setting = desk.setting
        from reports.audit.view import AuditView

        view = AuditView(
            meters=figures.meters,
            regimes=figures.regimes,
            fleet=figures.fleet,
            windows=partial(windows_of, folder / WINDOWS_FILE),
            summary=figures.summary,
            facts=facts,
            what_if=_what_if(setting, figures),
            language=reader.language,
            limits=desk.fleet,
            in_service=in_service_factor(setting.policy),
            registers=registers_of_meters(desk, _registers_of(figures.meters)),
            not_judged=figures.unjudged,
            points=_by_meter(pairs).get,
        )
        return cls(folder, view, reader)

    def write(self, hands: Crew) -> None:
        """Write the report, and the tables that its audience may have."""
        from reports.audit.view import for_audience
        from reports.audit.write import parts_of

        folder, reader = self.folder, self.reader
        hands.share(_make, parts_of(folder, self.view, reader.audience, reader.meter))
        if reader.audience == "customer":
            # a customer's folder holds nothing of anybody else
            (folder / WINDOWS_FILE).unlink()
            return
        shown = for_audience(self.view, reader.audience)
        for name in ("meters", "regimes", "fleet", "registers", "not_judged"):
            file = folder / f"{name}.parquet"
            with writable(file):
                getattr(shown, name).write_parquet(file, compression="zstd")
        told = {
            "facts": {name: value for name, value in shown.facts.items() if name not in ("inputs", "policy")},
            **shown.summary,
        }
        text = json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def pairs_drawn(meters: pl.DataFrame, hands: Crew, setting: Setting) -> Iterator[pl.DataFrame]:
    """Have the single pairs looked for that will be drawn, those of the worst of the ``meters``; each process takes its share of
    the windows."""
    codes = _looked_at(meters)
    windows = some_windows(setting.windows) if codes else []
    return hands.map(_pairs, [(codes, windows[first :: hands.workers]) for first in range(hands.workers)])


def load_for_report(desk: Desk, _: None) -> None:
    """Load what the parts of a report are made with, in place of what the statistics took."""
    from reports.audit.write import load

    # the last that the process does: to look once, after the PDF, for what it left over takes a fifth of a second
    gc.disable()
    desk.clear_up()
    give_back()
    load()


def _make(desk: Desk, part: Callable[[], None]) -> None:
    from reports.clock import shown_in

    with shown_in(desk.setting.policy.report.timezone), _no_search_for_cycles():
        part()


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Millions of small objects live until a file is written: to look through them for cycles again and again takes a fifth
    of the time of a report."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _looked_at(meters: pl.DataFrame) -> list[str]:
    """The flagged meters with the most water gone astray, whose single readings are looked at."""
    astray = pl.col("misregistered_l").abs()
    flagged = meters.filter("flagged").sort(astray, "feature_code", descending=[True, False])
    return [str(code) for code in flagged.head(_DRAWN)["feature_code"]]


def _registers_of(meters: pl.DataFrame) -> list[str]:
    """Whose registers are looked at: all meters' where they are few, else those of the flagged ones and of some that no window
    could judge, for a register may be why."""
    if meters.height <= _DRAWN + _SILENT:
        return [str(code) for code in meters["feature_code"]]
    silent = meters.filter((pl.col("n_inconclusive") == pl.col("n_windows")) & ~pl.col("flagged")).sort("feature_code")
    return [*_looked_at(meters), *(str(code) for code in silent.head(_SILENT)["feature_code"])]


def _by_meter(found: Iterator[pl.DataFrame]) -> dict[str, pl.DataFrame]:
    pairs = pl.concat(list(found)).sort("feature_code", "timestamp")
    return {str(code): frame for (code,), frame in pairs.group_by("feature_code", maintain_order=True)}


def _pairs(desk: Desk, job: tuple[Sequence[str], Sequence[Window]]) -> pl.DataFrame:
    codes, windows = job
    return pl.concat([pl.DataFrame(schema=PAIRS), *(pairs_of(desk, codes, window) for window in windows)])


def _what_if(setting: Setting, figures: Figures) -> dict[str, Any] | None:
    if setting.what_if is None or figures.comparison is None:
        return None
    compared = figures.comparison

    def side(name: str, policy: Policy) -> dict[str, Any]:
        return {"name": name, "digest": policy.digest, "policy": policy_text(policy)}

    return {
        "summary": comparison_summary(compared),
        "pairs": compared.pairs,
        "meters": compared.meters,
        "differing_windows": compared.windows,
        "a": side("the policy in force", setting.policy),
        "b": side("the policy of --what-if", setting.what_if),
        "notes": list(NOTES),
    }


def policy_text(policy: Policy) -> str:
    """Every value in force, one a line."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value, _, _ in policy.rows())
