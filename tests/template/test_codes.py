"""Every code of a refusal is in the contract, and with its status in the documentation."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
import yaml

from .expanded import TEMPLATE

ROOT = TEMPLATE.parent
# Name of the status, code, and the sentence for people.
REFUSALS = re.findall(r'^ +\w+(?:\(\w+\))?, (\w+), "(\w+)", "(.+)";$', (ROOT / "shared" / "src" / "refusal.rs").read_text(), re.MULTILINE)
EXAMPLES = yaml.safe_load((ROOT / "openapi.yaml").read_text())["components"]["examples"]
# Of paths and methods that the contract does not have.
BESIDE_THE_CONTRACT = {"route_not_found"}
# Statuses by their names; Python gives one another name before 3.13.
STATUSES = {name: status.value for name, status in HTTPStatus.__members__.items()} | {"PAYLOAD_TOO_LARGE": 413}


def test_there_are_refusals():
    assert len(REFUSALS) > 50


@pytest.mark.parametrize("status, code, detail", sorted(refusal for refusal in REFUSALS if refusal[1] not in BESIDE_THE_CONTRACT))
def test_a_code_has_an_example_in_the_contract_that_says_what_people_read(status, code, detail):
    example = EXAMPLES[code]["value"]
    assert (example["status"], example["code"], example["detail"]) == (STATUSES[status], code, detail)


@pytest.mark.parametrize("status, code", sorted((status, code) for status, code, _ in REFUSALS))
def test_a_code_stands_with_its_status_in_the_documentation(status, code):
    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert [int(row) for row, codes in rows if f"`{code}`" in codes] == [STATUSES[status]]
