"""Fixtures that several kinds of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspaces import Small


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """An empty workspace, to be filled by the test."""
    return Small(tmp_path / "workspace")
