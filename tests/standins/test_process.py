"""The stand-ins as a process of their own: `python -m standins`."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

MIB = 1 << 20
SID = "RE" + "a" * 32
PATIENCE = 60  # seconds


class Process:
    def __init__(self, database, directory: Path) -> None:
        self.ready = directory / "ready.json"
        command = [sys.executable, "-m", "standins", "--database-url", database.authenticator_url, "--directory", directory / "files", "--ready", self.ready]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        deadline = time.monotonic() + PATIENCE
        while not self.ready.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "never ready"
            time.sleep(0.02)
        self.where = json.loads(self.ready.read_text())

    def peak_memory(self) -> int:
        """Bytes, since it started."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def start(database, tmp_path):
    started = []

    def one() -> Process:
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(Process(database, directory))
        return started[-1]

    yield one
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


def test_it_says_where_it_is_to_its_owner_only_and_stops_when_told(start):
    process = start()
    assert stat.S_IMODE(process.ready.stat().st_mode) == 0o600
    for name in ("twilio", "elevenlabs", "supabase"):
        assert httpx.get(process.where[name]["url"] + "/_control").status_code == 200
    assert process.stop() == 0
    assert not process.ready.exists()


def test_it_stops_although_a_request_hangs_in_a_fault(start):
    process = start()
    url = process.where["twilio"]["url"]
    httpx.post(url + "/_control/faults", json={"path": "/", "delay": 3600}).raise_for_status()
    hanging = subprocess.Popen([sys.executable, "-c", f"import httpx; httpx.get({url!r} + '/x', timeout=None)"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not httpx.get(url + "/_control/faults").json()["faults"][0]["hits"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert process.stop() == 0
    finally:
        hanging.kill()
        hanging.wait()


def test_two_at_once_know_nothing_of_each_other(start):
    one, other = start(), start()
    httpx.put(one.where["twilio"]["url"] + f"/_control/recordings/{SID}", content=b"x").raise_for_status()
    assert len(httpx.get(one.where["twilio"]["url"] + "/_control/recordings").json()["recordings"]) == 1
    assert httpx.get(other.where["twilio"]["url"] + "/_control/recordings").json()["recordings"] == []
    assert one.where["supabase"]["secret_key"] != other.where["supabase"]["secret_key"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads VmHWM from /proc")
def test_a_huge_recording_goes_from_twilio_to_storage_without_being_in_memory(start):
    process, size = start(), 256 * MIB
    twilio, supabase = process.where["twilio"], process.where["supabase"]
    httpx.put(twilio["url"] + f"/_control/recordings/{SID}", params={"silence_bytes": size}).raise_for_status()
    key = {"apikey": supabase["secret_key"], "Authorization": f"Bearer {supabase['secret_key']}"}
    httpx.put(supabase["url"] + "/_control/account", json={"file_size_limit": 2 * size}).raise_for_status()
    httpx.post(supabase["url"] + "/storage/v1/bucket", json={"name": "b"}, headers=key).raise_for_status()
    media = f"{twilio['url']}/2010-04-01/Accounts/{twilio['account_sid']}/Recordings/{SID}.wav"
    with httpx.stream("GET", media, auth=(twilio["account_sid"], twilio["auth_token"]), timeout=PATIENCE) as download:
        headers = key | {"Content-Length": download.headers["content-length"], "Content-Type": "audio/wav"}
        url = supabase["url"] + "/storage/v1/object/b/k"
        httpx.post(url, content=download.iter_raw(MIB), headers=headers, timeout=PATIENCE).raise_for_status()
    [stored] = httpx.get(supabase["url"] + "/_control/objects").json()["objects"]
    assert stored["bytes"] == size + 44
    assert process.peak_memory() < 128 * MIB
