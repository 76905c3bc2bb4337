"""A run: its plan, a vendor that does otherwise, and its end."""

from __future__ import annotations

import httpx
import pytest

from . import moved
from .__main__ import main
from .assumption import ALL
from .run import NO, SKIPPED, YES, run
from .test_published import as_published

SPOKEN = "The speech that was generated with a voice is listed by the voice, each item with an id and a state, the newest first."


def silent(what: object) -> None:
    """Nobody reads it."""


def of(done, begins: str):
    [found] = [result for result in done.results if result.assumption.sentence.startswith(begins)]
    return found


def left(where: dict) -> list:
    url = where["elevenlabs"]["url"]
    return httpx.get(f"{url}/_control/voices").json()["voices"] + httpx.get(f"{url}/_control/history").json()["history"]


PRIVATE = {"keys": [{"kid": "1", "kty": "EC", "alg": "ES256", "d": "x"}]}


@pytest.mark.parametrize(
    ("vendor", "fault", "begins"),
    [
        ("twilio", {"path": "Recordings.json$", "status": 200, "body": {"recordings": []}}, "The list is of recordings with sid"),
        ("elevenlabs", {"path": "^/v1/user$", "status": 200, "body": {}}, "The user of a key has a user_id"),
        ("elevenlabs", {"path": "^/v1/user/subscription$", "status": 502, "body": "<html>"}, "The subscription says how many voices"),
        ("storage", {"path": "/bucket/understudy-contract-nothing$", "status": 200, "body": {}}, "A bucket that does not exist is a 404"),
        ("database", {"path": "/rpc/understudy_contract_nothing$", "reset": True}, "Calling a function that does not exist is a 404"),
        ("auth", {"path": "jwks.json$", "status": 200, "body": PRIVATE}, "Each published key has an id (kid)"),
    ],
)
def test_a_vendor_that_is_otherwise_is_told_by_no(accounts, vendor, fault, begins):
    with accounts[vendor].stage.fault(times=None, **fault):
        done = run({vendor: accounts[vendor]}, silent)
    assert of(done, begins).answer == NO and of(done, begins).why
    assert not done.is_good


@pytest.mark.parametrize(
    ("fault", "deleted", "freed"),
    [
        ({"path": "^/v1/user/subscription$", "status": 502, "body": "<html>", "times": None}, YES, SKIPPED),
        ({"path": "^/v1/voices/[^/]+$", "method": "DELETE", "status": 500, "body": {}, "times": 1}, NO, SKIPPED),
    ],
)
def test_a_deletion_is_asked_for_without_the_slots_too_and_the_slots_only_after_a_deletion(accounts, fault, deleted, freed):
    with accounts["elevenlabs"].stage.fault(**fault):
        done = run({"elevenlabs": accounts["elevenlabs"]}, silent)
    assert (of(done, "Deleting a voice succeeds").answer, of(done, "The subscription has the slot").answer) == (deleted, freed)


def test_a_vendor_without_an_account_is_skipped_and_the_rest_is_good(accounts):
    done = run({"callbacks": accounts["callbacks"]}, silent)
    assert len(done.results) == len(ALL)
    assert {result.answer for result in done.results if result.assumption.vendor != "callbacks"} == {SKIPPED}
    assert done.is_good


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_what_was_made_is_removed_although_the_run_ends_in_between(accounts, where, interruption):
    def tell(what: object) -> None:
        if SPOKEN in str(what):
            assert left(where)
            raise interruption

    with pytest.raises(interruption):
        run({"elevenlabs": accounts["elevenlabs"]}, tell)
    assert not left(where)


def test_a_voice_whose_answer_was_lost_is_found_and_removed(accounts, where):
    with accounts["elevenlabs"].stage.fault("^/v1/voices/add$", skip=2, do_work=True, reset=True):
        run({"elevenlabs": accounts["elevenlabs"]}, silent)
    assert not left(where)


def test_what_cannot_be_removed_is_named_and_the_run_is_not_good(accounts):
    printed = []
    with accounts["storage"].stage.fault("/bucket/understudy-contract-", method="DELETE", times=None, status=500, body={}):
        done = run({"storage": accounts["storage"]}, printed.append)
    assert not done.is_good and done.left
    assert [what for what in printed if "NOT REMOVED: storage: a bucket" in str(what)]


