"""Recordings: the target, the record, the newest one."""

from __future__ import annotations

import secrets

import psycopg
import pytest


def new_sid() -> str:
    return f"RE{secrets.token_hex(16)}"


def test_a_recording_of_a_call_that_is_not_there_yet_has_no_target(world):
    assert world.target(new_sid(), "CA_later") == {"outcome": "call_unknown"}
    assert world.ingest(new_sid(), "CA_later", "x/y.wav") == {"outcome": "call_unknown"}
    assert world.sql("select * from public.recordings") == []


def test_the_target_is_a_key_of_its_own_below_the_employee(world):
    sid = new_sid()
    target = world.target(sid, world.call(world.here.employee))
    assert (target["outcome"], target["storage_path"]) == ("store", f"{world.here.employee}/{sid}.wav")
    begun = world.row("select id::text as write_id, path, recording_sid, folder from public.storage_writes")
    assert begun == {
        "write_id": target["write_id"], "path": target["storage_path"], "recording_sid": sid, "folder": world.here.employee,
    }


def test_a_call_without_an_employee_keeps_its_recording_under_the_call(world):
    sid, call_sid = new_sid(), world.call(None)
    call_id = world.value("select id from public.calls where twilio_call_sid = %s", call_sid)
    path = f"{call_id}/{sid}.wav"
    assert world.target(sid, call_sid)["storage_path"] == path
    assert world.ingest(sid, call_sid, path) == {"outcome": "stored", "newest": None}
    assert world.target(sid, call_sid) == {"outcome": "stored", "newest": None}
    assert world.value("select recording_url from public.calls where id = %s", call_id) == f"recordings/{path}"


def test_storing_names_the_newest_recording_and_where_to_copy_it(world):
    employee = world.here.employee
    sid, call_sid = new_sid(), world.call(employee)
    path = f"{employee}/{sid}.wav"
    for answer in (world.ingest(sid, call_sid, path, minute=3), world.target(sid, call_sid)):
        newest = answer["newest"]
        write_id = newest.pop("write_id")
        assert (answer["outcome"], newest) == (
            "stored", {"recording_sid": sid, "storage_path": path, "copy_to": f"{employee}/{employee}.wav"},
        )
        assert world.rpc("newest_published", write_id, sid) == {"outcome": "current"}
    assert world.sql("select * from public.storage_writes") == []
    assert world.row("select recording_url, duration_seconds from public.calls") == {
        "recording_url": f"recordings/{path}", "duration_seconds": 64,
    }
    assert world.row("select bytes, channels, track, source from public.recordings") == {
        "bytes": 3_000_000_000, "channels": 2, "track": "both", "source": "DialVerb",
    }


def test_an_employee_without_recordings_or_nobody_has_no_newest_one(world):
    for employee in (world.here.employee, "00000000-0000-0000-0000-00000000dead"):
        assert world.newest(employee) is None


