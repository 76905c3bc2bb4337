"""Many employees' lives at once, while functions are killed at random. They must end as if no function had been killed.

A life is a sequence of things that happen to one employee, each begun when the one before has had its effect; its seed decides it. So
the state that it ends in does not depend on how long anything took, and that of a run with kills can be compared with a quiet one.
The lane's clock runs faster, so that delays, leases and schedules of minutes pass in seconds; no invocation lives longer than its
timeout on that clock.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

from local.scenario import Missing

from .flows import Flow, World
from .invariants import Finding, Inspection
from .lane import Ground, Lane
from .staff import Staff

# The lane's clock runs so much faster than real time.
RATE = 60
LIVES_AT_ONCE = 6
# The number of environments of a function that work at once, by queue.
CONCURRENCY = {"RecordingQueue": 3, "CloneQueue": 2, "ErasureQueue": 2}
# Real seconds, on average, between two kills.
KILL_EVERY = 0.5
# Real seconds that anything may take to have its effect.
PATIENCE = 300


@dataclass
class End:
    """The end of a run."""

    lives: dict[int, tuple] = field(default_factory=dict)  # the `Life.state` by seed
    kills: Counter[str] = field(default_factory=Counter)  # by function
    findings: list[Finding] = field(default_factory=list)


def run(ground: Ground, seconds: float, seeds: range | None = None) -> End:
    """With `seeds` a quiet run of just these lives; without, lives are begun, and functions killed, for that many real seconds."""
    with Lane(ground, rate=RATE) as lane:
        chaos = Chaos(lane, seconds, seeds)
        chaos.run()
        return chaos.end


def compare(killed: End, quiet: End) -> list[str]:
    """Everything that is wrong in either run, and the differences between them."""
    wrong = [f"{finding.letter} {name}: {finding.what}" for name, end in (("killed", killed), ("quiet", quiet)) for finding in end.findings]
    for seed, state in sorted(killed.lives.items()):
        if state != (expected := quiet.lives.get(seed)):
            wrong.append(f"W life {seed} ends as {state}, and in the quiet run as {expected}")
    return wrong


class Chaos:
    def __init__(self, lane: Lane, seconds: float, seeds: range | None):
        self.lane, self.world, self.end = lane, World(), End()
        self._deadline = time.monotonic() + seconds
        self._killing = seeds is None
        self._seeds = iter(seeds if seeds is not None else count(1))
        self._lock = threading.Lock()

    def run(self) -> None:
        # Room for every life's voice.
        self.lane.scenario.control("PUT", "elevenlabs", "/account", {"voice_limit": 100_000, "max_voice_add_edits": None})
        with Staff(self.lane, CONCURRENCY) as staff, ThreadPoolExecutor(LIVES_AT_ONCE) as pool:
            if self._killing:
                staff.every(lambda: random.expovariate(1 / KILL_EVERY), self._kill)
            for lives in [pool.submit(self._live) for _ in range(LIVES_AT_ONCE)]:
                lives.result()
        # A process ends with the thread that has started it.
        self.lane.functions.make_cold()
        self._settle()

    def _kill(self) -> None:
        if time.monotonic() < self._deadline:
            if killed := self.lane.functions.kill_one(random.choice):
                self.end.kills[killed] += 1

    def _live(self) -> None:
        """One life after the other, until there are no more seeds or no more time."""
        while not self._killing or time.monotonic() < self._deadline:
            with self._lock:
                seed = next(self._seeds, None)
            if seed is None:
                return
            life = Life(self.lane, self.world, seed)
            try:
                life.live()
            except Missing as missing:
                self.end.findings.append(Finding("W", f"life {seed}: {missing}"))
            self.end.lives[seed] = life

    def _settle(self) -> None:
        self.lane.aws.redrive()
        self.lane.drain()
        self.lane.pass_time(20 * 60)
        if not self.lane.sweep():
            self.end.findings.append(Finding("W", "the sweep fails"))
        self.lane.drain()
        self.end.findings += Inspection(self.lane, self.world).inspect()
        self.end.lives = {seed: life.state() for seed, life in self.end.lives.items()}


class Life(Flow):
    """The life of one employee, which a seed decides."""

    STEPS = 8

    def __init__(self, lane: Lane, world: World, seed: int):
        super().__init__(lane)
        self.world = world
        self._random = random.Random(seed)
        self._recordings = seed * 100
        self._employee = self.employee("nothing")
        self._consented = self._has_recording = False

    def live(self) -> None:
        for _ in range(self.STEPS):
            possible = [self._is_recorded]
            if not self._consented:
                possible += [self._consents] * 2
            elif self._has_recording:
                possible += [self._is_cloned, self._is_cloned, self._withdraws]
            self._random.choice(possible)()

    def state(self) -> tuple:
        """The state in which the life ends, without ids, which differ each time."""
        count = "select count(*) filter (where erased_at is null), count(*) from recordings where employee_id = %s"
        voices = "select count(*) from voices where employee_id = %s and state in ('ready', 'retired')"
        has_voice = self.scenario.one("select voice_id is not null from employees where id = %s", self._employee)
        return (*self.lane.rows(count, self._employee)[0], self.scenario.one(voices, self._employee), has_voice)

    def _is_recorded(self) -> None:
        self.a_second_passes()
        recording_sid = self.recorded(self._employee)
        # This is a new one, even if others were erased before.
        self.world.told[recording_sid].erased = False
        self.scenario.callback(recording_sid)
        self._until("select exists (select from recordings where recording_sid = %s)", recording_sid, "the recording")
        self._has_recording = True

    def _consents(self) -> None:
        self.consents(self._employee)
        self._consented = True

    def _is_cloned(self) -> None:
        newest = "select recording_sid from recordings where employee_id = %s and erased_at is null order by started_at desc, recording_sid desc limit 1"
        recording_sid = self.scenario.one(newest, self._employee)
        ready = "select exists (select from voices where state = 'ready' and recording_sid = %s)"
        self._until(ready, recording_sid, "the voice", lambda: self.asks(self._employee))
        self.world.ends[self._employee] = "voice"

    def _withdraws(self) -> None:
        erased = "select exists (select from voice_erasures where employee_id = %s) and not exists (select from voice_erasures where employee_id = %s and erased_at is null)"
        self.world.ends[self._employee] = "erased"
        for told in self.world.told.values():
            told.erased = told.erased or told.employee == self._employee
        self._insists(lambda: self.scenario.api("DELETE", f"/employees/{self._employee}/voice-consent"))
        self._until(erased, self._employee, "the erasure")
        self._consented = self._has_recording = False

    def _until(self, query: str, value: str, what: str, again=lambda: None) -> None:
        """Waits until the query says so; somebody tries again from time to time."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            again()
            for _ in range(30):
                if self.scenario.one(query, *[value] * query.count("%s")):
                    return
                time.sleep(0.1)
        raise Missing(f"{what} did not come")
