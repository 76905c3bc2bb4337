"""The migrations on a fresh database, on one in use, and twice."""

from __future__ import annotations

import psycopg
import pytest

from standins.postgres import apply_migrations, with_database

from .world import World

# The application's tables as an earlier service may have left them: other column types, rights, policies, data.
EXISTING = """
create type public.app_role as enum ('admin', 'member', 'owner');
create table public.organizations (id uuid primary key default gen_random_uuid(), name varchar(80), plan text default 'free');
create table public.users (id uuid primary key, org_id uuid references public.organizations, email text, role public.app_role);
create table public.employees (
  id uuid primary key default gen_random_uuid(), org_id uuid not null references public.organizations,
  full_name varchar(120), email text, phone text, voice_id varchar(64), department text
);
create table public.calls (
  id uuid primary key default gen_random_uuid(), org_id uuid not null references public.organizations,
  employee_id uuid references public.employees, twilio_call_sid varchar(64), status text,
  recording_url text, duration_seconds numeric, transcript text
);
alter table public.employees enable row level security;
create policy own_org on public.employees for select to authenticated
  using (org_id = (select u.org_id from public.users u where u.id = auth.uid()));
insert into public.organizations (id, name) values ('00000000-0000-0000-0000-0000000000aa', 'Old');
insert into public.users values ('00000000-0000-0000-0000-0000000000bb', '00000000-0000-0000-0000-0000000000aa', 'a@old.example', 'admin');
insert into public.employees (id, org_id, full_name, voice_id)
  values ('00000000-0000-0000-0000-0000000000cc', '00000000-0000-0000-0000-0000000000aa', 'Old Hand', 'voice_of_old');
insert into public.calls (org_id, employee_id, twilio_call_sid, recording_url, duration_seconds)
  values ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-0000000000cc', 'CA1', 'https://public.example/old.wav', 12.5);
"""

CATALOGUE = """
select 'column', table_schema || '.' || table_name || '.' || column_name, data_type || coalesce(column_default, '') from information_schema.columns
  where table_schema in ('public', 'understudy')
union all select 'table', c.oid::regclass::text, c.relrowsecurity::text || coalesce(c.relacl::text, '') from pg_class c
  where c.relnamespace::regnamespace::text in ('public', 'understudy') and c.relkind in ('r', 'i', 'S')
union all select 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') from pg_proc p
  where p.pronamespace::regnamespace::text in ('public', 'understudy')
union all select 'constraint', conrelid::regclass::text || conname, pg_get_constraintdef(oid) from pg_constraint
union all select 'trigger', tgrelid::regclass::text || tgname, pg_get_triggerdef(oid) || tgenabled::text from pg_trigger where not tgisinternal
union all select 'policy', tablename || policyname, qual from pg_policies
union all select 'comment', objoid::text || '/' || objsubid, description from pg_description where objoid >= 16384
order by 1, 2
"""


# Nothing that is made in `public` is granted to anybody by itself any more: in new projects since 30 May 2026, in all since 30 October.
# https://supabase.com/changelog/45329-breaking-change-tables-not-exposed-to-data-and-graphql-api-automatically
NOTHING_BY_DEFAULT = """
alter default privileges for role postgres in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public revoke all on functions from anon, authenticated, service_role;
alter default privileges for role postgres in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges for role postgres revoke execute on functions from public;
"""
# The rights of each role to each table, sequence, function and schema.
GRANTS = """
select c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type
  from pg_class c, aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a
  where c.relkind in ('r', 'p', 'v', 'S') and c.relnamespace::regnamespace::text in ('public', 'understudy')
union all select p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type
  from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where p.pronamespace::regnamespace::text in ('public', 'understudy')
union all select n.nspname, a.grantee::regrole::text, a.privilege_type
  from pg_namespace n, aclexplode(n.nspacl) a where n.nspname in ('public', 'understudy')
"""


def grants(url):
    with psycopg.connect(url) as connection:
        return set(connection.execute(GRANTS).fetchall())


def catalogue(url):
    with psycopg.connect(url) as connection:
        return connection.execute(CATALOGUE).fetchall()


@pytest.fixture
def empty(postgres):
    return postgres.create_database()


@pytest.fixture
def granting_nothing(postgres):
    """A fresh database of a project that grants nothing by default."""
    url = postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute(NOTHING_BY_DEFAULT)
    return url


@pytest.fixture
def in_use(postgres):
    url = postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute(EXISTING)
    return url


def test_a_fresh_database_gets_the_applications_tables_closed_to_everyone_but_the_service_key(empty):
    apply_migrations(empty)
    with psycopg.connect(empty) as connection:
        rows = connection.execute(
            "select relname, relrowsecurity, has_table_privilege('anon', oid, 'select'), has_table_privilege('authenticated', oid, 'select'),"
            " has_table_privilege('service_role', oid, 'insert')"
            " from pg_class where oid in ('public.organizations'::regclass, 'public.users'::regclass, 'public.employees'::regclass, 'public.calls'::regclass)"
        ).fetchall()
        policies = connection.execute("select count(*) from pg_policies").fetchone()
    assert sorted(rows) == [(name, True, False, False, True) for name in ("calls", "employees", "organizations", "users")]
    assert policies == (0,)


def test_the_migrations_run_twice_in_a_row_and_the_second_time_changes_nothing(empty):
    apply_migrations(empty)
    once = catalogue(empty)
    apply_migrations(empty)
    assert catalogue(empty) == once


