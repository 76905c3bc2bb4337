"""A local AWS, and the unmodified template deployed to it with `sam build` and `sam deploy`.

    aws = LocalAws(directory)
    aws.start(); aws.build(); aws.deploy({"SupabaseUrl": …, …}); aws.api_url
    aws.stop()

It is ministack with IAM enforced (AUTH=true): the functions are the real `bootstrap` binaries, they run as processes with the
credentials of their role, and what the role does not allow is denied.

What surprises:
* The API is reached by path, http://127.0.0.1:PORT/_aws/execute-api/<api id>/…, so that any HTTP client can; the functions see
  the path without that prefix, as in the cloud. The public URL, over which Twilio signs, is another one: the template's output.
* The access key "test" is this AWS's root, always. It listens on 127.0.0.1 only.
* ministack passes its own environment on to the functions, so it gets as little of ours as possible.
* Two things that ministack 1.5 does not take over from CloudFormation are set again after the deployment, with the values that
  the template came to: `_set_cors` and `_set_concurrency`.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import sys
import time
import urllib.request
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .aws_client import aws_client
from .process import Daemon, free_port, run
from .progress import Progress

ROOT = Path(__file__).resolve().parent.parent
REGION = "eu-central-1"
STACK_NAME = "understudy"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
# The employee's in the call of `local.call`.
EMPLOYEE_CHANNEL = "2"
# Seconds; only reached when something is broken.
PATIENCE = 60


class LocalAws:
    """One local AWS whose state is in `directory`; another object for the same directory finds it again."""

    def __init__(self, directory: Path, progress: Progress | None = None):
        self.directory = Path(directory).absolute()
        self._progress = progress or Progress(quiet=True)
        self._daemon = Daemon(self.directory, "ministack")
        self._port_file = self.directory / "ministack.port"

    # -- the server ----------------------------------------------------------------------------------------------------

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port_file.read_text()}"

    def start(self, die_with_parent: bool = False) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # Somebody may take the free port first: then ministack ends at once and another port is tried.
        for _ in range(5):
            self._port_file.write_text(str(free_port()))
            self._daemon.start([_program("ministack")], self._server_environment(), die_with_parent, cwd=self.directory)
            if self._becomes_ready():
                return
            self._daemon.stop()
        raise RuntimeError(f"the local AWS does not start:\n{self._daemon.last_words()}")

    def stop(self) -> None:
        """Ends the server and every function process, and forgets everything but the build and the logs."""
        self._daemon.stop()
        for name in ("tmp", "state", "sam"):
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def running(self) -> bool:
        return self._daemon.running()

    def client(self, service: str):
        """A boto3 client with the rights of the account's root."""
        return aws_client(service, self.endpoint_url, REGION, **CREDENTIALS)

    def _server_environment(self) -> dict[str, str]:
        temporary, state = self.directory / "tmp", self.directory / "state"
        temporary.mkdir(exist_ok=True)
        state.mkdir(exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "TMPDIR": str(temporary),  # the functions' code is unpacked there
            "STATE_DIR": str(state),
            "GATEWAY_PORT": self._port_file.read_text(),
            "BIND_HOST": "127.0.0.1",  # it would listen on every interface
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",  # else it opens port 8883 on every interface
            "SFTP_ENABLED": "0",
            # What LoggingConfig comes to in the cloud.
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "DOCKER_HOST": "unix:///nonexistent",  # no function needs a container; none is looked for
            "AWS_ENDPOINT_URL": self.endpoint_url,  # where the functions' AWS SDK goes
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        }

    def _becomes_ready(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._daemon.running():
            try:
                with _no_proxy.open(f"{self.endpoint_url}/_ministack/health", timeout=5):
                    return True
            except OSError:
                time.sleep(0.05)
        return False

    # -- the bundle ----------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """`sam build` in the fast profile, for this machine's processor. One at a time for each target directory."""
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        target.mkdir(parents=True, exist_ok=True)
        with (target / ".sam-build.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with self._progress.step("waiting for another build in this checkout"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            with self._progress.step("sam build (the first one compiles every dependency: some minutes)"):
                self._sam(
                    "build", "--template-file", str(ROOT / "template.yaml"), "--build-dir", str(self.directory / "build"),
                    "--parameter-overrides", f"Architecture={architecture()}",
                    # Without cargo-lambda's cross compiler: what runs here shares what `cargo test` has compiled (.cargo/config.toml).
                    environment={"SAM_BUILD_MODE": "debug", "CARGO_TARGET_DIR": str(target)} | _CARGO_ALONE,
                )

    def create_secret(self, name: str, value: dict) -> str:
        """Returns the ARN."""
        return self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(value))["ARN"]

    def deploy(self, parameters: dict[str, str]) -> None:
        """`sam deploy` of what `build` made. Values must not contain spaces."""
        parameters = {"EmployeeChannel": EMPLOYEE_CHANNEL} | parameters | {"Architecture": architecture()}
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        with self._progress.step("sam deploy"):
            self._sam(
                "deploy", "--template-file", str(self.directory / "build" / "template.yaml"), "--stack-name", STACK_NAME,
                "--region", REGION, "--no-progressbar", "--no-confirm-changeset", "--parameter-overrides", *overrides,
                environment={"AWS_ENDPOINT_URL": self.endpoint_url},
            )
        self._set_cors()
        self._set_concurrency()

    def bootstrap(self, logical_id: str) -> Path:
        """The built binary of a function."""
        return self.directory / "build" / logical_id / "bootstrap"

    @property
    def outputs(self) -> dict[str, str]:
        stack = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @property
    def api_url(self) -> str:
        return f"{self.endpoint_url}/_aws/execute-api/{self.outputs['ApiId']}"

    def _sam(self, *arguments: str, environment: dict[str, str]) -> None:
        log = self.directory / f"sam-{arguments[0]}.log"
        command = [_program("sam"), arguments[0], "--config-file", str(ROOT / "samconfig.toml"), *arguments[1:]]
        self.directory.mkdir(parents=True, exist_ok=True)
        code = run(command, self._sam_environment() | environment, ROOT, log)
        if code:
            raise RuntimeError(f"sam {arguments[0]} failed with {code}:\n{log.read_text(errors='replace')[-6000:]}")

    def _sam_environment(self) -> dict[str, str]:
        # None of the user's own AWS settings: nothing here may ever reach a real account.
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return ours | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self.directory / "sam"),
        }

    def _set_cors(self) -> None:
        """ministack keeps CloudFormation's spelling of CorsConfiguration, which its API does not understand."""
        api_id = self.outputs["ApiId"]
        request = AWSRequest("GET", f"{self.endpoint_url}/v2/apis/{api_id}")
        SigV4Auth(Credentials(*CREDENTIALS.values()), "apigateway", REGION).add_auth(request)
        with _no_proxy.open(urllib.request.Request(request.url, headers=dict(request.headers)), timeout=PATIENCE) as answer:
            cors = json.load(answer).get("corsConfiguration")
        if cors and "AllowOrigins" in cors:
            cors["MaxAge"] = int(cors["MaxAge"])
            self.client("apigatewayv2").update_api(ApiId=api_id, CorsConfiguration=cors)

    def _set_concurrency(self) -> None:
        """ministack keeps the parameter's text where a number belongs, and its queue poller then fails."""
        client = self.client("lambda")
        for source in client.list_event_source_mappings()["EventSourceMappings"]:
            limit = int(source["ScalingConfig"]["MaximumConcurrency"])
            client.update_event_source_mapping(UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": limit})


# Somebody whose containers have an older C library than this machine sets the cross compiler again: see docs/testing.md.
_CARGO_ALONE = {} if "CARGO_LAMBDA_COMPILER" in os.environ else {"CARGO_LAMBDA_COMPILER": "cargo"}
# The stack is on this machine; a proxy in the environment must not see it.
_no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def architecture() -> str:
    """The functions run here as they are, so they are built for this processor."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def _program(name: str) -> str:
    """From the same virtual environment that runs us."""
    return str(Path(sys.executable).parent / name)
