"""Recordings of any size through `recording-ingest`, beside `curl` that pipes the same bytes between the same two stand-ins."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from local.events import example
from local.runtime_api import RuntimeApi
from tests.faults.lane import Lane

MIB = 1 << 20
# The last is as much as a WAV file can have: its length is a field of 32 bits.
SIZES = (MIB, 100 * MIB, 1024 * MIB, (1 << 32) - 64)


@dataclass
class Passed:
    """One size: seconds of each way, and the most memory that ours needed, in bytes."""

    size: int
    ours: float
    peak: int
    curl: float
    download: float  # Twilio's stand-in by itself
    upload: float  # Storage's stand-in by itself

    def rate(self, seconds: float) -> str:
        return f"{self.size / MIB / seconds:.0f} MiB/s"


def measure(lane: Lane, program: Path, sizes=SIZES) -> list[Passed]:
    """Raises RuntimeError without curl."""
    if shutil.which("curl") is None:
        raise RuntimeError("curl is missing, which the ingest is compared with")
    lane.scenario.control("PUT", "supabase", "/account", {"file_size_limit": 1 << 33})
    return [_one(lane, program, size) for size in sizes]


def _one(lane: Lane, program: Path, size: int) -> Passed:
    scenario = lane.scenario
    call_sid = scenario.new_call(scenario.new_employee())
    recording_sid = scenario.new_recording(call_sid, silence_bytes=size, file_channels=2)
    ours, peak = _ours(lane, program, call_sid, recording_sid)
    download, upload = _download(lane, recording_sid), _upload(lane)
    with TemporaryDirectory() as directory:
        zeros = Path(directory, "zeros")
        with zeros.open("wb") as file:
            file.truncate(size)
        alone = _seconds([*upload, "--upload-file", zeros]), _seconds([*download, "--output", "/dev/null"])
    return Passed(size, ours, peak, _piped(download, [*upload, "--upload-file", "-"]), alone[1], alone[0])


def _ours(lane: Lane, program: Path, call_sid: str, recording_sid: str) -> tuple[float, int]:
    """Seconds from the message to the answer, and bytes of memory."""
    event = example("recording-ingest")
    event["Records"] = event["Records"][:1]
    event["Records"][0]["body"] = json.dumps({"call_sid": call_sid, "recording_sid": recording_sid})
    environment = lane.functions.environment("recording-ingest") | {"AWS_LAMBDA_LOG_LEVEL": "WARN"}
    with RuntimeApi(program, environment, "recording-ingest", memory_mb=512) as function:
        function.initialize()
        begun = time.perf_counter()
        answer = function.invoke(event)
        seconds = time.perf_counter() - begun
        if answer != {"batchItemFailures": []}:
            raise RuntimeError(f"the recording was not stored: {function.output()}")
        return seconds, function.peak_memory()


def _download(lane: Lane, recording_sid: str) -> list:
    twilio = lane.scenario.stack["twilio"]
    url = f"{twilio['url']}/2010-04-01/Accounts/{twilio['account_sid']}/Recordings/{recording_sid}.wav?RequestedChannels=2"
    return ["curl", "--silent", "--fail", "--user", f"{twilio['account_sid']}:{twilio['auth_token']}", url]


def _upload(lane: Lane) -> list:
    supabase = lane.scenario.stack["supabase"]
    headers = {"apikey": supabase["secret_key"], "Authorization": f"Bearer {supabase['secret_key']}", "Content-Type": "audio/wav", "x-upsert": "true"}
    words = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    url = f"{supabase['url']}/storage/v1/object/recordings/bench/curl.wav"
    return ["curl", "--silent", "--fail", "--output", "/dev/null", "--request", "POST", *words, url]


def _piped(source: list, sink: list) -> float:
    begun = time.perf_counter()
    with subprocess.Popen(source, stdout=subprocess.PIPE, env=_environment()) as reader:
        subprocess.run(sink, stdin=reader.stdout, check=True, env=_environment())
    if reader.returncode:
        raise RuntimeError(f"curl ended with {reader.returncode}")
    return time.perf_counter() - begun


def _seconds(command: list) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, env=_environment())
    return time.perf_counter() - begun


def _environment() -> dict[str, str]:
    """The stand-ins are on this machine; a proxy must not see them."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
