"""Verification: whether the outbox is what its runs have written, and if not, exactly what was altered.

A run's manifest vouches for its files, its signature for the manifest, and the next run's manifest for all of it. For the
newest run, which has none after it, stands what was noted beside its report. Whoever takes away or alters both leaves
nothing here that could show it: for that, keep what `Verified.newest` names elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from transforms.digests import sha256_of
from transforms.errors import MeterwrightError, UsageError
from transforms.outbox.lying import MANIFEST, LyingRun, as_it_lies, by_window
from transforms.outbox.runs import is_run_id, read_lines
from transforms.signature import signer_of
from transforms.workspace import Workspace

#: beside a run's report: the digest of its manifest, as `sha256sum` writes it
NOTE = "manifest.sha256"

#: the files that every run has
FILES = (
    "commands.jsonl",
    "effects.parquet",
    "notices.jsonl",
    "readings.parquet",
    "verdicts.parquet",
    "work_orders.jsonl",
)


@dataclass(frozen=True)
class Finding:
    """One thing that does not verify: which file of which run (``file`` is empty for a run as a whole), what is wrong,
    what was found and what was expected. ``witness`` is what shows it, where it is not the run itself: the run whose
    manifest does, or the report (``reports/RUN``)."""

    run_id: str
    file: str
    what: str
    found: str
    expected: str
    witness: str | None = None


@dataclass(frozen=True)
class Checked:
    """One run. ``signer`` is the public key whose signature holds, None for a run that is unsigned or badly signed."""

    run_id: str
    signer: str | None
    signed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Verified:
    """All runs that were checked, in the order of window and revision; what lies in the outbox and is no run, or is
    missing though no run that is left says so; and the end of the chain, ``run_id`` and ``manifest_sha256``."""

    runs: tuple[Checked, ...]
    strangers: tuple[Finding, ...]
    newest: dict[str, str] | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (*(finding for run in self.runs for finding in run.findings), *self.strangers)


def verify(
    workspace: Workspace, run_id: str | None = None, expected: Collection[str] = (), *, every_run_signed: bool = False
) -> Verified:
    """Check one run, or all of them and what else lies in the outbox.

    Parameters
    ----------
    expected
        The public keys that signatures may be by; empty if any key will do.
    every_run_signed
        Whether a run without a signature is a finding. Otherwise it is one only after a run that is signed.

    Raises
    ------
    UsageError
        If there is no such run.
    """
    entries = sorted(workspace.outbox.iterdir()) if workspace.outbox.is_dir() else []
    folders = [path for path in entries if is_run_id(path.name) and path.is_dir() and not path.is_symlink()]
    if run_id is not None and run_id not in {folder.name for folder in folders}:
        raise UsageError(f"there is no run {run_id!r} in {workspace.outbox}")
    runs = {run.name: run for run in sorted(map(as_it_lies, folders), key=by_window)}
    signers, badly = _signers(runs)
    chain = _chain(runs)
    noted = _noted(workspace, runs, {(finding.run_id, finding.file) for finding in chain})
    found = [
        *badly,
        *_spelling(runs),
        *chain,
        *noted,
        *_keys(runs, signers, expected, every_run_signed=every_run_signed),
    ]
    checked = []
    for name, run in runs.items():
        if run_id not in (None, name):
            continue
        files = [Finding(name, MANIFEST, "unreadable", run.fault, "a manifest")] if run.fault else _files(run)
        about = [finding for finding in found if name == finding.run_id or run_id == finding.witness]
        missing = [] if run_id else [f for f in found if f.witness == name and f.run_id not in runs]
        signed = run.manifest.get("signature") is not None
        checked.append(Checked(name, signers.get(name), signed, (*files, *about, *missing)))
    strangers = [
        Finding(path.name, "", "added", "something that no run has written", "runs only")
        for path in entries
        if path not in folders and not path.name.startswith(".")
    ]
    strangers += [finding for finding in noted if finding.run_id not in runs]
    return Verified(tuple(checked), tuple(strangers) if run_id is None else (), _newest(runs))


def _files(run: LyingRun) -> list[Finding]:
    """Every file against what the manifest says of it."""
    listed: Mapping[str, Any] = run.manifest["files"]
    found = [Finding(run.name, MANIFEST, "incomplete", f"nothing about {n}", n) for n in FILES if n not in listed]
    for path in sorted(run.folder.iterdir()):
        if path.name != MANIFEST and path.name not in listed:
            found.append(Finding(run.name, path.name, "added", "a file", "none of this name"))
    for name, facts in sorted(listed.items()):
        path = run.folder / name
        if path.parent != run.folder or path.is_symlink() or not path.is_file():
            found.append(Finding(run.name, name, "missing", "no file of this name", "a file"))
            continue
        found += [
            Finding(run.name, name, what, str(is_), str(said))
            for what, is_, said in (
                ("bytes", path.stat().st_size, facts.get("bytes")),
                ("sha256", sha256_of(path), facts.get("sha256")),
                ("rows", _rows(path), facts.get("rows")),
            )
            if is_ != said
        ]
    return found


def _rows(path: Path) -> int | str:
    try:
        if path.suffix == ".parquet":
            return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
        return len(read_lines(path))
    except (pl.exceptions.PolarsError, OSError, ValueError, MeterwrightError):
        return "cannot be counted"


def _signers(runs: Mapping[str, LyingRun]) -> tuple[dict[str, str], list[Finding]]:
    """By which key each run is signed, and the signatures that do not hold."""
    signers: dict[str, str] = {}
    found = []
    for name, run in runs.items():
        try:
            signer = signer_of(run.manifest)
        except ValueError as error:
            found.append(Finding(name, MANIFEST, "signature", str(error), "the signature of this manifest"))
            continue
        if signer is not None:
            signers[name] = signer
    return signers, found


def _keys(
    runs: Mapping[str, LyingRun], signers: Mapping[str, str], expected: Collection[str], *, every_run_signed: bool
) -> list[Finding]:
    """Signatures by a key that is not expected, and runs without one where there should be one."""
    wanted = " or ".join(sorted(expected))
    found = [
        Finding(name, MANIFEST, "key", signer, wanted)
        for name, signer in signers.items()
        if expected and signer not in expected
    ]
    for name, run in runs.items():
        if run.fault or run.manifest.get("signature") is not None:
            continue
        before = _signed_before(runs, signers, name)
        if every_run_signed or before:
            why = f"a signature, as run {before} before it has" if before else "a signature"
            found.append(Finding(name, MANIFEST, "unsigned", "no signature", why))
    return found


def _signed_before(runs: Mapping[str, LyingRun], signers: Mapping[str, str], name: str) -> str | None:
    """The nearest signed run before one in the chain."""
    seen = {name}
    at = runs[name].previous
    while signers and at is not None and at in runs and at not in seen:
        if at in signers:
            return at
        seen.add(at)
        at = runs[at].previous
    return None


def _chain(runs: Mapping[str, LyingRun]) -> list[Finding]:
    """The links from run to run: each run but the first names one that is there, as it is, and that no other names."""
    found = []
    heirs: dict[str, list[str]] = {}
    for name, run in runs.items():
        if run.previous is None:
            continue
        heirs.setdefault(run.previous, []).append(name)
        said = str(run.manifest["previous"].get("manifest_sha256"))
        if run.previous not in runs:
            found.append(Finding(run.previous, "", "missing", "no such run", f"the run before {name}", name))
        elif runs[run.previous].sha256 != said:
            found.append(Finding(run.previous, MANIFEST, "sha256", runs[run.previous].sha256, said, name))
    for name, named_by in heirs.items():
        if len(named_by) > 1 and name in runs:
            found.append(Finding(name, MANIFEST, "chain", f"named by {', '.join(named_by)}", "named by one run"))
    begins = [name for name, run in runs.items() if run.previous is None and not run.fault]
    if len(begins) > 1:
        found += [
            Finding(name, MANIFEST, "chain", "names no run before it", f"one such run, not {len(begins)}")
            for name in begins
        ]
    return found


def _spelling(runs: Mapping[str, LyingRun]) -> list[Finding]:
    """Manifests whose bytes were altered, though what they say is the same."""
    return [
        Finding(name, MANIFEST, "spelling", "other white space, escapes or digits", "those that Meterwright writes")
        for name, run in runs.items()
        if not run.well_spelt
    ]


def _noted(workspace: Workspace, runs: Mapping[str, LyingRun], known: Collection[tuple[str, str]]) -> list[Finding]:
    """What the notes beside the reports show, beyond what is known already."""
    found = []
    for note in sorted(workspace.reports.glob(f"*/{NOTE}")):
        name = note.parent.name
        if not is_run_id(name) or {(name, ""), (name, MANIFEST)} & set(known):
            continue
        said = note.read_text(encoding="ascii", errors="replace").partition(" ")[0]
        if name not in runs:
            found.append(Finding(name, "", "missing", "no such run", "the run that was reported", f"reports/{name}"))
        elif runs[name].sha256 != said:
            found.append(Finding(name, MANIFEST, "sha256", runs[name].sha256, said[:64], f"reports/{name}"))
    return found


def _newest(runs: Mapping[str, LyingRun]) -> dict[str, str] | None:
    named = {run.previous for run in runs.values()}
    ends = [run for run in runs.values() if run.name not in named]
    return {"run_id": ends[-1].name, "manifest_sha256": ends[-1].sha256} if ends else None
