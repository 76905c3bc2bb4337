"""Attempts to clone that wait for their worker, which a test itself invokes."""

from __future__ import annotations

from .people import with_recording

ADD = "^/v1/voices/add$"


class Attempt:
    def __init__(self, scenario, employee: str, replace: bool = False):
        self.scenario, self.employee = scenario, employee
        asked = scenario.request_clone(employee, replace=replace)
        assert asked["outcome"] == "requested"
        self.id = asked["attempt_id"]

    @classmethod
    def of_somebody(cls, scenario) -> Attempt:
        """That of a new employee, with a recording and a consent."""
        return cls(scenario, with_recording(scenario, consent=True))

    def work(self) -> bool:
        """Works on the message. True if it is done; otherwise it stays in the queue."""
        return self.scenario.work("clone-worker", {"attempt_id": self.id})

    def lease_and_grace_are_over(self) -> None:
        self.scenario.database.execute("update voices set lease_until = now() - interval '61 seconds' where id = %s", [self.id])

    def state(self) -> str:
        return self.scenario.one("select state from voices where id = %s", self.id)

    def one_voice(self) -> None:
        """There is exactly one, and the employee has it."""
        assert self.state() == "ready"
        assert self.scenario.vendor_voices(self.employee) == [mirrored(self.scenario, self.employee)]
        assert self.scenario.stored(f"deep-fakes/{self.employee}/{self.employee}.json")


def mirrored(scenario, employee: str) -> str | None:
    """The voice in the application's own row of the employee."""
    return scenario.one("select voice_id from employees where id = %s", employee)


def added(scenario) -> int:
    """The number of requests to the vendor to make a voice."""
    return len(scenario.journal("elevenlabs", path=ADD))
