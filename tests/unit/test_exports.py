"""Exports of many countries: what is proposed reads them to the last litre as they were meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pytest

from flows.cli.sources import read_text
from flows.trying import trial
from tests import exports
from tests.ingesting import registry
from transforms.sources.guess import Proposal, look_at, propose, to_toml
from transforms.workspace import Workspace


@dataclass(frozen=True)
class Read:
    """What became of an export: its proposal, its readings, and how many of its rows were set aside."""

    export: exports.Export
    proposal: Proposal
    readings: pl.DataFrame
    aside: int


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """All exports, each by what was proposed for it alone, in one trial."""
    folder = tmp_path_factory.mktemp("exports")
    made = {make.__name__: make() for make in exports.ALL}
    proposals, files = {}, []
    for name, export in made.items():
        file = folder / export.name
        file.write_bytes(export.content)
        known = {"timezone": export.zone} if export.zone else {}
        proposals[name] = propose(look_at(file), file.name, name=name, **known, **export.known)
        files.append((file, file.name))
    sources = [one for proposal in proposals.values() for one in read_text(to_toml(proposal))]
    workspace = Workspace(folder / "workspace")
    with trial(workspace, registry(), sources, files, absurd_flow_lph=1e6, threads=1) as found:
        aside = {account.file: account.quarantined for account in found.accounts}
        readings = found.readings
    codes = {name: [export.code(one.number) for one in export.readings] for name, export in made.items()}
    return {
        name: Read(
            export, proposals[name], readings.filter(pl.col("feature_code").is_in(codes[name])), aside[export.name]
        )
        for name, export in made.items()
    }


@pytest.mark.parametrize("make", exports.ALL, ids=lambda make: make.__name__)
def test_an_export_reads_as_it_was_meant(make: Callable[[], exports.Export], read: dict[str, Read]) -> None:
    found = read[make.__name__]
    export = found.export
    assert found.proposal.faults == []
    assert found.aside == export.aside
    truth: dict[tuple[str, datetime], exports.Reading] = {
        (export.code(one.number), one.instant): one for one in export.readings
    }
    assert found.readings.height == len(truth)
    column = "volume_l" if export.volume else "flow_lph"
    for code, at, value in found.readings.select("feature_code", "timestamp", column).iter_rows():
        assert abs(value - getattr(truth[code, at], column)) <= export.exact


def test_what_one_device_sent_is_no_reference_of_itself(read: dict[str, Read]) -> None:
    italian = read["italian"].proposal
    assert [source.keys["stream"] for source in italian.sources] == ["meter"]
    assert any("one device sent both" in doubt for doubt in italian.doubts)


def test_the_language_of_a_header_hints_at_its_clock(tmp_path_factory: pytest.TempPathFactory) -> None:
    export = exports.italian()
    file = tmp_path_factory.mktemp("clock") / export.name
    file.write_bytes(export.content)
    (source,) = propose(look_at(file), file.name).sources
    assert "Europe/Rome" in source.doubts["timezone"]
