"""sources.toml: what is read, what is refused and in which words."""

from pathlib import Path

import pytest

from transforms.errors import RegistryError
from transforms.sources import Column, Source, read_sources
from transforms.sources.columns import reads_dates

HEAD = '[sources.ecan]\nstream = "meter"\nglob = "ecan/*.csv"\nformat = "csv"\n'
COLUMNS = '[sources.ecan.columns]\nfeature_code = "ID"\ntimestamp = "Time"\nvolume_l = {name = "V", unit = "m3"}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry" / "sources.toml"


def fault(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(RegistryError) as caught:
        read_sources(file)
    return str(caught.value)


def test_both_streams_from_one_real_export(file: Path) -> None:
    file.write_text("""
[sources.k37-meter]
stream = "meter"
glob = "ecan/K37-3110.csv"
format = "csv"
timezone = "+12:00"
[sources.k37-meter.columns]
feature_code = {value = "K37-3110"}
timestamp = {name = ["Date", "Time"], format = "%d/%m/%Y %H:%M:%S"}
volume_l = {name = "CuMeters", unit = "m3"}

[sources.k37-flowmeter]
stream = "flowmeter"
glob = "ecan/K37-3110.csv"
format = "csv"
delimiter = ";"
decimal = ","
encoding = "latin-1"
skip_rows = 3
timezone = "Pacific/Auckland"
[sources.k37-flowmeter.columns]
flowmeter_id = {value = "K37-signal"}
timestamp = {name = "Stamp", format = "epoch_ms"}
flow_lph = {name = "Flow_Scaled", unit = "L/s"}
via = {value = "meter"}
""")
    flowmeter, meter = read_sources(file)
    assert meter == Source(
        name="k37-meter",
        stream="meter",
        glob="ecan/K37-3110.csv",
        format="csv",
        timezone="+12:00",
        columns={
            "feature_code": Column(value="K37-3110"),
            "timestamp": Column(names=("Date", "Time"), format="%d/%m/%Y %H:%M:%S"),
            "volume_l": Column(names=("CuMeters",), unit="m3"),
        },
    )
    assert (flowmeter.delimiter, flowmeter.decimal, flowmeter.encoding, flowmeter.skip_rows) == (
        ";",
        ",",
        "iso8859-1",
        3,
    )
    assert flowmeter.timezone == "Pacific/Auckland"
    assert flowmeter.columns["timestamp"] == Column(names=("Stamp",), format="epoch_ms")
    assert flowmeter.columns["via"] == Column(value="meter")


def test_an_empty_file_has_no_sources(file: Path) -> None:
    file.write_text("# nothing yet\n")
    assert read_sources(file) == ()


def test_run_length_frames_need_no_columns(file: Path) -> None:
    file.write_text('[sources.lora]\nstream = "flowmeter"\nglob = "lora/**/*.jsonl"\nformat = "rle"\n')
    assert read_sources(file)[0].columns == {}
    assert "run-length frames name their own keys" in fault(file, HEAD.replace("csv", "rle") + COLUMNS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD.replace("glob", "globb") + COLUMNS, "line 3 ([sources.ecan]): unknown key 'globb'; did you mean 'glob'?"),
        (HEAD.replace("glob", "globb") + COLUMNS, "key glob is missing; give a pattern relative to raw/"),
        (HEAD.replace('"meter"', '"meters"') + COLUMNS, "stream = 'meters'; did you mean 'meter'?"),
        (HEAD.replace('"csv"', '"excel"') + COLUMNS, "format = 'excel'; known are csv, jsonl, parquet, rle"),
        (HEAD.replace("ecan/*", "/etc/*") + COLUMNS, "glob = '/etc/*.csv' is absolute"),
        (HEAD.replace("ecan/*", "C:/x/*") + COLUMNS, "is absolute"),
        (HEAD.replace("ecan/*", "~/x/*") + COLUMNS, "is absolute"),
        (HEAD.replace("ecan/*", "a/../../*") + COLUMNS, "leads out of raw/ by '..'"),
        (HEAD.replace("ecan/*", "..\\\\x") + COLUMNS, "holds a backslash"),
        (HEAD.replace("ecan/*", "https://x/*") + COLUMNS, "is an address"),
        (HEAD.replace("ecan/*", "raw/ecan/*") + COLUMNS, "begins with raw/"),
        (HEAD.replace("ecan/*.csv", "ecan/") + COLUMNS, "names a folder"),
        (HEAD.replace("ecan/*.csv", ".") + COLUMNS, "names a folder"),
        (HEAD.replace("ecan/*.csv", " ") + COLUMNS, "is empty"),
        (HEAD + 'delimiter = "::"\n' + COLUMNS, "delimiter = '::'; give one character"),
        (HEAD + 'decimal = ","\n' + COLUMNS, "decimal and delimiter are both ','"),
        (HEAD + 'decimal = "x"\n' + COLUMNS, "decimal = 'x'; give '.' or ','"),
        (HEAD + 'encoding = "klingon"\n' + COLUMNS, "encoding = 'klingon' is not known"),
        (HEAD + 'encoding = "rot13"\n' + COLUMNS, "encoding = 'rot13' is not known"),
        (HEAD + "skip_rows = -1\n" + COLUMNS, "skip_rows = -1; give a whole number"),
        (HEAD + "skip_rows = true\n" + COLUMNS, "skip_rows = True; give a whole number"),
        (HEAD + 'timezone = "Europe/Pariss"\n' + COLUMNS, "did you mean 'Europe/Paris'?"),
        (HEAD + 'timezone = "../../etc/passwd"\n' + COLUMNS, "is not known"),
        (HEAD + 'timezone = "posixrules"\n' + COLUMNS, "is not known"),
        (HEAD + 'timezone = "+25:00"\n' + COLUMNS, "is not known"),
        (HEAD + "timezone = 12\n" + COLUMNS, "timezone = 12; give text in quotes"),
        (
            HEAD.replace('"csv"', '"jsonl"') + 'delimiter = ";"\n' + COLUMNS,
            "delimiter is for CSV, but format = 'jsonl'",
        ),
        (HEAD, "columns lacks timestamp"),
        (HEAD, "columns lacks flow_lph or volume_l"),
        (HEAD, "columns lacks feature_code"),
        (HEAD.replace('"meter"', '"flowmeter"'), "columns lacks flowmeter_id or feature_code"),
        (HEAD + COLUMNS + 'flow_lph = "Q"', "columns has both flow_lph and volume_l"),
        (HEAD + COLUMNS + 'flowmeter_id = "F"', "'flowmeter_id' is no column of the meter stream"),
        (HEAD + COLUMNS.replace("volume_l", "volume_m3"), "did you mean 'volume_l'?"),
        (
            HEAD + COLUMNS.replace('"m3"', '"M3"'),
            "columns.volume_l.unit = 'M3' is no unit of volume_l; did you mean 'm3'?",
        ),
        (HEAD + COLUMNS.replace('"m3"', '"L/h"'), "is no unit of volume_l"),
        (HEAD + COLUMNS.replace("volume_l", "flow_lph").replace('"m3"', '"l/h"'), "did you mean 'L/h'?"),
        (HEAD + COLUMNS.replace('"V"', '["V", "W"]'), "a number comes from one column"),
        (HEAD + COLUMNS.replace("name", "column"), "unknown key 'column'"),
        (HEAD + COLUMNS.replace('{name = "V", unit = "m3"}', "{value = 1.0}"), "volume_l cannot be a constant"),
        (HEAD + COLUMNS.replace('"ID"', '{value = ""}'), "columns.feature_code.value = ''; give 1 to 128"),
        (HEAD + COLUMNS.replace('"ID"', '{value = "a\\nb"}'), "give 1 to 128 printable characters"),
        (HEAD + COLUMNS.replace('"ID"', '{value = "a", name = "b"}'), "needs either name (a column) or value"),
        (HEAD + COLUMNS.replace('"ID"', '{name = "a", unit = "L"}'), "unit is only for flow_lph and volume_l"),
        (HEAD + COLUMNS.replace('"ID"', '{name = "a", format = "%Y"}'), "format is only for timestamp"),
        (HEAD + COLUMNS.replace('"ID"', "7"), "columns.feature_code = 7; give a column's name"),
        (HEAD + COLUMNS.replace('"ID"', "{name = []}"), "columns.feature_code.name = []"),
        (HEAD + COLUMNS.replace('"Time"', '{name = "T", format = "dd/mm/yyyy"}'), "cannot read a date and time"),
        (HEAD + "columns = 3", "columns = 3; write a table [sources.ecan.columns]"),
        ("sources = 3", "sources must be tables"),
        ("[sources]\nx = 3", "a source is a table of keys, not 3"),
        ('[sources."../x"]', "the source's name must be"),
        ("[source.x]\n", "line 1: unknown key 'source'"),
        ("[sources.x\n", "registry/sources.toml line 1: this is not TOML"),
    ],
)
def test_faults_name_source_and_key(file: Path, text: str, says: str) -> None:
    assert says in fault(file, text)


