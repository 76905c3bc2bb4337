"""A worker's way with an attempt, from its lease to its voice or its failure: every outcome of every function on the way."""

from __future__ import annotations

import datetime
import uuid

import psycopg
import pytest

from .world import REPORT

NOBODY = "00000000-0000-0000-0000-00000000dead"


def deployment(world):
    return str(world.value("select id from understudy.deployment"))


# -- begin_clone -------------------------------------------------------------------------------------------------------


def test_beginning_takes_the_lease_and_tells_what_to_clone(world):
    world.grant()
    sid = world.record()
    attempt = world.request()["attempt_id"]
    answer = world.begin(attempt, seconds=300)
    assert answer == {
        "outcome": "clone", "lease_id": answer["lease_id"], "employee_id": str(world.here.employee), "employee_name": "Ottilie Here 1",
        "deployment_id": deployment(world), "replace_first": False,
        "recordings": [
            {
                "recording_sid": sid, "storage_path": f"{world.here.employee}/{sid}.wav", "track": "both", "source": "DialVerb",
                "employee_channel": None, "synthetic": False,
            }
        ],
    }
    row = world.row("select state, lease_id, lease_until - clock_timestamp() as rest from public.voices where id = %s", attempt)
    assert (row["state"], str(row["lease_id"])) == ("cloning", answer["lease_id"])
    assert datetime.timedelta(seconds=200) < row["rest"] <= datetime.timedelta(seconds=300)
    assert world.audit()[-1] == ("clone.begin", "clone")


def test_an_attempt_that_nobody_made_is_unknown(world):
    assert world.begin(NOBODY) == {"outcome": "attempt_unknown"}


@pytest.mark.parametrize("seconds", [0, -1, 43201, None])
def test_a_lease_without_a_sensible_length_is_a_bug(world, seconds):
    with pytest.raises(psycopg.errors.RaiseException, match="lease"):
        world.begin(world.requested(), seconds=seconds)


def recordings(begun):
    return [recording["recording_sid"] for recording in begun["recordings"]]


def test_the_recordings_to_clone_are_the_employees_own_newest_first_and_none_newer_than_the_request(world):
    world.grant()
    second, first = world.record(minute=2), world.record(minute=1)
    attempt = world.request()["attempt_id"]
    world.record(minute=3)
    world.record(world.here.other_employee)
    late = world.record(minute=0)
    assert recordings(world.begin(attempt)) == [second, first, late]


def test_of_recordings_that_began_together_none_is_newer_than_the_requested_one(world):
    world.grant()
    sids = sorted((world.record(minute=5) for _ in range(4)), reverse=True)
    attempt = world.request()["attempt_id"]
    greatest, call_sid = "RE" + "f" * 32, world.call(world.here.employee)
    world.ingest(greatest, call_sid, world.target(greatest, call_sid)["storage_path"], minute=5)
    assert recordings(world.begin(attempt)) == sids


def test_ten_recordings_are_looked_at_and_no_erased_one(world):
    world.grant()
    sids = [world.record(minute=minute) for minute in range(13, 0, -1)]
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", sids[1])
    attempt = world.request()["attempt_id"]
    assert recordings(world.begin(attempt)) == [sids[0], *sids[2:11]]


def test_what_was_recorded_in_the_former_organisation_is_not_looked_at(world):
    world.record(minute=1)
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    world.grant(user=world.there.admin)
    sid = world.record(call_sid=world.call(world.here.employee, org=world.there.id), minute=2)
    assert recordings(world.begin(world.request(user=world.there.admin)["attempt_id"])) == [sid]


def test_what_is_said_of_a_calls_channel_comes_with_its_recording(world):
    world.grant()
    told, untold = world.record(minute=2), world.record(minute=1)
    world.set_channel(told, 1)
    begun = world.begin(world.request()["attempt_id"])
    assert [(r["recording_sid"], r["employee_channel"]) for r in begun["recordings"]] == [(told, 1), (untold, None)]
    # A call that moved to another organisation is theirs, and so is what they say of it.
    world.sql("update public.calls set org_id = %s, employee_id = null", world.there.id)
    assert world.value("select understudy.employee_channel(r) from public.recordings r where recording_sid = %s", told) is None


@pytest.mark.parametrize("channel", [0, 3])
def test_a_call_has_two_channels(world, channel):
    with pytest.raises(psycopg.errors.CheckViolation):
        world.set_channel(world.record(), channel)


