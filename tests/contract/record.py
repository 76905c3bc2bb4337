"""Recordings of vendors' answers without personal values, and the check that a stand-in answers alike.

A recording has no values but the codes of errors: of a body, its fields and their types; of a query, its names; of a path, what is the same in
every run. It is kept in `recorded/`, a file for each vendor, and only real answers of a vendor are put there.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

from .account import Account, Exchange
from .run import NO, SKIPPED, YES, Result

DIRECTORY = Path(__file__).with_name("recorded")
# Objects whose fields are named by whoever made them.
MAPS = {"headers", "labels", "metadata", "user_metadata"}
# The fields of a refusal whose values may be kept.
CODES = {"code", "error_code", "error", "status", "statusCode", "type"}
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_ .-]{0,63}|\d{3,5}")
# Ids, which may stand in a code.
IDS = re.compile(r"\d{6}|[0-9a-f]{12}")
PATHS = [
    (re.compile(r"^/storage/v1(?=/)"), ""),
    (re.compile(r"\b(AC|CA|RE)[0-9a-fA-F]{32}\b"), r"{\1}"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "{id}"),
    (re.compile(r"(?<=/v1/voices/)(?!add$)[^/]+"), "{voice}"),
    (re.compile(r"(?<=/v1/history/)[^/]+"), "{item}"),
]


def shape(value, refused: bool = False, name: str = ""):
    """Types in the place of values."""
    if isinstance(value, dict):
        return "map" if name in MAPS else {field: shape(inner, refused, field) for field, inner in value.items()}
    if isinstance(value, list):
        return [_merged([shape(inner, refused, name) for inner in value])] if value else []
    if refused and name in CODES and CODE.fullmatch(str(value)) and not IDS.search(str(value)):
        return f"={value}"
    return {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}[type(value)]


def _merged(shapes: list):
    """One shape for all elements of a list. It marks fields that not all of them have."""
    if all(isinstance(one, dict) for one in shapes):
        names = dict.fromkeys(name for one in shapes for name in one)
        return {name: _merged([one.get(name, "absent") for one in shapes]) for name in names}
    if all(isinstance(one, list) for one in shapes):
        inner = [one[0] for one in shapes if one]
        return [_merged(inner)] if inner else []
    # If some elements are objects and others are not (null), the objects tell more.
    objects = [one for one in shapes if isinstance(one, (dict, list))]
    return _merged(objects) if objects and len(objects) < len(shapes) else "|".join(sorted({str(one) for one in shapes}))


def path(exchange: Exchange, names: dict[str, str]) -> str:
    text = exchange.path
    for own, stands_for in names.items():
        text = text.replace(own, stands_for)
    for pattern, stands_for in PATHS:
        text = pattern.sub(stands_for, text)
    return text


def kept(exchange: Exchange, names: dict[str, str]) -> dict:
    body = exchange.body if exchange.body in (None, "bytes") and not exchange.type.endswith("json") else shape(exchange.body, exchange.status >= 400)
    body = None if exchange.body is None and exchange.status == 204 else body
    asked = {"method": exchange.method, "path": path(exchange, names), "query": sorted(exchange.query)}
    return asked | {"status": exchange.status, "type": exchange.type, "body": body}


def of(results: list[Result], account: Account) -> dict:
    """The answers of one vendor, each exchange once."""
    assumptions = {}
    for result in results:
        exchanges = [kept(exchange, account.names) for exchange in result.exchanges]
        unique = [one for place, one in enumerate(exchanges) if one not in exchanges[:place]]
        assumptions[result.assumption.sentence] = {"answer": result.answer, "exchanges": unique}
    return {"date": date.today().isoformat(), "assumptions": assumptions}


def write(results: list[Result], accounts: dict[str, Account], directory: Path = DIRECTORY, of_: str | None = None) -> list[Path]:
    """`of_` names what was asked, if it was no account. A vendor that was not asked over HTTP leaves nothing to keep."""
    written = []
    for vendor, account in accounts.items():
        own = [result for result in results if result.assumption.vendor == vendor]
        if any(result.exchanges for result in own):
            directory.mkdir(exist_ok=True)
            file = directory / f"{vendor}.json"
            file.write_text(json.dumps(({"of": of_} if of_ else {}) | of(own, account), indent=1, ensure_ascii=False) + "\n")
            written.append(file)
    return written


def read(vendor: str, directory: Path = DIRECTORY) -> dict | None:
    file = directory / f"{vendor}.json"
    return json.loads(file.read_text()) if file.exists() else None


# -- comparing ---------------------------------------------------------------------------------------------------------------


def differences(recorded: dict, answered: dict) -> list[str]:
    """The differences between a stand-in's answers and the vendor's; both as `of` gives them."""
    found = []
    for sentence, vendor in recorded["assumptions"].items():
        stand_in = answered["assumptions"].get(sentence)
        if stand_in is None:
            found.append(f"{sentence} It is no longer asked")
        elif {vendor["answer"], stand_in["answer"]} == {YES, NO}:
            found.append(f"{sentence} The vendor said {vendor['answer']}, the stand-in says {stand_in['answer']}")
        elif SKIPPED not in (vendor["answer"], stand_in["answer"]):
            found += [f"{sentence} {what}" for exchange in stand_in["exchanges"] for what in _unlike(exchange, vendor["exchanges"])]
    return found


def _unlike(exchange: dict, recorded: list[dict]) -> list[str]:
    """Empty if the vendor has answered one of these requests alike, or if nobody sent it such a request."""
    asked = [one for one in recorded if all(one[name] == exchange[name] for name in ("method", "path", "query"))]
    if not asked:
        return []
    where = f"{exchange['method']} {exchange['path']}"
    likewise = [one for one in asked if (one["status"], one["type"]) == (exchange["status"], exchange["type"])]
    if not likewise:
        answers = sorted({f"{one['status']} {one['type']}".strip() for one in asked})
        return [f"{where}: {exchange['status']} {exchange['type']}, the vendor {' or '.join(answers)}"]
    unfit = [_unfit(one["body"], exchange["body"], "") for one in likewise]
    return [f"{where}: {what}" for what in min(unfit, key=len)]


def _unfit(vendor, stand_in, at: str) -> list[str]:
    """The misfits of two shapes. A `null` may stand for anything, and an empty list may hold anything."""
    if vendor == stand_in or "null" in (vendor, stand_in) or "map" in (vendor, stand_in):
        return []
    if isinstance(vendor, dict) and isinstance(stand_in, dict):
        below = {name: f"{at}.{name}" if at else name for name in {**vendor, **stand_in}}
        found = [f"{below[name]} is invented" for name in stand_in if name not in vendor]
        found += [f"{below[name]} is missing" for name, one in vendor.items() if name not in stand_in and "absent" not in str(one)]
        return found + [what for name in vendor if name in stand_in for what in _unfit(vendor[name], stand_in[name], below[name])]
    if isinstance(vendor, list) and isinstance(stand_in, list):
        return _unfit(vendor[0], stand_in[0], f"{at}[]") if vendor and stand_in else []
    if isinstance(vendor, str) and isinstance(stand_in, str) and set(vendor.split("|")) & set(stand_in.split("|")):
        return []
    return [f"{at or 'the body'} is {_told(stand_in)}, the vendor's {_told(vendor)}"]


def _told(one) -> str:
    return {dict: "an object", list: "a list"}.get(type(one)) or str(one)
