"""The part all stand-ins share: bodies go to disk, faults happen, everything is in the journal.

A stand-in is a `Vendor`: it gives its routes and its own error bodies, and its handlers answer with a `web.Response`
or, for anything big, a `FileAnswer`. Handlers find the request's body, read completely, in `request[BODY]`, so that
the work can be done after the connection is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from aiohttp import ClientPayloadError, web

from .body import BODY, Body
from .faults import Fault, Faults
from .journal import Journal
from .published import published

README = Path(__file__).with_name("README.md")
CHUNK = 1 << 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST and drops what was not sent yet


@dataclass
class FileAnswer:
    """An answer whose body is part of a file, sent without being held."""

    path: Path
    headers: dict
    status: int = 200
    start: int = 0
    length: int | None = None
    chunked: bool = False  # no Content-Length
    size: int = field(init=False)
    file: BinaryIO = field(init=False)

    def __post_init__(self) -> None:
        # Opened now, so that replacing or deleting the file changes nothing for this reader.
        self.file = self.path.open("rb", buffering=0)
        self.size = os.fstat(self.file.fileno()).st_size - self.start if self.length is None else self.length


class Vendor:
    """The part of a stand-in that is its own: routes, bodies of errors, settings."""

    # Its description in `published/`, where there is one.
    published: str | None = None

    def __init__(self, directory: Path) -> None:
        self.breaches: list[dict] = []  # requests and answers that were not as published: {"agent", "what"}
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.url = ""  # known when it listens

    def routes(self) -> list[web.AbstractRouteDef]:
        raise NotImplementedError

    async def before(self, request: web.Request) -> None:
        """Called before each handler with the body read; raises to refuse."""

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        """The vendor's body for an exception of a handler: its own kinds, and aiohttp's 404 and 405."""
        raise NotImplementedError

    def reset(self) -> None:
        """Brings the stand-in back to its state at the start."""
        raise NotImplementedError

    def set_account(self, settings: dict) -> dict:
        """PUT /_control/account; raises ValueError. Returns the settings as they are now."""
        raise NotImplementedError


def application(vendor: Vendor) -> web.Application:
    control = _Control(vendor)
    app = web.Application(middlewares=[control.middleware], client_max_size=1 << 26)
    app.add_routes(control.routes())
    app.add_routes(vendor.routes())
    app.on_cleanup.append(control.stop)
    return app


class _Control:
    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.journal = Journal()
        self.faults = Faults()
        self._late: set[asyncio.Task] = set()
        self._hurry = asyncio.Event()
        self._bodies = vendor.directory / "bodies"
        self._bodies.mkdir(exist_ok=True)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/_control", self._help),
            web.delete("/_control", self._clean),
            web.get("/_control/requests", self.journal.answer),
            web.delete("/_control/requests", self._forget),
            web.post("/_control/faults", self.faults.add),
            web.get("/_control/faults", self.faults.list),
            web.delete("/_control/faults", self.faults.remove),
            web.delete("/_control/faults/{id}", self.faults.remove),
            web.post("/_control/late", self._do_late_work),
            web.put("/_control/account", self._account),
            web.get("/_control/breaches", self._breaches),
        ]

    async def _help(self, request: web.Request) -> web.Response:
        own = inspect.getdoc(self.vendor) or ""
        return web.Response(text=f"{README.read_text()}\n## This stand-in's own\n\n{own}\n")

    async def _clean(self, request: web.Request) -> web.Response:
        for task in self._late:
            task.cancel()
        self.faults.clear()
        self.journal.clear()
        self.vendor.breaches.clear()
        self.vendor.reset()
        return web.Response(status=204)

    async def _forget(self, request: web.Request) -> web.Response:
        self.journal.clear()
        return web.Response(status=204)

    async def _do_late_work(self, request: web.Request) -> web.Response:
        self._hurry.set()
        await asyncio.gather(*self._late, return_exceptions=True)
        self._hurry.clear()
        return web.Response(status=204)

    async def _account(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self.vendor.set_account(request[BODY].json()))
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"{error}\n")

    async def _breaches(self, request: web.Request) -> web.Response:
        return web.json_response({"breaches": self.vendor.breaches})

    def _judge_request(self, request: web.Request, body: Body) -> None:
        if self.vendor.published:
            asked = request.method, request.rel_url.raw_path, list(request.rel_url.query.items()), request.headers.items()
            self._note(request, published(self.vendor.published).wrong_in_request(*asked, body.path))

    def _judge_answer(self, request: web.Request, answer: web.Response | FileAnswer) -> None:
        if self.vendor.published:
            kind = answer.headers.get("Content-Type", "")
            body = (answer.body or b"") if isinstance(answer, web.Response) else b""
            self._note(request, published(self.vendor.published).wrong_in_answer(request.method, request.rel_url.raw_path, answer.status, kind, body))

    def _note(self, request: web.Request, wrong: list[str]) -> None:
        self.vendor.breaches += [{"agent": request.headers.get("User-Agent", ""), "what": what} for what in wrong]

    async def stop(self, app: web.Application) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    @web.middleware
    async def middleware(self, request: web.Request, handler) -> web.StreamResponse:
        if request.path == "/_control" or request.path.startswith("/_control/"):
            return await self._controlled(request, handler)
        entry = self.journal.open(request)
        fault = self.faults.take(request)
        entry["fault"] = fault.id if fault else None
        try:
            return await self._exchange(request, handler, fault, entry)
        finally:
            # `shield`: a client that goes away must not take its entry with it.
            await asyncio.shield(self.journal.close(entry))

    async def _controlled(self, request: web.Request, handler) -> web.StreamResponse:
        body = request[BODY] = await self._spool(request)
        try:
            answer = await handler(request)
            return await _send(request, answer, None) if isinstance(answer, FileAnswer) else answer
        finally:
            body.path.unlink(missing_ok=True)

    async def _exchange(self, request: web.Request, handler, fault: Fault | None, entry: dict) -> web.StreamResponse:
        body = None
        if not (fault and fault["at_once"]):
            try:
                body = request[BODY] = await self._spool(request, entry)
            except (ConnectionError, web.RequestPayloadError, ClientPayloadError):
                return web.Response(status=400)  # cut off by the client: nothing was done, and nobody listens
            self._judge_request(request, body)
        try:
            if fault and fault["delay"]:
                await asyncio.sleep(fault["delay"])
            answer = None
            if fault and fault["work_delay"]:
                self._work_later(request, handler, fault["work_delay"], body)
                body = None  # still needed
            elif not fault or fault["do_work"] or not (fault["reset"] and fault["cut"] is None or fault["status"]):
                answer = await self._work(request, handler)
                entry["status"] = answer.status
                self._judge_answer(request, answer)
            if fault and fault["status"]:
                answer = _given(fault)
            if fault and fault["reset"] and fault["cut"] is None:
                entry["outcome"] = "reset"
                return _reset(request)
            entry["sent"] = answer.status
            try:
                response = await _send(request, answer, fault)
            except ConnectionError:
                return web.Response()  # the client was faster: it has nowhere to go
            if request.transport is not None and not request.transport.is_closing():
                entry["outcome"] = "answered"
            if fault and fault["cut"] is not None:
                entry["outcome"] = "cut"
            return response
        finally:
            if body:
                body.path.unlink(missing_ok=True)

    async def _work(self, request: web.Request, handler) -> web.Response | FileAnswer:
        try:
            await self.vendor.before(request)
            return await handler(request)
        except Exception as error:
            return self.vendor.refusal(request, error)

    def _work_later(self, request: web.Request, handler, seconds: float, body: Body) -> None:
        async def work() -> None:
            try:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), seconds)
                await self._work(request, handler)
            finally:
                body.path.unlink(missing_ok=True)

        task = asyncio.create_task(work())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _spool(self, request: web.Request, entry: dict | None = None) -> Body:
        """The whole body on disk. Raises when it ends before its Content-Length, or its last chunk."""
        path = self._bodies / uuid4().hex
        digest, size, complete = hashlib.sha256(), 0, False
        try:
            with path.open("wb") as file:
                async for chunk in request.content.iter_any():
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
            complete = True
        finally:
            if entry is not None:
                entry["body"] = {"bytes": size, "sha256": digest.hexdigest(), "complete": complete}
            if not complete:
                path.unlink(missing_ok=True)
        return Body(path, size, digest.hexdigest())


def _given(fault: Fault) -> web.Response:
    body = fault["body"]
    headers = dict(fault["headers"] or {})
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    return web.Response(status=fault["status"], headers=headers, body=(body or "").encode())


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:  # None: the client has gone
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        request.transport.abort()
    return web.Response()  # has nowhere to go


async def _send(request: web.Request, answer: web.Response | FileAnswer, fault: Fault | None) -> web.StreamResponse:
    """Sends an answer whole, or as the fault wants it."""
    cut, drip = (fault["cut"], fault["drip"]) if fault else (None, None)
    if isinstance(answer, web.Response) and cut is None and not drip:
        return answer
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    size = answer.size if isinstance(answer, FileAnswer) else len(answer.body or b"")
    if isinstance(answer, FileAnswer) and answer.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = size
    if cut is not None:
        response.force_close()
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    left = size if cut is None else min(cut, size)
    step = drip["bytes"] if drip else CHUNK
    for piece in _pieces(answer, left, step):
        await response.write(piece)
        if drip:
            await asyncio.sleep(drip["seconds"])
    if cut is not None and request.transport is not None:
        if fault["reset"]:
            while (transport := request.transport) and transport.get_write_buffer_size():
                await asyncio.sleep(0.001)  # the reset would drop what is still here
            return _reset(request)
        request.transport.close()  # the end of the stream, before its Content-Length
        return response
    await response.write_eof()
    return response


def _pieces(answer: web.Response | FileAnswer, left: int, step: int):
    if isinstance(answer, web.Response):
        body = answer.body or b""
        for start in range(0, left, step):
            yield body[start : min(start + step, left)]
        return
    with answer.file as file:
        file.seek(answer.start)
        while left > 0:
            piece = file.read(min(step, left))
            if not piece:
                return
            left -= len(piece)
            yield piece
