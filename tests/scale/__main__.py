"""`python -m tests.scale`: see the package."""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Iterator

import psycopg

from local.progress import Progress
from standins.postgres import Postgres, apply_migrations, with_database

from . import __doc__ as about
from . import proofs
from .measure import CALLS, forgotten, measure, table
from .recipes import NOT_MEASURED, RECIPES
from .seeding import fill

# For the proof of the consents: seven of ten employees have one that is open.
EMPLOYEES_FOR_A_CONSENT = 2


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["functions", "proofs", "all"], default="all", help="what to do (all)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000], metavar="N", help="numbers of employees (1000 100000)")
    parser.add_argument("--calls", type=int, default=CALLS, metavar="N", help=f"how often each function is called at each size ({CALLS})")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="functions whose name has this")
    parser.add_argument("--recordings", type=int, default=100_000, metavar="N", help="of one employee, to erase (100000)")
    parser.add_argument("--consents", type=int, default=10_000, metavar="N", help="that expire in the same second (10000)")
    parser.add_argument("--patience", type=float, default=1800, metavar="S", help="seconds after which a proof is given up (1800)")
    options, progress = parser.parse_args(words), Progress()
    wrong = []
    with server(progress) as postgres:
        if options.part != "proofs":
            wrong += functions(postgres, options, progress)
        if options.part != "functions":
            wrong += many_recordings(postgres, options, progress)
            wrong += many_consents(postgres, options, progress)
    print("\n".join(wrong or ["nothing grows, and no call takes long"]))
    return int(bool(wrong))


def functions(postgres: Postgres, options: argparse.Namespace, progress: Progress) -> list[str]:
    """Prints what each function costs at each size; returns what is wrong with them."""
    sizes = sorted(set(options.sizes))
    with ExitStack() as closing:
        databases = {}
        for size in sizes:
            with progress.step(f"{size:,} employees"):
                url = filled(postgres, f"scale_{size}", size)
            databases[size] = closing.enter_context(psycopg.connect(url, autocommit=True))
            stored = databases[size].execute("select pg_database_size(current_database())").fetchone()[0]
            progress.say(f"  they take {stored / 1e9:.2f} GB")
        wrong = [f"{name}: no recipe, or no such function" for name in forgotten(databases[sizes[0]])]
        recipes = [recipe for recipe in RECIPES if options.only.search(recipe.name)]
        with progress.step(f"{len(recipes)} kinds of calls"):
            measured = [measure(recipe, databases, options.calls) for recipe in recipes]
    print(table(measured, sizes))
    print("".join(f"{name} is not measured: {reason}\n" for name, reason in NOT_MEASURED.items()), end="")
    wrong += [f"{one.recipe.name} grows" for one in measured if not one.wrong and one.grows]
    return wrong + [f"{one.recipe.name}: {one.wrong}" for one in measured if one.wrong]


def many_recordings(postgres: Postgres, options: argparse.Namespace, progress: Progress) -> list[str]:
    what = f"{options.recordings:,} recordings of one employee"
    with progress.step(what):
        url = filled(postgres, "scale_recordings", proofs.AROUND)
        person = proofs.many_recordings(url, options.recordings)
    return proved(url, what, lambda call: proofs.erase_many_recordings(call, person), options.patience, progress)


def many_consents(postgres: Postgres, options: argparse.Namespace, progress: Progress) -> list[str]:
    what = f"{options.consents:,} consents that expire in one second"
    with progress.step(what):
        url = filled(postgres, "scale_consents", max(proofs.AROUND, EMPLOYEES_FOR_A_CONSENT * options.consents))
        proofs.many_expiring(url, options.consents)
    return proved(url, what, lambda call: proofs.expire_many_consents(call, options.consents), options.patience, progress)


def proved(url: str, what: str, proof, patience: float, progress: Progress) -> list[str]:
    """Runs the proofs and prints their calls; returns what is wrong."""
    with proofs.Calls(url, patience) as call:
        try:
            with progress.step("worked off, call by call"):
                said, wrong = proof(call), []
        except proofs.ProofFailed as failed:
            said, wrong = str(failed), [f"{what}: {failed}"]
        print(f"{what}: {said}\n{call.table()}")
        return wrong + [f"{what}: {slow}" for slow in call.too_slow()]


def filled(postgres: Postgres, name: str, size: int) -> str:
    """A superuser's URL of a new database with so many employees."""
    apply_migrations(postgres.create_database(name))
    url = with_database(postgres.superuser_url, name)
    fill(url, size)
    return url


@contextmanager
def server(progress: Progress) -> Iterator[Postgres]:
    # As after Ctrl-C: nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="scale-") as directory, Postgres(Path(directory)) as running:
        yield running


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
