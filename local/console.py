"""The console's server: the files of `console/`, below `/laptop` what only this machine can do, and `/api-docs`.

    python -m local.console --stack .local/stack.json --ready console.json

The page itself asks the public API, from this origin and with a user's token, as any frontend would. Things that a product has elsewhere, or
not at all, are here: signing in without a password, the list of employees, a call that is placed, the
vendors' journals and faults, audio to listen to. Keys of the stack never reach the page.

It listens on 127.0.0.1 only, and answers nobody but its own page: a name that was pointed at 127.0.0.1 (DNS rebinding)
is refused by its Host, another site's page by its Origin. `stack.json` may come later; until then `/laptop` is a 503.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from standins.process import write_atomically

from .api_docs import ApiDocs
from .console_routes import Routes

FILES = Path(__file__).resolve().parent.parent / "console"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# A WAV of an hour has 115 MB.
LARGEST_BODY = 128 << 20


class Server:
    """The server in this event loop; `origin` says where, once it listens."""

    def __init__(self, stack_file: Path):
        self.origin = ""
        self._stack_file = Path(stack_file)
        self._stack: dict | None = None
        self._routes = Routes(self.stack)
        # Only what is listed here is ever opened, so no path leads out of the directory.
        self._files = {path.name: path for path in FILES.iterdir() if path.suffix in TYPES}
        self._runner: web.AppRunner | None = None

    def stack(self) -> dict | None:
        """The content of stack.json, once there is one."""
        if self._stack is None and self._stack_file.exists():
            self._stack = json.loads(self._stack_file.read_text())
        return self._stack

    async def start(self) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = web.Application(middlewares=[self._guard], client_max_size=LARGEST_BODY)
        app.add_routes([web.get("/", self._file), *self._routes.all(), *ApiDocs(self.stack).all(), web.get("/{name}", self._file)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._routes.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler) -> web.StreamResponse:
        try:
            self._only_our_page(request)
            answer = await handler(request)
        except web.HTTPException as refusal:
            allow = {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else None
            answer = web.Response(status=refusal.status, text=f"{refusal.text or refusal.reason}\n", headers=allow)
        answer.headers.update(self._headers(request.path))
        return answer

    def _only_our_page(self, request: web.Request) -> None:
        host = urlsplit(self.origin).netloc
        if request.headers.getall("Host", []) != [host]:
            raise web.HTTPMisdirectedRequest(text=f"this is {self.origin}, and answers to no other name")
        if request.headers.get("Origin", self.origin) != self.origin:
            raise web.HTTPForbidden(text="only the console's own page may ask")
        # A browser sends this with a request that needs no Origin, such as that of a foreign page's <img>. A link to the page is fine.
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if site not in ("same-origin", "none") and not (request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"):
            raise web.HTTPForbidden(text="only the console's own page may ask")

    def _headers(self, path: str) -> dict[str, str]:
        stack = self.stack()
        api = urlsplit(stack["api_url"]) if stack else None
        asked = f" {api.scheme}://{api.netloc}" if api else ""
        # Swagger UI has pictures in its style sheet, and inserts markup that it has made safe itself.
        markup = "img-src 'self' data:" if path == "/api-docs" else "img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
        return {
            "Content-Security-Policy": (
                f"default-src 'none'; script-src 'self'; style-src 'self'; {markup}; media-src blob:; connect-src 'self'{asked}; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "index.html")
        path = self._files.get("api-docs.html" if name == "api-docs" else name)
        if path is None:
            raise web.HTTPNotFound(text="there is no such file")
        return web.Response(body=path.read_bytes(), content_type=TYPES[path.suffix], charset="utf-8")


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.console", description="The console's server, on a random port of 127.0.0.1.")
    parser.add_argument("--stack", required=True, type=Path, help="a stack.json; it may appear later")
    parser.add_argument("--ready", required=True, type=Path, help="written when it listens: {\"url\"}")
    options = parser.parse_args()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(options.stack)
    try:
        await server.start()
        write_atomically(options.ready, json.dumps({"url": server.origin}))
        await stop.wait()
    finally:
        await server.stop()
        options.ready.unlink(missing_ok=True)


if __name__ == "__main__":
    asyncio.run(main())
