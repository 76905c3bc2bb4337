"""Flows in which somebody asks for a voice: the first, another, or many, while the vendor has lost an answer or has no room."""

from __future__ import annotations

import re

from .flows import Flow


class Clone(Flow):
    """The first voice of an employee."""

    name = "clone"
    functions = frozenset({"clone-voice", "clone-worker"})

    def prepare(self) -> None:
        self._employee = self.employee("voice")
        self.stored(self._employee)
        self.consents(self._employee)

    def act(self) -> None:
        self.asks(self._employee)
        self.lane.drain()
        self._insists(lambda: self.scenario.voice(self._employee))

    def again(self) -> None:
        self.asks(self._employee)


class CloneAgain(Clone):
    """A voice from a newer recording takes the place of another."""

    name = "re-clone"
    functions = frozenset({"clone-worker"})

    def prepare(self) -> None:
        self._employee = self.cloned("voice")
        self.stored(self._employee)


class Replace(CloneAgain):
    """The voice that is there goes first."""

    name = "replace"

    def asks(self, employee: str) -> None:
        ask = {"method": "POST", "path": f"/employees/{employee}/clone-voice?replace=true", "Prefer": "respond-async"}
        self._insists(lambda: self.scenario.api(**ask))


class FullAccount(Clone):
    """The vendor's account is full: one employee is refused by the vendor, and one by the worker, which remembers that. Then there is room."""

    name = "full account"
    functions = frozenset({"clone-worker"})
    calls = re.compile("user/subscription|fail_clone")

    def prepare(self) -> None:
        super().prepare()
        self._others = [self.employee("voice")]
        self.stored(self._others[0])
        self.consents(self._others[0])

    def act(self) -> None:
        self._has_room(0)
        self._all_ask()
        self._has_room(30)
        self._all_ask()

    def again(self) -> None:
        self._all_ask()

    def _all_ask(self) -> None:
        for employee in (self._employee, *self._others):
            self.asks(employee)
            self.lane.drain()

    def _has_room(self, voices: int) -> None:
        # This goes past the door, which may be shut.
        self.lane.outside.vendors.elevenlabs.set_account({"voice_limit": voices})


class Resolve(Clone):
    """The vendor has made a voice, and its answer was lost."""

    name = "resolve"
    functions = frozenset({"clone-worker"})

    def prepare(self) -> None:
        super().prepare()
        self.scenario.fault("elevenlabs", method="POST", path="^/v1/voices/add$", reset=True, do_work=True)
        self.asks(self._employee)
        self.lane.deliver(self.lane.aws.next())
        self.scenario.control("DELETE", "elevenlabs", "/faults")
        self.lane.aws.reset()


class Campaign(Clone):
    """A whole team's voices."""

    name = "campaign"
    functions = frozenset({"clone-voice"})

    def prepare(self) -> None:
        super().prepare()
        self._team = [self._employee, self.employee("voice")]
        self.stored(self._team[1])
        self.consents(self._team[1])

    def act(self) -> None:
        self.again()
        self.lane.drain()

    def again(self) -> None:
        self._insists(lambda: self.scenario.api("POST", "/voice-clones", {"employee_ids": self._team}))
