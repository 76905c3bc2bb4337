"""The finding of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """`found` and `advice` are one sentence each, without a secret in them."""

    verdict: Verdict
    found: str
    # Says what to do; empty where nothing has to be done.
    advice: str = ""


def ok(found: str) -> Finding:
    return Finding("ok", found)


def warn(found: str, advice: str) -> Finding:
    """The bundle works without it, or it cannot be known from here."""
    return Finding("warn", found, advice)


def fail(found: str, advice: str) -> Finding:
    """Something will not work until it is repaired."""
    return Finding("FAIL", found, advice)


class NotLookedAt(Exception):
    """A check needs something that another one has found missing; the text says what."""
