"""Measures the calls and the log of each job, and the waiting of `clone-voice`, in a lane of the fault matrix."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.functions import round_trips
from local.progress import Progress
from standins.call import recording
from tests.faults.bundle import build, read
from tests.faults.lane import Ground, Lane

MEASURED = Path(__file__).parent / "measured.json"
# Seconds from the request to the voice.
READY_AFTER = (5, 10, 20)


def measure() -> None:
    """Writes `measured.json`."""
    with TemporaryDirectory(prefix="understudy-cost-") as directory:
        ground = Ground(Path(directory), read(build(Path(directory, "build"), Progress())))
        try:
            ground.prepare()
            with Lane(ground) as lane:
                # The second time every function is warm; the first time each has read its secrets.
                cold, warm = round_trips.measure(lane), round_trips.measure(lane)
                waits = [_waited(lane, seconds) for seconds in READY_AFTER]
                metrics = len(_metrics(lane.functions.lines()))
        finally:
            ground.postgres.destroy()
    jobs = {job: {**cold[job], **{kind: warm[job][kind] for kind in round_trips.LOGGED}} for job in cold}
    MEASURED.write_text(json.dumps({"jobs": jobs, "waits": waits, "metrics": metrics}, indent=1) + "\n")


def _waited(lane: Lane, ready_after: int) -> dict:
    """A request whose voice is ready after this many seconds: how late its answer is, in seconds, and how often the database was looked at."""
    scenario = lane.scenario
    employee = scenario.new_employee()
    scenario.callback(scenario.new_recording(scenario.new_call(employee), recording()))
    lane.drain()
    scenario.consent(employee)
    lane.outside.watch.forget()
    begun = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(scenario.ask_for_clone, employee)
        time.sleep(ready_after)  # as long as the vendor is said to take
        lane.drain()
        ready = time.perf_counter()
        assert answer.result().status == 200
    looks = sum(call.path.endswith("/read_voice") for call in lane.outside.watch.calls)
    return {"ready": round(ready - begun, 1), "late": round(max(time.perf_counter() - ready, 0), 1), "looks": looks}


def _metrics(lines: list[str]) -> set[tuple]:
    """Each combination of dimensions is billed as a metric of its own."""
    found = set()
    for line in lines:
        entry = json.loads(line) if line.startswith("{") else {}
        for written in entry.get("_aws", {}).get("CloudWatchMetrics", []):
            for dimensions in written["Dimensions"]:
                found.add((written["Metrics"][0]["Name"], *(entry[dimension] for dimension in dimensions)))
    return found
