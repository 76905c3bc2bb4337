"""What the migrations of this checkout make, on an empty database of its own: a second or two of a PostgreSQL that is then forgotten."""

from __future__ import annotations

import tempfile
from functools import cache

import psycopg

from standins.postgres import Postgres, apply_migrations


@cache
def expected() -> dict:
    """As `describe_database` describes it."""
    with tempfile.TemporaryDirectory(prefix="understudy-doctor-") as directory, Postgres(directory) as postgres:
        apply_migrations(postgres.url)
        with psycopg.connect(postgres.url) as connection:
            return connection.execute("select public.describe_database()").fetchone()[0]
