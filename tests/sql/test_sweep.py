"""The sweep: what no message will ever come for again, bounded, and safe twice at once."""

from __future__ import annotations

import secrets

import pytest
from psycopg.errors import CheckViolation
from psycopg.types.json import Jsonb

from .world import ACCOUNT


def unfinished(world, limit=10, queued=True):
    """The attempts that one run finds, and for which it sends messages if `queued`."""
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
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    world.expire_consent(world.here.employee)
    assert world.voice_id(world.here.employee) == "voice_1"
    answer = world.rpc("sweep_erasures")
    assert world.voice_id(world.here.employee) is None
    erasure = world.erasure()["erasure"]
    assert (answer, erasure["reason"]) == ({"outcome": "started", "erasure_id": erasure["id"]}, "expired")
    assert world.read()["code"] == "consent_expired"
    assert world.request() == {"outcome": "consent_expired"}
    assert world.audit().count(("consent.expire", "expired")) == 1
    assert world.rpc("sweep_erasures") == {"outcome": "none"}


def test_a_sweep_takes_one_employee_at_a_time_until_there_is_none(world):
    for employee in (world.here.employee, world.here.other_employee):
        world.grant(employee)
        world.expire_consent(employee)
    assert [world.rpc("sweep_erasures")["outcome"] for _ in range(3)] == ["started", "started", "none"]


def test_a_consent_of_an_employee_who_has_left_expires_too(world):
    world.requested()
    world.expire_consent(world.here.employee)
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert world.rpc("sweep_erasures")["outcome"] == "started"
    assert world.erasure()["erasure"]["reason"] == "expired"


@pytest.mark.parametrize("gone", [False, True])
def test_two_sweeps_at_once_share_the_work_and_do_not_wait(world, gone):
    world.grant()
    world.expire_consent(world.here.employee)
    if gone:
        world.sql("delete from public.employees where id = %s", world.here.employee)
    one = world.session("service_role")
    with one.transaction():
        assert world.rpc("sweep_erasures", connection=one)["outcome"] == "started"
        assert world.rpc("sweep_erasures")["outcome"] == "none"
    assert world.rpc("sweep_erasures")["outcome"] == "none"


def test_a_request_whose_message_is_lost_is_found_after_ten_minutes(world):
    attempt = world.requested()
    assert unfinished(world) == ([], [])
    world.sql("update public.voices set requested_at = requested_at - interval '11 minutes'")
    assert unfinished(world) == ([attempt], [])


def test_an_attempt_that_a_worker_takes_up_again_and_again_gets_no_second_message(world):
    """As while the vendor is busy: two messages would send the sample twice as often."""
    attempt = world.requested()
    world.sql("update public.voices set requested_at = requested_at - interval '20 hours'")
    world.release(attempt, world.begin(attempt)["lease_id"], True)
    assert unfinished(world) == ([], [])
    world.move_lease(attempt, -18 * 60)
    assert unfinished(world) == ([], [])
    world.move_lease(attempt, -20 * 60)
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
    world.sql("update public.voice_erasures set begun_at = begun_at - interval '20 minutes'")
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
    deployment = deployment or str(world.value("select understudy.deployment_id()"))
    listed = [{"vendor_voice_id": voice, "attempt_id": str(attempt), "deployment_id": deployment} for voice, attempt in voices]
    answer = world.rpc("judge_vendor_voices", Jsonb(listed))
    assert answer["outcome"] == "judged"
    return answer["delete"], [missing["vendor_voice_id"] for missing in answer["missing"]]


def test_of_the_voices_at_the_vendor_those_stay_that_are_live_or_may_yet_be_adopted_or_are_not_ours(world):
    attempt = world.requested()
    world.begin(attempt)
    assert judge(world, ("voice_1", attempt)) == ([], [])
    assert judge(world, ("another_deployments", attempt), deployment=NOBODY) == ([], []), "a copy of this database has our rows"
    world.save(attempt, "voice_1")
    assert judge(world, ("voice_1", attempt), ("twin", attempt)) == (["twin"], [])
    world.finish(attempt)
    assert judge(world, ("voice_1", attempt)) == ([], [])
    world.withdraw()
    assert judge(world, ("voice_1", attempt)) == (["voice_1"], [])
    assert judge(world) == ([], [])


