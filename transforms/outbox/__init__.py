"""Outbox: what a run leaves for the outside, as one folder that appears whole or not at all."""

from transforms.outbox.chain import newest_revision, read_history
from transforms.outbox.history import History
from transforms.outbox.runs import read_lines, read_manifest, window_of
from transforms.outbox.write import Run, begin, commit, stage, stage_revision

__all__ = [
    "History",
    "Run",
    "begin",
    "commit",
    "newest_revision",
    "read_history",
    "read_lines",
    "read_manifest",
    "stage",
    "stage_revision",
    "window_of",
]
