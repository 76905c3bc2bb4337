"""Describes the database that the migrations of this checkout make. A PostgreSQL of its own runs for a second or two, and is then forgotten."""

from __future__ import annotations

import tempfile
from functools import cache

import psycopg

from standins.postgres import Postgres, apply_migrations

from .finding import NotLookedAt


@cache
def expected() -> dict:
    """As `describe_database` describes it; raises NotLookedAt."""
    try:
        with tempfile.TemporaryDirectory(prefix="understudy-doctor-") as directory, Postgres(directory) as postgres:
            apply_migrations(postgres.url)
            with psycopg.connect(postgres.url) as connection:
                return connection.execute("select public.describe_database()").fetchone()[0]
    except (OSError, RuntimeError, AttributeError, psycopg.Error) as error:
        # AttributeError: the wheel with PostgreSQL is not installed.
        raise NotLookedAt(f"there is nothing to compare with, since no PostgreSQL starts on this machine ({type(error).__name__}); `make venv` brings one") from None
