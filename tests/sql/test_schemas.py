"""The schemas are what people read, the migrations are what databases run: both make the same database, from nothing and from before."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from local import migration
from local.migration import SUPABASE, Change, Object
from standins.postgres import MIGRATIONS, apply_files, apply_migrations, with_database

from .data import DATA, rows
from .test_migrations import EXISTING, NOTHING_BY_DEFAULT

WRITE_ONE = "`supabase/schemas` was changed and has no migration: run `python -m local.migration NAME`, then finish the file that it names"
PUT_BACK = "databases have run these: put them back (`git checkout`), and write what is to change with `python -m local.migration NAME`"


@pytest.fixture
def changed(tmp_path):
    """A copy of `supabase`, to change something in."""
    return Path(shutil.copytree(SUPABASE, tmp_path / "supabase"))


def made(postgres, apply, *arguments, before=""):
    """The objects of a database in which this was applied."""
    url = postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute(before)
    apply(url, *arguments)
    return migration.objects(postgres.dump(url))


# -- the same database ---------------------------------------------------------------------------------------------------------


def test_every_schema_is_listed_once():
    assert sorted(migration.schema_files()) == sorted((SUPABASE / "schemas").glob("*.sql"))


def check(postgres, directory, before=""):
    migrated = made(postgres, apply_migrations, directory / "migrations", before=before)
    declared = made(postgres, migration.apply_schemas, directory, before=before)
    assert len(declared) > 500
    assert migrated == declared, WRITE_ONE


@pytest.mark.parametrize("before", ["", NOTHING_BY_DEFAULT, EXISTING], ids=["fresh", "granting nothing", "in use"])
def test_the_migrations_and_the_schemas_make_the_same_database(postgres, before):
    check(postgres, SUPABASE, before)


CHANGES = {
    "a function": ("select interval '60 seconds'", "select interval '90 seconds'"),
    "a comment": ("'The time that is added to every lease. The vendor", "'The vendor''s time. It"),
    "a column": ("  report jsonb check", "  mood text,\n  report jsonb check"),
    "a right": ("grant select on public.voice_sources to service_role;", ""),
    "a trigger": ("before update on public.voices", "before update or delete on public.voices"),
    "a constraint": (" check (vendor_account <> '')", ""),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_schema_that_was_changed_without_a_migration_is_found_and_the_command_is_named(postgres, changed, what):
    edit(changed, *CHANGES[what])
    with pytest.raises(AssertionError, match="python -m local.migration NAME"):
        check(postgres, changed)


def test_the_migrations_and_the_schemas_put_the_same_rows_into_it(postgres):
    migrated, declared = postgres.create_database(), postgres.create_database()
    apply_migrations(migrated)
    migration.apply_schemas(declared)
    statements = "select locale, version, text, sha256, purposes, purpose_descriptions, retention, created_at from public.voice_consent_statements"
    with psycopg.connect(migrated) as one, psycopg.connect(declared) as other:
        assert one.execute(statements).fetchall() == other.execute(statements).fetchall() != []
    assert rows(migrated) == rows(declared)


# -- what is frozen ------------------------------------------------------------------------------------------------------------


def test_no_frozen_migration_is_changed():
    assert migration.frozen()
    assert migration.no_longer_frozen() == [], PUT_BACK


def test_a_frozen_migration_that_is_changed_or_missing_and_a_new_one_that_comes_before_it_are_found(changed):
    [first, *_] = sorted(migration.frozen(changed))
    assert migration.no_longer_frozen(changed) == []
    first.write_text(first.read_text() + "\n")
    (changed / "migrations" / "20200101000000_early.sql").write_text("select 1;")
    (changed / "migrations" / "29990101000000_late.sql").write_text("select 1;")
    assert migration.no_longer_frozen(changed) == ["20200101000000_early.sql", first.name]
    first.unlink()
    assert first.name in migration.no_longer_frozen(changed)


def test_freezing_takes_in_what_is_new(changed):
    late = changed / "migrations" / "29990101000000_late.sql"
    late.write_text("select 1;")
    migration.freeze(changed)
    assert late in migration.frozen(changed) and migration.no_longer_frozen(changed) == []
    late.write_text("select 2;")
    assert migration.no_longer_frozen(changed) == [late.name]


@pytest.mark.parametrize("data", sorted(DATA.glob("*.sql")), ids=lambda path: path.stem)
def test_a_database_in_use_becomes_what_all_migrations_make_from_nothing_and_keeps_its_rows(postgres, data):
    """`data` are the rows of a database when the migration of the same name was the last."""
    files = sorted(MIGRATIONS.glob("*.sql"))
    [frozen] = [number for number, path in enumerate(files) if path.name == data.name]
    url = postgres.create_database()
    apply_files(url, files[: frozen + 1])
    superuser = with_database(postgres.superuser_url, url.rsplit("/", 1)[1])
    with psycopg.connect(superuser) as connection:
        connection.execute(data.read_bytes())
    before = rows(url)
    assert before["public.voices"] and before["public.voice_audit"]
    apply_files(url, files[frozen + 1 :])
    assert migration.objects(postgres.dump(url)) == made(postgres, apply_migrations)
    assert before.items() <= rows(url).items()
    with psycopg.connect(url) as connection:
        assert connection.execute("select public.verify_audit() ->> 'outcome'").fetchone() == ("whole",)


# -- the command ---------------------------------------------------------------------------------------------------------------


def edit(directory, old, new):
    """In whatever schema that is."""
    [path] = [path for path in (directory / "schemas").iterdir() if old in path.read_text()]
    path.write_text(path.read_text().replace(old, new))


def test_without_a_change_nothing_is_written(postgres, changed):
    assert migration.write(postgres, "nothing", changed) == (None, [])
    assert {path.name for path in (changed / "migrations").iterdir()} == {path.name for path in MIGRATIONS.iterdir()}


def test_the_command_writes_what_has_changed_in_functions_views_triggers_policies_comments_and_rights(postgres, changed):
    edit(changed, "select interval '60 seconds'", "select interval '90 seconds'")
    edit(changed, "'The time that is added to every lease. The vendor", "'The vendor''s time. It")
    # Another name of an argument, another result, and a function that goes.
    edit(changed, "function understudy.metadata_path(p_employee_id uuid)", "function understudy.metadata_path(p_person uuid)")
    edit(changed, "select p_employee_id || '/' || p_employee_id || '.json'", "select p_person || '/' || p_person || '.json'")
    edit(changed, "comment on function understudy.origin_sha256(text) is 'The hash of that part of a user agent which is kept with an answer.';", "")
    with (changed / "schemas" / "purge.sql").open("a") as last:
        last.write("""
            create or replace view public.faces with (security_invoker = true) as select v.id, understudy.face(v) as face from public.voices v;
            revoke all on public.faces from public, anon, authenticated, service_role;
            create function understudy.smile(p_voice public.voices) returns text language sql stable set search_path = '' as $$ select understudy.face(p_voice) $$;
            drop function understudy.audited_until(uuid, uuid);
            create policy "It's ours" on public.voices for select to service_role using (true);
            create or replace trigger voices_guarded before update or delete on public.voices for each row execute function understudy.guard_voice();
            grant update on public.voices to service_role;
            revoke all on all functions in schema understudy from public;
        """)
    edit(changed, "create or replace function understudy.lease_grace()", """
        create function understudy.face(p_voice public.voices) returns text language sql stable set search_path = '' as $$ select p_voice.state $$;
        comment on function understudy.face(public.voices) is 'It''s a face.';
        create or replace function understudy.lease_grace()""")
    path, by_hand = migration.write(postgres, "faces", changed)
    assert by_hand == []
    assert path.name.endswith("_faces.sql") and path > max(migration.frozen(changed))
    assert migration.compare(postgres, changed) == Change([], [])
    assert made(postgres, apply_migrations, path.parent) == made(postgres, migration.apply_schemas, changed)
    # On a project that grants everything by default, and on one that grants nothing.
    assert made(postgres, apply_migrations, path.parent, before=NOTHING_BY_DEFAULT) == made(
        postgres, migration.apply_schemas, changed, before=NOTHING_BY_DEFAULT
    )
    # Like every file it may run twice.
    url = postgres.create_database()
    apply_migrations(url, path.parent)
    apply_files(url, [path])
    assert migration.objects(postgres.dump(url)) == made(postgres, migration.apply_schemas, changed)


def test_what_becomes_of_tables_is_for_their_author_to_say(postgres, changed):
    edit(changed, "  report jsonb check", "  mood text,\n  report jsonb check")
    edit(changed, "select interval '60 seconds'", "select interval '90 seconds'")
    path, by_hand = migration.write(postgres, "moods", changed)
    assert by_hand == [Object("TABLE", "public", "voices")]
    text = path.read_text()
    assert text.startswith("-- To be written by hand") and "--   TABLE public.voices\n" in text and "90 seconds" in text
    assert migration.compare(postgres, changed) == Change([], by_hand)
