"""Asking for a clone, and after it: every outcome of both functions."""

from __future__ import annotations

import psycopg
import pytest

from .world import LATER, REPORT

def pending(world, attempt, campaign=False):
    return {"outcome": "pending", "employee_id": str(world.here.employee), "attempt_id": attempt, "campaign": campaign}


# -- request_clone -----------------------------------------------------------------------------------------------------


def test_without_consent_nothing_is_cloned(world):
    world.record()
    assert world.request() == {"outcome": "consent_required"}
    assert world.audit()[-1] == ("clone.request", "consent_required")
    assert world.sql("select * from public.voices") == []


def test_an_expired_consent_is_none(world):
    world.grant()
    world.record()
    world.expire_consent(world.here.employee)
    assert world.request() == {"outcome": "consent_expired"}


def test_a_consent_to_something_else_is_none(world):
    world.grant(purposes=("synthetic_speech",))
    world.record()
    assert world.request() == {"outcome": "consent_purpose"}


def test_the_consent_of_one_employee_is_not_anothers(world):
    world.grant(world.here.other_employee)
    assert world.request() == {"outcome": "consent_required"}


def test_without_a_recording_there_is_nothing_to_clone(world):
    world.grant()
    assert world.request() == {"outcome": "recording_missing"}
    assert world.audit()[-1] == ("clone.request", "recording_missing")


def test_a_request_starts_an_attempt_and_a_second_one_finds_it(world):
    attempt = world.requested()
    row = world.voice(attempt)
    assert (row["state"], row["org_id"], row["requested_by"]) == ("requested", world.here.id, world.here.admin)
    assert world.audit()[-1] == ("clone.request", "requested")
    answer = world.request()
    assert (answer["outcome"], answer["attempt_id"]) == ("pending", attempt)
    world.begin(attempt)
    assert world.request()["attempt_id"] == attempt


def test_the_same_recording_again_is_the_same_voice(world):
    attempt = world.cloned()
    audit = world.audit()
    assert world.request() == {
        "outcome": "ready", "employee_id": str(world.here.employee), "attempt_id": attempt, "voice_id": "voice_1", "report": REPORT,
    }
    assert world.audit() == audit


def test_a_newer_recording_is_a_new_attempt_and_the_voice_stays_until_that_is_done(world):
    world.cloned()
    second = world.again()
    read = world.read()
    assert (read["status"], read["voice_id"], read["attempt_id"]) == ("pending", "voice_1", second)


def test_an_attempt_of_which_nothing_was_sent_gives_way_to_a_newer_recording(world):
    first = world.requested()
    newer = world.record(minute=1)
    answer = world.request()
    assert answer["outcome"] == "requested" and answer["attempt_id"] != first
    assert (world.voice(first)["state"], world.voice(first)["code"]) == ("failed", "superseded")
    assert world.voice(answer["attempt_id"])["recording_sid"] == newer
    assert world.audit()[-2:] == [("voice.stop", "failed"), ("clone.request", "requested")]
    assert world.begin(first) == {"outcome": "closed", "delete_voices": []}
    assert world.request()["outcome"] == "pending"


def test_an_older_recording_that_is_stored_late_supersedes_nothing(world):
    world.grant()
    world.record(minute=2)
    attempt = world.request()["attempt_id"]
    world.record(minute=1)
    assert world.request() == pending(world, attempt)


def test_an_attempt_whose_recording_is_gone_is_refused_when_it_begins_and_not_superseded_by_an_older_one(world):
    world.grant()
    world.record(minute=1)
    newer = world.record(minute=2)
    attempt = world.request()["attempt_id"]
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", newer)
    assert world.request()["outcome"] == "pending"
    assert world.begin(attempt) == {"outcome": "refused", "code": "recording_missing"}


@pytest.mark.parametrize("state", ["cloning", "unknown", "saved"])
def test_an_attempt_of_which_something_may_have_been_sent_is_pending_whatever_is_recorded_since(world, state):
    attempt = world.requested()
    lease = world.begin(attempt)["lease_id"]
    if state == "unknown":
        world.release(attempt, lease, False)
    if state == "saved":
        world.save(attempt, "voice_1")
    world.record(minute=1)
    assert world.request() == pending(world, attempt)


