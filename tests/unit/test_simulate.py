"""The simulated fleets: what is promised about their readings, their registry, their files and the shipped sample."""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows import sample_data
from flows.simulation import FORMS, simulate_workspace
from transforms.errors import UsageError
from transforms.registry import load_registry
from transforms.simulate import BEHAVIOURS, NONE, RECORDED, SIMPLE_SHARES, Fleet, Part, Plan, fleet, registry_files
from transforms.simulate.behaviour import NEUTRAL, Kinds
from transforms.simulate.defects import Losses, Selection, deal
from transforms.simulate.demand import Series, recording
from transforms.simulate.devices import MODELS, Instruments
from transforms.simulate.dumps import plain, run_length
from transforms.simulate.registry import models_text

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SIMPLE = {"shares": SIMPLE_SHARES, "sources": RECORDED, "defects": NONE}
DATA = Path(__file__).resolve().parents[2] / "data"


def small(target: Path, **changes: object) -> dict[str, object]:
    wanted = {"meters": 40, "days": 1, "interval": QUARTER, "seed": 7, "start": START} | SIMPLE | changes
    return simulate_workspace(target, **wanted)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def drawn(meters: int, **shares: float) -> tuple[Fleet, np.ndarray, np.ndarray]:
    found = Fleet.draw(Plan(meters, 1, START, QUARTER, 11, shares=shares or {"healthy": 1.0}, sources=RECORDED))
    blocks = list(found.blocks())
    return found, np.concatenate([b.meter for b in blocks]), np.concatenate([b.reference for b in blocks])


def rows_of(frame: dict) -> Iterator[tuple[str, datetime, float]]:
    """The readings of a run-length frame, expanded as FORMATS describes it."""
    stamp = datetime.fromisoformat(frame["start"])
    for value, times in frame["runs"]:
        for _ in range(times):
            yield frame.get("feature_code") or frame["flowmeter_id"], stamp, value
            stamp += timedelta(seconds=frame["interval_s"])


def readings(folder: Path, form: str) -> list[tuple[str, datetime, float]]:
    """Identifier, stamp and flow of every reading in a folder of dumps, read without our own ingest."""
    rows: list[tuple[str, datetime, float]] = []
    for file in sorted(folder.iterdir()):
        assert file.name.endswith(FORMS[form])
        if form == "parquet":
            table = pl.read_parquet(file)
        else:
            raw = file.read_bytes()
            raw = gzip.decompress(raw) if form.endswith(".gz") else raw
            if form.startswith("rle"):
                rows += [row for line in raw.splitlines() for row in rows_of(json.loads(line))]
                continue
            table = pl.read_csv(raw) if form.startswith("csv") else pl.read_ndjson(raw)
            table = table.with_columns(pl.col("timestamp").str.to_datetime(time_unit="us", time_zone="UTC"))
        if "flowmeter_id" in table.columns:
            table = table.with_columns(feature_code=pl.coalesce("feature_code", "flowmeter_id"))
        rows += table.select("feature_code", "timestamp", "flow_lph").rows()
    return sorted(rows)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        small(tmp_path / name, seed=seed, form="csv.gz")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_every_form_carries_the_same_readings(tmp_path: Path) -> None:
    for form in FORMS:
        summary = small(tmp_path / form, form=form)
        assert summary["readings"] == {"meter": 40 * 96, "flowmeter": 40 * 96}
        assert summary["files"] == 4
    for stream in ("meter", "flowmeter"):
        expected = readings(tmp_path / "csv" / "raw" / stream, "csv")
        assert len(expected) == 40 * 96
        assert {stamp for _, stamp, _ in expected} == {START + k * QUARTER for k in range(96)}
        for form in FORMS:
            assert readings(tmp_path / form / "raw" / stream, form) == expected, form