def test_another_worker_waits_for_the_lease_and_the_grace_time(world):
    attempt = world.requested()
    world.begin(attempt, seconds=300)
    answer = world.begin(attempt)
    assert answer["outcome"] == "wait" and 300 < answer["retry_after_seconds"] <= 360
    world.move_lease(attempt, -10)
    answer = world.begin(attempt)
    assert answer["outcome"] == "wait" and 1 <= answer["retry_after_seconds"] <= 50
    world.move_lease(attempt, -60)
    assert world.begin(attempt)["outcome"] == "resolve"


def test_after_a_crash_the_next_worker_is_told_to_search_first_with_a_lease_of_its_own(world):
    attempt = world.requested()
    first = world.begin(attempt)
    world.move_lease(attempt, -61)
    second = world.begin(attempt)
    assert second == {"outcome": "resolve", "lease_id": second["lease_id"]}
    assert second["lease_id"] != first["lease_id"]
    assert world.voice(attempt)["state"] == "unknown"
    assert world.begin(attempt)["outcome"] == "wait"
    for late in (world.release(attempt, first["lease_id"], True), world.fail(attempt, first["lease_id"], "sample_too_short")):
        assert late == {"outcome": "lease_lost"}
    assert world.audit()[-2:] == [("clone.release", "lease_lost"), ("clone.fail", "lease_lost")]


@pytest.mark.parametrize("problem", ["consent_expired", "consent_purpose", "recording_missing", "employee_not_found"])
def test_what_changed_since_the_request_is_seen_when_it_begins(world, problem):
    attempt = world.requested()
    employee = world.here.employee
    if problem == "consent_expired":
        world.expire_consent(employee)
    elif problem == "consent_purpose":
        # A superseding consent would have stopped the attempt itself; this is a row that came another way.
        world.sql("update public.voice_consents set ended_at = now(), ended_as = 'superseded'")
        world.sql(
            "insert into public.voice_consents (org_id, employee_id, statement_version, statement_sha256, method, evidence_reference,"
            " evidence_sha256, evidence_unverified, purposes, recorded_by, expires_at)"
            " select org_id, employee_id, '2', statement_sha256, 'written_release', 'r', statement_sha256, true, '{training}', recorded_by, expires_at"
            " from public.voice_consents"
        )
    elif problem == "recording_missing":
        world.sql("update public.recordings set erased_at = now()")
    else:
        world.sql("delete from public.employees where id = %s", employee)
    assert world.begin(attempt) == {"outcome": "refused", "code": problem}
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("failed", problem)
    assert world.audit()[-1] == ("clone.begin", "refused")
    assert world.begin(attempt)["outcome"] == "closed"


def test_an_attempt_of_unknown_fate_is_searched_for_even_without_consent(world):
    attempt = world.requested()
    world.begin(attempt)
    world.withdraw()
    assert world.voice(attempt)["state"] == "cloning"
    world.move_lease(attempt, -61)
    lease = world.begin(attempt)
    assert lease["outcome"] == "resolve"
    assert world.release(attempt, lease["lease_id"], True) == {"outcome": "released"}
    assert world.begin(attempt) == {"outcome": "refused", "code": "consent_withdrawn"}


# -- release_clone -----------------------------------------------------------------------------------------------------


def test_releasing_a_known_fate_lets_the_next_worker_begin_at_once(world):
    attempt = world.requested()
    lease = world.begin(attempt)["lease_id"]
    assert world.release(attempt, lease, True) == {"outcome": "released"}
    assert world.voice(attempt)["state"] == "requested"
    assert world.release(attempt, lease, True) == {"outcome": "lease_lost"}
    assert world.begin(attempt)["outcome"] == "clone"


def test_releasing_an_unknown_fate_keeps_everybody_waiting_until_lease_and_grace_are_over(world):
    attempt = world.requested()
    lease = world.begin(attempt, seconds=300)["lease_id"]
    answer = world.release(attempt, lease, False)
    assert answer["outcome"] == "unknown" and 300 < answer["retry_after_seconds"] <= 360
    assert world.voice(attempt)["state"] == "unknown"
    assert world.begin(attempt)["outcome"] == "wait"
    world.move_lease(attempt, -61)
    lease = world.begin(attempt)
    assert lease["outcome"] == "resolve"
    assert world.release(attempt, lease["lease_id"], True) == {"outcome": "released"}
    assert world.begin(attempt)["outcome"] == "clone"


def test_releasing_what_has_a_saved_voice_does_not_lose_it(world):
    attempt = world.requested()
    lease = world.begin(attempt)["lease_id"]
    world.save(attempt, "voice_1")
    assert world.release(attempt, lease, True) == {"outcome": "released"}
    assert world.begin(attempt) == {"outcome": "finish"}


