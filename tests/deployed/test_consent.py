"""Consent over HTTP: by an admin with evidence, by the employee without an account, its use, and what the audit says of it."""

from __future__ import annotations

import datetime
import hashlib

import pytest

from .people import cloned, grant_body, problem, uploaded, with_recording

IN_A_YEAR = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)).isoformat()


def test_the_statement_is_there_for_anybody_and_its_hash_is_that_of_its_text(scenario):
    answer = scenario.anyone("GET", "/voice-consent-statement?locale=en-GB")
    assert answer.status == 200
    statement = answer.json()["statement"]
    assert statement["sha256"] == hashlib.sha256(statement["text"].encode()).hexdigest()
    assert "voice_clone" in statement["purposes"]


def test_an_admin_records_a_consent_and_withdraws_it_and_the_history_stays(scenario):
    employee = scenario.new_employee()
    path = f"/employees/{employee}/voice-consent"
    assert scenario.api("GET", path).json()["status"] == "none"
    paper = uploaded(scenario, employee)
    assert scenario.api("PUT", path, grant_body(scenario, paper)).json()["evidence_unverified"] is False
    assert scenario.api("GET", path, user=scenario.user("member")).json()["status"] == "live"
    assert scenario.api("PUT", path, grant_body(scenario, paper)).status == 200
    withdrawn = scenario.api("DELETE", path)
    assert withdrawn.status == 200
    # Once more, as after an answer that was lost.
    assert scenario.api("DELETE", path).json() == withdrawn.json()
    state = scenario.api("GET", path).json()
    assert state["status"] == "withdrawn"
    assert [consent["ended_as"] for consent in state["history"]] == ["withdrawn", "superseded"]


def test_only_an_admin_of_the_organisation_decides(scenario):
    path = f"/employees/{scenario.new_employee()}/voice-consent"
    stranger = scenario.user("admin", scenario.other_organization)
    scenario.forget_journal("supabase")
    for method, rest, body in (("PUT", "", grant_body(scenario)), ("DELETE", "", None), ("POST", "/evidence", None)):
        assert problem(scenario.api(method, path + rest, body, scenario.user("member"))) == (403, "role_forbidden")
        assert problem(scenario.api(method, path + rest, body, stranger)) == (404, "employee_not_found")
        assert problem(scenario.anyone(method, path + rest, body)) == (401, "token_missing")
    assert scenario.journal("supabase", path="/storage/v1/") == []
    assert scenario.api("GET", path).json() == {"status": "none", "consent": None, "history": [], "invitations": []}


@pytest.mark.parametrize("change, status, code", [
    ({"surprise": 1}, 400, "body_invalid"),
    ({"expires_at": "soon"}, 400, "body_invalid"),
    ({"method": "hearsay"}, 400, "body_invalid"),
    ({"method": "self_service"}, 400, "body_invalid"),
    ({"method": "self_service", "evidence_reference": None, "evidence_sha256": None}, 400, "body_invalid"),
    ({"evidence_sha256": None}, 400, "body_invalid"),
    ({"evidence_reference": "cabinet 3, folder 17"}, 422, "evidence_missing"),
    ({"method": "recorded_call"}, 422, "evidence_missing"),
    ({"expires_at": "2001-01-01T00:00:00Z"}, 422, "consent_expiry_invalid"),
    ({"expires_at": "2100-01-01T00:00:00Z"}, 422, "consent_expiry_invalid"),
    ({"statement_sha256": "0" * 64}, 422, "statement_unknown"),
    ({"purposes": ["world_domination"]}, 422, "purpose_unknown"),
])  # fmt: skip
def test_a_consent_that_cannot_be_one_is_refused_with_a_code(scenario, change, status, code):
    employee = scenario.new_employee()
    path = f"/employees/{employee}/voice-consent"
    assert problem(scenario.api("PUT", path, grant_body(scenario, uploaded(scenario, employee)) | change)) == (status, code)
    assert scenario.api("GET", path).json()["status"] == "none"


# -- evidence ----------------------------------------------------------------------------------------------------------


def folder(scenario, employee: str) -> str:
    return f"{scenario.organization['id']}/{employee}"