# -- the command: the stand-ins in the place of real accounts ---------------------------------------------------------------------


@pytest.fixture
def environment(where, database_url, monkeypatch):
    """The environment of real accounts: nothing in it knows of a control surface."""
    twilio, supabase = where["twilio"], where["supabase"]
    values = {
        "TWILIO_API_URL": twilio["url"], "TWILIO_ACCOUNT_SID": twilio["account_sid"], "TWILIO_AUTH_TOKEN": twilio["auth_token"],
        "TWILIO_API_KEY_SID": "", "TWILIO_API_KEY_SECRET": "",
        "ELEVENLABS_API_URL": where["elevenlabs"]["url"], "ELEVENLABS_API_KEY": where["elevenlabs"]["api_key"],
        "SUPABASE_URL": supabase["url"], "SUPABASE_SECRET_KEY": supabase["secret_key"], "SUPABASE_DB_URL": database_url,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(moved, "published", as_published)
    return where


def requests(where: dict) -> list[dict]:
    urls = [where[vendor]["url"] for vendor in ("twilio", "elevenlabs", "supabase")]
    return [one for url in urls for one in httpx.get(f"{url}/_control/requests").json()["requests"]]


def test_a_whole_run_says_yes_or_why_it_skips_and_leaves_nothing(environment, capsys):
    assert main(["--yes", "--speak"]) == 0
    said = capsys.readouterr().out
    assert ", 0 no, " in said and "NOT REMOVED" not in said
    assert "needs --call" in said and "needs --speak" not in said
    assert said.count("publishes is as it was") == 2
    assert not left(environment)
    users = {"apikey": environment["supabase"]["secret_key"]}
    assert httpx.get(f"{environment['supabase']['url']}/auth/v1/admin/users", headers=users).json()["users"] == []


def test_a_call_is_made_recorded_and_deleted_only_if_somebody_says_so(environment, capsys):
    assert main(["--yes", "--call", "--from", "+15005550006", "--to", "+15005550001"]) == 0
    assert "needs --call" not in capsys.readouterr().out
    recordings = httpx.get(f"{environment['twilio']['url']}/_control/recordings").json()["recordings"]
    assert [recording["status"] for recording in recordings] == ["deleted"]
    [made] = [one["path"] for one in requests(environment) if one["method"] == "POST" and one["path"].endswith("/Calls.json")]
    assert [one for one in requests(environment) if one["method"] == "DELETE" and one["path"].startswith(made.removesuffix(".json"))]


def test_nothing_is_asked_before_somebody_has_agreed(environment, capsys, monkeypatch):
    assert main(["--call", "--from", "+15005550006", "--to", "+15005550001"]) == 1
    said = capsys.readouterr().out
    assert "one of the month's additions" in said and "some cents" in said and "+15005550001" in said
    assert "Nothing was done." in said and requests(environment) == []


def test_a_vendor_that_says_no_makes_the_command_fail(environment, capsys):
    fault = {"path": "/bucket/understudy-contract-nothing$", "times": None, "status": 200, "body": {}}
    httpx.post(f"{environment['supabase']['url']}/_control/faults", json=fault).raise_for_status()
    assert main(["--yes"]) == 1
    assert ", 1 no, " in capsys.readouterr().out


def test_only_storage_is_asked_of_a_storage_server(environment, capsys):
    supabase = environment["supabase"]
    main(["--yes", "--storage", f"{supabase['url']}/storage/v1", "--key", supabase["secret_key"]])
    said = capsys.readouterr().out
    assert "there is no gateway" in said
    assert all(one["path"].startswith("/storage/v1/") for one in requests(environment))


@pytest.mark.parametrize("arguments", ["--call", "--call --from +1", "--storage http://x", "--key x", "--stand-ins --record", "--nonsense"])
def test_what_does_not_fit_together_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments.split())
    assert end.value.code == 2


def test_without_any_key_there_is_nobody_to_ask(environment, capsys, monkeypatch):
    for name in ("TWILIO_ACCOUNT_SID", "ELEVENLABS_API_KEY", "SUPABASE_URL"):
        monkeypatch.delenv(name)
    assert main(["--yes"]) == 1
    assert "There is nobody to ask." in capsys.readouterr().out
