"""The number of times that a sample is sent: there are bounds for each attempt and each newest recording, whatever the vendor or the people say."""

from __future__ import annotations

import pytest

MOST_UPLOADS, MOST_TURNED_AWAY, MOST_ATTEMPTS = 10, 200, 5


def upload(world, attempt) -> dict:
    """One upload that has led to no voice; what take_sample has said."""
    begun = world.begin(attempt)
    taken = world.take(attempt, begun)
    if taken["outcome"] == "taken":
        world.release(attempt, begun["lease_id"], True)
    return taken


def test_an_attempt_uploads_ten_times_and_then_has_failed(world):
    attempt = world.requested()
    for _ in range(MOST_UPLOADS):
        assert upload(world, attempt)["outcome"] == "taken"
    assert upload(world, attempt) == {"outcome": "refused", "code": "clone_failed"}
    assert (world.voice(attempt)["state"], world.voice(attempt)["uploads"]) == ("failed", MOST_UPLOADS)
    assert world.request()["outcome"] == "requested", "somebody may ask again"


def turned_away(world, attempt) -> dict:
    """One sample that never left, or that a busy vendor turned away; what release_clone has said."""
    begun = world.begin(attempt)
    assert world.take(attempt, begun)["outcome"] == "taken"
    return world.release(attempt, begun["lease_id"], True, is_unprocessed=True)


def test_a_sample_that_the_vendor_has_not_processed_is_no_upload(world):
    attempt = world.requested()
    assert upload(world, attempt)["outcome"] == "taken"
    for _ in range(2 * MOST_UPLOADS):
        assert turned_away(world, attempt) == {"outcome": "released"}
    assert (world.voice(attempt)["state"], world.voice(attempt)["uploads"]) == ("requested", 1)


def test_a_sample_that_is_turned_away_again_and_again_counts_in_the_end(world):
    """As when people ask again all the time, and each request brings another message."""
    attempt = world.requested()
    for _ in range(MOST_TURNED_AWAY):
        turned_away(world, attempt)
    assert world.voice(attempt)["uploads"] == 0
    for _ in range(MOST_UPLOADS):
        turned_away(world, attempt)
    assert upload(world, attempt) == {"outcome": "refused", "code": "clone_failed"}


def test_only_the_upload_of_the_lease_is_taken_back(world):
    attempt = world.requested()
    begun = world.begin(attempt)
    world.take(attempt, begun)
    assert world.release(attempt, begun["lease_id"], True)["outcome"] == "released"
    assert world.release(attempt, begun["lease_id"], True, is_unprocessed=True)["outcome"] == "lease_lost"
    assert world.voice(attempt)["uploads"] == 1


def test_a_vendor_that_is_busy_for_a_day_ends_the_attempt_and_never_the_right_to_ask_again(world):
    world.grant()
    world.record()
    for _ in range(MOST_ATTEMPTS + 1):
        attempt = world.request()["attempt_id"]
        for _ in range(2 * MOST_UPLOADS):
            turned_away(world, attempt)
        assert world.rpc("sweep_unfinished", 10)["timed_out"] == 0
        world.sql("update public.voices set requested_at = requested_at - interval '24 hours 1 second' where id = %s", attempt)
        assert world.rpc("sweep_unfinished", 10)["timed_out"] == 1
        assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("failed", "clone_timed_out")
    assert world.request()["outcome"] == "requested"


def test_five_attempts_for_a_recording_upload_and_a_newer_recording_starts_anew(world):
    """As when somebody changes purposes, or the channel, back and forth."""
    world.grant()
    sid = world.record()
    for number in range(MOST_ATTEMPTS):
        world.set_channel(sid, 1 + number % 2)
        attempt = world.request()["attempt_id"]
        world.made(attempt, f"voice_{number}", [(sid, 1 + number % 2)])
    world.set_channel(sid, 2)
    assert world.request() == {"outcome": "clone_attempts_exhausted"}
    assert world.value("select sum(uploads) from public.voices") == MOST_ATTEMPTS
    assert world.audit()[-1] == ("clone.request", "clone_attempts_exhausted")
    assert world.voice_id(world.here.employee) == f"voice_{MOST_ATTEMPTS - 1}", "the voice stays"

    world.record(minute=1)
    assert world.request()["outcome"] == "requested"


@pytest.mark.parametrize("code", ["voice_limit_reached", "voice_plan_required"])
def test_an_account_that_was_full_as_often_as_one_asked_is_no_reason_to_refuse_the_day_after(world, code):
    world.grant()
    world.record()
    for _ in range(MOST_ATTEMPTS):
        attempt = world.request()["attempt_id"]
        begun = world.begin(attempt)
        assert world.take(attempt, begun)["outcome"] == "taken"
        world.fail(attempt, begun["lease_id"], code)
    assert world.request() == {"outcome": "clone_attempts_exhausted"}
    world.sql("update public.voices set closed_at = closed_at - interval '24 hours 1 second'")
    assert world.request()["outcome"] == "requested"


def test_another_employees_uploads_do_not_count(world):
    attempt = world.requested()
    for _ in range(MOST_UPLOADS):
        upload(world, attempt)
    other = world.requested(world.here.other_employee)
    assert upload(world, other)["outcome"] == "taken"


def test_the_uploads_of_a_recording_are_found_by_an_index(world):
    world.sql("set enable_seqscan = off")
    plan = world.sql("explain select count(*) from public.voices v where v.recording_sid = 'RE1' and v.uploads > 0")
    assert "voices_with_uploads" in "\n".join(row["QUERY PLAN"] for row in plan)
