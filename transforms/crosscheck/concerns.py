"""All concerns about what mappings made of some files, each as a sentence that says what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from transforms.crosscheck.amounts import about_amounts
from transforms.crosscheck.concern import Concern
from transforms.crosscheck.instants import about_instants
from transforms.crosscheck.steps import steps_of
from transforms.crosscheck.together import about_pairs
from transforms.crosscheck.widths import about_widths
from transforms.registry import Registry

__all__ = ["Concern", "concerns"]


def concerns(readings: pl.DataFrame, counts: Mapping[str, Any], registry: Registry, window: timedelta) -> list[Concern]:
    """What speaks against the mappings that made some readings; nothing where nothing does.

    Parameters
    ----------
    readings : DataFrame
        ``stream, feature_code, flowmeter_id, timestamp, flow_lph, volume_l``, a row each, in the order of device and time.
    counts : mapping
        The accounting of the rows: ``read, accepted, duplicate, quarantined, reasons``.
    registry : Registry
        The meters, their models, and which flowmeter watches which of them.
    window : timedelta
        How long the windows are that meters are judged in.
    """
    if readings.is_empty():
        found = [Concern("no_readings", "not one row became a reading", grave=True)] if counts["read"] else []
        return found + about_instants(readings, counts, window)
    steps = steps_of(readings, registry)
    return [
        *about_instants(steps, counts, window),
        *_about_codes(readings, registry),
        *about_amounts(steps, registry),
        *about_widths(steps),
        *about_pairs(steps),
    ]


def _about_codes(readings: pl.DataFrame, registry: Registry) -> list[Concern]:
    codes = readings["feature_code"].drop_nulls().unique().sort()
    if codes.is_empty() or registry.meters.is_empty():
        return []
    strange = codes.filter(~codes.is_in(registry.meters["feature_code"].implode()))
    if 2 * strange.len() <= codes.len():
        return []
    serial = ""
    if "serial" in registry.meters.columns:
        serials = registry.meters["serial"].drop_nulls()
        if 2 * int(strange.is_in(serials.implode()).sum()) > strange.len():
            serial = "; most are serials of meters.csv, which is another column"
    return [
        Concern(
            "unregistered_codes",
            f"of {codes.len():,} feature codes {strange.len():,} are not in meters.csv, such as {strange[0][:60]!r}{serial}; "
            "pad, prefix and pattern can make one of the other",
        )
    ]
