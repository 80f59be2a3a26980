"""The registry: which meters there are, of which model, watched by which flowmeter, and whom to tell."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from transforms.errors import RegistryError
from transforms.faults import Faults
from transforms.registry.displays import Display
from transforms.registry.models import Model, read_models
from transforms.registry.tables import (
    check_models,
    read_flowmeters,
    read_meters,
    read_pairs,
    read_tariffs,
    read_terminals,
)
from transforms.sources import Source, collect_sources
from transforms.toml import file_name
from transforms.workspace import REGISTRY_FILES

__all__ = ["Display", "Model", "Registry", "load_registry"]

_REQUIRED = ("meters.csv", "models.toml")


@dataclass(frozen=True)
class Registry:
    """Everything that is known beforehand. The tables are sorted by their keys.

    Attributes
    ----------
    meters
        ``feature_code, model, serial, installed_on (Date), removed_on (Date), site, clock_offset_s`` (by how much the
        meter's clock is ahead, or null), ``rollover_l`` (where its register begins again at zero, null for the model's).
    models
        The models by name.
    pairs
        ``feature_code, flowmeter_id, valid_from, valid_to``: the preset correspondence, each valid in the half-open
        span of UTC instants, null for an open side. None where the file is absent or has no rows.
    flowmeters
        ``flowmeter_id, calibrated_on (Date), uncertainty`` (relative, k = 2, or null), ``sampling`` (``mean`` or
        ``instant``); several rows of one flowmeter are its calibration history. None where the file is absent or has
        no rows.
    terminals
        ``feature_code, terminal_id, channel, language``; the language may be null. None where the file is absent or has
        no rows.
    sources
        How foreign exports are read.
    tariffs
        ``site, model, from (Date), price_per_m3, currency``: the price from a day on; site and model are null where it
        holds for all. None where the file is absent or has no rows.
    digest
        SHA-256 over the content, whatever the order of rows and keys.
    """

    meters: pl.DataFrame
    models: dict[str, Model]
    pairs: pl.DataFrame | None
    flowmeters: pl.DataFrame | None
    terminals: pl.DataFrame | None = field(repr=False)
    sources: tuple[Source, ...]
    digest: str
    tariffs: pl.DataFrame | None = None


def load_registry(folder: Path) -> Registry:
    """Read and check every file of a registry folder.

    Raises
    ------
    RegistryError
        Listing all faults, one a line, each with file, row and key.
    """
    faults = Faults(RegistryError)
    _check_files(folder, faults)
    meters_file = folder / "meters.csv"
    meters = read_meters(meters_file, faults) if meters_file.is_file() else None
    models_file = folder / "models.toml"
    models = read_models(models_file, faults) if models_file.is_file() else None
    if meters is not None and models is not None:
        if models[1]:
            check_models(meters, file_name(meters_file), models[1], faults)
        elif meters.height:
            faults.add(file_name(models_file), 'there are meters but no model; write a [models."NAME"] for each in use')
    tables: dict[str, pl.DataFrame | None] = {}
    for name, read in (("pairs", read_pairs), ("flowmeters", read_flowmeters), ("terminals", read_terminals)):
        file = folder / f"{name}.csv"
        table = read(file, faults) if file.is_file() else None
        tables[name] = None if table is None or table.is_empty() else _sorted(table)
    tariffs_file = folder / "tariffs.csv"
    tariffs = read_tariffs(tariffs_file, models and models[1], faults) if tariffs_file.is_file() else None
    tariffs = None if tariffs is None or tariffs.is_empty() else _sorted(tariffs)
    sources_file = folder / "sources.toml"
    sources = collect_sources(sources_file, faults) if sources_file.is_file() else ()
    faults.raise_if_any()
    if meters is None or models is None:
        raise RegistryError(f"{folder.name}: the registry cannot be read")
    meters = _sorted(meters)
    return Registry(
        meters=meters,
        models=models[0],
        pairs=tables["pairs"],
        flowmeters=tables["flowmeters"],
        terminals=tables["terminals"],
        sources=sources,
        # without tariffs the digest is what it was before there were any
        digest=_digest(meters, models[0], tables | ({} if tariffs is None else {"tariffs": tariffs}), sources),
        tariffs=tariffs,
    )


def _check_files(folder: Path, faults: Faults) -> None:
    """Note required files that are missing, and any file that seems to be a misspelt one of ours."""
    if not folder.is_dir():
        faults.add(f"{folder.name}/", "the folder is missing; `meterwright init` makes one with templates")
        return
    present = sorted(path.name for path in folder.iterdir())
    absent = [name for name in REGISTRY_FILES if name not in present]
    strangers = [name for name in present if name not in REGISTRY_FILES and name.endswith((".csv", ".toml"))]
    for name in absent:
        near = difflib.get_close_matches(name, strangers, n=1, cutoff=0.9)
        where = file_name(folder / name)
        if near:
            faults.add(where, f"the file is missing, but there is {near[0]!r}; rename that to {name}")
        elif name in _REQUIRED:
            faults.add(where, "the file is missing; write it, or let `meterwright init` write a template")
    for name in REGISTRY_FILES:
        if name in present and not (folder / name).is_file():
            faults.add(file_name(folder / name), "this is not a file; put a file in its place")


def _sorted(table: pl.DataFrame) -> pl.DataFrame:
    keys = [column for column in table.columns if column != "row"]
    return table.sort(keys, nulls_last=False).drop("row")


def _digest(
    meters: pl.DataFrame, models: dict[str, Model], tables: dict[str, pl.DataFrame | None], sources: tuple[Source, ...]
) -> str:
    digest = hashlib.sha256()
    settings = {
        "models": [asdict(models[name]) for name in sorted(models)],
        "sources": [asdict(source) for source in sorted(sources, key=lambda source: source.name)],
    }
    digest.update(json.dumps(settings, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode())
    for name, table in (("meters", meters), *sorted(tables.items())):
        digest.update(f"\n{name}\n".encode())
        if table is not None:
            plain = table.with_columns(pl.col(pl.Datetime("us", "UTC")).dt.epoch("us")).cast(pl.String)
            digest.update(plain.write_csv(quote_style="always").encode())
    return digest.hexdigest()
