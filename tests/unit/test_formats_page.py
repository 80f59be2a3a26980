"""docs/formats.md names what there is: every column of the tables that leave, every variable of the environment, every option."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from flows import settings
from flows.cli.main import meterwright
from transforms import schemas

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
#: options that every command has, or that the table of commands need not explain
COMMON = {"--help", "--json", "--workspace"}


@pytest.mark.parametrize(
    "name", ["VERDICTS", "MOMENTS", "READINGS", "EFFECTS", "REGIMES", "AUDIT_METERS", "AUDIT_FLEET"]
)
def test_every_column_is_named(name: str) -> None:
    words = set(re.findall(r"[a-z0-9_]+", PAGE))
    ends = re.findall(r"`([a-z0-9_]+?)(?:_low`|`, `_low`), `_high`", PAGE)
    words |= {f"{stem}_{end}" for stem in ends for end in ("low", "high")}
    assert [column for column in getattr(schemas, name) if column not in words] == []


def test_every_variable_is_named() -> None:
    known = [value for name, value in vars(settings).items() if name.endswith("_VARIABLE")]
    assert len(known) >= 5
    design = (Path(__file__).resolve().parents[2] / "docs" / "design.md").read_text(encoding="utf-8")
    assert [name for name in known if name not in PAGE + design] == []


def options(command: click.Command, path: str = "") -> list[str]:
    """Each option of each command below, as ``outbox list --all``."""
    if isinstance(command, click.Group):
        return [found for name, below in command.commands.items() for found in options(below, f"{path} {name}".strip())]
    flags = [max(param.opts, key=len) for param in command.params if isinstance(param, click.Option)]
    return [f"{path} {flag}" for flag in flags if flag not in COMMON]


def test_every_option_is_named() -> None:
    found = options(meterwright)
    assert len(found) > 40
    assert [option for option in found if option.rsplit(" ", 1)[1] not in PAGE] == []
