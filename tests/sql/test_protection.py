"""`supabase/optional/protect_existing_tables.sql` closes a project whose own rights and policies are careless."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from standins.postgres import with_database

from .test_migrations import catalogue
from .world import World

PROTECTION = (Path(__file__).resolve().parents[2] / "supabase" / "optional" / "protect_existing_tables.sql").read_text()
BUCKETS = ["recordings", "deep-fakes", "voice-consent-evidence"]
USERS = ["anon", "authenticated"]

# Roles belong to the whole cluster. That `postgres` is a member stands for what supautils lets it do: make policies on Storage's tables.
STORAGE_ADMIN = """
do $$ begin
  if to_regrole('supabase_storage_admin') is null then
    create role supabase_storage_admin nologin noinherit createrole;
    grant supabase_storage_admin to postgres;
  end if;
end $$;
"""
# As supabase/storage makes them (migrations/tenant/0002-storage-schema.sql and what follows), in the columns that matter here.
STORAGE = """
create schema storage authorization supabase_storage_admin;
grant usage on schema storage to postgres, anon, authenticated, service_role;
alter default privileges in schema storage grant all on tables to postgres, anon, authenticated, service_role;
create table storage.buckets (
  id text primary key, name text not null unique, owner uuid, public boolean default false,
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create table storage.objects (
  id uuid primary key default gen_random_uuid(), bucket_id text references storage.buckets (id), name text, owner uuid,
  created_at timestamptz default now(), updated_at timestamptz default now(), last_accessed_at timestamptz default now(), metadata jsonb,
  unique (bucket_id, name)
);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
insert into storage.buckets (id, name) values
  ('recordings', 'recordings'), ('deep-fakes', 'deep-fakes'), ('voice-consent-evidence', 'voice-consent-evidence'), ('avatars', 'avatars'),
  ('pictures', 'pictures');
insert into storage.objects (bucket_id, name) select id, 'of/' || id from storage.buckets;
"""
# Everything for everybody, as one finds it.
CARELESS = """
create policy "Allow all" on storage.objects for all to public using (true) with check (true);
create policy "Allow all for users" on storage.objects for all to anon, authenticated using (true) with check (true);
create policy "Allow all" on storage.buckets for all to public using (true) with check (true);
create policy "Allow all" on public.employees for all to anon, authenticated using (true) with check (true);
grant all on public.employees, public.calls to anon, authenticated;
alter table public.calls disable row level security;
"""


@pytest.fixture
def careless(postgres, migrated):
    """A project whose users may do everything; `protect` is not applied yet."""
    name = postgres.create_database(template=migrated).rsplit("/", 1)[1]
    with psycopg.connect(with_database(postgres.superuser_url, name), autocommit=True) as superuser:
        superuser.execute(STORAGE_ADMIN)
        superuser.execute(STORAGE)
        superuser.execute(CARELESS)
    with World(with_database(postgres.url, name), with_database(postgres.authenticator_url, name)) as world:
        yield world


@pytest.fixture
def protected(careless):
    careless.owner.execute(PROTECTION)
    return careless


def names(session, bucket):
    return [row["name"] for row in session.execute("select name from storage.objects where bucket_id = %s", (bucket,)).fetchall()]


def attempt(session, statement, *values):
    """The number of rows that the statement reaches, which are left as they were; none when it is refused."""
    with session.transaction(force_rollback=True):
        try:
            return session.execute(statement, values).rowcount
        except InsufficientPrivilege:
            return 0


ATTEMPTS = {
    "sees": "select name from storage.objects where bucket_id = %s",
    "adds": "insert into storage.objects (bucket_id, name) values (%s, 'mine')",
    "moves out": "update storage.objects set bucket_id = 'pictures' where bucket_id = %s",
    "moves in": "update storage.objects set bucket_id = %s where name = 'of/pictures'",
    "removes": "delete from storage.objects where bucket_id = %s",
    "opens": "update storage.buckets set public = true where id = %s",
}


def reaches(session, bucket):
    """The deeds that this role can do with a bucket and its objects."""
    return {what for what, statement in ATTEMPTS.items() if attempt(session, statement, bucket)}


EVERYTHING = set(ATTEMPTS)


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_careless_policy_opens_a_bucket_and_the_protection_closes_it(careless, role, bucket):
    session = careless.session(role)
    assert reaches(session, bucket) == EVERYTHING
    careless.owner.execute(PROTECTION)
    assert reaches(session, bucket) == set()
    assert careless.service.execute("select name from storage.objects where bucket_id = %s", (bucket,)).fetchall() == [{"name": f"of/{bucket}"}]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_the_service_key_reaches_everything_as_before(protected, bucket):
    assert reaches(protected.service, bucket) == EVERYTHING


@pytest.mark.parametrize("role", USERS)
def test_other_buckets_stay_as_open_as_they_were(protected, role):
    assert reaches(protected.session(role), "avatars") == EVERYTHING


def test_a_role_of_the_projects_own_is_kept_out_as_well(protected):
    role = "reporting"  # of the whole cluster, so it must go again
    protected.sql(f"create role {role} nologin")
    try:
        protected.sql(f"grant {role} to authenticator")
        protected.sql(f"grant usage on schema storage to {role}; grant all on public.calls to {role}")
        protected.sql(f"set role supabase_storage_admin; grant all on storage.objects to {role}; reset role")
        session = protected.session(role)
        assert names(session, "avatars") and not any(names(session, bucket) for bucket in BUCKETS)
        with pytest.raises(InsufficientPrivilege, match="only the service key writes calls.employee_channel"):
            session.execute("insert into public.calls (org_id, employee_channel) values (%s, 1)", (protected.here.id,))
    finally:
        protected.sql(f"grant {role} to current_user; drop owned by {role}; drop role {role}")


# The statements that would decide whose voice is cloned, and whether there is one.
GUARDED = [
    "update public.employees set voice_id = 'voice_of_mine'",
    "update public.employees set id = gen_random_uuid() where full_name = 'Idle'",
    "insert into public.employees (org_id, full_name, voice_id) select org_id, 'New', 'voice_of_mine' from public.employees limit 1",
    "update public.calls set employee_id = (select e.id from public.employees e where e.id <> calls.employee_id limit 1)",
    "update public.calls set employee_id = null",
    "update public.calls set employee_channel = 1",
    "update public.calls set twilio_call_sid = 'CA' || md5('another')",
    "update public.calls set id = gen_random_uuid()",
    "insert into public.calls (org_id, employee_id) select org_id, id from public.employees limit 1",
    "insert into public.calls (org_id, twilio_call_sid) select org_id, 'CA' || md5('another') from public.employees limit 1",
    "insert into public.calls (org_id, employee_channel) select org_id, 2 from public.employees limit 1",
    "insert into public.calls select * from public.calls on conflict (id) do update set employee_channel = 1",
]


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("statement", GUARDED)
def test_a_careless_grant_opens_a_column_and_the_protection_closes_it(careless, role, statement):
    careless.cloned()
    careless.sql("insert into public.employees (org_id, full_name) values (%s, 'Idle')", careless.here.id)
    session = careless.session(role)
    with session.transaction(force_rollback=True):
        assert session.execute(statement).rowcount > 0

    before = careless.sql("select * from public.employees order by id"), careless.sql("select * from public.calls order by id")
    careless.owner.execute(PROTECTION)
    with pytest.raises(InsufficientPrivilege, match="only the service key writes"):
        session.execute(statement)
    assert (careless.sql("select * from public.employees order by id"), careless.sql("select * from public.calls order by id")) == before
    with careless.service.transaction(force_rollback=True):
        assert careless.service.execute(statement).rowcount > 0


@pytest.mark.parametrize("role", USERS)
def test_whole_rows_may_be_written_back_and_other_columns_changed(protected, role):
    protected.cloned()
    session = protected.session(role)
    assert session.execute("update public.employees set full_name = 'Ottilie Renamed', voice_id = voice_id, id = id").rowcount == 4
    assert session.execute(
        "update public.calls set status = 'rated', employee_id = employee_id, employee_channel = null, twilio_call_sid = twilio_call_sid"
    ).rowcount == 1
    assert session.execute("insert into public.employees (org_id, full_name) values (%s, 'New')", (protected.here.id,)).rowcount == 1
    assert session.execute("insert into public.calls (org_id, status) values (%s, 'planned')", (protected.here.id,)).rowcount == 1
    assert session.execute("delete from public.employees where full_name = 'New'").rowcount == 1


def test_what_a_trigger_of_the_application_puts_into_the_row_counts_too(protected):
    protected.cloned()
    protected.sql(
        "create function public.zz() returns trigger language plpgsql as 'begin new.employee_channel := 1; return new; end'"
    )
    protected.sql("create trigger zz before update on public.calls for each row execute function public.zz()")
    with pytest.raises(InsufficientPrivilege, match="only the service key writes calls.employee_channel"):
        protected.session("authenticated").execute("update public.calls set status = 'rated'")


def test_an_employee_whom_a_user_deletes_leaves_their_calls_as_the_foreign_key_says(protected):
    protected.call(protected.here.other_employee)
    assert protected.session("authenticated").execute("delete from public.employees where id = %s", (protected.here.other_employee,)).rowcount == 1
    assert protected.sql("select employee_id from public.calls") == [{"employee_id": None}]


def test_a_voice_comes_and_goes_with_the_protection_in_place(protected):
    protected.cloned()
    assert protected.voice_id(protected.here.employee) == "voice_1"
    protected.withdraw()
    assert protected.voice_id(protected.here.employee) is None


def test_it_needs_no_superuser_and_the_second_time_changes_nothing(protected):
    once = catalogue(protected.owner_url)
    protected.owner.execute(PROTECTION)
    assert catalogue(protected.owner_url) == once
    assert protected.value("select count(*) from pg_policies where policyname like 'Understudy%%' and permissive = 'RESTRICTIVE'") == 2
