"""The registry: what is read, and every fault in the words that a person gets."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import RegistryError
from transforms.faults import Faults, shown
from transforms.fleet import fleet_table
from transforms.registry import Display, Model, load_registry
from transforms.registry.models import stated_ratio
from transforms.registry.templates import templates
from transforms.registry.validity import overlaps, parse_ends

MODEL = """[models."DN20 R160"]
q1 = 25.0
q2 = 40.0
q3 = 4000.0
q4 = 5000.0
accuracy_class = 2
band = [2.0, 60.0]
"""
METERS = "feature_code,model\nWM-1,DN20 R160\nWM-2,DN20 R160\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "meters.csv").write_text(METERS)
    (folder / "models.toml").write_text(MODEL)
    return folder


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8", newline="")
    return folder


def faults_of(folder: Path, **files: str) -> list[str]:
    write(folder, **files)
    with pytest.raises(RegistryError) as caught:
        load_registry(folder)
    return str(caught.value).splitlines()


def only_fault(folder: Path, **files: str) -> str:
    (line,) = faults_of(folder, **files)
    return line


# what is read


def test_the_two_required_files_are_enough(folder: Path) -> None:
    registry = load_registry(folder)
    assert registry.meters.to_dict(as_series=False) == {
        "feature_code": ["WM-1", "WM-2"],
        "model": ["DN20 R160"] * 2,
        "serial": [None, None],
        "installed_on": [None, None],
        "removed_on": [None, None],
        "site": [None, None],
        "clock_offset_s": [None, None],
        "rollover_l": [None, None],
    }
    assert registry.meters.schema["installed_on"] == pl.Date
    assert registry.models == {"DN20 R160": Model("DN20 R160", 25.0, 40.0, 4000.0, 5000.0, 2, (2.0, 60.0))}
    assert registry.models["DN20 R160"].max_offset == 60.0
    assert registry.pairs is registry.flowmeters is registry.terminals is None
    assert registry.sources == ()


def test_everything_that_can_be_said(folder: Path) -> None:
    write(
        folder,
        meters_csv="site,feature_code,model,installed_on,serial,remark,clock_offset_s,rollover_l\n"
        '"3, High St",WM-2,DN20 R160,2020-02-29,S2,x,-90.5,1e7\n,WM-1,DN20 R160,,,,,\n',
        models_toml=MODEL
        + "proportion = 1\nrepeatability = 0.5\nresolution = 0.1\nmax_gain_change = 0.4\nmax_offset = 9\nrollover_l = 1e8\n"
        'display = {quantity = "volume", unit = "m3", digits = 8, decimals = 3}\n',
        pairs_csv="feature_code,flowmeter_id,valid_from,valid_to\n"
        "WM-1,FM-1,2026-01-01,2026-01-31\nWM-1,FM-2,2026-02-01T02:00+02:00,\nWM-2,FM-1,2026-02-01,2026-02-02 12:00:00.5Z\n",
        flowmeters_csv="flowmeter_id,calibrated_on,uncertainty,sampling\nFM-1,2026-01-05,0.01,\nFM-1,2025-12-05,,instant\n",
        terminals_csv="feature_code,terminal_id,channel,language\nWM-1,+64210000001,sms,en\nWM-1,+64210000002,app,\n",
        sources_toml='[sources.a]\nstream = "meter"\nglob = "a/*"\nformat = "rle"\n',
        policy_toml="[window]\n",
    )
    registry = load_registry(folder)
    assert registry.meters.rows() == [
        ("WM-1", "DN20 R160", None, None, None, None, None, None),
        ("WM-2", "DN20 R160", "S2", date(2020, 2, 29), None, "3, High St", -90.5, 1e7),
    ]
    # a meter's own width of its register goes before its model's
    assert fleet_table(registry)["rollover_l"].to_list() == [1e8, 1e7]
    model = registry.models["DN20 R160"]
    assert (model.proportion, model.repeatability, model.resolution) == (1.0, 0.5, 0.1)
    assert (model.max_gain_change, model.max_offset, model.rollover_l) == (0.4, 9.0, 1e8)
    assert model.display == Display("volume", "m3", 8, 3)
    assert registry.pairs is not None and registry.flowmeters is not None and registry.terminals is not None
    assert registry.pairs.rows() == [
        ("WM-1", "FM-1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        ("WM-1", "FM-2", datetime(2026, 2, 1, tzinfo=UTC), None),
        ("WM-2", "FM-1", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 2, 12, 0, 0, 500000, tzinfo=UTC)),
    ]
    assert registry.pairs.schema["valid_from"] == pl.Datetime("us", "UTC")
    assert registry.flowmeters.rows() == [
        ("FM-1", date(2025, 12, 5), None, "instant"),
        ("FM-1", date(2026, 1, 5), 0.01, "mean"),
    ]
    assert registry.terminals.rows()[0] == ("WM-1", "+64210000001", "sms", "en")
    assert registry.terminals["language"].to_list() == ["en", None]
    assert [source.name for source in registry.sources] == ["a"]
    assert "+6421" not in repr(registry)


def test_the_templates_load_and_say_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    for name, text in templates().items():
        (folder / name).write_text(text)
    registry = load_registry(folder)
    assert registry.meters.is_empty()
    assert registry.models == {}
    assert registry.pairs is registry.flowmeters is registry.terminals is None
    assert "there are meters but no model" in only_fault(folder, meters_csv=METERS)


def test_the_example_of_each_template_loads_when_uncommented(folder: Path) -> None:
    for name in ("models.toml", "sources.toml"):
        text = templates()[name]
        example = text[text.index("# [") :]
        (folder / name).write_text(
            "".join(line.removeprefix("# ").removeprefix("#") for line in example.splitlines(True))
        )
    registry = load_registry(folder)
    assert registry.models["DN20 R160"].display == Display("volume", "m3", 8, 3)
    assert [source.name for source in registry.sources] == ["vendor"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + METERS,
        METERS.replace("\n", "\r\n"),
        METERS.replace("\n", "\r"),
        METERS.rstrip("\n"),
        METERS + "  \n,\n",
        METERS.replace("\n", ",,\n"),
        "\n\n" + METERS.replace("\n", "\n\n"),
        METERS.replace(",", " , ").replace("WM", "  WM"),
        METERS.replace("\n", ",,\n").replace("model,,", "model,remark,"),
        '"feature_code","model"\n"WM-2","DN20 R160"\n"WM-1","DN20 R160"\n',
        "model,feature_code\nDN20 R160,WM-2\nDN20 R160,WM-1\n,\n",
    ],
)
def test_spellings_of_one_table_are_one_registry(folder: Path, text: str) -> None:
    digest = load_registry(folder).digest
    assert load_registry(write(folder, meters_csv=text)).digest == digest


def test_the_digest_sees_every_change_of_content(folder: Path) -> None:
    digests = [load_registry(folder).digest]
    for files in (
        {"meters_csv": METERS + "WM-3,DN20 R160\n"},
        {"models_toml": MODEL + "resolution = 2.0\n"},
        {"pairs_csv": "feature_code,flowmeter_id\nWM-1,FM-1\n"},
        {"pairs_csv": "feature_code,flowmeter_id,valid_to\nWM-1,FM-1,2026-01-01\n"},
        {"flowmeters_csv": "flowmeter_id,calibrated_on\nFM-1,2026-01-01\n"},
        {"terminals_csv": "feature_code,terminal_id,channel\nWM-1,1,sms\n"},
        {"sources_toml": '[sources.a]\nstream = "meter"\nglob = "a/*"\nformat = "rle"\n'},
    ):
        digests.append(load_registry(write(folder, **files)).digest)
    assert len(set(digests)) == len(digests)
    reordered = MODEL.replace("[2.0, 60.0]", "[2, 6e1]") + "resolution = 2\n"
    assert load_registry(write(folder, models_toml=reordered)).digest == digests[-1]


# files as such


def test_missing_files(folder: Path) -> None:
    (folder / "models.toml").unlink()
    (folder / "meters.csv").rename(folder / "meter.csv")
    assert faults_of(folder) == [
        "registry/meters.csv: the file is missing, but there is 'meter.csv'; rename that to meters.csv",
        "registry/models.toml: the file is missing; write it, or let `meterwright init` write a template",
    ]
    assert "registry/: the folder is missing" in only_fault(folder.parent / "elsewhere" / "registry")


def test_a_misspelt_optional_file_is_not_passed_over(folder: Path) -> None:
    fault = only_fault(folder, flowmeter_csv="flowmeter_id,calibrated_on\n")
    assert fault.startswith("registry/flowmeters.csv: the file is missing, but there is 'flowmeter.csv'")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"feature_code,model\nWM-1,DN20 R160\nWM-\xe9,DN20 R160\n", "meters.csv row 3: the text is not UTF-8"),
        (METERS.encode("utf-16"), "meters.csv row 1: the file holds NUL bytes"),
        (METERS.encode() + b"WM-3,\0\n", "meters.csv row 4: the file holds NUL bytes"),
        (b"", "meters.csv row 1: the file is empty; its first line must be feature_code,model"),
        (
            b"feature_code\nWM-1\n",
            "row 1: the column model is missing; add it, the header must have feature_code, model",
        ),
        (b"feature-code,model\n", "the column feature_code is missing; add it; did you mean 'feature-code'?"),
        (b"feature_code;model\nWM-1;x\n", "the column model is missing; separate the columns by commas"),
        (b"feature_code,model,model\n", "the header has 'model' twice"),
        (b"feature_code,model\nWM-1,DN20 R160\nWM-2,DN20 R160,a,b\n", "row 3: 4 values where the header has 2"),
        (b'feature_code,model\nWM-1,DN20 R160\n"WM-2,DN20 R160\n\n', "row 3: the quotes do not match from here on"),
        (b'feature_code,model\nWM-1,DN20 R160\nWM-2,"""', "row 3: the quotes do not match from here on"),
        (b'feature_code,model,site\nWM-1,DN20 R160,\nWM-2,DN20 R160,5" pipe\n', "row 3: a quote stands in a value"),
        (b'feature_code,"model\n', "row 1: the quotes do not match from here on"),
        (
            b"feature_code,model\r\rWM-1,DN20 R160\r\r\nWM-2,DN20 R160\r\r\n",
            "meters.csv row 1: some lines end in a bare return (CR), others in a line feed; save the file",
        ),
    ],
)
def test_broken_csv(folder: Path, data: bytes, says: str) -> None:
    (folder / "meters.csv").write_bytes(data)
    assert says in " | ".join(faults_of(folder))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[models."X"]\nq1 = = 2\n', "registry/models.toml line 2: this is not TOML"),
        ('[models."X"]\nq1 = 2\nq1 = 3\n', "registry/models.toml line 3: this is not TOML"),
        (MODEL + "note = '''\n", "registry/models.toml line "),
        ("model = 1\n" + MODEL, "registry/models.toml line 1: unknown key 'model'"),
        ("models = 1\n", "models must be tables"),
    ],
)
def test_broken_toml(folder: Path, text: str, says: str) -> None:
    assert says in faults_of(folder, models_toml=text)[0]


