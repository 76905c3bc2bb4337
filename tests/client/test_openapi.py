"""openapi.yaml by itself: a linter has nothing to say, and every answer and every code has an example that is right."""

from __future__ import annotations

from typing import Iterator

import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from local.npm import npm
from tests.deployed.contract import document, resolve

PROBLEM = "application/problem+json"
# Everything that has a body: where it is, and its description for one media type.
Body = tuple[str, str, dict]


def bodies() -> Iterator[Body]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            where = f"{method.upper()} {path}"
            for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
                yield where, media_type, body
            for status, answer in operation["responses"].items():
                for media_type, body in resolve(answer).get("content", {}).items():
                    yield f"{where} → {status}", media_type, body


BODIES = list(bodies())
PROBLEMS = [(where, body) for where, media_type, body in BODIES if media_type == PROBLEM]
EXAMPLES = [(f"{where} {name}", body, resolve(example)["value"]) for where, _, body in BODIES for name, example in body.get("examples", {}).items()]


def codes(problem: dict) -> list[str]:
    """The codes that a problem document may have."""
    (narrowed,) = [part["properties"]["code"]["enum"] for part in problem["schema"]["allOf"] if "$ref" not in part]
    return narrowed


def test_the_linter_has_nothing_to_say(modules):
    linted = npm("run", "lint")
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "warning" not in linted.stdout + linted.stderr, linted.stdout + linted.stderr


@pytest.mark.parametrize("where, body", [pytest.param(where, body, id=where) for where, _, body in BODIES])
def test_each_request_and_each_answer_has_an_example(where, body):
    assert body.get("examples")


@pytest.mark.parametrize("where, body", [pytest.param(*problem, id=problem[0]) for problem in PROBLEMS])
def test_each_code_of_a_refusal_has_its_example(where, body):
    values = {name: resolve(example)["value"] for name, example in body["examples"].items()}
    assert list(values) == codes(body)
    assert {name: value["code"] for name, value in values.items()} == {name: name for name in values}
    assert {str(value["status"]) for value in values.values()} == {where.rpartition(" ")[2]}


@pytest.mark.parametrize("body, value", [pytest.param(body, value, id=where) for where, body, value in EXAMPLES])
def test_an_example_is_what_its_schema_says(body, value):
    schema = body["schema"] | {"components": document()["components"]}
    OAS31Validator(schema, format_checker=OAS31Validator.FORMAT_CHECKER).validate(value)


def test_an_attempt_fails_with_codes_with_which_the_request_is_refused_too():
    clone = document()["paths"]["/api/employees/{employee_id}/clone-voice"]["post"]["responses"]
    refused = {code for answer in clone.values() for code in codes_of(answer)}
    assert set(document()["components"]["schemas"]["CloneRefusal"]["enum"]) < refused


def codes_of(answer: dict) -> list[str]:
    content = resolve(answer).get("content", {})
    return codes(content[PROBLEM]) if PROBLEM in content else []