@pytest.mark.parametrize("lease_id", [None, str(uuid.uuid4())], ids=["without a lease", "with the lease of somebody else"])
def test_nobody_releases_or_fails_without_the_lease(world, lease_id):
    attempt = world.requested()
    for prepare in (lambda: None, lambda: world.begin(attempt)):
        prepare()
        assert world.release(attempt, lease_id, True) == {"outcome": "lease_lost"}
        assert world.fail(attempt, lease_id, "sample_too_short") == {"outcome": "lease_lost"}
    assert world.voice(attempt)["state"] == "cloning"


# -- save_vendor_voice -------------------------------------------------------------------------------------------------


def test_the_vendors_id_is_kept_once(world):
    attempt = world.requested()
    world.begin(attempt)
    assert world.save(attempt, "voice_1") == {"outcome": "saved"}
    assert world.audit()[-1] == ("clone.save", "saved")
    audit = world.audit()
    assert world.save(attempt, "voice_1") == {"outcome": "saved"}
    assert world.audit() == audit
    assert world.save(attempt, "voice_2") == {"outcome": "superfluous"}
    assert world.audit()[-1] == ("clone.save", "superfluous")
    assert world.voice(attempt)["vendor_voice_id"] == "voice_1"
    world.finish(attempt)
    assert world.save(attempt, "voice_1") == {"outcome": "saved"}
    assert world.save(attempt, "voice_2") == {"outcome": "superfluous"}


def test_a_voice_that_comes_after_its_lease_was_lost_and_released_is_adopted(world):
    attempt = world.requested()
    world.begin(attempt)
    world.move_lease(attempt, -61)
    world.release(attempt, world.begin(attempt)["lease_id"], True)
    assert world.save(attempt, "voice_late") == {"outcome": "saved"}
    assert world.begin(attempt) == {"outcome": "finish"}
    assert world.finish(attempt)["voice_id"] == "voice_late"


def test_a_voice_for_a_closed_attempt_is_superfluous_and_listed_until_it_is_gone(world):
    attempt = world.requested()
    world.fail(attempt, world.begin(attempt)["lease_id"], "sample_too_short")
    assert world.save(attempt, "voice_late") == {"outcome": "superfluous"}
    to_delete = [{"attempt_id": attempt, "vendor_voice_id": "voice_late"}]
    assert world.begin(attempt) == {"outcome": "closed", "delete_voices": to_delete}
    assert world.save(attempt, "voice_late") == {"outcome": "superfluous"}
    assert world.deleted(attempt) == {"outcome": "recorded"}
    assert world.begin(attempt) == {"outcome": "closed", "delete_voices": []}


def test_one_vendor_voice_is_never_two_attempts(world):
    world.cloned("voice_1")
    second = world.again()
    world.begin(second)
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.save(second, "voice_1")


# -- finish_clone ------------------------------------------------------------------------------------------------------


