"""The outcomes of the events in events/, whoever runs the function: the table in `local.events`, asserted."""

from __future__ import annotations

import base64
import json
import urllib.parse

REFUSALS = {"recording-webhook": (403, "signature_invalid"), "clone-voice": (401, "token_invalid"), "voice": (401, "token_invalid"), "voice-consent": (401, "token_invalid")}
FINDINGS = {
    "erasures_started", "attempts_queued", "attempts_timed_out", "erasures_queued", "recordings_queued", "recordings_fetched_again",
    "writes_settled", "purged", "voices_deleted", "voices_missing",
}


def assert_refused(name: str, answer: dict) -> None:
    if name in REFUSALS:
        status, code = REFUSALS[name]
        assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (status, code), answer
    elif name == "voice-sweeper":
        assert set(answer) == FINDINGS, answer  # a schedule cannot be refused
    else:
        assert len(answer["batchItemFailures"]) == 1, answer


def assert_done(scenario, name: str, event: dict, answer: dict) -> None:
    if name == "recording-webhook":
        assert answer["statusCode"] == 204, answer
        fields = urllib.parse.parse_qs(base64.b64decode(event["body"]).decode())
        scenario.until(lambda: recording_is_stored(scenario, fields["RecordingSid"][0]), "the stored recording")
    elif name == "voice-sweeper":
        assert set(answer) == FINDINGS, answer
    elif name == "voice-consent":
        assert answer["statusCode"] == 200 and json.loads(answer["body"])["status"] == "none", answer
    elif name == "voice-erasure":
        assert answer == {"batchItemFailures": []}, answer
    elif name in ("recording-ingest", "clone-worker"):
        assert answer == {"batchItemFailures": []}, answer
        message = json.loads(event["Records"][0]["body"])
        assert recording_is_stored(scenario, message["recording_sid"]) if name == "recording-ingest" else attempt_is_ready(scenario, message["attempt_id"])
    else:
        body = json.loads(answer["body"])
        assert answer["statusCode"] == 200 and body["employee_id"] == event["pathParameters"]["employee_id"], answer
        expected = "ready" if name == "clone-voice" else "none"
        assert body["status"] == expected and bool(body["voice_id"]) == (expected == "ready"), body


def recording_is_stored(scenario, recording_sid: str) -> bool:
    return scenario.one("select exists (select from recordings where recording_sid = %s)", recording_sid)


def attempt_is_ready(scenario, attempt_id: str) -> bool:
    return scenario.one("select state = 'ready' from voices where id = %s", attempt_id)
