"""The employee without an account: invited by a link, answering it, withdrawing by another; and who may use the voice."""

from __future__ import annotations

import json
import uuid

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
        "outcome": "invitation", "status": "open", "answered": None, "employee_name": "Ottilie Here 1", "organization_name": "Here", "statement": world.statement,
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
    token = world.row("select * from public.voice_withdrawal_tokens")
    assert (token["token_sha256"], token["consent_id"]) == (hashed("withdrawal"), row["id"])
    assert world.row("select actor_id from public.voice_audit where action = 'consent.grant'") == {"actor_id": None}


def test_granting_again_with_the_same_link_is_told_the_same_and_changes_nothing(world):
    world.invite("token")
    first = world.answer("token")
    assert first == {
        "outcome": "granted", "consent_id": first["consent_id"], "expires_at": first["expires_at"], "status": "live", "token_handed": True,
    }
    before = world.audit()
    assert world.answer("token") == first
    assert len(world.sql("select * from public.voice_consents")) == len(world.sql("select * from public.voice_withdrawal_tokens")) == 1
    world.withdraw_with_token()
    assert world.answer("token") == first | {"status": "withdrawn"}
    assert world.audit()[: len(before)] == before and world.audit()[-1] == ("consent.withdraw", "withdrawn")
    assert world.withdraw()["outcome"] == "withdrawn"


@pytest.mark.parametrize("granted", [True, False])
def test_another_answer_than_the_first_is_refused_and_reaches_nothing(world, granted):
    world.grant()
    world.invite("token")
    world.answer("token", granted=granted)
    before = world.sql("select id, ended_at from public.voice_consents order by number")
    assert world.answer("token", granted=not granted) == {"outcome": "invitation_answered"}
    assert world.sql("select id, ended_at from public.voice_consents order by number") == before
    assert world.audit()[-1] == ("consent.answer", "invitation_answered")


@pytest.mark.parametrize("granted", [True, False])
def test_an_answered_link_is_no_good_after_its_life(world, granted):
    world.invite("token")
    world.answer("token", granted=granted)
    world.sql("update public.voice_consent_invitations set expires_at = clock_timestamp()")
    assert read(world, "token") == INVALID
    assert world.answer("token", granted=granted) == INVALID


def test_two_answers_at_once_are_one(world):
    world.invite("token")
    first, second = world.race(lambda c: world.answer("token", connection=c), lambda c: world.answer("token", connection=c))
    assert first == second and first["outcome"] == "granted"
    assert len(world.sql("select * from public.voice_consents")) == 1


def test_two_different_answers_at_once_are_the_first(world):
    world.invite("token")
    first, second = world.race(
        lambda c: world.answer("token", granted=False, connection=c), lambda c: world.answer("token", connection=c)
    )
    assert (first["outcome"], second) == ("refused", {"outcome": "invitation_answered"})
    assert world.sql("select * from public.voice_consents") == []


def test_refusing_by_a_link_leaves_an_earlier_consent_alone_says_so_and_hands_a_token_that_ends_it(world):
    consent_id = world.grant(purposes=("voice_clone", "synthetic_speech"))["consent_id"]
    world.invite("token")
    refused = world.answer("token", granted=False)
    row = world.row("select * from public.voice_consent_invitations")
    assert (row["closed_as"], row["channel"], row["address"], row["user_agent"]) == ("refused", "web", "203.0.113.7", "Firefox of Ottilie")
    assert world.row("select ended_at from public.voice_consents") == {"ended_at": None}
    assert refused == {
        "outcome": "refused", "token_handed": True,
        "live_consent": refused["live_consent"] | {
            "purposes": ["voice_clone", "synthetic_speech"], "method": "written_release", "evidence_unverified": False,
        },
    }
    assert "expires_at" in refused["live_consent"]
    assert world.answer("token", granted=False) == refused
    assert world.withdraw_with_token()["outcome"] == "withdrawn"
    assert str(world.value("select id from public.voice_consents where ended_as = 'withdrawn'")) == consent_id
    assert world.answer("token", granted=False) == {"outcome": "refused", "live_consent": None, "token_handed": True}


