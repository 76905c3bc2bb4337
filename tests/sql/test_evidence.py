"""Evidence is a thing that was read: what each method accepts, and what is done with an object that no consent rests on."""

from __future__ import annotations

import json

import psycopg
import pytest

from .test_consents import recorded
from .world import SHA

OTHER = "b" * 64


def nothing_recorded(world, code):
    assert world.sql("select * from public.voice_consents") == []
    assert world.audit()[-1] == ("consent.grant", code)
    return {"outcome": code}


def folder(world, employee=None):
    return f"{world.here.id}/{employee or world.here.employee}"


def kept_elsewhere(world, org=None):
    world.sql(
        "insert into public.organization_voice_settings (org_id, evidence_kept_elsewhere) values (%s, true)", org or world.here.id
    )


def age(world, object_, ago="25 hours"):
    world.sql("update public.voice_consent_evidence set noted_at = clock_timestamp() - %s::interval where object = %s", ago, object_)


# -- a signed paper ----------------------------------------------------------------------------------------------------


def test_a_key_for_a_paper_is_the_employees_own_and_never_twice_the_same(world):
    offered = [world.rpc("offer_evidence", world.here.admin, world.here.employee) for _ in range(2)]
    assert {answer["outcome"] for answer in offered} == {"offered"}
    keys = [answer["reference"] for answer in offered]
    assert len(set(keys)) == 2 and all(key.startswith(f"{folder(world)}/") for key in keys)
    assert world.audit() == [("consent.evidence", "offered")] * 2
    assert not any(key in json.dumps(world.sql("select details from public.voice_audit")) for key in keys)


def test_only_an_admin_of_the_organisation_gets_a_key(world):
    for user, code in (
        (world.here.member, "role_forbidden"), (world.there.admin, "employee_not_found"), ("00000000-0000-0000-0000-00000000beef", "not_a_member"),
    ):
        assert world.rpc("offer_evidence", user, world.here.employee) == {"outcome": code}
        assert world.audit()[-1] == ("consent.evidence", code)
    assert world.sql("select * from public.voice_consent_evidence") == []


def test_a_paper_is_asked_for_before_the_consent_is_recorded_and_its_hash_decides(world):
    wanted = world.grant(read=None)
    assert wanted == {"outcome": "evidence_wanted", "object": f"{folder(world)}/release-17", "copy_from": None}
    assert world.sql("select * from public.voice_consents") == [] and world.audit() == []
    assert world.grant(read=OTHER) == nothing_recorded(world, "evidence_mismatch")
    assert world.grant(sha256=None) == nothing_recorded(world, "evidence_mismatch")
    assert world.grant()["outcome"] == "granted"


@pytest.mark.parametrize("read, code", [
    ("missing", "evidence_missing"), ("too_large", "evidence_too_large"), ("unreadable", "evidence_unreadable"), ("nonsense", "evidence_mismatch"),
])
def test_a_paper_that_could_not_be_read_is_refused(world, read, code):
    assert world.grant(read=read) == nothing_recorded(world, code)


@pytest.mark.parametrize("reference", ["release-17", "", "{here}/{other}/release-17", "{there}/{employee}/release-17", "{folder}/", "{folder}",
    "{folder}/a/b", "{folder}/../x", "{folder}/..", "{folder}/.hidden", "{folder}/a b", "{folder}/a\n", "/{folder}/a", "{folder}/a?b", "{folder}/a%2fb",
])  # fmt: skip
def test_a_reference_that_is_no_key_of_this_employee_names_nothing(world, reference):
    reference = reference.format(
        here=world.here.id, there=world.there.id, employee=world.here.employee, other=world.here.other_employee, folder=folder(world)
    )
    for read in (None, SHA):
        answer = world.rpc(
            "grant_voice_consent", world.here.admin, world.here.employee, world.statement["version"], world.statement["sha256"],
            "written_release", reference, SHA, ["voice_clone"], world.value("select now() + interval '1 year'"), read,
        )
        assert answer == nothing_recorded(world, "evidence_missing")
    assert world.sql("select * from public.voice_consent_evidence") == []