def test_an_attempt_of_which_surely_nothing_was_made_gives_way_like_one_that_never_began(world):
    attempt = world.requested()
    world.release(attempt, world.begin(attempt)["lease_id"], True)
    world.record(minute=1)
    assert world.request()["outcome"] == "requested"
    assert world.voice(attempt)["code"] == "superseded"


def test_a_superseded_attempt_ends_the_erasure_that_waited_for_it(world):
    attempt = world.requested()
    world.begin(attempt)
    erasure_id = world.erase()["erasure_id"]
    world.work_off(erasure_id)
    world.move_lease(attempt, -61)
    world.release(attempt, world.begin(attempt)["lease_id"], True)
    assert world.erasure()["status"] == "pending"
    world.grant()
    world.record(minute=LATER)
    assert world.request()["outcome"] == "requested"
    assert world.voice(attempt)["code"] == "superseded"
    assert world.erasure()["status"] == "erased"


def test_an_attempt_of_the_former_organisation_is_not_superseded_by_the_next(world):
    attempt = world.requested()
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    world.grant(user=world.there.admin)
    world.record(call_sid=world.call(world.here.employee, org=world.there.id), minute=1)
    assert world.request(user=world.there.admin)["outcome"] == "pending"
    assert world.voice(attempt)["state"] == "requested"


@pytest.mark.parametrize("replace", [False, True])
def test_a_request_keeps_whether_the_voice_is_to_be_replaced(world, replace):
    world.grant()
    world.record()
    attempt = world.request(replace=replace)["attempt_id"]
    assert world.voice(attempt)["replace_first"] is replace


def test_replacing_is_not_asked_for_by_saying_nothing(world):
    world.grant()
    world.record()
    attempt = world.rpc("request_clone", world.here.admin, world.here.employee, None, 1)["attempt_id"]
    assert world.voice(attempt)["replace_first"] is False


@pytest.mark.parametrize(("channel", "version"), [(0, 1), (3, 1), (2, None)])
def test_a_request_without_a_version_or_with_a_channel_that_no_call_has_is_a_bug(world, channel, version):
    with pytest.raises(psycopg.errors.RaiseException, match="channel"):
        world.request(channel=channel, version=version)


def test_after_a_failure_the_next_request_is_a_new_attempt(world):
    attempt = world.requested()
    world.fail(attempt, world.begin(attempt)["lease_id"], "sample_too_short")
    again = world.request()
    assert again["outcome"] == "requested" and again["attempt_id"] != attempt


# -- read_voice --------------------------------------------------------------------------------------------------------


def test_reading_tells_where_the_newest_attempt_is(world):
    nothing = {"outcome": "voice", "employee_id": str(world.here.employee), "voice_id": None, "code": None, "report": None}
    assert world.read() == nothing | {"status": "none", "attempt_id": None}
    attempt = world.requested()
    pending = nothing | {"status": "pending", "attempt_id": attempt}
    assert world.read() == pending
    begun = world.begin(attempt)
    assert world.read() == pending
    world.take(attempt, begun)
    assert world.read() == pending
    world.release(attempt, begun["lease_id"], False)
    assert world.read() == pending
    world.save(attempt, "voice_1")
    assert world.read() == pending
    world.finish(attempt)
    assert world.read() == pending | {"status": "ready", "voice_id": "voice_1", "report": REPORT}


def test_reading_tells_why_the_newest_attempt_failed_and_which_voice_still_is_current(world):
    world.cloned()
    second = world.again()
    world.fail(second, world.begin(second)["lease_id"], "sample_too_short", report={"speech_seconds": 12})
    read = world.read()
    assert (read["status"], read["code"], read["voice_id"]) == ("failed", "sample_too_short", "voice_1")
    assert read["report"] == {"speech_seconds": 12}


def test_a_voice_whose_consent_has_expired_is_not_given_out(world):
    world.cloned()
    world.expire_consent(world.here.employee)
    read = world.read()
    assert (read["status"], read["code"], read["voice_id"], read["report"]) == ("none", "consent_expired", None, None)


def test_reading_changes_nothing(world):
    world.cloned()
    audit = world.audit()
    world.read()
    assert world.audit() == audit
