"""The figures of an audit: its statistics, group by group of meters, and put together for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from flows.audit.crew import Crew
from flows.audit.desk import Desk
from flows.audit.gather import Group, gather
from flows.audit.plan import Setting
from flows.audit.what_if import with_commands
from transforms.audit import (
    Comparison,
    compare,
    comparison_summary,
    counted,
    fleet_groups,
    joined,
    statistics,
    summary,
)
from transforms.match.span import Chunk
from transforms.registry import Registry


@dataclass(frozen=True)
class Part:
    """What the statistics say of one group of meters."""

    meters: pl.DataFrame
    regimes: pl.DataFrame
    volumes: pl.DataFrame
    worths: pl.DataFrame | None
    unjudged: pl.DataFrame
    comparison: Comparison | None


@dataclass(frozen=True)
class Figures:
    """What the statistics say of all meters; ``what_if`` compares two policies, or is None."""

    meters: pl.DataFrame
    regimes: pl.DataFrame
    fleet: pl.DataFrame
    unjudged: pl.DataFrame
    summary: dict[str, Any]
    comparison: Comparison | None


def parts_of(hands: Crew, groups: Sequence[Group], chunks: Sequence[Chunk]) -> Iterator[Part]:
    """The statistics of each group in their order."""
    return hands.map(_part, [(group, list(chunks)) for group in groups])


def _part(desk: Desk, job: tuple[Group, list[Chunk]]) -> Part:
    group, chunks = job
    setting: Setting = desk.setting
    found = gather(desk, chunks, group)
    said = statistics(
        found.told,
        desk.fleet,
        desk.registry,
        setting.policy,
        setting.length,
        setting.end,
        desk.changes,
    )
    comparison = None
    if found.both is not None:
        sides = zip(found.both, ("a", "b"), strict=True)
        comparison = compare(*(with_commands(frame, setting.work, which) for frame, which in sides))
    return Part(said.meters, said.regimes, said.volumes, said.worths, said.unjudged, comparison)


def meters_of(parts: Sequence[Part]) -> pl.DataFrame:
    """What is said of each meter."""
    return pl.concat([part.meters for part in parts]).sort("feature_code")


def put_together(table: pl.DataFrame, parts: Sequence[Part], registry: Registry, shared: float) -> Figures:
    """The figures of the whole audit, of which `meters_of` gave the ``table``; ``shared`` as for
    `transforms.audit.volume.total_half_width`."""
    stretches = pl.concat([part.regimes for part in parts]).sort("feature_code", "regime")
    volumes = _by_calibration([part.volumes for part in parts])
    worths = [part.worths for part in parts if part.worths is not None]
    unjudged = pl.concat([part.unjudged for part in parts]).sort("feature_code", "reason")
    fleet = fleet_groups(table, registry, volumes, shared)
    told = {
        **summary(table, stretches, fleet, volumes, shared, _by_calibration(worths) if worths else None),
        "not_judged": counted(unjudged, table),
    }
    compared = [part.comparison for part in parts if part.comparison is not None]
    comparison = joined(compared) if compared else None
    if comparison is not None:
        told["what_if"] = comparison_summary(comparison)
    return Figures(table, stretches, fleet, unjudged, told, comparison)


def _by_calibration(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).sort("feature_code").sort("calibrated_on", maintain_order=True)