def test_rows_are_lines_of_the_file(folder: Path) -> None:
    text = '\nfeature_code,model,site\n"WM-1",DN20 R160,"two\nlines"\n\nWM-2,nope,"three\r\nmore\nlines"\nWM-3,nope,\n'
    assert [fault.split(":")[0] for fault in faults_of(folder, meters_csv=text)] == [
        "registry/meters.csv row 6 (feature_code WM-2)",
        "registry/meters.csv row 9 (feature_code WM-3)",
    ]


# meters.csv


def test_faults_of_meters(folder: Path) -> None:
    text = (
        "feature_code,model,installed_on\n"
        "WM-1,DN20 R160,\n"
        ",DN20 R160,\n"
        "WM-1,DN20 R160,\n"
        "WM-4,,\n"
        "WM-5,DN20 R161,\n"
        f"{'x' * 129},DN20 R160,\n"
        '"W\x1bM",DN20 R160,\n'
        "WM-8,DN20 R160,31/12/2025\n"
        "WM-9,DN20 R160,2025-02-30\n"
    )
    row = "registry/meters.csv row"
    assert faults_of(folder, meters_csv=text) == [
        f"{row} 3: feature_code is empty; fill it in or remove the row",
        f"{row} 4 (feature_code WM-1): the feature code is already in row 2; it must name one meter, remove one row",
        f"{row} 5 (feature_code WM-4): model is empty; fill it in or remove the row",
        f"{row} 6 (feature_code WM-5): model 'DN20 R161' is not in models.toml; did you mean 'DN20 R160'?",
        f"{row} 7: feature_code has 129 characters, at most 128 are allowed; shorten it",
        f"{row} 8: feature_code 'W\\x1bM' holds control characters; remove them",
        f"{row} 9 (feature_code WM-8): installed_on '31/12/2025' is not a date; write for example 2026-01-31",
        f"{row} 10 (feature_code WM-9): installed_on '2025-02-30' is not a date; write for example 2026-01-31",
    ]


