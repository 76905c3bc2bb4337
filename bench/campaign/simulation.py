"""A campaign from the first request to the last answer: the client, the API, the workers and the sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

from .clock import Clock, Message, Process, Queue
from .limits import MINUTE, Chance, Scenario
from .referee import Attempt, Employee, Referee
from .vendor import Vendor

# Seconds that the client waits after the gateway's 429, which has no Retry-After, and after our 503, which has this one.
AFTER_429, AFTER_503 = 1, 5


@dataclass
class Outcome:
    """The result of a campaign. Times are seconds since its beginning."""

    scenario: Scenario
    asked_for: float = 0.0
    voices: int = 0
    refused: Counter = field(default_factory=Counter)
    last_answer: float = 0.0
    # When each voice became its employee's, in order.
    times: list[float] = field(default_factory=list)
    met: list[tuple[float, str]] = field(default_factory=list)
    uploads: int = 0
    busy_answers: int = 0
    most_at_vendor: int = 0
    most_workers: int = 0
    longest_wait: float = 0.0
    swept: int = 0
    dead_letters: int = 0
    requests: Counter = field(default_factory=Counter)
    # Time, voices made, messages that wait, samples sent.
    history: list[tuple[float, int, int, int]] = field(default_factory=list)


@dataclass
class Environment:
    """The memory of one of Lambda's environments of clone-worker, from one message to the next."""

    account_was_full: bool = False


