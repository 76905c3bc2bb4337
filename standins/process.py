"""Starting background processes, waiting until they are ready, finding them again, and ending them.

Surprises:
* Each process leads a process group of its own, and the whole group is ended: the functions are children of the local AWS.
* A pid alone may belong to somebody else by the time it is read from a file, so its start time is kept with it.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Callable

# Seconds; longer than any process needs to end by itself when it still can.
GRACE = 5
# Seconds; slower than any start that works, so it is only reached when something is broken.
PATIENCE = 60
# Bytes from the end of a log that are shown with an error, or searched for the state of a progress bar.
TAIL = 6000
# Free ports that are tried, since somebody else may take one before our process does.
PORTS = 5


class ProcessFailed(RuntimeError):
    """A process did not do what it was started for, or could not be started. The text ends with its last output, if there is any."""


def free_port() -> int:
    """A port on loopback that nobody listens on right now. Somebody else may be faster: callers try again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_atomically(path: Path, text: str) -> None:
    """Writes the file by which a process says that it is ready. Nobody sees half of it; it holds keys, so only its owner may read it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(path)


def run(name: str, command: list, env: dict[str, str], cwd: Path, log: Path, **user) -> None:
    """Runs a command to its end. When we are interrupted, its children are ended too. Raises ProcessFailed, which calls it `name`.

    `user` is the user that it runs as, as `subprocess.Popen` takes it; without it, it runs as ourselves."""
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=end_with_parent, **user,
            )
        except OSError as error:
            raise ProcessFailed(f"{name} cannot be started: {error}") from error
    try:
        code = process.wait()
    except BaseException:
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code:
        raise ProcessFailed(f"{name} failed with {code}:\n{last_words(log)}")


def tail(log: Path) -> str:
    """The end of a log, or nothing if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def last_words(log: Path) -> str:
    """The end of a log as a terminal would show it: of a line that was written over, such as a progress bar, the last state."""
    return re.sub(r"[^\r\n]*\r(?=[^\n])", "", tail(log))


class Daemon:
    """One background process, remembered in `directory/name.pid`; its output goes to `directory/name.log`. Any other object for the same
    directory and name finds it again.

    `stop_signal` asks it to end; it is killed if it has not ended after `grace` seconds. `orphan_signal` is sent to it when its parent
    dies, if it was started to die with it."""

    def __init__(self, directory: Path, name: str, stop_signal: int = signal.SIGTERM, orphan_signal: int = signal.SIGKILL, grace: float = GRACE):
        self.name = name
        self.log = directory / f"{name}.log"
        self._pid_file = directory / f"{name}.pid"
        self._stop_signal, self._orphan_signal, self._grace = stop_signal, orphan_signal, grace
        self._process: subprocess.Popen | None = None

    def start(self, command: list, env: dict[str, str], die_with_parent: bool, cwd: Path | None = None, **user) -> None:
        """`user`: see `run`."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=partial(end_with_parent, self._orphan_signal) if die_with_parent else None, **user,
            )
        self._pid_file.write_text(f"{self._process.pid} {_start_time(self._process.pid)}")

    def start_on_free_port(self, start: Callable[[int], None], ready: Callable[[], bool]) -> None:
        """`start` is given a port, and starts this daemon on it. Raises ProcessFailed when it does not become ready."""
        # Somebody may take the free port before the process does: then the process ends at once, and another port is tried.
        for _ in range(PORTS):
            start(free_port())
            if self.becomes(ready):
                return
            self.stop()
        raise self.not_started()

    def becomes(self, ready: Callable[[], bool]) -> bool:
        """Waits until `ready` says so. Returns False when the process ends first, or takes too long."""
        deadline = time.monotonic() + PATIENCE
        while self.running() and time.monotonic() < deadline:
            if ready():
                return True
            time.sleep(0.02)
        return False

    def not_started(self) -> ProcessFailed:
        return ProcessFailed(f"{self.name} does not start:\n{self.last_words()}")

    def last_words(self) -> str:
        return last_words(self.log)

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        if self._process is not None:
            self._process.poll()  # reaps it
        try:
            pid, started = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def running(self) -> bool:
        return self.pid is not None

    def stop(self) -> None:
        """Ends the group, whoever started it, and returns when nobody of it is left."""
        group = self.pid
        if group is not None:
            _signal(group, self._stop_signal)
            if not self._gone(group, self._grace):
                _signal(group, signal.SIGKILL)
                self._gone(group, GRACE)
        self._pid_file.unlink(missing_ok=True)

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


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """For `preexec_fn`, runs in the child: a killed test run leaves nothing behind. prctl(PR_SET_PDEATHSIG), Linux only."""
    ctypes.CDLL(None).prctl(1, number)
