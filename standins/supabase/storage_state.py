"""Buckets and objects, as Storage shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4

from .storage_errors import StorageRefused, too_large

UNITS = {"gb": 10**9, "mb": 10**6, "kb": 10**3, "b": 1}  # decimal, as there


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Bucket:
    id: str
    name: str
    public: bool
    file_size_limit: int | None = None
    allowed_mime_types: list[str] | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    def shown(self) -> dict:
        return {
            "id": self.id,
            "name": self.name,
            "owner": "",
            "public": self.public,
            "file_size_limit": self.file_size_limit,
            "allowed_mime_types": self.allowed_mime_types,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    def listed(self) -> dict:
        """The bucket as the list shows it: only the list tells the type."""
        return self.shown() | {"type": "STANDARD"}


def bucket_limits(body: dict, most: int) -> dict:
    """file_size_limit and allowed_mime_types of a request; raises StorageRefused."""
    size = body.get("file_size_limit")
    if isinstance(size, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(gb|mb|kb|b)", size, re.I)
        if not found:
            raise StorageRefused("400", "InvalidRequest", "InvalidRequest", "Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
        size = int(float(found[1]) * UNITS[found[2].lower()])
    if size is not None and size > most:
        raise too_large()
    types = body.get("allowed_mime_types")
    return {"file_size_limit": size, "allowed_mime_types": [kind for kind in types if kind] if types else types}


@dataclass
class Object:
    bucket: str
    name: str
    path: Path  # of this version; named by a random id, so a path never changes its content
    bytes: int
    sha256: str
    mime: str
    cache_control: str
    metadata: dict | None = None  # the user's own
    id: str = field(default_factory=lambda: str(uuid4()))
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    @property
    def etag(self) -> str:
        return f'"{self.sha256[:32]}"'  # there it is an MD5; nobody may rely on that

    def _modified(self) -> datetime:
        return datetime.fromisoformat(self.updated_at.replace("Z", "+00:00"))

    def headers(self) -> dict:
        return {
            "Content-Type": self.mime,
            "ETag": self.etag,
            "Cache-Control": self.cache_control,
            "Accept-Ranges": "bytes",
            "Last-Modified": format_datetime(self._modified().replace(microsecond=0), usegmt=True),
            "X-Robots-Tag": "none",
        }

    def row(self) -> dict:
        return {
            "name": self.name,
            "bucket_id": self.bucket,
            "owner": "",
            "owner_id": "",
            "version": self.path.name,
            "id": self.id,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "last_accessed_at": self.created_at,
            "metadata": {
                "eTag": self.etag,
                "size": self.bytes,
                "mimetype": self.mime,
                "cacheControl": self.cache_control,
                "lastModified": self.updated_at,
                "contentLength": self.bytes,
                "httpStatusCode": 200,
            },
            "user_metadata": self.metadata,
        }

    def info(self) -> dict:
        return {
            "id": self.id,
            "name": self.name,
            "version": self.path.name,
            "bucket_id": self.bucket,
            "size": self.bytes,
            "content_type": self.mime,
            "cache_control": self.cache_control,
            "etag": self.etag,
            "metadata": self.metadata,
            "last_modified": self.updated_at,
            "created_at": self.created_at,
        }

    def control(self) -> dict:
        return {
            "bucket": self.bucket,
            "name": self.name,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "content_type": self.mime,
            "version": self.path.name,
        }
