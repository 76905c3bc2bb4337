"""The unmodified template, built with `sam build` and deployed with `sam deploy` to a local AWS.

    deployment = Deployment(directory)
    deployment.build()
    deployment.aws.start(); deployment.deploy({"SupabaseUrl": …, …}); deployment.api_url
    deployment.stop()

Surprises:
* The API is reached by path, http://127.0.0.1:PORT/_aws/execute-api/<api id>/…, so that any HTTP client can; the functions see
  the path without that prefix, as in the cloud. The public URL, over which Twilio signs, is another one: the template's output.
* ministack does not know saved queries (AWS::Logs::QueryDefinition) and refuses them, so they are left out by their parameter.
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
import urllib.request
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from standins.aws.server import CREDENTIALS, REGION, LocalAws
from standins.process import run

from .compile import compile_functions
from .progress import Progress

ROOT = Path(__file__).resolve().parent.parent
STACK_NAME = "understudy"
# The employee's channel in the call of `standins.call`.
EMPLOYEE_CHANNEL = "2"
# Seconds; only reached when something is broken.
PATIENCE = 60


class Deployment:
    """The bundle and the local AWS that it is deployed to, both in `directory`; another object for the same directory finds them again."""

    def __init__(self, directory: Path, progress: Progress | None = None):
        self.directory = Path(directory).absolute()
        self.aws = LocalAws(self.directory)
        self._progress = progress or Progress(quiet=True)

    def stop(self) -> None:
        """Ends the local AWS with every function process, and forgets everything but the build and the logs."""
        self.aws.stop()
        shutil.rmtree(self.directory / "sam", ignore_errors=True)

    def build(self) -> None:
        """`sam build` in the fast profile, for this machine's processor. One at a time for each target directory."""
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        target.mkdir(parents=True, exist_ok=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        with (target / ".sam-build.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with self._progress.step("waiting for another build in this checkout"):
                    fcntl.flock(lock, fcntl.LOCK_EX)
            compile_functions(ROOT, self.directory / "cargo-build.log", dict(os.environ) | {"CARGO_TARGET_DIR": str(target)}, self._progress)
            with self._progress.step("sam build"):
                self._sam(
                    "build", "--template-file", str(ROOT / "template.yaml"), "--build-dir", str(self.directory / "build"),
                    "--parameter-overrides", f"Architecture={architecture()}",
                    # Without cargo-lambda's cross compiler: what runs here shares what `cargo test` has compiled (.cargo/config.toml).
                    environment={"SAM_BUILD_MODE": "debug", "CARGO_TARGET_DIR": str(target)} | _CARGO_ALONE,
                )

    def deploy(self, parameters: dict[str, str]) -> None:
        """`sam deploy` of what `build` made. Values must not contain spaces."""
        parameters = {"EmployeeChannel": EMPLOYEE_CHANNEL, "SavedQueries": "false"} | parameters | {"Architecture": architecture()}
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        with self._progress.step("sam deploy"):
            self._sam(
                "deploy", "--template-file", str(self.directory / "build" / "template.yaml"), "--stack-name", STACK_NAME,
                "--region", REGION, "--no-progressbar", "--no-confirm-changeset", "--parameter-overrides", *overrides,
                environment={"AWS_ENDPOINT_URL": self.aws.endpoint_url},
            )
        self._set_cors()
        self._set_concurrency()

    def bootstrap(self, logical_id: str) -> Path:
        """The built binary of a function."""
        return self.directory / "build" / logical_id / "bootstrap"

    @property
    def outputs(self) -> dict[str, str]:
        stack = self.aws.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @property
    def api_url(self) -> str:
        return f"{self.aws.endpoint_url}/_aws/execute-api/{self.outputs['ApiId']}"

    def _sam(self, *arguments: str, environment: dict[str, str]) -> None:
        log = self.directory / f"sam-{arguments[0]}.log"
        # From the same virtual environment that runs us.
        command = [Path(sys.executable).with_name("sam"), arguments[0], "--config-file", str(ROOT / "samconfig.toml"), *arguments[1:]]
        run(f"sam {arguments[0]}", command, self._sam_environment() | environment, ROOT, log)

    def _sam_environment(self) -> dict[str, str]:
        # The user's own AWS settings are left out: nothing here may ever reach a real account.
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
        request = AWSRequest("GET", f"{self.aws.endpoint_url}/v2/apis/{api_id}")
        SigV4Auth(Credentials(*CREDENTIALS.values()), "apigateway", REGION).add_auth(request)
        with _no_proxy.open(urllib.request.Request(request.url, headers=dict(request.headers)), timeout=PATIENCE) as answer:
            cors = json.load(answer).get("corsConfiguration")
        if cors and "AllowOrigins" in cors:
            cors["MaxAge"] = int(cors["MaxAge"])
            self.aws.client("apigatewayv2").update_api(ApiId=api_id, CorsConfiguration=cors)

    def _set_concurrency(self) -> None:
        """ministack keeps the parameter's text where a number belongs, and its queue poller then fails."""
        client = self.aws.client("lambda")
        for source in client.list_event_source_mappings()["EventSourceMappings"]:
            limit = int(source["ScalingConfig"]["MaximumConcurrency"])
            client.update_event_source_mapping(UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": limit})


# A user whose containers have an older C library than this machine sets the cross compiler again: see docs/testing.md.
_CARGO_ALONE = {} if "CARGO_LAMBDA_COMPILER" in os.environ else {"CARGO_LAMBDA_COMPILER": "cargo"}
# The stack is on this machine; a proxy in the environment must not see it.
_no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def architecture() -> str:
    """The functions run here as they are, so they are built for this processor."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
