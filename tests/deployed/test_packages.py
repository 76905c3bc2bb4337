"""A deployed function is the same bytes wherever its commit is built. `make reproducible` builds twice; this needs no second build."""

from __future__ import annotations

import os
import re
from pathlib import Path

from local.deployment import ROOT
from tests.reproducible.packages import code_sha256


def test_no_folder_of_the_machine_that_built_it_is_in_a_function(stack):
    folders = [str(ROOT), str(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))]
    # Rust's files only: this is a development build, in which aws-lc's C names its files, too.
    ours = re.compile(b"(?:" + b"|".join(re.escape(folder.encode()) for folder in folders) + rb")[\w./-]*\.rs")
    for name, bootstrap in stack["aws"]["bootstraps"].items():
        found = ours.findall(Path(bootstrap).read_bytes())
        assert not found, f"{name} has {found[0]}: `cargo clean` if it was compiled before .cargo/rustc, or unset RUSTC_WRAPPER"


def test_lambda_shows_of_each_function_the_hash_that_its_build_has(scenario, stack):
    for name, bootstrap in stack["aws"]["bootstraps"].items():
        shown = scenario.aws("lambda").get_function_configuration(FunctionName=stack["aws"]["functions"][name])["CodeSha256"]
        assert code_sha256(Path(bootstrap).parent) == shown, name
