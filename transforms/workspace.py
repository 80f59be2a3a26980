"""The layout of a workspace: one folder that holds everything of one utility."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REGISTRY_FILES = (
    "meters.csv",
    "models.toml",
    "pairs.csv",
    "flowmeters.csv",
    "terminals.csv",
    "tariffs.csv",
    "sources.toml",
    "policy.toml",
)
STREAMS = ("meter", "flowmeter")

#: how names end of files that are still being written, by the habit of those who write them
UNFINISHED = (".part", ".tmp")


@dataclass(frozen=True)
class Workspace:
    """Where everything lies. Nothing outside ``root`` is ever written."""

    root: Path

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def scratch(self) -> Path:
        """Files of a run in progress: inside the workspace, so that a rename into place stays on one file system."""
        return self.root / ".scratch"

    @property
    def cache(self) -> Path:
        """What libraries like to keep between runs; may be deleted at any time."""
        return self.root / ".cache"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def run(self, run_id: str) -> Path:
        return self.outbox / run_id

    def report(self, run_id: str) -> Path:
        return self.reports / run_id
