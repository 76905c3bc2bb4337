"""The table of all assumptions in docs/vendors.md, with the answers of real accounts and their dates."""

from __future__ import annotations

from pathlib import Path

from . import record, run  # noqa: F401 - the questions
from .assumption import ALL
from .run import SKIPPED

FILE = Path(__file__).resolve().parents[2] / "docs" / "vendors.md"
HEAD = ["| vendor | what we think | real account |", "|---|---|---|"]
NOT_YET = "not yet run"


def table(directory: Path = record.DIRECTORY) -> str:
    rows = [f"| {one.vendor} | {one.sentence} | {_answered(one.vendor, one.sentence, directory)} |" for one in ALL]
    return "\n".join([*HEAD, *rows]) + "\n"


def _answered(vendor: str, sentence: str, directory: Path) -> str:
    recorded = record.read(vendor, directory) or {"assumptions": {}}
    answer = recorded["assumptions"].get(sentence, {}).get("answer", SKIPPED)
    if answer == SKIPPED:
        return NOT_YET
    return ", ".join(filter(None, (answer, recorded["date"], recorded.get("of"))))


def with_table(text: str, directory: Path = record.DIRECTORY) -> str:
    """The document with the table brought up to date. It has exactly one, and nothing else that looks like its head."""
    lines = text.splitlines(keepends=True)
    start = lines.index(HEAD[0] + "\n")
    end = next((place for place in range(start, len(lines)) if not lines[place].startswith("|")), len(lines))
    return "".join(lines[:start]) + table(directory) + "".join(lines[end:])
