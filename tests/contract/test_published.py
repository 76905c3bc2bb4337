"""Our descriptions of what the vendors publish: they are sound, and show what has moved and what is not as published."""

from __future__ import annotations

import copy

import httpx
import pytest
from openapi_spec_validator import validate

from standins.published import document, published

from .moved import VENDORS, moved

ACCOUNT = "/2010-04-01/Accounts/AC" + "a" * 32
RECORDING = f"{ACCOUNT}/Recordings/RE" + "b" * 32
BASIC, KEY = [("Authorization", "Basic eA==")], [("xi-api-key", "a secret")]


def as_published(vendor: str) -> dict:
    """Our description as the vendor's own document would be: without the parts that it does not publish."""
    theirs = copy.deepcopy(document(vendor))
    for schema in theirs["components"]["schemas"].values():
        for name in [name for name, one in schema.get("properties", {}).items() if one.get("x-unpublished")]:
            del schema["properties"][name]
    return theirs


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_description_is_openapi_and_says_from_where_it_is(vendor):
    validate(document(vendor))
    assert document(vendor)["x-source"]["document"].startswith("https://") and document(vendor)["x-read"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_has_moved_in_a_document_that_says_the_same(vendor):
    assert moved(document(vendor), as_published(vendor)) == []


RECORDINGS = "/2010-04-01/Accounts/{AccountSid}/Recordings.json"


def schema(theirs: dict, name: str) -> dict:
    return theirs["components"]["schemas"][name]


def add_to_form(theirs: dict) -> None:
    form = theirs["paths"]["/v1/voices/add"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"]["consent"] = {"type": "string"}


@pytest.mark.parametrize(
    ("vendor", "change", "told"),
    [
        ("twilio", lambda all_: all_["paths"].pop(RECORDINGS), f"GET {RECORDINGS} is gone"),
        ("twilio", lambda all_: all_["paths"][RECORDINGS]["get"]["parameters"].pop(2), f"GET {RECORDINGS}: the parameter DateCreated> is gone"),
        ("twilio", lambda all_: schema(all_, "Source")["enum"].append("Agent"), "source may be Agent, too"),
        ("twilio", lambda all_: schema(all_, "CallRecording")["properties"].pop("track"), "the answer has no track any more"),
        ("elevenlabs", lambda all_: schema(all_, "User")["properties"].update(user_id={"type": "integer"}), "the answer.user_id is integer, it was string"),
        ("elevenlabs", lambda all_: schema(all_, "AddedVoice")["properties"].update(library_voice_match={}), "library_voice_match, which was not published"),
        ("elevenlabs", lambda all_: schema(all_, "HistoryPage")["required"].remove("has_more"), "the answer is not bound to have has_more"),
        ("elevenlabs", lambda all_: schema(all_, "Voice")["properties"].update(owner={"type": "string"}), "has owner, which is new"),
        ("elevenlabs", add_to_form, "the form has consent, which is new"),
        ("elevenlabs", lambda all_: all_["paths"]["/v1/history"]["get"]["parameters"][0].update(required=True), "page_size is required now"),
        ("elevenlabs", lambda all_: all_["paths"]["/v1/user"].pop("get"), "GET /v1/user is gone"),
    ],
)
def test_what_a_vendor_publishes_otherwise_is_told(vendor, change, told):
    theirs = as_published(vendor)
    change(theirs)
    found = moved(document(vendor), theirs)
    assert found and all(told in one for one in found), found


def test_a_document_of_the_older_kind_says_the_same_in_other_words():
    theirs = as_published("twilio")
    properties = theirs["components"]["schemas"]["Recording"]["properties"]
    properties["sid"] = {"type": "string", "nullable": True}
    properties["uri"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert moved(document("twilio"), theirs) == []


@pytest.mark.parametrize(
    ("vendor", "method", "path", "query", "headers", "wrong"),
    [
        ("twilio", "GET", f"{ACCOUNT}/Recordings.json", [("DateCreated>", "2026-11-24"), ("PageSize", "1000")], BASIC, None),
        ("twilio", "GET", f"{RECORDING}.json", [], BASIC, None),
        ("twilio", "GET", f"{RECORDING}.wav", [("RequestedChannels", "2")], BASIC, None),
        ("twilio", "GET", f"{ACCOUNT}/Recordings.json", [("DateCreatedAfter", "2026-11-24")], BASIC, "the parameter DateCreatedAfter is not published"),
        ("twilio", "GET", f"{ACCOUNT}/Recordings.json", [("DateCreated>", "yesterday")], BASIC, "the parameter DateCreated>: it is not of pattern"),
        ("twilio", "GET", f"{ACCOUNT}/Recordings.json", [("PageSize", "5000")], BASIC, "the parameter PageSize: it is not of maximum 1000"),
        ("twilio", "GET", f"{RECORDING}.wav", [("RequestedChannels", "3")], BASIC, "the parameter RequestedChannels: it is not of enum"),
        ("twilio", "GET", f"{ACCOUNT}/Recordings/RE1.json", [], BASIC, "the path's Sid: it is not of pattern"),
        ("twilio", "PUT", f"{RECORDING}.json", [], BASIC, "is not published"),
        ("twilio", "GET", f"{RECORDING}.json", [], KEY, "nobody says who asks"),
        ("elevenlabs", "GET", "/v2/voices", [("page_size", "100"), ("search", "x"), ("category", "cloned")], KEY, None),
        ("elevenlabs", "GET", "/v2/voices", [("page_size", "many")], KEY, "the parameter page_size: it is not of type integer"),
        ("elevenlabs", "GET", "/v2/voices", [("category", "clone")], KEY, "the parameter category: it is not of enum"),
        ("elevenlabs", "GET", "/v1/user", [], BASIC, "nobody says who asks"),
        ("elevenlabs", "GET", "/v1/voices", [], KEY, "is not published"),
    ],
)  # fmt: skip
def test_a_request_is_as_published_or_it_is_told_what_is_not(vendor, method, path, query, headers, wrong):
    found = published(vendor).wrong_in_request(method, path, query, headers)
    assert found == [] if wrong is None else len(found) == 1 and wrong in found[0], found


def form(tmp_path, **fields) -> tuple[list, object]:
    request = httpx.Request("POST", "http://localhost/v1/voices/add", headers=KEY, data=fields, files={"files": ("sample.wav", b"RIFF", "audio/wav")})
    file = tmp_path / "body"
    file.write_bytes(request.read())
    return request.headers.multi_items(), file


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "x", "labels": "{}", "description": "y", "remove_background_noise": "false"}, None),
        ({"name": "x", "remove_background_noise": "maybe"}, "remove_background_noise is not of type boolean"),
        ({"labels": "{}"}, "the whole is without name"),
        ({"name": "x", "consent": "yes"}, "the whole has consent, which is not published"),
    ],
)
def test_a_form_is_as_published_or_it_is_told_what_is_not(tmp_path, fields, wrong):
    headers, body = form(tmp_path, **fields)
    found = published("elevenlabs").wrong_in_request("POST", "/v1/voices/add", [], headers, body)
    assert found == [] if wrong is None else len(found) == 1 and wrong in found[0], found


