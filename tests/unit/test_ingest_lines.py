"""Lines and texts: numbered and counted rightly wherever the blocks of a file happen to end."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.ingest import lines
from transforms.ingest.lines import chosen_lines, line_chunks
from transforms.ingest.rules import REASONS
from transforms.ingest.text import LineCounter

pieces = st.lists(
    st.sampled_from(
        [b"a,1\n", b"b,2\r\n", b"\n", b'"q",3\n', b'"two\nlines",4\n', b'"stray,5\n', b'x"y,6\n', b"\xff,7\n", b"n\0,8\n",
         b"one\n", b"1,2,3\n", b"w" * 70 + b",9\n", "ü,1\n".encode(), b'""",\n', b'",\n']
    ),
    max_size=60,
)  # fmt: skip


def _read(path: Path, **more: object) -> list[tuple[int, str, str, list[str]]]:
    found = []
    for chunk in line_chunks(path, first_line=2, columns=2, **more):  # type: ignore[arg-type]
        for row in chunk.to_pylist():
            text = row["text"].rstrip("\r\n")
            if text or row["fault"]:
                fields = row["fields"] if row["fields"] is not None else text.split(",")
                found.append((row["line"], REASONS[row["fault"]], text, [] if row["fault"] else fields))
    return found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=pieces, size=st.integers(1, 90), broken_off=st.booleans())
def test_blocks_do_not_matter(tmp_path: Path, drawn: list[bytes], size: int, broken_off: bool) -> None:
    text = b"h,v\n" + b"".join(drawn)
    path = tmp_path / "text"
    path.write_bytes(text[:-1] if broken_off else text)
    with patch.object(lines, "LINE_LIMIT", 64), patch.object(lines, "KEPT", 16):
        whole = _read(path)
        with patch.object(lines, "_BLOCK", size):
            assert _read(path) == whole
    numbers = [number for number, *_ in whole]
    assert numbers == sorted(set(numbers))
    assert all(2 <= number <= text.count(b"\n") + 1 for number in numbers)


def test_every_line_of_a_long_text_has_its_number(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("".join(f"{number},x\n" for number in range(1, 50_001)))
    with patch.object(lines, "_BLOCK", 10_000):
        assert all(number == int(text.split(",")[0]) for number, _, text, _ in _read(path))
        chosen = chosen_lines(path, [50_000, 1, 777])
    assert chosen is not None
    assert list(zip(chosen["line"].to_pylist(), chosen["text"].to_pylist(), strict=True)) == [
        (1, "1,x\n"),
        (777, "777,x\n"),
        (50_000, "50000,x\n"),
    ]


@given(text=st.text(alphabet="a\r\n\0", max_size=30), cut=st.integers(0, 30))
def test_lines_are_counted_in_any_cut(text: str, cut: int) -> None:
    data = text.encode()
    counter = LineCounter()
    counter.update(data[:cut])
    counter.update(data[cut:])
    facts = counter.facts()
    assert facts.plain is (b"\0" not in data and data.count(b"\r") == data.count(b"\r\n"))
    kept = data.rstrip(b"\r\n")
    if facts.plain and kept:
        assert facts.lines == kept.count(b"\n") + 1
    elif facts.plain:
        assert facts.lines == (1 if data else 0)
