"""Decides which fault hits a request. `control.py` does what the fault says, and README.md describes its JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import count

from aiohttp import web

from .body import BODY

_NUMBER = (int, float)
FIELDS: dict[str, tuple] = {
    "method": (str,), "path": (str,), "query": (str,), "header": (dict,), "skip": (int,), "times": (int, type(None)),
    "at_once": (bool,), "delay": _NUMBER, "do_work": (bool,), "work_delay": _NUMBER, "reset": (bool,),
    "status": (int,), "headers": (dict,), "body": (object,), "cut": (int,), "drip": (dict,),
}


@dataclass
class Fault:
    id: str
    spec: dict
    seen: int = 0
    hits: int = 0
    _path: re.Pattern = field(init=False)
    _query: re.Pattern = field(init=False)
    _headers: dict[str, re.Pattern] = field(init=False)

    def __post_init__(self) -> None:
        self._path = re.compile(self.spec["path"])
        self._query = re.compile(self.spec.get("query", ""))
        self._headers = {name: re.compile(pattern) for name, pattern in self.spec.get("header", {}).items()}

    def take(self, request: web.Request) -> bool:
        """Returns whether the fault hits this request, which is then counted."""
        if self.spec.get("method", request.method) != request.method:
            return False
        if not self._path.search(request.rel_url.raw_path) or not self._query.search(request.rel_url.raw_query_string):
            return False
        if not all(pattern.search(request.headers.get(name, "")) for name, pattern in self._headers.items()):
            return False
        times = self.spec.get("times", 1)
        if times is not None and self.hits >= times:
            return False
        self.seen += 1
        if self.seen <= self.spec.get("skip", 0):
            return False
        self.hits += 1
        return True

    def __getitem__(self, name: str):
        return self.spec.get(name)

    def shown(self) -> dict:
        return {"id": self.id, **self.spec, "hits": self.hits}


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._ids = count(1)

    def take(self, request: web.Request) -> Fault | None:
        return next((fault for fault in self._faults if fault.take(request)), None)

    def clear(self) -> None:
        self._faults.clear()

    async def add(self, request: web.Request) -> web.Response:
        """POST /_control/faults. Everything unknown is refused, since a misspelt fault would be a test that tests nothing."""
        try:
            spec = request[BODY].json()
            fault = Fault(str(next(self._ids)), _checked(spec))
        except (ValueError, re.error) as error:
            raise web.HTTPBadRequest(text=f"{error}\n")
        self._faults.append(fault)
        return web.json_response(fault.shown(), status=201)

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": [fault.shown() for fault in self._faults]})

    async def remove(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("id")
        if wanted is None:
            self.clear()
            return web.Response(status=204)
        fault = next((fault for fault in self._faults if fault.id == wanted), None)
        if fault is None:
            raise web.HTTPNotFound(text="no such fault\n")
        self._faults.remove(fault)
        return web.json_response(fault.shown())


def _checked(spec) -> dict:
    if not isinstance(spec, dict) or "path" not in spec:
        raise ValueError('a fault is an object with at least "path"')
    for name, value in spec.items():
        if name not in FIELDS:
            raise ValueError(f"unknown field {name!r}, known are {', '.join(FIELDS)}")
        if not isinstance(value, FIELDS[name]) or (isinstance(value, bool) and bool not in FIELDS[name] and name != "body"):
            raise ValueError(f"{name} cannot be {json.dumps(value)}")
    if not all(isinstance(pattern, str) for pattern in spec.get("header", {}).values()):
        raise ValueError("header is {name: regular expression}")
    if not set(spec) & {"delay", "reset", "status", "cut", "drip", "work_delay"}:
        raise ValueError("a fault does something: delay, reset, status, cut, drip or work_delay")
    if "work_delay" in spec and not (spec.get("do_work") and ("status" in spec or spec.get("reset"))):
        raise ValueError("work_delay needs do_work, and a status or reset to answer with meanwhile")
    if spec.get("at_once") and spec.get("do_work"):
        raise ValueError("the work needs the request's body: at_once and do_work exclude each other")
    if "drip" in spec and set(spec["drip"]) != {"bytes", "seconds"}:
        raise ValueError("drip is {\"bytes\": n, \"seconds\": s}")
    return spec
