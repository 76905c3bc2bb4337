"""An admin never overrules the employee's own word."""

from __future__ import annotations

import pytest

NEEDS_EMPLOYEE = {"outcome": "consent_needs_employee"}
BOTH = ("voice_clone", "synthetic_speech")


def granted_by_link(world, purposes=("voice_clone",), days=365, token="token"):
    world.invite(token, purposes=purposes, days=days)
    assert world.answer(token, withdrawal_token=f"withdrawal of {token}")["outcome"] == "granted"


def refused_by_link(world, token="token"):
    world.invite(token)
    assert world.answer(token, granted=False)["outcome"] == "refused"


def consents(world):
    return world.sql("select id, purposes, expires_at, ended_at from public.voice_consents order by number")


def is_refused(world, **consent):
    """An admin records it, and nothing changes but the audit."""
    before = consents(world)
    assert world.grant(**consent) == world.grant(read=None, **consent) == NEEDS_EMPLOYEE
    assert consents(world) == before
    assert world.audit()[-2:] == [("consent.grant", "consent_needs_employee")] * 2
    assert world.sql("select * from public.voice_consent_evidence") == []
    return True


def test_an_admin_adds_no_purpose_to_what_the_employee_granted(world):
    granted_by_link(world)
    assert is_refused(world, purposes=BOTH, days=30)
    assert is_refused(world, purposes=("synthetic_speech",), days=30)


def test_an_admin_lets_nothing_last_longer_than_the_employee_granted(world):
    granted_by_link(world, days=100)
    assert is_refused(world, days=101)


def test_an_admin_narrows_and_goes_back_to_what_the_employee_granted(world):
    granted_by_link(world, purposes=BOTH)
    for purposes in (("synthetic_speech",), ("voice_clone",), BOTH):
        assert world.grant(purposes=purposes, days=364)["outcome"] == "granted"
    assert is_refused(world, days=366)


@pytest.mark.parametrize("over", ["expired", "withdrawn by an admin"])
def test_what_the_employee_granted_stays_the_most_there_is_after_it_is_over(world, over):
    granted_by_link(world)
    if over == "expired":
        world.expire_consent(world.here.employee)
        world.rpc("sweep_erasures")
    else:
        world.withdraw()
        assert world.grant(days=364)["outcome"] == "granted"
    assert is_refused(world, days=366)
    assert is_refused(world, purposes=BOTH)


def test_an_admin_records_no_consent_after_a_refusal(world):
    refused_by_link(world)
    assert is_refused(world)


def test_an_admin_records_no_consent_after_the_employee_withdrew(world):
    granted_by_link(world)
    world.withdraw_with_token("withdrawal of token")
    assert is_refused(world, days=30)


def test_it_is_the_employees_word_too_when_they_withdraw_what_an_admin_recorded(world):
    granted_by_link(world)
    world.grant(days=30)
    world.withdraw_with_token("withdrawal of token")
    assert is_refused(world, days=10)


def test_after_a_refusal_an_admin_only_narrows_what_lives(world):
    world.grant(purposes=BOTH, days=100)
    refused_by_link(world)
    assert is_refused(world, purposes=BOTH, days=101)
    assert is_refused(world, purposes=BOTH, expires_at=consents(world)[0]["expires_at"])
    assert world.grant(days=99)["outcome"] == "granted"
    assert is_refused(world, purposes=BOTH, days=50)
    assert world.grant(days=50)["outcome"] == "granted"
    assert world.withdraw()["outcome"] == "withdrawn"
    assert is_refused(world, days=10)


def test_after_an_admin_has_withdrawn_what_the_employee_never_spoke_of_a_new_consent_is_possible(world):
    world.grant()
    world.withdraw()
    assert world.grant(purposes=BOTH)["outcome"] == "granted"


def test_a_new_answer_of_the_employee_is_the_new_last_word(world):
    refused_by_link(world)
    granted_by_link(world, token="second")
    assert world.grant(days=364)["outcome"] == "granted"
    world.withdraw_with_token("withdrawal of second")
    assert is_refused(world)
    granted_by_link(world, purposes=BOTH, token="third")
    assert world.grant(purposes=BOTH, days=364)["outcome"] == "granted"
    refused_by_link(world, "fourth")
    assert is_refused(world, purposes=BOTH, days=365)


def test_an_invitation_that_nobody_has_answered_is_no_word(world):
    world.invite("token")
    assert world.grant()["outcome"] == "granted"
    world.invite("newer")
    assert world.grant(purposes=BOTH)["outcome"] == "granted"


def test_the_word_of_an_employee_is_of_their_organisation_and_of_nobody_else(world):
    refused_by_link(world)
    assert world.grant(world.here.other_employee)["outcome"] == "granted"
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    assert world.grant(user=world.there.admin)["outcome"] == "granted"


def test_a_refusal_that_comes_first_keeps_a_consent_out_that_comes_at_the_same_time(world):
    world.invite("token")
    _, granted = world.race(
        lambda c: world.answer("token", granted=False, connection=c), lambda c: world.grant(connection=c)
    )
    assert granted == NEEDS_EMPLOYEE


def test_a_clock_that_was_set_back_does_not_make_an_older_word_the_last_one(world):
    refused_by_link(world)
    granted_by_link(world, token="second")
    world.sql("update public.voice_consent_invitations set closed_at = clock_timestamp() + interval '1 day' where closed_as = 'refused'")
    assert world.grant(days=364)["outcome"] == "granted"