def test_fifty_faults_are_listed_and_the_rest_counted(folder: Path) -> None:
    faults = faults_of(folder, meters_csv="feature_code,model\n" + "".join(f"WM-{n},none\n" for n in range(1000)))
    assert len(faults) == 51
    assert faults[49].startswith("registry/meters.csv row 51 (feature_code WM-49): model 'none'")
    assert faults[50] == "... and 950 more"


def test_unusual_codes_are_codes(folder: Path) -> None:
    codes = ["水表-1", "WM 1/2", "=SUM(A1)", "../x", "x" * 128, "NULL", "nan", "007"]
    registry = load_registry(
        write(folder, meters_csv="feature_code,model\n" + "".join(f"{c},DN20 R160\n" for c in codes))
    )
    assert set(registry.meters["feature_code"]) == set(codes)


# models.toml


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("q1 = 25.0", "", "line 1 (model DN20 R160): key q1 is missing"),
        ("q1 = 25.0", 'q1 = "25"', "line 2 (model DN20 R160): q1 = '25' is not a number"),
        ("q1 = 25.0", "q1 = nan", "q1 = nan is not a number"),
        ("q1 = 25.0", "q1 = -25.0", "line 2 (model DN20 R160): q1 = -25 is not a flow rate"),
        ("q4 = 5000.0", "q4 = 5.0", "the flow rates must rise from q1 to q4"),
        ("accuracy_class = 2", "accuracy_class = 3", "line 6 (model DN20 R160): accuracy_class = 3 is not known"),
        ("accuracy_class = 2", "accuracy_class = true", "accuracy_class = True is not known"),
        ("accuracy_class = 2", "accuracy_clas = 2", "unknown key 'accuracy_clas'; did you mean 'accuracy_class'?"),
        ("[2.0, 60.0]", "[60.0, 2.0]", "band = [60.0, 2.0] is no range; give [low, high] in L/h with 0 <= low < high"),
        ("[2.0, 60.0]", "[-1.0, 2.0]", "is no range"),
        ("[2.0, 60.0]", "[2.0]", "is no range"),
        ("[2.0, 60.0]", "60", "is no range"),
        ("[2.0, 60.0]", "[2.0, inf]", "is no range"),
        ("band", "proportion = 0\nband", "proportion = 0; give a number above 0 and up to 1"),
        ("band", "proportion = 95\nband", "proportion = 95"),
        ("band", "repeatability = 0.51\nband", "repeatability = 0.51; give a number above 0 and up to 0.5"),
        ("band", "resolution = 0\nband", "resolution = 0; give a number above 0"),
        ("band", "max_gain_change = 1.0\nband", "max_gain_change = 1.0; give a number above 0 and below 1"),
        ("band", "max_offset = -3\nband", "max_offset = -3; give a number above 0"),
        ("band", "display = 8\nband", "display = 8; give {quantity, unit, digits, decimals}"),
        ("band", 'display = {quantity = "volume"}\nband', "display lacks the key unit"),
        ("band", 'display = {quantity="x", unit="m3", digits=8, decimals=3}\nband', "display.quantity = 'x'"),
        ("band", 'display = {quantity="flow", unit="M3/h", digits=8, decimals=3}\nband', "did you mean 'm3/h'?"),
        ("band", 'display = {quantity="flow", unit="m3/h", digits=0, decimals=0}\nband', "display.digits = 0"),
        ("band", 'display = {quantity="flow", unit="m3/h", digits=4, decimals=4}\nband', "a whole number 0 to 3"),
        (
            "band",
            'display = {quantity="flow", unit="m3/h", digits=4, decimals=1, x=1}\nband',
            "unknown key 'x' in display",
        ),
    ],
)
def test_faults_of_models(folder: Path, old: str, new: str, says: str) -> None:
    faults = faults_of(folder, models_toml=MODEL.replace(old, new, 1))
    assert any(says in fault for fault in faults), faults
    assert not any("meters.csv" in fault for fault in faults)


