"""The database's description of itself, and the doctor's findings in it."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from local.doctor.database import INDEXES, compared
from local.doctor.expected import expected
from standins.postgres import apply_migrations

from .test_migrations import EXISTING, NOTHING_BY_DEFAULT
from .test_protection import PROTECTION
from .test_protection import careless  # noqa: F401  a fixture

CLEAN = ([], [], [])


def described(url: str) -> dict:
    with psycopg.connect(url) as connection:
        return connection.execute("select public.describe_database()").fetchone()[0]


def differences(url: str) -> tuple:
    found = compared(expected()["objects"], described(url)["objects"])
    return found.missing, found.other, found.rights


@pytest.fixture
def migrated_url(postgres, migrated):
    return postgres.create_database(template=migrated)


def test_only_the_service_key_is_told(world):
    assert world.rpc("describe_database")["outcome"] == "described"
    for role in ("anon", "authenticated"):
        with pytest.raises(InsufficientPrivilege):
            world.rpc("describe_database", connection=world.session(role))


def test_it_tells_of_nobody_and_of_no_row(world):
    before = world.rpc("describe_database")
    world.cloned()
    world.erase()
    assert world.rpc("describe_database") == before


def test_it_changes_nothing(world):
    session = world.session("service_role")
    session.execute("set default_transaction_read_only = on")
    assert world.rpc("describe_database", connection=session)["outcome"] == "described"


def test_it_tells_the_timeout_that_holds_for_the_request(world):
    session = world.session("service_role")
    session.execute("set statement_timeout = '3s'")
    assert world.rpc("describe_database", connection=session)["statement_timeout_ms"] == 3000


def test_the_migrations_make_what_is_expected_and_the_indexes_of_calls(migrated_url):
    assert differences(migrated_url) == CLEAN
    assert all(any(index[: len(columns)] == columns for index in described(migrated_url)["calls_indexed_by"]) for columns in INDEXES.values())


def test_a_project_that_was_in_use_before_is_as_expected_too(postgres):
    url = postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute(EXISTING)
        connection.execute("create function public.theirs() returns int language sql return 1")
        connection.execute("create table public.theirs_too (id int)")
    apply_migrations(url)
    assert differences(url) == CLEAN


def test_so_is_a_project_that_grants_nothing_by_default_and_one_with_the_protection(postgres, careless):  # noqa: F811
    url = postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute(NOTHING_BY_DEFAULT)
    apply_migrations(url)
    assert differences(url) == CLEAN
    careless.owner.execute(PROTECTION)
    assert differences(careless.owner_url) == CLEAN


@pytest.mark.parametrize("damage, where, words", [
    ("drop function public.purge", 0, "function public.purge("),
    ("drop trigger understudy_employee_moves on public.employees", 0, "trigger public.employees.understudy_employee_moves"),
    ("alter table public.voices drop column report cascade", 0, "column public.voices.report"),
    ("alter table public.employees drop column voice_id cascade", 0, "column public.employees.voice_id"),
    ("alter table public.recordings drop constraint recordings_pkey cascade", 0, "recordings_pkey"),
    ("drop index public.voice_audit_by_age", 0, "index public.voice_audit.voice_audit_by_age"),
    ("create or replace function understudy.proof_period() returns interval language sql immutable set search_path = '' as $$ select interval '1 day' $$", 1, "proof_period"),
    ("alter function public.purge security invoker", 1, "function public.purge("),
    ("alter function public.purge reset search_path", 1, "function public.purge("),
    ("alter table public.voices disable row level security", 1, "table public.voices"),
    ("alter table public.employees disable trigger understudy_employee_moves", 1, "understudy_employee_moves"),
    ("grant execute on function public.purge to public", 2, "everybody EXECUTE is too much"),
    ("grant select on public.voices to anon", 2, "anon SELECT is too much"),
    ("revoke execute on function public.purge from service_role", 2, "service_role EXECUTE is missing"),
    ("grant usage on schema understudy to service_role", 2, "schema understudy: service_role USAGE is too much"),
    ("revoke usage on schema public from service_role, public", 2, "schema public: service_role USAGE is missing"),
])  # fmt: skip
def test_what_is_damaged_is_found_and_named(migrated_url, damage, where, words):
    with psycopg.connect(migrated_url) as connection:
        connection.execute(damage)
    found = differences(migrated_url)
    assert any(words in name for name in found[where]), found


COLUMNS = ["public.calls.employee_channel", "public.calls.employee_id", "public.calls.org_id", "public.calls.twilio_call_sid",
           "public.employees.org_id", "public.employees.voice_id"]  # fmt: skip


def test_what_a_careless_project_lets_its_users_do_is_told_and_not_what_is_closed(careless):  # noqa: F811
    def open_to_users() -> tuple:
        found = described(careless.owner_url)["open_to_users"]
        return found["columns"], found["policies"]

    assert open_to_users() == (COLUMNS, ["storage.buckets: Allow all", "storage.objects: Allow all", "storage.objects: Allow all for users"])
    careless.owner.execute(PROTECTION)
    # The application decides who may move somebody to another organisation.
    assert open_to_users() == (["public.calls.org_id", "public.employees.org_id"], [])
    careless.owner.execute("alter table public.calls disable trigger zz_understudy_insert, disable trigger zz_understudy_update")
    assert "public.calls.employee_id" in open_to_users()[0]


@pytest.mark.parametrize("allowed, words", [
    ("create policy p on public.users for select using (true); grant select on public.users to authenticated", []),
    ("create policy p on public.users for update using (true)", []),
    ("grant update (role) on public.users to authenticated", []),
    ("create policy p on public.users for update to service_role using (true); grant update on public.users to authenticated", []),
    ("create policy p on public.users as restrictive for update using (true); grant update on public.users to authenticated", []),
    ("create policy p on public.users for update using (true); grant update (role) on public.users to authenticated", ["public.users.role"]),
    ("create policy p on public.users for insert to anon with check (true); grant insert (id) on public.users to anon", ["public.users.id"]),
    ("alter table public.users disable row level security; grant update (role) on public.users to anon", ["public.users.role"]),
])  # fmt: skip
def test_users_write_a_column_if_they_have_the_right_and_a_policy_or_no_row_level_security(migrated_url, allowed, words):
    with psycopg.connect(migrated_url) as connection:
        connection.execute(allowed)
    assert described(migrated_url)["open_to_users"] == {"columns": words, "policies": []}


def test_an_index_that_is_only_for_some_calls_is_not_told(migrated_url):
    with psycopg.connect(migrated_url) as connection:
        connection.execute("alter table public.calls drop constraint calls_twilio_call_sid_key")
        connection.execute("create index on public.calls (twilio_call_sid) where status = 'completed'")
    assert ["twilio_call_sid"] not in described(migrated_url)["calls_indexed_by"]