def test_existing_tables_keep_their_columns_rights_policies_and_data_but_for_what_we_add(in_use):
    def existing():
        with psycopg.connect(in_use) as connection:
            data = [connection.execute(f"select * from public.{table}").fetchall() for table in ("organizations", "users", "employees", "calls")]
        names = ("organizations", "users", "employees", "calls")
        return data, [row for row in catalogue(in_use) if any(row[1].split(".")[-1].startswith(n) or f".{n}." in row[1] for n in names)]

    (*tables, calls), before = existing()
    apply_migrations(in_use)
    apply_migrations(in_use)
    data, after = existing()
    assert [*data[:3], [call[:-2] for call in data[3]]] == [*tables, calls]
    assert [call[-2:] for call in data[3]] == [(None, call[-1]) for call in data[3]] and all(call[-1] for call in data[3])
    added = [row for row in after if "employee_channel" in row[1] or "known_since" in row[1] or "understudy" in row[1]]
    assert {(kind, name) for kind, name, _ in added} == {
        ("column", "public.calls.employee_channel"), ("constraint", "callscalls_employee_channel_check"),
        ("column", "public.calls.known_since"),
        ("trigger", "employeesunderstudy_employee_changes"), ("trigger", "employeesunderstudy_employee_moves"),
    }
    assert [row for row in after if row not in added] == before


def test_the_functions_work_on_an_existing_database(in_use):
    apply_migrations(in_use)
    apply_migrations(in_use)
    admin, employee, sid = "00000000-0000-0000-0000-0000000000bb", "00000000-0000-0000-0000-0000000000cc", "RE" + "1" * 32
    with psycopg.connect(in_use, autocommit=True) as connection:

        def rpc(call, *arguments):
            return connection.execute(f"select public.{call}", arguments).fetchone()[0]

        target = rpc("recording_target(%s, 'CA1')", sid)
        path = target["storage_path"]
        assert path == f"{employee}/{sid}.wav"
        stored = rpc(
            "finish_ingest(%s, %s, 'CA1', %s, 9, %s, 61, 2, 'both', 'DialVerb', 'AC1', now())", target["write_id"], sid, path, "c" * 64
        )
        assert rpc("newest_published(%s, %s)", stored["newest"]["write_id"], sid) == {"outcome": "current"}
        assert connection.execute("select recording_url, duration_seconds from public.calls").fetchone() == (f"recordings/{path}", 61)
        statement = rpc("current_consent_statement('en')")["statement"]
        granted = rpc(
            "grant_voice_consent(%s, %s, %s, %s, 'written_release', %s, %s, '{voice_clone}', now() + interval '1 year', %s)",
            admin, employee, statement["version"], statement["sha256"], f"00000000-0000-0000-0000-0000000000aa/{employee}/r", "b" * 64, "b" * 64,
        )
        assert granted["outcome"] == "granted"
        attempt = rpc("request_clone(%s, %s, 2::smallint, 1)", admin, employee)["attempt_id"]
        begun = rpc("begin_clone(%s, 60)", attempt)
        assert begun["employee_name"] == "Old Hand"
        sources, report = f'[{{"recording_sid": "{sid}", "channel": 2}}]', '{"speech_seconds": 75.5}'
        assert rpc("take_sample(%s, %s, %s, 1, %s)", attempt, begun["lease_id"], sources, report) == {"outcome": "taken", "delete_voices": []}
        assert rpc("save_vendor_voice(%s, 'new_voice')", attempt) == {"outcome": "saved"}
        finished = rpc("finish_clone(%s)", attempt)
        assert finished["outcome"] == "finished"
        assert connection.execute("select voice_id from public.employees").fetchone() == ("new_voice",)

        erasure = rpc("start_erasure(%s, %s)", admin, employee)["erasure_id"]
        assert connection.execute("select voice_id, recording_url from public.employees, public.calls").fetchone() == (None, None)
        rpc("metadata_written(%s, %s)", attempt, finished["metadata"]["write_id"])
        for _ in range(2):
            for copy in rpc("begin_erasure(%s)", erasure).get("copies", []):
                rpc("copy_erased(%s)", copy["copy_id"])
        assert rpc("begin_erasure(%s)", erasure) == {"outcome": "erased"}
        assert rpc("verify_audit()")["outcome"] == "whole"


def test_what_the_migrations_grant_does_not_depend_on_what_a_project_grants_by_default(empty, granting_nothing):
    apply_migrations(empty)
    apply_migrations(granting_nothing)
    assert grants(granting_nothing) == grants(empty)
    assert ("read_voice(uuid,uuid)", "service_role", "EXECUTE") in grants(granting_nothing)


def test_a_voice_comes_and_goes_where_nothing_is_granted_by_default(postgres, granting_nothing):
    apply_migrations(granting_nothing)
    with World(granting_nothing, with_database(postgres.authenticator_url, granting_nothing.rsplit("/", 1)[1])) as world:
        world.cloned()
        assert world.read()["voice_id"] == "voice_1"
        assert world.work_off(world.erase()["erasure_id"]) == {"outcome": "erased"}
        assert world.rpc("verify_audit")["outcome"] == "whole"


def test_the_migrations_need_no_superuser(empty):
    with psycopg.connect(empty) as connection:
        role = connection.execute("select current_user, rolsuper from pg_roles where rolname = current_user").fetchone()
    assert role == ("postgres", False)
    apply_migrations(empty)


def test_a_failing_migration_leaves_nothing_of_itself_and_is_named(empty, tmp_path):
    (tmp_path / "1_good.sql").write_text("create table public.good ();")
    (tmp_path / "2_bad.sql").write_text("create table public.half (); select 1 / 0;")
    with pytest.raises(RuntimeError, match="2_bad.sql.*division by zero"):
        apply_migrations(empty, tmp_path)
    with psycopg.connect(empty) as connection:
        assert connection.execute("select to_regclass('public.good') is null, to_regclass('public.half') is null").fetchone() == (False, True)