def test_the_r_that_a_name_states_must_be_the_r_of_its_flow_rates(folder: Path) -> None:
    eight = MODEL.replace("q1 = 25.0", "q1 = 500.0").replace("q2 = 40.0", "q2 = 800.0").replace("R160", "R80")
    faults = faults_of(folder, models_toml=eight, meters_csv=METERS.replace("R160", "R80"))
    assert any("R = q3/q1 = 8 lies outside 10 to 1000" in fault for fault in faults)
    fault = only_fault(folder, models_toml=MODEL.replace("R160", "R80"))
    assert "the name says R = 80, but q3/q1 = 4000/25 = 160" in fault
    near_enough = MODEL.replace("q3 = 4000.0", "q3 = 4100").replace("q4 = 5000.0", "q4 = 5125")
    write(folder, models_toml=near_enough, meters_csv=METERS)
    assert load_registry(folder).models["DN20 R160"].flow_rates.ratio == 164


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("DN20 R160", 160.0),
        ("USM-R250H", 250.0),
        ("r80", 80.0),
        ("Q3=4 R=315", 315.0),
        ("20R80", 80.0),
        ("WATER20", None),
        ("Sonata R2", None),
        ("plain", None),
    ],
)
def test_r_in_a_name(name: str, ratio: float | None) -> None:
    assert stated_ratio(name) == ratio


