"""The outcome: of the recordings that Twilio told of, and of the processes that worked on them."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from local.scenario import Scenario

from .traffic import Recording


def wrongs(scenario: Scenario, recordings: list[Recording]) -> list[str]:
    """One line for each thing that is not as it has to be: a row, an object and its bytes for each recording, and nothing else."""
    found = []
    rows = scenario.database.execute(
        "select recording_sid, employee_id::text, storage_path, started_at from recordings where recording_sid = any(%s)",
        [[recording.sid for recording in recordings]],
    ).fetchall()
    row_of = {row[0]: row[1:] for row in rows}
    for recording in recordings:
        due = (recording.employee, f"{recording.employee}/{recording.sid}.wav", recording.started_at)
        if (row := row_of.get(recording.sid)) != due:
            found.append(f"{recording.sid}: lost, no row" if row is None else f"{recording.sid}: the row says {row}, not {due}")
    of_employee = groupby(sorted(recordings, key=lambda one: (one.employee, one.started_at)), lambda one: one.employee)
    with ThreadPoolExecutor(4) as pool:
        for wrong in pool.map(lambda group: _wrong_objects(scenario, *group), [(employee, list(theirs)) for employee, theirs in of_employee]):
            found += wrong
    for queue in scenario.stack["aws"]["queues"]:
        if left := scenario.messages(queue):
            found.append(f"{left} messages in the queue {queue}")
    return found


def _wrong_objects(scenario: Scenario, employee: str, recordings: list[Recording]) -> list[str]:
    due = {f"{recording.sid}.wav": recording.sha256 for recording in recordings} | {f"{employee}.wav": recordings[-1].sha256}
    found = [f"{name}: should not be there" for name in scenario.stored_names("recordings", employee) if name not in due]
    for name, sha256 in due.items():
        audio = scenario.stored(f"recordings/{employee}/{name}")
        if audio is None:
            found.append(f"{name}: lost, not in Storage")
        elif hashlib.sha256(audio).hexdigest() != sha256:
            found.append(f"{name}: not the bytes that Twilio has")
    return found


def resident_memory(scenario: Scenario, function: str) -> list[int]:
    """Bytes that each process of a function has in memory now (VmRSS)."""
    marks = {
        f"AWS_LAMBDA_FUNCTION_NAME={scenario.stack['aws']['functions'][function]}".encode(),
        f"AWS_ENDPOINT_URL={scenario.stack['aws']['endpoint_url']}".encode(),
    }
    found = []
    for process in (Path("/proc") / pid for pid in os.listdir("/proc") if pid.isdigit()):
        try:
            if marks <= set((process / "environ").read_bytes().split(b"\0")):
                status = (process / "status").read_text()
                found.append(int(status.partition("VmRSS:")[2].split()[0]) * 1024)
        except (OSError, IndexError):  # it has ended meanwhile
            continue
    return found
