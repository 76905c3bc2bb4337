"""`python -m tests.sql.data`: keeps rows of a database that has run the migrations of today, for the tests of upgrades.

To be run with a release, after `python -m local.migration --freeze`. The rows are those of a few employees, among them one with a voice,
one whose voice was erased, and one who was invited.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import psycopg

from standins.postgres import MIGRATIONS, Postgres, apply_migrations, with_database

from .world import World

# For each release the rows of a database, in a file that is named like the last migration which that database has run.
DATA = Path(__file__).resolve().parent / "data"
# Triggers have done their work on these rows; what the migrations have put there stays.
OPTIONS = ("--data-only", "--column-inserts", "--on-conflict-do-nothing", "--no-owner",
           *(f"--exclude-table-data={table}" for table in ("public.voice_consent_statements", "understudy.deployment", "understudy.recording_sweep")))  # fmt: skip
HEAD = "set session_replication_role = replica;\n"


def rows(url: str) -> dict[str, int]:
    """The number of rows of each table."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'understudy')"
        ).fetchall()
        return {table: connection.execute(f"select count(*) from {table}").fetchone()[0] for (table,) in tables}


def live(world: World) -> None:
    """Something of everything that the database keeps."""
    here, there = world.here, world.there
    world.sql("insert into public.organization_voice_settings (org_id, max_voices) values (%s, 100)", here.id)
    world.cloned()
    world.authorize(call_sid=world.call(here.employee))
    world.again()
    world.made(world.requested(here.other_employee), "voice_2")
    world.work_off(world.erase(here.other_employee)["erasure_id"])
    world.invite("invitation", employee=there.employee, user=there.admin)
    world.answer("invitation")
    world.rpc("offer_evidence", there.admin, there.other_employee)
    world.rpc("recording_too_large", None, f"RE{'1' * 32}", world.call(there.employee, org=there.id), 60_000_000, 50_000_000)
    world.target(f"RE{'2' * 32}", "CA_of_nobody")
    world.rpc("recordings_queued", [f"RE{'3' * 32}"])


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="understudy-data-") as scratch, Postgres(scratch) as postgres:
        url = postgres.create_database()
        apply_migrations(url)
        with World(url, with_database(postgres.authenticator_url, url.rsplit("/", 1)[1])) as world:
            live(world)
        statements = [line for line in postgres.dump(url, *OPTIONS).splitlines() if line and not line.startswith(("--", "\\", "SET "))]
    path = DATA / max(MIGRATIONS.glob("*.sql")).name
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + "\n".join(statements) + "\n")
    print(f"{path}: {len(statements)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
