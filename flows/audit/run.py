"""An audit from its setting to its folder in ``reports/``, which appears whole, by one rename."""

from __future__ import annotations

import gc
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from flows.audit.desk import Desk
from flows.audit.engine import Audited, carry_out
from flows.audit.figures import Figures
from flows.audit.plan import Setting, name_of, said
from flows.audit.registers import registers_of_meters
from flows.audit.samples import pairs_of, some_windows
from flows.audit.tables import WINDOWS_FILE, windows_reader
from flows.audit.what_if import NOTES
from flows.findings import in_order, row_accounting, told_of
from flows.memory import keep_what_is_freed
from flows.settings import use_matplotlib_in
from transforms.audit import comparison_summary
from transforms.audit.compliance import in_service_factor
from transforms.canonical import canonical
from transforms.policy import Policy
from transforms.windows import iso, parse_time
from transforms.workspace import Workspace

#: libraries whose versions an audit names
_LIBRARIES = ("duckdb", "numpy", "polars", "pyarrow", "scipy")
#: meters whose single pairs are drawn, the most water gone astray first
_DRAWN = 200
#: meters that no window could judge, whose registers are looked at as well
_SILENT = 50


@dataclass(frozen=True)
class Reader:
    """Whom the report is for: an audience, and for a customer the meter and the language."""

    audience: str
    meter: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Outcome:
    """The audit's folder, whether it was made now, and how many parts of the span there were and were read anew."""

    folder: Path
    fresh: bool
    chunks: int
    read: int
    facts: dict[str, Any]


def audit(
    setting: Setting,
    home: Workspace,
    workers: int,
    reader: Reader,
    command: str,
    progress: Callable[[str], None],
) -> Outcome:
    """Carry out an audit and write its report; one that is there already is left as it is.

    Parameters
    ----------
    setting
        What is audited. Its ``work`` names the folder for unfinished business of all audits.
    home
        The workspace whose ``reports/`` gets the folder.
    command
        What repeats the audit, as it will be told.
    """
    keep_what_is_freed()
    desk = Desk(setting)
    facts = _facts(setting, desk, home, reader, command)
    folder = home.reports / name_of(setting, facts["digest"])
    if folder.is_dir():
        return Outcome(folder, False, 0, 0, facts)
    setting = desk.setting = replace(setting, work=setting.work / facts["digest"][:24])
    draft = home.scratch / folder.name
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    done = carry_out(setting, desk, workers, draft, progress)
    _write(draft, setting, desk, done, facts, reader, home)
    home.reports.mkdir(parents=True, exist_ok=True)
    draft.rename(folder)
    shutil.rmtree(setting.work)
    return Outcome(folder, True, done.chunks, done.read, facts)


def _write(
    folder: Path, setting: Setting, desk: Desk, done: Audited, facts: dict[str, Any], reader: Reader, home: Workspace
) -> None:
    from reports.audit.view import AuditView, for_audience
    from reports.audit.write import write_audit_report
    from reports.clock import shown_in

    use_matplotlib_in(home.cache)
    figures = done.figures
    looked_at = _looked_at(figures.meters)
    drawn = _drawn(looked_at, desk, setting)
    view = AuditView(
        meters=figures.meters,
        regimes=figures.regimes,
        fleet=figures.fleet,
        windows=windows_reader(folder / WINDOWS_FILE),
        points=drawn.get,
        summary=figures.summary,
        facts=facts,
        what_if=_what_if(setting, figures),
        language=reader.language,
        limits=desk.fleet,
        in_service=in_service_factor(setting.policy),
        registers=registers_of_meters(desk, [*looked_at, *_never_judged(figures.meters)]),
    )
    with shown_in(setting.policy.report.timezone), _no_search_for_cycles():
        write_audit_report(folder, view, reader.audience, reader.meter)
    if reader.audience == "customer":
        # a customer's folder holds nothing of anybody else
        (folder / WINDOWS_FILE).unlink()
        return
    shown = for_audience(view, reader.audience)
    for name in ("meters", "regimes", "fleet", "registers"):
        getattr(shown, name).write_parquet(folder / f"{name}.parquet", compression="zstd")
    told = {
        "facts": {name: value for name, value in facts.items() if name not in ("inputs", "policy")},
        **shown.summary,
    }
    text = json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


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


def _never_judged(meters: pl.DataFrame) -> list[str]:
    """Some meters that no window could judge: a register may be why."""
    silent = meters.filter((pl.col("n_inconclusive") == pl.col("n_windows")) & ~pl.col("flagged")).sort("feature_code")
    return [str(code) for code in silent.head(_SILENT)["feature_code"]]


def _drawn(codes: list[str], desk: Desk, setting: Setting) -> dict[str, pl.DataFrame]:
    """Single pairs of some meters."""
    if not codes:
        return {}
    pairs = pairs_of(desk, codes, some_windows(setting.windows))
    return {str(code): frame for (code,), frame in pairs.group_by("feature_code", maintain_order=True)}


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


def _facts(setting: Setting, desk: Desk, home: Workspace, reader: Reader, command: str) -> dict[str, Any]:
    """What the numbers rest on; the digest over it all names the folder."""
    inputs = in_order(
        [
            told_of(dump)
            for dump in desk.lake.dumps
            if dump["min_ts"] is None
            or (parse_time(dump["min_ts"]) < setting.end and parse_time(dump["max_ts"]) >= setting.begin)
        ]
    )
    files = desk.lake.files
    content = {
        "setting": said(setting),
        "registry": desk.registry.digest,
        "inputs": [dump["sha256"] for dump in inputs],
        "readings": sum(entry["rows"] for entry in files),
        "changes": [[code, iso(since)] for code, since in desk.changes.iter_rows()],
        "reader": [reader.audience, reader.meter, reader.language],
    }
    return {
        "from": iso(setting.begin),
        "to": iso(setting.end),
        "window": setting.windows[0].name.rsplit("_", 1)[1],
        "workspace": home.root.name,
        "digest": hashlib.sha256(canonical(content).encode()).hexdigest(),
        "code_version": setting.version,
        "policy": policy_text(setting.policy),
        "policy_digest": setting.policy.digest,
        "registry_digest": desk.registry.digest,
        "versions": {name: version(name) for name in _LIBRARIES},
        "command": command,
        "inputs": inputs,
        "rows": row_accounting(inputs),
    }
