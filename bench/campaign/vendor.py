"""ElevenLabs' account, with the limits of its plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

from .clock import Clock
from .limits import Chance, Durations, Plan


@dataclass
class Vendor:
    """Makes voices. A request above the plan's concurrency is answered 429 at once, which is the worst that the vendor may do."""

    clock: Clock
    plan: Plan
    durations: Durations
    chance: Chance
    voices: int = 0
    additions: int = 0
    at_once: int = 0
    most_at_once: int = 0
    answers: Counter = field(default_factory=Counter)
    first: dict[str, float] = field(default_factory=dict)

    def add_voice(self) -> Generator[float, None, str]:
        """Returns made, busy (429), slots (the account is full) or additions (the month's are used up)."""
        if self.at_once >= self.plan.at_once:
            yield self.durations.vendor
            return self._answered("busy")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        yield self.durations.vendor if self._full() else self.chance.seconds(self.durations.add_voice)
        self.at_once -= 1
        # Asked when the work is done: others may have taken the last place meanwhile.
        if full := self._full():
            return self._answered(full)
        self.voices += 1
        self.additions += 1
        return self._answered("made")

    def _full(self) -> str | None:
        if self.voices >= self.plan.slots:
            return "slots"
        if self.plan.additions is not None and self.additions >= self.plan.additions:
            return "additions"
        return None

    def _answered(self, answer: str) -> str:
        self.answers[answer] += 1
        self.first.setdefault(answer, self.clock.now)
        return answer
