"""The content of an upload: raw, with everything else in headers, or as a form (which is what the official SDKs send)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from .. import multipart
from ..body import BODY
from ..multipart import Part
from .storage_errors import StorageRefused, too_large
from .storage_state import Bucket

MOST_FIELDS = 10
MOST_METADATA = 1024 * 1024


@dataclass
class Upload:
    source: Path | Part
    bytes: int
    sha256: str
    mime: str
    cache_control: str
    metadata: dict | None

    def move_to(self, path: Path) -> None:
        """A raw body is the file already; a part of a form is copied out of it."""
        if isinstance(self.source, Path):
            self.source.replace(path)
            return
        digest = hashlib.sha256()
        with path.open("wb") as out:
            for chunk in self.source.chunks():
                out.write(chunk)
                digest.update(chunk)
        self.sha256 = digest.hexdigest()


def received(request: web.Request, bucket: Bucket, size_limit: int) -> Upload:
    """Raises StorageRefused for what the bucket does not take."""
    kind = request.headers.get("Content-Type", "application/octet-stream")
    upload = _from_form(request, kind) if kind.startswith("multipart/form-data") else _raw(request, kind)
    if upload.bytes > min(size_limit, bucket.file_size_limit or size_limit):
        raise too_large()
    allowed = bucket.allowed_mime_types
    if allowed and not any(_fits(upload.mime, pattern) for pattern in allowed):
        raise StorageRefused("415", "InvalidMimeType", "invalid_mime_type", f"mime type {upload.mime} is not supported")
    return upload


def _raw(request: web.Request, mime: str) -> Upload:
    body = request[BODY]
    metadata = None
    if coded := request.headers.get("x-metadata"):
        try:
            metadata = json.loads(base64.b64decode(coded))
        except ValueError:
            pass  # ignored there too
    return Upload(body.path, body.bytes, body.sha256, mime, request.headers.get("Cache-Control", "no-cache"), metadata)


def _from_form(request: web.Request, kind: str) -> Upload:
    nothing = StorageRefused("400", "InvalidRequest", "InvalidRequest", "No content provided")
    try:
        parts = multipart.parts(request[BODY].path, multipart.boundary(kind) or "")
        fields = {part.name: part.text() for part in parts if part.filename is None}
    except ValueError:
        raise nothing
    files = [part for part in parts if part.filename is not None]
    if len(files) != 1 or len(fields) > MOST_FIELDS:
        raise nothing
    text = fields.get("metadata", fields.get("userMetadata"))
    if text is not None and len(text.encode()) > MOST_METADATA:
        raise too_large("user_metadata")
    try:
        metadata = json.loads(text) if text is not None else None
    except ValueError:
        metadata = None
    age = fields.get("cacheControl")
    mime = fields.get("contentType") or files[0].content_type or "application/octet-stream"
    return Upload(files[0], files[0].length, "", mime, f"max-age={age}" if age else "no-cache", metadata)


def _fits(mime: str, pattern: str) -> bool:
    """Returns whether the bucket takes the media type. Types are compared letter by letter: audio/x-wav is not audio/wav. Only `type/*` is a pattern."""
    kind, _, rest = mime.partition("/")
    wanted_kind, _, wanted_rest = pattern.partition("/")
    return kind == wanted_kind and wanted_rest in ("*", rest)
