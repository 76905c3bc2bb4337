"""The sweep: what no message will ever come for again, bounded, and safe twice at once."""

from __future__ import annotations

import pytest


def unfinished(world, limit=10):
    answer = world.rpc("sweep_unfinished", limit)
    assert answer["outcome"] == "found"
    return answer["attempt_ids"], answer["erasure_ids"]


def test_an_expired_consent_ends_the_voice_and_starts_an_erasure_once(world):
    world.cloned()
    assert world.rpc("sweep_expired_consents", 10) == {"outcome": "swept", "erasure_ids": []}
    world.expire_consent(world.here.employee)
    assert world.voice_id(world.here.employee) == "voice_1"
    answer = world.rpc("sweep_expired_consents", 10)
    assert world.voice_id(world.here.employee) is None
    erasure = world.erasure()["erasure"]
    assert (answer["erasure_ids"], erasure["reason"]) == ([erasure["id"]], "expired")
    assert world.read()["code"] == "consent_expired"
    assert world.request() == {"outcome": "consent_expired"}
    assert world.audit().count(("consent.expire", "expired")) == 1
    assert world.rpc("sweep_expired_consents", 10)["erasure_ids"] == []


def test_a_sweep_takes_no_more_than_it_is_told_and_the_next_one_goes_on(world):
    for employee in (world.here.employee, world.here.other_employee):
        world.grant(employee)
        world.expire_consent(employee)
    assert world.rpc("sweep_expired_consents", 0)["erasure_ids"] == []
    found = [len(world.rpc("sweep_expired_consents", 1)["erasure_ids"]) for _ in range(3)]
    assert found == [1, 1, 0]


def test_a_consent_of_an_employee_who_has_left_expires_too(world):
    world.requested()
    world.expire_consent(world.here.employee)
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert len(world.rpc("sweep_expired_consents", 10)["erasure_ids"]) == 1


@pytest.mark.parametrize("gone", [False, True])
def test_two_sweeps_at_once_share_the_work_and_do_not_wait(world, gone):
    world.grant()
    world.expire_consent(world.here.employee)
    if gone:
        world.sql("delete from public.employees where id = %s", world.here.employee)
    one = world.session("service_role")
    with one.transaction():
        assert len(world.rpc("sweep_expired_consents", 10, connection=one)["erasure_ids"]) == 1
        assert world.rpc("sweep_expired_consents", 10)["erasure_ids"] == []
    assert world.rpc("sweep_expired_consents", 10)["erasure_ids"] == []


def test_a_request_whose_message_is_lost_is_found_after_ten_minutes(world):
    attempt = world.requested()
    assert unfinished(world) == ([], [])
    world.sql("update public.voices set requested_at = requested_at - interval '11 minutes'")
    assert unfinished(world) == ([attempt], [])


def test_an_attempt_is_found_when_its_lease_and_grace_time_are_over(world):
    attempt = world.requested()
    world.begin(attempt)
    world.sql("update public.voices set requested_at = requested_at - interval '11 minutes'")
    world.move_lease(attempt, -59)
    assert unfinished(world) == ([], [])
    world.move_lease(attempt, -61)
    assert unfinished(world) == ([attempt], [])


def test_a_voice_to_delete_is_found_until_it_is_deleted(world):
    first = world.cloned()
    second = world.again()
    world.begin(second)
    world.save(second, "voice_2")
    world.finish(second)
    world.written(second)
    assert unfinished(world) == ([first], [])
    world.deleted(first)
    assert unfinished(world) == ([], [])


def test_metadata_that_nobody_confirmed_is_found(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    assert unfinished(world) == ([attempt], [])
    world.written(attempt)
    assert unfinished(world) == ([], [])


def test_an_erasure_is_found_after_ten_minutes_until_it_is_done(world):
    attempt = world.cloned()
    erasure_id = world.erase()["erasure_id"]
    world.deleted(attempt)
    assert unfinished(world) == ([], [])
    world.sql("update public.voice_erasures set requested_at = requested_at - interval '11 minutes'")
    assert unfinished(world) == ([], [erasure_id])
    world.work_off(erasure_id)
    assert unfinished(world) == ([], [])


def test_an_erasure_that_a_worker_takes_up_again_and_again_gets_no_second_message(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    world.sql("update public.voice_erasures set requested_at = requested_at - interval '11 minutes'")
    world.rpc("begin_erasure", erasure_id)
    assert unfinished(world)[1] == []
    world.sql("update public.voice_erasures set begun_at = begun_at - interval '17 minutes'")
    assert unfinished(world)[1] == [erasure_id]


def test_the_longest_unswept_come_first_so_none_is_starved(world):
    for employee in (world.here.employee, world.here.other_employee):
        world.requested(employee)
    world.sql("update public.voices set requested_at = requested_at - interval '11 minutes'")
    found = [unfinished(world, 1)[0][0] for _ in range(4)]
    assert found[0] != found[1] and found[:2] == found[2:]


def test_what_another_sweep_has_just_found_is_passed_over(world):
    attempt = world.requested()
    world.sql("update public.voices set requested_at = requested_at - interval '11 minutes'")
    one = world.session("service_role")
    with one.transaction():
        assert world.rpc("sweep_unfinished", 10, connection=one)["attempt_ids"] == [attempt]
        assert unfinished(world) == ([], [])


def test_of_the_voices_at_the_vendor_those_stay_that_are_live_or_may_yet_be_adopted_or_are_not_ours(world):
    nobody = "00000000-0000-0000-0000-00000000dead"

    def known(*pairs):
        return world.rpc("known_vendor_voices", [v for v, _ in pairs], [a for _, a in pairs])["voice_ids"]

    attempt = world.requested()
    world.begin(attempt)
    assert known(("voice_1", attempt)) == ["voice_1"]
    assert known(("another_deployments", nobody)) == ["another_deployments"]
    world.save(attempt, "voice_1")
    assert known(("voice_1", attempt), ("twin", attempt)) == ["voice_1"]
    world.finish(attempt)
    assert known(("voice_1", attempt)) == ["voice_1"]
    world.withdraw()
    assert known(("voice_1", attempt)) == []
    assert known() == []
