"""`python -m tests.reproducible`: see the package."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from local.deployment import ROOT, architecture
from local.progress import Progress
from local.stack import FUNCTIONS
from standins.process import run

from . import __doc__ as about
from .packages import code_sha256

# Of different lengths, because the length of a path could be what matters.
PLACES = ("a", "another/much-longer-place")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reproducible", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", nargs="?", choices=FUNCTIONS, help="one function; all of them without it")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default=architecture(), help="the processor to build for (this machine's)")
    options, progress = parser.parse_args(words), Progress()
    # The modes of the files are in the zip.
    os.umask(0o022)
    with TemporaryDirectory(prefix="understudy-") as directory:
        first, second = (hashes(Path(directory, place), options, progress) for place in PLACES)
    for name in first:
        print(f"{name:<18} {first[name]}" + ("" if first[name] == second[name] else f"  differs: {second[name]}"))
    different = sum(first[name] != second[name] for name in first)
    print(f"{len(first)} functions built twice, {different} different")
    return int(bool(different))


def hashes(place: Path, options: argparse.Namespace, progress: Progress) -> dict[str, str]:
    """Builds the commit in a clone of its own, and returns the hash of each function's zip. Raises ProcessFailed."""
    checkout, cargo_home, log = place / "understudy", place / "cargo", place / "sam-build.log"
    subprocess.run(["git", "clone", "--quiet", ROOT, checkout], check=True)
    cargo_home.mkdir()
    # Nothing is downloaded twice, and still rustc is given other paths.
    registry = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"), "registry")
    registry.mkdir(parents=True, exist_ok=True)
    (cargo_home / "registry").symlink_to(registry)
    functions = {name: FUNCTIONS[name] for name in ([options.function] if options.function else FUNCTIONS)}
    command = [
        Path(sys.executable).with_name("sam"), "build", *(functions.values() if options.function else ()),
        "--parameter-overrides", f"Architecture={options.architecture}",
    ]  # fmt: skip
    ours = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "RUSTFLAGS", "SAM_BUILD_MODE")}
    environment = ours | {
        "CARGO_HOME": str(cargo_home), "SAM_CLI_TELEMETRY": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    with progress.step(f"sam build in {place}"):
        run("sam build", command, environment, checkout, log)
    return {name: code_sha256(checkout / ".aws-sam" / "build" / logical_id) for name, logical_id in functions.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
