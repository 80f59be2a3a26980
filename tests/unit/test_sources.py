"""sources.toml: what is read, what is refused and in which words."""

from pathlib import Path

import pytest

from transforms.errors import RegistryError
from transforms.sources import Choice, Column, Source, Wide, read_sources
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


def test_everything_that_an_export_may_need(file: Path) -> None:
    file.write_text(
        """
[sources.hes]
stream = "meter"
glob = "hes/**/*.txt"
format = "csv"
delimiter = ";"
decimal = ","
thousands = "."
quote = ""
comment = "#"
header = false
missing = "-"
timezone = "Europe/Zurich"
ambiguous = "by_order"
skipped = "forward"
label = "start"
interval = "15m"
shift = "-90s"
where = {name = 5, is = ["W"]}
status = {name = 6, good = ["A", 0]}
version = {file = '_v(\\d+)'}
[sources.hes.columns]
feature_code = {name = 1, pattern = '^0*(\\d+)', pad = 8, prefix = "WM-"}
timestamp = {name = [2, 3], format = "%d.%m.%Y %H:%M"}
flow_lph = {name = 4, unit_column = 7, units = {"Liter" = "L"}, per = "15m"}
""".replace("\\\\", "\\")
    )
    assert read_sources(file) == (
        Source(
            name="hes",
            stream="meter",
            glob="hes/**/*.txt",
            format="csv",
            delimiter=";",
            decimal=",",
            thousands=".",
            quote="",
            comment="#",
            header=False,
            missing=("-",),
            timezone="Europe/Zurich",
            ambiguous="by_order",
            skipped="forward",
            label_s=900,
            shift_s=-90,
            where=Choice("5", ("W",)),
            status=Choice("6", ("A", "0")),
            version=Column(file="_v(\\d+)"),
            columns={
                "feature_code": Column(names=("1",), pattern="^0*(\\d+)", pad=8, prefix="WM-"),
                "timestamp": Column(names=("2", "3"), format="%d.%m.%Y %H:%M"),
                "flow_lph": Column(names=("4",), unit_column="7", units={"Liter": "L"}, per_s=900),
            },
        ),
    )


def test_a_wide_layout_needs_no_entry_for_what_its_columns_hold(file: Path) -> None:
    wide = """wide = {names = "feature_code", columns = ["A", "B"], value = "volume_l"}
columns = {timestamp = "T"}
"""
    file.write_text(HEAD + wide)
    (source,) = read_sources(file)
    assert source.wide == Wide("feature_code", ("A", "B"), "volume_l")
    assert source.columns == {"feature_code": Column(), "timestamp": Column(("T",)), "volume_l": Column()}


