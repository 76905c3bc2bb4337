"""Whatever is called in whatever order, what must always hold, holds."""

from __future__ import annotations

import random

import pytest

from .world import LATER

STEPS = 600


class Walk:
    """Random calls, right and wrong ones, late ones and repeated ones, on one employee."""

    def __init__(self, world, seed):
        self.world = world
        self.random = random.Random(seed)
        self.attempts: list[str] = []
        self.leases: list[tuple[str, str]] = []
        self.vendor_voices = 0
        self.minute = 0

    def step(self):
        moves = [
            self.grant, self.withdraw, self.expire, self.record, self.request, self.request, self.begin, self.begin, self.save,
            self.save, self.finish, self.finish, self.fail, self.release, self.written, self.deleted, self.time_passes, self.other,
        ]
        weights = [4, 1, 1, 2] + [3] * (len(moves) - 4)
        self.random.choices(moves, weights)[0]()

    def attempt(self):
        # Mostly the newest: that is where things happen.
        return self.attempts[-1] if self.random.random() < 0.7 else self.random.choice(self.attempts)

    def grant(self):
        self.world.grant(purposes=self.random.choice([("voice_clone",), ("voice_clone",), ("voice_clone",), ("synthetic_speech",)]))

    def withdraw(self):
        self.world.withdraw()

    def expire(self):
        self.world.expire_consent(self.world.here.employee)

    def record(self):
        self.minute += self.random.choice([1, 1, -1])
        self.world.record(minute=LATER + self.minute)

    def request(self):
        answer = self.world.request()
        if answer["outcome"] == "requested":
            self.attempts.append(answer["attempt_id"])
        elif answer["outcome"] == "recording_missing":
            self.record()

    def begin(self):
        if self.attempts:
            attempt = self.attempt()
            answer = self.world.begin(attempt)
            if "lease_id" in answer:
                self.leases.append((attempt, answer["lease_id"]))

    def save(self):
        if self.leases:
            self.vendor_voices += 1
            self.world.save(self.random.choice(self.leases[-3:])[0], f"voice_{self.vendor_voices}")

    def finish(self):
        if self.attempts:
            self.world.finish(self.attempt())

    def fail(self):
        if self.leases and self.random.random() < 0.3:
            self.world.fail(*self.random.choice(self.leases[-3:]), "sample_too_short")

    def release(self):
        if self.leases and self.random.random() < 0.5:
            self.world.release(*self.random.choice(self.leases[-3:]), self.random.random() < 0.5)

    def written(self):
        if self.attempts:
            self.world.written(self.attempt())

    def deleted(self):
        if self.attempts:
            self.world.deleted(self.attempt())

    def time_passes(self):
        if self.attempts:
            self.world.move_lease(self.attempts[-1], -61)

    def other(self):
        self.world.request(user=self.world.there.admin)
        self.world.withdraw(user=self.world.here.member)


def check(world):
    ready = world.sql("select * from public.voices where state = 'ready'")
    assert len(ready) <= 1
    assert world.voice_id(world.here.employee) == (ready[0]["vendor_voice_id"] if ready else None)
    assert len(world.sql("select 1 from public.voices where state in ('requested', 'cloning', 'unknown')")) <= 1
    assert world.value("select count(*) from public.voices where vendor_deleted_at is not null and state = 'ready'") == 0

    # Given out only while consent is live; and not current at all once it was withdrawn.
    consent = world.sql("select *, expires_at > clock_timestamp() as in_time from public.voice_consents order by number desc limit 1")
    open_ = bool(consent) and consent[0]["ended_at"] is None and "voice_clone" in consent[0]["purposes"]
    if not open_:
        assert not ready
    read = world.read()
    if read["voice_id"]:
        assert open_ and consent[0]["in_time"] and read["voice_id"] == ready[0]["vendor_voice_id"]
    assert (read["status"] == "failed") <= (read["code"] is not None)

    # And none of it is another organisation's business.
    assert world.read(user=world.there.admin) == {"outcome": "employee_not_found"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_most_one_voice_is_ready_and_the_employee_mirrors_it_whatever_happens(world, seed):
    walk = Walk(world, seed)
    reached = set()
    for _ in range(STEPS):
        states = {row["id"]: row["state"] for row in world.sql("select id, state from public.voices")}
        audited = len(world.audit())
        walk.step()
        after = {row["id"]: row["state"] for row in world.sql("select id, state from public.voices")}
        if after != states:
            assert len(world.audit()) > audited, "a change of state without an audit row"
        reached |= set(after.values())
        check(world)
    # A walk that never gets anywhere would prove nothing.
    assert reached == {"requested", "cloning", "unknown", "ready", "failed", "retired"}
