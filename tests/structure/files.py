"""The files of the tree, as git sees them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*suffixes: str) -> list[str]:
    """Paths below the root, in order; new files included, ignored ones not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return sorted(path for path in set(listed.split("\0")) if path.endswith(suffixes) and (ROOT / path).is_file())


def text(path: str) -> str:
    return (ROOT / path).read_text()
