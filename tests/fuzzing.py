"""What must hold whatever bytes a dump, an ack or a registry file is made of, and ways to make such bytes.

Every dump of tests/dumps, with the mapping that lies beside it, is a place to start from.
"""

from __future__ import annotations

import gzip
import random
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import polars as pl

from tests.ingesting import registry
from transforms.errors import MeterwrightError, PolicyError, RegistryError
from transforms.feedback import read_acks
from transforms.ingest import ingest
from transforms.lake import Lake
from transforms.policy import load_policy
from transforms.registry import load_registry
from transforms.sources import Source, read_sources
from transforms.workspace import REGISTRY_FILES, Workspace

DUMPS = Path(__file__).parent / "dumps"
#: no dump of a few kilobytes may take longer [s]
PATIENCE = 20.0
_NOW = datetime(2026, 11, 1, tzinfo=UTC)
#: what is put in the place of fields
NASTY = (
    "", " ", "-", "NaN", "inf", "-1", "1e999", "0x1f", "1,5", "1.234,5", "٣", "99999999999999999999", "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z", "1767225600", "9" * 400, '"', '""', "'", "\\", "\x00", "\u202e", "\ufeff", "💧", "=1+1", "../x",
    "null", "true", "[]", "{}", "{\"a\":1}", "\r", ";", "\t",
)  # fmt: skip


@dataclass(frozen=True)
class Start:
    """A dump of the matrix: its name, its bytes, the stream, and the mapping beside it."""

    name: str
    data: bytes
    stream: str
    sources: tuple[Source, ...]


@cache
def starts() -> tuple[Start, ...]:
    """All dumps of the matrix, sorted by name."""
    found = []
    for told in sorted(DUMPS.glob("*.json")):
        name = told.name.removesuffix(".json")
        mapping = DUMPS / f"{name}.toml"
        stream = re.search(r'"stream": "(\w+)"', told.read_text(encoding="utf-8"))
        assert stream is not None
        found.append(
            Start(name, (DUMPS / name).read_bytes(), stream[1], read_sources(mapping) if mapping.exists() else ())
        )
    return tuple(found)


def feed(start: Start, data: bytes) -> None:
    """Ingest bytes in the place of a dump, and see that nothing breaks and every row is accounted for.

    Raises
    ------
    AssertionError
        If anything is lost, doubled or too slow. Any other exception is a defect as well.
    """
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        folder = workspace.raw / ("vendor" if start.sources else start.stream)
        folder.mkdir(parents=True)
        (folder / start.name).write_bytes(data)
        begun = time.monotonic()
        known = registry(sources=start.sources)
        result = ingest(workspace, known, absurd_flow_lph=10_000.0, threads=1, memory_mb=400, not_after=_NOW)
        assert time.monotonic() - begun < PATIENCE, "too slow"
        lake = Lake.open(workspace)
        for dump in result.new_dumps:
            assert dump.read == dump.accepted + dump.duplicate + dump.quarantined
            assert dump.quarantined == sum(dump.reasons.values())
        assert sum(file["rows"] for file in lake.files) == result.accepted
        aside = list(workspace.quarantine.glob("*.parquet")) if workspace.quarantine.is_dir() else []
        assert sum(pl.read_parquet(path, glob=False).height for path in aside) == result.quarantined
        again = ingest(workspace, known, absurd_flow_lph=10_000.0, threads=1, memory_mb=400, not_after=_NOW)
        assert (again.new_dumps, Lake.open(workspace)) == ((), lake)


def feed_ack(data: bytes) -> None:
    """Read bytes as a file of acks: what is no ack is refused, and nothing else happens."""
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        (workspace.raw / "acks").mkdir(parents=True)
        (workspace.raw / "acks" / "a.jsonl").write_bytes(data)
        found = read_acks(workspace)
        lines = [line for line in data.splitlines() if line.strip()]
        assert len(found.acks) + len(found.refused) <= len(lines)


def feed_registry(name: str, data: bytes) -> None:
    """Load a registry one file of which is made of these bytes: it loads, or every fault is named with its file."""
    template = Path(__file__).resolve().parents[1] / "data" / "registry"
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "registry"
        shutil.copytree(template, folder)
        (folder / name).write_bytes(data)
        try:
            load_registry(folder)
            load_policy(folder / "policy.toml")
        except (RegistryError, PolicyError) as error:
            assert name.split(".", maxsplit=1)[0] in str(error) or "registry" in str(error)
        except MeterwrightError as error:
            raise AssertionError(f"not the registry's own error: {error}") from error


def registry_starts() -> list[tuple[str, bytes]]:
    """The shipped registry's files, by name."""
    folder = Path(__file__).resolve().parents[1] / "data" / "registry"
    return [(name, (folder / name).read_bytes()) for name in REGISTRY_FILES if (folder / name).exists()]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes that differ a little: in their structure where they are text, or in single bytes."""
    if data[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        try:
            return gzip.compress(_changed(gzip.decompress(data), rng), mtime=0)
        except (OSError, EOFError, zlib.error):  # a dump that is broken on purpose is changed as it stands
            return _changed(data, rng)
    return _changed(data, rng)


def _changed(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        data = rng.choice(_WAYS)(data, rng)
    return data


def _lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    def way(data: bytes, rng: random.Random) -> bytes:
        lines = data.split(b"\n")
        change(lines, rng)
        return b"\n".join(lines)

    return way


def _double(lines: list[bytes], rng: random.Random) -> None:
    k = rng.randrange(len(lines))
    lines[k:k] = [lines[k]] * rng.choice((1, 2, 30))


def _drop(lines: list[bytes], rng: random.Random) -> None:
    del lines[rng.randrange(len(lines))]
    if not lines:
        lines.append(b"")


def _swap(lines: list[bytes], rng: random.Random) -> None:
    j, k = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[j], lines[k] = lines[k], lines[j]


def _field(lines: list[bytes], rng: random.Random) -> None:
    k = rng.randrange(len(lines))
    parts = re.split(rb"([,;:\t{}\[\]])", lines[k])
    parts[rng.randrange(len(parts))] = rng.choice(NASTY).encode("utf-8", "surrogatepass")
    lines[k] = b"".join(parts)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _byte(data: bytes, rng: random.Random) -> bytes:
    k = rng.randrange(len(data) + 1)
    return data[:k] + bytes([rng.randrange(256)]) + data[k + rng.randrange(2) :]


def _endings(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n \n", b"")))


def _encoded(data: bytes, rng: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-8-sig", "cp1252", "utf-32")), "replace")


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _lines(_double), _lines(_drop), _lines(_swap), _lines(_field), _lines(_field), _lines(_field), _cut, _byte, _byte, _endings,
    _encoded,
)  # fmt: skip
