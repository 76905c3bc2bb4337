"""The rules of Supabase's database linter that matter here, on the migrations alone and with the optional SQL.

The rules are those of https://supabase.com/docs/guides/database/database-advisors, by their numbers; said here in our own words and for
our own tables, so that no service has to be asked.
"""

from __future__ import annotations

import psycopg
import pytest

from standins.postgres import apply_migrations

from .test_protection import PROTECTION
from .test_protection import careless  # noqa: F401  a fixture

# Every table, view and function in the schemas that are ours or exposed.
OURS = "('public', 'understudy')"
RULES = {
    "0007 a table has policies and no row level security": f"""
        select c.oid::regclass::text from pg_class c
        where c.relnamespace::regnamespace::text in {OURS} and not c.relrowsecurity and exists (select from pg_policy p where p.polrelid = c.oid)""",
    "0009 two indexes are the same": f"""
        select min(i.indexrelid::regclass::text) from pg_index i join pg_class c on c.oid = i.indexrelid
        where c.relnamespace::regnamespace::text in {OURS}
        group by i.indrelid, regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX .* ON ', ' ON ') having count(*) > 1""",
    "0010 a view runs with its owner's rights": f"""
        select c.oid::regclass::text from pg_class c
        where c.relkind = 'v' and c.relnamespace::regnamespace::text in {OURS} and not coalesce(c.reloptions @> '{{security_invoker=true}}', false)""",
    "0011 a function has no search path of its own": f"""
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace::regnamespace::text in {OURS}
          and not exists (select from unnest(coalesce(p.proconfig, '{{}}')) as setting where setting = 'search_path=""')""",
    "0013 a table in public has no row level security": """
        select c.oid::regclass::text from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not c.relrowsecurity""",
    "0016, 0017 a materialized view or foreign table is exposed": """
        select c.oid::regclass::text from pg_class c where c.relkind in ('m', 'f') and c.relnamespace = 'public'::regnamespace""",
    "0028, 0029 a user or the public key may run a function with its owner's rights": f"""
        select p.oid::regprocedure::text from pg_proc p, unnest(array['anon', 'authenticated']) as role
        where p.prosecdef and p.pronamespace::regnamespace::text in {OURS} and has_function_privilege(role, p.oid, 'execute')""",
    "a user or the public key may do something with a table or sequence": f"""
        select c.oid::regclass::text || ' ' || a.privilege_type from pg_class c, aclexplode(c.relacl) a
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relnamespace::regnamespace::text in {OURS}
          and a.grantee in (0, 'anon'::regrole, 'authenticated'::regrole)""",
    "somebody but its owner may use our own schema": """
        select a.grantee::regrole::text from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'understudy' and a.grantee <> n.nspowner""",
    "0015 a policy believes what a user may write about themselves": """
        select schemaname || '.' || tablename from pg_policies where coalesce(qual, '') || coalesce(with_check, '') ~ 'user_metadata'""",
}  # fmt: skip

# For each rule, a careless line that it must find in the migrations.
FAULTS = {
    "0007": "create policy p on public.voices using (true); alter table public.voices disable row level security",
    "0009": "create index again on public.voices (recording_sid)",
    "0010": "create view public.faces as select * from public.voices",
    "0011": "create function understudy.f() returns int language sql return 1",
    "0013": "create table public.plain ()",
    "0016": "create materialized view public.faces as select * from public.voices",
    "0028": "grant execute on function public.read_voice to anon",
    "a user": "grant select on public.voices to authenticated",
    "somebody": "grant usage on schema understudy to service_role",
    "0015": "create policy p on public.voices using (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin')",
}


@pytest.fixture
def empty(postgres):
    return postgres.create_database()


def findings(url) -> dict[str, list[str]]:
    with psycopg.connect(url) as connection:
        found = {rule: [row[0] for row in connection.execute(query).fetchall()] for rule, query in RULES.items()}
    return {rule: names for rule, names in found.items() if names}


def test_the_linter_finds_nothing_on_the_migrations(empty):
    apply_migrations(empty)
    assert findings(empty) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_and_it_would_find_this(empty, fault):
    apply_migrations(empty)
    with psycopg.connect(empty) as connection:
        connection.execute(FAULTS[fault])
    assert any(rule.startswith(fault) for rule in findings(empty))


def test_the_protection_of_existing_tables_adds_nothing_to_find(careless):  # noqa: F811
    before = findings(careless.owner_url)
    careless.owner.execute(PROTECTION)
    assert findings(careless.owner_url) == before
