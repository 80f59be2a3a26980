"""Remote places through fsspec: what files are there, and a file's bytes from some position on."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from flows.pulling.credentials import Credentials
from flows.pulling.errors import PullError
from transforms.ingest.discover import glob_pattern
from transforms.sources.places import Place
from transforms.workspace import UNFINISHED

#: bytes asked for at once
CHUNK: Final = 1 << 20
#: files that a place may list; more are a mistake in the place or the glob
_MOST: Final = 100_000
_DEPTH: Final = 8


@dataclass(frozen=True)
class Found:
    """A file of a place: its name below the place, the client's own path, and what the server says of this version.

    ``size`` is None, and ``stamp`` empty, where the server does not say.
    """

    name: str
    path: str
    size: int | None
    stamp: str


class Remote(ABC):
    """A place that is connected to. Errors are those of the client; `flows.pulling.guard` makes sentences of them."""

    def __init__(self, place: Place, files: Any) -> None:
        self.place = place
        self.files = files

    def list(self, pattern: str, now: datetime) -> list[Found]:
        """The files that a glob, relative to the place, means, sorted by name. Hidden and unfinished ones do not count."""
        depth = _DEPTH if "/" in pattern else 1
        wanted = re.compile(glob_pattern(pattern))
        root = self.root().rstrip("/") + "/"
        found = []
        for details in self.walk(depth):
            path = str(details["name"])
            name = self.below(path, root)
            hidden = any(part.startswith(".") for part in name.split("/"))
            if name and not hidden and not name.endswith(UNFINISHED) and wanted.fullmatch(name):
                found.append(self.describe(name, path, details))
            if len(found) > _MOST:
                raise PullError(f"more than {_MOST:,} files are there; narrow the glob {pattern!r}")
        return sorted(found, key=lambda one: one.name)

    def root(self) -> str:
        """The place as the client writes paths."""
        return str(self.files._strip_protocol(self.place.path))

    def below(self, path: str, root: str) -> str:
        """A path relative to the place."""
        return path.removeprefix(root).lstrip("/")

    def walk(self, depth: int) -> Iterator[dict[str, Any]]:
        """The details of all regular files; links are not followed."""
        if not self.files.isdir(self.root()):
            raise FileNotFoundError(self.root())
        for details in self.files.find(self.root(), maxdepth=depth, detail=True).values():
            if details.get("type") == "file" and not details.get("islink"):
                yield details

    def describe(self, name: str, path: str, details: dict[str, Any]) -> Found:
        size = details.get("size")
        return Found(name, path, None if size is None else int(size), stamp_of(details))

    def again(self, found: Found) -> Found:
        """The same file as it is described now."""
        self.files.invalidate_cache()
        return self.describe(found.name, found.path, self.files.info(found.path))

    @abstractmethod
    def stream(self, found: Found, offset: int) -> Iterator[bytes]:
        """The file's bytes from a position on."""

    def can_resume(self, found: Found) -> bool:
        """Whether a file can be read from the middle."""
        return True

    def close(self) -> None:
        """End the connection; a client without one has nothing to end."""
        return


def stamp_of(details: dict[str, Any]) -> str:
    """What tells one version of a file from the next."""
    for key in ("ETag", "etag", "e_tag", "LastModified", "Last-Modified", "mtime", "modify", "last_modified"):
        value = details.get(key)
        if value:
            return value.isoformat() if isinstance(value, datetime) else str(value)
    return ""


class _Seekable(Remote):
    """Folders, and other places whose files can be opened and read from anywhere."""

    def stream(self, found: Found, offset: int) -> Iterator[bytes]:
        with self.files.open(found.path, "rb", block_size=CHUNK, cache_options={}) as file:
            file.seek(offset)
            while chunk := file.read(CHUNK):
                yield chunk


