"""The vendors' published descriptions of the operations that are used, and the check that a request or an answer is as published.

The descriptions stand in `published/`: OpenAPI 3.1, with their sources and dates in `x-source` and `x-read`. A vendor ignores what it does not
know, so that a misspelt filter would go unnoticed: here, parameters and fields that are not described are wrong, too.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import yaml
from openapi_schema_validator import OAS31Validator

from . import multipart

DIRECTORY = Path(__file__).with_name("published")
FORM = "multipart/form-data"


@cache
def document(vendor: str) -> dict:
    """The description of one vendor."""
    return yaml.safe_load((DIRECTORY / f"{vendor}.yaml").read_text())


@cache
def published(vendor: str) -> "Published":
    return Published(document(vendor))


class Published:
    """One vendor's description. `query` and `headers` are pairs of names and values."""

    def __init__(self, description: dict) -> None:
        self._components = description["components"]
        self._security = [name for one in description["security"] for name in one]
        # A path without names comes before one with names that fits it, too.
        self._paths = sorted(description["paths"].items(), key=lambda path: path[0].count("{"))

    def wrong_in_request(self, method: str, path: str, query, headers, body: Path | None = None) -> list[str]:
        """A sentence for each thing in the request that is not as published. It holds no value, which might be personal."""
        operation, parameters, named = self._operation(method, path)
        if operation is None:
            return [f"{method} {path} is not published"]
        headers = {name.lower(): value for name, value in headers}
        wrong = [] if any(self._is_secured(name, headers) for name in self._security) else ["nobody says who asks"]
        wrong += [f"the path's {name}: {why}" for name, value in named.items() for why in self._unfit(value, parameters["path", name])]
        for name, value in query:
            if ("query", name) not in parameters:
                wrong.append(f"the parameter {name} is not published")
            else:
                wrong += [f"the parameter {name}: {why}" for why in self._unfit(value, parameters["query", name])]
        needed = {name for (place, name), one in parameters.items() if place == "query" and one.get("required")}
        wrong += [f"the parameter {name} is missing" for name in sorted(needed - {name for name, _ in query})]
        if "requestBody" in operation:
            wrong += self._wrong_in_form(operation["requestBody"]["content"][FORM]["schema"], body, headers.get("content-type", ""))
        elif body is not None and body.stat().st_size:
            wrong.append("no body is published")
        return [f"{method} {path}: {text}" for text in wrong]

    def wrong_in_answer(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
        """The same for a successful answer. No vendor describes its refusals."""
        operation, _, _ = self._operation(method, path)
        if operation is None or not 200 <= status < 300:
            return []
        where = f"{method} {path} → {status}"
        if str(status) not in operation["responses"]:
            return [f"{where} is not published"]
        content = operation["responses"][str(status)].get("content", {})
        kind = content_type.partition(";")[0]
        if kind not in content:
            return [f"{where}: a body that is {kind} is not published"] if content or body else []
        if "schema" not in content[kind]:
            return []
        try:
            value = json.loads(body)
        except ValueError:
            return [f"{where}: the body is no JSON"]
        return [f"{where}: {why}" for why in self._wrong(value, content[kind]["schema"])]

    def _operation(self, method: str, path: str) -> tuple[dict | None, dict, dict]:
        """The operation, its parameters by place and name, and the values of those in the path."""
        for template, item in self._paths:
            pattern = "".join(f"(?P<{part}>[^/]+?)" if n % 2 else re.escape(part) for n, part in enumerate(re.split(r"\{(\w+)\}", template)))
            if method.lower() in item and (found := re.fullmatch(pattern, path)):
                both = item.get("parameters", []) + item[method.lower()].get("parameters", [])
                all_ = [self._components["parameters"][one["$ref"].rsplit("/")[-1]] if "$ref" in one else one for one in both]
                return item[method.lower()], {(one["in"], one["name"]): one for one in all_}, found.groupdict()
        return None, {}, {}

    def _is_secured(self, name: str, headers: dict) -> bool:
        scheme = self._components["securitySchemes"][name]
        if scheme["type"] == "http":
            return headers.get("authorization", "").lower().startswith(f"{scheme['scheme']} ")
        return bool(headers.get(scheme["name"].lower()))

    def _unfit(self, text: str, parameter: dict) -> list[str]:
        schema = self._resolved(parameter["schema"])
        return self._wrong(_read(text, schema), schema)

    def _wrong_in_form(self, schema: dict, body: Path | None, content_type: str) -> list[str]:
        """A form's fields are text; a file stands for itself, and may be there several times."""
        try:
            parts = multipart.parts(body, multipart.boundary(content_type) or "")
        except (ValueError, AttributeError):
            return ["the body is no form"]
        form: dict = {}
        for part in parts:
            described = schema["properties"].get(part.name, {})
            if described.get("type") == "array":
                form.setdefault(part.name, []).append(part.filename)
            else:
                form[part.name] = _read(part.read().decode("utf-8", "replace"), described)
        return self._wrong(form, schema)

    def _resolved(self, schema: dict) -> dict:
        return self._components["schemas"][schema["$ref"].rsplit("/")[-1]] if "$ref" in schema else schema

    def _wrong(self, value, schema: dict) -> list[str]:
        errors = OAS31Validator(schema | {"components": self._components}).iter_errors(value)
        # The validator tells of a missing field once for each name.
        return list(dict.fromkeys(_place(error) for error in errors))


def _read(text: str, schema: dict):
    """A text, read as the type that its schema allows."""
    types = schema.get("type", "string")
    types = types if isinstance(types, list) else [types]
    if "integer" in types and re.fullmatch(r"-?\d+", text):
        return int(text)
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    return [text] if "array" in types else text


def _place(error) -> str:
    """The place of the error and its kind, without the value."""
    where = ".".join(str(step) for step in error.absolute_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{where or 'the whole'} is without {', '.join(missing)}"
    if error.validator == "additionalProperties" and error.validator_value is False:
        added = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"{where or 'the whole'} has {', '.join(added)}, which is not published"
    return f"{where or 'it'} is not of {error.validator} {error.validator_value}"