# pairs.csv


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("WM-1,,,", "pairs.csv row 2 (feature_code WM-1): flowmeter_id is empty"),
        (",FM-1,,", "pairs.csv row 2: feature_code is empty"),
        ("WM-1,FM-1,yesterday,", "valid_from 'yesterday' is neither a date nor an instant"),
        ("WM-1,FM-1,2026-02-29,", "valid_from '2026-02-29' is neither a date nor an instant"),
        ("WM-1,FM-1,,2026-01-01T00:00:00", "valid_to '2026-01-01T00:00:00' has no offset; add Z"),
        ("WM-1,FM-1,,2026-01-01T25:00:00Z", "valid_to '2026-01-01T25:00:00Z' is neither"),
        ("WM-1,FM-1,2026-01-02,2026-01-01", "valid_from 2026-01-02 is not before valid_to 2026-01-01"),
        ("WM-1,FM-1,2026-01-01T00:00Z,2026-01-01T01:00+01:00", "is not before"),
        ("WM-1,FM-1,,\nWM-1,FM-2,2026-01-01,", "row 3 (feature_code WM-1): the meter is paired in row 2 for the same"),
        (
            "WM-1,FM-1,,2026-01-31\nWM-2,FM-1,2026-01-31,",
            "row 3 (feature_code WM-2): flowmeter 'FM-1' is paired in row 2",
        ),
    ],
)
def test_faults_of_pairs(folder: Path, rows: str, says: str) -> None:
    assert says in only_fault(folder, pairs_csv=f"feature_code,flowmeter_id,valid_from,valid_to\n{rows}\n")


def test_a_row_written_twice_is_two_overlaps(folder: Path) -> None:
    assert len(faults_of(folder, pairs_csv="feature_code,flowmeter_id\nWM-1,FM-1\nWM-1,FM-1\n")) == 2


