"""Two at once. The second always comes while the first has done its work and not committed: the worst moment."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_two_requests_make_one_attempt(world):
    world.grant()
    world.record()
    first, second = world.race(lambda c: world.request(connection=c), lambda c: world.request(connection=c))
    assert (first["outcome"], second["outcome"]) == ("requested", "pending")
    assert first["attempt_id"] == second["attempt_id"]


def test_many_requests_make_one_attempt(world):
    world.grant()
    world.record()
    sessions = [world.session("service_role") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda session: world.request(connection=session), sessions))
    assert sorted(answer["outcome"] for answer in answers) == ["pending"] * 7 + ["requested"]
    assert len({answer["attempt_id"] for answer in answers}) == 1


def test_requests_in_two_organisations_do_not_wait_for_each_other(world):
    # Within one they do, for a moment, since its audit is one chain.
    world.grant()
    world.record()
    world.grant(world.there.employee, user=world.there.admin)
    world.record(call_sid=world.call(world.there.employee, org=world.there.id))
    with pytest.raises(AssertionError, match="did not wait"):
        world.race(
            lambda c: world.request(world.here.employee, connection=c),
            lambda c: world.request(world.there.employee, user=world.there.admin, connection=c),
        )


def test_two_workers_get_one_lease(world):
    attempt = world.requested()
    first, second = world.race(lambda c: world.begin(attempt, connection=c), lambda c: world.begin(attempt, connection=c))
    assert (first["outcome"], second["outcome"]) == ("clone", "wait")


def test_two_workers_get_one_lease_to_resolve(world):
    attempt = world.requested()
    world.begin(attempt)
    world.move_lease(attempt, -61)
    first, second = world.race(lambda c: world.begin(attempt, connection=c), lambda c: world.begin(attempt, connection=c))
    assert (first["outcome"], second["outcome"]) == ("resolve", "wait")


def saved(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    return attempt


def test_a_withdrawal_before_the_finish_refuses_it(world):
    attempt = saved(world)
    _, finished = world.race(lambda c: world.withdraw(connection=c), lambda c: world.finish(attempt, connection=c))
    assert (finished["outcome"], finished["code"]) == ("refused", "consent_withdrawn")
    assert finished["delete_voices"] == [{"attempt_id": attempt, "vendor_voice_id": "voice_1"}]
    assert world.voice_id(world.here.employee) is None


def test_a_withdrawal_after_the_finish_takes_the_voice_away(world):
    attempt = saved(world)
    finished, _ = world.race(lambda c: world.finish(attempt, connection=c), lambda c: world.withdraw(connection=c))
    assert finished["outcome"] == "finished"
    assert world.to_delete() == [{"attempt_id": attempt, "vendor_voice_id": "voice_1"}]
    assert world.voice_id(world.here.employee) is None


def test_a_withdrawal_before_a_request_refuses_it(world):
    world.grant()
    world.record()
    _, requested = world.race(lambda c: world.withdraw(connection=c), lambda c: world.request(connection=c))
    assert requested == {"outcome": "consent_withdrawn"}


def test_a_withdrawal_before_the_beginning_closes_the_attempt(world):
    attempt = world.requested()
    _, begun = world.race(lambda c: world.withdraw(connection=c), lambda c: world.begin(attempt, connection=c))
    assert begun == {"outcome": "closed", "delete_voices": []}


def test_a_withdrawal_before_the_sample_is_taken_keeps_it_from_the_vendor(world):
    # A withdrawal leaves the row of an attempt that is being cloned alone: only the employee's lock makes this wait.
    attempt = world.requested()
    begun = world.begin(attempt)
    _, taken = world.race(lambda c: world.withdraw(connection=c), lambda c: world.take(attempt, begun, connection=c))
    assert taken == {"outcome": "refused", "code": "consent_withdrawn"}


def test_a_sample_taken_before_a_withdrawal_is_of_a_voice_that_is_refused(world):
    attempt = world.requested()
    begun = world.begin(attempt)
    taken, _ = world.race(lambda c: world.take(attempt, begun, connection=c), lambda c: world.withdraw(connection=c))
    assert taken == {"outcome": "taken", "delete_voices": []}
    world.save(attempt, "voice_1")
    assert world.finish(attempt)["code"] == "consent_withdrawn"


def test_an_attempt_that_gives_way_to_a_newer_recording_does_not_begin(world):
    attempt = world.requested()
    world.record(minute=1)
    requested, begun = world.race(lambda c: world.request(connection=c), lambda c: world.begin(attempt, connection=c))
    assert requested["outcome"] == "requested"
    assert begun == {"outcome": "closed", "delete_voices": []}


def test_an_attempt_that_has_just_begun_does_not_give_way(world):
    attempt = world.requested()
    world.record(minute=1)
    begun, requested = world.race(lambda c: world.begin(attempt, connection=c), lambda c: world.request(connection=c))
    assert begun["outcome"] == "clone"
    assert (requested["outcome"], requested["attempt_id"]) == ("pending", attempt)


def test_two_saves_of_two_voices_keep_one(world):
    attempt = world.requested()
    world.begin(attempt)
    answers = world.race(
        lambda c: world.rpc("save_vendor_voice", attempt, "voice_1", connection=c),
        lambda c: world.rpc("save_vendor_voice", attempt, "voice_2", connection=c),
    )
    assert [answer["outcome"] for answer in answers] == ["saved", "superfluous"]


def test_two_finishes_finish_once(world):
    attempt = saved(world)
    first, second = world.race(lambda c: world.finish(attempt, connection=c), lambda c: world.finish(attempt, connection=c))
    assert first["metadata"].pop("write_id") != second["metadata"].pop("write_id")
    assert first == second
    assert world.audit().count(("clone.finish", "finished")) == 1


def test_two_grants_leave_one_open_consent(world):
    def grant(connection):
        return world.grant(connection=connection)

    _, second = world.race(grant, grant)
    assert [str(row["id"]) for row in world.sql("select id from public.voice_consents where ended_at is null")] == [second["consent_id"]]


def test_one_recording_stored_by_two_workers_is_one_row(world):
    sid, call_sid = f"RE{secrets.token_hex(16)}", world.call(world.here.employee)
    path = world.target(sid, call_sid)["storage_path"]
    first, second = world.race(
        lambda c: world.ingest(sid, call_sid, path, connection=c), lambda c: world.ingest(sid, call_sid, path, connection=c)
    )
    assert first["newest"].pop("write_id") != second["newest"].pop("write_id")
    assert first == second and first["outcome"] == "stored"
    assert world.audit() == [("recording.store", "stored")]


def test_two_recordings_stored_at_once_agree_on_the_newest(world):
    calls = [world.call(world.here.employee) for _ in range(2)]
    sids = [f"RE{secrets.token_hex(16)}" for _ in range(2)]
    paths = [f"{world.here.employee}/{sid}.wav" for sid in sids]
    _, second = world.race(
        lambda c: world.ingest(sids[0], calls[0], paths[0], minute=2, connection=c),
        lambda c: world.ingest(sids[1], calls[1], paths[1], minute=1, connection=c),
    )
    assert second["newest"]["recording_sid"] == sids[0]


def test_two_recordings_of_a_call_without_employee_leave_the_newest_on_the_call(world):
    call_sid = world.call(None)
    sids = [f"RE{secrets.token_hex(16)}" for _ in range(2)]
    paths = [world.target(sid, call_sid)["storage_path"] for sid in sids]
    world.race(
        lambda c: world.ingest(sids[0], call_sid, paths[0], minute=2, connection=c),
        lambda c: world.ingest(sids[1], call_sid, paths[1], minute=1, connection=c),
    )
    assert world.value("select recording_url from public.calls") == f"recordings/{paths[0]}"


def test_two_workers_on_an_attempt_of_an_employee_who_is_gone_refuse_it_once(world):
    attempt = world.requested()
    world.sql("delete from public.employees where id = %s", world.here.employee)
    answers = world.race(lambda c: world.begin(attempt, connection=c), lambda c: world.begin(attempt, connection=c))
    assert [answer["outcome"] for answer in answers] == ["refused", "closed"]


def test_the_applications_new_call_for_an_employee_does_not_wait_for_us(world):
    world.requested()
    session = world.session("service_role")
    with session.transaction():
        world.withdraw(connection=session)
        world.sql("set lock_timeout = '5s'")
        world.call(world.here.employee)
