"""Settings: what a killed process has left in the folders of libraries does not slow down those that come after it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from matplotlib.cbook import _lock_path

from flows.settings import use_matplotlib_in


def test_the_lock_of_a_killed_process_on_the_list_of_fonts_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    folder = tmp_path / "matplotlib"
    folder.mkdir()
    listed = folder / "fontlist-v390.json"
    with _lock_path(listed):
        (left,) = folder.iterdir()
    left.touch()
    use_matplotlib_in(tmp_path)
    assert os.environ["MPLCONFIGDIR"] == str(folder)
    with _lock_path(listed):  # waits five seconds and then fails if it is still there
        listed.write_text("{}")
    assert [path.name for path in folder.iterdir()] == [listed.name]
    monkeypatch.delenv("MPLCONFIGDIR")