def test_a_date_includes_its_day_and_an_instant_does_not_include_itself(folder: Path) -> None:
    text = (
        "feature_code,flowmeter_id,valid_from,valid_to\nWM-1,FM-1,,2026-01-31\nWM-1,FM-2,2026-02-01,2026-02-02T00:00Z\n"
    )
    registry = load_registry(write(folder, pairs_csv=text + "WM-1,FM-1,2026-02-02,\n"))
    assert registry.pairs is not None
    assert registry.pairs.filter(pl.col("flowmeter_id") == "FM-2")["valid_from"].item() == datetime(
        2026, 2, 1, tzinfo=UTC
    )


SPAN = st.tuples(st.sampled_from("ABC"), st.none() | st.integers(0, 12), st.none() | st.integers(0, 12))


@given(st.lists(SPAN, max_size=8))
def test_overlaps_are_those_of_brute_force(spans: list[tuple[str, int | None, int | None]]) -> None:
    spans = [span for span in spans if span[1] is None or span[2] is None or span[1] < span[2]]
    base = datetime(2026, 1, 1, tzinfo=UTC)

    def at(hour: int | None) -> datetime | None:
        return None if hour is None else base + timedelta(hours=hour)

    def together(a: tuple[str, int | None, int | None], b: tuple[str, int | None, int | None]) -> bool:
        (begin_a, end_a), (begin_b, end_b) = (
            (-1 if low is None else low, 99 if high is None else high) for _, low, high in (a, b)
        )
        return a[0] == b[0] and begin_a < end_b and begin_b < end_a

    table = pl.DataFrame(
        {
            "row": pl.Series(range(2, len(spans) + 2), dtype=pl.Int64),
            "feature_code": pl.Series([code for code, *_ in spans], dtype=pl.String),
            "valid_from": pl.Series([at(low) for _, low, _ in spans], dtype=pl.Datetime("us", "UTC")),
            "valid_to": pl.Series([at(high) for *_, high in spans], dtype=pl.Datetime("us", "UTC")),
        }
    )
    found = overlaps(table, "feature_code")
    order = sorted(range(len(spans)), key=lambda k: (spans[k][0], -1 if spans[k][1] is None else spans[k][1], k))
    late = {k + 2 for place, k in enumerate(order) if any(together(spans[k], spans[j]) for j in order[:place])}
    assert set(found["row"]) == late
    for row, partner in found.select("row", "with_row").iter_rows():
        assert row != partner
        assert together(spans[row - 2], spans[partner - 2])


@settings(deadline=None)
@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["auto", "microseconds", "minutes", "seconds"]),
    st.booleans(),
)
def test_instants_are_read_as_python_reads_them(naive: datetime, minutes: int, precision: str, colon: bool) -> None:
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    text = f"{naive.isoformat(timespec=precision)}{sign}{hours:02d}{':' if colon else ''}{rest:02d}"
    table = pl.DataFrame(
        {"row": [2], "feature_code": ["A"], "valid_from": [text], "valid_to": [None]},
        schema_overrides={"valid_to": pl.String},
    )
    faults = Faults(RegistryError)
    assert parse_ends(table, "pairs.csv", faults)["valid_from"].item() == datetime.fromisoformat(text)
    faults.raise_if_any()


# flowmeters.csv


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (",2026-01-01,", "flowmeters.csv row 2: flowmeter_id is empty"),
        ("FM-1,,", "row 2 (flowmeter_id FM-1): calibrated_on is empty"),
        ("FM-1,2026-13-01,", "calibrated_on '2026-13-01' is not a date"),
        ("FM-1,0026-01-01,", "calibrated_on '0026-01-01' is not a date"),
        ("FM-1,2026-01-01T00:00:00Z,", "is not a date"),
        ("FM-1,2026-01-01,0.5 %", "uncertainty '0.5 %' is not a number from 0 to 0.2; give it relative with k = 2"),
        ("FM-1,2026-01-01,0.5", "uncertainty '0.5' is not a number from 0 to 0.2"),
        ("FM-1,2026-01-01,-0.01", "uncertainty '-0.01' is not"),
        ("FM-1,2026-01-01,nan", "uncertainty 'nan' is not"),
        ("FM-1,2026-01-01,,means", "sampling 'means' is none of mean, instant; leave it empty for mean"),
        (
            "FM-1,2026-01-01,0.1\nFM-1,2026-01-01,0.2",
            "row 3 (flowmeter_id FM-1): the same flowmeter and calibrated_on stand",
        ),
    ],
)
def test_faults_of_flowmeters(folder: Path, rows: str, says: str) -> None:
    assert says in only_fault(folder, flowmeters_csv=f"flowmeter_id,calibrated_on,uncertainty,sampling\n{rows}\n")