class _Sftp(Remote):
    def stream(self, found: Found, offset: int) -> Iterator[bytes]:
        with self.files.ftp.open(found.path, "rb", CHUNK) as file:
            file.seek(offset)
            while chunk := file.read(CHUNK // 8):
                yield chunk

    def close(self) -> None:
        self.files.client.close()


class _S3(Remote):
    def root(self) -> str:
        return f"{self.place.host}{self.place.path}".rstrip("/")

    def walk(self, depth: int) -> Iterator[dict[str, Any]]:
        # an object store has no folders that could be missing, but a bucket can, or be closed to us
        self.files.ls(self.place.host)
        yield from self.files.find(self.root(), maxdepth=depth, detail=True).values()

    def stream(self, found: Found, offset: int) -> Iterator[bytes]:
        assert found.size is not None  # noqa: S101  # object stores always say
        for start in range(offset, found.size, 8 * CHUNK):
            yield self.files.cat_file(found.path, start=start, end=min(start + 8 * CHUNK, found.size))


class _Ftp(Remote):
    """One transfer a file: FTP can begin in the middle, but not end there without a quarrel."""

    def stream(self, found: Found, offset: int) -> Iterator[bytes]:
        client = self.files.ftp
        client.voidcmd("TYPE I")
        with client.transfercmd(f"RETR {found.path}", rest=offset or None) as connection:
            while chunk := connection.recv(CHUNK // 8):
                yield chunk
        client.voidresp()

    def close(self) -> None:
        self.files.ftp.close()


class _Web(Remote):
    """Addresses of the web: files named by the place itself, or the links of the page that a folder shows."""

    def list(self, pattern: str, now: datetime) -> list[Found]:
        if not self.place.single:
            return [self.again(found) for found in super().list(pattern, now)]
        base = self._base()
        found = []
        for path in self.place.dated_paths(now):
            named = Found(unquote(path.rsplit("/", 1)[-1]), base + path, None, "")
            try:
                found.append(self.again(named))
            except FileNotFoundError:
                if len(self.place.dated_paths(now)) == 1:
                    raise
        return found

    def root(self) -> str:
        return self._base() + self.place.path

    def below(self, path: str, root: str) -> str:
        return unquote(path.removeprefix(root)) if path.startswith(root) and "?" not in path else ""

    def walk(self, depth: int) -> Iterator[dict[str, Any]]:
        folders = [self.root()]
        for _ in range(depth):
            deeper = []
            for folder in folders:
                for details in self.files.ls(folder, detail=True):
                    if details["type"] == "file":
                        yield details
                    elif details["name"] != folder:
                        deeper.append(details["name"])
            folders = deeper

    def again(self, found: Found) -> Found:
        return self.describe(found.name, found.path, self.files.info(found.path))

    def can_resume(self, found: Found) -> bool:
        return found.size is not None

    def stream(self, found: Found, offset: int) -> Iterator[bytes]:
        if offset:
            assert found.size is not None  # noqa: S101
            with self.files.open(found.path, "rb", block_size=CHUNK, cache_type="none", size=found.size) as file:
                file.seek(offset)
                while chunk := file.read(CHUNK):
                    yield chunk
            return
        with self.files.open(found.path, "rb", block_size=0) as file:
            while chunk := file.read(CHUNK // 16):
                yield chunk

    def _base(self) -> str:
        port = f":{self.place.port}" if self.place.port else ""
        return f"{self.place.scheme}://{self.place.host}{port}"


def connect(place: Place, credentials: Credentials, timeout_s: float) -> Remote:
    """Connect to a place.

    Raises
    ------
    PullError
        If the extra ``pull`` is not installed.
    """
    from flows.pulling import clients

    kinds: dict[str, type[Remote]] = {
        "file": _Seekable, "s3": _S3, "sftp": _Sftp, "ftp": _Ftp, "ftps": _Ftp, "http": _Web, "https": _Web,
    }  # fmt: skip
    try:
        files = clients.CLIENTS[place.scheme](place, credentials, timeout_s)
    except ImportError as error:
        raise PullError(
            f"pulling from {place.scheme}:// needs what the extra `pull` installs ({error.name} is missing); "
            "install meterwright[pull]"
        ) from None
    return kinds[place.scheme](place, files)
