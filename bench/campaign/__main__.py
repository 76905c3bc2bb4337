"""`python -m bench.campaign`: see the package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import marked

from . import __doc__ as about
from . import report
from .plot import svg
from .scenarios import SCENARIOS
from .simulation import Outcome, simulate

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, PLOT = ROOT / "docs" / "scale.md", ROOT / "docs" / "scale.svg"
# The name of the part of the document that is the table.
PART = "make campaign"
# The scenarios that the plot shows.
PLOTTED = "EFGHI"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.campaign", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"keep the table in {DOCUMENT.relative_to(ROOT)} and the plot beside it")
    parser.add_argument("--stack", type=Path, metavar="FILE", help="a stack.json: ask that stack for a small campaign, beside its simulation")
    options = parser.parse_args(words)
    if options.stack:
        from .against_stack import compare

        return compare(options.stack)
    outcomes = [simulate(scenario) for scenario in SCENARIOS]
    table = report.table(outcomes)
    print(table)
    if options.write:
        DOCUMENT.write_text(marked.replaced(DOCUMENT.read_text(), PART, table))
        PLOT.write_text(plot(outcomes))
    return 0


def plot(outcomes: list[Outcome]) -> str:
    return svg([outcome for outcome in outcomes if outcome.scenario.letter in PLOTTED])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
