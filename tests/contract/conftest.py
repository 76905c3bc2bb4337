"""The stand-ins, once for all tests; each test that asks them has accounts of its own, on clean ones."""

from __future__ import annotations

import httpx
import pytest

from . import record
from .accounts import of_stand_ins
from .run import run
from .standins import stand_ins


@pytest.fixture(scope="session")
def _stand_ins(tmp_path_factory):
    with stand_ins(tmp_path_factory.mktemp("contract")) as found:
        yield found


@pytest.fixture
def where(_stand_ins) -> dict:
    """Clean ones."""
    for vendor in ("twilio", "elevenlabs", "supabase"):
        httpx.delete(f"{_stand_ins[0][vendor]['url']}/_control").raise_for_status()
    return _stand_ins[0]


@pytest.fixture
def database_url(_stand_ins) -> str:
    return _stand_ins[1]


@pytest.fixture
def accounts(where, database_url):
    found = of_stand_ins(where, database_url)
    yield found
    for account in found.values():
        account.clean()
        account.close()
        account.stage.close()


class Whole:
    """A run of all questions: its results, what was recorded of it, what must not be in there, and what is left."""

    def __init__(self, where: dict, database_url: str):
        accounts = of_stand_ins(where, database_url)
        self.run = run(accounts, tell=lambda what: None)
        self.results = {(result.assumption.vendor, result.assumption.sentence): result for result in self.run.results}
        self.recorded = {
            vendor: record.of([result for result in self.run.results if result.assumption.vendor == vendor], account) for vendor, account in accounts.items()
        }
        self.own = [name for account in accounts.values() for name in account.names]
        self.own += [str(accounts["auth"].facts["user"]), accounts["auth"].facts["token"], accounts["twilio"].facts["deleted"]]
        self.breaches = [one for vendor in ("twilio", "elevenlabs") for one in httpx.get(f"{where[vendor]['url']}/_control/breaches").json()["breaches"]]
        self.left = {
            "voices": httpx.get(f"{where['elevenlabs']['url']}/_control/voices").json()["voices"],
            "spoken": httpx.get(f"{where['elevenlabs']['url']}/_control/history").json()["history"],
            "objects": httpx.get(f"{where['supabase']['url']}/_control/objects").json()["objects"],
        }


@pytest.fixture(scope="session")
def whole(_stand_ins) -> Whole:
    return Whole(*_stand_ins)
