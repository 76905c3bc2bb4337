"""Employees in the states that several tests start from."""

from __future__ import annotations

import datetime
import hashlib

from standins.call import recording


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


def grant_body(scenario, paper: dict | None = None) -> dict:
    """A consent to the current statement, as an admin records it. `paper`: what `uploaded` says of it; without, nobody has it."""
    statement = scenario.anyone("GET", "/voice-consent-statement").json()["statement"]
    in_a_year = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)
    return {
        "statement_version": statement["version"], "statement_sha256": statement["sha256"], "method": "written_release",
        "evidence_reference": "cabinet 3, folder 17", "evidence_sha256": "a" * 64, "purposes": ["voice_clone"],
        "expires_at": in_a_year.isoformat(),
    } | (paper or {})  # fmt: skip


def uploaded(scenario, employee: str, paper: bytes = b"%PDF-1.7 signed by Robin Example") -> dict:
    """A paper that a browser has uploaded: how a consent refers to it."""
    offered = scenario.api("POST", f"/employees/{employee}/voice-consent/evidence")
    assert offered.status == 200, offered.body
    url = offered.json()["upload_url"]
    assert url.startswith(f"{scenario.stack['supabase']['url']}/storage/v1/object/upload/sign/voice-consent-evidence/")
    browser = {"Content-Type": "application/pdf", "User-Agent": "Mozilla/5.0", "Origin": "https://app.example.com"}
    scenario.expect([200], "PUT", url, paper, browser)
    return {"evidence_reference": offered.json()["reference"], "evidence_sha256": hashlib.sha256(paper).hexdigest()}


def problem(answer) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.body
    assert answer.json()["status"] == answer.status
    return answer.status, answer.json()["code"]
