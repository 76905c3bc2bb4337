"""The TypeScript client of the contract: its example compiles, runs against the stack, and misses no code of a refusal."""

from __future__ import annotations

import copy
import io
import os
import re
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from standins.call import recording
from local.npm import npm
from tests.deployed.contract import document
from tests.deployed.people import with_recording
from tests.deployed.trial import Trial

NODE = Path(sys.executable).parent / "node"


@pytest.fixture(scope="module")
def client(build) -> Path:
    """The folder of the built client."""
    where, built = build(document())
    assert built.returncode == 0, built.stdout + built.stderr
    return where


@pytest.fixture
def trial(stack):
    around = Trial(stack)
    around.clean()
    yield around
    around.close()


@pytest.fixture
def run(client, stack):
    """The output of the example for these employees, asked with this token."""
    def run(token: str, *employees: str) -> str:
        environment = os.environ | {"UNDERSTUDY_TOKEN": token}
        done = subprocess.run([NODE, "dist/example.js", stack["api_url"], *employees], cwd=client, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def beginning(audio: bytes, seconds: int) -> bytes:
    """The first seconds of a WAV."""
    shorter = io.BytesIO()
    with wave.open(io.BytesIO(audio)) as whole, wave.open(shorter, "wb") as out:
        out.setparams(whole.getparams())
        out.writeframes(whole.readframes(seconds * whole.getframerate()))
    return shorter.getvalue()


def test_the_example_follows_a_clone_to_its_voice_and_shows_the_report(trial, run):
    employee = with_recording(trial, consent=True)
    shown = run(trial.user("admin")["token"], employee)
    state = trial.voice(employee).json()
    assert f"ready: {state['voice_id']}" in shown
    assert f"verdict: good, {state['report']['speech_seconds']} s of speech in a sample of {state['report']['sample_seconds']} s" in shown
    assert "recording: " in shown and "refused" not in shown


def test_the_example_meets_refusals_and_says_what_to_do(trial, run):
    spoke_too_little = with_recording(trial, consent=True, audio=beginning(recording(), 20))
    without_consent, without_recording = with_recording(trial, consent=False), trial.new_employee()
    trial.consent(without_recording)
    nobody = "00000000-0000-4000-8000-000000000000"
    shown = run(trial.user("admin")["token"], spoke_too_little, without_consent, without_recording, nobody)
    refused = dict(re.findall(r"^(\S+)  refused: (\w+)", shown, re.MULTILINE))
    assert refused == {
        spoke_too_little: "sample_too_short", without_consent: "consent_required", without_recording: "recording_missing", nobody: "employee_not_found",
    }  # fmt: skip
    # One that the attempt came to, with its figure, and one that the request was refused with.
    assert re.search(rf"{spoke_too_little}    measured: [\d.]+ seconds, wanted: 30", shown)
    assert "Invite the employee to consent." in shown
    assert "refused: role_forbidden" in run(trial.user("member")["token"], without_consent)
    assert "refused: token_invalid" in run("nonsense", without_consent)


def test_a_code_that_is_new_in_the_contract_does_not_compile_until_it_is_handled(build):
    newer = copy.deepcopy(document())
    newer["components"]["schemas"]["CloneRefusal"]["enum"].append("attempt_unheard_of")
    refused = newer["paths"]["/api/employees/{employee_id}/clone-voice"]["post"]["responses"]["422"]["content"]["application/problem+json"]
    refused["schema"]["allOf"][1]["properties"]["code"]["enum"].append("request_unheard_of")
    _, built = build(newer)
    assert built.returncode != 0
    (error,) = re.findall(r"^example\.ts.*", built.stdout, re.MULTILINE)
    assert re.search("attempt_unheard_of.*'never'", error) and re.search("request_unheard_of.*'never'", error), error


def test_the_package_holds_the_client_and_nothing_else(client):
    packed = npm("pack", "--dry-run", "--json", "--ignore-scripts", cwd=client)
    assert packed.returncode == 0, packed.stderr
    assert '"dist/src/index.js"' in packed.stdout and '"dist/src/index.d.ts"' in packed.stdout
    assert "node_modules" not in packed.stdout and "dist/example" not in packed.stdout
