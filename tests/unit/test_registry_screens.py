"""The screens of a model's display: what models.toml may say, and what is said about what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from transforms.errors import RegistryError
from transforms.registry import load_registry
from transforms.screens import Screen

MODEL = """
[models."DN20 R160"]
q1 = 25.0
q2 = 40.0
q3 = 4000.0
q4 = 5000.0
accuracy_class = 2
band = [2.0, 60.0]
"""
MAIN = 'display = {quantity = "volume", unit = "m3", digits = 8, decimals = 3}\n'


def load(folder: Path, more: str) -> tuple[Screen, ...]:
    (folder / "meters.csv").write_text("feature_code,model\nWM-1,DN20 R160\n")
    (folder / "models.toml").write_text(MODEL + more)
    return load_registry(folder).models["DN20 R160"].screens


def screen(text: str, name: str = "s") -> str:
    return f'[models."DN20 R160".screens.{name}]\n{text}'


def test_the_main_screen_comes_first_and_the_others_by_name(tmp_path: Path) -> None:
    more = MAIN + screen('quantity = "menu"\ndigits = 2\ndecimals = 0\n', "zz")
    more += screen('quantity = "a2"\nunit = "L/h"\ndigits = 5\ndecimals = 1\n', "a")
    assert load(tmp_path, more) == (
        Screen("main", "volume", "m3", 8, 3),
        Screen("a", "a2", "L/h", 5, 1),
        Screen("zz", "menu", "", 2, 0),
    )
    assert load(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("screens = 3\n", 'screens = 3; write a table for each, [models."NAME".screens.SCREEN]'),
        ('screens = {a = "x"}\n', "screens.a = 'x'; give {quantity, unit, digits, decimals}"),
        (screen('quantity = "flow"\n', "main"), "the screen main is the one that display describes"),
        (
            screen('quantity = "speed"\nunit = ""\ndigits = 1\ndecimals = 0\n'),
            "screens.s.quantity = 'speed'; give one of",
        ),
        (screen('quantity = "gain"\nunit = "m3"\ndigits = 5\ndecimals = 4\n'), "is no unit of gain; leave it out"),
        (screen('quantity = "offset"\ndigits = 5\ndecimals = 4\n'), "screens.s lacks the key unit"),
        (screen('quantity = "gain"\ndigits = 5\ndecimals = 5\n'), "screens.s.decimals = 5; give a whole number 0 to 4"),
        (
            screen('quantity = "gain"\ndigit = 5\ndecimals = 5\n'),
            "unknown key 'digit' in screens.s; did you mean 'digits'?",
        ),
        (screen('quantity = "gain"\ndigits = 5\ndecimals = 4\n', '"\\u0007"'), "printable characters; rename"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(RegistryError) as caught:
        load(tmp_path, more)
    assert told in str(caught.value)
    assert "models.toml line" in str(caught.value)
    assert "model DN20 R160" in str(caught.value)
