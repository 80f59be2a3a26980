"""An audit from its setting to its folder in ``reports/``, which appears whole, by one rename."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.audit.crew import Crew
from flows.audit.desk import LAYOUT, Desk
from flows.audit.engine import carry_out
from flows.audit.plan import Setting, name_of, said
from flows.audit.report import Reader, Report, policy_text
from flows.audit.tables import WINDOWS_FILE
from flows.inputs import in_order, row_accounting, told_of
from flows.memory import keep_what_is_freed
from flows.settings import use_matplotlib_in
from transforms.canonical import canonical
from transforms.digests import sums_of
from transforms.registry import Registry
from transforms.windows import iso, parse_time
from transforms.workspace import Workspace

#: the digests of all other files of the audit, in its folder
SUMS = "SHA256SUMS"
#: libraries whose versions an audit names
_LIBRARIES = ("duckdb", "numpy", "polars", "pyarrow", "scipy")


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
    registry: Registry,
    home: Workspace,
    hands: Crew,
    reader: Reader,
    command: str,
    name: str,
    progress: Callable[[str], None],
) -> Outcome:
    """Carry out an audit and write its report; one that is there already is left as it is.

    Parameters
    ----------
    setting
        What is audited. Its ``work`` names the folder for unfinished business of all audits.
    registry
        What stands in the setting's registry folder.
    home
        The workspace whose ``reports/`` gets the folder.
    hands
        Who carries it out.
    command
        What repeats the audit, as it will be told.
    name
        What is audited is called so in the report: a workspace, or a folder of exports.
    """
    keep_what_is_freed()
    desk = Desk(setting, registry)
    hands.call_for(desk.lake.readings(setting.begin, setting.end))
    facts = _facts(setting, desk, name, reader, command)
    folder = home.reports / name_of(setting, facts["digest"])
    if folder.is_dir():
        return Outcome(folder, False, 0, 0, facts)
    setting = desk.setting = replace(setting, work=setting.work / f"{facts['digest'][:24]}-{LAYOUT}")
    # what killed audits left, this one or others: whoever is here holds the workspace
    for left in home.scratch.glob("audit_*"):
        shutil.rmtree(left)
    draft = home.scratch / folder.name
    draft.mkdir(parents=True)
    use_matplotlib_in(home.cache)
    done = carry_out(desk, hands, draft, progress)
    report = Report.of(draft, desk, done.figures, done.pairs, facts, reader)
    with _removed(setting.work):
        report.write(hands)
    (draft / SUMS).write_text(sums_of(draft, {WINDOWS_FILE: done.digest.result()}), encoding="utf-8")
    home.reports.mkdir(parents=True, exist_ok=True)
    draft.rename(folder)
    return Outcome(folder, True, done.chunks, done.read, facts)


@contextmanager
def _removed(folder: Path) -> Iterator[None]:
    """Remove a folder meanwhile: a file system takes its time over gigabytes, and no processor."""
    with ThreadPoolExecutor(1) as aside:
        gone = aside.submit(shutil.rmtree, folder)
        yield
        gone.result()


def _facts(setting: Setting, desk: Desk, name: str, reader: Reader, command: str) -> dict[str, Any]:
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
        "workspace": name,
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
