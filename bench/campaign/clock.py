"""Simulated time, in which processes wait, and a queue of SQS that Lambda polls."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count

from .limits import Deployment

# Something that goes on in simulated time: it yields the seconds that it waits.
Process = Generator[float, None, object]


class Clock:
    """Runs processes in simulated time. `now` is in seconds since the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), do))

    def start(self, process: Process) -> None:
        try:
            seconds = next(process)
        except StopIteration:
            return
        self.after(seconds, lambda: self.start(process))

    def run(self) -> None:
        """Until nothing is left to happen."""
        while self._due:
            self.now, _, do = heapq.heappop(self._due)
            do()


@dataclass
class Message:
    attempt: int
    sent_at: float
    receipts: int = 0


@dataclass
class Queue:
    """CampaignQueue with its event source: never more at once than its maximum concurrency, the longest visible first."""

    clock: Clock
    deployment: Deployment
    work: Callable[[Message], Process]
    visible: deque[Message] = field(default_factory=deque)
    at_once: int = 0
    most_at_once: int = 0
    delayed: int = 0
    dead: list[Message] = field(default_factory=list)

    def send(self, attempt: int) -> None:
        self._show(Message(attempt, self.clock.now))

    def finish(self, message: Message, delay: float | None) -> None:
        """The worker is free again. With a delay, the message is shown again after it; otherwise it is deleted."""
        self.at_once -= 1
        if delay is not None:
            self.delayed += 1
            self.clock.after(delay, lambda: self._show_again(message))
        self._receive()

    def depth(self) -> int:
        """Messages that wait for a worker, or for the end of a delay."""
        return len(self.visible) + self.delayed

    def _show_again(self, message: Message) -> None:
        self.delayed -= 1
        self._show(message)

    def _show(self, message: Message) -> None:
        self.visible.append(message)
        self._receive()

    def _receive(self) -> None:
        while self.visible and self.at_once < self.deployment.campaign_maximum_concurrency:
            message = self.visible.popleft()
            if message.receipts >= self.deployment.maximum_receives:
                self.dead.append(message)
                continue
            message.receipts += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.clock.start(self.work(message))
