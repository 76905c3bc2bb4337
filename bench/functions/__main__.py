"""`python -m bench.functions`: see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from local.deployment import ROOT
from local.progress import Progress
from local.stack import FUNCTIONS
from tests.faults.bundle import read
from tests.faults.lane import Ground, Lane

from . import __doc__ as about
from . import clones, contestants, ingest, report, round_trips, samples
from .measure import Measured, cold_round, warm_requests

RESULTS = ROOT / "bench" / "RESULTS.md"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.functions", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), metavar="PARTS", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="how often each is started (15)")
    parser.add_argument("--requests", type=int, default=300, metavar="N", help="how often each is asked when it is warm (300)")
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULTS.relative_to(ROOT)}")
    options, progress = parser.parse_args(words), Progress()
    programs = contestants.build(progress)
    tables, missed = [], []
    with tempfile.TemporaryDirectory(prefix="understudy-bench-") as directory:
        ground = Ground(Path(directory), read({name: programs[name] for name in FUNCTIONS}))
        try:
            ground.prepare()
            for part in options.only:
                with progress.step(part), Lane(ground) as lane:
                    table, wrong = PARTS[part](lane, programs, options, progress)
                print(f"\n{table}\n", flush=True)
                tables.append(table)
                missed += wrong
        finally:
            ground.postgres.destroy()
    verdict = "\n".join(f"* missed: {one}" for one in missed) or "Every target is met."
    if options.write:
        RESULTS.write_text("\n\n".join([report.head(ROOT), *tables, verdict, ""]))
    print(verdict)
    return int(bool(missed))


def starts(lane: Lane, programs: dict[str, Path], options: argparse.Namespace, progress: Progress) -> tuple[str, list[str]]:
    peer = contestants.install_peer(progress)
    everybody = contestants.all_of(lane, programs, peer)
    measured = [Measured(contestant) for contestant in everybody]
    for _ in range(options.rounds):
        for one in measured:
            cold_round(one)
    for one in measured:
        warm_requests(one, options.requests)
    voices = clones.measure(lane, everybody)
    return f"{report.starts(measured)}\n\n{report.cloned(voices)}", report.missed(measured)


def ingested(lane: Lane, programs: dict[str, Path], options: argparse.Namespace, progress: Progress) -> tuple[str, list[str]]:
    return report.ingested(ingest.measure(lane, programs["recording-ingest"])), []


def sampled(lane: Lane, programs: dict[str, Path], options: argparse.Namespace, progress: Progress) -> tuple[str, list[str]]:
    return report.sampled(samples.measure(programs["sample"])), []


def trips(lane: Lane, programs: dict[str, Path], options: argparse.Namespace, progress: Progress) -> tuple[str, list[str]]:
    jobs = round_trips.measure(lane)
    return report.trips(jobs), round_trips.too_many(jobs)


PARTS = {"start": starts, "trips": trips, "sample": sampled, "ingest": ingested}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
