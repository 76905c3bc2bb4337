"""The employee without an account: invited by a link, answering it, withdrawing by another; and who may use the voice."""

from __future__ import annotations

import json

import psycopg
import pytest

from .world import hashed

INVALID = {"outcome": "invitation_invalid"}


def read(world, token):
    return world.rpc("read_invitation", hashed(token))


def test_an_invitation_shows_the_employee_what_they_are_asked(world):
    invited = world.invite("token", purposes=("voice_clone", "synthetic_speech"))
    assert invited["outcome"] == "invited"
    shown = read(world, "token")
    assert shown == shown | {
        "outcome": "invitation", "employee_name": "Ottilie Here 1", "organization_name": "Here", "statement": world.statement,
        "purposes": ["voice_clone", "synthetic_speech"], "expires_at": invited["expires_at"],
    }
    assert read(world, "token") == shown
    assert world.audit() == [("consent.invite", "invited")]


def test_who_may_not_invite_does_not(world):
    assert world.invite("t", user=world.here.member) == {"outcome": "role_forbidden"}
    assert world.invite("t", user=world.there.admin) == {"outcome": "employee_not_found"}
    assert world.invite("t", user="00000000-0000-0000-0000-00000000beef") == {"outcome": "not_a_member"}
    assert world.invite("t", days=-1) == {"outcome": "consent_expiry_invalid"}
    assert world.invite("t", days=5 * 365) == {"outcome": "consent_expiry_invalid"}
    assert world.invite("t", purposes=("advertising",)) == {"outcome": "purpose_unknown"}
    assert world.invite("t", purposes=()) == {"outcome": "purpose_unknown"}
    assert read(world, "t") == INVALID


@pytest.mark.parametrize("seconds", [0, None, 7776001])
def test_an_invitation_without_a_sensible_end_is_a_bug(world, seconds):
    with pytest.raises(psycopg.errors.RaiseException, match="invitation"):
        world.invite("t", seconds=seconds)


def test_granting_by_a_link_leaves_a_trace_of_who_used_it(world):
    invited = world.invite("token")
    answer = world.answer("token")
    assert answer["outcome"] == "granted"
    row = world.row("select * from public.voice_consents")
    assert row == row | {
        "method": "self_service", "recorded_by": world.here.admin, "channel": "web", "address": "203.0.113.7",
        "user_agent": "Firefox of Ottilie", "statement_sha256": world.statement["sha256"], "purposes": ["voice_clone"],
    }
    assert (str(row["id"]), str(row["invitation_id"])) == (answer["consent_id"], invited["invitation_id"])
    assert row["withdrawal_token_sha256"] == hashed("withdrawal")
    assert world.row("select actor_id from public.voice_audit where action = 'consent.grant'") == {"actor_id": None}


def test_a_link_is_good_for_one_answer(world):
    world.invite("token")
    assert world.answer("token")["outcome"] == "granted"
    assert read(world, "token") == INVALID
    assert world.answer("token", withdrawal_token="other") == INVALID
    assert world.answer("token", granted=False) == INVALID
    assert len(world.sql("select * from public.voice_consents")) == 1


def test_two_answers_at_once_are_one(world):
    world.invite("token")
    first, second = world.race(
        lambda c: world.answer("token", connection=c), lambda c: world.answer("token", withdrawal_token="other", connection=c)
    )
    assert (first["outcome"], second) == ("granted", INVALID)


def test_refusing_by_a_link_is_recorded_and_leaves_an_earlier_consent_alone(world):
    world.grant()
    world.invite("token")
    assert world.answer("token", granted=False) == {"outcome": "refused"}
    row = world.row("select * from public.voice_consent_invitations")
    assert (row["closed_as"], row["channel"], row["address"], row["user_agent"]) == ("refused", "web", "203.0.113.7", "Firefox of Ottilie")
    assert world.row("select ended_at from public.voice_consents") == {"ended_at": None}
    assert world.answer("token") == INVALID


@pytest.mark.parametrize("how", ["superseded", "expired", "unknown", "consent over", "employee gone", "employee elsewhere"])
def test_a_link_that_is_no_good_is_told_in_one_way(world, how):
    world.invite("token")
    if how == "superseded":
        world.invite("newer")
        assert read(world, "newer")["outcome"] == "invitation"
    elif how == "expired":
        world.sql("update public.voice_consent_invitations set expires_at = clock_timestamp()")
    elif how == "consent over":
        world.sql("update public.voice_consent_invitations set consent_expires_at = clock_timestamp()")
    elif how == "employee gone":
        world.sql("delete from public.employees where id = %s", world.here.employee)
    elif how == "employee elsewhere":
        world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    token = "unheard of" if how == "unknown" else "token"
    assert read(world, token) == INVALID
    assert world.answer(token) == INVALID
    assert world.sql("select * from public.voice_consents") == []


def test_guessing_tokens_leaves_no_rows(world):
    world.answer("guess")
    world.withdraw_with_token("guess")
    assert world.audit() == []


