"""Comments, docstrings and documents open no sentence with What, Where, Who, Whether or How, unless it is a question.

Such an opening is a noun in disguise: "What was found" is "The findings". A heading of a document may open so.
"""

from __future__ import annotations

import re

import pytest

from .files import files, text

# The beginning of a comment or a docstring, by the end of the file's name; a document is prose as a whole.
COMMENT = {
    (".rs", ".ts", ".js"): r"[ ]*(?://[/!]?|/\*\*|\*)|.*[;{}),] //",
    (".py",): r'[ ]*(?:#|"""|(?=[A-Z][a-z]+ [a-z][^"=]*$))|.*  #',
    (".sql",): r"[ ]*--|comment on .*",
    (".toml", ".yaml", ".dict", "Makefile"): r"[ ]*#|.* #|[ ]*description: \|?",
    (".md",): r"(?!#)",
}
OPENING = r"[ *_]*(?:What|Where|Who|Whom|Whose|Whether|How|Which) [a-z][^?]*$"


@pytest.mark.parametrize("suffixes", COMMENT, ids=" ".join)
def test_no_sentence_is_a_question_in_disguise(suffixes):
    listed = [path for path in files(*suffixes) if not path.startswith(("fuzz/corpus/", "supabase/migrations/"))]
    assert [f"{path}:{number}" for path in listed for number in disguised(text(path), suffixes)] == []


@pytest.mark.parametrize(
    "suffix, line, is_disguised",
    [
        (".rs", "/// What is found.", True),
        (".rs", "    // The list. Where it ends, nothing follows.", True),
        (".rs", "/// The findings.", False),
        (".rs", "// What does it cost? Nothing.", False),
        (".py", '    """Who asks."""', True),
        (".py", "# Whether it is there.", True),
        (".py", "What surprises: nothing.", True),
        (".py", 'TEXT = "What it is about."', False),
        (".sql", "  -- How it ends.", True),
        (".md", "* **A.** How it begins.", True),
        (".md", "## How it works", False),
    ],
)
def test_an_opening_is_noticed_by_its_word_alone(suffix, line, is_disguised):
    (suffixes,) = [suffixes for suffixes in COMMENT if suffix in suffixes]
    assert bool(disguised(line, suffixes)) == is_disguised


def disguised(source: str, suffixes: tuple[str, ...]) -> list[int]:
    """The lines with such a sentence, from one on."""
    mark = re.compile(COMMENT[suffixes])
    prose = ((number, mark.match(line), line) for number, line in enumerate(source.splitlines(), 1))
    return [number for number, found, line in prose if found and any(re.match(OPENING, part) for part in sentences(line[found.end() :]))]


def sentences(line: str) -> list[str]:
    """The sentences of a line of prose, a question with its mark."""
    return re.findall(r"[^.?]+[.?]*", line.strip().lstrip('"*#- '))
