"""A PostgreSQL for the session and, for each test, a database of its own, copied from a migrated one in milliseconds."""

from __future__ import annotations

import os

import pytest

from local.postgres import Postgres, apply_migrations, with_database

from .mutants import apply_with_damage
from .world import World


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(postgres):
    """The name of a database with the migrations, to copy; with one guard broken for `python -m tests.sql.mutants`."""
    url = postgres.create_database("migrated")
    if mutant := os.environ.get("SQL_MUTANT"):
        apply_with_damage(url, mutant)
    else:
        apply_migrations(url)
    return "migrated"


@pytest.fixture
def world(postgres, migrated):
    """Two organisations in a fresh database, called as the service key calls it."""
    url = postgres.create_database(template=migrated)
    with World(url, with_database(postgres.authenticator_url, url.rsplit("/", 1)[1])) as made:
        yield made
