"""Audit: what years of windows say of each meter and of the fleet: regimes, drift, volumes, compliance.

Pure functions on the windows and moments of some meters at a time, whole histories of each: `statistics`; for the whole
audit once `fleet_groups` and `summary`; `compare` sets two policies side by side.
"""

from transforms.audit.cells import SUMS, Cells
from transforms.audit.compare import COMPARED, Comparison, compare, comparison_summary, joined
from transforms.audit.fleet import fleet_groups
from transforms.audit.listed import COLUMNS as LISTED
from transforms.audit.listed import Told
from transforms.audit.statistics import Statistics, statistics
from transforms.audit.summary import summary
from transforms.audit.unjudged import chief_reasons, counted

__all__ = [
    "COMPARED",
    "LISTED",
    "SUMS",
    "Cells",
    "Comparison",
    "Statistics",
    "Told",
    "chief_reasons",
    "compare",
    "comparison_summary",
    "counted",
    "fleet_groups",
    "joined",
    "statistics",
    "summary",
]
