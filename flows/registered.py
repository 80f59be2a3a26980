"""What the registry says of devices, for runs and audits: which meters are in use since when, which flowmeters are momentary."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta

import polars as pl

from transforms.registry import Registry
from transforms.schemas import UTC_US
from transforms.screens import Screen


def installed(registry: Registry, codes: Collection[str] | None = None) -> dict[str, datetime]:
    """When the meter that carries each feature code, or each of some, now was installed, where meters.csv says so."""
    meters = registry.meters if codes is None else registry.meters.filter(pl.col("feature_code").is_in(list(codes)))
    dated = meters.filter(pl.col("installed_on").is_not_null()).select("feature_code", "installed_on")
    return {code: datetime.combine(day, time.min, UTC) for code, day in dated.iter_rows()}


def in_place(registry: Registry, codes: Collection[str] | None = None) -> dict[str, datetime]:
    """From when on what reports under a feature code is surely the meter installed last: the end (UTC) of that day.

    A date does not say at what hour somebody came, so what was measured or carried out on the day itself may be the old
    meter's.
    """
    return {code: day + timedelta(days=1) for code, day in installed(registry, codes).items()}


def screens_of(registry: Registry, codes: Collection[str] | None = None) -> dict[str, tuple[Screen, ...]]:
    """Feature code -> what the meter's display may show; of all meters, or of some."""
    return {code: registry.models[model].screens for code, model in models_of(registry, codes).items()}


def models_of(registry: Registry, codes: Collection[str] | None = None) -> dict[str, str]:
    """Feature code -> name of the model; of all meters, or of some."""
    meters = registry.meters if codes is None else registry.meters.filter(pl.col("feature_code").is_in(list(codes)))
    return dict(meters.select("feature_code", "model").iter_rows())


def models_in_use(registry: Registry, now: datetime) -> dict[str, str]:
    """Feature code -> model of the meters that are in use at an instant."""
    removed = pl.col("removed_on").cast(UTC_US)
    there = registry.meters.filter(removed.is_null() | (removed > now)).select("feature_code", "model")
    return dict(there.iter_rows())


def instants_of(devices: pl.DataFrame, registry: Registry) -> pl.DataFrame:
    """Devices of flowmeters whose signal is momentary, as flowmeters.csv says."""
    if registry.flowmeters is None:
        return devices.clear()
    momentary = registry.flowmeters.filter(pl.col("sampling") == "instant").select("flowmeter_id").unique()
    return devices.filter(pl.col("stream") == "flowmeter").join(momentary, on="flowmeter_id", how="semi")
