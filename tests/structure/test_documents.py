"""The Markdown documents name files that exist, and link to pages and headings that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePosixPath
from posixpath import dirname, join, normpath

import pytest

from .files import ROOT, files, text

DOCUMENTS = files(".md")
FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# A word with a placeholder in it (`{employee_id}`, `<now>`, `…`, `*`) is no path.
WORD = re.compile(r"[\w.-][\w./-]*")
# A word without a folder is a file's name where it ends so. JSON is not here: the documents invent names of JSON files.
SUFFIXES = (".js", ".md", ".py", ".rs", ".sql", ".toml", ".ts", ".yaml")
# Of another repository, which is the source of what a stand-in does.
FOREIGN = {"supabase/storage", "codes.ts", "http/error-handler.ts", "src/internal/errors/codes.ts"}
# A real vendor's answers are kept there, and none has been asked yet.
LATER = {"tests/contract/recorded"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_path_in_backticks_exists(document):
    existing = paths()
    missing = {word for word in words(text(document)) if looks_like_a_path(word, document, existing) and not exists(word, document, existing)}
    assert sorted(missing) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_leads_to_a_page_and_a_heading(document):
    existing = paths()
    for path, heading in LINK.findall(text(document)):
        target = normpath(join(dirname(document), path)) if path else document
        assert target in existing, path
        assert not heading or heading in anchors(text(target)), f"{path}#{heading}"


@pytest.mark.parametrize("word", ["shared/src/nothing.rs", "nothing.py", "../tests/nothing/", "docs/nothing.md"])
def test_a_path_that_does_not_exist_is_noticed(word):
    existing = paths()
    assert words(f"see `{word} --all`, or\n\n```\npython {word}\n```\n") >= {word}
    assert looks_like_a_path(word, "docs/api.md", existing) and not exists(word, "docs/api.md", existing)


def paths() -> set[str]:
    """The files of the tree, and their folders."""
    return {folder for path in files("") for folder in (path, *map(str, PurePosixPath(path).parents))}


def words(document: str) -> set[str]:
    code = FENCE.findall(document) + SPAN.findall(FENCE.sub("", document))
    return {word.rstrip(",;:") for part in code for word in part.split() if WORD.fullmatch(word.rstrip(",;:"))}


def looks_like_a_path(word: str, document: str, existing: set[str]) -> bool:
    """Returns whether it ends as our files do, or begins with a folder of the root or of the document's own folder."""
    if word in FOREIGN | LATER or not ("/" in word or word.endswith(SUFFIXES)):
        return False
    first = (normpath(join(dirname(document), word)) if word.startswith("../") else word).split("/")[0]
    return word.endswith(SUFFIXES) or first == ".local" or first in existing or normpath(join(dirname(document), first)) in existing


def exists(word: str, document: str, existing: set[str]) -> bool:
    """From the root, from the document's folder, or as the end of a path. Files that a command makes are listed in .gitignore."""
    here = join(dirname(document), word)
    if {normpath(word), normpath(here)} & existing or any(path.endswith(f"/{word}".rstrip("/")) for path in existing):
        return True
    return subprocess.run(["git", "check-ignore", word, here], cwd=ROOT, check=False, capture_output=True).returncode == 0


def anchors(document: str) -> set[str]:
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w -]", "", heading.strip()).lower().replace(" ", "-") for heading in HEADING.findall(FENCE.sub("", document))}
