"""Commands about the outbox: ``list``, ``approve``, ``key``, ``verify``."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.common import (
    json_option,
    make_context,
    moment,
    open_workspace,
    show,
    who_says,
    workers_option,
    workspace_option,
)
from flows.settings import KEY_FILE, PUBLIC_KEY_FILE, public_key
from reports.wording import visible
from transforms.errors import UsageError
from transforms.private import OWNER_ONLY, USUAL
from transforms.reasons import sentence
from transforms.signature import SigningKey, read_public

if TYPE_CHECKING:
    from transforms.outbox.verify import Checked, Finding, Verified

#: how many of a kind are named on the terminal
LISTED = 20


@click.group()
def outbox() -> None:
    """What waits in the outbox, a person's word on held commands, and whether all is as it was written."""


@outbox.command(name="list")
@workspace_option
@click.option("--all", "everything", is_flag=True, help=f"Show all, not only {LISTED} of a kind.")
@click.option("--now", "clock", help="The time by which commands count as expired. Default: the clock's.")
@json_option
def list_command(folder: Path | None, everything: bool, clock: str | None, as_json: bool) -> int:
    """What waits: runs held for approval, commands without an answer, and how each meter stands."""
    from flows.cli.waiting import waiting_lines
    from flows.registered import in_place
    from transforms.feedback import read_acks
    from transforms.outbox import read_history
    from transforms.outbox.waiting import waiting
    from transforms.registry import load_registry

    workspace = open_workspace(folder)
    since = in_place(load_registry(workspace.registry))
    found = waiting(read_history(workspace), read_acks(workspace).acks, since, moment(clock))
    show(asdict(found), waiting_lines(found, None if everything else LISTED), as_json=as_json)
    return 0


@outbox.command(name="approve")
@click.argument("run_id", metavar="RUN")
@workspace_option
@click.option("--by", help="Who approves, for the record. Default: your login name.")
@click.option("--now", "clock", help="The time of the approval. Default: the clock's.")
@workers_option
@json_option
def approve_command(
    run_id: str, folder: Path | None, by: str | None, clock: str | None, workers: int | None, as_json: bool
) -> int:
    """Release the held commands of RUN, once.

    They leave as a new revision of RUN, with who released them and when. Commands of meters whose parameters have
    changed since are dropped.
    """
    from flows.approval import approve
    from flows.lock import hold

    who = who_says(by)
    context = make_context(folder, workers, reads_dumps=False)
    with hold(context.workspace, "outbox approve"):
        manifest, report = approve(context, run_id, who, moment(clock))
    word = manifest["approved"]
    lines = [f"{manifest['run_id']}: {word['released']} commands released by {visible(who)} at {word['at']}"]
    if word["dropped"]:
        lines.append(f"Dropped, not sent: {len(word['dropped'])}")
        lines += [f"  {visible(e['feature_code'])}: {sentence(e['reason'])}" for e in word["dropped"][:LISTED]]
        lines += [f"  ... and {len(word['dropped']) - LISTED} more"] if len(word["dropped"]) > LISTED else []
    lines.append(f"Report: {report}")
    result = {"run_id": manifest["run_id"], "approved": word, "counts": manifest["counts"], "report": str(report)}
    show(result, lines, as_json=as_json)
    return 0


@outbox.command()
@workspace_option
@json_option
def key(folder: Path | None, as_json: bool) -> int:
    """Make the key that manifests are signed with: registry/signing_key.pem, for its owner only, and public_key.pem."""
    workspace = open_workspace(folder)
    private, public = workspace.registry / KEY_FILE, workspace.registry / PUBLIC_KEY_FILE
    for file in (private, public):
        if file.exists():
            raise UsageError(f"{file} is there already; a key is never overwritten, move it away first")
    made = SigningKey.new()
    _write_new(private, made.pem(), OWNER_ONLY)
    _write_new(public, made.public_pem(), USUAL)
    lines = [
        f"Signing key: {private} (keep it secret, and a copy elsewhere)",
        f"Public key:  {public}",
        f"             {made.public}",
        "Give the public key to those who verify: meterwright outbox verify --public-key FILE",
    ]
    result = {"signing_key": str(private), "public_key_file": str(public), "public_key": made.public}
    show(result, lines, as_json=as_json)
    return 0