class Campaign:
    def __init__(self, scenario: Scenario):
        self.scenario, self.limits, self.durations = scenario, scenario.deployment, scenario.durations
        self.clock, self.chance = Clock(), Chance(scenario.seed)
        self.vendor = Vendor(self.clock, scenario.plan, self.durations, self.chance)
        self.referee = Referee(self.clock, self.limits)
        self.queue = Queue(self.clock, self.limits, self._work)
        self.outcome = Outcome(scenario)
        self._is_asked_for = False
        self._idle: list[Environment] = []

    def run(self) -> Outcome:
        for process in (self._ask(), self._sweep(), self._look()):
            self.clock.start(process)
        self.clock.run()
        return self._told()

    def is_over(self) -> bool:
        return self._is_asked_for and self.referee.is_over()

    # -- the client, and the API -------------------------------------------------------------------------------------------

    def _ask(self) -> Process:
        """Asks for everybody, five hundred in a request, one request after the other, and again for whom the API had no answer."""
        left = [self._employee() for _ in range(self.scenario.employees)]
        tokens, seen_at = float(self.limits.api_burst_limit), self.clock.now
        while left:
            tokens = min(self.limits.api_burst_limit, tokens + (self.clock.now - seen_at) * self.limits.api_rate_limit)
            seen_at = self.clock.now
            if tokens < 1:
                self.outcome.requests["429"] += 1
                yield AFTER_429
                continue
            tokens -= 1
            batch = left[: self.limits.employees_of_a_request]
            if self.chance.happens(self.scenario.failed_requests):
                self.outcome.requests["503"] += 1
                yield AFTER_503
                continue
            unanswered = yield from self._answer(batch)
            self.outcome.requests["202"] += 1
            left = left[len(batch) :] + unanswered
        self._is_asked_for = True
        self.outcome.asked_for = self.clock.now

    def _employee(self) -> Employee:
        return Employee(not self.chance.happens(self.scenario.without_consent), not self.chance.happens(self.scenario.short_samples))

    def _answer(self, batch: list[Employee]) -> Generator[float, None, list[Employee]]:
        """One request of the API: the employees whose turn did not come within its patience are unavailable."""
        at_once = self.limits.database_calls_at_once
        in_time = int(self.limits.patience / self.durations.request_clone) * at_once
        numbers = [self.referee.request(employee) for employee in batch[:in_time]]
        started = [number for number in numbers if number is not None]
        yield self.durations.request_clone * -(-len(numbers) // at_once)
        yield self.durations.send_message * -(-len(started) // self.limits.messages_sent_at_once)
        for number in started:
            self.queue.send(number)
        return batch[in_time:]

    # -- the worker ----------------------------------------------------------------------------------------------------------

    def _work(self, message: Message) -> Process:
        """clone-worker with one message."""
        self.outcome.longest_wait = max(self.outcome.longest_wait, self.clock.now - message.sent_at if message.receipts == 1 else 0)
        environment = self._idle.pop() if self._idle else Environment()
        delay = yield from self._attempt(message, environment, began=self.clock.now)
        self._idle.append(environment)
        self.queue.finish(message, delay)

    def _attempt(self, message: Message, environment: Environment, began: float) -> Generator[float, None, float | None]:
        """Returns the delay after which the message is to come again, or None when it is done with."""
        attempt = self.referee.attempts[message.attempt]
        while True:
            yield self.durations.database
            step = self.referee.begin(attempt, began + self.limits.worker_timeout - self.clock.now)
            if step == "closed":
                return None
            if step == "wait":
                return min(attempt.lease_until + self.limits.lease_grace - self.clock.now, self.limits.longest_delay)
            if step == "finish":
                yield self.durations.database
                self.referee.finish(attempt)
                yield self.durations.metadata + self.durations.database
                return None
            if step == "resolve":
                yield 2 * self.durations.vendor + self.durations.database
                attempt.saved = attempt.made
                if not attempt.made:
                    self.referee.release(attempt, fate_known=True)
            elif (delay := (yield from self._clone(message, attempt, environment, began))) is not None:
                return delay

    def _clone(self, message: Message, attempt: Attempt, environment: Environment, began: float) -> Generator[float, None, float | None]:
        """Samples and sends. Returns a delay if the message has to come again, and None for the next look at the attempt."""
        yield self.chance.seconds(self.durations.sample)
        if not attempt.employee.has_enough_speech:
            yield self.durations.database
            self.referee.fail(attempt, "sample_too_short")
            return None
        yield self.durations.vendor
        if environment.account_was_full:
            yield self.durations.vendor + self.durations.database
            self.referee.fail(attempt, "voice_limit_reached")
            return None
        yield self.durations.database
        if not self.referee.take_sample(attempt):
            return None
        answer = yield from self.vendor.add_voice()
        if answer == "made":
            attempt.made = True
            if self.chance.happens(self.scenario.killed_workers):
                return began + self.limits.visibility_timeout - self.clock.now
            yield self.durations.database
            if self.chance.happens(self.scenario.lost_answers):
                self.referee.release(attempt, fate_known=False)
            else:
                attempt.saved = True
        elif answer == "busy":
            yield self.durations.database
            self.referee.release(attempt, fate_known=True, is_unprocessed=True)
            return self.chance.spread(self.limits.delay(message.receipts), self.limits.delay_spread)
        else:
            environment.account_was_full = True
            yield self.durations.vendor + self.durations.database
            self.referee.fail(attempt, "voice_limit_reached")
        return None

    # -- the sweep, and what is written down ---------------------------------------------------------------------------------

    def _sweep(self) -> Process:
        while not self.is_over():
            yield self.limits.sweep_rate
            for number in self.referee.sweep():
                self.outcome.swept += 1
                self.queue.send(number)

    def _look(self) -> Process:
        while not self.is_over():
            self.outcome.history.append(self._now())
            yield MINUTE
        self.outcome.history.append(self._now())

    def _now(self) -> tuple[float, int, int, int]:
        return self.clock.now, self.vendor.voices, self.queue.depth(), sum(self.vendor.answers.values())

    def _told(self) -> Outcome:
        outcome, attempts = self.outcome, self.referee.attempts
        outcome.times = sorted(attempt.closed_at for attempt in attempts if attempt.state == "ready")
        outcome.voices = len(outcome.times)
        outcome.refused = self.referee.refused_requests + Counter(attempt.code for attempt in attempts if attempt.state == "failed")
        outcome.last_answer = max([outcome.asked_for, *(attempt.closed_at for attempt in attempts if attempt.closed_at is not None)])
        outcome.uploads = sum(self.vendor.answers.values())
        outcome.busy_answers = self.vendor.answers["busy"]
        outcome.most_at_vendor, outcome.most_workers = self.vendor.most_at_once, self.queue.most_at_once
        outcome.dead_letters = len(self.queue.dead)
        outcome.met = self._met()
        return outcome

    def _met(self) -> list[tuple[float, str]]:
        """The limits that kept or refused somebody, in the order in which they were met."""
        first = self.vendor.first
        met = [(first[answer], limit) for answer, limit in (("busy", "concurrency"), ("slots", "slots"), ("additions", "additions")) if answer in first]
        for code, limit in (("clone_failed", "ten uploads"), ("clone_timed_out", "24 hours")):
            times = [attempt.closed_at for attempt in self.referee.attempts if attempt.code == code]
            met += [(min(times), limit)] if times else []
        if self.referee.quota_met_at is not None:
            met.append((self.referee.quota_met_at, "max_voices"))
        return sorted(met)


def simulate(scenario: Scenario) -> Outcome:
    return Campaign(scenario).run()
