"""The database's decisions about attempts, as supabase/schemas has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .clock import Clock
from .limits import Deployment

UNDER_WAY = ("requested", "cloning", "unknown")


@dataclass(frozen=True)
class Employee:
    has_consent: bool
    has_enough_speech: bool


@dataclass
class Attempt:
    """One row of `voices`. `made` is whether the vendor has a voice of it, `saved` whether we know of it."""

    employee: Employee
    requested_at: float
    state: str = "requested"
    code: str | None = None
    uploads: int = 0
    turned_away: int = 0
    lease_until: float = float("-inf")
    swept_at: float | None = None
    made: bool = False
    saved: bool = False
    closed_at: float | None = None


@dataclass
class Referee:
    clock: Clock
    deployment: Deployment
    attempts: list[Attempt] = field(default_factory=list)
    refused_requests: Counter = field(default_factory=Counter)
    live: int = 0
    quota_met_at: float | None = None

    def request(self, employee: Employee) -> int | None:
        """`request_clone`: the number of the new attempt, or None for a refusal."""
        if not employee.has_consent:
            self.refused_requests["consent_required"] += 1
            return None
        if self.deployment.max_voices is not None and self.live >= self.deployment.max_voices:
            self.refused_requests["voice_quota_reached"] += 1
            self.quota_met_at = self.clock.now if self.quota_met_at is None else self.quota_met_at
            return None
        self.attempts.append(Attempt(employee, self.clock.now))
        self.live += 1
        return len(self.attempts) - 1

    def begin(self, attempt: Attempt, time_left: float) -> str:
        """`begin_clone`: clone, resolve, finish, closed or wait."""
        if attempt.state == "failed":
            return "closed"
        if attempt.state == "ready" or attempt.saved:
            return "finish"
        if attempt.state != "requested" and self.clock.now < attempt.lease_until + self.deployment.lease_grace:
            return "wait"
        step = "clone" if attempt.state == "requested" else "resolve"
        attempt.state = "cloning" if step == "clone" else "unknown"
        attempt.lease_until = self.clock.now + time_left + self.deployment.lease_margin
        return step

    def take_sample(self, attempt: Attempt) -> bool:
        """`take_sample`: whether the sample may be sent. It counts as an upload, until `release` takes that back."""
        if attempt.uploads >= self.deployment.most_uploads:
            self.fail(attempt, "clone_failed")
            return False
        attempt.uploads += 1
        return True

    def release(self, attempt: Attempt, fate_known: bool, is_unprocessed: bool = False) -> None:
        """`release_clone`."""
        attempt.state = "requested" if fate_known else "unknown"
        attempt.uploads -= is_unprocessed and attempt.turned_away < self.deployment.most_turned_away
        attempt.turned_away += is_unprocessed
        if fate_known:
            attempt.lease_until = self.clock.now

    def finish(self, attempt: Attempt) -> None:
        """`finish_clone`."""
        if attempt.state != "ready":
            attempt.state, attempt.closed_at = "ready", self.clock.now

    def fail(self, attempt: Attempt, code: str) -> None:
        attempt.state, attempt.code, attempt.closed_at = "failed", code, self.clock.now
        self.live -= 1

    def sweep(self) -> list[int]:
        """`sweep_unfinished`: ends requests that are too old, and names attempts that get another message."""
        limits, now = self.deployment, self.clock.now
        old = [one for one in self.attempts if one.state == "requested" and now - one.requested_at > limits.request_times_out_after]
        for attempt in old[: limits.swept_at_once]:
            self.fail(attempt, "clone_timed_out")
        found = [number for number, one in enumerate(self.attempts) if self._is_stuck(one)]
        found.sort(key=lambda number: (self.attempts[number].swept_at is not None, self.attempts[number].swept_at or 0, number))
        for number in found[: limits.swept_at_once]:
            self.attempts[number].swept_at = now
        return found[: limits.swept_at_once]

    def _is_stuck(self, attempt: Attempt) -> bool:
        limits, now = self.deployment, self.clock.now
        if attempt.swept_at is not None and now - attempt.swept_at <= limits.swept_again_after:
            return False
        if attempt.state == "requested":
            return now - attempt.requested_at > limits.campaign_is_swept_after and now - attempt.lease_until > limits.given_back_before
        return attempt.state in UNDER_WAY and now > attempt.lease_until + limits.lease_grace

    def is_over(self) -> bool:
        return not any(attempt.state in UNDER_WAY for attempt in self.attempts)
