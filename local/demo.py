"""A call becomes a voice: the printed account, on a stack that is up.

Every step says what was checked and how long it took. Anything else than expected ends it with exit code 1.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from standins.call import recording

from .progress import Progress
from .scenario import Missing, Scenario


def demo(stack_file: Path, progress: Progress) -> int:
    """Returns the exit code."""
    scenario = Scenario.of_file(stack_file)
    try:
        _tell(scenario, progress)
    except Missing as missing:
        progress.say(f"FAILED: {missing}")
        return 1
    finally:
        scenario.close()
    progress.say("A call became a voice, and the voice went when its owner said so.")
    return 0


def _tell(scenario: Scenario, progress: Progress) -> None:
    employee = scenario.organization["employees"][0]["id"]
    audio = recording()

    with progress.step("Twilio has the recording of a call with the employee"):
        recording_sid = scenario.new_recording(scenario.new_call(employee), audio)

    with progress.step("Twilio posts the signed callback → 204"):
        _same("the webhook's status", scenario.callback(recording_sid).status, 204)

    newest, kept = f"recordings/{employee}/{employee}.wav", f"recordings/{employee}/{recording_sid}.wav"
    with progress.step(f"Storage has {newest}, byte for byte what Twilio served"):
        # On a stack that was used before, an older recording may still be there.
        deadline = time.monotonic() + 60
        while (found := scenario.stored(newest)) != audio and time.monotonic() < deadline:
            time.sleep(0.1)
        _same("SHA-256 of the recording", _sha256(found or b""), _sha256(audio))
        _same("the copy under its RecordingSid", _sha256(scenario.stored(kept) or b""), _sha256(audio))
    progress.say(f"  {len(audio):,} bytes, SHA-256 {_sha256(audio)}")

    with progress.step("an admin invites the employee to consent; the employee, who has no account, reads the statement and grants"):
        withdrawal_token = scenario.answer_invitation(scenario.invite(employee), granted=True)["withdrawal_token"]

    with progress.step("the frontend asks for a clone → a voice"):
        answer = scenario.clone(employee)
        _same("employee_id", answer["employee_id"], employee)
        voice = answer["voice_id"]
    progress.say(f"  voice_id {voice}")

    with progress.step("the employee's row has the same id"):
        _same("employees.voice_id", scenario.one("select voice_id from employees where id = %s", employee), voice)

    path = f"deep-fakes/{employee}/{employee}.json"
    with progress.step(f"Storage has {path} with the same id"):
        _metadata(scenario, path, employee, voice)

    with progress.step("asking again gives the same voice, still one at ElevenLabs"):
        _same("voice_id of the second answer", scenario.clone(employee)["voice_id"], voice)
        _same("the employee's voices at ElevenLabs", scenario.vendor_voices(employee), [voice])

    with progress.step("somebody asks whether the voice may be used → yes"):
        allowed = scenario.api("POST", f"/employees/{employee}/voice/authorize", {"purpose": "voice_clone"})
        _same("the voice that may be used", (allowed.status, allowed.json().get("voice_id")), (200, voice))

    with progress.step("the employee withdraws, asking nobody → no voice, at once"):
        _same("the withdrawal", scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=withdrawal_token).status, 200)
        _same("employees.voice_id", scenario.one("select voice_id from employees where id = %s", employee), None)

    with progress.step("every copy is erased, and whoever kept it was asked"):
        erasure = scenario.until(lambda: _erased(scenario, employee), "the end of the erasure")
    for copy in erasure["copies"]:
        progress.say(f"  {copy['state']:<8} {copy['kind']:<17} {copy['reference']}")


def _erased(scenario: Scenario, employee: str) -> dict | None:
    state = scenario.api("GET", f"/employees/{employee}/voice/erasure").json()
    return state["erasure"] if state["status"] == "erased" else None


def _metadata(scenario: Scenario, path: str, employee: str, voice: str) -> None:
    metadata = json.loads(scenario.until(lambda: scenario.stored(path), path))
    expected = {"employee_id": employee, "voice_id": voice, "clone_type": "ivc", "status": "ready"}
    _same("the metadata", {name: metadata.get(name) for name in expected}, expected)
    missing = {"employee_name", "created_at", "source_recording"} - set(metadata)
    if missing:
        raise Missing(f"{path} lacks {', '.join(sorted(missing))}")


def _same(what: str, found, expected) -> None:
    if found != expected:
        raise Missing(f"{what} is {found!r}, expected {expected!r}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
