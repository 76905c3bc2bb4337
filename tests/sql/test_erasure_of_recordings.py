"""An erasure covers the recordings that come late, and not those of somebody else or of a later consent."""

from __future__ import annotations

import datetime

import psycopg
import pytest

from .erasures import a_quarter_of_an_hour_passes, copies, new_sid
from .world import ACCOUNT, LATER, SHA, hashed


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
    newest = world.sql("select recording_sid from understudy.newest_recordings(%s, %s)", world.here.id, world.here.employee)
    assert newest == [{"recording_sid": sid}]


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
    assert world.sql("select * from public.recordings") == []


def ingested(world, started_at) -> str:
    """The outcome for a recording of a call that nobody knew of, which Twilio says began then."""
    sid, call_sid = new_sid(), world.call(world.here.employee)
    target = world.target(sid, call_sid)
    return world.rpc(
        "finish_ingest", target["write_id"], sid, call_sid, target["storage_path"], 1, SHA, 1, 2, "both", "DialVerb", ACCOUNT, started_at
    )["outcome"]


def test_a_recording_that_began_in_the_second_of_the_request_is_new(world):
    second = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    requested(world, second.timestamp() + 0.9)
    assert ingested(world, second) == "stored"
    assert ingested(world, second - datetime.timedelta(seconds=1)) == "erased"


def withdrawn_by_the_employee(world, now: float) -> None:
    world.invite("link")
    world.answer("link")
    world.rpc("withdraw_with_token", hashed("withdrawal"), None, None, now)


def expired(world, now: float) -> None:
    world.grant()
    world.expire_consent(world.here.employee)
    world.rpc("sweep_erasures", now)


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
    # It is still being written: what is gone now may be there again.
    world.erased_now(erasure_id, "twilio_recording", "twilio_call")
    assert world.erased_now(erasure_id, "stored_recording") == [{"outcome": "write_under_way"}]
    assert "stored_recording" not in world.copies(erasure_id)
    assert world.rpc("begin_erasure", erasure_id)["blocked"][0]["kind"] == "stored_recording"
    assert world.ingest(sid, call_sid, path) == {"outcome": "erased"}
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_an_upload_whose_worker_died_is_waited_for_and_removed_once_more(world):
    call_sid, sid = world.call(world.here.employee), new_sid()
    world.target(sid, call_sid)
    erasure_id = world.erase()["erasure_id"]
    assert world.work_off(erasure_id)["outcome"] == "erase"
    a_quarter_of_an_hour_passes(world)
    assert "stored_recording" in world.copies(erasure_id)
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.sql("select * from public.storage_writes") == []


def test_an_upload_that_was_thought_dead_is_a_copy_again_when_it_lands(world):
    call_sid, sid = world.call(world.here.employee), new_sid()
    target = world.target(sid, call_sid)
    erasure_id = world.erase()["erasure_id"]
    a_quarter_of_an_hour_passes(world)
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.ingest(sid, call_sid, target["storage_path"], write_id=target["write_id"]) == {"outcome": "erased"}
    assert world.erasure()["status"] == "pending"
    assert ("stored_recording", target["storage_path"]) in copies(world)


def test_a_copy_to_the_newest_key_whose_worker_died_is_waited_for(world):
    sid = world.record()
    world.target(sid, "CA")  # a redelivered message: it is about to be copied again
    erasure_id = world.erase()["erasure_id"]
    assert world.work_off(erasure_id)["blocked"][0]["kind"] == "newest_recording"
    assert world.erasure()["status"] == "pending"
    a_quarter_of_an_hour_passes(world)
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_a_copy_to_the_newest_key_that_landed_after_all_was_erased_is_taken_away(world):
    sid = world.record()
    newest = world.target(sid, "CA")["newest"]
    erasure_id = world.erase()["erasure_id"]
    a_quarter_of_an_hour_passes(world)
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    employee = world.here.employee
    assert world.publish(newest) == {"outcome": "erased", "storage_path": f"{employee}/{employee}.wav"}
    assert (world.erasure()["status"], copies(world)) == ("pending", [("newest_recording", f"{employee}/{employee}.wav")])


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
    for kind, reference in [("twilio_recording", new), ("twilio_recording", other)]:
        assert world.rpc("add_erasure_copies", erasure_id, kind, [reference]) == {"outcome": "added", "added": 0}
    assert copies(world) == before
    with pytest.raises(psycopg.errors.CheckViolation):
        world.rpc("add_erasure_copies", erasure_id, "twilio_recording", ["../x"])
    for kind in ("vendor_voice", "metadata", "stored_recording", None):
        with pytest.raises(psycopg.errors.RaiseException):
            world.rpc("add_erasure_copies", erasure_id, kind, ["voice_2"])