def test_a_signed_paper_is_uploaded_read_and_compared(scenario):
    employee = scenario.new_employee()
    path = f"/employees/{employee}/voice-consent"
    good, empty = uploaded(scenario, employee), uploaded(scenario, employee, b"")
    large = uploaded(scenario, employee, b"x" * 25_000_001)
    never = {"evidence_reference": f"{folder(scenario, employee)}/never-uploaded"}
    for paper, code in (
        (good | {"evidence_sha256": "0" * 64}, "evidence_mismatch"), (good | never, "evidence_missing"), (empty, "evidence_unreadable"),
        (large, "evidence_too_large"), (uploaded(scenario, scenario.new_employee()), "evidence_missing"),
    ):  # fmt: skip
        assert problem(scenario.api("PUT", path, grant_body(scenario, paper))) == (422, code)
        assert scenario.api("GET", path).json()["status"] == "none"
    assert scenario.api("PUT", path, grant_body(scenario, good)).status == 200
    assert scenario.api("GET", path).json()["consent"]["evidence_reference"] == good["evidence_reference"]


def test_a_recorded_call_is_evidence_that_outlives_the_erasure_of_the_recordings(scenario):
    employee = with_recording(scenario, consent=False)
    sid, path = scenario.row("select recording_sid, storage_path from recordings where employee_id = %s", employee)
    audio = scenario.stored(f"recordings/{path}")
    consent = f"/employees/{employee}/voice-consent"
    body = grant_body(scenario) | {"method": "recorded_call", "evidence_reference": sid}
    assert problem(scenario.api("PUT", consent, body | {"evidence_sha256": "0" * 64})) == (422, "evidence_mismatch")
    assert scenario.stored(f"voice-consent-evidence/{folder(scenario, employee)}/{sid}.wav") is None
    assert scenario.api("PUT", consent, body | {"evidence_sha256": hashlib.sha256(audio).hexdigest()}).status == 200

    assert scenario.api("DELETE", consent).status == 200
    erased = lambda: scenario.api("GET", f"/employees/{employee}/voice/erasure").json()["status"] == "erased"
    scenario.until(erased, "the end of the erasure")
    assert scenario.stored(f"recordings/{path}") is None
    assert scenario.stored(f"voice-consent-evidence/{folder(scenario, employee)}/{sid}.wav") == audio


def test_evidence_that_is_kept_elsewhere_is_not_looked_for_and_the_consent_says_so(scenario):
    stranger, organization = scenario.user("admin", scenario.other_organization), scenario.other_organization
    employee = scenario.new_employee(organization)
    path = f"/employees/{employee}/voice-consent"
    kept = "insert into organization_voice_settings (org_id, evidence_kept_elsewhere) values (%s, true) on conflict (org_id) do update set evidence_kept_elsewhere = true"
    scenario.database.execute(kept, [organization["id"]])
    scenario.forget_journal("supabase")
    try:
        assert scenario.api("PUT", path, grant_body(scenario), stranger).json()["evidence_unverified"] is True
    finally:
        scenario.database.execute("delete from organization_voice_settings where org_id = %s", [organization["id"]])
    assert scenario.journal("supabase", path="/storage/v1/") == []
    assert scenario.api("GET", path, user=stranger).json()["consent"]["evidence_unverified"] is True


def test_a_public_bucket_takes_no_evidence(scenario):
    employee = scenario.new_employee()
    scenario.storage("POST", "/bucket", {"name": "voice-consent-evidence", "public": True})
    assert problem(scenario.api("POST", f"/employees/{employee}/voice-consent/evidence")) == (503, "unavailable")
    assert problem(scenario.api("PUT", f"/employees/{employee}/voice-consent", grant_body(scenario, {
        "evidence_reference": f"{folder(scenario, employee)}/a"}))) == (503, "unavailable")  # fmt: skip


# -- the employee themselves -------------------------------------------------------------------------------------------


def invited(scenario, employee: str) -> str:
    body = {"purposes": ["voice_clone"], "consent_expires_at": IN_A_YEAR}
    answer = scenario.api("POST", f"/employees/{employee}/voice-consent/invitation", body)
    assert answer.status == 200, answer.body
    return answer.json()["token"]


