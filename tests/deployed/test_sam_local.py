"""`sam local invoke` and `sam local start-api` on every function, in Docker, with the stack behind them.

The output is asserted: `sam local invoke` exits with 0 even when the function fails. Skipped, with the reason, where no
Docker Engine answers or its image cannot be had.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

from local.bridge import Bridge, NoBridge
from local.deployment import ROOT, architecture
from local.events import EVENTS, example, made_right
from local.stack import FUNCTIONS
from standins.aws.server import CREDENTIALS, REGION
from standins.process import Daemon, free_port

from .outcomes import assert_done, assert_refused

# Seconds; the first run builds sam's own image on top of AWS's.
PATIENCE = 300
IMAGE = f"public.ecr.aws/lambda/provided:al2023-{architecture()}"


@pytest.fixture(scope="module")
def sam(stack, tmp_path_factory):
    try:
        client = docker.from_env()
        have_image(client)
        with Bridge(stack, tmp_path_factory.mktemp("bridge")) as bridge:
            yield Sam(stack, bridge, tmp_path_factory.mktemp("sam"))
    except NoBridge as reason:
        pytest.skip(f"`sam local` is not tested: {reason}")
    except DockerException as error:
        pytest.skip(f"`sam local` is not tested: no Docker Engine answers ({error})")


def have_image(client) -> None:
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        try:
            client.images.pull(IMAGE)
        except DockerException as error:
            pytest.skip(f"`sam local` is not tested: the image {IMAGE} is not here and cannot be pulled ({error})")


class Sam:
    """`sam local` as docs/testing.md says, with this stack instead of the one in .local."""

    def __init__(self, stack, bridge: Bridge, directory: Path):
        self.directory = directory
        self.supabase_url = json.loads(bridge.env_file.read_text())["CloneVoice"]["SUPABASE_URL"]
        template = Path(stack["aws"]["bootstraps"]["clone-voice"]).parents[1] / "template.yaml"
        self._options = [
            "--config-file", ROOT / "samconfig.toml", "--template-file", template, "--env-vars", bridge.env_file,
            "--parameter-overrides", f"Architecture={architecture()}", "--skip-pull-image",
        ]  # fmt: skip

    def invoke(self, name: str, event: dict) -> dict:
        """The function's answer: all that `sam` writes to standard output."""
        done = subprocess.run(
            self.command("invoke", FUNCTIONS[EVENTS[name]], "--event", "-"), input=json.dumps(event), env=self.environment, cwd=ROOT,
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.stdout.strip(), done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def api(self):
        """`sam local start-api`; gives its URL."""
        daemon, port = Daemon(self.directory, "start-api"), free_port()
        daemon.start(self.command("start-api", "--port", str(port)), self.environment, die_with_parent=True, cwd=ROOT)
        try:
            yield f"http://127.0.0.1:{port}", daemon
        finally:
            daemon.stop()

    def command(self, subcommand: str, *arguments: str) -> list:
        return [Path(sys.executable).with_name("sam"), "local", subcommand, *arguments, *self._options]

    @property
    def environment(self) -> dict[str, str]:
        keys = {name.upper(): value for name, value in CREDENTIALS.items()}
        return os.environ | keys | {"AWS_DEFAULT_REGION": REGION, "SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": str(self.directory)}


@pytest.mark.parametrize("name", EVENTS)
def test_sam_local_invoke_refuses_an_event_as_it_stands(sam, name):
    assert_refused(name, sam.invoke(name, example(name)))


@pytest.mark.parametrize("name", EVENTS)
def test_sam_local_invoke_does_an_event_made_right(sam, scenario, name):
    event = made_right(scenario, name, sam.supabase_url)
    assert_done(scenario, name, event, sam.invoke(name, event))


def test_sam_local_start_api_serves_the_callback_and_catches_all_else(sam, scenario):
    with sam.api() as (url, daemon):

        def up():
            assert daemon.running(), daemon.last_words()
            try:
                return scenario.request("GET", f"{url}/nowhere")
            except OSError:
                return None

        answer = scenario.until(up, "sam's API", PATIENCE)
        assert (answer.status, answer.json()["code"]) == (404, "route_not_found"), answer.body

        event = made_right(scenario, "recording-webhook")
        answer = post(scenario, url, event)
        assert answer.status == 204, daemon.last_words()
        assert_done(scenario, "recording-webhook", event, {"statusCode": answer.status})
        event["headers"]["x-twilio-signature"] = "AAAA"
        assert post(scenario, url, event).status == 403


def post(scenario, url: str, event: dict):
    headers = {name: event["headers"][name] for name in ("content-type", "x-twilio-signature")}
    return scenario.request("POST", f"{url}{event['rawPath']}", base64.b64decode(event["body"]), headers)
