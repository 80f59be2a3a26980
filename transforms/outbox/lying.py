"""A run as it lies in the outbox, whoever may have altered it: its manifest, as far as one can be read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms.errors import MeterwrightError
from transforms.outbox.write import MANIFEST_SCHEMA, spelt
from transforms.windows import Window, parse_time

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class LyingRun:
    """A run as it lies there: its manifest if it can be read, the digest of the manifest's bytes, and whether these are
    spelt as Meterwright spells them."""

    folder: Path
    manifest: dict[str, Any]
    sha256: str
    fault: str | None
    well_spelt: bool = True

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def previous(self) -> str | None:
        """The run that the manifest names as the one before it."""
        link = self.manifest.get("previous")
        return str(link.get("run_id")) if isinstance(link, dict) else None


def as_it_lies(folder: Path) -> LyingRun:
    """Read a run of which nothing is taken for granted; what is wrong with its manifest is its ``fault``."""
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError as error:
        return LyingRun(folder, {}, "", f"nothing that can be read: {error.strerror}")
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        manifest = json.loads(content, object_pairs_hook=_once)
        if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST_SCHEMA:
            return LyingRun(folder, {}, sha256, "no manifest that this version knows")
        start, end = parse_time(manifest["window_start"]), parse_time(manifest["window_end"])
        if {manifest["run_id"], Window(start, end - start).run_id(manifest["revision"])} != {folder.name}:
            return LyingRun(folder, manifest, sha256, f"the manifest of {str(manifest['run_id'])[:60]!r}")
        if not all(isinstance(facts, dict) for facts in manifest["files"].values()):
            return LyingRun(folder, {}, sha256, "a manifest whose files are not described")
        return LyingRun(folder, manifest, sha256, None, spelt(manifest).encode() == content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MeterwrightError):
        return LyingRun(folder, {}, sha256, "no JSON of a manifest")


def by_window(run: LyingRun) -> tuple[Any, ...]:
    """Sorts runs by window and revision."""
    stem, _, revision = run.name.rpartition("_r")
    return stem.partition("_")[0], run.manifest.get("window_end", ""), int(revision), run.name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand once: of a key that stands twice, readers take different values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
