"""The command that makes samples, built once."""

from __future__ import annotations

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Run:
    """The command's exit code, its output and its files."""

    exit_code: int
    output: str
    error: str
    folder: Path
    name: str

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.name}.{suffix}"

    @property
    def report(self) -> dict:
        return json.loads(self.path("report.json").read_text())


@pytest.fixture(scope="session")
def executable() -> Path:
    build = subprocess.run(
        ["cargo", "build", "--locked", "--package", "sample", "--message-format=json-render-diagnostics"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )
    artifacts = (json.loads(line) for line in build.stdout.splitlines())
    return Path(next(path for artifact in artifacts if (path := artifact.get("executable"))))


@pytest.fixture
def sample(executable, tmp_path):
    """Runs the command: `sample(newest, older, "--channel", "2")`; with at most `memory` bytes of it, if given."""

    def run(*arguments: str | Path, memory: int = resource.RLIM_INFINITY) -> Run:
        folder = tmp_path / "made"
        ran = subprocess.run(
            [executable, *arguments, "--out", folder], capture_output=True, text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (memory, memory)),
        )
        name = next((argument.stem for argument in arguments if isinstance(argument, Path)), "")
        return Run(ran.returncode, ran.stdout, ran.stderr, folder, name)

    return run
