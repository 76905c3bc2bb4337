"""`python -m local up | down | demo`: the stack on this machine. `make up`, `make down` and `make demo` call it."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from .aws import ROOT
from .demo import demo
from .progress import Progress
from .stack import AlreadyRunning, Stack

HOME = ROOT / ".local"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start the stack and keep it; .local/stack.json says where everything is")
    commands.add_parser("down", help="stop it")
    run = commands.add_parser("demo", help="a call becomes a voice, each step with its time; exit code 1 if anything is not as it should be")
    run.add_argument("--stack", type=Path, metavar="FILE", help="a stack.json of a stack that is up; without it a stack of its own, gone afterwards")
    arguments = parser.parse_args()

    # Else a SIGTERM would end us without ending what we started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    progress = Progress()
    if arguments.command == "up":
        return up(progress)
    if arguments.command == "down":
        Stack(HOME, progress).stop()
        return 0
    if arguments.stack:
        return demo(arguments.stack, progress)
    with tempfile.TemporaryDirectory(prefix="understudy-demo-") as directory, Stack(directory, progress) as stack:
        return demo(stack.file, progress)


def up(progress: Progress) -> int:
    stack = Stack(HOME, progress)
    try:
        stack.start(background=True)
    except AlreadyRunning as running:
        print(running)
        return 0
    print(f"\nThe stack is up: {stack.file}\n  API            {stack.api_url}\n  stop it with   make down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
