"""Starting and ending the temporary Prefect server that belongs to this process."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from pathlib import Path

from flows.settings import SERVER_START_TIMEOUT_S
from transforms.errors import MeterwrightError

_SCRIPT = Path(__file__).with_name("temporary_server.py")
_END_TIMEOUT_S = 12.0


def drain(timeout_s: float = 5.0) -> None:
    """Wait until Prefect, where it is in use, has sent its events and logs; for ever is too long for a mere view.

    Comes before the end of a server: afterwards Prefect would try for minutes and complain on standard error.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=timeout_s, at_exit=False)


class PrefectServerError(MeterwrightError):
    """Prefect's server did not start, could not be reached or failed. Our own work did not."""


class TemporaryServer:
    """A Prefect server on this machine, for this process only.

    Started in a session of its own, so that Ctrl-C reaches us and not the server, which we still need for saying that
    the run has ended. It ends when our end of its standard input closes, at the latest when this process is gone.

    Parameters
    ----------
    home
        Prefect's folder: its database and ``server.log``.
    scheduler
        Whether deployments get their scheduled runs and the user interface is served; a single run needs neither.
    port
        The port to listen on if it is free, else any; 0 for any.
    """

    def __init__(self, home: Path, *, scheduler: bool = False, port: int = 0) -> None:
        self.log = home / "server.log"
        own = {
            "PREFECT_LOGGING_HANDLERS_FILE_FILENAME": str(self.log),
            "PREFECT_UI_ENABLED": str(scheduler),
            "PREFECT_UI_API_URL": "/api",
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                # -P: the script's folder holds a module called prefect, which must not hide Prefect
                [sys.executable, "-P", str(_SCRIPT), "full" if scheduler else "ephemeral", str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home,
                env=os.environ | own,
                start_new_session=True,
            )
        self._deadline = time.monotonic() + SERVER_START_TIMEOUT_S
        self._said = b""
        self.port = int(self._line())
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    def wait_until_ready(self) -> None:
        """Return when the server answers.

        Raises
        ------
        PrefectServerError
            If it ends or does not answer in time.
        """
        if self._said != b"ready":
            self._said = self._line()

    def wait_until_recorded(self, flow_run: str, tasks: int, timeout_s: float) -> None:
        """Return when the server has the end of so many tasks of a flow run in its database, or when time is up."""
        import httpx

        ended = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
        query = {"flow_runs": {"id": {"any_": [flow_run]}}, "task_runs": {"state": ended}}
        deadline = time.monotonic() + timeout_s
        with httpx.Client(trust_env=False, timeout=timeout_s) as client:
            while time.monotonic() < deadline:
                if client.post(f"{self.api_url}/task_runs/count", json=query).json() >= tasks:
                    return
                time.sleep(0.05)

    def check(self) -> None:
        """Raise `PrefectServerError` if the server has ended, which it does not do by itself."""
        if (code := self._process.poll()) is not None:
            raise PrefectServerError(f"Prefect's temporary server has ended (code {code}); {self.log} may say why.")

    def close(self) -> None:
        """End the server in good order, or by force when it takes too long."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
            try:
                self._process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                left = self._deadline - time.monotonic()
                piece = os.read(stdout.fileno(), 1) if left > 0 and selector.select(left) else None
                if not piece:
                    self._process.kill()
                    self.close()
                    trouble = "ended at its start" if piece == b"" else f"took more than {SERVER_START_TIMEOUT_S} s"
                    raise PrefectServerError(
                        f"Prefect's temporary server {trouble}; {self.log} says why. "
                        "Work goes on without it under --engine plain, with the same results."
                    )
                line += piece
        return line.strip()