# terminals.csv

PHONE = "+64 21 555 0199"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"feature_code,terminal_id,channel,language\nWM-1,{PHONE},,en\n", "row 2: channel is empty"),
        (f"feature_code,terminal_id,channel,language\n,{PHONE},sms,en\n", "row 2: feature_code is empty"),
        (f"feature_code,terminal_id,channel,language\nWM-1,sms,en,{PHONE}\n", "row 2: language is not a language tag"),
        (f"feature_code,terminal_id,channel,language\n{PHONE},WM-1,,en\n", "row 2: channel is empty"),
        (
            f"feature_code,terminal_id,channel,language\nWM-1,{PHONE},sms,en\nWM-1,{PHONE},app,en\n",
            "row 3: the same feature_code and terminal_id stand in row 2",
        ),
        (
            f"feature_code,terminal_id,channel,language\nWM-1,{PHONE}{'0' * 120},sms,en\n",
            "row 2: terminal_id is longer",
        ),
        (f'feature_code,terminal_id,channel,language\nWM-1,"{PHONE}\n1",sms,en\n', "row 2: terminal_id is longer"),
        (
            f"feature_code,terminal_id,channel,language\nWM-1,{PHONE},sms,en,{PHONE}\n",
            "row 2: 5 values where the header",
        ),
        (f'feature_code,terminal_id,channel,language\nWM-1,"{PHONE}"x,sms,en\n', "row 2: the quotes do not match"),
        (f"WM-1,{PHONE},sms,en\n", "row 1: the column terminal_id is missing"),
        (f"WM-1,{PHONE},{PHONE},en\n", "row 1: the header has a name twice"),
        (f"feature_code,channel,terminal_idd{PHONE}\n", "row 1: the column terminal_id is missing"),
    ],
)
def test_no_message_shows_a_telephone_number(folder: Path, text: str, says: str) -> None:
    write(folder, terminals_csv=text)
    with pytest.raises(RegistryError) as caught:
        load_registry(folder)
    error: BaseException | None = caught.value
    assert says in str(error)
    while error is not None:
        assert "555" not in str(error)
        assert error.__suppress_context__ or error.__context__ is None
        error = error.__cause__


def test_a_meter_may_have_several_terminals(folder: Path) -> None:
    text = "feature_code,terminal_id,channel,language\nWM-1,1,sms,en\nWM-1,2,sms,zh-CN\nWM-2,1,app,\n"
    registry = load_registry(write(folder, terminals_csv=text))
    assert registry.terminals is not None
    assert registry.terminals.height == 3


# messages


def test_all_files_are_checked_before_anything_is_said(folder: Path) -> None:
    faults = faults_of(
        folder,
        meters_csv="feature_code,model\n,DN20 R160\n",
        models_toml=MODEL.replace("[2.0, 60.0]", "[]"),
        pairs_csv="feature_code\n",
        flowmeters_csv="flowmeter_id,calibrated_on\nF,x\n",
        terminals_csv="feature_code,terminal_id,channel\nWM-1,,sms\n",
        sources_toml="[sources.a]\n",
    )
    named = {match[1] for fault in faults if (match := re.match(r"registry/(\w+)\.", fault))}
    assert named == {"meters", "models", "pairs", "flowmeters", "terminals", "sources"}


@given(st.text(max_size=300))
def test_a_shown_value_is_short_and_on_one_line(value: str) -> None:
    text = shown(value)
    assert len(text) <= 60
    assert text.isprintable()


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "registry"
    folder.mkdir(exist_ok=True)
    (folder / "models.toml").write_text(MODEL)
    (folder / "meters.csv").write_bytes(b"feature_code,model\n" + data)
    try:
        registry = load_registry(folder)
    except RegistryError as error:
        assert "registry/meters.csv" in str(error)
    else:
        assert set(registry.meters["model"]) <= {"DN20 R160"}
