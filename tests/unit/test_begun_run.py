"""A run whose sums are written before it is decided is the run that is written at once."""

from __future__ import annotations

import gc
from pathlib import Path

import polars as pl
import pytest

from flows.cli.main import main
from transforms.errors import MeterwrightError
from transforms.outbox import Run, begin, stage
from transforms.schemas import EFFECTS, MOMENTS, READINGS, VERDICTS
from transforms.workspace import Workspace

RUN_ID = "20260101T000000Z_12h_r1"


def test_a_run_that_was_begun_has_the_same_bytes(tmp_path: Path) -> None:
    moments = pl.DataFrame({"feature_code": ["WM-1", "WM-2"], "n": [3, 4]})
    moments = moments.with_columns(pl.lit(0).alias(name) for name in MOMENTS if name not in moments.columns)
    run = Run(
        RUN_ID,
        verdicts=pl.DataFrame(schema=VERDICTS),
        moments=moments,
        effects=pl.DataFrame(schema=EFFECTS),
        readings=pl.DataFrame(schema=READINGS),
        commands=[{"command_id": "c1"}],
        notices=[],
        work_orders=[],
        facts={"revision": 1},
    )
    early, once = Workspace(tmp_path / "early"), Workspace(tmp_path / "once")
    # what a killed run left behind is none of this one's
    begin(early, RUN_ID, moments.clear()).joinpath("left.parquet").touch()
    folders = [stage(early, run, begun=begin(early, RUN_ID, moments)), stage(once, run)]
    written = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert written[0] == written[1]
    assert pl.read_parquet(folders[0] / "moments.parquet")["n"].to_list() == [3, 4]


def test_a_command_leaves_python_as_it_was() -> None:
    usual = gc.get_threshold()
    assert main(["run", "--workspace", "no such folder"]) == 2
    assert gc.get_threshold() == usual


def test_a_table_that_cannot_be_written_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Polars says of a full disk."""

    def fail(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("parquet: File out of specification: Invalid thrift: transport error")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(
        MeterwrightError, match=r"moments\.parquet cannot be written \(parquet: .*make room on its disk"
    ):
        begin(Workspace(tmp_path), RUN_ID, pl.DataFrame(schema=MOMENTS))
