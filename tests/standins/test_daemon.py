"""Background processes: started, awaited, found again and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from standins.process import Daemon, ProcessFailed, run

SLEEPS = [sys.executable, "-c", "import signal; signal.pause()"]
IGNORES = [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"]
LISTENS = [sys.executable, "-c", "import signal, socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('listens', flush=True); signal.pause()"]


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path, "daemon", grace=0.2)
    yield made
    made.stop()


def start(daemon: Daemon, command: list) -> None:
    daemon.start(command, dict(os.environ), die_with_parent=True)


def says(daemon: Daemon, text: str):
    return lambda: text in daemon.last_words()


def test_another_object_finds_it_and_ends_it(daemon, tmp_path):
    start(daemon, SLEEPS)
    other = Daemon(tmp_path, "daemon")
    assert other.running() and other.pid == daemon.pid
    other.stop()
    assert not other.running() and not daemon.running()


def test_who_does_not_end_when_asked_is_killed(daemon):
    start(daemon, IGNORES)
    assert daemon.becomes(says(daemon, "deaf"))
    daemon.stop()
    assert not daemon.running()


def test_its_stop_signal_is_what_it_gets(tmp_path):
    program = "import signal; signal.signal(signal.SIGINT, lambda *_: exit(print('asked', flush=True))); print('ready', flush=True); signal.pause()"
    daemon = Daemon(tmp_path, "daemon", stop_signal=signal.SIGINT)
    start(daemon, [sys.executable, "-c", program])
    assert daemon.becomes(says(daemon, "ready"))
    daemon.stop()
    assert "asked" in daemon.last_words()


def test_nobody_waits_for_one_that_has_ended(daemon):
    start(daemon, [sys.executable, "-c", "print('last words')"])
    assert not daemon.becomes(lambda: False)
    assert "last words" in str(daemon.not_started())


def test_it_gets_another_port_where_somebody_else_was_faster(daemon):
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as faster:

        def launch(port: int) -> None:
            tries.append(port if tries else faster.getsockname()[1])
            start(daemon, [*LISTENS, str(tries[-1])])

        daemon.start_on_free_port(launch, says(daemon, "listens"))
    assert len(tries) == 2 and daemon.running()


def test_a_process_that_never_starts_well_is_told_with_its_last_words(daemon):
    with pytest.raises(ProcessFailed, match="daemon does not start:\n(.*\n)*no luck"):
        daemon.start_on_free_port(lambda port: start(daemon, [sys.executable, "-c", "exit('no luck')"]), lambda: False)


def test_a_command_that_fails_is_told_with_its_last_words_as_a_terminal_would_show_them(tmp_path):
    program = "import sys; print('begun'); print('1 of 2\\r2 of 2\\r', end=''); print('no luck'); print('3 of 4\\r4 of 4\\r', end=''); sys.exit(3)"
    with pytest.raises(ProcessFailed) as failed:
        run("the build", [sys.executable, "-c", program], dict(os.environ), tmp_path, tmp_path / "log")
    assert str(failed.value) == "the build failed with 3:\nbegun\nno luck\n4 of 4\r"


def test_it_ends_with_its_parent_when_that_is_wanted(tmp_path):
    root = Path(__file__).parents[2]
    program = (
        "import os, signal, sys; from pathlib import Path; from standins.process import Daemon\n"
        "daemon = Daemon(Path(sys.argv[1]), 'daemon'); daemon.start(sys.argv[2:], dict(os.environ), True); print(daemon.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path, *SLEEPS], cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline().strip().isdigit()
        parent.kill()
    orphan = Daemon(tmp_path, "daemon")
    try:
        orphan.becomes(lambda: not orphan.running())
        assert not orphan.running()
    finally:
        orphan.stop()