def test_differing_readings_contradict_each_other_where_that_is_wanted(file: Path) -> None:
    file.write_text(HEAD + 'corrections = "conflict"\nversion = {name = "V"}\n' + COLUMNS)
    assert read_sources(file)[0].version is None


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
        (HEAD.replace('"csv"', '"excel"') + COLUMNS, "format = 'excel'; known are csv, json, jsonl, parquet, rle"),
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
        (HEAD + 'decimal = ","\n' + COLUMNS, "delimiter and decimal are both ','"),
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
        (HEAD + 'quote = "ab"\n' + COLUMNS, "quote = 'ab'; give one character"),
        (HEAD + 'quote = ","\n' + COLUMNS, "quote = ','; give one character"),
        (HEAD + 'thousands = "x"\n' + COLUMNS, "thousands = 'x'; give one of"),
        (HEAD + 'thousands = "."\n' + COLUMNS, "thousands and decimal are both '.'"),
        (HEAD + 'header = "no"\n' + COLUMNS, "header = 'no'; give true or false"),
        (
            HEAD + "header = false\n" + COLUMNS,
            "columns.feature_code.name = 'ID'; with header = false give the column's",
        ),
        (HEAD + 'comment = ""\n' + COLUMNS, "comment = ''; give what such lines begin with"),
        (HEAD + "missing = [true]\n" + COLUMNS, "missing = [True]; give the texts"),
        (HEAD + 'ambiguous = "first"\n' + COLUMNS, "ambiguous is for clocks that change; give timezone as a name"),
        (HEAD + 'timezone = "+01:00"\nskipped = "forward"\n' + COLUMNS, "skipped is for clocks that change"),
        (HEAD + 'timezone = "Europe/Paris"\nambiguous = "frist"\n' + COLUMNS, "did you mean 'first'?"),
        (HEAD + 'label = "start"\n' + COLUMNS, "label = 'start' needs to know how long an interval is"),
        (HEAD + 'interval = "15m"\n' + COLUMNS, "interval is for label = 'start'"),
        (HEAD + 'label = "start"\ninterval = "15 minutes"\n' + COLUMNS, "interval = '15 minutes': "),
        (HEAD + "shift = 90\n" + COLUMNS, "shift = 90: give a length of time in quotes, such as '15m' or -90s"),
        (HEAD + 'records = "a"\n' + COLUMNS, "records is for json and jsonl, but format = 'csv'"),
        (HEAD.replace('"csv"', '"jsonl"') + 'records = "a..b"\n' + COLUMNS, "records = 'a..b'; give the path"),
        (HEAD + 'where = "x"\n' + COLUMNS, "where = 'x'; give {name = ..., is = ...}"),
        (HEAD + 'where = {name = "x"}\n' + COLUMNS, "key where.is is missing"),
        (HEAD + 'status = {good = ["A"]}\n' + COLUMNS, "key status.name is missing"),
        (HEAD + 'status = {name = "S", goood = "A"}\n' + COLUMNS, "unknown key 'status.goood'; did you mean 'good'?"),
        (HEAD + 'corrections = "newer"\n' + COLUMNS, "corrections = 'newer'; did you mean 'newest'?"),
        (HEAD + "version = {}\n" + COLUMNS, "version needs either name (a column) or file (a pattern"),
        (HEAD + 'version = {name = "v", unit = "L"}\n' + COLUMNS, "version.unit is only for flow_lph and volume_l"),
        (HEAD + 'wide = {names = "time"}\n' + COLUMNS, "key wide.value is missing; give one of flow_lph, volume_l"),
        (HEAD + 'wide = {names = "time"}\n' + COLUMNS, "key wide.columns is missing"),
        (
            HEAD + 'wide = {names = "time", columns = "*", value = "volume_l"}\n' + COLUMNS,
            "columns.volume_l stands in the columns of the wide layout; remove name",
        ),
        (
            HEAD + 'wide = {names = "time", columns = "*", value = "volume_l", first = "01:00"}\n' + COLUMNS,
            "wide.first is for step",
        ),
        (
            HEAD + 'wide = {names = "time", columns = "*", value = "volume_l", first = "1", step = "1h"}\n' + COLUMNS,
            "wide.first = '1'; give the time of the first column",
        ),
        (
            HEAD + 'wide = {names = "feature_code", columns = "*", value = "volume_l", step = "1h"}\n' + COLUMNS,
            "wide.step is for names = 'time'",
        ),
        (
            HEAD.replace('"csv"', '"jsonl"') + 'wide = {names = "time", columns = "*", value = "volume_l"}\n' + COLUMNS,
            "JSON keys are listed one by one",
        ),
        (HEAD + COLUMNS.replace('"ID"', "{file = 'WM'}"), "put exactly one group in round brackets"),
        (HEAD + COLUMNS.replace('"ID"', "{file = '(?=a)(b)'}"), "it is no regular expression that is known here"),
        (
            HEAD + COLUMNS.replace('"ID"', "{file = '(a)', name = \"b\"}"),
            "or file (a pattern for the file's name), not",
        ),
        (HEAD + COLUMNS.replace('"ID"', '{name = "a", pad = 0}'), "columns.feature_code.pad = 0; give the number of"),
        (HEAD + COLUMNS.replace('"ID"', '{name = "a", prefix = " x"}'), "take away the space at its ends"),
        (HEAD + COLUMNS.replace('unit = "m3"', "pad = 3"), "pad is only for feature_code and flowmeter_id"),
        (HEAD + COLUMNS.replace('unit = "m3"', 'unit = "m3", unit_column = "u"'), "has both unit and unit_column"),
        (HEAD + COLUMNS.replace('unit = "m3"', 'units = {a = "m3"}'), "units is for unit_column"),
        (
            HEAD + COLUMNS.replace('unit = "m3"', 'unit_column = "u", units = {a = "b"}'),
            "units 'a' = 'b' is no unit of",
        ),
        (HEAD + COLUMNS.replace('unit = "m3"', "factor = -1"), "columns.volume_l.factor = -1; give a number above 0"),
        (HEAD + COLUMNS.replace('unit = "m3"', 'per = "1h"'), "per is only for flow_lph"),
        (
            HEAD
            + COLUMNS.replace(
                'volume_l = {name = "V", unit = "m3"}', 'flow_lph = {name = "V", unit = "L/h", per = "1h"}'
            ),
            "unit = 'L/h' is no unit of volume, which 'per' asks for",
        ),
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
