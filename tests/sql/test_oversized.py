"""Recordings that are larger than Storage takes: told once, not tried again before its limit is raised, and then fetched."""

from __future__ import annotations

import pytest
from psycopg.errors import CheckViolation

from .test_sweep import missing, new_sid

LIMIT = 50_000_000
BIG = 60_000_000


def refused(world, sid, call_sid, bytes=BIG, limit=LIMIT, connection=None):
    """A worker has tried to store it, and Storage did not take it."""
    write_id = world.target(sid, call_sid).get("write_id")
    return too_large(world, write_id, sid, call_sid, bytes, limit, connection)


def too_large(world, write_id, sid, call_sid, bytes=BIG, limit=LIMIT, connection=None):
    return world.rpc("recording_too_large", write_id, sid, call_sid, bytes, limit, connection=connection)["outcome"]


def storable(world, limit, number=10):
    """The RecordingSids that a sweep has fetched if Storage takes so much."""
    answer = world.rpc("storable_recordings", limit, number)
    assert answer["outcome"] == "storable"
    return [found["recording_sid"] for found in answer["recordings"]]


def kept(world):
    return [row["recording_sid"] for row in world.sql("select recording_sid from public.oversized_recordings")]


@pytest.fixture
def call(world):
    return world.call(world.here.employee)


def test_a_recording_that_is_too_large_is_told_of_and_not_queued_again(world, call):
    sid = new_sid()
    assert missing(world, (sid, call)) == [sid]
    assert refused(world, sid, call) == "recording_too_large"
    assert missing(world, (sid, call)) == []
    assert world.row("select recording_sid, call_sid, folder, bytes, size_limit from public.oversized_recordings") == {
        "recording_sid": sid, "call_sid": call, "folder": world.here.employee, "bytes": BIG, "size_limit": LIMIT,
    }
    assert world.sql("select * from public.storage_writes") == [], "nothing of it has landed"
    assert world.row("select org_id, employee_id, action, outcome, details from public.voice_audit") == {
        "org_id": world.here.id, "employee_id": world.here.employee, "action": "recording.store", "outcome": "recording_too_large",
        "details": {"recording_sid": sid, "bytes": BIG, "size_limit": LIMIT},
    }


def test_another_recording_of_the_same_call_is_queued_all_the_same(world, call):
    refused(world, new_sid(), call)
    other = new_sid()
    assert missing(world, (other, call)) == [other]


def test_a_recording_of_an_unknown_call_that_is_too_large_when_the_call_is_there_is_not_looked_for_any_more(world):
    sid, call_sid = new_sid(), "CA_later"
    assert world.target(sid, call_sid) == {"outcome": "call_unknown"}
    world.sql("insert into public.calls (org_id, employee_id, twilio_call_sid) values (%s, %s, %s)", world.here.id, world.here.employee, call_sid)
    refused(world, sid, call_sid)
    assert world.sql("select * from public.unmatched_recordings") == []


def test_it_is_fetched_when_storage_takes_as_much_and_not_before(world, call):
    sid = new_sid()
    refused(world, sid, call)
    assert storable(world, LIMIT) == storable(world, BIG - 1) == storable(world, None) == []
    assert world.rpc("storable_recordings", BIG, 10) == {"outcome": "storable", "recordings": [{"recording_sid": sid, "call_sid": call}]}


def test_when_it_is_queued_it_is_a_recording_as_any_other_and_not_queued_for_ever(world, call):
    sid, other = new_sid(), new_sid()
    refused(world, sid, call)
    refused(world, other, call, BIG + 1)
    assert storable(world, BIG) == storable(world, BIG) == [sid], "whoever found it may have died before queueing it"
    world.rpc("recordings_queued", [sid])
    assert kept(world) == [other]
    world.sql("update public.swept_recordings set queued_at = queued_at - interval '25 hours'")
    assert storable(world, BIG) == []


def test_it_is_kept_no_longer_when_it_is_stored(world, call):
    sid = new_sid()
    refused(world, sid, call)
    world.record(call_sid=call)
    assert kept(world) == [sid], "that was another one"
    assert world.ingest(sid, call, world.target(sid, call)["storage_path"])["outcome"] == "stored"
    assert kept(world) == []


def test_of_many_the_smallest_are_fetched_first_and_no_more_than_asked_for(world, call):
    sids = [new_sid() for _ in range(3)]
    for number, sid in enumerate(sids):
        refused(world, sid, call, BIG + 3 - number)
    assert storable(world, BIG + 3, 2) == [sids[2], sids[1]]
    assert storable(world, BIG + 2) == [sids[2], sids[1]]
    assert storable(world, BIG + 3, 0) == storable(world, BIG + 3, None) == []


