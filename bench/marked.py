"""The part of a document that a command writes: it is between `<!-- NAME -->` and `<!-- /NAME -->`, each on a line of its own."""

from __future__ import annotations

import re


def replaced(document: str, name: str, part: str) -> str:
    """The document with this part in the place of the one it has."""
    return _between(name).sub(lambda _: part, document)


def found(document: str, name: str) -> str:
    """The part that the document has."""
    return _between(name).search(document)[0]


def _between(name: str) -> re.Pattern:
    return re.compile(rf"(?<=<!-- {re.escape(name)} -->\n).*(?=\n<!-- /{re.escape(name)} -->)", re.DOTALL)