def test_all_faults_are_listed(file: Path) -> None:
    message = fault(file, HEAD.replace("csv", "xls") + 'timezone = "Mars/Phobos"\n' + COLUMNS.replace("m3", "bucket"))
    assert [line.split(" = ")[0] for line in message.splitlines()] == [
        "registry/sources.toml line 4 ([sources.ecan]): format",
        "registry/sources.toml line 5 ([sources.ecan]): timezone",
        "registry/sources.toml line 9 ([sources.ecan]): columns.volume_l.unit",
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        "%d/%m/%Y %H:%M:%S",
        "%d-%m-%Y %H:%M",
        "%m/%d/%y %I:%M %p",
        "%Y-%m-%dT%H:%M:%S%z",
        "%Y-%m-%d %H:%M:%S.%f",
        "%Y%m%d%H%M",
        "%d %b %Y %H:%M",
        "%Y-%m-%d",
        "epoch_s",
        "epoch_us",
    ],
)
def test_formats_that_carry_a_date(pattern: str) -> None:
    assert reads_dates(pattern)


@pytest.mark.parametrize("pattern", ["", "%H:%M", "%d/%m %H:%M", "%Y-%m %H:%M", "%I:%M %d/%m/%Y", "%Q", "epoch"])
def test_formats_that_do_not(pattern: str) -> None:
    assert not reads_dates(pattern)
