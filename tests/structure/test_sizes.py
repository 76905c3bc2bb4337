"""Files and functions stay small enough to be read in one sitting."""

from __future__ import annotations

import re

from .files import files, text
from .rust import functions

# Lines. A document that a tool wants whole, such as the template or the contract, is no code.
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 49
# About a screen: the arguments have a line each, and the statements of a decision stand together.
MOST_LINES_OF_AN_SQL_FUNCTION = 62
CODE = (".css", ".html", ".js", ".mjs", ".py", ".rs", ".sh", ".sql", ".ts")

# Tests; and what is written once, by a command, and never edited.
NOT_READ_AS_A_WHOLE = ("tests/", "supabase/migrations/")


def too_long(paths: list[str]) -> dict[str, int]:
    lines = {path: len(text(path).splitlines()) for path in paths}
    return {path: number for path, number in lines.items() if number > MOST_LINES_OF_A_FILE}


def test_no_file_is_too_long_but_those_of_tests_and_migrations():
    assert too_long([path for path in files(*CODE) if not path.startswith(NOT_READ_AS_A_WHOLE)]) == {}


def test_no_rust_function_is_too_long_but_those_of_tests():
    found = {f"{path}: {name}": lines for path in files(".rs") for name, lines in functions(text(path)) if lines > MOST_LINES_OF_A_FUNCTION}
    assert found == {}


SQL_FUNCTION = re.compile(r"^create (?:or replace )?function ([\w.]+).*?^\$\$;$", re.MULTILINE | re.DOTALL)


def test_no_function_of_the_database_is_longer_than_a_screen():
    schemas = [text(path) for path in files(".sql") if path.startswith("supabase/schemas/")]
    lengths = [(found[1], found[0].count("\n") + 1) for schema in schemas for found in SQL_FUNCTION.finditer(schema)]
    assert len(lengths) == sum(schema.count("\ncreate or replace function ") for schema in schemas)
    assert [(name, lines) for name, lines in lengths if lines > MOST_LINES_OF_AN_SQL_FUNCTION] == []


def test_a_function_is_as_long_as_from_its_name_to_its_last_brace():
    source = """
/// A comment with a { brace.
fn short(x: [u8; 3]) -> u8 { x[0] }

trait T {
    fn without_a_body(&self) -> [u8; 2];
    fn long<'a>(
        &'a self,
    ) -> &'a str {
        let brace = '{';
        let text = r"}";
        ""
    }
}

#[cfg(test)]
mod tests {
    fn of_tests() {
    }
}
"""
    assert list(functions(source)) == [("short", 1), ("long", 7)]
