"""Asks every question of the accounts that there are, and removes what was made for it, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import httpx
import psycopg

from . import callbacks, twilio, elevenlabs, elevenlabs_history, storage, storage_access, database, auth  # noqa: F401, I001 - in this order they are asked
from .account import Account, Exchange
from .accounts import PREPARE, WITHOUT
from .assumption import VENDORS, Assumption, No, Skipped, of

YES, NO, SKIPPED = "yes", "no", "skipped"
# Exceptions that an unforeseen answer of a vendor can cause. Any other one is a mistake of ours, and is not caught.
UNFORESEEN = (httpx.HTTPError, psycopg.Error, KeyError, IndexError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Result:
    assumption: Assumption
    answer: str
    why: str = ""
    exchanges: tuple[Exchange, ...] = ()

    def __str__(self) -> str:
        return f"{self.answer:8}{self.assumption.sentence}{f' ({self.why})' if self.why else ''}"


@dataclass
class Run:
    results: list[Result] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.left and all(result.answer != NO for result in self.results)

    def count(self, answer: str) -> int:
        return sum(result.answer == answer for result in self.results)

    def summary(self) -> str:
        return ", ".join(f"{self.count(answer)} {answer}" for answer in (YES, NO, SKIPPED))


def run(accounts: dict[str, Account], tell: Callable[[object], None] = print) -> Run:
    """Asks the questions. Ctrl-C ends them; what was made is removed all the same, and the interrupt is raised again."""
    done = Run()
    try:
        for vendor in VENDORS:
            if vendor in accounts:
                _ask_all(vendor, accounts[vendor], done, tell)
            else:
                done.results += [Result(assumption, SKIPPED, WITHOUT.get(vendor, "")) for assumption in of(vendor)]
    finally:
        for vendor, account in accounts.items():
            done.left += [f"{vendor}: {what}" for what in account.clean()]
            account.close()
        for what in done.left:
            tell(f"NOT REMOVED: {what}")
    return done


def _ask_all(vendor: str, account: Account, done: Run, tell: Callable[[object], None]) -> None:
    tell(f"\n{vendor}")
    try:
        PREPARE.get(vendor, lambda account: None)(account)
    except (No, Skipped, *UNFORESEEN) as error:
        # Questions that depend on it are skipped and say so; none of them counts as answered with no.
        done.left.append(f"{vendor}: what has to be there could not be made: {_why(error)}")
        tell(f"        {done.left[-1]}")
    for assumption in of(vendor):
        done.results.append(_asked(assumption, account))
        tell(done.results[-1])


def _asked(assumption: Assumption, account: Account) -> Result:
    account.exchanges.clear()
    try:
        assumption.question(account)
        answer, why = YES, ""
    except Skipped as skipped:
        answer, why = SKIPPED, str(skipped)
    except (No, *UNFORESEEN) as error:
        answer, why = NO, _why(error)
    return Result(assumption, answer, why, tuple(account.exchanges))


def _why(error: Exception) -> str:
    """The reason. Of an unforeseen exception it is the kind alone, and of a missing field the name: the rest may be personal."""
    if isinstance(error, (No, Skipped)):
        return str(error)
    return f"{type(error).__name__}{f' {error}' if isinstance(error, KeyError) else ''}"
