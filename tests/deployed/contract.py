"""openapi.yaml, held against every answer that the deployed API gives while the tests run."""

from __future__ import annotations

import json
import re
from functools import cache
from urllib.parse import unquote, urlsplit

import yaml
from openapi_schema_validator import OAS31Validator

from local.deployment import ROOT


@cache
def document() -> dict:
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


def check(method: str, path: str, status: int, content_type: str | None, body: bytes) -> None:
    """Raises AssertionError for an answer that openapi.yaml does not describe."""
    # The gateway decodes a path before it looks for the route: an id that holds %2F makes another path.
    template, described = _find(unquote(urlsplit(path).path))
    where = f"{method} {template or path} → {status}"
    if described is None:
        assert status == 404, f"{where}: openapi.yaml has no such path"
        return
    if method.lower() not in described:
        assert status == 405, f"{where}: openapi.yaml has no such method"
        return
    responses = described[method.lower()]["responses"]
    assert str(status) in responses, f"{where}: openapi.yaml has no such answer"
    response = resolve(responses[str(status)])
    if "content" not in response:
        assert not body, f"{where}: no body is described"
        return
    assert content_type in response["content"], f"{where}: {content_type} is not described"
    schema = response["content"][content_type]["schema"] | {"components": document()["components"]}
    OAS31Validator(schema).validate(json.loads(body))


def _find(path: str) -> tuple[str | None, dict | None]:
    for template, described in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", template), path):
            return template, described
    return None, None


def resolve(node: dict) -> dict:
    """The node that a reference in openapi.yaml stands for."""
    while "$ref" in node:
        target = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node
