"""Samples of calls of a minute, an hour and six hours, by the command of crate `sample`: seconds, and the most memory."""

from __future__ import annotations

import re
import subprocess
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from standins.call import recording

HEADER = 44
FRAMES_A_SECOND, FRAME = 8000, 4
LENGTHS = (60, 3600, 6 * 3600)


@dataclass
class Made:
    """One length: seconds of the call, seconds on the clock, bytes of memory."""

    length: int
    seconds: float
    peak: int


def measure(program: Path, lengths=LENGTHS) -> list[Made]:
    return [_one(program, length) for length in lengths]


def _one(program: Path, length: int) -> Made:
    call = recording()[HEADER:]
    size = length * FRAMES_A_SECOND * FRAME
    with TemporaryDirectory() as directory:
        path = Path(directory, "call.wav")
        with wave.open(str(path), "wb") as file:
            file.setparams((2, 2, 8000, 0, "NONE", ""))
            for start in range(0, size, len(call)):
                file.writeframesraw(call[: size - start])
        begun, peak = time.perf_counter(), 0
        process = subprocess.Popen([program, path, "--channel", "2"], stdout=subprocess.DEVNULL)
        # The kernel's own figure at the end would be at least what Python had when it forked.
        while process.poll() is None:
            peak = max(peak, _peak_so_far(process.pid))
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"the sample of {length} s failed with {process.returncode}")
    return Made(length, seconds, peak)


def _peak_so_far(pid: int) -> int:
    """The most that a process ever had in memory (VmHWM), in bytes; 0 once it has ended."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return 0
    return int(found[1]) * 1024 if found else 0
