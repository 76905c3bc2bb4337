"""A small campaign on a stack that is up, beside its simulation: two workers, and a vendor that makes one voice at a time."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from local.scenario import Scenario as Stack
from standins.call import recording

from .limits import Deployment, Durations, Measured, Plan, Scenario
from .simulation import simulate

EMPLOYEES = 60
# Seconds that the stand-in takes for a voice, and how many it makes at once.
ADD_SECONDS, AT_ONCE = 1.0, 1
# The simulation is run with so many seeds, since chance decides differently with each.
SEEDS = 40
# Seconds between two looks, and after which the campaign counts as failed.
PAUSE, PATIENCE = 1, 3600


@dataclass
class Seen:
    """Seconds until half of the voices and until the last, voices, other ends, samples sent, and how many of them were answered 429."""

    half: float
    last: float
    voices: int
    failed: int
    uploads: int
    busy: int
    durations: Durations


def compare(file: Path) -> int:
    stack = Stack.of_file(file)
    measured = _measured(stack)
    stack.close()
    print(table(measured, [simulated_with(measured.durations, seed) for seed in range(1, SEEDS + 1)]))
    print(f"\nmeasured: a sample {measured.durations.sample}, a voice {measured.durations.add_voice}")
    return 0


def table(measured: Seen, simulated: list[Seen]) -> str:
    """The stack beside the simulation: the median of all seeds, with the least and the most."""
    lines = [f"| {EMPLOYEES} employees | stack | simulation, {SEEDS} seeds |", "|---|--:|--:|"]
    for title, field in (
        ("voices", "voices"), ("refused", "failed"), ("samples sent", "uploads"), ("of them 429", "busy"),
        ("seconds until half of the voices", "half"), ("seconds until the last voice", "last"),
    ):  # fmt: skip
        found = sorted(round(getattr(one, field)) for one in simulated)
        lines.append(f"| {title} | {getattr(measured, field):.0f} | {found[len(found) // 2]} ({found[0]} to {found[-1]}) |")
    return "\n".join(lines)


def simulated_with(durations: Durations, seed: int) -> Seen:
    """The same campaign in the simulation, in which each step takes as long as it took on the stack."""
    scenario = Scenario(
        "stack", Plan("stand-in", at_once=AT_ONCE, slots=1000), Deployment(), durations,
        employees=EMPLOYEES, without_consent=0, short_samples=0, failed_requests=0, lost_answers=0, killed_workers=0, seed=seed,
    )  # fmt: skip
    outcome = simulate(scenario)
    half = outcome.times[(len(outcome.times) - 1) // 2]
    return Seen(half, outcome.times[-1], outcome.voices, sum(outcome.refused.values()), outcome.uploads, outcome.busy_answers, durations)


def _measured(stack: Stack) -> Seen:
    stack.clean()
    employees = [_with_a_call(stack) for _ in range(EMPLOYEES)]
    _until(lambda: not stack.messages("recording"))
    account = {"concurrency_limit": AT_ONCE, "add_seconds": ADD_SECONDS, "voice_limit": 1000, "max_voice_add_edits": None}
    control = f"{stack.stack['elevenlabs']['url']}/_control"
    stack.expect([200], "PUT", f"{control}/account", json.dumps(account).encode(), {"Content-Type": "application/json"})
    began = time.time()
    answer = stack.api("POST", "/voice-clones", {"employee_ids": employees})
    if answer.status != 202:
        raise RuntimeError(f"the campaign was answered {answer.status}: {answer.body.decode(errors='replace')}")
    _until(lambda: not stack.one("select count(*) from voices where employee_id = any(%s::uuid[]) and state not in ('ready', 'failed')", employees))
    rows = stack.database.execute(
        "select state, extract(epoch from coalesce(ready_at, closed_at))::float - %s from voices where employee_id = any(%s::uuid[]) order by 2", (began, employees)
    ).fetchall()
    ready = [seconds for state, seconds in rows if state == "ready"]
    statuses = [entry["status"] for entry in stack.journal("elevenlabs", path="^/v1/voices/add$")]
    durations = _durations(stack, began)
    return Seen(ready[(len(ready) - 1) // 2], ready[-1], len(ready), len(rows) - len(ready), len(statuses), statuses.count(429), durations)


def _durations(stack: Stack, began: float) -> Durations:
    """The durations of the steps, by the workers' own metrics and by the stand-ins' journals."""
    sample = Measured(tuple(
        line["StepSeconds"] for line in map(_parsed, stack.logs("clone-worker", int(began * 1000)).splitlines()) if line.get("Step") == "make_sample"
    ))

    def seconds(vendor: str, path: str, **which) -> tuple[float, ...]:
        return tuple(entry["seconds"] for entry in stack.journal(vendor, path=path, **which))

    return Durations(
        database=median(seconds("supabase", "/rpc/")), sample=sample, add_voice=Measured(seconds("elevenlabs", "^/v1/voices/add$", status=200)),
        vendor=median(seconds("elevenlabs", "^/v1/user$")), metadata=median(seconds("supabase", "/object/deep-fakes/")),
    )  # fmt: skip


def _parsed(line: str) -> dict:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _with_a_call(stack: Stack) -> str:
    """An employee with a consent, and a recording of almost two minutes that is on its way into the bucket."""
    employee = stack.new_employee()
    stack.callback(stack.new_recording(stack.new_call(employee), recording()))
    stack.consent(employee)
    return employee


def _until(is_so) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError("the campaign does not end")
        time.sleep(PAUSE)
