"""An account at a vendor, real or a stand-in's. It asks, keeps each answer for the recording, and removes what was made.

A stand-in can be brought into states that no real account should be in, by its control surface: it has a `stage` (see `stages.py`), which
is None where a vendor is asked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Callable

import httpx

from .assumption import No, Skipped

# The User-Agent. Supabase turns browsers' away, and faults and tests look for that of the functions.
AGENT = "understudy-contract/1"
SECONDS = 60
PAUSE = 1.0


@dataclass(frozen=True)
class Wishes:
    """The questions that cost money, which are asked only where somebody wishes it."""

    speak: bool = False
    call: bool = False
    from_: str = ""
    to: str = ""


@dataclass(frozen=True)
class Exchange:
    method: str
    path: str
    query: tuple[str, ...]
    status: int
    type: str
    body: object  # JSON, "bytes" or None


@dataclass
class Account:
    """`names` has parts of paths that differ in each run, with the text that stands for them in the recording."""

    url: str
    headers: dict = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    stage: object = None
    wishes: Wishes = Wishes()
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.facts: dict = {}  # findings of earlier questions, for later ones
        self._made: list[tuple[str, Callable[[], object]]] = []
        self._http = httpx.Client(base_url=self.url, timeout=120, headers={"User-Agent": AGENT})

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, kept: bool = True, **request) -> httpx.Response:
        """`kept` False: for what is not part of any assumption. `headers` and `auth` take the place of the account's own."""
        request.setdefault("headers", self.headers)
        request.setdefault("auth", self.auth)
        answer = self._http.request(method, path, follow_redirects=False, **request)
        if kept:
            self.exchanges.append(exchange(answer))
        return answer

    def until(self, look: Callable[[], object], otherwise: str, seconds: float = SECONDS):
        """Calls `look` until it returns something, since vendors may know a thing only after a while."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            if time.monotonic() > deadline:
                raise No(otherwise)
            time.sleep(PAUSE if self.stage is None else 0.02)
        return found

    def staged(self, why: str):
        """The stage; raises Skipped where there is none. `why` says what only a stand-in may be made to do."""
        if self.stage is None:
            raise Skipped(why)
        return self.stage

    def fact(self, name: str, why: str):
        """The finding of an earlier question."""
        if name not in self.facts:
            raise Skipped(why)
        return self.facts[name]

    def later(self, what: str, undo: Callable[[], object]) -> None:
        """Keeps `undo` for the end, where the last one comes first. It raises when it cannot remove its thing."""
        self._made.append((what, undo))

    def clean(self) -> list[str]:
        """Removes all that was made. Returns what could not be removed, and why."""
        left = []
        while self._made:
            what, undo = self._made.pop()
            try:
                undo()
            except Exception as error:
                left.append(f"{what}: {type(error).__name__}{f' {error}' if isinstance(error, No) else ''}")
        return left


def exchange(answer: httpx.Response) -> Exchange:
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    body: object = "bytes" if answer.content else None
    if kind.endswith("json") and answer.content:
        try:
            body = answer.json()
        except ValueError:
            kind += " that is none"
    names = tuple(sorted(set(answer.request.url.params)))
    return Exchange(answer.request.method, answer.request.url.path, names, answer.status_code, kind, body)


def succeeded(answer: httpx.Response, *statuses: int) -> httpx.Response:
    """The answer; raises No."""
    if answer.status_code not in statuses if statuses else not answer.is_success:
        raise No(f"{answer.request.method} was answered {answer.status_code}{f' ({code(answer)})' if code(answer) else ''}")
    return answer


def code(answer: httpx.Response) -> str | None:
    """The error's code, where the functions read it."""
    try:
        said = answer.json()
    except ValueError:
        return None
    detail = said.get("detail") if isinstance(said, dict) else None
    detail = detail if isinstance(detail, dict) else {}
    found = detail.get("code") or detail.get("status") or (said.get("code") if isinstance(said, dict) else None)
    return None if found is None else str(found)


def stated(answer: httpx.Response) -> int:
    """The true status, which Storage says in the body."""
    try:
        return int(answer.json()["statusCode"])
    except (ValueError, KeyError, TypeError):
        return answer.status_code