def test_dumps_hold_their_span_and_the_codes_that_the_truth_knows(tmp_path: Path) -> None:
    small(tmp_path / "w", dump=timedelta(hours=6))
    names = [file.name for file in sorted((tmp_path / "w/raw/meter").iterdir())]
    assert names == [f"20260101T{hour:02}0000Z_6h.csv" for hour in (0, 6, 12, 18)]
    second = pl.read_csv(tmp_path / "w/raw/flowmeter" / names[1])
    assert second["timestamp"].min() == "2026-01-01T06:00:00Z"
    assert second["timestamp"].max() == "2026-01-01T11:45:00Z"
    truth = pl.read_parquet(tmp_path / "w/truth.parquet")
    assert truth["feature_code"].n_unique() == 40
    devices = second.select("flowmeter_id", "feature_code").unique()
    assert 0 < devices["feature_code"].null_count() < 20, "some flowmeters write no code, so that pairs.csv is needed"
    known = devices.drop_nulls().join(truth, on=["flowmeter_id", "feature_code"])
    assert known.height == 40 - devices["feature_code"].null_count()


def test_blocks_neither_lose_nor_double_a_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "BLOCK_READINGS", 700)
    monkeypatch.setattr(fleet, "BLOCK_DUMPS", 3)
    seen: list[tuple[int, int]] = []
    small(tmp_path / "w", days=2.25, form="parquet", progress=lambda done, total: seen.append((done, total)))
    rows = readings(tmp_path / "w/raw/meter", "parquet")
    assert len(rows) == len({row[:2] for row in rows}) == 40 * 216
    assert seen == sorted(seen)
    assert seen[-1] == (40, 40)


def test_shares_hold_in_a_small_fleet() -> None:
    found = Fleet.draw(Plan(120, 1, START, QUARTER, 1, shares=SIMPLE_SHARES)).meters["behaviour"].value_counts()
    assert dict(found.rows()) == {"healthy": 103, "linear": 6, "offset": 4, "scatter": 4, "no_flow": 3}


def test_demand_is_the_recording() -> None:
    series = Series.read(recording())
    assert series.minutes == 61 * 1440
    assert np.all(np.diff(series.register_l) >= 0)
    minutes = np.array([-1440, 0, series.minutes, 3 * series.minutes + 5])
    used = series.at(minutes)
    assert used[1] == 0 and used[0] < 0
    assert used[3] == pytest.approx(3 * series.register_l[-1] + series.register_l[5])


def test_zero_flow_reads_zero_on_both_and_flows_are_those_of_households() -> None:
    found, meter, reference = drawn(600)
    q1 = np.array([model.q1 for model in MODELS])[found.kind][:, None]
    usual = found.demand.flow(slice(0, 600), 0, 96, 15)
    assert np.all(meter[usual == 0] == 0) and np.all(reference[usual == 0] == 0)
    assert 0.4 < np.mean(usual == 0) < 0.75
    flowing = np.sum(reference[:, :48] >= q1, axis=1)
    assert np.percentile(flowing, 10) >= 8 and np.percentile(flowing, 90) <= 24


def test_healthy_meters_are_inside_the_permissible_error() -> None:
    found, meter, reference = drawn(500)
    mpe = np.array([model.mpe for model in MODELS])[found.kind]
    assert np.all(np.abs(found.truth["a1"] - 1) <= 0.6 * mpe + 1e-12)
    assert np.std(found.truth["a1"][mpe == 0.02] - 1) == pytest.approx(0.005, rel=0.2)
    flowing = reference >= 50
    error = np.sum(meter * flowing, axis=1) / np.sum(reference * flowing, axis=1) - 1
    truth = found.truth["a1"] / found.truth["reference_gain"] - 1
    assert np.std(error - truth) < 0.005


