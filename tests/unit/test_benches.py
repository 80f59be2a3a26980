"""Benches and programs that no test calls still start: all that they import, at once or later, is where they look for it.

A name that moves to another module is noticed wherever a test goes the same way; benches are run by hand, and seldom.
"""

from __future__ import annotations

import ast
import inspect
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from tests.bench import __main__ as benches
from tests.bench.session import Session

ROOT = Path(__file__).resolve().parents[2]
OURS = ("transforms", "reports", "flows", "tests")


def modules() -> list[str]:
    """Every module of the benches, and every one that is a program: nobody need import those."""
    files = [file for package in OURS for file in sorted((ROOT / package).rglob("*.py"))]
    alone = [
        file
        for file in files
        if file.parent.name == "bench" or '\nif __name__ == "__main__":' in file.read_text(encoding="utf-8")
    ]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in alone]
    return [name for name in names if not name.endswith("__init__")]


@pytest.mark.parametrize("name", modules())
def test_it_starts_and_finds_what_it_imports(name: str) -> None:
    module = import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    asked = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    missing = [
        f"line {node.lineno}: {node.module}.{alias.name}"
        for node in asked
        if str(node.module).split(".")[0] in OURS
        for alias in node.names
        if not hasattr(import_module(str(node.module)), alias.name) and not _is_module(f"{node.module}.{alias.name}")
    ]
    assert missing == []


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_each_bench_is_named_once_and_takes_a_session() -> None:
    runnable = [
        name.rsplit(".", 1)[1] for name in modules() if ".bench." in name and hasattr(import_module(name), "run")
    ]
    assert sorted(benches.BENCHMARKS) == sorted(runnable)
    for name in runnable:
        assert list(inspect.signature(import_module(f"tests.bench.{name}").run).parameters) == ["session"]


@pytest.mark.parametrize(
    ("given", "names", "meters", "quick"),
    [
        (["--quick"], list(benches.BENCHMARKS), 10_000, True),
        (["ingest", "audit", "--quick", "--meters", "100"], ["ingest", "audit"], 100, True),
        (["fleet"], ["fleet"], 100_000, False),
    ],
)
def test_the_program_takes_its_arguments(
    given: list[str], names: list[str], meters: int, quick: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[tuple[str, Session]] = []

    def instead(name: str) -> SimpleNamespace:
        return SimpleNamespace(run=lambda session: begun.append((name.removeprefix("tests.bench."), session)))

    with mock.patch.dict(os.environ), mock.patch.object(benches, "import_module", instead):
        assert benches.main(given) == 0
    assert [name for name, _ in begun] == names
    assert {(session.meters, session.quick) for _, session in begun} == {(meters, quick)}
    assert "cores" in capsys.readouterr().out


@pytest.mark.parametrize("given", [["nothing"], ["--meters", "99"], ["--slow"]])
def test_wrong_arguments_are_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benches.main(given)
