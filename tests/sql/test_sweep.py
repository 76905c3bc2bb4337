"""The sweep: what no message will ever come for again, bounded, and safe twice at once."""

from __future__ import annotations

import secrets

import pytest
from psycopg.types.json import Jsonb


def unfinished(world, limit=10, queued=True):
    """What one run finds; `queued`: and sends messages for."""
    answer = world.rpc("sweep_unfinished", limit)
    assert (answer["outcome"], answer["timed_out"]) == ("found", 0)
    attempts = [found["attempt_id"] for found in answer["attempts"]]
    if queued:
        assert world.rpc("attempts_queued", attempts) == {"outcome": "recorded"}
    return attempts, answer["erasure_ids"]


def an_hour_passes(world):
    world.sql("update public.voices set swept_at = swept_at - interval '61 minutes'")


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
    found = []
    for _ in range(4):
        found += unfinished(world, 1)[0]
        an_hour_passes(world)
    assert found[0] != found[1] and found[:2] == found[2:]


def test_a_campaigns_requests_wait_their_turn_for_hours_and_stand_in_nobodys_way(world):
    for employee in (world.here.employee, world.here.other_employee):
        world.grant(employee)
        world.record(employee)
    campaign = world.request(campaign=True)["attempt_id"]
    click = world.request(world.here.other_employee)["attempt_id"]
    world.sql("update public.voices set requested_at = requested_at - interval '5 hours'")
    assert unfinished(world, queued=False) == ([click], [])
    world.sql("update public.voices set requested_at = requested_at - interval '2 hours'")
    assert unfinished(world, 1, queued=False) == ([click], [])
    assert unfinished(world) == ([click, campaign], [])


def test_an_attempt_gets_one_message_an_hour_and_whoever_could_not_queue_it_leaves_it_to_the_next_run(world):
    attempt = world.requested()
    world.sql("update public.voices set requested_at = requested_at - interval '11 minutes'")
    assert unfinished(world, queued=False) == ([attempt], [])
    assert unfinished(world) == ([attempt], [])
    assert unfinished(world) == ([], [])
    an_hour_passes(world)
    assert unfinished(world) == ([attempt], [])


# -- the voices at the vendor ---------------------------------------------------------------------------------------------

NOBODY = "00000000-0000-0000-0000-00000000dead"


def judge(world, *voices, deployment=None):
    listed = [{"vendor_voice_id": voice, "attempt_id": str(attempt), "deployment_id": deployment} for voice, attempt in voices]
    answer = world.rpc("judge_vendor_voices", Jsonb(listed))
    assert answer["outcome"] == "judged"
    return answer["delete"], [missing["vendor_voice_id"] for missing in answer["missing"]]


def test_of_the_voices_at_the_vendor_those_stay_that_are_live_or_may_yet_be_adopted_or_are_not_ours(world):
    attempt = world.requested()
    world.begin(attempt)
    assert judge(world, ("voice_1", attempt)) == ([], [])
    assert judge(world, ("another_deployments", NOBODY)) == ([], [])
    world.save(attempt, "voice_1")
    assert judge(world, ("voice_1", attempt), ("twin", attempt)) == (["twin"], [])
    world.finish(attempt)
    assert judge(world, ("voice_1", attempt)) == ([], [])
    world.withdraw()
    assert judge(world, ("voice_1", attempt)) == (["voice_1"], [])
    assert judge(world) == ([], [])


def test_a_voice_of_this_deployment_that_no_row_knows_goes_after_an_hour_and_another_deployments_never(world):
    ours = str(world.value("select id from understudy.deployment"))
    late = lambda: world.sql("update public.stray_voices set first_seen_at = first_seen_at - interval '61 minutes'")
    assert judge(world, ("stray", NOBODY), deployment=ours) == ([], [])
    late()
    assert judge(world, ("foreign", NOBODY), deployment=NOBODY) == ([], [])
    assert judge(world, ("stray", NOBODY), deployment=ours) == ([], []), "not listed meanwhile: its hour began anew"
    late()
    assert judge(world, ("stray", NOBODY), deployment=ours) == (["stray"], [])


