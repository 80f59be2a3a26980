"""Tariffs of the registry: what is read, and every fault in words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from transforms.errors import RegistryError
from transforms.registry import load_registry

MODEL = '[models."M"]\nq1 = 25.0\nq2 = 40.0\nq3 = 4000.0\nq4 = 5000.0\naccuracy_class = 2\nband = [2.0, 60.0]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "meters.csv").write_text("feature_code,model\nWM-1,M\n")
    (folder / "models.toml").write_text(MODEL)
    return folder


def test_tariffs_are_read_and_change_the_digest_only_where_there_are_any(folder: Path) -> None:
    without = load_registry(folder)
    assert without.tariffs is None
    (folder / "tariffs.csv").write_text("site,model,from,price_per_m3,currency\n")
    assert load_registry(folder).tariffs is None
    assert load_registry(folder).digest == without.digest
    (folder / "tariffs.csv").write_text(
        "from,price_per_m3,currency,site\n2026-01-01,2.15,EUR,\n2025-01-01,2,EUR,north\n"
    )
    registry = load_registry(folder)
    assert registry.tariffs is not None
    assert registry.tariffs.select("site", "model", "from", "price_per_m3", "currency").rows() == [
        ("north", None, date(2025, 1, 1), 2.0, "EUR"),
        (None, None, date(2026, 1, 1), 2.15, "EUR"),
    ]
    assert registry.digest != without.digest


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "2026-01-32,2.0,EUR,",
            "registry/tariffs.csv row 2: from '2026-01-32' is not a date; write for example 2026-01-31",
        ),
        (",2.0,EUR,", "registry/tariffs.csv row 2: from is empty; fill it in or remove the row"),
        (
            "2026-01-01,-2.0,EUR,",
            "registry/tariffs.csv row 2: price_per_m3 '-2.0' is not a number of 0 or more; write for example 2.15",
        ),
        (
            "2026-01-01,nan,EUR,",
            "registry/tariffs.csv row 2: price_per_m3 'nan' is not a number of 0 or more; write for example 2.15",
        ),
        (
            "2026-01-01,2.0,euro,",
            "registry/tariffs.csv row 2: currency 'euro' is not a code of ISO 4217; write for example EUR or NZD",
        ),
        (
            "2026-01-01,2.0,EUR,\n2026-02-01,2.0,NZD,",
            (
                "registry/tariffs.csv row 3: currency 'NZD' differs from 'EUR' above; amounts in two currencies cannot be"
                " added, give all prices in one"
            ),
        ),
        (
            "2026-01-01,2.0,EUR,X",
            "registry/tariffs.csv row 2: model 'X' is not in models.toml; correct it, or leave it empty for all models",
        ),
        (
            "2026-01-01,2.0,EUR,\n2026-01-01,3.0,EUR,",
            "registry/tariffs.csv row 3: the same site, model and from stand in row 2; remove one row",
        ),
    ],
)
def test_a_fault_is_told_in_one_sentence(folder: Path, row: str, sentence: str) -> None:
    (folder / "tariffs.csv").write_text(f"from,price_per_m3,currency,model\n{row}\n")
    with pytest.raises(RegistryError) as caught:
        load_registry(folder)
    assert str(caught.value) == sentence
