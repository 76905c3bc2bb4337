"""Every request of a stranger comes to an answer: there is no 5xx and no panic, and nobody is reached who need not be.

Inputs are made by hypothesis, the same ones in each run; `BAD_INPUT=20` tries twenty times as many, others in each run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import urllib.parse
import uuid
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from local.runtime_api import RuntimeApi

from .people import grant_body

MORE = int(os.environ.get("BAD_INPUT", "1"))
HTTP_FUNCTIONS = ("recording-webhook", "clone-voice", "voice-consent")
VENDORS = ("twilio", "supabase", "elevenlabs")
FORM = "application/x-www-form-urlencoded"
# The statement is public, and whether somebody's token is one is known to the database alone.
ASKED_FOR_ANYBODY = [f"POST /rest/v1/rpc/{name}" for name in (
    "current_consent_statement", "read_invitation", "answer_invitation", "read_withdrawal", "withdraw_with_token",
)]  # fmt: skip
SID = re.compile(r"[0-9a-fA-F]{32}")


def tries(number: int):
    """Settings of a property that is tried so often."""
    return settings(
        max_examples=number * MORE, derandomize=MORE == 1, database=None, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip


# -- what there is to say ----------------------------------------------------------------------------------------------

EMPLOYEE = "11111111-1111-4111-8111-111111111111"
PATHS = [
    "/twilio/recording", "/api/voice-clones", "/api/voice-consent-statement", "/api/voice-consent/invitation",
    "/api/voice-consent/withdrawal", "/api/audit",
    *(f"/api/employees/{EMPLOYEE}/{rest}" for rest in (
        "clone-voice", "voice", "voice/authorize", "voice/erasure", "voice-consent/evidence", "voice-consent", "voice-consent/invitation",
    )),
]  # fmt: skip
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"])
# Texts for any part of an HTTP message: those of any script, and those that mean something to a parser.
ODD = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="\0\r\n\t \"'<>[]{}|\\^`%#?&=+:;,@/.~\u00e9\ufffd\u202e\U0001f399", max_size=12),
    st.sampled_from(["%", "%zz", "%00", "%ff%fe", "[", "[::1", "a:b", "..", "x" * 9000, "null", "-1", "9" * 40, "\ufeff"]),
)
# A header as it may arrive over HTTP/1.1.
HEADER = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc", "Zs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD, lambda some: st.lists(some, max_size=4) | st.dictionaries(ODD, some, max_size=4),
    max_leaves=6,
)  # fmt: skip


@st.composite
def events(draw) -> dict:
    """Events that API Gateway may hand to a function (payload format 2.0), and some that it hardly would."""
    headers = draw(st.dictionaries(st.sampled_from(["host", "x-forwarded-proto", "content-type", "authorization", "x-twilio-signature",
                                                    "consent-token", "prefer", "cookie", "user-agent"]) | ODD, ODD, max_size=5))  # fmt: skip
    method = draw(METHODS | st.sampled_from(["HEAD", "OPTIONS", "get", "", "G T", "PROPFIND"]))
    path = draw(st.sampled_from(PATHS) | ODD)
    event = {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": draw(ODD), "headers": headers,
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "isBase64Encoded": draw(st.booleans()),
    }  # fmt: skip
    if (body := draw(st.none() | ODD | st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode()))) is not None:
        event["body"] = body
    return event


@st.composite
def written(draw, fields: list[tuple[str, str]]) -> str:
    """A form that says `fields`, in one of the many ways to write it."""

    def one(text: str) -> str:
        if draw(st.booleans()):
            return urllib.parse.quote_plus(text)
        # Whoever reads bytes that are no UTF-8 reads this character.
        quoted = "".join(f"%{byte:02X}" for byte in text.encode().replace("\ufffd".encode(), b"\xff"))
        return quoted.lower() if draw(st.booleans()) else quoted

    return "&".join(f"{one(name)}={one(value)}" for name, value in fields)


# -- what must not happen ----------------------------------------------------------------------------------------------


@pytest.fixture
def unharmed(scenario):
    """No function panics and none of its invocations fails, however the test ends."""
    since = int(scenario.one("select extract(epoch from now()) * 1000"))
    yield scenario
    for function in HTTP_FUNCTIONS:
        assert "panicked" not in scenario.logs(function, since), function


def refused(answer: dict) -> None:
    assert 400 <= answer["statusCode"] < 500, answer
    assert answer["headers"]["content-type"] == "application/problem+json", answer


def reached(scenario) -> list[str]:
    """The requests to the vendors, but for Supabase's signing keys: those are read to find out who asks."""
    journals = [entry for vendor in VENDORS for entry in scenario.journal(vendor)]
    return [f"{entry['method']} {entry['path']}" for entry in journals if not entry["path"].endswith("/jwks.json")]


