"""Starts and stops the three stand-ins, in this thread's event loop or in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from .control import Vendor, application
from .elevenlabs.api import ElevenLabs
from .seeds import organizations, seed
from .supabase.gateway import Supabase
from .twilio.api import Twilio


class Vendors:
    """`start` them and `where` says where they are, in the shape of the stack file."""

    def __init__(self, database_url: str, directory: str | Path, seed_url: str | None = None) -> None:
        directory = Path(directory)
        self.twilio = Twilio(directory / "twilio")
        self.elevenlabs = ElevenLabs(directory / "elevenlabs")
        self.supabase = Supabase(directory / "supabase", database_url)
        self._seed_url = seed_url
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        if self._seed_url:
            await asyncio.to_thread(seed, self._seed_url)
        for vendor in (self.twilio, self.elevenlabs, self.supabase):
            await self._listen(vendor)

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(self, vendor: Vendor) -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        vendor.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = application(vendor)
        if isinstance(vendor, Supabase):
            app.on_cleanup.append(vendor.close)
        # Requests that wait in a fault are not waited for.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, read_bufsize=1 << 20, keepalive_timeout=75)
        await runner.setup()
        await web.SockSite(runner, listener, backlog=512).start()
        self._runners.append(runner)

    def where(self) -> dict:
        twilio, supabase = self.twilio, self.supabase
        return {
            "twilio": {
                "url": twilio.url,
                "account_sid": twilio.account_sid,
                "auth_token": twilio.auth_token,
                "api_key_sid": twilio.api_key_sid,
                "api_key_secret": twilio.api_key_secret,
            },
            "elevenlabs": {"url": self.elevenlabs.url, "api_key": self.elevenlabs.api_key},
            "supabase": {"url": supabase.url, **supabase.keys, "jwt_issuer": supabase.issuer},
            "organizations": organizations(supabase.auth) if self._seed_url else [],
        }


@contextmanager
def running(database_url: str, directory: str | Path, seed_url: str | None = None):
    """The stand-ins in a thread, for as long as the block runs; gives `Vendors.where()`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="vendors", daemon=True)
    thread.start()

    async def make() -> Vendors:
        vendors = Vendors(database_url, directory, seed_url)
        try:
            await vendors.start()
        except BaseException:
            await vendors.stop()
            raise
        return vendors

    def within(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    try:
        vendors = within(make())
        try:
            yield vendors.where()
        finally:
            within(vendors.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