def test_finishing_makes_the_voice_current_and_hands_out_its_metadata(world):
    world.grant()
    older, newer = world.record(minute=1), world.record(minute=2)
    attempt = world.request()["attempt_id"]
    world.take(attempt, world.begin(attempt), [(newer, 2), (older, None)], version=7)
    world.save(attempt, "voice_1")
    answer = world.finish(attempt)
    metadata = answer.pop("metadata")["body"]
    assert answer == {"outcome": "finished", "voice_id": "voice_1", "delete_voices": []}
    row = world.voice(attempt)
    assert metadata == {
        "employee_id": str(world.here.employee), "employee_name": "Ottilie Here 1", "voice_id": "voice_1",
        "created_at": metadata["created_at"], "status": "ready", "clone_type": "ivc",
        "source_recording": f"recordings/{world.here.employee}/{newer}.wav",
        "source_recordings": [f"recordings/{world.here.employee}/{sid}.wav" for sid in (newer, older)],
        "pipeline_version": 7, "report": REPORT, "attempt_id": attempt, "consent_id": str(row["consent_id"]),
    }
    created_at = datetime.datetime.strptime(metadata["created_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    assert abs(created_at - row["ready_at"]) < datetime.timedelta(milliseconds=2)
    assert row["state"] == "ready"
    assert world.voice_id(world.here.employee) == "voice_1"
    assert world.audit()[-1] == ("clone.finish", "finished")


def test_the_metadata_of_a_voice_without_a_sample_names_the_recording_that_was_asked_for(world):
    world.grant()
    sid = world.record()
    attempt = world.request()["attempt_id"]
    world.begin(attempt)
    world.save(attempt, "voice_1")
    metadata = world.finish(attempt)["metadata"]["body"]
    assert metadata == metadata | {
        "source_recording": f"recordings/{world.here.employee}/{sid}.wav", "source_recordings": [], "pipeline_version": None,
        "report": None,
    }


def test_finishing_again_says_the_same_until_the_metadata_is_written(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    answer = world.finish(attempt)
    audit = world.audit()
    assert world.begin(attempt) == {"outcome": "finish"}
    again = world.finish(attempt)
    assert again["metadata"].pop("write_id") != answer["metadata"].pop("write_id")
    assert again == answer
    assert world.audit() == audit
    assert world.written(attempt) == {"outcome": "current"}
    assert world.finish(attempt) == answer | {"metadata": None}


def test_finishing_retires_the_voice_before_and_lists_it_until_the_vendor_confirmed(world):
    first = world.cloned("voice_1")
    second = world.again()
    world.begin(second)
    world.save(second, "voice_2")
    replaced = [{"attempt_id": first, "vendor_voice_id": "voice_1"}]
    assert world.finish(second)["delete_voices"] == replaced
    assert (world.voice(first)["state"], world.voice(first)["code"]) == ("retired", "superseded")
    assert world.voice_id(world.here.employee) == "voice_2"
    assert world.finish(second)["delete_voices"] == replaced
    assert world.deleted(first) == {"outcome": "recorded"}
    assert world.audit()[-1] == ("voice.delete", "deleted")
    assert world.finish(second)["delete_voices"] == []
    assert world.finish(first) == {"outcome": "refused", "code": "superseded", "delete_voices": []}
    assert world.begin(first) == {"outcome": "closed", "delete_voices": []}


@pytest.mark.parametrize("how", ["consent_withdrawn", "consent_expired", "consent_purpose", "employee_not_found"])
def test_a_clone_whose_consent_went_meanwhile_is_refused_and_its_voice_is_to_be_deleted(world, how):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    {
        "consent_withdrawn": world.withdraw,
        "consent_expired": lambda: world.expire_consent(world.here.employee),
        "consent_purpose": lambda: world.grant(purposes=("synthetic_speech",)),
        "employee_not_found": lambda: world.sql("delete from public.employees where id = %s", world.here.employee),
    }[how]()
    refused = {"outcome": "refused", "code": how, "delete_voices": [{"attempt_id": attempt, "vendor_voice_id": "voice_1"}]}
    assert world.finish(attempt) == refused
    # Withdrawing and narrowing stop a saved voice themselves; of the others only the finish learns.
    stopped = ("voice.stop", "failed") if how in ("consent_withdrawn", "consent_purpose") else ("clone.finish", "refused")
    assert stopped in world.audit()
    assert world.voice(attempt)["state"] == "failed"
    assert world.sql("select 1 from public.employees where voice_id is not null") == []
    audit = world.audit()
    assert world.finish(attempt) == refused
    assert world.audit() == audit


def test_a_ready_voice_whose_consent_expired_is_retired_by_whoever_finishes_next(world):
    first = world.cloned()
    second = world.again()
    world.begin(second)
    world.save(second, "voice_2")
    world.expire_consent(world.here.employee)
    answer = world.finish(second)
    assert (answer["outcome"], answer["code"]) == ("refused", "consent_expired")
    assert {voice["attempt_id"] for voice in answer["delete_voices"]} == {first, second}
    assert world.voice_id(world.here.employee) is None


@pytest.mark.parametrize("step", ["nobody", "requested", "cloning", "unknown"])
def test_what_has_no_voice_cannot_be_finished(world, step):
    attempt = NOBODY if step == "nobody" else world.requested()
    if step in ("cloning", "unknown"):
        lease = world.begin(attempt)["lease_id"]
        if step == "unknown":
            world.release(attempt, lease, False)
    assert world.finish(attempt) == {"outcome": "not_finishable"}


# -- fail_clone, voice_deleted -----------------------------------------------------------------------------------------


def test_failing_closes_the_attempt_with_the_code_for_the_frontend(world):
    attempt = world.requested()
    lease = world.begin(attempt)["lease_id"]
    assert world.fail(attempt, lease, "sample_too_short") == {"outcome": "failed", "delete_voices": []}
    assert world.audit()[-1] == ("clone.fail", "failed")
    assert world.fail(attempt, lease, "sample_too_short") == {"outcome": "lease_lost"}
    assert world.finish(attempt) == {"outcome": "refused", "code": "sample_too_short", "delete_voices": []}


def test_failing_keeps_the_figures_that_come_with_it(world):
    attempt = world.requested()
    begun = world.begin(attempt)
    world.take(attempt, begun)
    world.release(attempt, begun["lease_id"], True)
    lease = world.begin(attempt)["lease_id"]
    world.fail(attempt, lease, "sample_too_noisy", report={"snr_db": 3.5})
    assert world.voice(attempt)["report"] == {"snr_db": 3.5}
    assert "snr_db" not in str(world.sql("select details from public.voice_audit"))


def test_failing_without_figures_leaves_those_of_the_sample(world):
    attempt = world.requested()
    begun = world.begin(attempt)
    world.take(attempt, begun)
    world.fail(attempt, begun["lease_id"], "voice_rejected")
    assert world.voice(attempt)["report"] == REPORT


def test_who_lost_the_lease_leaves_no_figures(world):
    attempt = world.requested()
    world.begin(attempt)
    assert world.fail(attempt, str(uuid.uuid4()), "sample_too_noisy", report=REPORT) == {"outcome": "lease_lost"}
    assert world.voice(attempt)["report"] is None


def test_failing_with_a_saved_voice_lists_it_for_deletion(world):
    attempt = world.requested()
    lease = world.begin(attempt)["lease_id"]
    world.save(attempt, "voice_1")
    assert world.fail(attempt, lease, "requires_verification")["delete_voices"] == [
        {"attempt_id": attempt, "vendor_voice_id": "voice_1"}
    ]


@pytest.mark.parametrize("code", [None, "", "Ottilie Here", "https://x"])
def test_a_failure_without_a_plain_code_is_a_bug(world, code):
    attempt = world.requested()
    with pytest.raises(psycopg.errors.CheckViolation):
        world.fail(attempt, world.begin(attempt)["lease_id"], code)


def test_deleting_the_current_voice_cannot_be_recorded_by_mistake(world):
    attempt = world.cloned()
    assert world.deleted(attempt) == {"outcome": "recorded"}
    assert world.voice(attempt)["vendor_deleted_at"] is None
    world.withdraw()
    world.deleted(attempt)
    gone_at = world.voice(attempt)["vendor_deleted_at"]
    audit = world.audit()
    assert world.deleted(attempt) == {"outcome": "recorded"}
    assert (world.voice(attempt)["vendor_deleted_at"], world.audit()) == (gone_at, audit)


def test_nobodys_attempt_is_nobodys(world):
    assert world.release(NOBODY, NOBODY, True) == {"outcome": "lease_lost"}
    assert world.fail(NOBODY, NOBODY, "x") == {"outcome": "lease_lost"}
    assert world.save(NOBODY, "voice_1") == {"outcome": "superfluous"}
    assert world.deleted(NOBODY) == {"outcome": "recorded"}
    assert world.written(NOBODY) == {"outcome": "current"}


# -- the table itself --------------------------------------------------------------------------------------------------


def test_a_closed_attempt_never_opens_again_and_an_attempt_keeps_what_it_is(world):
    attempt = world.cloned()
    world.withdraw()
    for change in (
        "state = 'ready', code = null", "state = 'cloning', code = null", "vendor_voice_id = 'other'",
        "employee_id = gen_random_uuid()", "consent_id = gen_random_uuid()", "org_id = gen_random_uuid()",
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            world.sql(f"update public.voices set {change} where id = %s", attempt)


@pytest.mark.parametrize("change", ["pipeline_version = 2", "report = '{}'", "report = null", "replace_first = not replace_first"])
@pytest.mark.parametrize("state", ["ready", "retired", "failed"])
def test_a_voice_keeps_the_sample_that_it_was_made_from(world, state, change):
    if state == "failed":
        attempt = world.requested()
        begun = world.begin(attempt)
        world.take(attempt, begun)
        world.fail(attempt, begun["lease_id"], "voice_rejected")
    else:
        attempt = world.cloned()
        if state == "retired":
            world.rpc("voice_gone", attempt)
    assert world.voice(attempt)["state"] == state
    with pytest.raises(psycopg.errors.IntegrityError, match="sample"):
        world.sql(f"update public.voices set {change} where id = %s", attempt)


def test_a_voice_that_an_attempt_made_and_must_not_keep_is_one_to_delete(world):
    attempt = world.requested()
    lease = world.begin(attempt)["lease_id"]
    answer = world.fail(attempt, lease, "voice_requires_verification", "voice_unverified")
    assert answer["delete_voices"] == [{"attempt_id": attempt, "vendor_voice_id": "voice_unverified"}]
    assert world.begin(attempt) == {"outcome": "closed", "delete_voices": answer["delete_voices"]}
