"""The faults that can befall an outside call.

A fault befalls one call, or that call and every one of its kind after it. The stand-ins do most of them to a request (`standins/README.md`);
a vendor that is down, and a function that is killed, are made here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import errors
from .calls import Call, nothing
from .errors import Error
from .lane import Lane

# Seconds, of the lane's clock.
LATE = 20


class Trouble:
    """A fault that lies in wait. `strikes` is how often it struck so far."""

    def __init__(self, lane: Lane, call: Call, lasting: bool):
        self.lane, self.call, self.lasting = lane, call, lasting
        self.watch = lane.outside.watch

    def begin(self) -> None:
        raise NotImplementedError

    @property
    def strikes(self) -> int:
        raise NotImplementedError

    def end(self) -> None:
        """From now on nothing goes wrong."""
        raise NotImplementedError


class Answered(Trouble):
    """The stand-in answers otherwise than it should, or not at all."""

    def __init__(self, lane: Lane, call: Call, lasting: bool, fault: dict):
        super().__init__(lane, call, lasting)
        self._fault = fault
        self._struck = 0

    def begin(self) -> None:
        self.lane.scenario.fault(self.call.vendor, **self.call.matcher(), **self._fault, times=None if self.lasting else 1)

    @property
    def strikes(self) -> int:
        return self._struck + self.lane.scenario.hits(self.call.vendor)

    def end(self) -> None:
        self._struck = self.strikes
        self.lane.scenario.control("DELETE", self.call.vendor, "/faults")


class DoneLate(Answered):
    """The answer is lost, and the work is done LATE: by the lane's clock, between whatever happens before and after that moment."""

    def begin(self) -> None:
        super().begin()
        self._done, self._due = 0, None
        self.lane.before_time_passes = self._work

    def _work(self, until: float) -> None:
        if self.strikes == self._done:
            return
        if self._due is None:
            self._due = self.lane.clock.now() + LATE
        if self._due <= until:
            self.lane.clock.pass_time(max(0, self._due - self.lane.clock.now()))
            self._done, self._due = self.strikes, None
            self.lane.scenario.control("POST", self.call.vendor, "/late")


class Down(Trouble):
    """Nobody listens where the call goes: from that moment until the invocation is over, or for good."""

    def __init__(self, lane: Lane, call: Call, lasting: bool, before: Call | None):
        """`before`: the call to the same vendor that comes before it in the same invocation."""
        super().__init__(lane, call, lasting)
        self._before, self._strikes = before, 0
        self._door = lane.outside.doors[call.vendor]

    def begin(self) -> None:
        self._door.keep_alive = False
        functions = self.lane.functions
        if self._before is None:
            functions.begins = self._invocation_begins
        else:
            self.watch.arrived = self._call_arrives
        functions.ends = self._invocation_ends

    def _invocation_begins(self) -> None:
        if self.watch.invocation == self.call.invocation:
            self._strikes += 1
            self.lane.outside.within(self._door.shut())

    async def _call_arrives(self, call: Call) -> None:
        """The one before is still answered, over the connection that it has."""
        if (call.kind, call.occurrence) == (self._before.kind, self._before.occurrence):
            self._strikes += 1
            await self._door.shut()

    def _invocation_ends(self) -> None:
        if not self.lasting:
            self.lane.outside.within(self._door.open())

    @property
    def strikes(self) -> int:
        return self._strikes

    def end(self) -> None:
        self.lane.functions.begins = self.lane.functions.ends = lambda: None
        self.watch.arrived = nothing
        self.lane.outside.within(self._door.open())


class Killed(Trouble):
    """The function dies before it gets the answer."""

    def begin(self) -> None:
        self._strikes = 0
        self.watch.answered = self._kill

    async def _kill(self, call: Call) -> None:
        due = call.occurrence >= self.call.occurrence if self.lasting else call.occurrence == self.call.occurrence
        if call.kind == self.call.kind and due:
            self._strikes += 1
            self.lane.functions.kill(call.function)

    @property
    def strikes(self) -> int:
        return self._strikes

    def end(self) -> None:
        self.watch.answered = nothing


@dataclass(frozen=True)
class Kind:
    """One column of the matrix, or, for the vendors' codes, one of several cases in it."""

    column: str
    name: str
    # Every strike takes as long as a client's patience.
    slow: bool = False
    error: Error | None = None

    def befalls(self, lane: Lane, call: Call, before: Call | None, lasting: bool) -> Trouble:
        if self.name == "killed":
            return Killed(lane, call, lasting)
        if self.name == "refused":
            return Down(lane, call, lasting, before)
        fault = self.error.fault() if self.error else FAULTS[self.name](call)
        return (DoneLate if self.name == "late" else Answered)(lane, call, lasting, fault)


def _media(call: Call) -> bool:
    return call.method == "GET" and call.path.endswith(".wav") and "/info/" not in call.path


def _upload(call: Call) -> bool:
    """Returns whether the request has a body that takes its time."""
    return call.method == "POST" and bool(re.search(r"/object/(recordings|deep-fakes)/|/voices/add$", call.path))


FAULTS = {
    "timeout": lambda call: {"delay": 3600, "status": 504},
    "reset": lambda call: {"reset": True},
    # Before the request's body was read.
    "closed": lambda call: {"reset": True, "at_once": True},
    "done": lambda call: {"reset": True, "do_work": True},
    "late": lambda call: {"reset": True, "do_work": True, "work_delay": 3600},
    "429": lambda call: errors.busy(call.api),
    "500": lambda call: errors.broken(call.api),
    "500 done": lambda call: errors.broken(call.api) | {"do_work": True},
    "malformed": lambda call: {"status": 200, "do_work": True, "headers": {"Content-Type": "application/json"}, "body": '{"voice_id": "'},
    "502 html": lambda call: {"status": 502, "headers": {"Content-Type": "text/html"}, "body": "<html><h1>502 Bad Gateway</h1></html>"},
    "200 html": lambda call: {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>Welcome to the captive portal</html>"},
    "cut": lambda call: {"cut": 100_000 if _media(call) else 3},
    # Longer than the ten seconds that an answer of a few words may take; a recording may take longer.
    "drip": lambda call: {"drip": {"bytes": 300_000, "seconds": 1} if _media(call) else {"bytes": 3, "seconds": 1}},
}


# Kinds that make a difference only with some calls: a connection that is closed before all is sent, and a deletion that is done and
# answered as if it had failed.
ONLY = {
    "closed": _upload,
    "500 done": lambda call: call.method == "DELETE",
}


def kinds_for(call: Call) -> list[Kind]:
    """Everything that may befall a call."""
    names = [name for name in ("refused", *FAULTS, "killed") if name not in ONLY or ONLY[name](call)]
    simple = [Kind(name, name, slow=name in ("timeout", "drip")) for name in names]
    return simple + [Kind("codes", f"{error.status} {error.code}", error=error) for error in errors.ERRORS[call.api]]


COLUMNS = ["refused", *FAULTS, "killed", "codes"]
