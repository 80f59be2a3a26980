"""Plain dumps: what one compiled pass reads is what is written there, and what it is not sure of it leaves to others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ingest import scan as scanning
from transforms.ingest.scan import Form, scan
from transforms.ingest.scan_loop import FEATURE_CODE, FLOWMETER_ID, ODD, SKIPPED, STAMP, TEXTS

FORM = Form(
    delimiter=";",
    quote='"',
    point=".",
    roles=(FLOWMETER_ID, FEATURE_CODE, SKIPPED, STAMP, TEXTS, TEXTS + 1),
    values=("flow", "volume"),
    factors=(1.0, 1000.0),
    most=(1e4, 1e15),
)

#: what is a number beyond doubt, and what has to be looked at
PLAIN = st.one_of(
    st.integers(0, 9999).map(str),
    st.decimals(0, 9999, places=4, allow_nan=False).map(str),
    st.from_regex(r"[0-9]{1,4}\.[0-9]{1,11}", fullmatch=True),
    st.just(""),
)
UNSURE = st.sampled_from(["-1", "+1", "1e3", "1.", ".5", " 1", "1 ", "1,5", "nan", "x", "1.2.3", "1234567890.123456", "10001"])
NAMES = st.sampled_from(["", "WM-1", "WM-10", "WM-2", "żółw", "W" * 600])

lines = st.lists(
    st.tuples(
        NAMES,
        NAMES,
        st.sampled_from(["", "direct", "é", "x" * 900]),
        st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z", "", "later"]),
        st.one_of(PLAIN, PLAIN, PLAIN, UNSURE),
        PLAIN,
        st.sampled_from(["", "", "", ";more"]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(drawn=lines, ending=st.sampled_from(["\n", "\r\n"]), last=st.booleans(), threads=st.integers(1, 3))
def test_a_scan_reads_what_is_written(drawn: list[tuple[str, ...]], ending: str, last: bool, threads: int) -> None:
    """In pieces of a line or two, with blank lines at the end."""
    texts = ["a;b;c;d;e;f", *(";".join(fields[:6]) + fields[6] for fields in drawn)]
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(scanning, "_PIECE", 200),
        patch.object(scanning, "_BLOCK", 64),
        patch.object(scanning, "_LINE", 4096),
        patch.object(scanning, "_ROOM", 128),
        patch.object(scanning, "_LETTERS", 8192),
    ):
        path = Path(folder) / "dump.csv"
        path.write_bytes((ending.join(texts) + (ending if last else ending * 3)).encode())
        found = scan(path, 2, len(drawn), FORM, threads)
    assert found is not None
    for row, (id_, code, _, stamp, flow, volume, more) in enumerate(drawn):
        good = (
            _plain(flow, 1.0, 1e4) and _plain(volume, 1000.0, 1e15) and bool(flow or volume) and not more
            and bool(id_ or code) and max(len(id_), len(code)) < 600
        )  # fmt: skip
        assert (found.device[row] != ODD) == good
        if good:
            assert found.devices.row(int(found.device[row])) == (code, id_)
            assert found.stamps[int(found.stamp[row])] == stamp
            for name, text, factor in (("flow", flow, 1.0), ("volume", volume, 1000.0)):
                np.testing.assert_equal(found.values[name][row], float(text) * factor if text else np.nan)


def _plain(text: str, factor: float, most: float) -> bool:
    """Whether a value is missing, or a number of at most 15 digits that can be believed."""
    if not text:
        return True
    whole, _, decimals = text.partition(".")
    digits = (whole + decimals).isdecimal() and whole.isascii() and bool(whole) and (bool(decimals) or "." not in text)
    return digits and len(whole + decimals) <= 15 and float(text) * factor <= most


@pytest.mark.parametrize(
    "line",
    [
        b'"FM-1";WM-1;;2026-01-01T00:00:00Z;1;',
        b'FM-1;WM-1;a "quoted" word;2026-01-01T00:00:00Z;1;',
        b'FM-1;WM-1;;2026-01-01T00:00:00Z;"1";',
        b"FM-\xff;WM-1;;2026-01-01T00:00:00Z;1;",
        b"FM-1;WM-1;\xff;2026-01-01T00:00:00Z;1;",
        b"FM-1;WM-1;;2026-01-01T00:00:00Z;1;\nanother line",
    ],
)
def test_a_dump_that_is_not_plain_is_left_to_others(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "dump.csv"
    path.write_bytes(b"a;b;c;d;e;f\n" + line)
    assert (scan(path, 2, 1, FORM, 2) is None) == (b"another" not in line)
    assert scan(path, 2, 3, FORM, 2) is None