def test_who_may_not_record_a_consent_is_not_told_of_any_evidence(world):
    for user, code in ((world.here.member, "role_forbidden"), (world.there.admin, "employee_not_found")):
        assert world.grant(user=user, read=None) == {"outcome": code}
    assert world.sql("select * from public.voice_consent_evidence") == []


# -- a recorded call ---------------------------------------------------------------------------------------------------


def test_a_recorded_call_is_copied_to_where_it_outlives_the_erasure_of_recordings(world):
    sid = recorded(world)
    wanted = world.grant(method="recorded_call", reference=sid, read=None)
    assert wanted == {
        "outcome": "evidence_wanted", "object": f"{folder(world)}/{sid}.wav", "copy_from": f"{world.here.employee}/{sid}.wav",
    }
    assert world.grant(method="recorded_call", reference=sid, read="copied")["outcome"] == "granted"
    world.erase()
    row = world.row("select evidence_object, evidence_reference from public.voice_consents")
    assert row == {"evidence_object": f"{folder(world)}/{sid}.wav", "evidence_reference": sid}
    copies = world.sql("select reference from public.voice_erasure_copies")
    assert f"{folder(world)}/{sid}.wav" not in [copy["reference"] for copy in copies]


def test_a_recording_whose_hash_is_another_is_refused_before_anything_is_copied(world):
    sid = recorded(world, sha256=OTHER)
    for read in (None, "copied", SHA):
        assert world.grant(method="recorded_call", reference=sid, read=read) == nothing_recorded(world, "evidence_mismatch")
    assert world.sql("select * from public.voice_consent_evidence") == []


def test_a_recording_whose_hash_nobody_knows_is_no_evidence(world):
    sid = recorded(world, sha256=None)
    assert world.grant(method="recorded_call", reference=sid, read=None) == nothing_recorded(world, "evidence_unreadable")


@pytest.mark.parametrize("whose", [
    "another employee's", "another organisation's", "their former organisation's", "nobody's", "erased", "unknown", "a key",
])  # fmt: skip
def test_a_recording_that_is_not_this_employees_is_missing(world, whose):
    sid = recorded(world, world.here.other_employee) if whose == "another employee's" else recorded(world)
    if whose == "another organisation's":
        sid = recorded(world, call_sid=world.call(world.there.employee, org=world.there.id))
    elif whose == "their former organisation's":
        move = "update public.employees set org_id = %s where id = %s"
        world.sql(move, world.there.id, world.here.employee)
        sid = recorded(world, call_sid=world.call(world.here.employee, org=world.there.id))
        world.sql(move, world.here.id, world.here.employee)
    elif whose == "nobody's":
        world.sql("update public.recordings set employee_id = null")
    elif whose == "erased":
        world.sql("update public.recordings set erased_at = now()")
    elif whose == "unknown":
        sid = "RE" + "0" * 32
    elif whose == "a key":
        sid = f"{folder(world)}/release-17"
    assert world.grant(method="recorded_call", reference=sid, read=None) == nothing_recorded(world, "evidence_missing")


def test_a_recording_that_is_erased_while_it_is_copied_proves_nothing(world):
    sid = recorded(world)
    assert world.grant(method="recorded_call", reference=sid, read=None)["outcome"] == "evidence_wanted"
    world.erase()
    assert world.grant(method="recorded_call", reference=sid, read="copied") == nothing_recorded(world, "evidence_missing")


# -- kept elsewhere ----------------------------------------------------------------------------------------------------


def test_where_evidence_is_kept_elsewhere_any_reference_is_taken_and_the_consent_says_that_nobody_has_read_it(world):
    kept_elsewhere(world)
    granted = world.grant(reference="cabinet 3, folder 17", read=None)
    assert granted == {"outcome": "granted", "consent_id": granted["consent_id"], "evidence_unverified": True}
    row = world.row("select evidence_reference, evidence_object, evidence_unverified from public.voice_consents")
    assert row == {"evidence_reference": "cabinet 3, folder 17", "evidence_object": None, "evidence_unverified": True}


