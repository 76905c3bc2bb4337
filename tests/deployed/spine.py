"""The paths through the bundle that several tests walk. Each raises `Missing` when it does not lead to its end."""

from __future__ import annotations

from local.scenario import Missing, Scenario


def recording_is_stored(scenario: Scenario, employee: str, audio: bytes) -> tuple[str, str]:
    """Callback → recording in Storage. Returns CallSid and RecordingSid."""
    call_sid = scenario.new_call(employee)
    recording_sid = scenario.new_recording(call_sid, audio)
    answer = scenario.callback(recording_sid)
    if answer.status != 204:
        raise Missing(f"the callback was answered {answer.status}")
    scenario.until(lambda: scenario.stored(f"recordings/{employee}/{employee}.wav"), "the stored recording")
    return call_sid, recording_sid


def call_becomes_voice(scenario: Scenario, employee: str, audio: bytes, headers: dict | None = None) -> str:
    """Callback → recording → consent → voice. `headers` go with the request for the clone. Returns the vendor's voice id."""
    recording_is_stored(scenario, employee, audio)
    if scenario.consent(employee)["outcome"] != "granted":
        raise Missing("the consent was not granted")
    return scenario.clone(employee, headers)["voice_id"]


def garbage_becomes_a_dead_letter(scenario: Scenario, queue: str) -> None:
    """A message that is not one of ours fails eight times, at once each time, and is kept."""
    dead_letters = f"{queue}_dead_letters"
    before = scenario.messages(dead_letters)
    scenario.aws("sqs").send_message(QueueUrl=scenario.stack["aws"]["queues"][queue], MessageBody='{"neither":"nor"}')
    scenario.until(lambda: scenario.messages(dead_letters) > before, "the dead letter")