def test_an_invited_employee_reads_grants_and_withdraws_without_an_account(scenario):
    employee = with_recording(scenario, consent=False)
    token = invited(scenario, employee)
    asked = scenario.anyone("GET", "/voice-consent/invitation", consent_token=token).json()
    assert asked["employee_name"] == "Robin Example" and asked["statement"]["text"]
    assert (asked["status"], set(asked["statement"]["purpose_descriptions"])) == ("open", {"voice_clone", "synthetic_speech"})

    granted = scenario.anyone("POST", "/voice-consent/invitation", {"granted": True}, consent_token=token, User_Agent="a phone")
    assert granted.status == 200
    consent = scenario.api("GET", f"/employees/{employee}/voice-consent").json()["consent"]
    assert (consent["method"], consent["channel"]) == ("self_service", "link")
    address, agent = scenario.row("select address, user_agent from voice_consents where id = %s", consent["id"])
    assert address == "127.0.0.1" and agent == "a phone"

    voice = scenario.clone(employee)["voice_id"]
    withdrawal = granted.json()["withdrawal_token"]
    lives = scenario.anyone("GET", "/voice-consent/withdrawal", consent_token=withdrawal).json()
    assert (lives["status"], lives["consent"]["purposes"], lives["consent"]["answered"]["user_agent"]) == ("live", ["voice_clone"], "a phone")
    withdrawn = scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=withdrawal)
    assert withdrawn.status == 200
    assert scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=withdrawal).json() == withdrawn.json()
    assert scenario.anyone("GET", "/voice-consent/withdrawal", consent_token=withdrawal).json() == {"status": "withdrawn", "consent": None}
    assert scenario.one("select voice_id from employees where id = %s", employee) is None
    scenario.until(lambda: voice not in scenario.vendor_voices(employee), "the end of the voice")


def answer(scenario, token: str, granted: bool = True, **headers):
    return scenario.anyone("POST", "/voice-consent/invitation", {"granted": granted}, consent_token=token, **headers)


def test_an_invitation_is_answered_once_and_a_refusal_is_the_last_word(scenario):
    employee = scenario.new_employee()
    token = invited(scenario, employee)
    for _ in range(2):
        assert answer(scenario, token, False).json() == {"live_consent": None}
    assert problem(answer(scenario, token)) == (409, "invitation_answered")
    refused = scenario.api("PUT", f"/employees/{employee}/voice-consent", grant_body(scenario, uploaded(scenario, employee)))
    assert problem(refused) == (409, "consent_needs_employee")
    assert scenario.api("GET", f"/employees/{employee}/voice-consent").json()["status"] == "none"


def test_a_lost_answer_costs_nobody_the_token_to_withdraw_with(scenario):
    employee = scenario.new_employee()
    token = invited(scenario, employee)
    # The database has recorded it, and its answer is lost on the way.
    scenario.fault("supabase", path="/rpc/answer_invitation$", reset=True, do_work=True, times=1)
    assert problem(answer(scenario, token)) == (503, "unavailable")
    first, second = answer(scenario, token), answer(scenario, token)
    assert first.status == 200 and first.json() == second.json()
    assert scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=first.json()["withdrawal_token"]).status == 200
    assert answer(scenario, token).json() == first.json() | {"status": "withdrawn"}


def test_who_refuses_while_a_consent_lives_hears_of_it_and_can_end_it_at_once(scenario):
    employee = scenario.new_employee()
    scenario.consent(employee)
    refused = answer(scenario, invited(scenario, employee), False).json()
    assert refused["live_consent"]["method"] == "written_release"
    path = f"/employees/{employee}/voice-consent"
    assert scenario.api("GET", path).json()["status"] == "live"
    assert scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=refused["withdrawal_token"]).status == 200
    assert scenario.api("GET", path).json()["status"] == "withdrawn"