def test_refusing_where_nothing_lives_hands_out_no_token(world):
    world.invite("token")
    assert world.answer("token", granted=False) == {"outcome": "refused", "live_consent": None, "token_handed": False}
    assert world.sql("select * from public.voice_withdrawal_tokens") == []
    assert world.withdraw_with_token() == {"outcome": "consent_token_invalid"}


@pytest.mark.parametrize("granted", [True, False])
def test_a_used_link_shows_who_answered_when_and_from_where(world, granted):
    world.invite("token")
    world.answer("token", granted=granted)
    shown = read(world, "token")
    assert (shown["outcome"], shown["status"]) == ("invitation", "answered")
    assert shown["answered"] == {
        "granted": granted, "at": shown["answered"]["at"], "address": "203.0.113.7", "user_agent": "Firefox of Ottilie",
        "same_origin_as_admin": False,
    }
    assert shown["statement"] == world.statement


@pytest.mark.parametrize("answers", [(None, "yes"), (True, None), (False, None)])
def test_an_answer_that_is_none_or_comes_without_a_token_is_a_bug(world, answers):
    world.invite("token")
    granted, withdrawal = answers
    with pytest.raises(psycopg.errors.RaiseException, match="yes or no"):
        world.rpc("answer_invitation", hashed("token"), granted, withdrawal and hashed(withdrawal), "web", None, None)


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
    assert world.withdraw_with_token() == withdrawn


def test_a_token_withdraws_whatever_lives_whoever_recorded_it_and_whatever_superseded_its_own(world):
    assert world.withdraw_with_token("unheard of") == {"outcome": "consent_token_invalid"}
    world.invite("token")
    world.answer("token")
    narrowed = world.grant(days=30)
    assert narrowed["outcome"] == "granted"
    assert world.withdraw_with_token()["outcome"] == "withdrawn"
    assert world.row("select id, ended_as from public.voice_consents order by number desc limit 1") == {
        "id": uuid.UUID(narrowed["consent_id"]), "ended_as": "withdrawn",
    }
    world.invite("second")
    world.answer("second", withdrawal_token="other")
    # The first one is still the employee's.
    again = world.withdraw_with_token()
    assert again["outcome"] == "withdrawn"
    assert world.value("select count(*) from public.voice_consents where ended_at is null") == 0
    assert world.withdraw_with_token("other") == again


def test_a_token_says_withdrawn_only_when_nothing_lives_and_the_last_consent_was_withdrawn(world):
    world.invite("token")
    world.answer("token")
    world.expire_consent(world.here.employee)
    assert world.withdraw_with_token() == {"outcome": "consent_token_invalid"}
    assert world.audit()[-1] == ("consent.withdraw", "consent_token_invalid")
    world.rpc("sweep_erasures")
    assert world.withdraw_with_token() == {"outcome": "consent_token_invalid"}


def test_a_token_reaches_no_other_employee_and_no_other_organisation(world):
    world.invite("token")
    world.answer("token")
    world.grant(world.here.other_employee)
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    world.grant(world.here.employee, user=world.there.admin)
    world.withdraw_with_token()
    living = world.sql("select org_id, employee_id from public.voice_consents where ended_at is null order by number")
    assert living == [
        {"org_id": world.here.id, "employee_id": world.here.other_employee}, {"org_id": world.there.id, "employee_id": world.here.employee},
    ]


def withdrawable(world, token="withdrawal"):
    return world.rpc("read_withdrawal", hashed(token))