def _write_new(file: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as opened:
        opened.write(text)


@outbox.command(name="verify")
@click.argument("run_id", metavar="[RUN]", required=False)
@workspace_option
@click.option(
    "--public-key",
    "given",
    multiple=True,
    help="The key that signatures must be by: a PEM file, or base64. Then every run must be signed. "
    "Once for each key that was in use. Default: the workspace's key.",
)
@json_option
def verify_command(run_id: str | None, folder: Path | None, given: tuple[str, ...], as_json: bool) -> int:
    """Check files, signatures and the chain from run to run, of RUN or of all.

    Ends with 0 if all is as it was written, with 1 if something is not, and names what was altered.
    """
    from transforms.outbox.verify import verify

    workspace = open_workspace(folder)
    if given:
        expected = {_public_key(text) for text in given}
    else:
        own = public_key(workspace.registry)
        expected = {own} if own else set()
    found = verify(workspace, run_id, expected, every_run_signed=bool(given))
    show(_result(found, expected), _lines(found, expected), as_json=as_json)
    return 1 if found.findings else 0


def _public_key(given: str) -> str:
    file = Path(given).expanduser()
    try:
        text = file.read_text(encoding="ascii", errors="replace") if file.is_file() else given
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    return read_public(text, f"--public-key {given}" if file.is_file() else "--public-key")


def _result(found: Verified, expected: set[str]) -> dict[str, Any]:
    return {
        "ok": not found.findings,
        "expected_keys": sorted(expected),
        "newest": found.newest,
        "runs": [
            {
                "run_id": run.run_id,
                "signature": _state(run),
                "public_key": run.signer,
                "findings": [asdict(finding) for finding in run.findings],
            }
            for run in found.runs
        ],
        "strangers": [asdict(finding) for finding in found.strangers],
    }


def _state(run: Checked) -> str:
    if not run.signed:
        return "unsigned"
    return "signed" if run.signer else "invalid"


def _lines(found: Verified, expected: set[str]) -> list[str]:
    if not found.runs and not found.strangers:
        return ["There is no run in the outbox, so there is nothing to verify"]
    lines = [_sentence(finding) for finding in found.findings]
    signers = sorted({run.signer for run in found.runs if run.signer})
    unsigned = [run.run_id for run in found.runs if not run.signed]
    for signer in signers:
        many = sum(run.signer == signer for run in found.runs)
        trust = "the key expected" if signer in expected else "NOT a key expected"
        lines.append(f"{many} signed by {signer}" + (f", {trust}" if expected else ", whose key that is was not said"))
    if unsigned:
        which = f": {unsigned[0]}" if len(unsigned) == 1 else f", {unsigned[0]} to {unsigned[-1]}"
        lines.append(f"{len(unsigned)} unsigned{which}")
    if found.newest:
        lines.append(f"The chain ends with {found.newest['run_id']}, sha256 {found.newest['manifest_sha256']}")
    many = len(found.runs)
    runs = f"{many} run{'' if many == 1 else 's'}"
    if found.findings:
        lines.append(f"NOT as written: {len(found.findings)} finding(s) in {runs}")
    else:
        lines.append(f"All as written: {runs}")
    return lines


#: what is wrong -> the words for it
_WORDS = {
    "bytes": "altered, size in bytes",
    "sha256": "altered, sha256",
    "rows": "altered, rows",
    "missing": "missing",
    "added": "added",
    "spelling": "altered, the same content in other bytes",
    "incomplete": "altered, a file of every run is not listed",
    "unreadable": "altered, cannot be read",
    "signature": "altered, the signature does not hold",
    "key": "signed by another key",
    "unsigned": "the signature is missing",
    "chain": "the chain of runs is broken",
}


def _sentence(finding: Finding) -> str:
    place = f"outbox/{finding.run_id}" + (f"/{finding.file}" if finding.file else "")
    witness = f" (so says {finding.witness})" if finding.witness else ""
    said = f"{_WORDS[finding.what]}: found {finding.found}, expected {finding.expected}{witness}"
    return visible(f"{place}: {said}")
