"""Reads requests to Storage, and answers with a file or a part of one."""

from __future__ import annotations

import re

from aiohttp import web

from ..body import BODY
from ..control import FileAnswer
from .storage_errors import StorageRefused
from .storage_state import Object


def required_json(request: web.Request, *required: str) -> dict:
    """The body, an object with these fields; raises StorageRefused."""
    try:
        body = request[BODY].json()
    except ValueError:
        raise StorageRefused("400", "InvalidRequest", "SyntaxError", "Body is not valid JSON")
    for name in required:
        if not isinstance(body, dict) or body.get(name) is None:
            raise StorageRefused("400", "InvalidRequest", "Error", f"body must have required property '{name}'")
    return body


def download(request: web.Request, stored: Object) -> web.Response | FileAnswer:
    """The object, a range of it, or 304."""
    headers = stored.headers()
    if request.headers.get("If-None-Match") == stored.etag:
        return web.Response(status=304, headers={"ETag": stored.etag})
    if "download" in request.query:
        name = request.query["download"]
        headers["Content-Disposition"] = f"attachment; filename={name}; filename*=UTF-8''{name}" if name else "attachment;"
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
    if not found or found.groups() == ("", ""):
        return FileAnswer(stored.path, headers)
    first, last = found.groups()
    start = int(first) if first else max(stored.bytes - int(last), 0)
    end = min(int(last), stored.bytes - 1) if first and last else stored.bytes - 1
    if start >= stored.bytes or start > end:
        raise StorageRefused("416", "InvalidRange", "invalid_range", "invalid range provided")
    headers["Content-Range"] = f"bytes {start}-{end}/{stored.bytes}"
    return FileAnswer(stored.path, headers, 206, start, end - start + 1)