@pytest.mark.parametrize("name", ["offset", "linear"])
def test_steady_meters_follow_their_parameters(name: str) -> None:
    found, meter, _ = drawn(300, **{name: 1.0})
    flow = found.demand.flow(slice(0, 300), 0, 96, 15)
    a1, a2 = found.truth["a1"][:, None], found.truth["a2"][:, None]
    q1 = np.array([model.q1 for model in MODELS])[found.kind][:, None]
    expected = a1 * flow + a2
    flowing = flow >= q1
    assert np.all(expected[flowing] > 0)
    assert np.all(np.abs(meter - expected)[flowing] <= (0.5 + 6 * 0.008 * expected)[flowing])
    low, high = np.array([model.band for model in MODELS])[found.kind].T
    if name == "offset":
        assert np.all(found.truth["a1"] == 1)
        assert np.all((np.abs(found.truth["a2"]) > low) & (np.abs(found.truth["a2"]) < high))
    else:
        assert np.all(np.abs(found.truth["a1"] - 1) >= 0.04)
        assert np.all(np.sign(found.truth["a1"] - 1) == np.sign(found.truth["a2"]))


def test_scatter_scatters_and_a_vacant_house_uses_nothing() -> None:
    found, meter, _ = drawn(200, scatter=1.0)
    flow = found.demand.flow(slice(0, 200), 0, 96, 15)
    ratio = meter[flow >= 50] / flow[flow >= 50] - 1
    assert 0.2 < np.std(ratio) < 0.35 and abs(np.mean(ratio)) < 0.02
    _, meter, reference = drawn(20, no_flow=1.0)
    assert not meter.any() and not reference.any()


def test_every_behaviour_bends_a_whole_block_and_keeps_its_shape() -> None:
    rng = np.random.default_rng(0)
    kinds = Kinds(*np.tile([[15.6], [25.0], [2500.0], [0.02], [4.0], [60.0]], 5))
    flow, hours = np.full((5, 8), 100.0), np.arange(8.0)
    for each in BEHAVIOURS.values():
        truth = {name: np.full(5, neutral) for name, neutral in NEUTRAL.items()} | {"scale_lph": np.full(5, 100.0)}
        truth |= each.draw(kinds, rng)
        for made in (each.demand, each.meter, each.reference):
            assert made(flow, truth, hours, rng).shape == flow.shape
        for made in (each.forced, each.missing):
            found = made(flow, truth, hours, rng)
            assert found is None or found.shape == flow.shape


def test_an_instrument_rounds_and_cuts_off_and_keeps_gaps() -> None:
    one = Instruments(noise=np.zeros(1), cutoff=np.array([4.0]), resolution=np.array([0.1]))
    flow = np.array([[0.0, 3.9, 4.0, 12.34, 50.0]])
    shown = np.array([[0.0, 3.9, 4.0, 12.34, np.nan]])
    read = one.read(shown, flow, np.random.default_rng(0))[0]
    assert read[:4].tolist() == [0.0, 0.0, 4.0, 12.3]
    assert np.isnan(read[4])