def test_an_answer_from_an_admins_own_browser_is_marked_for_both_to_see(scenario):
    employee = scenario.new_employee()
    browser = f"the admin's browser {employee}"
    scenario.api("GET", f"/employees/{employee}/voice-consent", User_Agent=browser)
    scenario.database.execute("delete from understudy.admin_origins where kind = 'address'")
    token = invited(scenario, employee)
    scenario.database.execute("delete from understudy.admin_origins where kind = 'address'")
    assert answer(scenario, token, User_Agent=browser).status == 200
    answered = scenario.anyone("GET", "/voice-consent/invitation", consent_token=token).json()
    assert (answered["status"], answered["answered"]["user_agent"], answered["answered"]["same_origin_as_admin"]) == ("answered", browser, True)
    seen = scenario.api("GET", f"/employees/{employee}/voice-consent").json()
    assert seen["consent"]["answered"]["same_origin_as_admin"] is True
    # The functions that an admin does not look at consents with tell where they call from, too.
    scenario.api("GET", f"/employees/{employee}/voice", User_Agent=f"another {employee}")
    noted = "select exists (select from understudy.admin_origins where sha256 = understudy.origin_sha256(%s))"
    assert scenario.one(noted, f"another {employee}")


def test_a_newer_invitation_replaces_an_older_one_and_a_wrong_token_opens_nothing(scenario):
    employee = scenario.new_employee()
    older, newer = invited(scenario, employee), invited(scenario, employee)
    for wrong in (older, newer[:-1], "x" * 43):
        assert problem(scenario.anyone("GET", "/voice-consent/invitation", consent_token=wrong)) == (404, "invitation_invalid")
        assert problem(scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=wrong)) == (404, "consent_token_invalid")
    without = scenario.anyone("GET", "/voice-consent/invitation")
    assert problem(without) == (401, "consent_token_missing") and without.headers["WWW-Authenticate"] == "Consent-Token"
    assert scenario.anyone("GET", "/voice-consent/invitation", consent_token=newer).status == 200


def test_no_token_is_stored_or_logged(scenario):
    token = invited(scenario, scenario.new_employee())
    granted = scenario.anyone("POST", "/voice-consent/invitation", {"granted": True}, consent_token=token).json()
    log = scenario.logs("voice-consent")
    for secret in (token, granted["withdrawal_token"]):
        assert secret not in log
        for table in ("voice_consents", "voice_consent_invitations", "voice_withdrawal_tokens", "voice_audit"):
            assert scenario.one(f"select count(*) from {table} t where t::text like %s", f"%{secret}%") == 0, table


# -- use ---------------------------------------------------------------------------------------------------------------


def test_the_voice_may_be_used_only_while_its_consent_lives_and_covers_the_purpose(scenario):
    employee, voice = cloned(scenario)
    path = f"/employees/{employee}/voice/authorize"
    allowed = scenario.api("POST", path, {"purpose": "voice_clone"}, scenario.user("member"))
    assert allowed.status == 200 and allowed.json()["voice_id"] == voice
    assert "says nothing yet" in allowed.json()["purpose_description"]
    assert problem(scenario.api("POST", path, {"purpose": "advertising"})) == (403, "consent_purpose")
    assert problem(scenario.api("POST", path, {"purpose": "voice_clone"}, scenario.user("admin", scenario.other_organization))) == (404, "employee_not_found")
    scenario.withdraw(employee)
    assert problem(scenario.api("POST", path, {"purpose": "voice_clone"})) == (403, "consent_withdrawn")


# -- audit -------------------------------------------------------------------------------------------------------------


def test_the_audit_tells_an_admin_what_happened_page_by_page_and_its_chain_is_whole(scenario):
    employee, _ = cloned(scenario)
    scenario.withdraw(employee)
    rows, before = [], ""
    while before is not None:
        page = scenario.api("GET", f"/audit?employee_id={employee}&limit=3{before}").json()
        assert len(page["rows"]) <= 3
        rows += page["rows"]
        before = page["next_before"] and f"&before={page['next_before']}"
    actions = [row["action"] for row in reversed(rows)]
    assert actions.index("consent.grant") < actions.index("clone.request") < actions.index("clone.finish") < actions.index("consent.withdraw")
    assert "Robin Example" not in str(rows)
    assert scenario.one("select verify_audit()")["outcome"] == "whole"


def test_the_audit_is_for_admins_and_of_their_own_organisation(scenario):
    employee, _ = cloned(scenario)
    assert problem(scenario.api("GET", "/audit", user=scenario.user("member"))) == (403, "role_forbidden")
    stranger = scenario.user("admin", scenario.other_organization)
    assert scenario.api("GET", f"/audit?employee_id={employee}", user=stranger).json()["rows"] == []
    assert problem(scenario.api("GET", "/audit?before=x")) == (400, "query_invalid")
