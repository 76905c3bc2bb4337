"""The audit: append-only, and nothing in it that names a person."""

from __future__ import annotations

import json

import psycopg
import pytest


@pytest.mark.parametrize(
    "statement", ["update public.voice_audit set outcome = 'x'", "delete from public.voice_audit", "truncate public.voice_audit"]
)
def test_nobody_changes_the_audit_not_even_the_owner_or_with_a_careless_grant(world, statement):
    world.cloned()
    before = world.sql("select * from public.voice_audit")
    world.sql("grant all on public.voice_audit to service_role")
    for connection in (world.service, world.owner):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)
    assert world.sql("select * from public.voice_audit") == before


def test_the_audit_holds_no_names_addresses_numbers_or_audio(world):
    first = world.cloned()
    world.again()
    world.withdraw()
    world.request()
    world.grant(user=world.here.member)
    world.finish(first)
    text = json.dumps(world.sql("select * from public.voice_audit"), default=str)
    for person in world.sql("select full_name, email, phone from public.employees"):
        for private in person.values():
            assert private not in text
    for private in ("Ottilie", "example", "+1555", ".wav", "://", "recordings/", "release-17"):
        assert private not in text


def test_an_audit_row_tells_who_did_what_to_whom(world):
    attempt = world.requested()
    row = world.row("select * from public.voice_audit where action = 'clone.request'")
    assert row == row | {
        "org_id": world.here.id, "employee_id": world.here.employee, "actor_id": world.here.admin, "outcome": "requested",
    }
    assert row["details"]["attempt_id"] == attempt
    world.begin(attempt)
    assert world.row("select actor_id from public.voice_audit where action = 'clone.begin'") == {"actor_id": None}


def test_a_change_that_is_rolled_back_has_no_audit_row(world):
    world.grant()
    world.record()
    audit = world.audit()
    with pytest.raises(ZeroDivisionError), world.service.transaction():
        world.request()
        raise ZeroDivisionError
    assert world.audit() == audit
    assert world.sql("select * from public.voices") == []


def test_one_function_is_the_only_writer_of_the_audit(world):
    writers = world.sql(
        "select oid::regproc::text as name from pg_proc where pronamespace in ('public'::regnamespace, 'understudy'::regnamespace)"
        " and prosrc ~* 'insert\\s+into\\s+public\\.voice_audit'"
    )
    assert writers == [{"name": "understudy.audit"}]
