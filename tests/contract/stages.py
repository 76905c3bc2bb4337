"""Stages: they bring the stand-ins, by their control surface, into states that no real account should be in, or that no request of ours makes."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx

from .sample import call, mono

PUBLIC = "https://voices.example.com/twilio/recording?tenant=a%20b"


class Stage:
    """The control surface of one stand-in."""

    def __init__(self, url: str) -> None:
        self._url, self._http = f"{url}/_control", httpx.Client(timeout=60)
        self.control("DELETE", "")

    def control(self, method: str, path: str, **request) -> dict:
        answer = self._http.request(method, self._url + path, **request)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    @contextmanager
    def fault(self, path: str, **what):
        """For as long as the block runs, requests to the path are answered as the fault says."""
        made = self.control("POST", "/faults", json={"path": path, **what})
        try:
            yield
        finally:
            self.control("DELETE", f"/faults/{made['id']}")

    @contextmanager
    def account(self, **settings):
        """For as long as the block runs, the account has these settings."""
        before = self.control("PUT", "/account", json={})
        self.control("PUT", "/account", json=settings)
        try:
            yield
        finally:
            self.control("PUT", "/account", json={name: before[name] for name in settings})

    def close(self) -> None:
        self._http.close()


class TwilioStage(Stage):
    """An account with a recording of each kind; `own` is one that may be deleted."""

    def __init__(self, url: str, where: dict) -> None:
        super().__init__(url)
        self.auth_token, self.account_sid = where["auth_token"], where["account_sid"]
        self.two_legs = self.put(call(), days=0)
        self.put(mono(10), days=3, source="RecordVerb")
        self.put(mono(10), days=5, media="external")
        self.put(b"ciphertext", days=6, encrypted="true", duration=3)
        self.absent = self.put(b"", days=0, status="absent")
        self.own = self.put(call(), days=0)

    def put(self, body: bytes, days: int, **query) -> str:
        sid = f"RE{secrets.token_hex(16)}"
        date = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()
        self.control("PUT", f"/recordings/{sid}", content=body, params={"date_created": date, "start_time": date, **query})
        return sid

    def callback(self, **wishes) -> "Received":
        """The callback of a recording, as it arrives at a server of our own."""
        with _server() as (url, received):
            query = {"url": url, "public_url": f"{PUBLIC}#rc=3&rp=all"}
            self.control("POST", f"/recordings/{self.two_legs}/callback", params=query, json=wishes)
            return received[0]


class Received:
    def __init__(self, headers, body: str) -> None:
        self.headers, self.body = headers, body


@contextmanager
def _server():
    received: list[Received] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(Received(dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class SupabaseStage(Stage):
    """A project. `database_url` is the owner's."""

    def token(self, kind: str = "valid", sub: str | None = None) -> str:
        wish = {"kind": kind} | ({"sub": sub} if sub else {})
        return self.control("POST", "/tokens", json=wish)["token"]
