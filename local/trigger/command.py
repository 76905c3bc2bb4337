"""The command: one story, or the list of all."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..scenario import Missing, Scenario
from . import STORIES, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("story", nargs="?", choices=STORIES, metavar="STORY", help="which; without it all are listed")


def run(arguments: argparse.Namespace, stack_file: Path) -> int:
    """The exit code: 0 if it ended as it has to."""
    if not arguments.story:
        for name, story in STORIES.items():
            print(f"{name:<23} {' '.join(story.__doc__.split())}")
        return 0
    if not stack_file.exists():
        print("no stack is up: `make up` starts one", file=sys.stderr)
        return 2
    scenario = Scenario.of_file(stack_file)
    print(f"{arguments.story}: {' '.join(STORIES[arguments.story].__doc__.split())}\n")
    try:
        tell(arguments.story, scenario)
    except Missing as missing:
        print(f"\nIt went otherwise: {missing}", file=sys.stderr)
        return 1
    finally:
        scenario.close()
    return 0
