"""Everything outside the functions, for one lane: the vendors' stand-ins and AWS, in a thread of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

from aiohttp import web

from standins import Vendors
from standins.control import Vendor, application
from standins.supabase.gateway import Supabase

from .calls import Watch


class Door:
    """The port of one stand-in. While it is shut, connections are refused, as by a vendor that is down."""

    def __init__(self, vendor: Vendor, watch: Watch, name: str):
        # Bound and never listening: it keeps the port ours while the door is shut.
        self._place = self._bound(0)
        self._port = self._place.getsockname()[1]
        vendor.url = f"http://127.0.0.1:{self._port}"
        app = application(vendor)
        app.middlewares.insert(0, watch.middleware(name))
        app.on_response_prepare.append(self._last_of_its_connection)
        if isinstance(vendor, Supabase):
            app.on_cleanup.append(vendor.close)
        # Requests that wait in a fault are not waited for.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, read_bufsize=1 << 20, keepalive_timeout=75)
        self._site: web.SockSite | None = None
        # Without it each call has a connection of its own, so that the next one is refused when the door is shut.
        self.keep_alive = True

    async def open(self) -> None:
        if self._site is None:
            if self._runner.server is None:
                await self._runner.setup()
            self._site = web.SockSite(self._runner, self._bound(self._port), backlog=512)
            await self._site.start()

    async def shut(self) -> None:
        """Requests that are under way are answered."""
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()

    async def remove(self) -> None:
        await self._runner.cleanup()
        self._place.close()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        it = socket.socket()
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        it.bind(("127.0.0.1", port))
        return it

    async def _last_of_its_connection(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self.keep_alive:
            response.headers["Connection"] = "close"
            response.force_close()


class Outside:
    """`vendors` are the three stand-ins; `where` says where they are, in the shape of the stack file."""

    def __init__(self, database_url: str, directory: Path):
        self.watch = Watch()
        # The seeding is done; with an address, `where` has the organisations.
        self.vendors = Vendors(database_url, directory, seed_url="seeded")
        self.doors: dict[str, Door] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outside", daemon=True)
        self._thread.start()
        for name in ("twilio", "elevenlabs", "supabase"):
            self.listen(name, getattr(self.vendors, name))

    def listen(self, name: str, vendor: Vendor) -> None:
        async def opened() -> None:
            self.doors[name] = Door(vendor, self.watch, name)
            await self.doors[name].open()

        self.within(opened())

    def within(self, coroutine):
        """Runs it in the stand-ins' thread and waits for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        async def removed() -> None:
            for door in self.doors.values():
                await door.remove()
            # Requests that still wait in a fault.
            waiting = asyncio.all_tasks() - {asyncio.current_task()}
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

        self.within(removed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
