"""No clone is made of a clone: a call in which a cloned voice spoke is no source of the next one."""

from __future__ import annotations

import pytest
from psycopg.errors import CheckViolation


def marks(world) -> list[tuple[str, object]]:
    rows = world.sql("select call_sid, org_id from public.synthetic_calls order by marked_at")
    return [(row["call_sid"], row["org_id"]) for row in rows]


def heard_in(world, call_sid) -> None:
    assert world.authorize(call_sid=call_sid)["outcome"] == "authorized"


def test_a_call_is_marked_when_a_voice_is_authorised_for_it_and_the_audit_names_it(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    heard_in(world, call_sid)
    heard_in(world, call_sid)
    assert world.authorize()["outcome"] == "authorized"
    assert marks(world) == [(call_sid, world.here.id)]
    rows = world.sql("select details ->> 'call_sid' as call_sid from public.voice_audit where outcome = 'authorized' order by id")
    assert [row["call_sid"] for row in rows] == [call_sid, call_sid, None]


def test_a_refusal_marks_nothing(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    assert world.authorize(purpose="singing", call_sid=call_sid) == {"outcome": "consent_purpose"}
    assert world.authorize(user=world.there.admin, call_sid=call_sid) == {"outcome": "employee_not_found"}
    world.withdraw()
    assert world.authorize(call_sid=call_sid) == {"outcome": "consent_withdrawn"}
    assert marks(world) == []


def test_what_is_no_call_sid_cannot_be_marked(world):
    world.cloned()
    with pytest.raises(CheckViolation):
        world.authorize(call_sid="a call")


def test_the_worker_is_told_which_recordings_are_of_marked_calls(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    heard_in(world, call_sid)
    synthetic = world.record(minute=1, call_sid=call_sid)
    own = world.record(minute=2)
    begun = world.begin(world.request()["attempt_id"])
    assert [(r["recording_sid"], r["synthetic"]) for r in begun["recordings"]][:2] == [(own, False), (synthetic, True)]


def test_another_organisations_mark_has_no_effect(world):
    world.grant(employee=world.there.employee, user=world.there.admin)
    world.sql("insert into public.synthetic_calls (call_sid, org_id, employee_id) values (%s, %s, %s)",
              call_sid := world.call(world.here.employee), world.there.id, world.there.employee)
    world.grant()
    world.record(call_sid=call_sid)
    begun = world.begin(attempt := world.request()["attempt_id"])
    assert [r["synthetic"] for r in begun["recordings"]] == [False]
    assert world.take(attempt, begun)["outcome"] == "taken"


def test_a_call_that_is_marked_before_its_sample_is_taken_sends_nothing(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    sid = world.record(minute=1, call_sid=call_sid)
    begun = world.begin(attempt := world.request()["attempt_id"])
    heard_in(world, call_sid)
    assert world.take(attempt, begun, [(sid, 2)]) == {"outcome": "refused", "code": "sample_synthetic"}
    assert (world.voice(attempt)["state"], world.voice(attempt)["uploads"]) == ("failed", 0)
    assert world.voice_id(world.here.employee) == "voice_1", "the voice before it stays"


def test_a_call_that_is_marked_while_its_voice_is_made_gives_no_voice_and_the_one_before_stays(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    sid = world.record(minute=1, call_sid=call_sid)
    attempt = world.request()["attempt_id"]
    assert world.take(attempt, world.begin(attempt), [(sid, 2)])["outcome"] == "taken"
    heard_in(world, call_sid)
    world.save(attempt, "voice_2")
    answer = world.finish(attempt)
    assert (answer["outcome"], answer["code"]) == ("refused", "sample_synthetic")
    assert [voice["vendor_voice_id"] for voice in answer["delete_voices"]] == ["voice_2"]
    assert world.voice_id(world.here.employee) == "voice_1"


def test_a_recording_that_is_passed_over_for_its_mark_does_not_keep_the_older_ones_from_being_used(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    heard_in(world, call_sid)
    own, synthetic = world.record(minute=1), world.record(minute=2, call_sid=call_sid)
    attempt = world.request()["attempt_id"]
    world.made(attempt, "voice_2", [(synthetic, "synthetic"), (own, 2)])
    assert world.voice_id(world.here.employee) == "voice_2"
    assert world.request()["outcome"] == "ready", "the same sample would be made again"
    late = world.call(world.here.employee)
    heard_in(world, late)
    world.record(minute=3, call_sid=late)
    assert world.request()["outcome"] == "ready", "also when the newest recording is another marked one"


def test_a_voice_whose_call_is_marked_afterwards_is_made_anew_when_asked_for(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    sid = world.record(minute=1, call_sid=call_sid)
    world.made(world.request()["attempt_id"], "voice_2", [(sid, 2)])
    assert world.request()["outcome"] == "ready"
    heard_in(world, call_sid)
    assert world.request()["outcome"] == "requested"


def test_the_metadata_do_not_name_a_recording_that_was_passed_over(world):
    world.cloned()
    call_sid = world.call(world.here.employee)
    heard_in(world, call_sid)
    own, synthetic = world.record(minute=1), world.record(minute=2, call_sid=call_sid)
    attempt = world.request()["attempt_id"]
    assert world.take(attempt, world.begin(attempt), [(synthetic, "synthetic"), (own, 2)])["outcome"] == "taken"
    world.save(attempt, "voice_2")
    assert world.finish(attempt)["metadata"]["body"]["source_recordings"] == [f"recordings/{world.here.employee}/{own}.wav"]


def test_no_sample_is_taken_between_the_look_at_the_marks_and_a_new_mark(world):
    """The mark waits for the sample, or the sample for the mark: one of them sees the other."""
    world.cloned()
    call_sid = world.call(world.here.employee)
    sid = world.record(minute=1, call_sid=call_sid)
    begun = world.begin(attempt := world.request()["attempt_id"])
    _, taken = world.race(
        lambda c: world.authorize(call_sid=call_sid, connection=c),
        lambda c: world.take(attempt, begun, [(sid, 2)], connection=c),
    )
    assert taken == {"outcome": "refused", "code": "sample_synthetic"}
