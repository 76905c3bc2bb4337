"""Shows the user how the stack comes up: each step with the time it took, and a sign of life during long ones."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Callable, Iterator

# Seconds between two signs of life.
PATIENCE = 10


class Progress:
    """Prints to standard output, or nothing. Times are since this object was made."""

    def __init__(self, quiet: bool = False):
        self._quiet = quiet
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        if not self._quiet:
            print(f"{time.monotonic() - self._start:7.1f} s  {text}", flush=True)

    @contextmanager
    def step(self, text: str, so_far: Callable[[], str] | None = None) -> Iterator[None]:
        """Says `text` before, and how long it took after. In between, every ten seconds, it says that the step still goes on, and
        what `so_far` knows of it."""
        self.say(f"{text} …")
        began = time.monotonic()
        over = threading.Event()

        def signs_of_life() -> None:
            while not over.wait(PATIENCE):
                self.say(f"  still: {so_far() if so_far else text} ({time.monotonic() - began:.0f} s)")

        thread = threading.Thread(target=signs_of_life, daemon=True)
        thread.start()
        try:
            yield
        except BaseException as error:
            self.say(f"  failed after {time.monotonic() - began:.1f} s: {text} ({type(error).__name__})")
            raise
        else:
            self.say(f"  done in {time.monotonic() - began:.1f} s: {text}")
        finally:
            over.set()
            thread.join()