def test_a_voice_of_another_deployment_stays_even_if_we_have_a_row_of_its_attempt(world):
    attempt = world.cloned()
    assert judge(world, ("twin", attempt), deployment=NOBODY) == ([], [])
    world.withdraw()
    assert judge(world, ("voice_1", attempt), ("twin", attempt), deployment=NOBODY) == ([], [])
    assert judge(world, ("twin", attempt)) == (["twin"], [])


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


def test_a_voice_that_another_account_does_not_have_is_not_gone(world):
    attempt = world.cloned()
    assert world.rpc("voice_gone", attempt, "another") == {"outcome": "other_account"}
    assert (world.voice(attempt)["state"], world.voice_id(world.here.employee)) == ("ready", "voice_1")
    assert world.rpc("voice_gone", attempt, ACCOUNT) == {"outcome": "recorded"}
    assert (world.voice(attempt)["state"], world.voice_id(world.here.employee)) == ("retired", None)


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
    assert missing(world, (new_sid(), "nonsense")) == []
    world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    unknown = new_sid()
    assert missing(world, (unknown, call)) == [unknown], "its message adds it to the erasure"
    assert world.target(unknown, call)["outcome"] == "erased"
    assert missing(world, (unknown, call)) == []
    assert unknown in [c["reference"] for c in world.rpc("begin_erasure", erasure_id)["copies"]]


def test_a_recording_whose_call_is_inserted_weeks_later_is_found_then(world):
    call_sid, early, told = f"CA{secrets.token_hex(16)}", new_sid(), new_sid()
    matched = lambda: sorted(found["recording_sid"] for found in world.rpc("matched_recordings", 10)["recordings"])
    assert missing(world, (early, call_sid)) == []
    assert world.target(told, call_sid) == {"outcome": "call_unknown"}, "its message ends in the dead letters"
    assert matched() == []
    world.sql("update public.unmatched_recordings set seen_at = seen_at - interval '6 weeks'")
    world.sql("insert into public.calls (org_id, employee_id, twilio_call_sid) values (%s, %s, %s)", world.here.id, world.here.employee, call_sid)
    assert matched() == sorted([early, told])
    world.rpc("recordings_queued", [early, told])
    assert matched() == []
    for sid in (early, told):
        assert world.ingest(sid, call_sid, world.target(sid, call_sid)["storage_path"])["outcome"] == "stored"
    assert world.sql("select * from public.unmatched_recordings") == []


def test_recordings_of_unknown_calls_are_looked_at_in_turn_and_forgotten_after_sixty_days(world):
    sids = [new_sid() for _ in range(3)]
    for sid in sids:
        world.target(sid, "CA_later")
    looked_at = lambda: world.value("select count(distinct checked_at) from public.unmatched_recordings where checked_at > seen_at + interval '1 ms'")
    for number in (1, 2, 3):
        world.rpc("matched_recordings", 1)
        assert looked_at() == number
    world.sql("update public.unmatched_recordings set seen_at = seen_at - interval '61 days' where recording_sid <> %s", sids[0])
    world.rpc("matched_recordings", 10)
    assert world.sql("select recording_sid from public.unmatched_recordings") == [{"recording_sid": sids[0]}]


def test_the_list_goes_on_where_it_stopped_unless_that_was_long_ago_and_begins_anew_three_days_back(world):
    page = lambda: world.rpc("recording_sweep_state")["next_page_uri"]
    world.rpc("recording_page_seen", [], f"/2010-04-01/Accounts/{ACCOUNT}/Recordings.json?Page=1")
    assert page().endswith("Page=1")
    world.sql("update understudy.recording_sweep set paged_at = paged_at - interval '25 hours'")
    assert page() is None
    world.rpc("recording_page_seen", [], None)
    assert world.value("select (select since from understudy.recording_sweep) = current_date - 3")


