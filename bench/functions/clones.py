"""A stored call becomes a voice at ElevenLabs: our `clone-worker`, which looks for the employee's speech, beside the peer, which does not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from local.events import example, made_right
from local.runtime_api import RuntimeApi
from standins.call import recording
from tests.faults.lane import Lane

from .contestants import PEER, Contestant, message
from .measure import cpu_seconds

VOICES = 5


@dataclass
class Made:
    """Of one contestant, an entry for each voice: ms on the clock and on a processor; and bytes of memory."""

    name: str
    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0


def measure(lane: Lane, contestants: list[Contestant]) -> list[Made]:
    lane.aws.reset()  # whatever was queued before
    return [_made(lane, one) for one in contestants if one.name in ("clone-worker", PEER)]


def _made(lane: Lane, contestant: Contestant) -> Made:
    made = Made(contestant.name)
    with RuntimeApi(contestant.command, contestant.environment, contestant.name, memory_mb=512) as function:
        function.initialize()
        for _ in range(VOICES):
            employee = _with_a_call(lane)
            event = _post(lane, employee) if contestant.name == PEER else message({"attempt_id": lane.scenario.request_clone(employee)["attempt_id"]})
            begun, before = time.perf_counter(), cpu_seconds(function.pid)
            answer = function.invoke(event)
            made.clock.append(1e3 * (time.perf_counter() - begun))
            made.cpu.append(1e3 * (cpu_seconds(function.pid) - before))
            if answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200:
                raise RuntimeError(f"{contestant.name} made no voice: {answer}\n{function.output()}")
        made.peak = function.peak_memory()
    return made


def _with_a_call(lane: Lane) -> str:
    """An employee with a consent and a stored recording of almost two minutes."""
    scenario = lane.scenario
    employee = scenario.new_employee()
    scenario.callback(scenario.new_recording(scenario.new_call(employee), recording()))
    lane.drain()
    scenario.consent(employee)
    return employee


def _post(lane: Lane, employee: str) -> dict:
    """The request of the frontend."""
    event = made_right(lane.scenario, "voice")
    path = f"/employees/{employee}/clone-voice"
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = "POST"
    return event
