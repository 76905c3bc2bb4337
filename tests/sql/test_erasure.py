"""Erasure: at once in the database, then copy by copy, and what comes late."""

from __future__ import annotations

import datetime
import secrets

import psycopg
import pytest

from .world import LATER, hashed

NOBODY = "00000000-0000-0000-0000-00000000dead"


def new_sid() -> str:
    return f"RE{secrets.token_hex(16)}"


def copies(world, **states):
    return sorted((c["kind"], c["reference"]) for c in world.erasure()["erasure"]["copies"])


def erased_now(world, erasure_id, *kinds):
    """The worker erases these kinds only."""
    offered = world.copies(erasure_id)
    return [world.rpc("copy_erased", copy) for kind in kinds for copy in offered.get(kind, [])]


# -- starting ----------------------------------------------------------------------------------------------------------


def test_an_erasure_lists_every_copy_and_takes_effect_in_the_database_at_once(world):
    attempt = world.cloned()
    employee = world.here.employee
    sid = world.value("select recording_sid from public.recordings")
    started = world.erase()
    assert started["outcome"] == "started"
    assert world.voice_id(employee) is None
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("retired", "consent_withdrawn")
    assert world.request() == {"outcome": "consent_withdrawn"}
    assert world.value("select recording_url from public.calls") is None
    assert world.rpc("newest_recording", employee)["newest"] is None
    assert copies(world) == [
        ("metadata", f"{employee}/{employee}.json"),
        ("newest_recording", f"{employee}/{employee}.wav"),
        ("stored_recording", f"{employee}/{sid}.wav"),
        ("twilio_recording", sid),
        ("vendor_voice", "voice_1"),
    ]
    answer = world.erasure()
    assert (answer["status"], answer["erasure"]["id"], answer["erasure"]["reason"]) == ("pending", started["erasure_id"], "requested")
    assert [kept["until"] is None for kept in answer["erasure"]["kept"]] == [False, True, True]


def test_a_withdrawal_starts_an_erasure(world):
    world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    answer = world.erasure()
    assert (answer["erasure"]["id"], answer["erasure"]["reason"], answer["status"]) == (erasure_id, "withdrawn", "pending")


def test_who_may_not_erase_does_not(world):
    world.cloned()
    assert world.erase(user=world.here.member) == {"outcome": "role_forbidden"}
    assert world.erase(user=world.there.admin) == {"outcome": "employee_not_found"}
    assert world.erase(employee=NOBODY) == {"outcome": "employee_not_found"}
    assert world.erase(user=NOBODY) == {"outcome": "not_a_member"}
    assert world.rpc("read_erasure", world.there.admin, world.here.employee) == {"outcome": "employee_not_found"}
    assert world.rpc("read_erasure", NOBODY, world.here.employee) == {"outcome": "not_a_member"}
    assert world.voice_id(world.here.employee) == "voice_1"
    assert world.erasure() == {"outcome": "erasure", "status": "none", "erasure": None}


def test_where_there_is_nothing_nothing_is_left_to_erase(world):
    erasure_id = world.erase()["erasure_id"]
    assert world.erasure()["status"] == "erased"
    assert world.rpc("begin_erasure", erasure_id) == {"outcome": "erased"}


def test_an_erasure_needs_no_consent(world):
    world.record()
    world.erase()
    assert world.erasure()["status"] == "pending"
    assert ("consent.withdraw", "withdrawn") not in world.audit()


def test_a_second_request_joins_the_first(world):
    world.cloned()
    first = world.withdraw()["erasure_id"]
    sid = world.record(minute=LATER)
    assert world.erase()["erasure_id"] == first
    assert ("twilio_recording", sid) in copies(world)
    assert [outcome for action, outcome in world.audit() if action == "erasure.start"] == ["started", "joined"]


