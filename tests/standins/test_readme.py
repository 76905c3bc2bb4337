"""The stand-ins' README, which is also what they answer about themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from standins.faults import FIELDS

PACKAGE = Path(__file__).parents[2] / "standins"
README = (PACKAGE / "README.md").read_text()


def test_each_field_of_a_fault_is_described():
    assert [name for name in FIELDS if f'"{name}"' not in README] == []


def test_each_field_of_the_journal_is_described(control):
    control["twilio"].http.get("/nothing")
    [entry] = control["twilio"].requests(at_least=1, timeout=10)
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    assert [name for name in entry if not any(f"`{name}`" in row for row in rows)] == []


@pytest.mark.parametrize("vendor", ["twilio", "elevenlabs", "supabase"])
def test_a_stand_in_tells_how_it_is_controlled_and_what_is_its_own(control, vendor):
    page = control[vendor]("GET", "").text
    assert page.startswith(README) and f"/_control/{dict(twilio='recordings', elevenlabs='voices', supabase='tokens')[vendor]}" in page[len(README) :]


def test_each_folder_and_file_is_in_the_table():
    table = README[README.index("## The files") : README.index("## The refusals of each")]
    names = [path.stem if path.is_file() else f"{path.name}/" for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert [name for name in names if not name.startswith("__") and f"`{name}`" not in table] == []


def test_the_package_imports_neither_local_nor_the_tests():
    imports = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {name for node in imports for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])}
    assert {name for name in modules if name.partition(".")[0] in ("local", "tests")} == set()
