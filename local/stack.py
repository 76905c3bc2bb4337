"""The whole stack: PostgreSQL with the migrations, the stand-ins of the vendors, the console, the local AWS with the bundle on it.

    with Stack(directory) as stack:            # a test's own: gone at the end, and with the process
        stack.api_url, stack["supabase"]["url"]

    Stack(directory).start(background=True)    # `make up`: stays ...
    Stack(directory).stop()                    # ... until `make down`

While it runs, `directory/stack.json` (readable by its owner only: it holds the stack's keys) says where everything is:

    {"api_url", "public_base_url", "database_url", "console_url", "allowed_origin",
     "aws": {"endpoint_url", "region", "access_key_id", "secret_access_key", "stack_name", "functions": {name: physical name},
             "bootstraps": {name: path of the binary}, "queues": {"recording", "recording_dead_letters", "clone", "clone_dead_letters", "campaign", "campaign_dead_letters", "erasure", "erasure_dead_letters"},
             "secrets": {name: ARN}},
     "supabase": {"url", "secret_key", "jwt_issuer"}, "elevenlabs": {"url", "api_key"}, "twilio": {"url", "account_sid", "auth_token"},
     "organizations": [{"id", "users": [{"id", "role", "token"}], "employees": [{"id", "full_name"}]}]}

`api_url` is where requests go, `public_base_url` what Twilio signs and what the webhook checks against.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import urllib.request
from pathlib import Path

from standins.aws.server import CREDENTIALS, REGION
from standins.postgres import Postgres, apply_migrations
from standins.process import Daemon, write_atomically

from .deployment import ROOT, STACK_NAME, Deployment
from .progress import Progress

ORIGIN = "http://localhost:3000"
# Directory and binary → the function's name in the template.
FUNCTIONS = {
    "recording-webhook": "RecordingWebhook", "recording-ingest": "RecordingIngest", "clone-voice": "CloneVoice", "clone-worker": "CloneWorker",
    "voice-consent": "VoiceConsent", "voice-erasure": "VoiceErasure", "voice-sweeper": "VoiceSweeper",
}


class AlreadyRunning(RuntimeError):
    """A stack is up in this directory."""


class Stack:
    """One stack in `directory`. Its parts are found again by any other object for the same directory."""

    def __init__(self, directory: str | os.PathLike, progress: Progress | None = None):
        self.directory = Path(directory).absolute()
        self.progress = progress or Progress(quiet=True)
        self.file = self.directory / "stack.json"
        self.postgres = Postgres(self.directory / "postgres")
        self.deployment = Deployment(self.directory / "aws", self.progress)
        self._vendors = Daemon(self.directory, "vendors")
        self._console = Daemon(self.directory, "console")
        self._described: dict | None = None

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def __getitem__(self, name: str):
        """An entry of stack.json."""
        if self._described is None:
            self._described = json.loads(self.file.read_text())
        return self._described[name]

    @property
    def api_url(self) -> str:
        return self["api_url"]

    @property
    def database_url(self) -> str:
        return self["database_url"]

    def start(self, background: bool = False) -> None:
        """Starts everything or nothing: when a part fails, those that had come up are taken down again."""
        # For us alone: keys and recordings are in it.
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:  # two `make up` at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.file.exists() and self.deployment.aws.running():
                raise AlreadyRunning(f"a stack is up already, see {self.file}")
            try:
                self._start(die_with_parent=not background)
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Takes everything down, and all data with it; logs stay. Harmless when nothing is up."""
        self.file.unlink(missing_ok=True)
        self._described = None
        self.deployment.stop()
        self._console.stop()
        self._vendors.stop()
        shutil.rmtree(self.directory / "vendors", ignore_errors=True)
        self.postgres.destroy()

    def running(self) -> bool:
        return self.file.exists() and self.deployment.aws.running()

    def _start(self, die_with_parent: bool) -> None:
        self.stop()  # what a crash may have left
        self.deployment.build()
        with self.progress.step("PostgreSQL and the migrations"):
            self.postgres.start(die_with_parent)
            apply_migrations(self.postgres.url)
        with self.progress.step("stand-ins for Twilio, ElevenLabs and Supabase"):
            vendors = self._start_vendors(die_with_parent)
            _raise_upload_limit(vendors["supabase"]["url"])
        # Before the deployment, which has to know the origin of its page.
        with self.progress.step("the console"):
            console_url = self._start_console(die_with_parent)
        with self.progress.step("local AWS"):
            self.deployment.aws.start(die_with_parent)
        secrets = {
            "twilio": {name: vendors["twilio"][name] for name in ("account_sid", "auth_token")},
            "supabase": {"secret_key": vendors["supabase"]["secret_key"]},
            "elevenlabs": {"api_key": vendors["elevenlabs"]["api_key"]},
        }
        arns = {name: self.deployment.aws.create_secret(f"{STACK_NAME}/{name}", value) for name, value in secrets.items()}
        self.deployment.deploy({
            "SupabaseUrl": vendors["supabase"]["url"], "SupabaseSecretArn": arns["supabase"],
            "TwilioApiUrl": vendors["twilio"]["url"], "TwilioSecretArn": arns["twilio"],
            "ElevenLabsApiUrl": vendors["elevenlabs"]["url"], "ElevenLabsSecretArn": arns["elevenlabs"],
            "AllowedOrigins": f"{ORIGIN},{console_url}",
        })
        self._describe(vendors, console_url, arns)

    def _start_vendors(self, die_with_parent: bool) -> dict:
        ready = self.directory / "vendors.json"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "standins", "--database-url", self.postgres.authenticator_url, "--seed", self.postgres.url,
            "--directory", self.directory / "vendors", "--ready", ready,
        ]
        return self._started(self._vendors, command, ready, die_with_parent)

    def _start_console(self, die_with_parent: bool) -> str:
        """Starts the console and returns its address. It listens at once, and works as soon as there is a stack.json."""
        ready = self.directory / "console.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "local.console", "--stack", self.file, "--ready", ready]
        return self._started(self._console, command, ready, die_with_parent)["url"]

    def _started(self, daemon: Daemon, command: list, ready: Path, die_with_parent: bool) -> dict:
        """The content of the file that the process writes once it listens."""
        daemon.start(command, dict(os.environ), die_with_parent, cwd=ROOT)
        if not daemon.becomes(ready.exists):
            raise daemon.not_started()
        return json.loads(ready.read_text())

    def _describe(self, vendors: dict, console_url: str, arns: dict[str, str]) -> None:
        outputs = self.deployment.outputs
        described = {
            "api_url": self.deployment.api_url,
            "public_base_url": outputs["PublicBaseUrl"],
            "database_url": self.postgres.url,
            "console_url": console_url,
            "aws": {
                "endpoint_url": self.deployment.aws.endpoint_url,
                "region": REGION,
                "access_key_id": CREDENTIALS["aws_access_key_id"],
                "secret_access_key": CREDENTIALS["aws_secret_access_key"],
                "stack_name": STACK_NAME,
                "functions": {name: f"{STACK_NAME}-{name}" for name in FUNCTIONS},
                "bootstraps": {name: str(self.deployment.bootstrap(logical_id)) for name, logical_id in FUNCTIONS.items()},
                "queues": {
                    "recording": outputs["RecordingQueueUrl"],
                    "recording_dead_letters": outputs["RecordingDeadLettersUrl"],
                    "clone": outputs["CloneQueueUrl"],
                    "clone_dead_letters": outputs["CloneDeadLettersUrl"],
                    "campaign": outputs["CampaignQueueUrl"],
                    "campaign_dead_letters": outputs["CampaignDeadLettersUrl"],
                    "erasure": outputs["ErasureQueueUrl"],
                    "erasure_dead_letters": outputs["ErasureDeadLettersUrl"],
                },
                "secrets": arns,
            },
            "allowed_origin": ORIGIN,
            **{name: vendors[name] for name in ("supabase", "elevenlabs", "twilio", "organizations")},
        }
        write_atomically(self.file, json.dumps(described, indent=2))


def _raise_upload_limit(supabase_url: str) -> None:
    """As docs/operations.md asks of everybody: two hours of a call."""
    request = urllib.request.Request(f"{supabase_url}/_control/account", json.dumps({"file_size_limit": 250_000_000}).encode(), method="PUT")
    # The stack is on this machine; a proxy in the environment must not see it.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60):
        pass
