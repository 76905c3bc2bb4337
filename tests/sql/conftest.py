"""A PostgreSQL for the session, or the one in the directory SQL_SERVER; for each test a database, copied from a migrated one in milliseconds."""

from __future__ import annotations

import os

import pytest

from standins.postgres import Postgres, apply_migrations, with_database

from .mutants import apply_with_damage
from .world import World


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    if shared := os.environ.get("SQL_SERVER"):
        yield Postgres(shared)
        return
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(postgres):
    """The name of a database with the migrations, to copy; for `python -m tests.sql.mutants` with the guard broken that SQL_MUTANT names."""
    url = postgres.create_database()
    if mutant := os.environ.get("SQL_MUTANT"):
        apply_with_damage(url, mutant)
    else:
        apply_migrations(url)
    return url.rsplit("/", 1)[1]


@pytest.fixture
def world(postgres, migrated):
    """Two organisations in a fresh database, called as the service key calls it."""
    url = postgres.create_database(template=migrated)
    with World(url, with_database(postgres.authenticator_url, url.rsplit("/", 1)[1])) as made:
        yield made
