"""`python -m bench.cost`: see the package."""

from __future__ import annotations

import argparse
import sys

from . import __doc__ as about


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="count calls, log lines and looks again first")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/operations.md")
    options = parser.parse_args(words)
    if options.measure:
        from .measure import measure  # which starts a database and the stand-ins

        measure()
    from . import report

    print(report.tables())
    if options.write:
        report.write()


if __name__ == "__main__":
    main(sys.argv[1:])
