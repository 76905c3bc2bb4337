"""The paths through the bundle that several tests walk. Each raises `Missing` when it does not lead to its end."""

from __future__ import annotations

import datetime
from local.scenario import Missing, Scenario

from .trial import Trial


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


def withdrawal_erases_the_voice(scenario: Trial, employee: str, audio: bytes) -> None:
    """A call becomes a voice, the consent is withdrawn, and every copy goes."""
    call_becomes_voice(scenario, employee, audio)
    answer = scenario.api("DELETE", f"/employees/{employee}/voice-consent")
    if answer.status != 200:
        raise Missing(f"the withdrawal was answered {answer.status}")
    everything_is_erased(scenario, employee)


def erasure_resolves_an_attempt_of_unknown_fate(scenario: Trial, employee: str, audio: bytes) -> None:
    """ElevenLabs may have a voice that nobody knows the id of: it is looked for before anything is called erased."""
    recording_is_stored(scenario, employee, audio)
    attempt = requested_attempt(scenario, employee)
    scenario.one("select release_clone(%s, (begin_clone(%s, 1) ->> 'lease_id')::uuid, false)", attempt, attempt)
    scenario.database.execute("update voices set lease_until = now() - interval '61 seconds' where id = %s", [attempt])
    # No two attempts may ever have the same voice.
    scenario.make_voices(f"lost{attempt[:4]}", 1, scenario.mark(employee, attempt))
    answer = scenario.api("DELETE", f"/employees/{employee}/voice")
    if answer.status != 200:
        raise Missing(f"the erasure was answered {answer.status}")
    everything_is_erased(scenario, employee)


def sweep_finds_what_no_message_comes_for(scenario: Trial, audio: bytes) -> None:
    """An erasure, an attempt, one of a campaign and a callback whose messages are lost come to their ends."""
    left, waiting, of_campaign = (scenario.new_employee() for _ in range(3))
    for employee in (left, waiting, of_campaign):
        recording_is_stored(scenario, employee, audio)
    long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
    untold = scenario.new_recording(scenario.new_call(scenario.new_employee()), audio, date_created=long_ago.isoformat())
    erasure = scenario.one("select start_erasure(%s, %s)", scenario.user("admin")["id"], left)["erasure_id"]
    attempts = [requested_attempt(scenario, employee) for employee in (waiting, of_campaign)]
    scenario.database.execute("update voices set campaign = true where id = %s", [attempts[1]])
    for table, id in (("voice_erasures", erasure), *(("voices", attempt) for attempt in attempts)):
        scenario.database.execute(f"update {table} set requested_at = now() - interval '7 hours' where id = %s", [id])
    scenario.swept()
    everything_is_erased(scenario, left)
    for employee in (waiting, of_campaign):
        scenario.until(lambda: scenario.voice(employee).json()["status"] == "ready", "the voice of the attempt")
    stored = lambda: scenario.one("select exists (select from recordings where recording_sid = %s)", untold)
    scenario.until(stored, "the recording whose callback never came")


def requested_attempt(scenario: Scenario, employee: str) -> str:
    """Consent → an attempt that no message is on its way for."""
    scenario.consent(employee)
    return scenario.request_clone(employee)["attempt_id"]


def everything_is_erased(scenario: Trial, employee: str) -> None:
    """The bundle comes to say so, and neither ElevenLabs nor Storage has anything."""
    erased = lambda: scenario.api("GET", f"/employees/{employee}/voice/erasure").json().get("status") == "erased"
    scenario.until(erased, "the end of the erasure")
    if scenario.vendor_voices(employee) or scenario.stored(f"recordings/{employee}/{employee}.wav"):
        raise Missing("it is called erased, and is not")


def garbage_becomes_a_dead_letter(scenario: Scenario, queue: str) -> None:
    """A message that is not one of ours fails as often as its queue allows, at once each time, and is kept."""
    dead_letters = f"{queue}_dead_letters"
    before = scenario.messages(dead_letters)
    scenario.aws("sqs").send_message(QueueUrl=scenario.stack["aws"]["queues"][queue], MessageBody='{"neither":"nor"}')
    scenario.until(lambda: scenario.messages(dead_letters) > before, "the dead letter")
