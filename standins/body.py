"""A request's body, read completely before anybody looks at it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web


@dataclass
class Body:
    """A request's body in a file. A handler that keeps the file moves it away; else it is deleted."""

    path: Path
    bytes: int
    sha256: str

    def read(self) -> bytes:
        return self.path.read_bytes()

    def json(self):
        """Raises ValueError."""
        return json.loads(self.read())


BODY = web.RequestKey("body", Body)
