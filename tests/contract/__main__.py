"""`make contract`: asks the vendors, with keys from the environment. See docs/vendors.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import contextmanager

import httpx

from standins.published import document as description

from . import document, moved, record
from .account import Account, Wishes
from .accounts import WITHOUT, of_environment, of_stand_ins, of_storage_server
from .assumption import VENDORS, of
from .run import SKIPPED, Run, run
from .standins import in_a_directory_of_their_own

SERVER = "a server of supabase/storage"
DOES = {
    "callbacks": "computes signatures with Twilio's own library. Nobody is asked",
    "twilio": "reads the account's recordings, and the audio of the shortest",
    "elevenlabs": "makes a voice of synthetic speech, and deletes it: a free place for some minutes, and one of the month's additions",
    "storage": "makes two or three small private buckets with names of their own, and removes them",
    "database": "calls functions that there are not",
    "auth": "makes a user without a mailbox, signs in, and removes the user",
}
CALLS = "calls {to} from {from_}, records a minute at most, and deletes the call and its recording: some cents"
SPEAKS = "lets the voice speak eight characters, and deletes what it has spoken"
OWNER = "makes a function and a schema in the database, and drops them"


def main(arguments: list[str] | None = None) -> int:
    options = parsed(arguments)
    if options.table:
        print(document.table(), end="")
        return 0
    if options.document:
        document.FILE.write_text(document.with_table(document.FILE.read_text()))
        return 0
    if options.published:
        return 0 if tell_moved() else 1
    wishes = Wishes(options.speak, options.call, options.from_, options.to)
    if options.stand_ins:
        with in_a_directory_of_their_own() as (where, database_url):
            return 0 if ask(of_stand_ins(where, database_url), options) else 1
    if options.storage:
        return 0 if ask(of_storage_server(options.storage, options.key, wishes), options) else 1
    done = ask(of_environment(os.environ, wishes), options)
    tell_moved()
    return 0 if done else 1


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description="Do the vendors do what we think?")
    parser.add_argument("--yes", action="store_true", help="does it without asking")
    parser.add_argument("--speak", action="store_true", help="a voice speaks eight characters")
    parser.add_argument("--call", action="store_true", help="somebody is called, from the number --from to the number --to")
    parser.add_argument("--from", dest="from_", default="", metavar="NUMBER", help="a number of the Twilio account")
    parser.add_argument("--to", default="", metavar="NUMBER", help="who is called: somebody must pick up and say something")
    parser.add_argument("--storage", metavar="URL", help="asks only this server of supabase/storage")
    parser.add_argument("--key", metavar="JWT", help="its service_role key")
    parser.add_argument("--stand-ins", action="store_true", help="asks the stand-ins")
    parser.add_argument("--record", action="store_true", help="keeps what was answered, for the stand-ins to be held against")
    parser.add_argument("--published", action="store_true", help="only tells whether what the vendors publish has moved")
    parser.add_argument("--table", action="store_true", help="only prints the table of what is assumed")
    parser.add_argument("--document", action="store_true", help="only writes that table into docs/vendors.md")
    options = parser.parse_args(arguments)
    if options.call and not (options.from_ and options.to):
        parser.error("--call needs --from and --to")
    if bool(options.storage) != bool(options.key):
        parser.error("--storage and --key belong together")
    if options.stand_ins and options.record:
        parser.error("only what a vendor has answered is recorded")
    return options


def plan(accounts: dict[str, Account]) -> list[str]:
    """Lists what is going to be done, and what it may cost."""
    lines = []
    for vendor in VENDORS:
        account = accounts.get(vendor)
        if account is None:
            lines.append(f"{vendor}: skipped{f', {WITHOUT[vendor]}' if vendor in WITHOUT else ''}")
            continue
        does = [DOES[vendor]]
        if vendor == "twilio" and account.wishes.call:
            does.append(CALLS.format(to=account.wishes.to, from_=account.wishes.from_))
        if vendor == "elevenlabs" and account.wishes.speak:
            does.append(SPEAKS)
        if vendor == "database" and account.facts.get("url"):
            does.append(OWNER)
        lines.append(f"{vendor} ({account.url}): " + "; ".join(does))
    return lines


def ask(accounts: dict[str, Account], options: argparse.Namespace) -> bool:
    """Asks the accounts, once somebody has agreed to the plan. Returns whether all went well."""
    print("This asks:", *plan(accounts), sep="\n  ")
    if not set(accounts) - {"callbacks"}:
        print("There is nobody to ask.")
        return False
    if not (options.yes or options.stand_ins):
        print("What is made is removed at the end, whatever happens. Nothing that was there before is changed.")
        if not sys.stdin.isatty() or input("Do it? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was done.")
            return False
    try:
        with ended_gently():
            done = run(accounts)
    except KeyboardInterrupt:
        print("\nStopped. Everything that was made is removed, except for the things named above.")
        return False
    finish(done, accounts, options)
    return done.is_good


def finish(done: Run, accounts: dict[str, Account], options: argparse.Namespace) -> None:
    for vendor in VENDORS:
        if vendor not in accounts and not options.storage:
            print(f"\n{vendor}\n{SKIPPED}: {len(of(vendor))} questions, {WITHOUT.get(vendor, 'nobody is asked')}")
    print(f"\n{done.summary()}")
    if options.record:
        for file in record.write(done.results, accounts, of_=SERVER if options.storage else None):
            print(f"kept in {file}")
        document.FILE.write_text(document.with_table(document.FILE.read_text()))


@contextmanager
def ended_gently():
    """Makes SIGTERM like Ctrl-C: what was made is removed first."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tell_moved() -> bool:
    """Tells where the vendors' publications have moved from our descriptions. Returns whether none has."""
    all_is_same = True
    for vendor in moved.VENDORS:
        source = description(vendor)["x-source"]
        try:
            differences = moved.moved(description(vendor), moved.published(vendor))
        except (httpx.HTTPError, ValueError) as error:
            print(f"\nWhat {vendor} publishes could not be read ({type(error).__name__}): {source['document']}")
            all_is_same = False
            continue
        was = f"as it was ({source['state']})" if not differences else f"not what it was ({source['state']}):"
        print(f"\nWhat {vendor} publishes is {was}", *differences, sep="\n  ")
        all_is_same &= not differences
    return all_is_same


if __name__ == "__main__":
    sys.exit(main())