def queued(scenario) -> int:
    return sum(scenario.messages(queue) for queue in scenario.stack["aws"]["queues"])


# -- the functions by themselves ---------------------------------------------------------------------------------------


@pytest.fixture
def functions(scenario):
    """One process of each function behind the API, warm."""
    with ExitStack() as processes:
        bootstraps = scenario.stack["aws"]["bootstraps"]
        started = {name: processes.enter_context(RuntimeApi(bootstraps[name], scenario.environment(name))) for name in HTTP_FUNCTIONS}
        yield started
        for function in started.values():
            assert "panicked" not in function.output()


def test_every_event_comes_to_an_answer_and_none_without_proof_reaches_anybody(scenario, functions):
    @tries(800)
    @given(st.sampled_from(HTTP_FUNCTIONS), events())
    def check(name, event):
        answer = functions[name].invoke(event)
        # The statement is anybody's to read.
        if not event["rawPath"].endswith("/api/voice-consent-statement"):
            refused(answer)
        assert answer["statusCode"] < 500, answer

    check()
    assert [request for request in reached(scenario) if request not in ASKED_FOR_ANYBODY] == []
    assert queued(scenario) == 0


# -- Twilio's callbacks ------------------------------------------------------------------------------------------------


class Callbacks:
    """Callbacks about one recording, signed by Twilio's own library, and what has to come of each."""

    def __init__(self, scenario, function: RuntimeApi):
        self._scenario, self._function = scenario, function
        twilio = scenario.stack["twilio"]
        self._validator = RequestValidator(twilio["auth_token"])
        call_sid = scenario.new_call(scenario.new_employee())
        self.fields = {
            "AccountSid": twilio["account_sid"], "CallSid": call_sid,
            "RecordingSid": scenario.new_recording(call_sid, silence_bytes=100), "RecordingStatus": "completed",
        }  # fmt: skip

    def answered(self, body: str, fields: list, query: str, content_type: str, is_base64: bool, signed: bool = True) -> int:
        """The status of the answer to a form with these fields, written as `body`."""
        if not content_type.lower().startswith(FORM):
            query = f"{query}{'&' if query else ''}bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
            fields = []
        url = f"{self._scenario.stack['public_base_url']}/twilio/recording{'?' if query else ''}{query}"
        signature = self._validator.compute_signature(url, MultiDict(fields))
        answer = self._function.invoke({
            "version": "2.0", "rawPath": "/twilio/recording", "rawQueryString": query,
            "headers": {"content-type": content_type, "x-twilio-signature": signature if signed else signature[::-1]},
            "requestContext": {"http": {"method": "POST"}}, "isBase64Encoded": is_base64,
            "body": base64.b64encode(body.encode()).decode() if is_base64 else body,
        })  # fmt: skip
        return answer["statusCode"]

    def due(self, fields: list) -> int:
        """The status by the rules: each field once or saying the same, the SIDs well-formed, the account ours."""
        said = {name: {value for field, value in fields if field == name} for name in self.fields}
        if any(len(values) != 1 or "" in values for values in said.values()):
            return 400
        (account,), (call,), (recording,), _ = said.values()
        if not all(sid[:2] == kind and SID.fullmatch(sid[2:]) for sid, kind in ((call, "CA"), (recording, "RE"))):
            return 400
        return 204 if account == self.fields["AccountSid"] else 403


@pytest.fixture
def callbacks(scenario, functions):
    return Callbacks(scenario, functions["recording-webhook"])


