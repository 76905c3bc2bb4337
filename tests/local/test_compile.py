"""The progress of a build, read from cargo's own bar, and the failure of one."""

from __future__ import annotations

import os
import subprocess
import sys

from local import compile
from local.deployment import ROOT


def test_a_build_that_goes_on_tells_crates_done_of_crates_to_do(tmp_path, monkeypatch):
    log = tmp_path / "cargo.log"
    how_far = compile.HowFar(log)
    log.write_text("   Compiling syn v2.0.1\n\r    Building [====>      ] 12/255: syn, tokio\r    Building [=====>     ] 60/240: serde\r")
    monkeypatch.setattr(compile.time, "monotonic", lambda: how_far._began + 20)

    assert how_far() == "60 of 240 crates compiled, about 60 s to go"


def test_a_build_that_has_not_begun_to_compile_says_so(tmp_path):
    assert compile.HowFar(tmp_path / "missing.log")() == "the dependencies are being looked up"


def test_a_machine_without_cargo_is_told_so_without_a_traceback(tmp_path):
    environment = os.environ | {"PATH": str(tmp_path), "CARGO_TARGET_DIR": str(tmp_path)}
    demo = subprocess.run([sys.executable, "-m", "local", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert demo.returncode == 1
    assert demo.stderr == "\ncargo build cannot be started: [Errno 2] No such file or directory: 'cargo'\n"
