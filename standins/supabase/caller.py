"""The caller of a request, as the gateway has found them."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web


class BadToken(Exception):
    """`reason`: expired | malformed | key | claims"""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@dataclass
class Caller:
    """`token` is the error of a token that did not verify: each service answers that in its own way."""

    role: str
    claims: dict = field(default_factory=dict)
    user: bool = False  # a user's token, not just a key
    token: BadToken | None = None


CALLER = web.RequestKey("caller", Caller)
