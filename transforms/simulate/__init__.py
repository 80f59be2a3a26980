"""Simulated fleets: household and shop demand, devices with known faults, and the truth about each.

``Plan`` says what is wanted, ``Fleet.draw`` decides who has what, ``Fleet.blocks`` gives the readings a block at a
time, ``registry_files`` the registry, ``truth_table`` what is true; ``defects`` and ``dumps`` turn readings into what a
head-end would hand over.
"""

from transforms.simulate.behaviours import BEHAVIOURS, SHARES, SIMPLE_SHARES, Behaviour
from transforms.simulate.defects import NONE, USUAL, Defects
from transforms.simulate.fleet import Fleet
from transforms.simulate.houses import RECORDED, SOURCES
from transforms.simulate.plan import Block, Part, Plan
from transforms.simulate.registry import registry_files
from transforms.simulate.truth import VolumeErrors, truth_table

__all__ = [
    "BEHAVIOURS",
    "NONE",
    "RECORDED",
    "SHARES",
    "SIMPLE_SHARES",
    "SOURCES",
    "USUAL",
    "Behaviour",
    "Block",
    "Defects",
    "Fleet",
    "Part",
    "Plan",
    "VolumeErrors",
    "registry_files",
    "truth_table",
]
