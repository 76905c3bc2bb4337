"""The functions, compiled by cargo with an account of how far it is. `sam build` would compile them too, but in silence."""

from __future__ import annotations

import re
import time
from pathlib import Path

from standins.process import run, tail

from .progress import Progress

# cargo's own progress bar: "Building [=====>   ] 123/345: tokio, serde".
BAR = re.compile(r"\] (\d+)/(\d+)")
# cargo draws the bar for terminals only, unless it is told to.
ALWAYS = {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "80", "CARGO_TERM_COLOR": "never"}


def compile_functions(root: Path, log: Path, environment: dict[str, str], progress: Progress) -> None:
    """Compiles every package of `functions/` in the dev profile. Raises ProcessFailed."""
    packages = [word for package in sorted(path.parent.name for path in root.glob("functions/*/Cargo.toml")) for word in ("--package", package)]
    log.unlink(missing_ok=True)
    with progress.step("cargo build (the first one compiles every dependency: a few minutes)", so_far=HowFar(log)):
        run("cargo build", ["cargo", "build", "--locked", "--bins", *packages], environment | ALWAYS, root, log)


class HowFar:
    """The progress of a cargo that is at work, read from its log: "123 of 345 crates, about 60 s to go"."""

    def __init__(self, log: Path):
        self._log = log
        self._began = time.monotonic()

    def __call__(self) -> str:
        states = BAR.findall(tail(self._log))
        if not states:
            return "the dependencies are being looked up"
        done, of = map(int, states[-1])
        # Crates differ, so this is a guess, and it is called one.
        left = (time.monotonic() - self._began) * (of - done) / max(done, 1)
        return f"{done} of {of} crates compiled, about {left:.0f} s to go"
