"""Stories of consent, of voices, and of their end."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from .recordings import recorded
from .stage import Stage

ADD = "^/v1/voices/add$"
# As if the time were over in which ElevenLabs may still be making the voice.
WAIT_IS_OVER = """
update voices set lease_until = clock_timestamp() - understudy.lease_grace() - interval '1 second'
where employee_id = %s and state = 'unknown' and lease_id is null returning id::text
"""


def _consented(stage: Stage) -> str:
    """The employee has a stored recording and has granted. Their token to withdraw."""
    recorded(stage)
    token = stage.scenario.answer_invitation(stage.scenario.invite(stage.employee), granted=True)["withdrawal_token"]
    stage.tell("an admin invites the employee, who reads the statement and grants")
    return token


def _cloned(stage: Stage) -> str:
    voice = stage.scenario.clone(stage.employee)["voice_id"]
    stage.tell(f"the frontend asks for a clone → voice {voice}")
    return voice


def _asks_without_waiting(stage: Stage) -> None:
    stage.same("the request's status", stage.scenario.ask_for_clone(stage.employee, headers={"Prefer": "respond-async"}).status, 202)
    stage.tell("the frontend asks for a clone → 202")


def _sent(stage: Stage) -> int:
    return stage.scenario.one("select coalesce(sum(uploads + turned_away), 0)::int from voices where employee_id = %s", stage.employee)


def _withdraws(stage: Stage, token: str) -> None:
    stage.same("the withdrawal", stage.scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=token).status, 200)
    stage.same("the employee's voice", stage.voice(), None)
    stage.tell("the employee withdraws, asking nobody → no voice, at once")


def _nothing_is_left(stage: Stage) -> None:
    stage.scenario.until(stage.is_erased, "the end of the erasure")
    stage.same("voices at ElevenLabs", stage.scenario.vendor_voices(stage.employee), [])
    stage.same("the newest recording", stage.newest(), None)
    stage.tell("every copy is erased: whoever kept one was asked")


def _one_voice(stage: Stage) -> None:
    voice = stage.scenario.until(stage.voice, "the voice")
    stage.same("voices at ElevenLabs", stage.scenario.vendor_voices(stage.employee), [voice])
    stage.tell(f"the employee has the voice {voice}, the only one at ElevenLabs")


def clone(stage: Stage) -> None:
    """a call becomes a voice"""
    _consented(stage)
    _cloned(stage)
    _one_voice(stage)


def lost_answer(stage: Stage) -> None:
    """ElevenLabs makes the voice and its answer is lost; the voice is found again, and no second one is made"""
    _consented(stage)
    is_lost = stage.fault("elevenlabs", path=ADD, do_work=True, reset=True)
    _asks_without_waiting(stage)
    query = "select id::text from voices where employee_id = %s and state = 'unknown' and lease_id is null"
    stage.scenario.until(lambda: is_lost() and stage.scenario.row(query, stage.employee), "the lost answer")
    stage.tell("ElevenLabs has made a voice and the connection is reset: nobody knows its id")
    attempt = stage.scenario.one(WAIT_IS_OVER, stage.employee)
    stage.tell("the five minutes in which it might still be at work are over (we set the clock of the attempt)")
    stage.send("clone", {"attempt_id": attempt})
    _one_voice(stage)
    stage.same("how often the sample was sent", _sent(stage), 1)


def busy_vendor(stage: Stage) -> None:
    """ElevenLabs is busy (429); the attempt waits, and the next try makes the voice (takes about 10 s)"""
    _consented(stage)
    is_busy = stage.fault("elevenlabs", path=ADD, status=429, body={"detail": {"code": "system_busy"}})
    _asks_without_waiting(stage)
    stage.scenario.until(is_busy, "the first try")
    stage.tell("ElevenLabs says that it is busy, so it has made nothing")
    _one_voice(stage)
    stage.same("how often the sample was sent", _sent(stage), 2)


def no_places(stage: Stage) -> None:
    """the ElevenLabs plan has no place left; the frontend is told so, and there is no voice"""
    _consented(stage)
    stage.account("elevenlabs", voice_limit=0)
    answer = stage.scenario.ask_for_clone(stage.employee)
    stage.same("the answer", (answer.status, answer.json().get("code")), (409, "voice_limit_reached"))
    stage.tell("the frontend asks for a clone → 409 voice_limit_reached")
    stage.same("the employee's voice", stage.voice(), None)


def refused_consent(stage: Stage) -> None:
    """the employee refuses; then no admin can say otherwise, and there is no clone"""
    recorded(stage)
    stage.scenario.answer_invitation(stage.scenario.invite(stage.employee), granted=False)
    stage.tell("an admin invites the employee, who reads the statement and refuses")
    statement = stage.scenario.anyone("GET", "/voice-consent-statement").json()["statement"]
    paper = {
        "statement_version": statement["version"], "statement_sha256": statement["sha256"], "method": "written_release", "purposes": ["voice_clone"],
        "evidence_reference": f"{stage.scenario.organization['id']}/{stage.employee}/a-paper", "evidence_sha256": "a" * 64,
        "expires_at": (datetime.now(timezone.utc) + timedelta(days=365)).isoformat(),
    }  # fmt: skip
    answer = stage.scenario.api("PUT", f"/employees/{stage.employee}/voice-consent", paper)
    stage.same("the admin's paper", (answer.status, answer.json().get("code")), (409, "consent_needs_employee"))
    stage.tell("an admin records a paper all the same → 409 consent_needs_employee")
    answer = stage.scenario.ask_for_clone(stage.employee)
    stage.same("the clone", (answer.status, answer.json().get("code")), (403, "consent_required"))
    stage.tell("the frontend asks for a clone → 403 consent_required")
    stage.same("how often a sample was sent", _sent(stage), 0)


def withdraw_while_cloning(stage: Stage) -> None:
    """the employee withdraws while ElevenLabs is making the voice; it goes again, with every other copy"""
    token = _consented(stage)
    is_at_work = stage.fault("elevenlabs", path=ADD, delay=3)
    _asks_without_waiting(stage)
    stage.scenario.until(is_at_work, "the request to ElevenLabs")
    stage.tell("ElevenLabs is making the voice")
    _withdraws(stage, token)
    query = "select exists (select from voice_audit where employee_id = %s and action = 'voice.delete')"
    stage.scenario.until(lambda: stage.scenario.one(query, stage.employee), "the end of the voice")
    stage.tell("the voice is there, the worker is told that the consent is not, and the voice is deleted")
    stage.send("erasure", {"erasure_id": stage.scenario.one("select id::text from voice_erasures where employee_id = %s", stage.employee)})
    stage.tell("the erasure would look once more when the attempt's lease is over; we send its message again at once")
    _nothing_is_left(stage)


def withdrawal(stage: Stage) -> None:
    """the employee withdraws; the voice cannot be used any more, and every copy is erased"""
    token = _consented(stage)
    _cloned(stage)
    _withdraws(stage, token)
    answer = stage.scenario.api("POST", f"/employees/{stage.employee}/voice/authorize", {"purpose": "voice_clone"})
    stage.same("using the voice", answer.status, 403)
    stage.tell(f"somebody asks whether the voice may be used → 403 {answer.json()['code']}")
    _nothing_is_left(stage)


STORIES = {
    "clone": clone, "lost-answer": lost_answer, "busy-vendor": busy_vendor, "no-places": no_places, "refused-consent": refused_consent,
    "withdraw-while-cloning": withdraw_while_cloning, "withdrawal": withdrawal,
}  # fmt: skip
