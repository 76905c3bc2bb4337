"""`python -m tests.load`: many callbacks at once through the whole bundle, then many recordings while everybody is slow.

Prints its measurements, beside those of the local gateway alone. Exit code 1 if a recording that was told of is lost, doubled or not
what Twilio has, or if a message is left over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

from local.progress import Progress
from local.scenario import Scenario
from local.stack import Stack

from .outcome import resident_memory, wrongs
from .traffic import Answers, Request, callbacks, deliver, make_recordings, send

FUNCTIONS = ("recording-webhook", "recording-ingest")
MIB = 1 << 20
# Seconds between two looks at the queue and the memory.
PAUSE = 2
# The local gateway is no measure of AWS, so it gets no more than this part of the load that it can take.
BEARABLE = 0.8


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--stack", type=Path, metavar="FILE", help="a stack.json of a stack that is up; otherwise one of its own")
    parser.add_argument("--rate", type=int, default=200, help="callbacks a second")
    parser.add_argument("--seconds", type=int, default=60, help="for how long")
    parser.add_argument("--recordings", type=int, default=3000, help="that the callbacks are about")
    parser.add_argument("--slow-recordings", type=int, default=1000, help="that are fetched while the vendors are slow")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds that a slow vendor takes longer for each request")
    wanted = parser.parse_args()
    if wanted.stack:
        return load(json.loads(wanted.stack.read_text()), wanted)
    with tempfile.TemporaryDirectory(prefix="understudy-load-") as directory, Stack(directory, Progress()) as stack:
        return load(stack, wanted)


def load(stack, wanted: argparse.Namespace) -> int:
    scenario = Scenario(stack)
    scenario.clean()
    memory = Memory(scenario)
    rate = min(wanted.rate, int(BEARABLE * gateways_own_rate(scenario)))
    if rate < wanted.rate:
        print(f"this machine's gateway cannot take {wanted.rate} callbacks a second: {rate} it is")

    recordings = make_recordings(scenario, wanted.recordings)
    heading(f"{rate * wanted.seconds:,} callbacks about {wanted.recordings:,} recordings, repeated and out of order")
    memory.look()
    found = tell(deliver(callbacks(scenario, recordings, rate * wanted.seconds), rate))
    work_off(scenario, memory)

    heading(f"{wanted.slow_recordings:,} recordings while Twilio and Supabase take {wanted.delay} s longer for each answer")
    slow = make_recordings(scenario, wanted.slow_recordings)
    for vendor in ("twilio", "supabase"):
        url = f"{scenario.stack[vendor]['url']}/_control/faults"
        fault = {"path": ".", "delay": wanted.delay, "times": None}
        scenario.expect([200, 201], "POST", url, json.dumps(fault).encode(), {"Content-Type": "application/json"})
    found += tell(deliver(callbacks(scenario, slow, len(slow)), rate))
    work_off(scenario, memory)
    for vendor in ("twilio", "supabase"):
        scenario.expect([200, 204], "DELETE", f"{scenario.stack[vendor]['url']}/_control/faults")

    memory.show()
    found += wrongs(scenario, recordings + slow)
    for line in found:
        print(line)
    heading(f"{len(recordings + slow):,} recordings told of: {len(found)} lost, doubled or wrong")
    scenario.close()
    return 1 if found else 0


def gateways_own_rate(scenario: Scenario) -> float:
    """Requests a second that the local gateway can pass on to a function that does nothing but refuse them."""
    heading("the local gateway by itself, 16 requests at once")
    url = scenario.stack["aws"]["endpoint_url"]
    answer = asyncio.run(send([Request("GET", f"{url}/_aws/execute-api/0000000000/none")] * 2000, at_once=16))
    show("refuses a request (404)", answer)
    # Not a POST: refused with nothing read and nobody asked.
    refused = [Request("GET", f"{scenario.stack['api_url']}/twilio/recording")] * 2000
    asyncio.run(send(refused[:100], at_once=16))
    answer = asyncio.run(send(refused, at_once=16))
    show("has a function refuse it (405)", answer)
    return answer.rate


def tell(deliveries: Iterator[Answers]) -> list[str]:
    """Shows each time. Returns a line if a callback was never acknowledged, whose recording nobody has promised to store."""
    for again, answers in enumerate(deliveries):
        show("callbacks, again" if again else "callbacks", answers)
    return [f"{len(answers.refused)} callbacks were never acknowledged"] if answers.refused else []


def work_off(scenario: Scenario, memory: "Memory") -> None:
    """Waits until nothing is left in the queue."""
    memory.look()
    with Progress().step("fetching what is left in the queue"):
        while scenario.messages("recording"):
            memory.look()
            time.sleep(PAUSE)


class Memory:
    """Of the function processes, from the beginning to the end."""

    def __init__(self, scenario: Scenario):
        self._scenario = scenario
        self._looks: dict[str, list[list[int]]] = {function: [] for function in FUNCTIONS}

    def look(self) -> None:
        for function, looks in self._looks.items():
            if found := resident_memory(self._scenario, function):
                looks.append(found)

    def show(self) -> None:
        heading("memory of the function processes, MiB: the mean of all, and the largest")
        print(f"  {'':34}{'beginning':>16}{'middle':>16}{'end':>16}{'processes':>11}")
        for function, looks in self._looks.items():
            means = [f"{sum(one) / len(one) / MIB:.1f}, {max(one) / MIB:.1f}" for one in (looks[0], looks[len(looks) // 2], looks[-1])]
            print(f"  {function:34}{means[0]:>16}{means[1]:>16}{means[2]:>16}{len(looks[-1]):>11}")


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def show(what: str, answers: Answers) -> None:
    statuses = ", ".join(f"{status}: {number:,}" for status, number in sorted(answers.statuses.items()))
    times = f"p50 {answers.percentile(50) * 1000:6.0f} ms   p99 {answers.percentile(99) * 1000:6.0f} ms"
    print(f"  {what:34}{len(answers.latencies):>8,} in {answers.seconds:5.1f} s = {answers.rate:5.0f}/s   {times}   {statuses}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
