"""One run at a time: whatever stands in the lock file, only a living holder keeps others out, and the last one is told who."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import lock
from flows.cli.main import main
from flows.lock import hold
from reports.wording import visible
from tests.workspaces import Small
from transforms.errors import WorkspaceBusyError
from transforms.workspace import Workspace

HERE = socket.gethostname()


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def note(**changes: object) -> bytes:
    return json.dumps(
        {"pid": os.getpid(), "host": HERE, "purpose": "run", "since": "2026-01-01T00:00:00Z"} | changes
    ).encode()


leftovers = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"{", b"null", b"[]", b"3", b"[" * 5000, b'{"pid": 1e400}', b"\x00" * 5000, b'{"pid": "x"}']),
    st.builds(
        note,
        pid=st.one_of(st.integers(-5, 2**70), st.text(max_size=5), st.none()),
        host=st.sampled_from([HERE, "elsewhere", "", 7]),
        purpose=st.text(max_size=20),
    ),
    st.integers(0, 90).map(lambda size: note()[:size]),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(left=leftovers)
def test_what_a_dead_process_left_keeps_nobody_out(left: bytes) -> None:
    """Its number may be another's by now, it may be of another machine, and it may have died while writing."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.lock.write_bytes(left)
        with hold(workspace, "run"):
            assert json.loads(workspace.lock.read_bytes())["pid"] == os.getpid()
        assert workspace.lock.read_bytes() == b""


@settings(max_examples=60, deadline=None, derandomize=True)
@given(left=leftovers)
def test_whoever_holds_it_keeps_others_out_whatever_stands_there(left: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        with hold(workspace, "run"), pytest.MonkeyPatch.context() as patch:
            patch.setattr(lock.time, "sleep", lambda _: None)
            workspace.lock.write_bytes(left)
            with pytest.raises(WorkspaceBusyError) as refusal, hold(workspace, "run"):
                pass
            assert visible(refusal.value) == str(refusal.value), "no control character gets to the terminal"
            assert "holds the workspace; wait until it is done and run again" in str(refusal.value)
            assert workspace.lock.read_bytes() == left, "who is refused touches nothing"


def test_a_note_of_the_dead_is_not_taken_for_the_holders(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder has the lock but has not written yet; a moment later it has."""
    workspace = Workspace(tmp_path)
    notes = [note(pid=dead), note(pid=dead), note(purpose="outbox approve")]
    with hold(workspace, "outbox approve"):
        workspace.lock.write_bytes(notes[0])
        monkeypatch.setattr(lock.time, "sleep", lambda _: workspace.lock.write_bytes(notes.pop(1)))
        with (
            pytest.raises(WorkspaceBusyError, match=f"process {os.getpid()} on {HERE} .outbox approve, since"),
            hold(workspace, "run"),
        ):
            pass
    monkeypatch.setattr(lock.time, "sleep", lambda _: None)
    with hold(workspace, "run"):
        workspace.lock.write_bytes(note(pid=dead, host="elsewhere"))
        with pytest.raises(WorkspaceBusyError, match=f"process {dead} on elsewhere"), hold(workspace, "run"):
            pass


HOLDS = """
import sys, time
from pathlib import Path
from flows.lock import hold
from reports.wording import visible
from transforms.workspace import Workspace
with hold(Workspace(Path(sys.argv[1])), "run"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_and_the_lock_of_a_killed_one_is_free(
    small: Small, capfd: pytest.CaptureFixture[str]
) -> None:
    small.registry(["WM-1"])
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(small.root)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    approving = ["outbox", "approve", "20260101T000000Z_12h_r1", "--workspace", str(small.root)]
    assert small.run() == 5
    assert main(approving) == 5
    assert capfd.readouterr().err.count(f"process {holder.pid} on {HERE} (run, since ") == 2
    assert not (small.root / "outbox").exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert json.loads((small.root / ".lock").read_bytes())["pid"] == holder.pid, "its note is still there"
    assert main(approving) == 2, "the workspace is free; there is no such run"


def test_never_two_at_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    inside, most, refused = [0], [0], [0]
    counting = threading.Lock()

    def work() -> None:
        for _ in range(200):
            try:
                with hold(workspace, "run"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except WorkspaceBusyError:
                with counting:
                    refused[0] += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock.time, "sleep", lambda _: None)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most[0] == 1
    assert refused[0] < 800


def test_a_lock_that_leads_elsewhere_is_not_followed(small: Small, tmp_path: Path) -> None:
    small.registry(["WM-1"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    (small.root / ".lock").symlink_to(elsewhere)
    assert small.run() == 1
    assert elsewhere.read_text() == "kept"
