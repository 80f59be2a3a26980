"""Proposals: the sources that a file wants, each key with what it rests on, and what a person must look at."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from transforms.sources.guess.entries import Told, by_position, unit_above
from transforms.sources.guess.layouts import narrow_sources, wide_source
from transforms.sources.guess.look import Looked
from transforms.sources.guess.profile import Profile, of_rows, profiles
from transforms.sources.guess.proposed import Proposal, Proposed
from transforms.sources.guess.roles import Roles, find_roles
from transforms.sources.guess.stamps import Stamps, find_stamps
from transforms.sources.guess.stated import units_under_names
from transforms.sources.guess.wholeness import left_out_clocks, no_stamps, repeated, unread_cells
from transforms.sources.guess.wide import wide_layout
from transforms.sources.guess.words import likely_zone
from transforms.sources.newest import version_of_name


def propose(
    looked: Looked,
    file: str,
    *,
    name: str | None = None,
    stream: str | None = None,
    timezone: str | None = None,
    code: str | None = None,
    registered: Collection[str] = (),
) -> Proposal:
    """Propose how a file is read.

    Parameters
    ----------
    looked : Looked
        What the file looks like.
    file : str
        Its path below raw/, or its mere name.
    name : str, optional
        What the sources are to be called.
    stream : str, optional
        ``meter`` or ``flowmeter``, where the user knows; else a register is the meter's and a flow beside it the
        flowmeter's unless both tell the very same, and a flow alone the meter's.
    timezone, code : str, optional
        The zone of stamps without an offset, and the feature code, where the user knows them.
    registered : collection of str
        The feature codes of meters.csv.
    """
    proposal = _proposed(looked, Told(file, stream, timezone, code, frozenset(registered)), name)
    if looked.dialect is not None and not looked.dialect.names:
        for source in proposal.sources:
            source.keys = by_position(source.keys)
    return proposal


def _proposed(looked: Looked, told: Told, name: str | None) -> Proposal:
    base = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", told.stem)[:40].strip("-._") or "export"
    if looked.format == "rle":
        keys = {"stream": told.stream or "meter", "glob": told.file, "format": "rle"}
        unsure = (
            {} if told.stream else {"stream": "run-length frames look alike in both streams; say which one this is"}
        )
        return Proposal([Proposed(base, keys, unsure)], ["each line is a run-length frame"], [])
    under = units_under_names(looked.table) if looked.format == "csv" else {}
    columns = profiles(looked.table.slice(1) if under else looked.table, looked.dialect)
    columns = [replace(column, unit=under.get(column.name)) for column in columns]
    reasons, doubts = list(looked.reasons), list(looked.dialect.doubts if looked.dialect else [])
    if under:
        reasons.append("the line under the names states units; being no reading, it is set aside")
    if looked.dialect is not None and looked.dialect.delimiter == looked.dialect.decimal:
        doubts.append(
            f"{looked.dialect.decimal!r} separates fields and decimals alike, which no mapping reads: export with semicolons"
        )
        return Proposal([], reasons, doubts)
    stamps = find_stamps(columns)
    if stamps is None:
        return Proposal([], reasons, [*doubts, no_stamps(columns)])
    reasons += stamps.reasons
    if (unread := unread_cells(columns, stamps, looked)) is not None:
        doubts.append(unread)
    # titles, totals and what else has no stamp tells nothing of the columns
    dated = np.isfinite(stamps.instants)
    columns, stamps = of_rows(columns, dated), replace(stamps, instants=stamps.instants[dated])
    clocks = left_out_clocks(columns, stamps)
    roles = find_roles(
        [one for one in columns if one.name not in clocks], stamps.instants, stamps.names, told.registered
    )
    keys = _common(looked, told, stamps)
    if version_of_name(told.file) is not None:
        reasons.append("the file's name tells the newer of two dumps: where readings were corrected, that one is used")
    zone = {} if told.timezone is not None or not stamps.doubts else {"timezone": _zone_doubt(stamps, columns)}
    faults = []
    wide = wide_layout(columns, stamps.names, roles, named=looked.dialect is None or bool(looked.dialect.names))
    if wide is None or wide.names != "time":
        faults = _faults(clocks, stamps, roles)
    if wide is not None:
        above = looked.dialect.above if looked.dialect else []
        source = wide_source(base, keys, wide, stamps, roles, told, zone, unit_above(above))
        return Proposal([source], [*reasons, *wide.reasons], doubts, faults)
    return narrow_sources(base, keys, columns, stamps, roles, told, zone, reasons, doubts, faults)


def _faults(clocks: list[str], stamps: Stamps, roles: Roles) -> list[str]:
    """What would make the instants of readings wrong."""
    faults = []
    read = " and ".join(map(repr, stamps.names))
    for left in clocks:
        faults.append(
            f"{left!r} looks like the time of day, and only {read} is read: every reading would stand at midnight; no "
            "format here reads the two together"
        )
    if (share := repeated(roles.who, stamps)) > 0:
        who = f"{roles.who.shown} and {read} have" if roles.who else f"{read} has"
        faults.append(
            f"{share:.0%} of the rows share what {who} with another row: of readings of one meter at one instant none "
            "is used where they differ; look for the column that tells them apart"
        )
    return faults


def _common(looked: Looked, told: Told, stamps: Stamps) -> dict[str, Any]:
    keys: dict[str, Any] = {"glob": told.file, "format": looked.format}
    if looked.encoding != "utf-8":
        keys["encoding"] = looked.encoding
    if looked.records:
        keys["records"] = looked.records
    dialect = looked.dialect
    if dialect:
        keys |= {"delimiter": dialect.delimiter} if dialect.delimiter != "," else {}
        keys |= {"skip_rows": dialect.skip_rows} if dialect.skip_rows else {}
        keys |= {} if dialect.names else {"header": False}
        keys |= {"decimal": ","} if dialect.decimal == "," else {}
        keys |= {"thousands": dialect.thousands} if dialect.thousands else {}
    if told.timezone is not None and not stamps.zoned:
        keys["timezone"] = told.timezone
    elif stamps.doubts:
        keys["timezone"] = "UTC"
    return keys


def _zone_doubt(stamps: Stamps, columns: list[Profile]) -> str:
    zone = likely_zone(column.label for column in columns)
    return stamps.doubts[0] + (f"; by its language perhaps {zone}" if zone else "")
