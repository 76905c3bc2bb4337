"""A phone call becomes a voice, on the deployed bundle."""

from __future__ import annotations

import io
import json
import wave

import pytest

from local.scenario import Missing
from standins.call import recording

from .spine import call_becomes_voice, garbage_becomes_a_dead_letter, recording_is_stored


def test_a_phone_call_becomes_a_voice(scenario):
    employee = scenario.new_employee()
    audio = recording()
    voice = call_becomes_voice(scenario, employee, audio)

    assert scenario.stored(f"recordings/{employee}/{employee}.wav") == audio
    assert scenario.one("select voice_id from employees where id = %s", employee) == voice
    metadata = json.loads(scenario.until(lambda: scenario.stored(f"deep-fakes/{employee}/{employee}.json"), "the metadata"))
    assert metadata["voice_id"] == voice
    assert metadata["employee_id"] == employee
    assert metadata["clone_type"] == "ivc"
    assert {"employee_name", "created_at", "status", "source_recording"} <= set(metadata)

    assert scenario.clone(employee)["voice_id"] == voice
    assert scenario.vendor_voices(employee) == [voice]


def test_the_call_row_names_the_stored_recording(scenario):
    employee = scenario.new_employee()
    audio = recording()
    call_sid, recording_sid = recording_is_stored(scenario, employee, audio)
    url, seconds = scenario.until(
        lambda: scenario.row("select recording_url, duration_seconds from calls where twilio_call_sid = %s and recording_url is not null", call_sid),
        "the recording on the call's row",
    )
    assert url == f"recordings/{employee}/{recording_sid}.wav"
    assert abs(seconds - seconds_of(audio)) <= 1


@pytest.mark.parametrize("queue", ["recording", "clone", "campaign", "erasure"])
def test_a_message_that_will_never_be_right_ends_in_the_dead_letters(scenario, queue):
    garbage_becomes_a_dead_letter(scenario, queue)
    scenario.until(lambda: scenario.messages(queue) == 0, "the empty queue")


def test_a_callback_with_a_wrong_signature_reaches_nobody(scenario):
    recording_sid = scenario.new_recording(scenario.new_call(scenario.new_employee()), recording())
    for wishes in ({"signature": None}, {"signature": "bm90IG91cnM="}, {"auth_token": "0" * 32}, {"parameters": {"AccountSid": "AC" + "0" * 32}}):
        assert scenario.callback(recording_sid, wishes).status == 403, wishes
    assert scenario.messages("recording") == 0
    for vendor in ("twilio", "supabase", "elevenlabs"):
        assert scenario.journal(vendor) == []


def test_browsers_may_ask_from_the_allowed_origin_only(scenario, stack):
    url = f"{stack['api_url']}/api/employees/{scenario.new_employee()}/clone-voice"

    def preflight(origin: str) -> str | None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,prefer"}
        return scenario.request("OPTIONS", url, None, headers).headers.get("Access-Control-Allow-Origin")

    assert preflight(stack["allowed_origin"]) == stack["allowed_origin"]
    assert preflight("https://elsewhere.example") is None


def test_a_browser_may_send_every_method_and_a_consent_token(scenario, stack):
    for method in ("GET", "POST", "PUT", "DELETE"):
        headers = {"Origin": stack["allowed_origin"], "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "consent-token"}
        answer = scenario.request("OPTIONS", f"{stack['api_url']}/api/voice-consent/withdrawal", None, headers).headers
        assert method in answer["Access-Control-Allow-Methods"].split(",")
        assert "consent-token" in answer["Access-Control-Allow-Headers"].split(",")


def test_waiting_ends_with_a_reason_when_something_never_happens(scenario):
    with pytest.raises(Missing, match="the moon did not appear"):
        scenario.until(lambda: None, "the moon", patience=0)


def seconds_of(audio: bytes) -> float:
    with wave.open(io.BytesIO(audio)) as wav:
        return wav.getnframes() / wav.getframerate()
