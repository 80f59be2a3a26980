"""The eyes: one child reads all files, and what one file does to it costs that file only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from flows.eyes import Eyes
from transforms.screens import Screen

SCREENS = [Screen("main", "volume", "m3", 8, 3)]


@pytest.fixture
def eyes() -> Iterator[Eyes]:
    with Eyes(seconds=5, child="tests.failing_reader") as failing:
        yield failing


def file(folder: Path, content: str) -> Path:
    path = folder / "photo.jpg"
    path.write_text(content, encoding="utf-8")
    return path


def test_one_child_reads_file_after_file(eyes: Eyes, tmp_path: Path) -> None:
    first, second = (eyes.read(file(tmp_path, "well"), SCREENS) for _ in range(2))
    assert (first.status, first.reason, first.frames) == ("unsure", "unclear_digits", 1)
    assert first.detail == second.detail  # the process that read it


@pytest.mark.parametrize(
    ("content", "detail"),
    [("crash", "the reader ended by signal 6"), ("memory", "MemoryError"), ("error", "ValueError")],
)
def test_what_a_file_does_to_the_child_costs_that_file_only(
    eyes: Eyes, tmp_path: Path, content: str, detail: str
) -> None:
    before = eyes.read(file(tmp_path, "well"), SCREENS)
    failed = eyes.read(file(tmp_path, content), SCREENS)
    assert (failed.status, failed.reason, failed.detail) == ("refused", "reader_failed", detail)
    after = eyes.read(file(tmp_path, "well"), SCREENS)
    assert after.status == "unsure"
    assert after.detail != before.detail


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    with Eyes(seconds=0.5, child="tests.failing_reader") as eyes:
        hanging = eyes.read(file(tmp_path, "hang"), SCREENS)
        assert (hanging.status, hanging.reason) == ("refused", "reader_failed")
        assert "took more than" in hanging.detail
        assert eyes.read(file(tmp_path, "well"), SCREENS).status == "unsure"


def test_the_child_is_gone_when_the_eyes_close(tmp_path: Path) -> None:
    with Eyes(seconds=5, child="tests.failing_reader") as eyes:
        reader = int(eyes.read(file(tmp_path, "well"), SCREENS).detail)
        assert Path(f"/proc/{reader}").exists()
    assert not Path(f"/proc/{reader}").exists()


def test_without_the_extra_the_eyes_are_not_available_and_nothing_is_loaded() -> None:
    with patch("transforms.display.engine._models", return_value=None):
        assert not Eyes.available()
    assert Eyes.available()
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, flows.eyes; print([m for m in ('cv2', 'onnxruntime') if m in sys.modules])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout.strip() == "[]"
