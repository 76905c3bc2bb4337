"""The outside calls of the functions: a record of them in their order, and a hook that runs when one comes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Awaitable, Callable

from aiohttp import web

# Parts of paths that differ each time, by the name that takes their place.
VARIABLE = {
    "{id}": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "{RE}": r"RE[0-9a-f]{32}", "{AC}": r"AC[0-9a-f]{32}", "{CA}": r"CA[0-9a-f]{32}", "{voice}": r"(?<=/v1/voices/)[A-Za-z0-9]{20}",
}  # fmt: skip
# The table leaves these beginnings of paths out, since they tell people nothing.
PREFIXES = re.compile(r"^/(rest/v1/rpc|storage/v1|auth/v1|2010-04-01/Accounts/\{AC\})/")


@dataclass(frozen=True)
class Call:
    """The nth call of its kind in a run."""

    vendor: str
    method: str
    path: str  # with names for what is different each time
    target: str  # of AWS: the action
    occurrence: int  # from 0
    function: str
    invocation: int  # of any function, from 0

    @property
    def kind(self) -> tuple:
        return self.vendor, self.method, self.path, self.target

    @property
    def label(self) -> str:
        what = self.target or f"{self.method} {PREFIXES.sub('', self.path)}"
        return f"{what}{f' #{self.occurrence + 1}' if self.occurrence else ''}"

    @property
    def api(self) -> str:
        """The API whose errors may answer it."""
        if self.vendor == "supabase":
            return {"rest": "postgrest", "auth": "auth", "storage": "storage"}[self.path.split("/")[1]]
        if self.target == "secretsmanager.BatchGetSecretValue":
            return "secrets at start"
        return {"AmazonSQS": "sqs", "secretsmanager": "secrets"}[self.target.partition(".")[0]] if self.vendor == "aws" else self.vendor

    def matcher(self) -> dict:
        """The part of a fault that says which requests it hits: this call and, if it lasts, those of its kind after it."""
        path = re.escape(self.path)
        for name, pattern in VARIABLE.items():
            path = path.replace(re.escape(name), pattern)
        match = {"method": self.method, "path": f"^{path}$", "skip": self.occurrence}
        return match | ({"header": {"X-Amz-Target": f"^{re.escape(self.target)}$"}} if self.target else {})


class Watch:
    """Sees every request to the stand-ins; keeps those of the functions."""

    def __init__(self):
        self.forget()

    def forget(self) -> None:
        self.calls: list[Call] = []
        self._seen: Counter = Counter()
        self._function, self.invocation = "", -1
        # Both are awaited with each call, in the stand-ins' thread: the first one before anything else happens, the second one when the work is
        # done and nothing is answered yet (unless the answer is a stream).
        self.arrived: Callable[[Call], Awaitable[None]] = nothing
        self.answered: Callable[[Call], Awaitable[None]] = nothing

    def begin(self, function: str) -> None:
        """From now on it is this function that calls."""
        self._function = function
        self.invocation += 1

    def middleware(self, vendor: str):
        @web.middleware
        async def seen(request: web.Request, handler) -> web.StreamResponse:
            if not _is_a_functions(request):
                return await handler(request)
            call = self._note(vendor, request)
            await self.arrived(call)
            answer = await handler(request)
            await self.answered(call)
            return answer

        return seen

    def _note(self, vendor: str, request: web.Request) -> Call:
        path = request.rel_url.raw_path
        for name, pattern in VARIABLE.items():
            path = re.sub(pattern, name, path)
        kind = vendor, request.method, path, request.headers.get("X-Amz-Target", "")
        call = Call(*kind, self._seen[kind], self._function, self.invocation)
        self._seen[kind] += 1
        self.calls.append(call)
        return call


async def nothing(call: Call) -> None:
    """The hook where nobody waits for a call."""


def _is_a_functions(request: web.Request) -> bool:
    """Returns whether a function made the request, and not the harness. Control requests have a user agent of their own, too."""
    return request.headers.get("User-Agent", "").startswith("understudy/") or "X-Amz-Target" in request.headers