def test_a_reading_that_was_never_sent_is_in_no_dump() -> None:
    found = Fleet.draw(Plan(2, 0.0625, START, QUARTER, 1))
    nan = np.nan
    values = np.array([[nan, 5.0, 5.0, nan, 5.0, 7.0], [nan] * 6])
    part = Part("meter", "flow_lph", np.arange(2), values)
    losses = Losses()
    (sent,) = deal(values, [slice(0, 6)], NONE, np.random.default_rng(0), losses)
    table = plain(found, part, 0, sent, as_text=True)
    minutes = ("00:15", "00:30", "01:00", "01:15")
    assert table["timestamp"].to_list() == [f"2026-01-01T{minute}:00Z" for minute in minutes]
    frames = [json.loads(line) for line in run_length(found, part, 0, sent)]
    assert [(frame["start"][11:16], frame["runs"]) for frame in frames] == [
        ("00:15", [[5.0, 2]]),
        ("01:00", [[5.0, 1], [7.0, 1]]),
    ]
    assert losses == Losses(written=4)
    nothing = Selection(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert run_length(found, part, 0, nothing).len() == 0


def test_the_registry_loads_and_its_references_are_never_older_than_a_month(tmp_path: Path) -> None:
    small(tmp_path / "w", days=65, interval=timedelta(hours=1), meters=25)
    registry = load_registry(tmp_path / "w/registry")
    assert registry.meters.height == 25
    assert set(registry.models) == {model.name for model in MODELS}
    assert registry.flowmeters is not None and registry.pairs is not None and registry.terminals is not None
    assert registry.pairs["flowmeter_id"].n_unique() == 25
    for day in range(1, 66):
        end = (START + timedelta(days=day)).date()
        newest = registry.flowmeters.filter(pl.col("calibrated_on") <= end).group_by("flowmeter_id")
        ages = newest.agg(pl.col("calibrated_on").max())["calibrated_on"].to_list()
        assert len(ages) == 25 and all((end - calibrated).days <= 31 for calibrated in ages)


def test_terminals_have_fictitious_numbers_and_several_languages() -> None:
    found = registry_files(Fleet.draw(Plan(300, 1, START, QUARTER, 1)))["terminals.csv"]
    table = pl.read_csv(found.encode(), infer_schema=False)
    assert table["terminal_id"].str.contains(r"^\+1-\d{3}-555-01\d\d$").all()
    assert table["terminal_id"].n_unique() == table.height
    assert {"en", "zh"} < set(table["language"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"form": "xlsx"}, "not a form"),
        ({"meters": 0}, "at least 1"),
        ({"interval": timedelta(seconds=90)}, "whole minutes"),
        ({"days": 0}, "hold no interval"),
        ({"dump": timedelta(minutes=20)}, "whole intervals"),
        ({"start": datetime(2026, 1, 1)}, "no offset"),  # noqa: DTZ001
        ({"seed": -1}, "negative"),
        ({"shares": {"haunted": 1.0}}, "haunted"),
        ({"sources": {"well": 1.0}}, "well"),
        ({"shares": {"healthy": 0.0}}, "not all zero"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        small(tmp_path / "w", **changes)
    assert not (tmp_path / "w").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not an empty folder"):
        small(tmp_path)
    assert contents(tmp_path) == {"letter.txt": b"dear"}


def test_the_shipped_registry_loads_and_knows_the_simulated_models() -> None:
    registry = load_registry(DATA / "registry")
    assert registry.meters.height == 122
    shipped = tomllib.loads((DATA / "registry/models.toml").read_text())["models"]
    simulated = tomllib.loads(models_text(MODELS))["models"]
    assert {name: shipped[name] for name in simulated} == simulated
    recorded = registry.meters.filter(~pl.col("feature_code").str.starts_with("WM-"))
    assert recorded.select("feature_code", "model").rows() == [each[:2] for each in sample_data.RECORDED]
    assert len(registry.sources) == 4


def test_the_shipped_sample_is_what_the_simulation_makes(tmp_path: Path) -> None:
    sample_data.remake(tmp_path)
    for file, made in contents(tmp_path).items():
        shipped = (DATA / file).read_bytes()
        if file.endswith(".parquet"):
            assert pl.read_parquet(made).equals(pl.read_parquet(shipped)), file
        elif file.endswith(".gz"):
            assert gzip.decompress(made) == gzip.decompress(shipped), file
        else:
            assert made == shipped, file


def test_the_shipped_sample_is_small_and_names_its_sources() -> None:
    parts = [DATA / "demand", DATA / "raw", DATA / "registry", DATA / "sample_truth.parquet", DATA / "README.md"]
    files = [file for part in parts for file in ([part] if part.is_file() else part.rglob("*")) if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 4e6
    assert "Apache License" in (DATA / "raw/ecan/LICENSE").read_text()
    assert "Environment Canterbury" in (DATA / "raw/ecan/README.md").read_text()
    assert "10.1038/sdata.2016.37" in (DATA / "demand/README.md").read_text()
