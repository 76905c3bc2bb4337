"""The contract with a form for each request, against the stack that is up."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from local.npm import install

from .page import is_complaint


@pytest.fixture
def docs(context, stack):
    """The page, signed in as the first user; at the end nothing may have gone wrong in it."""
    install()
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.goto(f"{stack['console_url']}/api-docs")
    expect(page.locator("#status")).to_contain_text("Signed in as admin")
    yield page
    assert complaints == []


def test_a_request_of_the_contract_is_asked_of_the_stack_as_the_chosen_user(docs, scenario, stack):
    asked = docs.locator("#operations-frontend-readVoice")
    asked.locator(".opblock-summary-control").click()
    asked.get_by_role("button", name="Execute").click()
    answer = asked.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(asked.locator(".request-url")).to_contain_text(stack["api_url"])
    assert stack["organizations"][0]["employees"][0]["id"] in asked.locator(".request-url").inner_text()

    docs.locator("#user").select_option(label=f"admin · {scenario.other_organization['name']}")
    expect(docs.locator("#status")).to_contain_text(scenario.other_organization["name"])
    asked.get_by_role("button", name="Execute").click()
    expect(answer.locator(".response-col_status")).to_contain_text("404")
    expect(answer).to_contain_text("employee_not_found")
