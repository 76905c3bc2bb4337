"""Does what AWS does by itself while a lane is busy: messages are worked on at once and side by side, and the schedule sweeps."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Callable

from local.runtime_api import FunctionFailed

from .functions import SWEEPER
from .lane import Lane

# Seconds of the lane's clock.
SWEEP_EVERY = 15 * 60
REDRIVE_EVERY = 60 * 60


class Staff:
    """The staff works for as long as the block runs. `concurrency` has the number of environments at once, by queue."""

    def __init__(self, lane: Lane, concurrency: dict[str, int]):
        self._lane = lane
        self._queues = [queue for queue in lane.ground.bundle.queues for _ in range(concurrency.get(queue, 1))]
        self._pool = ThreadPoolExecutor(thread_name_prefix="staff", max_workers=len(self._queues) + 8)
        self._over = threading.Event()
        self._busy = []

    def __enter__(self) -> "Staff":
        # The connection is there before many ask for it.
        self._lane.rows("select 1")
        for queue in self._queues:
            self._busy.append(self._pool.submit(self._work, queue))
        self.every(lambda: self._lane.clock.real(SWEEP_EVERY), self._sweep)
        self.every(lambda: self._lane.clock.real(REDRIVE_EVERY), self._lane.aws.redrive)
        return self

    def __exit__(self, *exception) -> None:
        self._over.set()
        # An environment dies with the thread that has started it, and another one may be working in it: first all come to their end.
        wait(self._busy)
        self._pool.shutdown()
        for each in self._busy:
            each.result()

    def every(self, real_seconds: Callable[[], float], what: Callable[[], object]) -> None:
        """Does it again and again, with so much time between."""

        def again() -> None:
            while not self._over.wait(real_seconds()):
                what()

        self._busy.append(self._pool.submit(again))

    def _work(self, queue: str) -> None:
        while not self._over.is_set():
            if received := self._lane.aws.take(queue):
                self._lane.work(*received)
            else:
                self._over.wait(0.02)

    def _sweep(self) -> None:
        with suppress(FunctionFailed):
            self._lane.functions.invoke(SWEEPER, {})