def test_a_token_shows_what_it_would_withdraw_and_who_granted_it(world):
    assert withdrawable(world) == {"outcome": "consent_token_invalid"}
    world.invite("token", purposes=("voice_clone", "synthetic_speech"))
    world.answer("token")
    shown = withdrawable(world)
    assert (shown["outcome"], shown["status"]) == ("withdrawal", "live")
    assert shown["consent"] == shown["consent"] | {
        "purposes": ["voice_clone", "synthetic_speech"], "purpose_descriptions": world.statement["purpose_descriptions"],
        "method": "self_service", "evidence_unverified": False,
    }
    assert shown["consent"]["answered"]["address"] == "203.0.113.7"
    world.grant(days=30)
    narrowed = withdrawable(world)["consent"]
    assert (narrowed["method"], narrowed["answered"], list(narrowed["purpose_descriptions"])) == ("written_release", None, ["voice_clone"])
    world.withdraw()
    assert withdrawable(world) == {"outcome": "withdrawal", "status": "withdrawn", "consent": None}


def test_a_token_shows_nothing_of_a_consent_that_ran_out(world):
    world.invite("token")
    world.answer("token")
    world.expire_consent(world.here.employee)
    assert withdrawable(world) == {"outcome": "consent_token_invalid"}


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
    assert consent(world, user=world.here.admin) == consent(world) | {"invitations": []}
    first = world.grant()["consent_id"]
    second = world.grant(purposes=("synthetic_speech",))["consent_id"]
    answer = consent(world)
    assert (answer["status"], answer["consent"]["id"]) == ("live", second)
    assert [(c["id"], c["ended_as"]) for c in answer["history"]] == [(second, None), (first, "superseded")]
    assert set(answer["consent"]) == {
        "id", "statement_version", "statement_sha256", "method", "evidence_reference", "evidence_sha256", "evidence_unverified", "purposes",
        "granted_at", "expires_at", "ended_at", "ended_as", "recorded_by", "channel",
    }
    world.expire_consent(world.here.employee)
    assert consent(world)["status"] == "expired"
    world.rpc("sweep_erasures")
    assert consent(world)["status"] == "expired"
    world.grant()
    world.withdraw()
    assert consent(world)["status"] == "withdrawn"


def test_admins_see_who_answered_each_invitation_and_members_do_not(world):
    world.grant()
    for token, granted in (("refused", False), ("granted", True)):
        world.invite(token)
        world.answer(token, granted=granted)
    world.invite("superseded")
    world.invite("open")
    seen = consent(world, user=world.here.admin)
    by_link, by_paper = seen["history"]
    who = {"address": "203.0.113.7", "user_agent": "Firefox of Ottilie", "same_origin_as_admin": False}
    assert by_link["answered"] == by_link["answered"] | who and by_paper["answered"] is None
    invitations = seen["invitations"]
    assert [i["state"] for i in invitations] == ["open", "superseded", "granted", "refused"]
    assert [i["answered"] and (i["answered"]["granted"], i["answered"] | who == i["answered"]) for i in invitations] == [
        None, None, (True, True), (False, True),
    ]
    world.sql("update public.voice_consent_invitations set expires_at = clock_timestamp() where closed_at is null")
    assert consent(world, user=world.here.admin)["invitations"][0]["state"] == "expired"
    member = json.dumps(consent(world))
    assert "203.0.113.7" not in member and "Firefox" not in member and "invitations" not in member


def test_no_more_than_fifty_consents_and_invitations_are_listed_the_newest(world):
    for number in range(52):
        world.invite(f"token {number}")
        world.answer(f"token {number}", withdrawal_token=f"withdrawal {number}")
    seen = consent(world, user=world.here.admin)
    assert len(seen["history"]) == len(seen["invitations"]) == 50
    assert seen["consent"]["ended_at"] is None


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
    assert answer == answer | {
        "outcome": "authorized", "voice_id": "voice_1", "evidence_unverified": False,
        "purpose_description": world.statement["purpose_descriptions"]["voice_clone"],
    }
    row = world.row("select * from public.voice_audit where outcome = 'authorized'")
    assert row["actor_id"] == world.here.member
    assert row["details"] == {
        "purpose": "voice_clone", "consent_id": answer["consent_id"], "attempt_id": attempt, "evidence_unverified": False,
    }
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
