"""Erasures of so much that the first batch of their list is not the last."""

from __future__ import annotations

import secrets

from .world import ACCOUNT, LATER, SHA

# The first batch, which is listed with the request itself.
BATCH = 100


def new_sid() -> str:
    return f"RE{secrets.token_hex(16)}"


def call_sids(world) -> list[str]:
    """The employee's calls, in the order in which an erasure lists them."""
    return [row["twilio_call_sid"] for row in world.sql("select twilio_call_sid from public.calls order by id")]


def many_recordings(world, number: int) -> None:
    world.sql(
        "insert into public.recordings (recording_sid, call_sid, call_id, org_id, employee_id, storage_path, bytes, sha256, account_sid, started_at)"
        " select 'RE' || md5(n::text), c.twilio_call_sid, c.id, c.org_id, c.employee_id, c.employee_id || '/RE' || md5(n::text) || '.wav', 1, %s, %s, '2026-01-01'::timestamptz"
        " from public.calls c, generate_series(1, %s) n where c.twilio_call_sid = %s",
        SHA, ACCOUNT, number, world.call(world.here.employee),
    )


def left(world, erasure_id) -> list[dict]:
    """The copies that are listed and left, that of the newest recording last."""
    return world.sql(
        "select id, kind, reference from public.voice_erasure_copies where erasure_id = %s and state <> 'erased' order by kind = 'newest_recording', number",
        erasure_id,
    )


def test_an_erasure_is_not_over_before_all_is_listed(world):
    many_recordings(world, BATCH + 1)
    erasure_id = world.erase()["erasure_id"]
    listed = left(world, erasure_id)
    assert len([copy for copy in listed if copy["kind"] == "stored_recording"]) == BATCH
    for copy in listed:
        assert world.rpc("copy_erased", copy["id"], ACCOUNT)["outcome"] == "erased"
    answer = world.erasure()
    assert (answer["status"], answer["erasure"]["copies_left"], answer["erasure"]["is_listed"]) == ("pending", 0, False)
    assert {copy["kind"] for copy in world.rpc("begin_erasure", erasure_id)["copies"]} == {"stored_recording", "twilio_recording"}
    assert world.work_off(erasure_id) == {"outcome": "erased"}


def test_a_recording_of_a_call_that_was_known_is_covered_before_the_call_is_listed(world):
    for _ in range(BATCH + 1):
        world.call(world.here.employee)
    unlisted, sid, told = call_sids(world)[-1], new_sid(), new_sid()
    erasure_id = world.erase()["erasure_id"]
    assert unlisted not in {copy["reference"] for copy in left(world, erasure_id)}
    path = f"{world.here.employee}/{sid}.wav"
    assert world.target(told, unlisted)["outcome"] == "erased"
    assert world.ingest(sid, unlisted, path, LATER) == {"outcome": "erased"}
    assert world.sql("select * from public.recordings") == []
    listed = [(copy["kind"], copy["reference"]) for copy in left(world, erasure_id)]
    assert {("twilio_recording", told), ("twilio_recording", sid), ("stored_recording", path)} <= set(listed)
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.target(new_sid(), unlisted)["outcome"] == "erased"


def test_an_upload_that_lands_after_its_place_was_cleared_is_a_copy_again_while_the_erasure_goes_on(world):
    call_sid, sid = world.call(world.here.employee), new_sid()
    target = world.target(sid, call_sid)
    erasure_id = world.erase()["erasure_id"]
    world.sql("update public.storage_writes set begun_at = begun_at - interval '16 minutes'")
    assert world.erased_now(erasure_id, "stored_recording") == [{"outcome": "erased"}]
    assert "stored_recording" not in world.copies(erasure_id)
    assert world.ingest(sid, call_sid, target["storage_path"], write_id=target["write_id"]) == {"outcome": "erased"}
    assert ("stored_recording", target["storage_path"]) in [(copy["kind"], copy["reference"]) for copy in left(world, erasure_id)]
    assert world.erasure()["erasure"]["id"] == erasure_id
    assert world.work_off(erasure_id) == {"outcome": "erased"}
