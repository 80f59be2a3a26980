"""The program as the shell starts it: one command, and the end of the process.

To take apart an interpreter with two thousand modules takes half a second, and when a command is done nobody waits for
anything that happens in it. So the process ends as soon as what others asked to be done at the end is done, except where a
thread may still be at work. Prefect, where it was in use, has been waited for by its engine, as long as a mere view deserves.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn


def program() -> NoReturn:
    """Run the command that the process was started with, and end the process with its exit code."""
    # other processes of a command begin with this module, too, and need none of the commands
    from flows.cli.main import main

    code = main()
    if _may_end():
        atexit._run_exitfuncs()
        if _said_everything():
            os._exit(code)
    sys.exit(code)


def _may_end() -> bool:
    """Whether nobody is at work any more who would be waited for."""
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    return all(thread.daemon for thread in others)


def _said_everything() -> bool:
    """Whether what was printed has left; where it cannot, Python says so in its own way."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return False
    return True
