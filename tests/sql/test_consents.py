"""Consents: what is accepted, what supersedes what, and what a withdrawal does at once."""

from __future__ import annotations

import datetime

import psycopg
import pytest

from .world import LATER, SHA


def recorded(world, employee=None, sha256=SHA, **call):
    """A stored recording whose bytes have this hash."""
    sid = world.record(employee, **call)
    world.sql("update public.recordings set sha256 = %s where recording_sid = %s", sha256, sid)
    return sid


def consents(world):
    return world.sql("select id, ended_as, ended_by from public.voice_consents order by number")


@pytest.mark.parametrize("method", ["written_release", "recorded_call"])
def test_a_consent_keeps_what_it_was_given_on(world, method):
    reference = recorded(world) if method == "recorded_call" else None
    answer = world.grant(method=method, reference=reference, purposes=("voice_clone", "synthetic_speech"))
    assert answer == {"outcome": "granted", "consent_id": answer["consent_id"], "evidence_unverified": False}
    row = world.row("select * from public.voice_consents")
    folder = f"{world.here.id}/{world.here.employee}"
    assert str(row["id"]) == answer["consent_id"]
    assert row == row | {
        "org_id": world.here.id, "employee_id": world.here.employee,
        "statement_version": world.statement["version"], "statement_sha256": world.statement["sha256"],
        "method": method, "evidence_reference": reference or f"{folder}/release-17", "evidence_sha256": SHA,
        "evidence_object": f"{folder}/{reference}.wav" if reference else f"{folder}/release-17", "evidence_unverified": False,
        "purposes": ["voice_clone", "synthetic_speech"], "recorded_by": world.here.admin, "invitation_id": None, "ended_at": None,
    }
    assert world.audit()[-1] == ("consent.grant", "granted")


@pytest.mark.parametrize("method", ["self_service", "hearsay", None])
def test_an_admin_records_no_consent_by_a_method_that_is_not_theirs_to_use(world, method):
    assert world.grant(method=method) == {"outcome": "consent_method_invalid"}
    assert consents(world) == []
    assert world.audit() == [("consent.grant", "consent_method_invalid")]


def test_the_table_itself_takes_self_service_from_an_invitation_only_and_nothing_else_from_one(world):
    world.grant()
    world.invite("token")
    for method, invitation in (("self_service", "null"), ("written_release", "(select id from public.voice_consent_invitations)")):
        with pytest.raises(psycopg.errors.CheckViolation, match="voice_consents_self_service"):
            world.sql(
                "insert into public.voice_consents (org_id, employee_id, statement_version, statement_sha256, method, evidence_reference,"
                " evidence_sha256, evidence_object, purposes, recorded_by, expires_at, invitation_id, ended_at, ended_as)"
                f" select org_id, employee_id, '1', statement_sha256, '{method}', evidence_reference, evidence_sha256,"
                f" case when '{method}' <> 'self_service' then evidence_object end, purposes, recorded_by, expires_at, {invitation},"
                " clock_timestamp(), 'superseded' from public.voice_consents limit 1"
            )


def in_years(years, days=0):
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.replace(year=now.year + years, day=min(now.day, 28)) + datetime.timedelta(days=days)


@pytest.mark.parametrize("expires_at", [in_years(-1), in_years(0, -40), in_years(3, 5), in_years(50)])
def test_a_consent_that_is_over_or_longer_than_three_years_is_refused(world, expires_at):
    assert world.grant(expires_at=expires_at) == {"outcome": "consent_expiry_invalid"}
    assert consents(world) == []
    assert world.audit() == [("consent.grant", "consent_expiry_invalid")]


def test_a_consent_without_an_end_is_refused(world):
    answer = world.rpc(
        "grant_voice_consent", world.here.admin, world.here.employee, world.statement["version"], world.statement["sha256"],
        "written_release", f"{world.here.id}/{world.here.employee}/release-17", SHA, ["voice_clone"], None, SHA,
    )
    assert answer == {"outcome": "consent_expiry_invalid"}


def test_the_table_itself_refuses_more_than_three_years(world):
    columns = "org_id, employee_id, statement_version, statement_sha256, method, purposes, recorded_by, invitation_id, granted_at, expires_at"
    with pytest.raises(psycopg.errors.CheckViolation, match="voice_consents_term"):
        world.sql(
            f"insert into public.voice_consents ({columns}) values (%s, %s, '1', %s, 'self_service', '{{x}}', %s, gen_random_uuid(),"
            " '2026-01-01 00:00Z', '2029-01-01 00:00:01Z')",
            world.here.id, world.here.employee, SHA, world.here.admin,
        )


def test_a_consent_to_nothing_is_a_bug_of_the_caller(world):
    with pytest.raises(psycopg.errors.CheckViolation):
        world.grant(purposes=())


def test_a_new_consent_supersedes_the_one_before_and_both_stay(world):
    first, second = world.grant()["consent_id"], world.grant()["consent_id"]
    assert [(str(c["id"]), c["ended_as"]) for c in consents(world)] == [(first, "superseded"), (second, None)]


def test_renewing_a_consent_keeps_the_voice(world):
    attempt = world.cloned()
    world.grant()
    assert world.read()["status"] == "ready"
    assert world.request()["outcome"] == "ready"
    assert world.finish(attempt)["outcome"] == "finished"


def test_a_consent_that_no_longer_covers_cloning_ends_the_voice(world):
    attempt = world.cloned()
    world.grant(purposes=("synthetic_speech",))
    assert world.voice_id(world.here.employee) is None
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("retired", "consent_purpose")
    assert world.request() == {"outcome": "consent_purpose"}


