"""The lake: every accepted reading as Parquet, and the ledger that says which files count."""

from transforms.lake.ledger import LEDGER, LEDGER_VERSION, REMEDY, Lake, LakeFile, lake_file
from transforms.lake.readings import apart, readings_sql

__all__ = [
    "LEDGER",
    "LEDGER_VERSION",
    "REMEDY",
    "Lake",
    "LakeFile",
    "apart",
    "lake_file",
    "readings_sql",
]