@pytest.mark.parametrize("minutes", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_newest_is_the_one_that_began_last_in_whatever_order_they_come(world, minutes):
    sids = {minute: world.record(minute=minute) for minute in minutes}
    assert world.newest() == sids[3]


def test_of_two_that_began_together_the_greater_sid_is_newest(world):
    sids = [world.record(minute=5) for _ in range(4)]
    assert world.newest() == max(sids)


@pytest.mark.parametrize("minutes", [(1, 2), (2, 1)])
def test_a_call_with_two_recordings_shows_its_newest(world, minutes):
    call_sid = world.call(world.here.employee)
    sids = {minute: world.record(call_sid=call_sid, minute=minute) for minute in minutes}
    assert world.row("select recording_url, duration_seconds from public.calls") == {
        "recording_url": f"recordings/{world.here.employee}/{sids[2]}.wav", "duration_seconds": 63,
    }


def test_who_copied_an_older_recording_is_told_of_the_newer_one_and_who_did_not_copy_at_all_does_it(world):
    call_sid = world.call(world.here.employee)
    older, newer = new_sid(), new_sid()
    first = world.ingest(older, call_sid, world.target(older, call_sid)["storage_path"], minute=1)["newest"]
    world.record(minute=0)
    second = world.ingest(newer, call_sid, world.target(newer, call_sid)["storage_path"], minute=2)["newest"]
    assert world.rpc("newest_published", second["write_id"], newer) == {"outcome": "current"}
    answer = world.rpc("newest_published", first["write_id"], older)
    assert (answer["outcome"], answer["newest"]["recording_sid"]) == ("behind", newer)
    again = world.rpc("newest_published", answer["newest"]["write_id"], newer, False)
    assert (again["outcome"], again["newest"]["recording_sid"]) == ("behind", newer)
    assert world.publish(again["newest"]) == {"outcome": "current"}
    assert world.sql("select * from public.storage_writes") == []


def test_storing_again_changes_and_audits_nothing(world):
    call_sid = world.call(world.here.employee)
    sid = world.record(call_sid=call_sid)
    path = f"{world.here.employee}/{sid}.wav"
    before = world.sql("select * from public.recordings"), world.audit()
    assert world.ingest(sid, call_sid, path, minute=9)["outcome"] == "stored"
    assert (world.sql("select * from public.recordings"), world.audit()) == before


def test_a_target_that_is_no_longer_right_is_refused_and_audited(world):
    sid, call_sid = new_sid(), world.call(None)
    path = world.target(sid, call_sid)["storage_path"]
    world.sql("update public.calls set employee_id = %s", world.here.employee)
    assert world.ingest(sid, call_sid, path) == {"outcome": "target_changed"}
    assert world.audit() == [("recording.store", "target_changed")]
    path = world.target(sid, call_sid)["storage_path"]
    assert world.ingest(sid, call_sid, path)["newest"]["storage_path"] == path
    assert world.ingest(sid, call_sid, f"elsewhere/{sid}.wav") == {"outcome": "target_changed"}


def test_an_erased_recording_stays_erased_even_when_its_call_is_gone(world):
    call_sid = world.call(world.here.employee)
    older = world.record(minute=1)
    sid = world.record(call_sid=call_sid, minute=2)
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", sid)
    erased = {"outcome": "erased", "storage_path": f"{world.here.employee}/{sid}.wav"}
    assert world.target(sid, call_sid) == erased
    assert world.ingest(sid, call_sid, f"{world.here.employee}/{sid}.wav") == {"outcome": "erased"}
    assert world.audit()[-1] == ("recording.store", "erased")
    assert world.newest() == older
    world.sql("delete from public.calls where twilio_call_sid = %s", call_sid)
    assert world.target(sid, call_sid) == erased


def test_a_call_that_names_another_organisations_employee_is_a_call_without_employee(world):
    sid, call_sid = new_sid(), world.call(world.there.employee, org=world.here.id)
    path = world.target(sid, call_sid)["storage_path"]
    assert not path.startswith(str(world.there.employee))
    assert world.ingest(sid, call_sid, path) == {"outcome": "stored", "newest": None}
    assert world.newest(world.there.employee, world.there.id) is None


def test_a_call_sid_that_two_rows_claim_belongs_to_neither(world):
    call_sid = world.call(world.here.employee)
    world.sql("alter table public.calls drop constraint calls_twilio_call_sid_key")
    world.sql("insert into public.calls (org_id, twilio_call_sid) values (%s, %s)", world.there.id, call_sid)
    assert world.target(new_sid(), call_sid) == {"outcome": "call_unknown"}
    assert world.ingest(new_sid(), call_sid, "x/y.wav") == {"outcome": "call_unknown"}


def test_a_recording_sid_cannot_leave_its_folder(world):
    sid, call_sid = "../../else", world.call(world.here.employee)
    with pytest.raises(psycopg.errors.CheckViolation):
        world.ingest(sid, call_sid, world.target(sid, call_sid)["storage_path"])


def test_an_employee_with_recordings_and_voices_can_be_deleted_and_the_records_stay(world):
    attempt = world.cloned()
    world.sql("delete from public.employees where id = %s", world.here.employee)
    assert world.voice(attempt)["vendor_voice_id"] == "voice_1"
    answer = world.finish(attempt)
    assert (answer["outcome"], answer["code"]) == ("refused", "employee_not_found")
    assert answer["delete_voices"] == [{"attempt_id": attempt, "vendor_voice_id": "voice_1"}]
