"""A small program that works with the Prefect engine, started in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

PROGRAM = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from flows.engines import make_engine
    from flows.engines.signals import exit_code, terminable
    from transforms.errors import MeterwrightError, RegistryError

    def work(k):
        if sys.argv[2] == "fail" and k == 3:
            raise RegistryError("row 7 is wrong")
        if sys.argv[2] == "wait":
            print("waiting", flush=True)
            time.sleep(1)
        return k * k

    def body(engine):
        squares = engine.map("square", work, list(range(40)))
        engine.summary("cycle", "# Summary")
        return squares

    try:
        with terminable(), make_engine("prefect", 2, Path(sys.argv[1])) as engine:
            assert engine.run("cycle", body) == [k * k for k in range(40)]
    except MeterwrightError as error:
        print("said:", error)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        sys.exit(exit_code(stop))
""")


@dataclass(frozen=True)
class FirstRun:
    """What the program above did in an empty folder: in ``folder`` lie its workspace and its home."""

    folder: Path
    out: str
    err: str
    code: int

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def database(self) -> Path:
        return self.workspace / ".prefect" / "prefect.db"


def start(workspace: Path, mode: str) -> subprocess.Popen[str]:
    """Carry out the program above in a process of its own, with an empty home to see what is written outside."""
    home = workspace.parent / "home"
    home.mkdir(exist_ok=True)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(workspace), mode],
        env=settings | {"HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