@pytest.mark.parametrize("page", [
    "https://evil.example/2010-04-01/Accounts/{account}/Recordings.json?Page=1", "//evil.example/2010-04-01/Accounts/{account}/Recordings.json?Page=1",
    "@evil.example/2010-04-01/Accounts/{account}/Recordings.json?Page=1", "/2010-04-01/Accounts/{account}/Calls.json?Page=1",
    "/2010-04-01/Accounts/../Recordings.json?Page=1", "/2010-04-01/Accounts/{account}/Recordings.json", "", "?Page=1",
    "/2010-04-01/Accounts/{account}/Recordings.json?Page=1\nHost: evil.example",
])  # fmt: skip
def test_a_page_that_is_not_one_of_an_accounts_recordings_is_not_kept(world, page):
    with pytest.raises(CheckViolation):
        world.rpc("recording_page_seen", [], page.format(account=ACCOUNT))
    assert world.rpc("recording_sweep_state")["next_page_uri"] is None


# -- objects that nobody names ------------------------------------------------------------------------------------------------


def abandoned(world):
    return [(write["left_over"], write["path"]) for write in world.rpc("abandoned_writes", 10)["writes"]]


def an_hour_passes_since_the_writes(world):
    world.sql("update public.storage_writes set begun_at = begun_at - interval '61 minutes'")


def test_an_object_of_a_worker_that_died_is_cleared_once_the_recording_is_stored_elsewhere(world):
    call, recording = world.call(world.here.employee), new_sid()
    left = world.target(recording, call)["storage_path"]
    world.sql("update public.calls set employee_id = %s where twilio_call_sid = %s", world.here.other_employee, call)
    an_hour_passes_since_the_writes(world)
    assert abandoned(world) == [], "a later try may yet store it"
    stored = world.ingest(recording, call, world.target(recording, call)["storage_path"], 0)
    world.publish(stored["newest"])
    assert abandoned(world) == [("remove", left)]
    for write in world.rpc("abandoned_writes", 10)["writes"]:
        world.rpc("write_cleared", write["write_id"])
    assert world.sql("select * from public.storage_writes") == []


def test_the_place_of_a_live_recording_is_never_named(world):
    call, recording = world.call(world.here.employee), new_sid()
    world.target(recording, call)
    path = world.target(recording, call)["storage_path"]
    world.publish(world.ingest(recording, call, path, 0)["newest"])
    an_hour_passes_since_the_writes(world)
    assert abandoned(world) == []
    assert world.sql("select * from public.storage_writes") == [], "the write of the first try is over"


