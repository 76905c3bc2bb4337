"""Compares the document that a vendor publishes with our description of it (`standins/published/`)."""

from __future__ import annotations

import httpx

from standins.published import document

VENDORS = ("twilio", "elevenlabs")
METHODS = ("get", "post", "put", "delete")
FORM, JSON = "multipart/form-data", "application/json"


def published(vendor: str) -> dict:
    """The document, from where the vendor publishes it."""
    answer = httpx.get(document(vendor)["x-source"]["document"], timeout=120, follow_redirects=True)
    answer.raise_for_status()
    return answer.json()


def moved(ours: dict, theirs: dict) -> list[str]:
    """A sentence for each difference that concerns an operation that we use."""
    return [difference for path in ours["paths"] for difference in _Comparison(ours, theirs).of_path(path)]


class _Comparison:
    def __init__(self, ours: dict, theirs: dict):
        self._ours, self._theirs = ours, theirs

    def of_path(self, path: str) -> list[str]:
        item = self._ours["paths"][path]
        if "x-documented-at" in item:  # in words only
            return []
        found = []
        for method in METHODS:
            if method in item:
                where = f"{method.upper()} {path}"
                theirs = self._theirs["paths"].get(path, {})
                found += self._of_operation(where, item, item[method], theirs, theirs[method]) if method in theirs else [f"{where} is gone"]
        return found

    def _of_operation(self, where: str, our_item: dict, ours: dict, their_item: dict, theirs: dict) -> list[str]:
        mine, other = self._parameters(self._ours, our_item, ours), self._parameters(self._theirs, their_item, theirs)
        found = [f"{where}: the parameter {name} is gone" for name in mine if name not in other]
        found += [f"{where}: the parameter {name} is new" for name in other if name not in mine]
        for name in set(mine) & set(other):
            found += self._of_schema(f"{where}: the parameter {name}", mine[name]["schema"], other[name]["schema"])
        bound = {name for name, one in other.items() if one.get("required")} - {name for name, one in mine.items() if one.get("required")}
        found += [f"{where}: the parameter {name} is required now" for name in bound & set(mine)]
        if "requestBody" in ours:
            form = self._resolved(self._theirs, theirs.get("requestBody", {})).get("content", {}).get(FORM)
            mine_ = ours["requestBody"]["content"][FORM]["schema"]
            found += self._of_schema(f"{where}: the form", mine_, form["schema"]) if form else [f"{where}: there is no form"]
        for status, answer in ours["responses"].items():
            schema = answer.get("content", {}).get(JSON, {}).get("schema")
            answered = self._resolved(self._theirs, theirs["responses"].get(status, {}))
            if status not in theirs["responses"]:
                found.append(f"{where} is not answered {status}")
            elif schema:
                there = answered.get("content", {}).get(JSON, {}).get("schema")
                found += self._of_schema(f"{where}: the answer", schema, there) if there else [f"{where}: the answer is not told"]
        return found

    def _parameters(self, document: dict, item: dict, operation: dict) -> dict[str, dict]:
        all_ = [self._resolved(document, one) for one in item.get("parameters", []) + operation.get("parameters", [])]
        return {one["name"]: one for one in all_ if one["in"] == "query"}

    @staticmethod
    def _resolved(document: dict, node: dict) -> dict:
        while "$ref" in node:
            target = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/")]
            node = target
        return node

    def _of_schema(self, where: str, ours: dict, theirs: dict) -> list[str]:
        mine, other = _Schema(self._ours, ours), _Schema(self._theirs, theirs)
        if not mine.types:  # our description says nothing of it
            return []
        found = []
        if other.types - mine.types:
            found.append(f"{where} is {' or '.join(sorted(other.types))}, it was {' or '.join(sorted(mine.types))}")
        # The values of some are documented in words only.
        if mine.values and other.values:
            new, gone = sorted(other.values - mine.values), sorted(mine.values - other.values)
            found += [f"{where} may be {value}, too" for value in new] + [f"{where} is never {value}" for value in gone]
        if not mine.properties:
            return found + (self._of_schema(f"{where}[]", mine.items, other.items) if mine.items and other.items else [])
        for name, schema in mine.properties.items():
            unpublished = schema.get("x-unpublished")
            if name not in other.properties:
                found += [] if unpublished else [f"{where} has no {name} any more"]
            elif unpublished:
                found.append(f"{where} has {name}, which was not published")
            else:
                found += self._of_schema(f"{where}.{name}", schema, other.properties[name])
        if mine.is_closed:
            found += [f"{where} has {name}, which is new" for name in other.properties if name not in mine.properties]
        found += [f"{where} is not bound to have {name}" for name in mine.required - other.required if name in other.properties]
        return found


class _Schema:
    """A schema of OpenAPI 3.0 or 3.1, in one form."""

    def __init__(self, document: dict, schema: dict) -> None:
        self.types: set[str] = set()
        self.values: set[str] = set()
        self.properties: dict[str, dict] = {}
        self.required: set[str] = set()
        self.items: dict | None = None
        self.is_closed = False
        self._read(document, schema)

    def _read(self, document: dict, schema: dict) -> None:
        resolved = _Comparison._resolved(document, schema)
        types = resolved.get("type", [])
        self.types |= set(types if isinstance(types, list) else [types])
        if resolved.get("nullable"):
            self.types.add("null")
        self.values |= {str(value) for value in resolved.get("enum", []) if value is not None}
        self.properties |= resolved.get("properties", {})
        self.required |= set(resolved.get("required", []))
        self.items = resolved.get("items", self.items)
        self.is_closed |= resolved.get("additionalProperties") is False
        for one in resolved.get("anyOf", []) + resolved.get("oneOf", []) + resolved.get("allOf", []):
            self._read(document, one)
