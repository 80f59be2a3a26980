"""The program `meterwright`: its commands, and how each error becomes a sentence and an exit code."""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from flows.cli import audit, cycle, explain, outbox, quarantine, review, setting_up, sources
from flows.engines.signals import exit_code, terminable
from flows.memory import look_for_garbage_seldom
from flows.settings import version
from transforms.errors import MeterwrightError, PolicyError, RegistryError, UsageError, WorkspaceBusyError

DONE, FAILED, WRONG, QUARANTINED, HELD, BUSY = 0, 1, 2, 3, 4, 5

#: the file in a message of DuckDB's, which may be quoted within quotes
_FILE_NAMED = re.compile(r"""file \\?["']([^"'\\]+)""")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version(), prog_name="meterwright")
def meterwright() -> None:
    """Keeps a utility's smart water meters honest: compares each with its reference and corrects what is steadily off.

    Exit codes: 0 done, 1 a failure that is ours, 2 wrong usage, registry or policy, 3 done but some input was
    quarantined, could not be fetched or used, or speaks against its mapping, 4 done but commands are held for approval,
    5 another run holds the workspace.
    """


for command in (
    setting_up.init,
    setting_up.policy,
    setting_up.simulate,
    cycle.pull,
    cycle.ingest,
    cycle.run,
    cycle.serve,
    audit.audit,
    explain.explain,
    outbox.outbox,
    review.review,
    sources.sources,
    quarantine.quarantine,
):
    meterwright.add_command(command)


@contextmanager
def seldom_tidied() -> Iterator[None]:
    """Look for garbage seldom during the block."""
    usual = look_for_garbage_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    try:
        with terminable(), seldom_tidied():
            code = meterwright.main(
                args=None if arguments is None else list(arguments), prog_name="meterwright", standalone_mode=False
            )
    except click.exceptions.Abort as stop:
        cause = stop.__cause__
        number = exit_code(cause) if isinstance(cause, KeyboardInterrupt) else 130
        return _say("stopped; what was done so far is kept, run the same command again to go on", number)
    except click.ClickException as error:
        error.show()
        return WRONG
    except (UsageError, RegistryError, PolicyError) as error:
        return _say(str(error), WRONG)
    except WorkspaceBusyError as error:
        return _say(str(error), BUSY)
    except MeterwrightError as error:
        return _say(str(error), FAILED)
    except OSError as error:
        return _say(_of_the_system(error), FAILED)
    except Exception as error:
        # libraries have their own classes for what the system refused; everything else is a fault of the program
        if (full := os.strerror(errno.ENOSPC)) not in str(error):
            raise
        named = _FILE_NAMED.search(str(error))
        return _say(_of_the_system(OSError(errno.ENOSPC, full, named and named[1])), FAILED)
    return code if isinstance(code, int) else DONE


def _of_the_system(error: OSError) -> str:
    """What the system refused, of which file as far as it says so, and what to do."""
    what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    again = "what was done so far is kept, run the same command again to go on"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}; make room on the disk of the workspace (and of TMPDIR): {again}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{what}; give the user that runs meterwright the right to read and write there: {again}"
    return f"{what}; {again}, and look at the disk if it happens again"


def _say(sentence: str, code: int) -> int:
    click.echo(f"meterwright: {sentence}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