def test_a_copy_or_metadata_that_a_worker_died_over_are_written_again(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    sid = world.newest()
    world.target(sid, "CA")
    assert abandoned(world) == []
    an_hour_passes_since_the_writes(world)
    employee = world.here.employee
    assert sorted(abandoned(world)) == [("metadata", f"{employee}/{employee}.json"), ("publish", f"{employee}/{employee}.wav")]


# -- employees who leave ------------------------------------------------------------------------------------------------------


def test_of_an_employee_who_was_deleted_everything_goes_with_the_next_sweep(world):
    world.cloned()
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert world.rpc("sweep_erasures")["outcome"] == "started"
    erasure = world.erasure()["erasure"]
    assert erasure["reason"] == "left"
    assert world.value("select ended_as from public.voice_consents") == "left"
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    assert world.work_off(erasure["id"]) == {"outcome": "erased"}


def test_an_employee_who_moved_takes_no_voice_along_and_what_they_had_goes_with_the_next_sweep(world):
    attempt = world.cloned()
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    assert world.voice_id(world.here.employee) is None, "at once: nobody there sees the voice"
    assert world.read(user=world.there.admin)["voice_id"] is None
    assert world.rpc("sweep_erasures")["outcome"] == "started"
    assert (world.voice(attempt)["state"], world.erasure()["erasure"]["reason"]) == ("retired", "left")
    assert world.rpc("sweep_erasures") == {"outcome": "none"}


def test_an_employee_who_left_without_any_record_leaves_nothing_to_do(world):
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    assert world.sql("select * from understudy.employee_changes") == []


def test_what_somebody_else_writes_into_voice_id_is_put_right_by_the_sweep(world):
    world.cloned()
    for stale in ("voice_of_old", None):
        world.sql("update public.employees set voice_id = %s where id = %s", stale, world.here.employee)
        world.sql("update public.employees set voice_id = %s where id = %s", "voice_of_nobody", world.here.other_employee)
        assert world.rpc("sweep_erasures") == {"outcome": "none"}
        assert world.voice_id(world.here.employee) == "voice_1"
        assert world.voice_id(world.here.other_employee) is None
    world.sql("update public.employees set full_name = 'Anna' where id = %s", world.here.employee)
    assert world.sql("select * from understudy.employee_changes") == []


# -- retention ------------------------------------------------------------------------------------------------------------------


def keep_for(world, *, after_call=None, after_clone=None):
    world.sql(
        "insert into public.organization_voice_settings (org_id, delete_recordings_days_after_call, delete_recordings_days_after_clone)"
        " values (%s, %s, %s)",
        world.here.id, after_call, after_clone,
    )


def started_days_ago(world, sid, days):
    world.sql("update public.recordings set started_at = now() - make_interval(days => %s) where recording_sid = %s", days, sid)


def test_recordings_go_so_many_days_after_the_call_and_consent_and_voice_stay(world):
    attempt = world.cloned()
    old, new = world.newest(), world.record(minute=1)
    started_days_ago(world, old, 31)
    started_days_ago(world, new, 29)
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    keep_for(world, after_call=30)
    erasure_id = world.rpc("sweep_erasures")["erasure_id"]
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    erasure = world.erasure()["erasure"]
    assert (erasure["id"], erasure["reason"], erasure["scope"]) == (erasure_id, "retention", "recordings")
    employee = world.here.employee
    assert {(c["kind"], c["reference"]) for c in erasure["copies"]} == {
        ("stored_recording", f"{employee}/{old}.wav"), ("twilio_recording", old), ("newest_recording", f"{employee}/{employee}.wav"),
    }
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert (world.voice(attempt)["state"], world.voice_id(employee), world.newest()) == ("ready", "voice_1", new)
    assert world.rpc("read_voice_consent", world.here.admin, employee)["status"] == "live"


def test_recordings_go_so_many_days_after_a_good_clone_and_asking_again_gives_the_same_voice(world):
    attempt = world.cloned()
    keep_for(world, after_clone=7)
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    world.sql("update public.voices set ready_at = now() - interval '8 days'")
    erasure_id = world.rpc("sweep_erasures")["erasure_id"]
    assert world.rpc("sweep_erasures") == {"outcome": "none"}
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.newest() is None and world.voice(attempt)["state"] == "ready"
    again = world.request()
    assert (again["outcome"], again["attempt_id"]) == ("ready", attempt)


def test_an_attempt_on_a_recording_that_is_kept_no_longer_is_refused_and_the_current_voice_stays(world):
    world.cloned()
    attempt = world.again()
    begun = world.begin(attempt)
    world.sql("update public.recordings set started_at = now() - interval '31 days'")
    keep_for(world, after_call=30)
    world.rpc("sweep_erasures")
    assert world.take(attempt, begun) == {"outcome": "refused", "code": "recording_missing"}
    assert world.voice_id(world.here.employee) == "voice_1"


def test_a_recording_that_comes_when_it_is_kept_no_longer_is_not_stored(world):
    old = world.record()
    keep_for(world, after_call=30)
    started_days_ago(world, old, 40)
    world.rpc("sweep_erasures")
    sid, call_sid = new_sid(), world.call(world.here.employee)
    target = world.target(sid, call_sid)
    assert world.ingest(sid, call_sid, target["storage_path"], minute=-60 * 24 * 400) == {"outcome": "erased"}


def test_a_withdrawal_during_an_erasure_for_retention_makes_it_one_of_everything(world):
    world.cloned()
    keep_for(world, after_call=30)
    started_days_ago(world, world.newest(), 40)
    erasure_id = world.rpc("sweep_erasures")["erasure_id"]
    assert world.withdraw()["erasure_id"] == erasure_id
    erasure = world.erasure()["erasure"]
    assert (erasure["scope"], erasure["reason"]) == ("everything", "withdrawn")
    assert {"vendor_voice", "metadata", "twilio_call"} < {c["kind"] for c in erasure["copies"]}


def test_recordings_that_belong_to_no_employee_go_too(world):
    sid, call_sid = new_sid(), world.call(None)
    path = world.target(sid, call_sid)["storage_path"]
    world.ingest(sid, call_sid, path)
    keep_for(world, after_call=30)
    erasure_id = world.rpc("sweep_erasures")["erasure_id"]
    assert [c["reference"] for c in world.rpc("begin_erasure", erasure_id)["copies"]] == [path, sid]
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.target(sid, call_sid)["outcome"] == "erased"
