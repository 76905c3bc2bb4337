"""The journal of the requests to a stand-in, without secrets and without bodies."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from datetime import datetime, timezone
from itertools import count

from aiohttp import web

SECRET_HEADERS = {"authorization", "apikey", "xi-api-key", "x-twilio-signature", "cookie", "proxy-authorization"}
SECRET_PARAMETERS = {"token", "apikey", "api_key"}
WAIT_AT_MOST = 120.0  # seconds


class Journal:
    """Entries are added when a request is over; `changed` wakes those who wait for one."""

    def __init__(self) -> None:
        self._entries: list[dict] = []
        self._ids = count(1)
        self._forgotten = 0  # ids up to this one, also of a request that was under way
        self._changed = asyncio.Condition()

    def open(self, request: web.Request) -> dict:
        """The entry of a request that just came in; `close` makes it visible."""
        return {
            "id": next(self._ids),
            "time": datetime.now(timezone.utc).isoformat(),
            "method": request.method,
            "path": request.rel_url.raw_path,
            "query": _without_secrets(request.rel_url.query, SECRET_PARAMETERS),
            "headers": _without_secrets(request.headers, SECRET_HEADERS),
            "body": None,
            "status": None,
            "sent": None,
            "fault": None,
            "outcome": "gone",
            "seconds": time.monotonic(),
        }

    async def close(self, entry: dict) -> None:
        entry["seconds"] = round(time.monotonic() - entry["seconds"], 4)
        if entry["id"] <= self._forgotten:
            return
        async with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    def clear(self) -> None:
        self._entries.clear()
        self._forgotten = next(self._ids)

    async def answer(self, request: web.Request) -> web.Response:
        """GET /_control/requests"""
        query = request.query
        at_least = int(query.get("at_least", 0))
        try:
            path = re.compile(query.get("path", ""))
        except re.error as error:
            raise web.HTTPBadRequest(text=f"path: {error}")

        def fitting() -> list[dict]:
            return [
                entry
                for entry in sorted(self._entries, key=lambda entry: entry["id"])
                if path.search(entry["path"])
                and query.get("method", entry["method"]) == entry["method"]
                and ("status" not in query or query["status"] == str(entry["status"]))
                and entry["id"] > int(query.get("after", 0))
            ]

        async with self._changed:
            try:
                await asyncio.wait_for(
                    self._changed.wait_for(lambda: len(fitting()) >= at_least),
                    min(float(query.get("timeout", 0)), WAIT_AT_MOST),
                )
            except asyncio.TimeoutError:
                pass  # the caller sees that there are fewer
            return web.json_response({"requests": fitting()})


def _without_secrets(values, secret: set[str]) -> dict:
    """Repeated names become a list. The hash lets a test see *which* secret was sent."""
    result: dict = {}
    for name, value in values.items():
        if name.lower() in secret:
            value = "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        name = name.lower() if secret is SECRET_HEADERS else name
        if name in result:
            value = (result[name] if isinstance(result[name], list) else [result[name]]) + [value]
        result[name] = value
    return result
