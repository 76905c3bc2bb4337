"""Recordings of real answers, and the comparison of the stand-ins with them."""

from __future__ import annotations

import copy
import json
import re

import pytest

from . import record
from .account import Account, Exchange
from .assumption import ALL
from .document import HEAD, table, with_table
from .run import NO, SKIPPED, YES, Result

VENDORS = ("twilio", "elevenlabs", "storage", "database", "auth")
RECORDED = [vendor for vendor in VENDORS if record.read(vendor)]


def test_the_stand_ins_answer_as_the_vendors_did(whole):
    assert [what for vendor in RECORDED for what in record.differences(record.read(vendor), whole.recorded[vendor])] == []


def test_what_is_recorded_is_of_sentences_that_there_are():
    sentences = {(one.vendor, one.sentence) for one in ALL}
    assert {(vendor, sentence) for vendor in RECORDED for sentence in record.read(vendor)["assumptions"]} <= sentences


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_of_anybodys_is_kept(whole, vendor, _stand_ins):
    where, _ = _stand_ins
    text = json.dumps({sentence: one["exchanges"] for sentence, one in whole.recorded[vendor]["assumptions"].items()})
    secrets = [*where["twilio"].values(), *where["elevenlabs"].values(), *where["supabase"].values(), *whole.own]
    secrets += ["127.0.0.1", "@", "One.", "Understudy", "Rachel", "192.0.2.1"]
    assert [secret for secret in secrets if secret in text] == []
    assert not re.search(r"[0-9a-f]{12}|\b(AC|CA|RE)\w{32}|eyJ", text)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_answers_are_no_difference(whole, vendor):
    assert record.differences(whole.recorded[vendor], whole.recorded[vendor]) == []


def result(vendor: str, answer: str = YES, status: int = 200, body: object = None, path: str = "/v1/user") -> Result:
    assumption = next(one for one in ALL if one.vendor == vendor)
    return Result(assumption, answer, "", (Exchange("GET", path, (), status, "application/json", body),))


def recording(vendor: str = "elevenlabs", **changes) -> dict:
    return record.of([result(vendor, **changes)], Account("http://vendor.invalid", names={"a-name": "{name}"}))


VENDOR = {"id": "x", "count": 1, "list": [{"a": 1, "b": None}, {"a": 2}], "labels": {"mine": "x"}, "none": None}


@pytest.mark.parametrize(
    ("stand_in", "told"),
    [
        ({"body": VENDOR}, None),
        ({"body": VENDOR | {"none": 7, "labels": {"other": "y"}, "list": []}}, None),
        ({"body": VENDOR | {"list": [{"a": 1}]}}, None),
        ({"answer": SKIPPED, "status": 500}, None),
        ({"body": VENDOR, "path": "/somewhere/else"}, None),
        ({"body": VENDOR | {"type": "STANDARD"}}, "type is invented"),
        ({"body": {name: one for name, one in VENDOR.items() if name != "id"}}, "id is missing"),
        ({"body": VENDOR | {"count": "1"}}, "count is string, the vendor's number"),
        ({"body": VENDOR | {"list": [{"a": 1, "b": None, "c": 1}]}}, "list[].c is invented"),
        ({"body": VENDOR | {"id": []}}, "id is a list, the vendor's string"),
        ({"body": VENDOR, "status": 201}, "201 application/json, the vendor 200 application/json"),
        ({"body": VENDOR, "answer": NO}, "The vendor said yes, the stand-in says no"),
    ],
)
def test_a_stand_in_that_answers_otherwise_than_recorded_is_told(stand_in, told):
    found = record.differences(recording(body=VENDOR), recording(**stand_in))
    assert found == [] if told is None else len(found) == 1 and told in found[0], found


def test_the_code_of_an_error_is_held_against_the_recorded_one():
    recorded = recording(status=404, body={"detail": {"code": "voice_not_found", "message": "of somebody"}})
    [found] = record.differences(recorded, recording(status=404, body={"detail": {"code": "no_voice", "message": "another"}}))
    assert "detail.code is =no_voice, the vendor's =voice_not_found" in found


def test_a_code_is_kept_only_if_it_is_a_word_and_only_of_a_refusal():
    assert record.shape({"code": "x" * 90, "error": "of a@b.example", "status": "id 0123456789ab", "statusCode": "404"}, refused=True) == {
        "code": "string", "error": "string", "status": "string", "statusCode": "=404",
    }  # fmt: skip
    assert record.shape({"status": "completed"}) == {"status": "string"}


def test_what_is_another_in_each_run_has_a_name_in_the_paths():
    def path(text: str) -> str:
        return record.path(Exchange("GET", text, (), 200, "", None), {"a-name": "{bucket}"})

    assert path(f"/Accounts/AC{'a' * 32}/Calls/CA{'b' * 32}/Recordings/RE{'c' * 32}.json") == "/Accounts/{AC}/Calls/{CA}/Recordings/{RE}.json"
    assert path("/storage/v1/object/a-name/folder/a.wav") == path("/object/a-name/folder/a.wav") == "/object/{bucket}/folder/a.wav"
    assert (path("/v1/voices/abc"), path("/v1/voices/add"), path("/v1/history/abc")) == ("/v1/voices/{voice}", "/v1/voices/add", "/v1/history/{item}")


def test_what_was_recorded_is_told_with_its_date(tmp_path):
    account = Account("http://vendor.invalid")
    results = [result("elevenlabs", body=VENDOR), result("storage", answer=NO, body=VENDOR), result("auth", answer=SKIPPED, body=VENDOR)]
    accounts = dict.fromkeys(("callbacks", "elevenlabs", "storage", "auth"), account)
    written = record.write(results, accounts, tmp_path / "recorded", "a server of supabase/storage")
    assert [file.stem for file in written] == ["elevenlabs", "storage", "auth"]
    date = record.read("storage", tmp_path / "recorded")["date"]
    rows = table(tmp_path / "recorded").splitlines()
    assert len(rows) == len(ALL) + 2
    assert [row for row in rows if date in row and f"| no, {date}, a server of supabase/storage |" in row and row.startswith("| storage |")]
    assert not [row for row in rows if date in row and row.startswith("| auth |")]


def test_only_the_table_of_the_document_is_written():
    text = "\n".join(["before", "", *HEAD, "| old | row | not yet run |", "", "after", ""])
    assert with_table(text) == f"before\n\n{table()}\nafter\n"
