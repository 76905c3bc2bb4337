"""The three stand-ins on a PostgreSQL with the migrations, once for all tests; each test starts with clean ones."""

from __future__ import annotations

import httpx
import pytest

from standins import running
from standins.postgres import Postgres, apply_migrations


class Control:
    """The control surface of one stand-in, as anybody would use it from outside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60)

    def __call__(self, method: str, path: str, **request) -> httpx.Response:
        answer = self.http.request(method, f"/_control{path}", **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def fault(self, **fault) -> str:
        return self("POST", "/faults", json=fault).json()["id"]

    def account(self, **settings) -> dict:
        return self("PUT", "/account", json=settings).json()

    def requests(self, **query) -> list[dict]:
        return self("GET", "/requests", params=query).json()["requests"]


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("postgres")) as postgres:
        apply_migrations(postgres.url)
        yield postgres


@pytest.fixture(scope="session")
def _running(database, tmp_path_factory):
    directory = tmp_path_factory.mktemp("vendors")
    with running(database.authenticator_url, directory, database.url) as where:
        controls = {name: Control(where[name]["url"]) for name in ("twilio", "elevenlabs", "supabase")}
        yield where, controls
        for control in controls.values():
            control.http.close()


@pytest.fixture
def vendors(_running) -> dict:
    """The vendors' addresses, as in the stack file."""
    where, controls = _running
    for control in controls.values():
        control("DELETE", "")
    return where


@pytest.fixture
def control(vendors, _running) -> dict[str, Control]:
    return _running[1]
