"""Starting, finding again and ending the processes of the stack.

What surprises:
* Each process leads a process group of its own, and the whole group is ended: the functions are children of the local AWS.
* A pid alone may belong to somebody else by the time it is read from a file, so its start time is kept with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

# Seconds; longer than any process needs to say good-bye when it still can.
GRACE = 5


def free_port() -> int:
    """A port on loopback that nobody listens on right now. Somebody else may be faster: callers try again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(command: list, env: dict[str, str], cwd: Path, log: Path) -> int:
    """Runs a command to its end and returns its exit code. When we are interrupted, its children are ended too."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        return process.wait()
    except BaseException:
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        raise


class Daemon:
    """One background process, remembered in `directory/name.pid`; its output goes to `directory/name.log`."""

    def __init__(self, directory: Path, name: str):
        self.name = name
        self.log = directory / f"{name}.log"
        self._pid_file = directory / f"{name}.pid"
        self._process: subprocess.Popen | None = None

    def start(self, command: list, env: dict[str, str], die_with_parent: bool, cwd: Path | None = None) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=end_with_parent if die_with_parent else None,
            )
        self._pid_file.write_text(f"{self._process.pid} {_start_time(self._process.pid)}")

    def running(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            return False
        return self._pid() is not None

    def stop(self) -> None:
        """Ends the group, whoever started it, and returns when nobody of it is left."""
        group = self._pid()
        if group is not None:
            _signal(group, signal.SIGTERM)
            if not self._gone(group, GRACE):
                _signal(group, signal.SIGKILL)
                self._gone(group, GRACE)
        self._pid_file.unlink(missing_ok=True)

    def last_words(self, characters: int = 3000) -> str:
        try:
            return self.log.read_text(errors="replace")[-characters:]
        except FileNotFoundError:
            return ""

    def _pid(self) -> int | None:
        try:
            pid, started = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def _gone(self, group: int, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self._process is not None:
                self._process.poll()  # reaps it, else the group never becomes empty
            if not _members(group):
                return True
            time.sleep(0.02)
        return False


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def _stat(pid: int | str) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the name, which may contain anything: state, parent, group, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _start_time(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else None


def _members(group: int) -> list[str]:
    return [
        pid for pid in os.listdir("/proc")
        if pid.isdigit() and (fields := _stat(pid)) and fields[2] == str(group) and fields[0] not in "ZX"
    ]


def end_with_parent() -> None:
    """For `preexec_fn`, runs in the child: a killed test run leaves nothing behind. prctl(PR_SET_PDEATHSIG), Linux only."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
