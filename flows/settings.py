"""What the environment decides: where the workspace is, how many workers there are, and how Prefect must behave.

Nothing else in Meterwright reads environment variables but `flows.pulling.credentials`. Prefect reads its own when it is
first imported, so `use_prefect_in` comes before any import of it.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from urllib.parse import urlsplit

from transforms.errors import UsageError
from transforms.signature import SigningKey, read_public

WORKSPACE_VARIABLE = "METERWRIGHT_WORKSPACE"
WORKERS_VARIABLE = "METERWRIGHT_WORKERS"
CLUSTER_VARIABLE = "METERWRIGHT_CLUSTER"
KEY_VARIABLE = "METERWRIGHT_SIGNING_KEY"
KEY_FILE_VARIABLE = "METERWRIGHT_SIGNING_KEY_FILE"
KEY_FILE, PUBLIC_KEY_FILE = "signing_key.pem", "public_key.pem"
SERVER_START_TIMEOUT_S = 90
"""Seconds that a temporary Prefect server may take: the first start creates a database, 20 s and more."""

_PROJECT = Path(__file__).resolve().parents[1]
_MAX_WORKERS = 256


def workspace_root(given: Path | str | None = None) -> Path:
    """Where the workspace is: the argument, else METERWRIGHT_WORKSPACE, else ``data`` of the project.

    An installed Meterwright has no project around it; there ``data`` of the current folder is meant.
    """
    named = given or os.environ.get(WORKSPACE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    project = _PROJECT if (_PROJECT / "pyproject.toml").is_file() else Path.cwd()
    return project / "data"


def worker_count(given: int | None = None) -> int:
    """How many buckets are worked on at once: the argument, else METERWRIGHT_WORKERS, else the cores we may use.

    Raises
    ------
    UsageError
        If the number is not a whole number from 1 to 256.
    """
    named = given if given is not None else os.environ.get(WORKERS_VARIABLE)
    if named is None or named == "":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return min(cores or 1, _MAX_WORKERS)
    try:
        count = int(named)
    except ValueError:
        count = 0
    if not 1 <= count <= _MAX_WORKERS:
        origin = "--workers" if given is not None else WORKERS_VARIABLE
        raise UsageError(f"{origin} is {named!r}; write a whole number from 1 to {_MAX_WORKERS}")
    return count


def cluster_address() -> str | None:
    """The scheduler of the Dask cluster over which buckets are spread, METERWRIGHT_CLUSTER, if any.

    Raises
    ------
    UsageError
        If it is no address of a scheduler.
    """
    named = os.environ.get(CLUSTER_VARIABLE)
    if not named:
        return None
    address = urlsplit(named)
    try:
        known = address.scheme in ("tcp", "tls") and address.hostname and address.port
    except ValueError:  # a port that is none
        known = None
    if not known:
        raise UsageError(f"{CLUSTER_VARIABLE} is {named!r}; write a Dask scheduler's address, as tcp://machine:8786")
    return named


def signing_key(registry: Path) -> SigningKey | None:
    """What manifests are signed with: METERWRIGHT_SIGNING_KEY, else the file that METERWRIGHT_SIGNING_KEY_FILE names,
    else ``signing_key.pem`` of the registry, else nothing.

    Raises
    ------
    UsageError
        If there is no usable key where one is named, or others than its owner may read the file.
    """
    text = os.environ.get(KEY_VARIABLE)
    if text:
        return SigningKey.read(text, KEY_VARIABLE)
    named = os.environ.get(KEY_FILE_VARIABLE)
    file = Path(named).expanduser() if named else registry / KEY_FILE
    if not named and not file.exists():
        return None
    return SigningKey.read(_private_text(file), str(file))


def public_key(registry: Path) -> str | None:
    """The public key that signatures are expected to be by: that of the signing key in the environment, else
    ``public_key.pem`` of the registry, else that of the registry's signing key."""
    file = registry / PUBLIC_KEY_FILE
    if not os.environ.get(KEY_VARIABLE) and not os.environ.get(KEY_FILE_VARIABLE) and file.exists():
        return read_public(file.read_text(encoding="ascii", errors="replace"), str(file))
    key = signing_key(registry)
    return key.public if key else None


def _private_text(file: Path) -> str:
    """The text of a file that only its owner may be able to read."""
    try:
        with file.open(encoding="ascii", errors="replace") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & 0o077:
                raise UsageError(
                    f"{file} holds the signing key, but others than its owner have access to it (mode {mode:04o}); "
                    f"run: chmod 600 {file}"
                )
            return opened.read()
    except OSError as error:
        raise UsageError(f"the signing key {file} cannot be read: {error.strerror}") from None


def login_name() -> str:
    """Who runs this process, by the system's own account and not by what the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in some containers
        return f"uid {os.getuid()}"


def version() -> str:
    """Meterwright's version, as it goes into manifests."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("meterwright")
    except PackageNotFoundError:  # run from a bare checkout that nobody installed
        return "0+uninstalled"


def prefect_environment(workspace: Path) -> dict[str, str]:
    """The variables that Prefect must find, except where the user has set them already.

    Its state and its log stay inside the workspace, it calls nobody, and what it has to say goes to
    ``.prefect/prefect.log`` and not to the terminal: what went wrong with our own work comes out as an exception.
    """
    home = Path(os.environ.get("PREFECT_HOME") or workspace / ".prefect").expanduser().absolute()
    return {
        "PREFECT_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Prefect shall not start a server of its own accord: ours ends with us, its own may be left behind.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(SERVER_START_TIMEOUT_S),
        "PREFECT_LOGGING_CONFIG_PATH": str(Path(__file__).with_name("engines") / "logging.yml"),
        # When a server is gone, this handler alone writes to standard error, past all logging; its lines say nothing new.
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
        # The UI is copied to where it is served from, by default into the installed package.
        "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        # Per event a transaction is the default and makes the server lag behind the tasks, up to the end of the run.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        # Whole seconds: of part of one Prefect makes none at all, and asks without a pause, which takes a core.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
        # It marks what we call off, and the two lock each other out of SQLite.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    }


def use_prefect_in(workspace: Path) -> Path:
    """Set what Prefect must find in the environment, make its folder, and return that folder."""
    for name, value in prefect_environment(workspace).items():
        os.environ.setdefault(name, value)
    home = Path(os.environ["PREFECT_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    return home


def use_matplotlib_in(folder: Path) -> None:
    """Let Matplotlib keep its list of fonts in a folder of the workspace, unless the user has named one.

    A process that was killed as it wrote the list leaves a lock behind, for which every later one would wait five seconds
    and then do without the list.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    for left in (folder / "matplotlib").glob("*.matplotlib-lock"):
        left.unlink(missing_ok=True)


def prefect_api_url() -> str | None:
    """The Prefect server that the user has named with PREFECT_API_URL, if any."""
    return os.environ.get("PREFECT_API_URL") or None
