"""One headless Chromium for the tests of a module, or word that there is none."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.devtools import Chromium, find_chromium
from tests.browser.pages import LEFT_OUT


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    path = find_chromium()
    if path is None:
        warnings.warn(LEFT_OUT, stacklevel=1)  # stands in pytest's summary, which does not list skips
        pytest.skip(LEFT_OUT)
    profile = Path(tempfile.mkdtemp())
    try:
        with Chromium(path, profile) as chromium:
            yield chromium
    finally:
        shutil.rmtree(profile, ignore_errors=True)  # helpers of the browser may still be writing
