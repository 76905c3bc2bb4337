"""Erasure: at once in the database, then copy by copy."""

from __future__ import annotations

import pytest

from .erasures import a_quarter_of_an_hour_passes, copies, kinds, new_sid
from .world import ACCOUNT, LATER

NOBODY = "00000000-0000-0000-0000-00000000dead"


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
    assert world.sql("select * from understudy.newest_recordings(%s, %s)", world.here.id, employee) == []
    assert {"twilio_call", "vendor_history"} < kinds(world)
    assert copies(world) == [
        ("metadata", f"{employee}/{employee}.json"),
        ("newest_recording", f"{employee}/{employee}.wav"),
        ("stored_recording", f"{employee}/{sid}.wav"),
        ("twilio_recording", sid),
        ("vendor_voice", "voice_1"),
    ]
    answer = world.erasure()
    assert (answer["status"], answer["erasure"]["id"], answer["erasure"]["reason"]) == ("pending", started["erasure_id"], "requested")
    assert (answer["erasure"]["copies_total"], answer["erasure"]["copies_left"], answer["erasure"]["is_listed"]) == (7, 7, True)


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
    assert world.erased_now(erasure_id, "vendor_history") == [{"outcome": "erased"}]
    offered = world.rpc("begin_erasure", erasure_id)
    assert [c["kind"] for c in offered["copies"]] == [
        "vendor_voice", "stored_recording", "newest_recording", "metadata", "twilio_recording", "twilio_call",
    ]
    for number, copy in enumerate(offered["copies"], 1):
        assert (world.erasure()["status"], world.erasure()["erasure"]["copies_left"]) == ("pending", 7 - number)
        assert world.rpc("copy_erased", copy["copy_id"])["outcome"] == "erased"
    answer = world.erasure()
    assert answer["status"] == "erased" and answer["erasure"]["erased_at"]
    assert world.audit()[-1] == ("erasure.finish", "erased")
    assert world.rpc("begin_erasure", erasure_id) == {"outcome": "erased"}
    assert world.value("select vendor_deleted_at is not null from public.voices")
    audit = world.audit()
    assert world.rpc("copy_erased", copy["copy_id"]) == {"outcome": "erased"}
    assert world.audit() == audit


def test_a_copy_that_fails_is_reported_and_offered_again(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    world.erased_now(erasure_id, "vendor_history")
    copy = world.copies(erasure_id)["vendor_voice"][0]
    world.rpc("copy_failed", copy, "unavailable")
    world.rpc("copy_failed", copy, "timed_out")
    shown = next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == "vendor_voice")
    assert shown == shown | {"state": "failed", "attempts": 2, "last_error": "timed_out", "erased_at": None}
    assert copy in world.copies(erasure_id)["vendor_voice"]
    world.rpc("copy_erased", copy, ACCOUNT)
    shown = next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == "vendor_voice")
    assert (shown["state"], shown["attempts"], shown["last_error"]) == ("erased", 3, None)
    world.rpc("copy_failed", copy, "late")
    assert next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == "vendor_voice")["state"] == "erased"


def test_what_nobody_knows_is_unknown(world):
    assert world.rpc("begin_erasure", NOBODY) == {"outcome": "erasure_unknown"}
    assert world.rpc("add_erasure_copies", NOBODY, "twilio_recording", [new_sid()]) == {"outcome": "erasure_unknown"}
    assert world.rpc("copy_kept_elsewhere", NOBODY, "x") == {"outcome": "copy_unknown"}
    assert world.rpc("copy_erased", NOBODY) == {"outcome": "copy_unknown"}
    assert world.rpc("copy_failed", NOBODY, "x") == {"outcome": "copy_unknown"}


def test_twilio_is_asked_for_every_call_before_it_is_erased(world):
    call_sid = world.call(world.here.employee)
    erasure_id = world.erase()["erasure_id"]
    offered = world.rpc("begin_erasure", erasure_id)["copies"]
    assert [(c["kind"], c["reference"]) for c in offered] == [("twilio_call", call_sid)]
    assert world.erasure()["status"] == "pending"
    sid = new_sid()
    assert world.rpc("add_erasure_copies", erasure_id, "twilio_recording", [sid, sid]) == {"outcome": "added", "added": 1}
    world.rpc("copy_erased", offered[0]["copy_id"])
    assert world.erasure()["status"] == "pending"
    assert world.target(sid, call_sid)["outcome"] == "erased"
    assert world.ingest(sid, call_sid, f"{world.here.employee}/{sid}.wav") == {"outcome": "erased"}
    world.erased_now(erasure_id, "twilio_recording", "stored_recording")
    assert world.erasure()["status"] == "erased"
    assert world.target(sid, call_sid)["outcome"] == "erased"


