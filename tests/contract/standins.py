"""The stand-ins on a PostgreSQL with the migrations, for as long as the block runs."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path

from standins import running
from standins.postgres import Postgres, apply_migrations


@contextmanager
def stand_ins(directory: Path):
    """Gives where they are, as in the stack file, and the address of the database's owner."""
    with Postgres(directory / "postgres") as postgres:
        apply_migrations(postgres.url)
        with running(postgres.authenticator_url, directory / "vendors", postgres.url) as where:
            yield where, postgres.url


@contextmanager
def in_a_directory_of_their_own():
    with tempfile.TemporaryDirectory(prefix="understudy-contract-") as directory, stand_ins(Path(directory)) as found:
        yield found