def test_whatever_shows_an_unverified_consent_says_that_it_is(world):
    kept_elsewhere(world)
    world.invite("token")
    world.answer("token")
    world.grant(reference="cabinet 3", read=None, days=300)
    read = world.rpc("read_voice_consent", world.here.member, world.here.employee)
    assert [c["evidence_unverified"] for c in read["history"]] == [True, False] and read["consent"]["evidence_unverified"] is True
    assert world.rpc("read_withdrawal", world.value("select token_sha256 from public.voice_withdrawal_tokens"))["consent"]["evidence_unverified"] is True
    world.invite("again")
    assert world.answer("again", granted=False)["live_consent"]["evidence_unverified"] is True
    world.record()
    world.made(world.request()["attempt_id"])
    assert world.authorize()["evidence_unverified"] is True
    details = world.sql(
        "select action, details -> 'evidence_unverified' as unverified from public.voice_audit where outcome in ('granted', 'authorized') order by id"
    )
    assert [(row["action"], row["unverified"]) for row in details] == [
        ("consent.grant", False), ("consent.grant", True), ("voice.authorize", True),
    ]


def test_one_organisations_setting_is_not_anothers(world):
    kept_elsewhere(world, world.there.id)
    assert world.grant(reference="cabinet 3", read=None) == nothing_recorded(world, "evidence_missing")


def test_a_consent_without_an_object_that_is_not_marked_cannot_exist(world):
    for unverified, object_ in ((False, "null"), (True, "'o'")):
        with pytest.raises(psycopg.errors.CheckViolation, match="voice_consents_evidence_object"):
            world.sql(
                "insert into public.voice_consents (org_id, employee_id, statement_version, statement_sha256, method, evidence_reference,"
                " evidence_sha256, evidence_object, evidence_unverified, purposes, recorded_by, expires_at)"
                f" values (%s, %s, '1', %s, 'written_release', 'r', %s, {object_}, %s, '{{x}}', %s, now() + interval '1 day')",
                world.here.id, world.here.employee, SHA, SHA, unverified, world.here.admin,
            )


# -- what no consent rests on ------------------------------------------------------------------------------------------


def abandoned(world, limit=10):
    answer = world.rpc("abandoned_evidence", limit)
    assert answer["outcome"] == "abandoned"
    return answer["objects"]


def test_an_upload_that_no_consent_was_recorded_on_is_found_after_a_day_and_again_until_it_is_gone(world):
    key = world.rpc("offer_evidence", world.here.admin, world.here.employee)["reference"]
    assert abandoned(world) == []
    age(world, key)
    assert abandoned(world) == [key]
    assert abandoned(world) == []
    age(world, key)
    assert abandoned(world) == [key]
    assert world.rpc("evidence_cleared", key) == {"outcome": "cleared"}
    assert world.sql("select * from public.voice_consent_evidence") == []


def test_a_copy_of_a_recording_that_a_dead_request_left_is_found_too(world):
    sid = recorded(world)
    key = world.grant(method="recorded_call", reference=sid, read=None)["object"]
    age(world, key)
    assert abandoned(world) == [key]


def test_evidence_of_a_consent_is_not_abandoned_also_after_its_end(world):
    key = world.grant(read=None)["object"]
    world.grant()
    world.withdraw()
    age(world, key)
    assert abandoned(world) == []
    assert world.rpc("evidence_cleared", key) == {"outcome": "cleared"}
    assert world.row("select evidence_object from public.voice_consents") == {"evidence_object": key}


def test_no_consent_is_recorded_on_what_is_being_removed(world):
    key = world.grant(read=None)["object"]
    age(world, key)
    assert abandoned(world) == [key]
    for read in (None, SHA):
        assert world.grant(read=read) == nothing_recorded(world, "evidence_missing")
    world.rpc("evidence_cleared", key)
    assert world.grant(read=None)["outcome"] == "evidence_wanted"


def test_no_more_is_listed_than_asked_for(world):
    for _ in range(3):
        age(world, world.rpc("offer_evidence", world.here.admin, world.here.employee)["reference"])
    assert len(abandoned(world, 2)) == 2
    assert len(abandoned(world, 2)) == 1
    assert abandoned(world, None) == []
