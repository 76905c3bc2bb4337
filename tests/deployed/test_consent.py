"""Consent over HTTP: by an admin with evidence, by the employee without an account, its use, and what the audit says of it."""

from __future__ import annotations

import datetime
import hashlib

import pytest

from .people import cloned, grant_body, problem, with_recording

IN_A_YEAR = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)).isoformat()


def test_the_statement_is_there_for_anybody_and_its_hash_is_that_of_its_text(scenario):
    answer = scenario.anyone("GET", "/voice-consent-statement?locale=en-GB")
    assert answer.status == 200
    statement = answer.json()["statement"]
    assert statement["sha256"] == hashlib.sha256(statement["text"].encode()).hexdigest()
    assert "voice_clone" in statement["purposes"]


def test_an_admin_records_a_consent_and_withdraws_it_and_the_history_stays(scenario):
    path = f"/employees/{scenario.new_employee()}/voice-consent"
    assert scenario.api("GET", path).json()["status"] == "none"
    assert scenario.api("PUT", path, grant_body(scenario)).status == 200
    assert scenario.api("GET", path, user=scenario.user("member")).json()["status"] == "live"
    assert scenario.api("PUT", path, grant_body(scenario)).status == 200
    assert scenario.api("DELETE", path).status == 200
    state = scenario.api("GET", path).json()
    assert state["status"] == "withdrawn"
    assert [consent["ended_as"] for consent in state["history"]] == ["withdrawn", "superseded"]


def test_only_an_admin_of_the_organisation_decides(scenario):
    path = f"/employees/{scenario.new_employee()}/voice-consent"
    stranger = scenario.user("admin", scenario.other_organization)
    for method, body in (("PUT", grant_body(scenario)), ("DELETE", None)):
        assert problem(scenario.api(method, path, body, scenario.user("member"))) == (403, "role_forbidden")
        assert problem(scenario.api(method, path, body, stranger)) == (404, "employee_not_found")
        assert problem(scenario.anyone(method, path, body)) == (401, "token_missing")
    assert scenario.api("GET", path).json() == {"status": "none", "consent": None, "history": []}


@pytest.mark.parametrize("change, status, code", [
    ({"surprise": 1}, 400, "body_invalid"),
    ({"expires_at": "soon"}, 400, "body_invalid"),
    ({"method": "hearsay"}, 400, "body_invalid"),
    ({"expires_at": "2001-01-01T00:00:00Z"}, 422, "consent_expiry_invalid"),
    ({"expires_at": "2100-01-01T00:00:00Z"}, 422, "consent_expiry_invalid"),
    ({"statement_sha256": "0" * 64}, 422, "statement_unknown"),
    ({"purposes": ["world_domination"]}, 422, "purpose_unknown"),
])  # fmt: skip
def test_a_consent_that_cannot_be_one_is_refused_with_a_code(scenario, change, status, code):
    path = f"/employees/{scenario.new_employee()}/voice-consent"
    assert problem(scenario.api("PUT", path, grant_body(scenario) | change)) == (status, code)
    assert scenario.api("GET", path).json()["status"] == "none"


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

    granted = scenario.anyone("POST", "/voice-consent/invitation", {"granted": True}, consent_token=token, User_Agent="a phone")
    assert granted.status == 200
    consent = scenario.api("GET", f"/employees/{employee}/voice-consent").json()["consent"]
    assert (consent["method"], consent["channel"]) == ("self_service", "link")
    address, agent = scenario.row("select address, user_agent from voice_consents where id = %s", consent["id"])
    assert address == "127.0.0.1" and agent == "a phone"

    voice = scenario.clone(employee)["voice_id"]
    withdrawal = granted.json()["withdrawal_token"]
    assert scenario.anyone("POST", "/voice-consent/withdrawal", consent_token=withdrawal).status == 200
    assert scenario.one("select voice_id from employees where id = %s", employee) is None
    scenario.until(lambda: voice not in scenario.vendor_voices(employee), "the end of the voice")


def test_an_invitation_is_used_up_once_and_a_refusal_is_no_consent(scenario):
    employee = scenario.new_employee()
    token = invited(scenario, employee)
    assert scenario.anyone("POST", "/voice-consent/invitation", {"granted": False}, consent_token=token).status == 200
    assert problem(scenario.anyone("POST", "/voice-consent/invitation", {"granted": True}, consent_token=token)) == (404, "invitation_invalid")
    assert scenario.api("GET", f"/employees/{employee}/voice-consent").json()["status"] == "none"


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
        for table in ("voice_consents", "voice_consent_invitations", "voice_audit"):
            assert scenario.one(f"select count(*) from {table} t where t::text like %s", f"%{secret}%") == 0, table


# -- use ---------------------------------------------------------------------------------------------------------------


def test_the_voice_may_be_used_only_while_its_consent_lives_and_covers_the_purpose(scenario):
    employee, voice = cloned(scenario)
    path = f"/employees/{employee}/voice/authorize"
    allowed = scenario.api("POST", path, {"purpose": "voice_clone"}, scenario.user("member"))
    assert allowed.status == 200 and allowed.json()["voice_id"] == voice
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
