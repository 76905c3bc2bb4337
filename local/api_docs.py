"""`/api-docs` on the console's server: `openapi.yaml` with a form for each request (Swagger UI), asked of the stack that is up."""

from __future__ import annotations

import asyncio

import yaml
from aiohttp import web

from .deployment import ROOT
from .npm import MODULES

SWAGGER_UI = MODULES / "swagger-ui-dist"
FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


class ApiDocs:
    """`stack` gives the content of stack.json, or None while there is none."""

    def __init__(self, stack):
        self._stack = stack

    def all(self) -> list[web.AbstractRouteDef]:
        return [web.get("/api-docs/openapi.json", self._contract), web.get("/api-docs/{name}", self._file)]

    async def _contract(self, request: web.Request) -> web.Response:
        """The contract with the stack's address."""
        if (stack := self._stack()) is None:
            raise web.HTTPServiceUnavailable(text="the stack is not up yet")
        document = await asyncio.to_thread(lambda: yaml.safe_load((ROOT / "openapi.yaml").read_text()))
        return web.json_response(document | {"servers": [{"url": stack["api_url"], "description": "The stack on this machine."}]})

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FILES or not (SWAGGER_UI / name).exists():
            raise web.HTTPNotFound(text="there is no such file; `make up` installs the viewer")
        return web.Response(body=(SWAGGER_UI / name).read_bytes(), content_type=FILES[name], charset="utf-8")
