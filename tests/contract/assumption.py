"""An assumption about a vendor, and the question that tests it.

    @assume("storage", "A bucket that does not exist is a 404, by the statusCode in the body.")
    def _(storage):
        hold(stated(storage.ask("GET", "/bucket/nothing")) == 404, "…")

A question that comes to its end was answered with yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

# In the order in which they are asked.
VENDORS = ("callbacks", "twilio", "elevenlabs", "storage", "database", "auth")
ALL: list["Assumption"] = []


class No(Exception):
    """The vendor does otherwise."""


class Skipped(Exception):
    """This account cannot tell, or must not be made to."""


@dataclass(frozen=True)
class Assumption:
    vendor: str
    sentence: str
    question: Callable


def assume(vendor: str, sentence: str) -> Callable:
    def noted(question: Callable) -> Callable:
        if any(other.sentence == sentence and other.vendor == vendor for other in ALL):
            raise ValueError(f"twice: {sentence}")
        ALL.append(Assumption(vendor, sentence, question))
        return question

    return noted


def hold(true: object, otherwise: str) -> None:
    """Raises `No`, with what was seen instead."""
    if not true:
        raise No(otherwise)


def of(vendor: str) -> list[Assumption]:
    return [assumption for assumption in ALL if assumption.vendor == vendor]
