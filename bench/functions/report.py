"""The tables, in Markdown, and which targets are missed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path
from statistics import median

from . import clones
from .contestants import PEER
from .ingest import Passed
from .measure import Measured, spread
from .samples import Made

MIB, MB = 1 << 20, 1_000_000
# Ratios of two medians of the same run: (of, what, to, at most).
TARGETS = [
    ("recording-webhook", "ready", "floor-secret", 1.2),
    ("voice-erasure", "ready", "recording-webhook", 1.2),
    ("voice-sweeper", "ready", "recording-webhook", 1.2),
    ("recording-webhook", "ready", PEER, 0.1),
    ("recording-webhook", "cpu", PEER, 0.5),
    ("recording-webhook", "peak", PEER, 0.25),
]
# Bytes of one function's zip.
LARGEST_ZIP = 2_700_000


def head(root: Path) -> str:
    """The heading of the results: the day, the commit, the versions and the machine."""

    def said(*command: str) -> str:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    changed = " with changes" if said("git", "status", "--porcelain") else ""
    return (
        f"# Results\n\n`make bench` on {date.today()}, of commit `{said('git', 'rev-parse', '--short', 'HEAD')}`{changed}, with {said('rustc', '--version')} and "
        f"Python {platform.python_version()},\non {os.cpu_count()} cores of {_processor()}. Times and sizes are this machine's; the ratios are what counts."
    )


def starts(measured: list[Measured]) -> str:
    """Time to start, time and processor of a warm request, memory and size."""
    lines = [
        "## From the start of the process, and warm", "",
        "| | does | ready, ms | first answer, ms | warm p50 / p99, ms | CPU a request, ms | peak, MiB | zip, MB |", "|---|---|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for one in measured:
        lines.append(
            f"| `{one.contestant.name}` | {one.contestant.does} | {spread(one.ready)} | {spread(one.first_answer)} |"
            f" {one.quantile(0.5):.2f} / {one.quantile(0.99):.2f} | {one.cpu:.2f} | {one.peak / MIB:.1f} | {one.contestant.package_bytes / MB:.2f} |"
        )
    lines += ["", "Medians, with the least and the most of all rounds. Ratios in this run, with what is demanded:", ""]
    lines += ["| | of | to | ratio | at most |", "|---|---|---|--:|--:|"]
    by_name = {one.contestant.name: one for one in measured}
    for of, what, to, most in TARGETS:
        lines.append(f"| {what} | `{of}` | `{to}` | {_value(by_name[of], what) / _value(by_name[to], what):.3f} | {most} |")
    return "\n".join(lines)


def missed(measured: list[Measured]) -> list[str]:
    by_name = {one.contestant.name: one for one in measured}
    wrong = []
    for of, what, to, most in TARGETS:
        if (ratio := _value(by_name[of], what) / _value(by_name[to], what)) > most:
            wrong.append(f"{what} of {of} is {ratio:.2f} times that of {to}; at most {most} is demanded")
    for one in measured:
        if one.contestant.name != PEER and one.contestant.package_bytes > LARGEST_ZIP:
            wrong.append(f"the zip of {one.contestant.name} has {one.contestant.package_bytes / MB:.2f} MB; at most {LARGEST_ZIP / MB} are demanded")
    return wrong


def cloned(made: list[clones.Made]) -> str:
    lines = ["## A stored call of almost two minutes becomes a voice", "", "| | on the clock, ms | CPU, ms | peak, MiB |", "|---|--:|--:|--:|"]
    return "\n".join([*lines, *(f"| `{one.name}` | {spread(one.clock)} | {spread(one.cpu)} | {one.peak / MIB:.1f} |" for one in made)])


def ingested(passed: list[Passed]) -> str:
    lines = [
        "## A recording on its way from Twilio to Storage", "",
        "| size, MiB | `recording-ingest` | peak, MiB | `curl \\| curl` | ratio of the times | Twilio's stand-in alone | Storage's stand-in alone |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for one in passed:
        lines.append(
            f"| {one.size / MIB:.0f} | {one.rate(one.ours)} | {one.peak / MIB:.1f} | {one.rate(one.curl)} | {one.ours / one.curl:.2f} |"
            f" {one.rate(one.download)} | {one.rate(one.upload)} |"
        )
    return "\n".join([*lines, "", "Ours also asks Twilio about the recording, asks the database where it goes, checks the header and the length, and has Storage copy it."])


def sampled(made: list[Made]) -> str:
    lines = ["## A sample of a call", "", "| call, min | seconds | × real time | peak, MiB |", "|--:|--:|--:|--:|"]
    return "\n".join([*lines, *(f"| {one.length // 60} | {one.seconds:.2f} | {one.length / one.seconds:.0f} | {one.peak / MIB:.1f} |" for one in made)])


def trips(jobs: dict[str, Counter]) -> str:
    kinds = sorted({kind for counted in jobs.values() for kind in counted})
    lines = ["## Calls outside, by job", "", f"| | {' | '.join(kinds)} |", f"|---|{'--:|' * len(kinds)}"]
    return "\n".join([*lines, *(f"| {job} | {' | '.join(str(counted[kind] or '') for kind in kinds)} |" for job, counted in jobs.items())])


def _value(measured: Measured, what: str) -> float:
    return {"ready": lambda: median(measured.ready), "cpu": lambda: measured.cpu, "peak": lambda: measured.peak}[what]()


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