def test_an_employee_who_has_left_can_be_erased_by_their_organisation_only(world):
    world.cloned()
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert world.erase(user=world.there.admin) == {"outcome": "employee_not_found"}
    erasure_id = world.erase()["erasure_id"]
    assert {kind for kind, _ in copies(world)} == {"vendor_voice", "stored_recording", "newest_recording", "twilio_recording", "metadata"}
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_an_employee_who_changed_organisation_keeps_what_they_have_there(world):
    world.cloned()
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    world.grant(user=world.there.admin)
    theirs = world.record(call_sid=world.call(world.here.employee, org=world.there.id), minute=5)
    world.erase()
    assert world.target(theirs, "CA")["outcome"] == "stored"
    assert "newest_recording" not in {kind for kind, _ in copies(world)}
    assert world.rpc("read_voice_consent", world.there.admin, world.here.employee)["status"] == "live"
    assert world.rpc("read_erasure", world.there.admin, world.here.employee)["status"] == "none"


# -- the worker --------------------------------------------------------------------------------------------------------


def test_it_is_erased_only_when_every_single_copy_is_confirmed(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    world.list_calls(erasure_id)
    offered = world.rpc("begin_erasure", erasure_id)
    assert [c["kind"] for c in offered["copies"]] == ["vendor_voice", "stored_recording", "newest_recording", "twilio_recording", "metadata"]
    for number, copy in enumerate(offered["copies"], 1):
        assert world.erasure()["status"] == "pending"
        assert world.rpc("copy_erased", copy["copy_id"])["remaining"] == 5 - number
    answer = world.erasure()
    assert answer["status"] == "erased" and answer["erasure"]["erased_at"]
    assert world.audit()[-1] == ("erasure.finish", "erased")
    assert world.rpc("begin_erasure", erasure_id) == {"outcome": "erased"}
    assert world.value("select vendor_deleted_at is not null from public.voices")
    audit = world.audit()
    assert world.rpc("copy_erased", copy["copy_id"])["remaining"] == 0
    assert world.audit() == audit


def test_a_copy_that_fails_is_reported_and_offered_again(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    copy = world.copies(erasure_id)["vendor_voice"][0]
    world.rpc("copy_failed", copy, "unavailable")
    world.rpc("copy_failed", copy, "timed_out")
    shown = next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == "vendor_voice")
    assert shown == shown | {"state": "failed", "attempts": 2, "last_error": "timed_out", "erased_at": None}
    assert copy in world.copies(erasure_id)["vendor_voice"]
    world.rpc("copy_erased", copy)
    shown = next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == "vendor_voice")
    assert (shown["state"], shown["attempts"], shown["last_error"]) == ("erased", 3, None)
    world.rpc("copy_failed", copy, "late")
    assert next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == "vendor_voice")["state"] == "erased"


def test_what_nobody_knows_is_unknown(world):
    assert world.rpc("begin_erasure", NOBODY) == {"outcome": "erasure_unknown"}
    assert world.rpc("erasure_calls", NOBODY) == {"outcome": "erasure_unknown"}
    assert world.rpc("erasure_call_listed", NOBODY, "CA") == {"outcome": "erasure_unknown"}
    assert world.rpc("add_erasure_copy", NOBODY, "twilio_recording", new_sid()) == {"outcome": "erasure_unknown"}
    assert world.rpc("copy_erased", NOBODY) == {"outcome": "copy_unknown"}
    assert world.rpc("copy_failed", NOBODY, "x") == {"outcome": "copy_unknown"}


def test_twilio_is_asked_for_every_call_before_it_is_erased(world):
    call_sid = world.call(world.here.employee)
    erasure_id = world.erase()["erasure_id"]
    assert world.rpc("erasure_calls", erasure_id) == {"outcome": "calls", "call_sids": [call_sid]}
    assert world.rpc("begin_erasure", erasure_id)["copies"] == []
    assert world.erasure()["status"] == "pending"
    sid = new_sid()
    assert world.rpc("add_erasure_copy", erasure_id, "twilio_recording", sid)["outcome"] == "added"
    assert world.rpc("erasure_call_listed", erasure_id, call_sid)["remaining"] == 1
    assert world.target(sid, call_sid)["outcome"] == "erased"
    assert world.ingest(sid, call_sid, f"{world.here.employee}/{sid}.wav") == {"outcome": "erased"}
    erased_now(world, erasure_id, "twilio_recording")
    assert world.erasure()["status"] == "erased"
    assert world.target(sid, call_sid)["outcome"] == "erased"