def test_a_limit_that_was_not_raised_enough_is_noted_anew(world, call):
    sid = new_sid()
    refused(world, sid, call)
    assert refused(world, sid, call, BIG + 1, BIG) == "recording_too_large"
    assert world.row("select bytes, size_limit from public.oversized_recordings") == {"bytes": BIG + 1, "size_limit": BIG}
    assert storable(world, BIG) == []


@pytest.mark.parametrize("limit", [None, BIG, BIG + 1])
def test_what_something_else_than_the_limit_refused_waits_until_somebody_says_that_it_is_mended(world, call, limit):
    sid = new_sid()
    assert refused(world, sid, call, limit=limit) == "recording_too_large"
    assert world.value("select size_limit from public.oversized_recordings") is None
    assert storable(world, 2 * BIG) == []
    world.sql("update public.oversized_recordings set size_limit = 0")
    assert storable(world, 2 * BIG) == [sid]


def test_the_table_takes_no_limit_that_would_not_have_refused(world, call):
    refused(world, new_sid(), call)
    with pytest.raises(CheckViolation):
        world.sql("update public.oversized_recordings set size_limit = bytes")


def test_what_is_stored_by_now_or_of_a_call_that_is_gone_is_not_wanted(world, call):
    stored = world.record(call_sid=call)
    assert too_large(world, None, stored, call) == "not_wanted"
    sid = new_sid()
    write_id = world.target(sid, call)["write_id"]
    world.sql("delete from public.calls where twilio_call_sid = %s", call)
    assert too_large(world, write_id, sid, call) == "not_wanted"
    assert kept(world) == [] and world.sql("select * from public.storage_writes") == []
    assert ("recording.store", "recording_too_large") not in world.audit()


def test_what_is_erased_while_it_is_refused_is_not_wanted_and_becomes_a_copy_of_the_erasure(world, call):
    sid = new_sid()
    write_id = world.target(sid, call)["write_id"]
    world.grant()
    erasure_id = world.withdraw()["erasure_id"]
    assert too_large(world, write_id, sid, call) == "not_wanted"
    assert kept(world) == [] and world.sql("select * from public.storage_writes") == []
    assert sid in {copy["reference"] for copy in world.rpc("begin_erasure", erasure_id)["copies"]}


def test_an_erasure_waits_for_who_tells_of_it_and_the_other_way_round(world, call):
    world.grant()
    sid = new_sid()
    write_id = world.target(sid, call)["write_id"]
    told, erased = world.race(
        lambda connection: too_large(world, write_id, sid, call, connection=connection), lambda connection: world.withdraw(connection=connection),
    )
    assert (told, erased["outcome"], kept(world)) == ("recording_too_large", "withdrawn", [])
    world.grant()
    late = world.call(world.here.employee)
    sid = new_sid()
    write_id = world.target(sid, late)["write_id"]
    erased, told = world.race(
        lambda connection: world.withdraw(connection=connection), lambda connection: too_large(world, write_id, sid, late, connection=connection),
    )
    assert (told, kept(world)) == ("not_wanted", [])


def test_an_erasure_takes_those_of_its_employee_and_nobody_elses(world, call):
    sid, others = new_sid(), new_sid()
    refused(world, sid, call)
    refused(world, others, world.call(world.here.other_employee))
    world.erase()
    assert kept(world) == [others]
    assert missing(world, (sid, call)) == [sid], "its message adds it to the erasure"
    assert world.target(sid, call)["outcome"] == "erased"
    assert missing(world, (sid, call)) == []


def test_one_that_an_erasure_covers_goes_when_its_message_comes(world, call):
    sid = new_sid()
    refused(world, sid, call)
    world.sql("update public.calls set employee_id = null where twilio_call_sid = %s", call)
    world.erase()
    assert kept(world) == [sid], "the call was nobody's then"
    world.sql("update public.calls set employee_id = %s where twilio_call_sid = %s", world.here.employee, call)
    assert world.target(sid, call)["outcome"] == "erased"
    assert kept(world) == []


def test_who_has_nothing_but_what_is_too_large_is_told_so(world, call):
    world.grant()
    refused(world, new_sid(), call)
    assert world.request() == {"outcome": "recording_too_large"}
    assert world.audit()[-1] == ("clone.request", "recording_too_large")
    world.record()
    assert world.request()["outcome"] == "requested"


def test_somebody_elses_recording_and_one_of_another_organisations_call_are_not_told_of(world):
    refused(world, new_sid(), world.call(world.here.other_employee))
    refused(world, new_sid(), world.call(None))
    world.grant()
    assert world.request() == {"outcome": "recording_missing"}
    refused(world, new_sid(), world.call(world.here.employee))
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    world.grant(user=world.there.admin)
    assert world.request(user=world.there.admin) == {"outcome": "recording_missing"}


def test_a_recording_without_an_employee_waits_under_its_call(world):
    call = world.call(None)
    refused(world, new_sid(), call)
    assert world.value("select folder from public.oversized_recordings") == world.value("select id from public.calls where twilio_call_sid = %s", call)
