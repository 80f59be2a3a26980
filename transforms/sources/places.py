"""Places: where a source's dumps are fetched from, as `place` in sources.toml says it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from transforms.faults import shown, suggestion

#: how dumps may come, by scheme: the port that is meant where none is given
SCHEMES: Final[dict[str, int | None]] = {
    "file": None,
    "s3": None,
    "sftp": 22,
    "ftp": 21,
    "ftps": 21,
    "http": 80,
    "https": 443,
}
KEYS: Final = ("place", "days", "host_key")
#: a date in the path of an address, as in ``/export/{date:%Y-%m-%d}.csv``
_DATED: Final = re.compile(r"\{date:((?:[^{}%]|%[YmdHjyGVu])+)\}")
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_DAYS: Final = 366


@dataclass(frozen=True)
class Place:
    """Where dumps lie.

    Attributes
    ----------
    scheme
        One of `SCHEMES`.
    host
        Server, or bucket; empty for a folder.
    port
        The server's port, or None.
    path
        Below the host, from ``/`` on; a folder ends with ``/`` where that matters (``http`` and ``https``).
    days
        For addresses with a date: for so many days back from today.
    host_key
        ``SHA256:...`` of the server's key (``sftp``); None where known_hosts has it.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    days: int = 7
    host_key: str | None = None

    @property
    def address(self) -> str:
        """As a person would write it; it never holds a credential."""
        if self.scheme == "file":
            return self.path
        port = f":{self.port}" if self.port and self.port != SCHEMES[self.scheme] else ""
        return f"{self.scheme}://{self.host}{port}{self.path}"

    @property
    def single(self) -> bool:
        """Whether the place names files and not a folder: an address of the web that does not end with a slash."""
        return self.scheme in ("http", "https") and not self.path.endswith("/")

    def dated_paths(self, now: datetime) -> list[str]:
        """The paths that are meant: one, or one for each of the last days where the path holds a date, oldest first."""
        if not _DATED.search(self.path):
            return [self.path]
        dates = [now - timedelta(days=back) for back in reversed(range(self.days))]
        return list(dict.fromkeys(_on(self.path, date) for date in dates))


def _on(path: str, date: datetime) -> str:
    """A path with its dates filled in."""
    return _DATED.sub(lambda found: date.strftime(found[1]), path)


def read_place(table: dict[str, Any], fault: Callable[[str, str], None]) -> Place | None:
    """Read ``place`` and what belongs to it from a source's table; ``fault`` takes a sentence and the key concerned."""
    value = table.get("place")
    if value is None:
        for key in KEYS[1:]:
            if key in table:
                fault(f"{key} belongs to a place to pull from; give place too, or remove it", key)
        return None
    split = _split(value, fault)
    if split is None:
        return None
    wrong = next(_wrong(split), "")
    if wrong:
        # an address that holds a password is not repeated
        fault(f"place {wrong}" if "@" in split.netloc else f"place = {shown(value)} {wrong}", "place")
        return None
    days, host_key = table.get("days", 7), table.get("host_key")
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= _DAYS:
        fault(f"days = {shown(days)}; give a whole number 1 to {_DAYS}", "days")
    elif "days" in table and not _DATED.search(split.path):
        fault("days is for a place with a date in it, such as https://host/{date:%Y-%m-%d}.csv; remove it", "days")
    if host_key is not None and split.scheme != "sftp":
        fault("host_key is for sftp only; remove it", "host_key")
    elif host_key is not None and not (isinstance(host_key, str) and _FINGERPRINT.fullmatch(host_key)):
        fault(f"host_key = {shown(host_key)}; give SHA256:... as `ssh-keygen -lf` prints it", "host_key")
    return Place(split.scheme, split.hostname or "", split.port, split.path or "/", days, host_key)


def _split(value: Any, fault: Callable[[str, str], None]) -> SplitResult | None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or " " in value:
        fault(f"place = {shown(value)}; give a folder or an address such as 'sftp://host/folder/'", "place")
        return None
    text = value if "://" in value else f"file://{value}"
    try:
        split = urlsplit(text)
        _ = split.port
    except ValueError as error:
        fault(f"place is no address ({error}); give one such as 'sftp://host/folder/'", "place")
        return None
    if split.scheme not in SCHEMES:
        known = suggestion(split.scheme, SCHEMES)
        fault(f"place begins with {shown(split.scheme)}://, which is not known{known}", "place")
        return None
    return split


def _wrong(split: SplitResult) -> Iterator[str]:
    if "@" in split.netloc:
        yield "holds a user or a password; leave them out and set METERWRIGHT_SOURCE_<NAME>_USER and _PASSWORD"
    if split.query or split.fragment:
        yield "holds '?' or '#'; what comes after it would stand in logs, give the address without it"
    if split.scheme == "file" and (split.netloc or not split.path.startswith("/")):
        yield "is a relative folder; give it from the root on, as /srv/exports"
    if split.scheme != "file" and not split.hostname:
        yield "names no server"
    if ".." in PurePosixPath(split.path).parts:
        yield "holds '..'; give the path that is meant"
    if ("{" in split.path or "}" in split.path) and not _DATED.search(split.path):
        yield "has braces that hold no date; write {date:%Y-%m-%d}"
    if _DATED.search(split.path) and (split.scheme not in ("http", "https") or split.path.endswith("/")):
        yield "holds a date, which is for the address of a file on http(s); use glob for folders"
