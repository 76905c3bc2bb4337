"""The arithmetic: from measured numbers, assumed ones and prices to dollars. It prints nothing."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from samcli.yamlhelper import yaml_parse

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SIZES = (128, 256, 512, 1024, 1769, 3008)  # MB
PEER = "peer"
PRICES = tomllib.loads((HERE / "prices.toml").read_text())
ASSUMED = PRICES["assumed"]
MEASURED = json.loads((HERE / "measured.json").read_text())
MIB = 1 << 20
# Seconds of the call that `make bench` makes a voice of.
BENCH_CALL = 112


@cache
def template() -> dict:
    return yaml_parse((ROOT / "template.yaml").read_text())


@cache
def deployed(function: str) -> dict:
    """A function's properties in the template."""
    properties = [one["Properties"] for one in template()["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    return next(one for one in properties if one["CodeUri"] == f"functions/{function}")


@cache
def results() -> dict[str, dict[str, list[str]]]:
    """The tables of bench/RESULTS.md: by heading, the cells of each row by its first cell."""
    tables: dict[str, dict[str, list[str]]] = {}
    rows: dict[str, list[str]] = {}
    for line in (ROOT / "bench" / "RESULTS.md").read_text().splitlines():
        if line.startswith("## "):
            rows = tables.setdefault(line[3:], {})
        elif line.startswith("| "):
            name, *cells = (cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            rows.setdefault(name, cells)
    return tables


def number(table: str, row: str, column: int) -> float:
    """The number that a cell of the results begins with."""
    return float(re.match(r"[\d.]+", results()[table][row][column])[0])


@dataclass(frozen=True)
class Work:
    """One invocation: seconds of waiting, and of a processor; and the secrets that a cold one reads."""

    function: str
    waiting: float
    cpu: float
    secrets: int

    def seconds(self, memory: int) -> float:
        return self.waiting + slowed(self.cpu, memory)

    def dollars(self, memory: int) -> float:
        """Of Lambda's seconds, with the part of the cold starts."""
        cold = slowed(cold_answer(self.function), memory) + self.secrets * ASSUMED["latency"]["secrets"]
        billed = self.seconds(memory) + ASSUMED["cold_share"] * cold
        disk = more_disk(self.function) * PRICES["lambda"]["disk_gb_second"]
        return billed * (memory / 1024 * PRICES["lambda"]["gb_second"][architecture()] + disk)


def slowed(cpu: float, memory: int) -> float:
    """Seconds on the clock. No function computes on two processors at once."""
    return cpu * max(1, ASSUMED["vcpu_mb"] / memory)


def more_disk(function: str) -> float:
    """GB in /tmp beyond the 512 MB that are free."""
    return 0 if function == PEER else (deployed(function).get("EphemeralStorage", {}).get("Size", 512) - 512) / 1024


def architecture() -> str:
    return template()["Parameters"]["Architecture"]["Default"]


STARTS, CLONES, SAMPLES = "From the start of the process, and warm", "A stored call of almost two minutes becomes a voice", "A sample of a call"
INGEST = "A recording on its way from Twilio to Storage"


def cold_answer(function: str) -> float:
    """Seconds from the start of a process to its first answer, as if all of it were computing."""
    return number(STARTS, function, 2) / 1e3


def warm_cpu(function: str) -> float:
    return number(STARTS, function, 4) / 1e3


def peak(function: str) -> float:
    """The most memory that was seen, in bytes."""
    seen = [number(STARTS, function, 5)]
    if function == "clone-worker":
        seen.append(number(SAMPLES, "360", 2))
    if function == "recording-ingest":
        seen.append(number(INGEST, "4096", 1))
    if function == PEER:
        seen.append(number(CLONES, PEER, 2))
    return max(seen) * MIB


def sample_cpu(seconds_of_call: float) -> float:
    return seconds_of_call / 3600 * number(SAMPLES, "60", 0)


def passing(size: float) -> tuple[float, float]:
    """Seconds that bytes wait for the network, and of a processor, from Twilio to Storage. In `make bench`, the function computed no longer than
    the recording took."""
    return size / ASSUMED["network"], size / (number(INGEST, "100", 0) * MIB) + size * ASSUMED["tls_cpu_of_a_byte"]


def calls_of(job: str) -> dict[str, int]:
    return {kind: count for kind, count in MEASURED["jobs"][job].items() if kind in ASSUMED["latency"]}


def waiting_of(job: str) -> float:
    """Seconds in the calls outside of a warm job."""
    return sum(count * ASSUMED["latency"][kind] for kind, count in calls_of(job).items() if kind != "secrets")


def work(function: str, job: str, waiting: float = 0, cpu: float = 0) -> Work:
    """`waiting` and `cpu`: what is added to the calls, and to the least that a request takes."""
    return Work(function, waiting_of(job) + waiting, warm_cpu(function) + cpu, calls_of(job).get("secrets", 0))


class Jobs:
    """The works of a typical call, in the order of the tables."""

    call_bytes = ASSUMED["call"] * ASSUMED["bytes_a_second_of_call"]

    @cached_property
    def callback(self) -> Work:
        return work("recording-webhook", "a callback")

    @cached_property
    def ingest(self) -> Work:
        return work("recording-ingest", "a recording is stored", *passing(self.call_bytes))

    @cached_property
    def clone(self) -> Work:
        read = self.call_bytes / ASSUMED["network"]
        more = number(CLONES, "clone-worker", 1) / 1e3 + sample_cpu(ASSUMED["call"] - BENCH_CALL)
        return work("clone-worker", "a voice is made", ASSUMED["voice"] + read, more)

    @cached_property
    def request(self) -> Work:
        """It waits until the worker is done, and a tenth longer, since it looks after each fifth."""
        wait = 1.1 * (ASSUMED["queue"] + self.clone.seconds(size_of("clone-worker")))
        return work("clone-voice", "a clone is asked for", wait)

    @cached_property
    def consent(self) -> Work:
        return work("voice-consent", "the consent is withdrawn")

    @cached_property
    def erasure(self) -> Work:
        return work("voice-erasure", "everything is erased")

    @cached_property
    def sweep(self) -> Work:
        return work("voice-sweeper", "a sweep that finds nothing")

    @cached_property
    def peers_callback(self) -> Work:
        return Work(PEER, ASSUMED["latency"]["SQS"], warm_cpu(PEER), 1)

    @cached_property
    def peers_clone(self) -> Work:
        """Storage, the vendor and Storage again; the whole call is read."""
        latency = ASSUMED["latency"]
        waiting = 2 * latency["Storage"] + latency["ElevenLabs"] + ASSUMED["voice"] + self.call_bytes / ASSUMED["network"]
        return Work(PEER, waiting, number(CLONES, PEER, 1) / 1e3 * ASSUMED["call"] / BENCH_CALL, 3)

    def ours(self) -> list[Work]:
        return [self.callback, self.ingest, self.request, self.clone, self.consent, self.erasure, self.sweep]


JOBS = Jobs()


def size_of(function: str) -> int:
    """The template's memory size, in MB; the peer's is chosen as ours are."""
    if function == PEER:
        return cheapest(JOBS.peers_callback)
    return deployed(function)["MemorySize"]


@dataclass(frozen=True)
class Limit:
    """The most seconds that something may take."""

    what: str
    most: float

    def seconds(self, function: str, memory: int) -> float:
        if function == "recording-ingest":
            waiting, cpu = passing(24 * 3600 * ASSUMED["bytes_a_second_of_call"])
            return waiting + slowed(cpu, memory)
        return slowed(sample_cpu(3600) if function == "clone-worker" else cold_answer(function), memory)


LIMITS = {
    "recording-webhook": Limit("a cold answer, for which Twilio waits 15 s", 5),
    "recording-ingest": Limit("Twilio's longest call, 24 h; the timeout is 300 s", 200),
    "clone-voice": Limit("a cold answer, for which somebody waits", 1),
    "clone-worker": Limit("the sample of an hour's call, since `clone-voice` waits 25 s for all of it", 10),
    "voice-consent": Limit("a cold answer, for which somebody waits", 1),
    "voice-erasure": Limit("a cold answer, for which nobody waits", 5),
    "voice-sweeper": Limit("a cold answer, for which nobody waits", 5),
    PEER: Limit("a cold answer, for which Twilio waits 15 s", 5),
}


def fits(function: str, memory: int) -> bool:
    """Within its limit, and with twice the memory that was seen."""
    return LIMITS[function].seconds(function, memory) <= LIMITS[function].most and 2 * peak(function) <= memory * MIB


def cheapest(one: Work) -> int:
    return min((size for size in SIZES if fits(one.function, size)), key=one.dollars)
