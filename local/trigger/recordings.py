"""Stories of callbacks and recordings."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from standins.call import recording as call_audio
from standins.wav import header

from .stage import Stage


def recorded(stage: Stage, audio: bytes | None = None) -> str:
    """A call with the employee whose recording is stored. Its RecordingSid."""
    sid = _new_recording(stage, audio or call_audio())
    _calls_back(stage, sid)
    _becomes_stored(stage, sid)
    return sid


def _new_recording(stage: Stage, audio: bytes, **settings) -> str:
    return stage.scenario.new_recording(stage.scenario.new_call(stage.employee), audio, **settings)


def _calls_back(stage: Stage, sid: str) -> None:
    stage.same("the callback's status", stage.scenario.callback(sid).status, 204)
    stage.tell(f"Twilio calls back: the recording {sid} is complete → 204")


def _becomes_stored(stage: Stage, sid: str) -> None:
    query = "select exists (select from recordings where recording_sid = %s)"
    stage.scenario.until(lambda: stage.scenario.one(query, sid), "the stored recording")
    stage.scenario.until(stage.newest, "the newest recording")
    stage.tell(f"it is stored: recordings/{stage.employee}/{sid}.wav")


def _silence(seconds: int) -> bytes:
    data = bytes(8000 * 2 * 2 * seconds)
    return header(2, len(data)) + data


def recording(stage: Stage) -> None:
    """Twilio says that a recording is complete; it is fetched and stored, byte for byte"""
    audio = call_audio()
    recorded(stage, audio)
    stage.same("the stored bytes are Twilio's", stage.newest() == audio, True)


def duplicate(stage: Stage) -> None:
    """the same callback comes three times; the recording is stored once"""
    sid = recorded(stage)
    for _ in range(2):
        _calls_back(stage, sid)
    stage.scenario.until(lambda: stage.scenario.messages("recording") == 0, "the empty queue")
    stage.same("rows of the recording", stage.scenario.one("select count(*) from recordings where recording_sid = %s", sid), 1)
    stage.same("downloads of its audio", len(stage.asked("twilio", path=rf"{sid}\.wav$")), 1)
    stage.tell("it is there once, and its audio was fetched once")


def out_of_order(stage: Stage) -> None:
    """the callback of an older recording comes after that of a newer one; the newest stays the newest"""
    now = datetime.now(timezone.utc)
    older, newer = _silence(2), _silence(3)
    first = _new_recording(stage, older, start_time=(now - timedelta(hours=1)).isoformat())
    second = _new_recording(stage, newer, start_time=now.isoformat())
    for sid in (second, first):
        _calls_back(stage, sid)
        _becomes_stored(stage, sid)
    stage.scenario.until(lambda: stage.scenario.messages("recording") == 0, "the empty queue")
    stage.same("the newest recording is the newer one", stage.newest() == newer, True)
    stage.tell(f"recordings/{stage.employee}/{stage.employee}.wav is {second}, although {first} came last")


def early(stage: Stage) -> None:
    """the callback is faster than the application, which enters the call into the database afterwards; nothing is lost (takes about 10 s)"""
    sid = stage.scenario.new_recording(call_sid := f"CA{stage.employee.replace('-', '')}", call_audio())
    _calls_back(stage, sid)
    # The message has been received, and was put back.
    stage.scenario.until(lambda: bool(stage.asked("supabase", path="/rpc/recording_target$")), "the first try")
    stage.tell("the database knows no such call yet, so the message waits")
    organization = stage.scenario.organization["id"]
    query = "insert into calls (org_id, employee_id, twilio_call_sid, status) values (%s, %s, %s, 'completed')"
    stage.scenario.database.execute(query, [organization, stage.employee, call_sid])
    stage.tell("the application enters the call")
    _becomes_stored(stage, sid)


def forged(stage: Stage) -> None:
    """a callback has a wrong signature, or none; it is refused, and nobody hears of it (rings CallbacksRefusedAlarm)"""
    sid = _new_recording(stage, call_audio())
    for what, wishes in {"no signature": {"signature": None}, "somebody else's": {"auth_token": "0" * 32}, "another account's": {"parameters": {"AccountSid": "AC" + "0" * 32}}}.items():
        answer = stage.scenario.callback(sid, wishes)
        stage.same(f"a callback with {what}", answer.status, 403)
        stage.tell(f"a callback with {what} → 403 {answer.json()['code']}")
    stage.same("rows of the recording", stage.scenario.one("select count(*) from recordings where recording_sid = %s", sid), 0)
    stage.same("downloads of its audio", stage.asked("twilio", path=sid), [])


def missed_callback(stage: Stage) -> None:
    """Twilio never calls back; the sweep finds the recording in Twilio's list and has it fetched"""
    long_ago = (datetime.now(timezone.utc) - timedelta(minutes=20)).isoformat()
    sid = _new_recording(stage, call_audio(), date_created=long_ago)
    stage.tell(f"Twilio has the recording {sid}, and says nothing")
    answer = stage.scenario.aws("lambda").invoke(FunctionName=stage.scenario.stack["aws"]["functions"]["voice-sweeper"], Payload=b"{}")
    stage.same("the sweep's error", answer.get("FunctionError"), None)
    stage.tell("the sweep runs")
    _becomes_stored(stage, sid)


def vendor_down(stage: Stage) -> None:
    """Twilio answers 503 when the audio is fetched; the message waits, and the next try stores it (takes about 10 s)"""
    sid = _new_recording(stage, call_audio())
    is_down = stage.fault("twilio", path=rf"{sid}\.wav$", status=503)
    _calls_back(stage, sid)
    stage.scenario.until(is_down, "the first try")
    stage.tell("Twilio is down: nothing is stored, and the message stays in the queue")
    _becomes_stored(stage, sid)
    stage.same("tries to fetch the audio", len(stage.asked("twilio", path=rf"{sid}\.wav$")), 2)


STORIES = {
    "recording": recording, "duplicate": duplicate, "out-of-order": out_of_order, "early": early, "forged": forged,
    "missed-callback": missed_callback, "vendor-down": vendor_down,
}  # fmt: skip