def test_a_consent_cannot_be_edited_or_removed_even_by_the_owner(world):
    world.grant()
    for statement in (
        "update public.voice_consents set expires_at = expires_at + interval '1 day'",
        "update public.voice_consents set purposes = '{everything}'",
        "delete from public.voice_consents",
    ):
        with pytest.raises(psycopg.errors.IntegrityError, match="never edited"):
            world.sql(statement)
    world.withdraw()
    with pytest.raises(psycopg.errors.IntegrityError, match="never edited"):
        world.sql("update public.voice_consents set ended_at = null, ended_as = null, ended_by = null")


def test_a_consent_is_deleted_only_when_nothing_has_to_be_proved_by_it_any_more(world):
    world.grant()
    world.withdraw()

    def ended_ago(ago):
        with world.owner.transaction():
            world.sql("alter table public.voice_consents disable trigger voice_consents_kept")
            world.sql("update public.voice_consents set granted_at = granted_at - interval '4 years', expires_at = expires_at - interval '3 years 1 day'")
            world.sql("update public.voice_consents set ended_at = clock_timestamp() - %s::interval", ago)
            world.sql("alter table public.voice_consents enable trigger voice_consents_kept")

    ended_ago("2 years 364 days")
    with pytest.raises(psycopg.errors.IntegrityError, match="kept as long as"):
        world.sql("delete from public.voice_consents")
    ended_ago("3 years 1 day")
    world.sql("delete from public.voice_consents")
    assert consents(world) == []


def test_withdrawing_takes_the_voice_away_at_once_and_leaves_it_to_be_deleted_at_the_vendor(world):
    attempt = world.cloned()
    answer = world.withdraw()
    assert answer["outcome"] == "withdrawn"
    assert world.to_delete() == [{"attempt_id": attempt, "vendor_voice_id": "voice_1"}]
    assert world.voice_id(world.here.employee) is None
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("retired", "consent_withdrawn")
    assert world.audit()[-3:] == [("voice.stop", "retired"), ("erasure.start", "started"), ("consent.withdraw", "withdrawn")]
    read = world.read()
    assert (read["voice_id"], read["status"], read["code"]) == (None, "none", "consent_withdrawn")
    assert world.request() == {"outcome": "consent_withdrawn"}


def test_withdrawing_again_gives_the_same_answer_also_when_all_is_erased(world):
    assert world.withdraw() == {"outcome": "no_consent"}
    world.grant()
    first = world.withdraw()
    assert first["outcome"] == "withdrawn"
    assert world.withdraw() == first
    world.work_off(first["erasure_id"])
    assert world.erasure()["status"] == "erased"
    # Another erasure does not take its place.
    assert world.erase()["erasure_id"] != first["erasure_id"]
    assert world.withdraw() == first
    assert [a for a in world.audit() if a[0] == "consent.withdraw"] == [("consent.withdraw", "no_consent"), ("consent.withdraw", "withdrawn")]


def test_a_consent_that_ran_out_is_not_there_to_be_withdrawn(world):
    world.grant()
    world.expire_consent(world.here.employee)
    world.rpc("sweep_erasures")
    assert world.withdraw() == {"outcome": "no_consent"}


def test_withdrawing_stops_an_attempt_that_nobody_has_begun(world):
    attempt = world.requested()
    world.withdraw()
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("failed", "consent_withdrawn")
    assert world.begin(attempt) == {"outcome": "closed", "delete_voices": []}
    read = world.read()
    assert (read["status"], read["code"]) == ("failed", "consent_withdrawn")


def test_withdrawing_leaves_other_employees_alone(world):
    world.cloned()
    world.grant(world.here.other_employee)
    world.withdraw(world.here.other_employee)
    assert world.voice_id(world.here.employee) == "voice_1"


def test_after_a_withdrawal_a_new_consent_starts_afresh(world):
    first = world.cloned()
    world.withdraw()
    world.grant()
    read = world.read()
    assert (read["status"], read["code"], read["voice_id"]) == ("none", None, None)
    assert world.request() == {"outcome": "recording_missing"}
    world.record(minute=LATER)
    second = world.request()
    assert second["outcome"] == "requested" and second["attempt_id"] != first


@pytest.mark.parametrize("begun", ["waiting for its worker", "being made", "of unknown fate"])
def test_a_new_consent_does_not_revive_what_was_begun_under_a_withdrawn_one(world, begun):
    attempt = world.requested()
    if begun != "waiting for its worker":
        lease = world.begin(attempt)["lease_id"]
        if begun == "of unknown fate":
            world.release(attempt, lease, False)
    world.withdraw()
    world.grant()
    world.save(attempt, "voice_late")
    assert world.finish(attempt)["outcome"] == "refused"
    assert (world.voice(attempt)["state"], world.voice(attempt)["code"]) == ("failed", "consent_withdrawn")
    assert world.voice_id(world.here.employee) is None


def test_a_renewed_consent_keeps_the_attempt_that_was_begun_under_the_one_before(world):
    attempt = world.requested()
    world.begin(attempt)
    world.grant()
    world.save(attempt, "voice_1")
    assert world.finish(attempt)["outcome"] == "finished"


def test_a_voice_row_cannot_exist_without_a_consent_of_its_own_employee(world):
    sid = world.record()
    foreign = world.grant(world.here.other_employee)["consent_id"]
    for consent in (foreign, "00000000-0000-0000-0000-00000000dead"):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            world.sql(
                "insert into public.voices (org_id, employee_id, consent_id, recording_sid, requested_by) values (%s, %s, %s, %s, %s)",
                world.here.id, world.here.employee, consent, sid, world.here.admin,
            )
    with pytest.raises(psycopg.errors.NotNullViolation):
        world.sql(
            "insert into public.voices (org_id, employee_id, recording_sid, requested_by) values (%s, %s, %s, %s)",
            world.here.id, world.here.employee, sid, world.here.admin,
        )