def test_the_employee_withdraws_by_token_without_asking_anyone_as_often_as_they_like(world):
    world.invite("token")
    world.answer("token")
    world.record()
    attempt = world.request()["attempt_id"]
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    assert world.voice_id(world.here.employee) == "voice_1"

    withdrawn = world.withdraw_with_token()
    assert withdrawn["outcome"] == "withdrawn"
    assert world.voice_id(world.here.employee) is None
    assert world.withdraw_with_token() == withdrawn
    assert world.erasure()["erasure"]["reason"] == "withdrawn"
    row = world.row("select * from public.voice_consents")
    assert (row["ended_as"], row["ended_by"], row["ended_address"], row["ended_user_agent"]) == (
        "withdrawn", None, "203.0.113.8", "Chrome of Ottilie",
    )
    world.written(attempt)
    assert world.work_off(withdrawn["erasure_id"]) == {"outcome": "erased"}
    assert world.withdraw_with_token() == {"outcome": "withdrawn", "erasure_id": None}


def test_the_token_is_good_while_its_consent_lives(world):
    assert world.withdraw_with_token("unheard of") == {"outcome": "consent_token_invalid"}
    world.invite("token")
    world.answer("token")
    world.grant()
    assert world.withdraw_with_token() == {"outcome": "consent_token_invalid"}
    world.invite("second")
    world.answer("second", withdrawal_token="other")
    world.expire_consent(world.here.employee)
    assert world.withdraw_with_token("other") == {"outcome": "consent_token_invalid"}


def test_an_employee_who_has_left_still_withdraws_by_token(world):
    world.invite("token")
    world.answer("token")
    world.record()
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert world.withdraw_with_token()["outcome"] == "withdrawn"
    assert world.value("select count(*) from public.recordings where erased_at is null") == 0


def test_neither_address_nor_browser_nor_token_is_in_the_audit(world):
    world.invite("token")
    world.answer("token")
    world.withdraw_with_token()
    world.invite("second")
    world.answer("second", granted=False)
    text = json.dumps(world.sql("select * from public.voice_audit"), default=str)
    for private in ("203.0.113", "Firefox", "Chrome", "Ottilie", hashed("token"), hashed("withdrawal")):
        assert private not in text


# -- read_voice_consent ------------------------------------------------------------------------------------------------


def consent(world, **who):
    return world.rpc("read_voice_consent", who.get("user", world.here.member), who.get("employee", world.here.employee))


def test_reading_a_consent_tells_its_status_and_its_history(world):
    assert consent(world) == {"outcome": "consent", "status": "none", "consent": None, "history": []}
    first = world.grant()["consent_id"]
    second = world.grant(purposes=("synthetic_speech",))["consent_id"]
    answer = consent(world)
    assert (answer["status"], answer["consent"]["id"]) == ("live", second)
    assert [(c["id"], c["ended_as"]) for c in answer["history"]] == [(second, None), (first, "superseded")]
    assert set(answer["consent"]) == {
        "id", "statement_version", "statement_sha256", "method", "evidence_reference", "evidence_sha256", "purposes", "granted_at",
        "expires_at", "ended_at", "ended_as", "recorded_by", "channel",
    }
    world.expire_consent(world.here.employee)
    assert consent(world)["status"] == "expired"
    world.rpc("sweep_erasures")
    assert consent(world)["status"] == "expired"
    world.grant()
    world.withdraw()
    assert consent(world)["status"] == "withdrawn"


def test_a_consent_is_readable_in_its_organisation_only_even_when_the_employee_is_gone(world):
    world.grant()
    assert consent(world, user=world.there.admin) == {"outcome": "employee_not_found"}
    assert consent(world, user="00000000-0000-0000-0000-00000000beef") == {"outcome": "not_a_member"}
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert consent(world)["status"] == "live"
    assert consent(world, user=world.there.admin) == {"outcome": "employee_not_found"}


# -- authorize_voice ---------------------------------------------------------------------------------------------------


def test_a_voice_may_be_used_only_for_what_was_consented_to_and_each_use_is_audited(world):
    assert world.authorize() == {"outcome": "consent_required"}
    attempt = world.cloned()
    answer = world.authorize()
    assert answer == answer | {"outcome": "authorized", "voice_id": "voice_1"}
    row = world.row("select * from public.voice_audit where outcome = 'authorized'")
    assert row["actor_id"] == world.here.member
    assert row["details"] == {"purpose": "voice_clone", "consent_id": answer["consent_id"], "attempt_id": attempt}
    for purpose in ("synthetic_speech", None, "Ottilie's birthday"):
        assert world.authorize(purpose) == {"outcome": "consent_purpose"}
    assert "Ottilie" not in json.dumps(world.sql("select details from public.voice_audit"))
    assert world.authorize(user=world.there.admin) == {"outcome": "employee_not_found"}
    world.expire_consent(world.here.employee)
    assert world.authorize() == {"outcome": "consent_expired"}
    world.withdraw()
    assert world.authorize() == {"outcome": "consent_withdrawn"}
    world.grant()
    assert world.authorize() == {"outcome": "voice_missing"}
    assert [row["outcome"] for row in world.sql("select outcome from public.voice_audit where action = 'voice.authorize' order by id")] == [
        "consent_required", "authorized", "consent_purpose", "consent_purpose", "consent_purpose", "employee_not_found",
        "consent_expired", "consent_withdrawn", "voice_missing",
    ]


def test_no_use_is_authorised_after_a_withdrawal_that_came_first(world):
    world.cloned()
    _, answer = world.race(
        lambda c: world.withdraw(connection=c),
        lambda c: world.rpc("authorize_voice", world.here.member, world.here.employee, "voice_clone", connection=c),
    )
    assert answer == {"outcome": "consent_withdrawn"}
