"""The programs that are measured, each with its event. They run in a lane of the fault matrix, so every call outside is answered at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from local import events
from local.deployment import ROOT
from local.events import example
from local.stack import FUNCTIONS
from standins.call import recording
from standins.process import run
from tests.faults.lane import Lane


HERE = Path(__file__).parent
FLOORS = ("floor-empty", "floor-secret")
PEER = "peer"


@dataclass(frozen=True)
class Contestant:
    """One program with its environment and an event that it can be given as often as one likes."""

    name: str
    command: list
    environment: dict[str, str]
    event: dict
    package_bytes: int
    does: str


def build(progress) -> dict[str, Path]:
    """Release builds of the functions, the floors and the commands, by name of the binary."""
    # Apart, because packages that are built together get each feature of a dependency that one of them asks for. The floor asks for
    # the HTTP client of AWS's SDK, which ours have not.
    with progress.step("cargo build --release"):
        return _release(*FUNCTIONS, "sample") | _release("floor")


def _release(*packages: str) -> dict[str, Path]:
    named = [word for name in packages for word in ("--package", name)]
    command = ["cargo", "build", "--release", "--locked", "--bins", "--message-format=json-render-diagnostics", *named]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    artifacts = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    return {a["target"]["name"]: Path(a["executable"]) for a in artifacts if a.get("executable")}


def install_peer(progress) -> Path:
    """The peer's packages in a folder, as its zip would have them; kept for the next run."""
    target, wanted = ROOT / "target" / "bench-peer", (HERE / "peer" / "requirements.txt").read_text()
    if not (target / "installed.txt").exists() or (target / "installed.txt").read_text() != wanted:
        target.mkdir(parents=True, exist_ok=True)
        with progress.step("pip install of the peer's packages"):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target", target]
            requirements = ["--requirement", HERE / "peer" / "requirements.txt"]
            run("pip install", [*pip, *requirements], dict(os.environ), ROOT, target.with_suffix(".log"))
        (target / "installed.txt").write_text(wanted)
    # As a deployment does it: imports find their bytecode.
    subprocess.run([sys.executable, "-m", "compileall", "-q", target, HERE / "peer"], check=False, stdout=subprocess.DEVNULL)
    return target


def zipped_size(files: dict[str, Path]) -> int:
    """Bytes of a zip with these files, packed as `sam deploy` packs them."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "package.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in files.items():
                archive.write(file, name)
        return path.stat().st_size


def all_of(lane: Lane, programs: dict[str, Path], peer: Path) -> list[Contestant]:
    """The floors, ours, and the peer."""
    ours = Ours(lane)
    webhook = ours.environment("recording-webhook") | {"AWS_ENDPOINT_URL": lane.aws.url}
    floors = [Contestant(name, [programs[name]], webhook, ours.callback, zipped_size({"bootstrap": programs[name]}), "answers nothing") for name in FLOORS]
    packages = {str(path.relative_to(peer)): path for path in peer.rglob("*") if path.is_file()} | {"app.py": HERE / "peer" / "app.py"}
    environment = webhook | ours.environment("clone-worker") | {
        "PYTHONPATH": f"{peer}{os.pathsep}{HERE / 'peer'}", "AWS_DEFAULT_REGION": "eu-central-1",
        "PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(HERE / "peer"),
    }  # fmt: skip
    them = Contestant(PEER, [sys.executable, "-m", "awslambdaric", "app.handler"], environment, ours.callback, zipped_size(packages), "a callback")
    return [*floors, *(ours.contestant(name, programs[name]) for name in FUNCTIONS), them]


@dataclass
class Ours:
    """Each of our functions, with an event that it can be given again and again."""

    lane: Lane
    _made: dict = field(default_factory=dict)

    def contestant(self, function: str, program: Path) -> Contestant:
        event, does = self.event(function)
        return Contestant(function, [program], self.environment(function), event, zipped_size({"bootstrap": program}), does)

    def environment(self, function: str) -> dict[str, str]:
        return self.lane.functions.environment(function) | {"AWS_LAMBDA_LOG_LEVEL": "WARN"}

    @property
    def callback(self) -> dict:
        return self.event("recording-webhook")[0]

    def event(self, function: str) -> tuple[dict, str]:
        """The event, and what the function does with it."""
        if function not in self._made:
            self._made[function] = getattr(self, function.replace("-", "_"))()
        return self._made[function]

    def recording_webhook(self):
        return events.made_right(self.lane.scenario, "recording-webhook"), "a callback"

    def recording_ingest(self):
        return message({"call_sid": self._call[0], "recording_sid": self._call[1]}), "a recording that is stored already"

    def clone_voice(self):
        return events.made_right(self.lane.scenario, "voice"), "GET …/voice"

    def voice_consent(self):
        return events.made_right(self.lane.scenario, "voice-consent"), "GET …/voice-consent"

    def clone_worker(self):
        attempt = self.lane.scenario.request_clone(self._employee)["attempt_id"]
        self.lane.aws.send("CloneQueue", json.dumps({"attempt_id": attempt}))
        self.lane.drain()
        return message({"attempt_id": attempt}), "an attempt that is over"

    def voice_erasure(self):
        scenario = self.lane.scenario
        erasure = scenario.one("select start_erasure(%s, %s)", scenario.user("admin")["id"], self._employee)["erasure_id"]
        self.lane.aws.send("ErasureQueue", json.dumps({"erasure_id": erasure}))
        self.lane.drain()
        return message({"erasure_id": erasure}), "an erasure that is over"

    def voice_sweeper(self):
        return example("voice-sweeper"), "a sweep that finds nothing"

    @property
    def _call(self) -> tuple[str, str]:
        return self._stored()[1:]

    @property
    def _employee(self) -> str:
        return self._stored()[0]

    def _stored(self) -> tuple[str, str, str]:
        """An employee with a consent and a stored recording: the employee, the CallSid and the RecordingSid."""
        if "stored" not in self._made:
            scenario = self.lane.scenario
            employee = scenario.new_employee()
            call_sid = scenario.new_call(employee)
            recording_sid = scenario.new_recording(call_sid, recording())
            scenario.callback(recording_sid)
            self.lane.drain()
            scenario.consent(employee)
            self._made["stored"] = employee, call_sid, recording_sid
        return self._made["stored"]


def message(body: dict) -> dict:
    """The event of a queue with one message."""
    event = example("recording-ingest")
    event["Records"] = event["Records"][:1]
    event["Records"][0]["body"] = json.dumps(body)
    return event
