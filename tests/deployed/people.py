"""Employees in the states that several tests start from."""

from __future__ import annotations

import datetime

from local.call import recording


def with_recording(scenario, consent: bool, employee: str | None = None, audio: bytes | None = None, **facts) -> str:
    """Somebody with a stored recording, and a consent if wanted. `facts`: what Twilio says of the recording."""
    employee = employee or scenario.new_employee()
    call_sid = scenario.new_call(employee)
    sid = scenario.new_recording(call_sid, audio or recording(), **facts)
    assert scenario.work("recording-ingest", {"call_sid": call_sid, "recording_sid": sid})
    if consent:
        assert scenario.consent(employee)["outcome"] == "granted"
    for vendor in ("twilio", "supabase", "elevenlabs"):
        scenario.forget_journal(vendor)
    return employee


def cloned(scenario) -> tuple[str, str]:
    """Somebody with a voice, and its id at the vendor."""
    employee = with_recording(scenario, consent=True)
    return employee, scenario.clone(employee)["voice_id"]


def grant_body(scenario) -> dict:
    """A consent to the current statement, as an admin records it."""
    statement = scenario.anyone("GET", "/voice-consent-statement").json()["statement"]
    in_a_year = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)
    return {
        "statement_version": statement["version"], "statement_sha256": statement["sha256"], "method": "written_release",
        "evidence_reference": "cabinet 3, folder 17", "evidence_sha256": "a" * 64, "purposes": ["voice_clone"],
        "expires_at": in_a_year.isoformat(),
    }  # fmt: skip


def problem(answer) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.body
    assert answer.json()["status"] == answer.status
    return answer.status, answer.json()["code"]
