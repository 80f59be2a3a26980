"""Integrity: whatever byte of whatever file of a run is altered, and whatever run or file goes or comes, is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs.test_verify import KEY, PUBLIC, RUNS, build
from transforms.outbox.lying import MANIFEST
from transforms.outbox.verify import FILES, Finding, verify
from transforms.workspace import Workspace

#: of the newest manifest every byte is tried where this is set
THOROUGH = bool(os.environ.get("METERWRIGHT_STORIES"))
NAMES = (*FILES, MANIFEST)


@pytest.fixture(scope="module", params=["signed", "unsigned"])
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three runs and their reports."""
    root = tmp_path_factory.mktemp(request.param) / "workspace"
    return Workspace(build(root, KEY if request.param == "signed" else None).root)


@contextmanager
def put_back(file: Path) -> Iterator[bytes]:
    before = file.read_bytes()
    try:
        yield before
    finally:
        file.write_bytes(before)


def found(workspace: Workspace) -> tuple[Finding, ...]:
    return verify(workspace, None, [PUBLIC] if (workspace.registry / "signing_key.pem").exists() else []).findings


def test_as_it_was_written(workspace: Workspace) -> None:
    assert found(workspace) == ()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    run=st.sampled_from(RUNS),
    name=st.sampled_from(NAMES),
    place=st.floats(0, 1, exclude_max=True),
    by=st.integers(1, 255),
)
def test_any_byte_of_any_file(workspace: Workspace, run: str, name: str, place: float, by: int) -> None:
    file = workspace.run(run) / name
    with put_back(file) as before:
        if not before:  # no commands, no notices: nothing to alter
            return
        content = bytearray(before)
        content[int(place * len(content))] ^= by
        file.write_bytes(content)
        findings = found(workspace)
        assert (run, name) in {(finding.run_id, finding.file) for finding in findings}
        elsewhere = {finding.run_id for finding in findings} - {run}
        # who alters the link of one manifest to the next casts doubt on that one as well
        assert not elsewhere or name == MANIFEST


@pytest.mark.parametrize("by", [1, 2, 4, 8, 16, 32, 64, 128])
def test_every_bit_of_the_newest_manifest(workspace: Workspace, by: int) -> None:
    """The signature alone does not see white space; and no later manifest vouches for this one."""
    file = workspace.run(RUNS[-1]) / MANIFEST
    with put_back(file) as before:
        for place in range(by.bit_length() % 8, len(before), 1 if THOROUGH else 397):
            content = bytearray(before)
            content[place] ^= by
            file.write_bytes(content)
            names = {(finding.run_id, finding.file) for finding in found(workspace)}
            assert (RUNS[-1], MANIFEST) in names, f"bit {by} of byte {place}: {before[place - 9 : place + 9]!r}"


@pytest.mark.parametrize("spelling", [(b",\n", b",\t"), (b'": ', b'" :'), (b"\n}\n", b"\n}\r"), (b"==", b"=\n")])
def test_a_signature_does_not_excuse_another_spelling(
    workspace: Workspace, tmp_path: Path, spelling: tuple[bytes, bytes]
) -> None:
    """Without the report, which knows the digest: the manifest itself must show it."""
    copy = Workspace(tmp_path / "workspace")
    shutil.copytree(workspace.root, copy.root)
    shutil.rmtree(copy.reports)
    file = copy.run(RUNS[-1]) / MANIFEST
    before = file.read_bytes()
    if spelling[0] == b"==" and b"==" not in before:
        return
    file.write_bytes(before.replace(*spelling, 1))
    assert (RUNS[-1], MANIFEST) in {(finding.run_id, finding.file) for finding in found(copy)}


def test_the_bits_of_base64_that_decode_to_nothing(workspace: Workspace, tmp_path: Path) -> None:
    """64 bytes leave four such bits in the last of 86 characters: A, Q, g and w end a signature, nothing between."""
    copy = Workspace(tmp_path / "workspace")
    shutil.copytree(workspace.root, copy.root)
    shutil.rmtree(copy.reports)
    file = copy.run(RUNS[-1]) / MANIFEST
    before = file.read_bytes()
    end = before.find(b'=="')
    if end < 0:
        return
    assert before[end - 1 : end] in b"AQgw"
    file.write_bytes(before[: end - 1] + bytes([before[end - 1] + 1]) + before[end:])
    assert {(f.file, f.what) for f in found(copy)} == {(MANIFEST, "signature")}


whiches = st.tuples(st.sampled_from(RUNS), st.sampled_from(FILES))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(one=whiches, other=whiches)
def test_files_that_change_places(workspace: Workspace, one: tuple[str, str], other: tuple[str, str]) -> None:
    first, second = (workspace.run(run) / name for run, name in (one, other))
    with put_back(first) as here, put_back(second) as there:
        first.write_bytes(there)
        second.write_bytes(here)
        named = {(finding.run_id, finding.file) for finding in found(workspace)}
        assert named == (set() if here == there else {one, other})


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    run=st.sampled_from(RUNS), name=st.sampled_from(NAMES), stranger=st.sampled_from(["x", "verdicts.parquet~", ".x"])
)
def test_files_that_go_and_come(workspace: Workspace, run: str, name: str, stranger: str) -> None:
    file, added = workspace.run(run) / name, workspace.run(run) / stranger
    with put_back(file):
        file.unlink()
        assert (run, name) in {(finding.run_id, finding.file) for finding in found(workspace)}
    added.touch()
    try:
        assert {(f.run_id, f.file, f.what) for f in found(workspace)} == {(run, stranger, "added")}
    finally:
        added.unlink()


@pytest.mark.parametrize("gone", [[0], [1], [2], [0, 1], [1, 2]])
def test_runs_that_are_taken_away(workspace: Workspace, gone: list[int]) -> None:
    """The newest ones too, as long as their reports are there; a run's folder moved aside is hidden from `verify`."""
    aside = workspace.root / "aside"
    aside.mkdir()
    for number in gone:
        workspace.run(RUNS[number]).rename(aside / RUNS[number])
    try:
        missing = {finding.run_id for finding in found(workspace) if finding.what == "missing"}
    finally:
        for number in gone:
            (aside / RUNS[number]).rename(workspace.run(RUNS[number]))
        aside.rmdir()
    assert missing == {RUNS[number] for number in gone}


def test_without_its_report_the_newest_run_is_not_missed(workspace: Workspace, tmp_path: Path) -> None:
    """What no outbox can show of itself: who keeps the last digest elsewhere sees it all the same."""
    copy = Workspace(tmp_path / "workspace")
    shutil.copytree(workspace.root, copy.root)
    kept = verify(copy).newest
    shutil.rmtree(copy.run(RUNS[-1]))
    shutil.rmtree(copy.report(RUNS[-1]))
    after = verify(copy)
    assert after.findings == ()
    assert kept is not None and after.newest is not None
    assert (kept["run_id"], after.newest["run_id"]) == (RUNS[-1], RUNS[-2])
