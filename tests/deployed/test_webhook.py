"""The webhook, signed by Twilio's own library: what it takes, what it refuses, and that a refusal reaches nobody."""

from __future__ import annotations

import secrets
import urllib.parse

import pytest
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from .test_least_privilege import without

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def webhook(scenario):
    return Webhook(scenario)


class Webhook:
    """Posts what Twilio might post."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.twilio = scenario.stack["twilio"]
        call_sid = scenario.new_call(scenario.new_employee())
        self.fields = {
            "AccountSid": self.twilio["account_sid"], "CallSid": call_sid,
            "RecordingSid": scenario.new_recording(call_sid, silence_bytes=100), "RecordingStatus": "completed",
        }

    def sign(self, fields: dict, query: str = "", port: str = "") -> str:
        fields = MultiDict((name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value]))
        url = f"{self.scenario.stack['public_base_url']}{port}/twilio/recording{query}"
        return RequestValidator(self.twilio["auth_token"]).compute_signature(url, fields)

    def post(self, fields, query: str = "", signature: str | None = None, body: bytes | None = None, content_type: str = FORM):
        signature = self.sign(fields, query) if signature is None else signature
        body = urllib.parse.urlencode(fields, doseq=True).encode() if body is None else body
        url = f"{self.scenario.stack['api_url']}/twilio/recording{query}"
        return self.scenario.request("POST", url, body, {"Content-Type": content_type, "X-Twilio-Signature": signature})

    def arrives(self, answer) -> bool:
        """True if a callback is accepted; its recording must then end up where it belongs."""
        stored = "select count(*) = 1 from recordings where recording_sid = %s"
        self.scenario.until(lambda: self.scenario.one(stored, self.fields["RecordingSid"]), "the recording")
        self.scenario.until(lambda: self.scenario.messages("recording") == 0, "the empty queue")
        return answer.status == 204

    def reached(self) -> list:
        """Everything that heard of it: queue, vendors, database."""
        journals = [entry for vendor in ("twilio", "supabase", "elevenlabs") for entry in self.scenario.journal(vendor)]
        return journals + ["a message"] * (self.scenario.messages("recording") + self.scenario.messages("recording_dead_letters"))


def problem(answer) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status
    return answer.status, answer.json()["code"]


@pytest.mark.parametrize("more, query", [
    ({}, ""),
    ({"Blank": "", "B": "x", "a": "y"}, ""),
    ({"Name": "Zoë Ångström ☎", "Plus": "+15551234567 & more=less"}, ""),
    ({"Digits": ["5678", "1234", "1234"]}, ""),
    ({}, "?employee=7&x=%2Fa%20b&empty="),
    ({"NewParameterOfTwilio": "x" * 2000}, "?a=1&a=2"),
])
def test_what_twilio_signs_is_accepted(webhook, more, query):
    assert webhook.arrives(webhook.post(webhook.fields | more, query))


@pytest.mark.parametrize("port", [":443", ""])
def test_the_signature_may_be_over_the_url_with_or_without_its_port(webhook, port):
    assert webhook.arrives(webhook.post(webhook.fields, signature=webhook.sign(webhook.fields, port=port)))


def test_a_recording_that_is_not_completed_is_acknowledged_and_not_queued(webhook):
    for status in ("absent", "in-progress", "failed", "something-new"):
        assert webhook.post(webhook.fields | {"RecordingStatus": status}).status == 204
    assert webhook.reached() == []


def test_a_signed_request_that_lacks_a_field_is_a_400_and_reaches_nobody(webhook):
    for name in webhook.fields:
        rest = {key: value for key, value in webhook.fields.items() if key != name}
        assert problem(webhook.post(rest)) == (400, "callback_incomplete"), name
    malformed = webhook.fields | {"RecordingSid": "RE../../../../etc/passwd"}
    assert problem(webhook.post(malformed)) == (400, "callback_incomplete")
    assert webhook.reached() == []


def test_a_forged_request_is_a_403_and_reaches_nobody(webhook):
    genuine = webhook.sign(webhook.fields)
    fields = urllib.parse.urlencode(webhook.fields).encode()
    forged = [
        webhook.post(webhook.fields, signature="AAAA"),
        webhook.post(webhook.fields | {"Extra": "1"}, signature=genuine),
        webhook.post(webhook.fields, query="?x=1", signature=genuine),
        webhook.post(webhook.fields, signature=genuine, body=fields.replace(b"completed", b"completee")),
        webhook.post(webhook.fields, signature=webhook.sign({}), body=fields, content_type="text/plain"),
    ]
    for answer in forged:
        assert problem(answer) == (403, "signature_invalid")
    url = f"{webhook.scenario.stack['api_url']}/twilio/recording"
    assert problem(webhook.scenario.request("POST", url, fields, {"Content-Type": FORM})) == (403, "signature_missing")
    assert webhook.reached() == []


def test_the_host_header_is_not_trusted_for_the_signed_url(webhook):
    elsewhere = RequestValidator(webhook.twilio["auth_token"]).compute_signature(
        f"{webhook.scenario.stack['api_url']}/twilio/recording", webhook.fields)
    assert problem(webhook.post(webhook.fields, signature=elsewhere)) == (403, "signature_invalid")


def test_another_account_is_a_403_and_reaches_nobody(webhook):
    fields = webhook.fields | {"AccountSid": f"AC{secrets.token_hex(16)}"}
    assert problem(webhook.post(fields)) == (403, "account_mismatch")
    assert webhook.reached() == []


def test_an_oversized_body_is_a_413_even_if_it_is_signed(webhook):
    assert problem(webhook.post(webhook.fields | {"Padding": "x" * 70_000})) == (413, "payload_too_large")
    assert webhook.reached() == []


def test_other_methods_and_paths_are_problem_documents(webhook):
    api = webhook.scenario.stack["api_url"]
    answer = webhook.scenario.request("GET", f"{api}/twilio/recording")
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"
    for path in ("/", "/twilio", "/twilio/recording/x", "/api/employees"):
        assert problem(webhook.scenario.request("POST", f"{api}{path}", b"")) == (404, "route_not_found"), path


def test_a_queue_out_of_reach_is_a_503_so_that_twilio_tries_again(webhook):
    with without(webhook.scenario, "RecordingWebhookRole", "SendRecording"):
        answer = webhook.post(webhook.fields)
    assert problem(answer) == (503, "unavailable")
    assert "sqs" not in answer.body.decode().lower()
    assert webhook.arrives(webhook.post(webhook.fields))
