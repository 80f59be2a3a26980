"""Simulated fleets: real household demand, devices with known faults, and the truth about each.

``Plan`` says what is wanted, ``Fleet.draw`` decides who has what, ``Fleet.blocks`` gives the readings a block at a
time, ``registry_files`` the registry; ``dumps`` turns readings into what a head-end would hand over.
"""

from transforms.simulate.behaviours import BEHAVIOURS, SHARES, Behaviour
from transforms.simulate.fleet import Block, Fleet, Plan
from transforms.simulate.registry import registry_files

__all__ = ["BEHAVIOURS", "SHARES", "Behaviour", "Block", "Fleet", "Plan", "registry_files"]
