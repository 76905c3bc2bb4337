"""`python -m tests.faults`: the matrix of faults as a table. `python -m tests.faults chaos`: functions killed at random, under load.

Exit code 1 if anything is lost, doubled, orphaned or wrong.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator
from zlib import crc32

from local.progress import Progress

from . import bundle, chaos, matrix
from .all_flows import FLOWS
from .lane import Ground


def main(words: list[str]) -> int:
    # As after Ctrl-C: nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return random_kills(words[1:]) if words[:1] == ["chaos"] else fault_matrix(words)


def fault_matrix(words: list[str]) -> int:
    parser = _parser("python -m tests.faults", __doc__)
    parser.add_argument("--lanes", type=int, default=6, metavar="N", help="how many cases run at once in which something happens all the time")
    parser.add_argument("--slow-lanes", type=int, default=20, metavar="N", help="and how many in which mostly somebody waits for a timeout")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="cases whose name, as --list prints it, has this")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="K/N", help="the Kth of N parts; a case's name decides in which it is")
    parser.add_argument("--list", action="store_true", help="print the names of the cases, and run none")
    parser.add_argument("--logs", type=Path, metavar="FILE", help="where to write what the functions logged in the cases that went wrong")
    options, progress = parser.parse_args(words), Progress()
    with ground(options.stack, progress) as made, matrix.lanes(options.lanes, options.slow_lanes) as lanes:
        with progress.step("the flows, with nothing done to them"):
            cases, wrong = matrix.find_cases(made, lanes, list(FLOWS))
        part, parts = options.part
        cases = [case for case in cases if options.only.search(str(case)) and crc32(str(case).encode()) % parts == part - 1]
        if options.list:
            print("\n".join(map(str, cases)))
            return 0
        outcomes = matrix.run_cases(made, lanes, cases, Report(len(cases), progress))
    if options.logs:
        options.logs.write_text("".join(f"==== {outcome.case} ({outcome.seconds:.1f} s)\n{outcome.log}\n" for outcome in outcomes if outcome.findings))
    print(matrix.table(outcomes))
    for flow, findings in wrong.items():
        print("".join(f"{finding.letter} {flow}, with nothing done to it: {finding.what}\n" for finding in findings), end="")
    for outcome in outcomes:
        print("".join(f"{finding.letter} {outcome.case}: {finding.what}\n" for finding in outcome.findings), end="")
    print(matrix.summary(outcomes))
    return int(any(outcome.findings for outcome in outcomes) or any(wrong.values()))


def random_kills(words: list[str]) -> int:
    parser = _parser("python -m tests.faults chaos", chaos.__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    options, progress = parser.parse_args(words), Progress()
    with ground(options.stack, progress) as made:
        with progress.step(f"functions are killed at random for {options.seconds:.0f} s"):
            killed = chaos.run(made, options.seconds)
        with progress.step(f"the same {len(killed.lives)} lives, and nobody is killed"):
            quiet = chaos.run(made, 0, range(1, len(killed.lives) + 1))
    wrong = chaos.compare(killed, quiet)
    print("".join(f"{number:6} × {function}\n" for function, number in killed.kills.most_common()), end="")
    print("\n".join([*wrong, f"{killed.kills.total()} kills in {len(killed.lives)} lives: {len(wrong)} wrong"]))
    return int(bool(wrong))


def _parser(name: str, description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", type=_json, metavar="FILE", help="a stack.json, to take the functions' binaries from; without it they are built")
    return parser


def _part(text: str) -> tuple[int, int]:
    part, parts = map(int, text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


def _json(file: str) -> dict:
    return json.loads(Path(file).read_text())


class Report:
    """Prints each finding at once, and the progress from time to time."""

    EVERY = 20  # seconds

    def __init__(self, cases: int, progress: Progress):
        self._cases, self._progress = cases, progress
        self._done, self._said = [], time.monotonic()

    def __call__(self, outcome: matrix.Outcome) -> None:
        self._done.append(outcome)
        for finding in outcome.findings:
            self._progress.say(f"{finding.letter} {outcome.case}: {finding.what}")
        if time.monotonic() - self._said > self.EVERY:
            self._said = time.monotonic()
            self._progress.say(f"{len(self._done)} of {self._cases}")


@contextmanager
def ground(stack: dict | None, progress: Progress) -> Iterator[Ground]:
    """The ground that lanes stand on; it is gone after the block. `stack` is the content of the stack.json whose binaries are run."""
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        directory = Path(name)
        bootstraps = bundle.build(directory / "build", progress) if stack is None else stack["aws"]["bootstraps"]
        made = Ground(directory, bundle.read({function: Path(path) for function, path in bootstraps.items()}))
        try:
            with progress.step("PostgreSQL and the migrations"):
                made.prepare()
            yield made
        finally:
            made.postgres.destroy()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
