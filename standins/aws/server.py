"""A local AWS with IAM enforced: ministack (AUTH=true).

    aws = LocalAws(directory)
    aws.start(); aws.endpoint_url, aws.client("sqs")
    aws.stop()

The functions are the real `bootstrap` binaries; they run as processes with the credentials of their role, and what the role does not
allow is denied.

Surprises:
* The access key "test" is this AWS's root, always. It listens on 127.0.0.1 only.
* ministack passes its own environment on to the functions, so it gets as little of ours as possible.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from pathlib import Path

from ..process import Daemon
from .client import aws_client

REGION = "eu-central-1"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

# It is on this machine; a proxy in the environment must not see what is asked.
_no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalAws:
    """One local AWS whose state is in `directory`; another object for the same directory finds it again."""

    def __init__(self, directory: Path):
        self.directory = Path(directory).absolute()
        self._daemon = Daemon(self.directory, "ministack")
        self._port_file = self.directory / "ministack.port"

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port_file.read_text()}"

    def start(self, die_with_parent: bool = False) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._daemon.start_on_free_port(lambda port: self._launch(port, die_with_parent), self._is_ready)

    def stop(self) -> None:
        """Ends the server and every function process, and forgets everything but the logs."""
        self._daemon.stop()
        for name in ("tmp", "state"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def running(self) -> bool:
        return self._daemon.running()

    def client(self, service: str):
        """A boto3 client with the rights of the account's root."""
        return aws_client(service, self.endpoint_url, REGION, **CREDENTIALS)

    def create_secret(self, name: str, value: dict) -> str:
        """Returns the ARN."""
        return self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))["ARN"]

    def _launch(self, port: int, die_with_parent: bool) -> None:
        self._port_file.write_text(str(port))
        # From the same virtual environment that runs us.
        program = Path(sys.executable).with_name("ministack")
        self._daemon.start([program], self._environment(port), die_with_parent, cwd=self.directory)

    def _is_ready(self) -> bool:
        try:
            with _no_proxy.open(f"{self.endpoint_url}/_ministack/health", timeout=5):
                return True
        except OSError:
            return False

    def _environment(self, port: int) -> dict[str, str]:
        temporary, state = self.directory / "tmp", self.directory / "state"
        temporary.mkdir(exist_ok=True)
        state.mkdir(exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "TMPDIR": str(temporary),  # the functions' code is unpacked there
            "STATE_DIR": str(state),
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",  # it would listen on every interface
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",  # else it opens port 8883 on every interface
            "SFTP_ENABLED": "0",
            # LoggingConfig comes to this in the cloud.
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "DOCKER_HOST": "unix:///nonexistent",  # no function needs a container; none is looked for
            "AWS_ENDPOINT_URL": self.endpoint_url,  # where the functions' AWS SDK goes
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        }
