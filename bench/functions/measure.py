"""One process: how long until it is ready and until its first answer, how long and how much processor a warm request takes, and its memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from local.runtime_api import RuntimeApi

from .contestants import Contestant

# Requests before the measured ones: connections are made and caches filled.
WARM_UP = 10


@dataclass
class Measured:
    """Of one contestant. Times in ms, memory in bytes; a list has an entry for each round or request."""

    contestant: Contestant
    ready: list[float] = field(default_factory=list)
    first_answer: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    cpu: float = 0.0
    peak: int = 0

    def quantile(self, part: float) -> float:
        return sorted(self.warm)[min(len(self.warm) - 1, int(part * len(self.warm)))]


def cold_round(measured: Measured) -> None:
    """Starts the program once and ends it after its first answer."""
    with _started(measured.contestant) as function:
        begun = time.perf_counter()
        function.invoke(measured.contestant.event)
        answer = time.perf_counter() - begun
        measured.ready.append(1e3 * (function.ready_at - function.started_at))
        measured.first_answer.append(measured.ready[-1] + 1e3 * answer)


def warm_requests(measured: Measured, requests: int) -> None:
    """Starts it once and asks it many times."""
    with _started(measured.contestant) as function:
        for _ in range(WARM_UP):
            function.invoke(measured.contestant.event)
        before = cpu_seconds(function.pid)
        for _ in range(requests):
            begun = time.perf_counter()
            function.invoke(measured.contestant.event)
            measured.warm.append(1e3 * (time.perf_counter() - begun))
        measured.cpu = 1e3 * (cpu_seconds(function.pid) - before) / requests
        measured.peak = function.peak_memory()


def spread(values: list[float]) -> str:
    """The median, with the least and the most."""
    return f"{median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def _started(contestant: Contestant) -> "_Ready":
    return _Ready(RuntimeApi(contestant.command, contestant.environment, contestant.name, memory_mb=512))


class _Ready:
    """Entered when the program asks for its first event."""

    def __init__(self, function: RuntimeApi):
        self._function = function

    def __enter__(self) -> RuntimeApi:
        self._function.__enter__()
        self._function.initialize()
        return self._function

    def __exit__(self, *exception) -> None:
        self._function.__exit__(*exception)


def cpu_seconds(pid: int) -> float:
    """On a processor, all threads that still live together. In ns in the kernel; /proc/<pid>/stat would count ticks of 10 ms."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