def test_a_current_voice_that_is_not_listed_is_named_and_taken_off_when_it_is_gone(world):
    attempt = world.cloned()
    assert judge(world) == ([], []), "the list may be a little behind"
    world.sql("update public.voices set ready_at = ready_at - interval '11 minutes'")
    assert judge(world) == ([], ["voice_1"])
    for _ in range(2):
        assert world.rpc("voice_gone", attempt) == {"outcome": "recorded"}
    assert world.voice(attempt)["code"] == "voice_gone" and world.voice_id(world.here.employee) is None
    assert judge(world) == ([], [])


# -- recordings whose callback never came -----------------------------------------------------------------------------------


def missing(world, *recordings, minutes=20):
    at = world.value("select to_char(now() - make_interval(mins => %s), 'Dy, DD Mon YYYY HH24:MI:SS TZHTZM')", minutes)
    listed = [{"recording_sid": sid, "call_sid": call_sid, "created_at": at} for sid, call_sid in recordings]
    return [found["recording_sid"] for found in world.rpc("missing_recordings", Jsonb(listed))["recordings"]]


def new_sid() -> str:
    return f"RE{secrets.token_hex(16)}"


def test_a_recording_of_a_known_call_that_nobody_told_of_is_queued_once_a_day(world):
    call, lost = world.call(world.here.employee), new_sid()
    assert missing(world, (lost, call)) == [lost]
    assert missing(world, (lost, call)) == [lost], "whoever found it may have died before queueing it"
    world.rpc("recording_page_seen", [lost], None)
    assert missing(world, (lost, call)) == []
    world.sql("update public.swept_recordings set queued_at = queued_at - interval '25 hours'")
    assert missing(world, (lost, call)) == [lost]


def test_what_is_stored_or_erased_or_of_an_unknown_call_or_just_made_is_not_missing(world):
    call = world.call(world.here.employee)
    stored = world.record(call_sid=call)
    assert missing(world, (stored, call)) == []
    assert missing(world, (new_sid(), f"CA{secrets.token_hex(16)}")) == []
    assert missing(world, (new_sid(), call), minutes=5) == []
    assert missing(world, ("RE/../x", call), (new_sid(), "nonsense")) == []
    world.cloned()
    world.withdraw()
    assert missing(world, (new_sid(), call)) == [], "the erasure covers the call, also what it does not know of"


def test_the_list_goes_on_where_it_stopped_unless_that_was_long_ago_and_begins_anew_three_days_back(world):
    page = lambda: world.rpc("recording_sweep_state")["next_page_uri"]
    world.rpc("recording_page_seen", [], "/2010-04-01/Accounts/AC/Recordings.json?Page=1")
    assert page().endswith("Page=1")
    world.sql("update understudy.recording_sweep set paged_at = paged_at - interval '25 hours'")
    assert page() is None
    world.rpc("recording_page_seen", [], None)
    assert world.value("select (select since from understudy.recording_sweep) = current_date - 3")


# -- objects that nobody names ------------------------------------------------------------------------------------------------


def abandoned(world):
    return [upload["storage_path"] for upload in world.rpc("abandoned_uploads", 10)["uploads"]]


def test_an_object_of_a_worker_that_died_is_cleared_once_the_recording_is_stored_elsewhere(world):
    call, recording = world.call(world.here.employee), new_sid()
    left = world.target(recording, call)["storage_path"]
    world.sql("update public.calls set employee_id = %s where twilio_call_sid = %s", world.here.other_employee, call)
    world.sql("update public.recording_uploads set begun_at = begun_at - interval '61 minutes'")
    assert abandoned(world) == [], "a later try may yet store it"
    assert world.ingest(recording, call, world.target(recording, call)["storage_path"], 0)["outcome"] == "stored"
    assert abandoned(world) == [left]
    world.rpc("upload_cleared", recording, left)
    assert abandoned(world) == []


def test_the_place_of_a_live_recording_is_never_named(world):
    call, recording = world.call(world.here.employee), new_sid()
    path = world.target(recording, call)["storage_path"]
    assert world.ingest(recording, call, path, 0)["outcome"] == "stored"
    world.sql("insert into public.recording_uploads values (%s, %s, %s, now() - interval '2 days')", recording, path, call)
    assert abandoned(world) == []