def test_a_signed_form_is_taken_for_what_its_fields_say_however_it_is_written(scenario, callbacks):
    ours = list(callbacks.fields.items())
    changes = st.lists(st.tuples(st.sampled_from([*callbacks.fields, "RecordingUrl", "a"]) | ODD, ODD | st.just("completed")), max_size=2)
    more = st.lists(st.sampled_from(ours), max_size=3)
    statuses = []

    @tries(400)
    @given(st.data(), more, changes, st.sets(st.sampled_from(list(callbacks.fields)), max_size=1), ODD | st.just(""), st.booleans())
    def check(data, repeated, changed, left_out, query, is_base64):
        kept = [(name, value) for name, value in ours + repeated if name not in left_out]
        fields = data.draw(st.permutations(kept + changed))
        body = data.draw(written(fields))
        content_type = data.draw(st.sampled_from([FORM, FORM.upper(), f"{FORM}; charset=UTF-8", "text/plain", "application/json", ""]))
        status = callbacks.answered(body, fields, query, content_type, is_base64)
        assert status == callbacks.due(fields), fields
        statuses.append(status)
        assert callbacks.answered(body, fields, query, content_type, is_base64, signed=False) == 403

    check()
    assert {204, 400} <= set(statuses), "both are tried"
    # However often and however it was told: it is one recording.
    scenario.until(lambda: scenario.messages("recording") == 0, "the empty queue")
    stored = "select count(*) from recordings where recording_sid = %s"
    assert scenario.one(stored, callbacks.fields["RecordingSid"]) == 1
    assert scenario.messages("recording_dead_letters") == 0


# -- the deployed API --------------------------------------------------------------------------------------------------

QUERY = st.dictionaries(st.sampled_from(["locale", "replace", "before", "limit", "employee_id"]) | ODD, ODD, max_size=3).map(urllib.parse.urlencode)


def ask(scenario, method: str, path: str, query: str, body: bytes | None, headers: dict) -> int:
    """The status of the API's answer, which has been held against openapi.yaml."""
    given_headers = {name: value for name, value in headers.items() if value}
    return scenario.request(method, f"{scenario.stack['api_url']}{path}{'?' if query else ''}{query}", body, given_headers).status


def test_who_proves_nothing_is_refused_and_nobody_hears_of_it(unharmed):
    @tries(100)
    @given(METHODS, st.sampled_from(PATHS), QUERY, st.none() | st.binary(max_size=200), HEADER, HEADER)
    def check(method, path, query, body, token, content_type):
        if path.endswith("statement"):
            return
        headers = {"Authorization": f"Bearer {token}", "X-Twilio-Signature": token, "Content-Type": content_type, "Prefer": content_type}
        assert 400 <= ask(unharmed, method, path, query, body, headers) < 500

    check()
    assert reached(unharmed) == []
    assert queued(unharmed) == 0


def test_who_is_signed_in_gets_a_described_answer_whatever_they_ask(unharmed):
    bodies = [
        {"employee_ids": [str(uuid.uuid4())], "replace": False}, {"granted": True}, {"purpose": "voice_clone"}, grant_body(unharmed),
        {"locale": "en", "purposes": ["voice_clone"], "consent_expires_at": "2027-01-01T00:00:00Z", "valid_days": 3},
    ]  # fmt: skip
    users = [unharmed.user("admin"), unharmed.user("member"), unharmed.user("admin", unharmed.other_organization)]
    ids = st.sampled_from([unharmed.new_employee(), EMPLOYEE]) | st.text(min_size=1, max_size=20).map(lambda text: urllib.parse.quote(text, safe=""))

    @st.composite
    def body(draw) -> bytes | None:
        whole = dict(draw(st.sampled_from(bodies)))
        whole |= draw(st.dictionaries(st.sampled_from(list(whole)) | ODD, JSON, max_size=2))
        return draw(st.none() | st.binary(max_size=60) | st.just(_json(whole)))

    @tries(150)
    @example("PUT", PATHS[-2], "", _json(grant_body(unharmed) | {"statement_version": "a\0b"}), EMPLOYEE, users[0], "")
    @example("GET", "/api/voice-consent-statement", "locale=%00", None, EMPLOYEE, users[0], "")
    @example("GET", f"/api/employees/{EMPLOYEE}/voice", "", b"x" * 70_000, EMPLOYEE, users[0], "")
    @given(METHODS, st.sampled_from(PATHS[1:]), QUERY, body(), ids, st.sampled_from(users), HEADER)
    def check(method, path, query, body, employee, user, header):
        headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json", "Prefer": header, "Consent-Token": header}
        assert ask(unharmed, method, path.replace(EMPLOYEE, employee), query, body, headers) < 500

    check()
    assert unharmed.journal("elevenlabs", method="POST", path="/v1/voices/add") == []


def _json(value) -> bytes:
    # Lone NaN and Infinity included: Python writes them, and JSON has none.
    return json.dumps(value).encode()