def test_the_copy_called_newest_is_not_believed_gone_while_a_recording_could_be_copied_there_again(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    newest = world.copies(erasure_id)["newest_recording"][0]
    assert world.rpc("copy_erased", newest)["newest"] is None
    assert newest in world.copies(erasure_id)["newest_recording"]
    erased_now(world, erasure_id, "stored_recording")
    world.rpc("copy_erased", newest)
    assert "newest_recording" not in world.copies(erasure_id)


def test_a_recording_since_a_new_consent_is_named_to_be_copied_again(world):
    world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    world.grant()
    sid = world.record(minute=LATER)
    erased_now(world, erasure_id, "stored_recording")
    assert erased_now(world, erasure_id, "newest_recording")[0]["newest"]["recording_sid"] == sid


def test_a_voice_that_the_clone_worker_deleted_need_not_be_deleted_again(world):
    attempt = world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    world.deleted(attempt)
    assert "vendor_voice" not in world.copies(erasure_id)
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_the_tombstone_waits_for_who_may_still_write_the_metadata(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    erasure_id = world.withdraw()["erasure_id"]
    begun = world.rpc("begin_erasure", erasure_id)
    assert "metadata" not in {copy["kind"] for copy in begun["copies"]}
    assert begun["blocked"][0]["kind"] == "metadata" and 800 < begun["wait_seconds"] <= 900
    assert "Ottilie" not in str(begun["tombstone"]) and begun["tombstone"]["status"] == "erased"
    assert world.work_off(erasure_id)["outcome"] == "erase"
    world.sql("update public.voices set metadata_handed_at = metadata_handed_at - interval '16 minutes'")
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_metadata_that_is_written_in_time_need_not_be_waited_for(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    erasure_id = world.withdraw()["erasure_id"]
    world.written(attempt)
    begun = world.rpc("begin_erasure", erasure_id)
    assert begun["blocked"] == [] and "wait_seconds" not in begun
    assert "metadata" in {copy["kind"] for copy in begun["copies"]}


def test_a_tombstone_on_top_of_a_new_voices_metadata_is_put_right_by_the_sweep(world):
    world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    world.grant()
    second = world.again(LATER)
    # The old voice's deletion is on its way; the new one is made meanwhile.
    world.begin(second)
    world.save(second, "voice_2")
    world.finish(second)
    world.written(second)
    world.work_off(erasure_id)
    assert world.voice_id(world.here.employee) == "voice_2"
    assert world.rpc("sweep_unfinished", 10)["attempts"] == [{"attempt_id": second, "campaign": False}]
    assert world.begin(second) == {"outcome": "finish"}
    assert world.finish(second)["metadata"]["voice_id"] == "voice_2"
    world.written(second)
    world.sql("update public.voices set swept_at = null")
    assert world.rpc("sweep_unfinished", 10)["attempts"] == []


# -- while a clone is running ------------------------------------------------------------------------------------------


def test_a_clone_that_is_running_loses_and_its_voice_is_erased_too(world):
    attempt = world.requested()
    world.begin(attempt)
    erasure_id = world.erase()["erasure_id"]
    world.list_calls(erasure_id)
    erased_now(world, erasure_id, "stored_recording", "newest_recording", "twilio_recording")
    begun = world.rpc("begin_erasure", erasure_id)
    assert begun["copies"] == []
    assert begun["blocked"] == [{"kind": "vendor_voice", "attempt_id": attempt, "wait_seconds": begun["wait_seconds"]}]
    assert world.erasure()["status"] == "pending"

    world.grant()  # does not help it
    world.save(attempt, "voice_late")
    assert world.voice(attempt)["state"] == "failed"
    finished = world.finish(attempt)
    assert (finished["outcome"], finished["code"]) == ("refused", "consent_withdrawn")
    assert ("vendor_voice", "voice_late") in copies(world)
    assert world.voice_id(world.here.employee) is None
    erased_now(world, erasure_id, "vendor_voice")
    assert world.erasure()["status"] == "erased"


def test_an_attempt_whose_voice_is_not_found_ends_the_erasure_too(world):
    attempt = world.requested()
    world.release(attempt, world.begin(attempt)["lease_id"], False)
    erasure_id = world.erase()["erasure_id"]
    world.list_calls(erasure_id)
    erased_now(world, erasure_id, "stored_recording", "newest_recording", "twilio_recording")
    world.move_lease(attempt, -61)
    assert world.rpc("begin_erasure", erasure_id)["blocked"][0]["wait_seconds"] == 0
    world.release(attempt, world.begin(attempt)["lease_id"], True)
    world.begin(attempt)
    assert world.erasure()["status"] == "erased"


def test_a_voice_that_is_saved_after_all_was_erased_opens_a_new_erasure(world):
    attempt = world.requested()
    world.fail(attempt, world.begin(attempt)["lease_id"], "unavailable")
    first = world.erase()["erasure_id"]
    assert world.work_off(first) == {"outcome": "erased"}
    assert world.save(attempt, "voice_late") == {"outcome": "superfluous"}
    answer = world.erasure()
    assert answer["status"] == "pending" and answer["erasure"]["id"] != first
    assert copies(world) == [("vendor_voice", "voice_late")]
    world.deleted(attempt)
    assert world.erasure()["status"] == "erased"


# -- one recording of several ------------------------------------------------------------------------------------------


def sampled_after_an_erasure(world):
    """An attempt with a sample of two recordings, of which the erasure before it turns out to cover the older one."""
    erasure_id = world.erase()["erasure_id"]
    world.grant()
    newer, older = world.record(minute=LATER + 1), world.record(minute=LATER)
    attempt = world.request()["attempt_id"]
    begun = world.begin(attempt)
    assert world.take(attempt, begun, [(newer, 2), (older, 2)]) == {"outcome": "taken", "delete_voices": []}
    world.sql("update public.recordings set started_at = '2026-01-01' where recording_sid = %s", older)
    return erasure_id, attempt, begun, older


def erase_one(world, erasure_id, kind, recording_sid):
    reference = recording_sid if kind == "twilio_recording" else f"{world.here.employee}/{recording_sid}.wav"
    assert world.rpc("add_erasure_copy", erasure_id, kind, reference)["copy_id"]


@pytest.mark.parametrize("kind", ["twilio_recording", "stored_recording"])
def test_erasing_one_recording_ends_the_voice_that_was_made_from_it_and_others(world, kind):
    erasure_id, attempt, _, older = sampled_after_an_erasure(world)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    world.written(attempt)
    erase_one(world, erasure_id, kind, older)
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("retired", "recording_missing")
    assert world.voice_id(world.here.employee) is None
    employee = world.here.employee
    assert copies(world) == [
        ("metadata", f"{employee}/{employee}.json"),
        ("newest_recording", f"{employee}/{employee}.wav"),
        ("stored_recording", f"{employee}/{older}.wav"),
        ("twilio_recording", older),
        ("vendor_voice", "voice_1"),
    ]
    assert world.work_off(world.erasure()["erasure"]["id"]) == {"outcome": "erased"}
    # The other recording and the consent are as they were.
    assert world.request()["outcome"] == "requested"


def test_erasing_one_recording_ends_the_attempt_for_it(world):
    erasure_id, attempt, begun, older = sampled_after_an_erasure(world)
    world.release(attempt, begun["lease_id"], True)
    erase_one(world, erasure_id, "twilio_recording", older)
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("failed", "recording_missing")


def test_erasing_one_recording_leaves_the_voice_and_the_metadata_that_were_made_from_others(world):
    erasure_id, attempt, begun, older = sampled_after_an_erasure(world)
    world.take(attempt, begun, [(begun["recordings"][0]["recording_sid"], 2)])
    world.save(attempt, "voice_1")
    world.finish(attempt)
    world.written(attempt)
    erase_one(world, erasure_id, "twilio_recording", older)
    assert world.voice(attempt)["state"] == "ready"
    assert world.voice_id(world.here.employee) == "voice_1"
    assert {kind for kind, _ in copies(world)} == {"newest_recording", "stored_recording", "twilio_recording"}


def test_an_erasure_waits_for_the_voice_that_may_yet_be_made_from_one_of_its_recordings(world):
    erasure_id, attempt, _, older = sampled_after_an_erasure(world)
    erase_one(world, erasure_id, "twilio_recording", older)
    erasure_id = world.erasure()["erasure"]["id"]
    assert world.work_off(erasure_id)["blocked"][0] == {
        "kind": "vendor_voice", "attempt_id": attempt, "wait_seconds": world.rpc("begin_erasure", erasure_id)["wait_seconds"],
    }
    assert world.save(attempt, "voice_late") == {"outcome": "saved"}
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("failed", "recording_missing")
    assert ("vendor_voice", "voice_late") in copies(world)
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_a_voice_of_which_one_recording_was_erased_since_it_was_saved_is_refused_and_covered(world):
    _, attempt, _, older = sampled_after_an_erasure(world)
    world.save(attempt, "voice_1")
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", older)
    answer = world.finish(attempt)
    assert (answer["outcome"], answer["code"]) == ("refused", "recording_missing")
    assert ("vendor_voice", "voice_1") in copies(world)


def test_the_tombstone_waits_for_who_may_still_write_the_metadata_of_one_of_its_recordings(world):
    erasure_id, attempt, _, older = sampled_after_an_erasure(world)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    erase_one(world, erasure_id, "twilio_recording", older)
    blocked = world.rpc("begin_erasure", world.erasure()["erasure"]["id"])["blocked"]
    assert [(b["kind"], 800 < b["wait_seconds"] <= 900) for b in blocked] == [("metadata", True)]


@pytest.mark.parametrize("step", ["requested", "begun", "sampled", "unknown", "saved", "finished", "written"])
def test_withdrawing_at_each_step_of_a_clone_ends_without_a_voice(world, step):
    attempt = world.requested()
    if step != "requested":
        begun = world.begin(attempt)
    if step not in ("requested", "begun"):
        world.take(attempt, begun)
    if step == "unknown":
        world.release(attempt, begun["lease_id"], False)
    if step in ("saved", "finished", "written"):
        world.save(attempt, "voice_1")
    if step in ("finished", "written"):
        world.finish(attempt)
    if step == "written":
        world.written(attempt)
    erasure_id = world.withdraw()["erasure_id"]
    # The worker does not know, and goes on from where it was.
    if step in ("begun", "sampled", "unknown"):
        world.save(attempt, "voice_1")
    if step != "requested":
        assert world.finish(attempt)["outcome"] == "refused"
    world.written(attempt)
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.voice_id(world.here.employee) is None
    assert world.sql("select * from public.voices where vendor_voice_id is not null and vendor_deleted_at is null") == []


# -- recordings that come late -----------------------------------------------------------------------------------------


def test_what_was_erased_stays_erased_after_a_new_consent(world):
    sid = world.record()
    call_sid = world.value("select call_sid from public.recordings")
    world.grant()
    erasure_id = world.withdraw()["erasure_id"]
    world.grant()
    assert world.target(sid, call_sid)["outcome"] == "erased"
    assert world.request() == {"outcome": "recording_missing"}
    world.work_off(erasure_id)
    assert world.ingest(sid, call_sid, f"{world.here.employee}/{sid}.wav", LATER) == {"outcome": "erased"}


def test_a_later_call_is_a_new_recording(world):
    world.record()
    world.erase()
    sid = world.record(minute=LATER)
    assert world.rpc("newest_recording", world.here.employee)["newest"]["recording_sid"] == sid


@pytest.mark.parametrize("when", ["during the erasure", "after it"])
def test_a_recording_that_twilio_tells_of_late_is_covered_when_its_call_was_known(world, when):
    sid, call_sid = new_sid(), world.call(world.here.employee)
    first = world.erase()["erasure_id"]
    if when == "after it":
        assert world.work_off(first) == {"outcome": "erased"}
    # Begun whenever.
    assert world.target(sid, call_sid) == {"outcome": "erased", "storage_path": f"{world.here.employee}/{sid}.wav"}
    audit = world.audit()
    assert world.target(sid, call_sid)["outcome"] == "erased"
    assert world.audit() == audit
    assert copies(world) == [("twilio_recording", sid)]
    assert (world.erasure()["erasure"]["id"] == first) == (when == "during the erasure")
    assert world.work_off(world.erasure()["erasure"]["id"]) == {"outcome": "erased"}


def test_a_recording_that_began_before_is_covered_even_when_its_call_was_not_known(world):
    world.erase()
    sid, call_sid = new_sid(), world.call(world.here.employee)
    path = world.target(sid, call_sid)["storage_path"]
    assert world.ingest(sid, call_sid, path) == {"outcome": "erased"}
    assert copies(world) == [("stored_recording", path), ("twilio_recording", sid)]
    assert world.target(sid, call_sid) == {"outcome": "erased", "storage_path": path}
    assert world.rpc("newest_recording", world.here.employee)["newest"] is None


def ingested(world, started_at) -> str:
    """The outcome for a recording of a call that nobody knew of, which Twilio says began then."""
    sid, call_sid = new_sid(), world.call(world.here.employee)
    path = world.target(sid, call_sid)["storage_path"]
    return world.rpc("finish_ingest", sid, call_sid, path, 1, 1, 2, "both", "DialVerb", started_at)["outcome"]


def test_a_recording_that_began_in_the_second_after_the_request_is_new(world):
    world.erase()
    assert ingested(world, datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)) == "stored"


def withdrawn_by_the_employee(world, now: float) -> None:
    world.invite("link")
    world.answer("link")
    world.rpc("withdraw_with_token", hashed("withdrawal"), None, None, now)


def expired(world, now: float) -> None:
    world.grant()
    world.expire_consent(world.here.employee)
    world.rpc("sweep_expired_consents", 10, now)


def withdrawn(world, now: float) -> None:
    world.grant()
    world.rpc("withdraw_voice_consent", world.here.admin, world.here.employee, now)


def requested(world, now: float) -> None:
    world.rpc("start_erasure", world.here.admin, world.here.employee, now)


@pytest.mark.parametrize("off", [-300, 300])
@pytest.mark.parametrize("start", [requested, withdrawn, withdrawn_by_the_employee, expired])
def test_what_began_before_is_told_by_the_callers_clock_and_not_by_the_databases(world, start, off):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=off)
    start(world, now.timestamp())
    assert ingested(world, now - datetime.timedelta(seconds=2)) == "erased"
    assert ingested(world, now + datetime.timedelta(seconds=2)) == "stored"


def test_what_a_worker_has_begun_to_store_and_not_recorded_is_erased_too(world):
    call_sid, sid = world.call(world.here.employee), new_sid()
    path = world.target(sid, call_sid)["storage_path"]
    erasure_id = world.erase()["erasure_id"]
    assert copies(world) == [("stored_recording", path), ("twilio_recording", sid)]
    assert world.ingest(sid, call_sid, path) == {"outcome": "erased"}
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_what_is_begun_of_a_call_that_is_another_ones_by_now_is_theirs(world):
    call_sid, sid = world.call(world.here.employee), new_sid()
    known = world.record(call_sid=call_sid)
    world.sql("update public.calls set employee_id = %s where twilio_call_sid = %s", world.here.other_employee, call_sid)
    path = world.target(sid, call_sid)["storage_path"]
    world.erase()
    assert {reference for _, reference in copies(world)}.isdisjoint({sid, path}) and ("twilio_recording", known) in copies(world)
    assert world.ingest(sid, call_sid, path, LATER)["outcome"] == "stored"


def test_what_was_measured_of_a_recording_goes_with_it(world):
    kept = world.made(world.requested(world.here.other_employee), "voice_2")
    attempt = world.cloned()
    assert world.voice(attempt)["report"] is not None
    world.erase()
    assert world.voice(attempt)["report"] is None
    assert world.voice(kept)["report"] is not None


def test_an_attempt_that_still_runs_loses_its_figures_when_its_fate_is_known(world):
    attempt = world.requested()
    begun = world.begin(attempt)
    world.take(attempt, begun)
    erasure_id = world.erase()["erasure_id"]
    assert world.voice(attempt)["report"] is not None
    world.fail(attempt, begun["lease_id"], "voice_rejected", report={"speech_seconds": 61})
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.voice(attempt)["report"] is None


def test_a_call_that_has_lost_its_employee_is_still_covered_and_one_that_is_another_ones_now_is_not(world):
    calls = [world.call(world.here.employee) for _ in range(3)]
    world.erase()
    world.sql("update public.calls set employee_id = null where twilio_call_sid = %s", calls[0])
    world.sql("update public.calls set employee_id = %s where twilio_call_sid = %s", world.here.other_employee, calls[1])
    world.sql("delete from public.calls where twilio_call_sid = %s", calls[2])
    assert [world.target(new_sid(), call)["outcome"] for call in calls] == ["erased", "store", "erased"]
    sid = new_sid()
    path = f"{world.value('select id from public.calls where twilio_call_sid = %s', calls[0])}/{sid}.wav"
    assert world.ingest(sid, calls[0], path, LATER) == {"outcome": "erased"}


def test_a_recording_of_a_call_that_became_theirs_later_is_erased_too(world):
    call_sid = world.call(None)
    sid = new_sid()
    path = world.target(sid, call_sid)["storage_path"]
    world.ingest(sid, call_sid, path)
    world.sql("update public.calls set employee_id = %s", world.here.employee)
    world.erase()
    assert copies(world) == [("stored_recording", path), ("twilio_recording", sid)]


def test_nothing_of_a_later_consent_or_of_somebody_else_is_added_to_an_erasure(world):
    world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    world.grant()
    new = world.record(minute=LATER)
    world.begin(attempt := world.request()["attempt_id"])
    world.save(attempt, "voice_2")
    world.finish(attempt)
    other = world.record(world.here.other_employee)
    before = copies(world)
    for kind, reference in [
        ("twilio_recording", new), ("stored_recording", f"{world.here.employee}/{new}.wav"), ("twilio_recording", other),
        ("vendor_voice", "voice_2"), ("metadata", f"{world.here.other_employee}/{world.here.other_employee}.json"),
    ]:
        assert world.rpc("add_erasure_copy", erasure_id, kind, reference) == {"outcome": "added", "copy_id": None}
    assert copies(world) == before
    with pytest.raises(psycopg.errors.CheckViolation):
        world.rpc("add_erasure_copy", erasure_id, "twilio_recording", "../x")


# -- races -------------------------------------------------------------------------------------------------------------


def test_a_recording_stored_before_an_erasure_is_seen_by_it(world):
    sid, call_sid = new_sid(), world.call(world.here.employee)
    path = world.target(sid, call_sid)["storage_path"]
    stored, _ = world.race(lambda c: world.ingest(sid, call_sid, path, connection=c), lambda c: world.erase(connection=c))
    assert stored["outcome"] == "stored"
    assert ("stored_recording", path) in copies(world) and ("twilio_recording", sid) in copies(world)


@pytest.mark.parametrize("minute", [0, LATER])
def test_a_recording_stored_after_an_erasure_is_answered_erased(world, minute):
    sid, call_sid = new_sid(), world.call(world.here.employee)
    path = world.target(sid, call_sid)["storage_path"]
    _, stored = world.race(lambda c: world.erase(connection=c), lambda c: world.ingest(sid, call_sid, path, minute, connection=c))
    assert stored == {"outcome": "erased"}
    assert world.sql("select * from public.recordings") == []
    assert ("twilio_recording", sid) in copies(world)


def test_two_erasures_at_once_are_one_also_of_an_employee_who_is_gone(world):
    world.cloned()
    world.sql("delete from public.employees where id = %s", world.here.employee)
    first, second = world.race(lambda c: world.erase(connection=c), lambda c: world.erase(connection=c))
    assert first == second


def test_a_voice_saved_while_an_erasure_starts_is_covered(world):
    attempt = world.requested()
    world.begin(attempt)
    _, saved = world.race(
        lambda c: world.erase(connection=c), lambda c: world.rpc("save_vendor_voice", attempt, "voice_1", connection=c)
    )
    assert saved == {"outcome": "saved"}
    assert ("vendor_voice", "voice_1") in copies(world)


def test_the_last_two_copies_confirmed_at_once_end_the_erasure_once(world):
    world.record()
    erasure_id = world.erase()["erasure_id"]
    world.list_calls(erasure_id)
    erased_now(world, erasure_id, "stored_recording")
    one, two = [copy for found in world.copies(erasure_id).values() for copy in found]
    world.race(lambda c: world.rpc("copy_erased", one, connection=c), lambda c: world.rpc("copy_erased", two, connection=c))
    assert world.audit().count(("erasure.finish", "erased")) == 1