def test_a_voice_goes_after_its_speech_was_listed_or_the_list_failed_three_times(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    for _ in range(3):
        offered = world.copies(erasure_id)
        assert "vendor_voice" not in offered
        world.rpc("copy_failed", offered["vendor_history"][0], "missing_permissions")
    assert "vendor_voice" in world.copies(erasure_id) and "vendor_history" in world.copies(erasure_id)
    assert world.rpc("add_erasure_copies", erasure_id, "vendor_speech", ["history_1", "history_2"])["added"] == 2
    assert len(world.copies(erasure_id)["vendor_speech"]) == 2


def test_speech_that_was_made_with_a_voice_which_was_replaced_long_ago_goes_too(world):
    first = world.cloned()
    world.made(world.again(), "voice_2")
    world.deleted(first)
    world.erase()
    shown = [(c["kind"], c["reference"]) for c in world.erasure()["erasure"]["copies"]]
    assert ("vendor_history", "voice_1") in shown and ("vendor_voice", "voice_1") not in shown


def test_what_is_kept_elsewhere_ends_the_erasure_and_is_never_called_erased(world):
    world.record()
    erasure_id = world.erase()["erasure_id"]
    copy = world.copies(erasure_id)["twilio_recording"][0]
    assert world.rpc("copy_kept_elsewhere", copy, "external_storage") == {"outcome": "recorded"}
    assert world.rpc("copy_erased", copy)["outcome"] == "erased"  # has no effect
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    answer = world.erasure()
    shown = next(c for c in answer["erasure"]["copies"] if c["kind"] == "twilio_recording")
    assert (shown["state"], shown["last_error"], shown["erased_at"]) == ("kept_elsewhere", "external_storage", None)
    assert (answer["status"], answer["erasure"]["copies_kept_elsewhere"]) == ("kept_elsewhere", 1)
    assert world.audit()[-1] == ("erasure.finish", "kept_elsewhere")


def test_what_another_account_does_not_have_is_not_gone(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    world.erased_now(erasure_id, "vendor_history")
    offered = world.copies(erasure_id)
    for kind in ("vendor_voice", "twilio_recording"):
        assert world.rpc("copy_erased", offered[kind][0], "another") == {"outcome": "other_account"}
        shown = next(c for c in world.erasure()["erasure"]["copies"] if c["kind"] == kind)
        assert (shown["state"], shown["last_error"]) == ("failed", "other_account")
    # Seen there until now: then it was this account's after all, by another key.
    assert world.rpc("copy_erased", offered["vendor_voice"][0], "another", True) == {"outcome": "erased"}
    assert world.rpc("copy_erased", offered["twilio_recording"][0], ACCOUNT) == {"outcome": "erased"}


def test_a_copy_of_the_database_with_an_id_of_its_own_leaves_the_first_ones_voices_and_recordings_alone(world):
    attempt = world.cloned()
    world.sql("update understudy.deployment set id = gen_random_uuid()")
    erasure_id = world.erase()["erasure_id"]
    assert world.begin(attempt)["delete_voices"] == []
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    states = {c["kind"]: (c["state"], c["last_error"]) for c in world.erasure()["erasure"]["copies"]}
    assert states["vendor_voice"] == states["twilio_recording"] == ("kept_elsewhere", "other_deployment")
    assert states["stored_recording"] == ("erased", None)
    assert world.erasure()["status"] == "kept_elsewhere"
    assert world.voice(attempt)["vendor_deleted_at"] is None
    world.sql("update public.voices set closed_at = now() - interval '1 day'")
    assert world.rpc("sweep_unfinished", 10)["attempts"] == []


def test_the_copy_called_newest_is_not_believed_gone_while_a_recording_could_be_copied_there_again(world):
    world.cloned()
    erasure_id = world.erase()["erasure_id"]
    newest = world.copies(erasure_id)["newest_recording"][0]
    assert world.rpc("copy_erased", newest) == {"outcome": "too_early", "newest": None}
    assert newest in world.copies(erasure_id)["newest_recording"]
    world.erased_now(erasure_id, "stored_recording")
    world.rpc("copy_erased", newest)
    assert "newest_recording" not in world.copies(erasure_id)


def test_a_recording_since_a_new_consent_is_named_to_be_copied_again(world):
    world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    world.grant()
    sid = world.record(minute=LATER)
    world.erased_now(erasure_id, "stored_recording")
    assert world.erased_now(erasure_id, "newest_recording")[0]["newest"]["recording_sid"] == sid


def test_a_voice_that_the_clone_worker_deleted_need_not_be_deleted_again(world):
    attempt = world.cloned()
    erasure_id = world.withdraw()["erasure_id"]
    world.deleted(attempt)
    assert "vendor_voice" not in world.copies(erasure_id)
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_metadata_that_may_still_be_written_are_replaced_at_once_and_again_when_they_cannot_any_more(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    erasure_id = world.withdraw()["erasure_id"]
    begun = world.rpc("begin_erasure", erasure_id)
    written = next(copy["reference"] for copy in begun["copies"] if copy["kind"] == "metadata")
    assert written["path"] == f"{world.here.employee}/{world.here.employee}.json"
    assert written["body"]["status"] == "erased" and "Ottilie" not in str(written["body"])
    assert begun["blocked"][0]["kind"] == "metadata" and 800 < begun["wait_seconds"] <= 900
    assert world.erased_now(erasure_id, "metadata") == [{"outcome": "write_under_way"}]
    assert "metadata" not in world.copies(erasure_id)
    assert world.work_off(erasure_id)["outcome"] == "erase"
    a_quarter_of_an_hour_passes(world)
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_metadata_that_are_written_in_time_need_not_be_waited_for(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    erasure_id = world.withdraw()["erasure_id"]
    world.written(attempt)
    begun = world.rpc("begin_erasure", erasure_id)
    assert (begun["blocked"], begun["wait_seconds"]) == ([], None)
    assert "metadata" in {copy["kind"] for copy in begun["copies"]}


def test_a_worker_that_wrote_the_metadata_on_top_of_the_tombstone_brings_the_tombstone_back(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    erasure_id = world.withdraw()["erasure_id"]
    world.work_off(erasure_id)
    world.written(attempt)
    assert world.erasure()["status"] == "pending"
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    # Also one that was thought to be dead.
    world.written(attempt)
    again = world.erasure()["erasure"]
    assert (again["id"] != erasure_id, [c["kind"] for c in again["copies"]]) == (True, ["metadata"])


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
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.voice_id(world.here.employee) == "voice_2"
    assert world.rpc("sweep_unfinished", 10)["attempts"] == [{"attempt_id": second, "campaign": False}]
    assert world.begin(second) == {"outcome": "finish"}
    assert world.finish(second)["metadata"]["body"]["voice_id"] == "voice_2"
    world.written(second)
    world.sql("update public.voices set swept_at = null")
    assert world.rpc("sweep_unfinished", 10)["attempts"] == []


# -- while a clone is running ------------------------------------------------------------------------------------------


def test_a_clone_that_is_running_loses_and_its_voice_is_erased_too(world):
    attempt = world.requested()
    world.begin(attempt)
    erasure_id = world.erase()["erasure_id"]
    world.erased_now(erasure_id, "stored_recording", "newest_recording", "twilio_recording", "twilio_call")
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
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_an_attempt_whose_voice_is_not_found_ends_the_erasure_too(world):
    attempt = world.requested()
    world.release(attempt, world.begin(attempt)["lease_id"], False)
    erasure_id = world.erase()["erasure_id"]
    world.erased_now(erasure_id, "stored_recording", "newest_recording", "twilio_recording", "twilio_call")
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
    assert "vendor_voice" not in world.copies(answer["erasure"]["id"])
    assert world.work_off(answer["erasure"]["id"]) == {"outcome": "erased"}


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
    if step == "finished":
        world.written(attempt)
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.voice_id(world.here.employee) is None
    assert world.sql("select * from public.voices where vendor_voice_id is not null and vendor_deleted_at is null") == []


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
        lambda c: world.erase(connection=c), lambda c: world.rpc("save_vendor_voice", attempt, "voice_1", ACCOUNT, connection=c)
    )
    assert saved == {"outcome": "saved"}
    assert ("vendor_voice", "voice_1") in copies(world)


def test_the_last_two_copies_confirmed_at_once_end_the_erasure_once(world):
    world.record()
    erasure_id = world.erase()["erasure_id"]
    world.erased_now(erasure_id, "stored_recording", "twilio_call")
    one, two = [copy for found in world.copies(erasure_id).values() for copy in found]
    world.race(lambda c: world.rpc("copy_erased", one, connection=c), lambda c: world.rpc("copy_erased", two, connection=c))
    assert world.audit().count(("erasure.finish", "erased")) == 1
