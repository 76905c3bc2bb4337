"""The calls outside that each job makes, counted by the stand-ins while a recording becomes a voice and is erased again."""

from __future__ import annotations

from collections import Counter
from typing import Callable

from tests.faults.lane import Lane

from standins.call import recording

# The most calls of one kind that a job may make.
MOST = {
    ("a callback", "database"): 0,  # Twilio waits: it is verified and queued, nothing else
    ("a recording is stored", "database"): 3,  # where to, which is newest, done
    ("a clone is asked for", "database"): 1,  # its looks come on top
    # Begin, take the sample, save the voice, finish; and one more: the metadata are noted as written, since Storage is in no transaction. The
    # voice is saved by itself and not together with its end: what fails at the end (a product's own trigger on employees, say) must not
    # take the vendor's id with it.
    ("a voice is made", "database"): 5,
}


# The log of a job: lines, and bytes without the ends of lines.
LOGGED = ("log lines", "log bytes")


def measure(lane: Lane) -> dict[str, Counter]:
    """By job, how many calls there were of each kind, and what was logged. Reading secrets is what a cold start does, and is counted apart."""
    scenario, jobs = lane.scenario, {}

    def job(name: str, do: Callable[[], object]) -> None:
        lane.outside.watch.forget()
        before = _logged(lane)
        do()
        jobs[name] = Counter(_kind(call) for call in lane.outside.watch.calls) + (_logged(lane) - before)

    employee = scenario.new_employee()
    recording_sid = scenario.new_recording(scenario.new_call(employee), recording())
    scenario.consent(employee)
    job("a callback", lambda: scenario.callback(recording_sid))
    job("a recording is stored", lane.drain)
    job("a clone is asked for", lambda: scenario.ask_for_clone(employee, headers={"Prefer": "respond-async"}))
    job("a voice is made", lane.drain)
    job("the same clone is asked for again", lambda: scenario.ask_for_clone(employee))
    job("the voice is read", lambda: scenario.voice(employee))
    job("the consent is withdrawn", lambda: scenario.api("DELETE", f"/employees/{employee}/voice-consent"))
    job("everything is erased", lane.drain)
    job("a sweep that finds nothing", lane.sweep)
    return jobs


def too_many(jobs: dict[str, Counter]) -> list[str]:
    return [f"{job}: {jobs[job][kind]} calls of {kind}, more than {most}" for (job, kind), most in MOST.items() if jobs[job][kind] > most]


def _logged(lane: Lane) -> Counter:
    lines = lane.functions.lines()
    return Counter(dict(zip(LOGGED, (len(lines), sum(len(line.encode()) for line in lines)))))


def _kind(call) -> str:
    """In the words of the table."""
    names = {
        "postgrest": "database", "storage": "Storage", "auth": "Auth", "twilio": "Twilio", "elevenlabs": "ElevenLabs", "sqs": "SQS",
        "secrets": "secrets", "secrets at start": "secrets",
    }  # fmt: skip
    return names[call.api]
