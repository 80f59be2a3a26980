"""Ingest: raw dumps of any of the known formats into the lake, every row accounted for."""

from transforms.ingest.accounts import DumpAccount, IngestResult
from transforms.ingest.run import ingest

__all__ = ["DumpAccount", "IngestResult", "ingest"]