@pytest.mark.parametrize(
    ("path", "kind", "body", "wrong"),
    [
        ("/v1/user/subscription", "application/json", b'{"tier": "x"}', "the whole is without voice_slots_used, voice_limit"),
        ("/v1/voices/x", "application/json", b"{", "the body is no JSON"),
        ("/v1/voices/x", "text/html", b"<html>", "a body that is text/html is not published"),
    ],
)
def test_a_success_that_is_not_as_published_is_told(path, kind, body, wrong):
    [found] = published("elevenlabs").wrong_in_answer("GET", path, 200, kind, body)
    assert wrong in found


def test_what_is_refused_is_nobodys_description():
    assert published("elevenlabs").wrong_in_answer("GET", "/v1/user", 401, "application/json", b"[]") == []


def test_a_stand_in_notes_who_asks_otherwise_than_published_and_never_what_for(where):
    url = where["elevenlabs"]["url"]
    headers = {"xi-api-key": where["elevenlabs"]["api_key"], "User-Agent": "understudy/0"}
    httpx.get(f"{url}/v2/voices", params={"search": "somebody", "sorted": "anything"}, headers=headers).raise_for_status()
    [breach] = httpx.get(f"{url}/_control/breaches").json()["breaches"]
    assert breach == {"agent": "understudy/0", "what": "GET /v2/voices: the parameter sorted is not published"}
    httpx.delete(f"{url}/_control").raise_for_status()
    assert httpx.get(f"{url}/_control/breaches").json()["breaches"] == []
