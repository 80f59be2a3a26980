"""pyproject.toml names what the program imports, and nothing that only tests or nobody does."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {"transforms", "reports", "flows"}
#: distributions whose modules are called otherwise
MODULES = {"opencv-python-headless": "cv2", "prefect-dask": "prefect_dask"}
#: named for the bounds of what Prefect brings, or for data
NOT_IMPORTED = {"fastapi", "sqlalchemy", "tzdata"}
#: come with Jinja, with Prefect, and with Matplotlib and ReportLab, which cannot do without them
BROUGHT = {"markupsafe", "httpx", "uvicorn", "PIL"}


@cache
def nodes() -> list[ast.AST]:
    """All that a module can import with, and all constants, of our modules."""
    files = [file for package in sorted(OURS) for file in (ROOT / package).rglob("*.py")]
    every = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return [node for node in every if isinstance(node, ast.Import | ast.ImportFrom | ast.Constant)]


def imported() -> set[str]:
    """The modules of others that our own import, by their first names."""
    found: set[str] = set()
    for node in nodes():
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found - OURS - set(sys.stdlib_module_names)


def declared() -> set[str]:
    """The modules of the distributions that an installation has, extras for users included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for name, listed in project["optional-dependencies"].items() if name != "dev" for one in listed]
    names = [re.split(r"[^A-Za-z0-9._-]", one)[0] for one in (*project["dependencies"], *extras)]
    return {MODULES.get(name, name) for name in names}


def test_what_is_declared_is_used() -> None:
    # some are found by their names only: readers of files whose models lie in them
    named = {node.value for node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert declared() - NOT_IMPORTED - imported() - named == set()


def test_what_is_imported_is_declared() -> None:
    assert imported() - declared() == BROUGHT
