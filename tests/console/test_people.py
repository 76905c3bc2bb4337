"""The rights of people, as the page shows them; and the employee, who has no account."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import new_employee
from .page import Console, consents


def test_a_member_sees_everything_and_decides_nothing(console, scenario, employee):
    consents(scenario, employee)
    console.sign_in("member", "Harbour Lights Dental")
    console.choose(employee)
    console.place_call()
    expect(console["consent-state"]).to_contain_text("consents")
    for name in ("Clone the voice", "Make an invitation", "Withdraw for them", "Erase voice and copies"):
        expect(console.button(name)).to_be_hidden()
    expect(console["voice"]).to_contain_text("Only an admin may clone, invite, withdraw and erase.")
    expect(console["audit"]).to_contain_text("Only admins read the audit.")


def test_a_member_who_asks_for_a_clone_all_the_same_is_refused_by_the_api(console, employee):
    console.choose(employee)
    console.sign_in("member", "Harbour Lights Dental")
    console.choose(employee)
    # Whatever a page hides, somebody can show.
    console["clone"].evaluate("button => { button.hidden = false; button.click(); }")
    expect(console["clone-outcome"]).to_contain_text("role_forbidden")


def test_each_organisation_sees_its_own_people(console, scenario, employee):
    theirs = new_employee(scenario, "Chiara Example", scenario.other_organization)
    own = console["employees"].locator(f"[data-key='{employee}']")
    foreign = console["employees"].locator(f"[data-key='{theirs}']")
    expect(own).to_be_visible()
    expect(foreign).to_have_count(0)
    console.sign_in("admin", "Quarry Street Bikes")
    expect(foreign).to_be_visible()
    expect(own).to_have_count(0)
    console.choose(theirs)
    console.place_call()


def test_an_employee_refuses_and_nobody_overrules_it(console, employee):
    console.choose(employee)
    console.place_call()
    link = console.invite()
    link.get_by_role("button", name="No", exact=True).click()
    expect(link.get_by_role("heading", name="You have refused")).to_be_visible()
    expect(console["consent-state"]).to_contain_text("refused")
    console.button("Clone the voice").click()
    expect(console["clone-outcome"]).to_contain_text("consent_required")


def test_an_invitation_is_for_the_purposes_that_are_chosen(console, employee):
    console.choose(employee)
    console.place_call()
    console.page.get_by_role("checkbox", name="synthetic_speech").uncheck()
    link = console.invite()
    expect(link.get_by_role("heading", name="voice_clone")).to_be_visible()
    expect(link.get_by_role("heading", name="synthetic_speech")).to_have_count(0)
    link.get_by_role("button", name="Yes, I agree").click()
    expect(console["consent-state"]).to_contain_text("consents")
    console.button("Clone the voice").click()
    expect(console["voice-state"]).to_contain_text("ready")
    console["purpose"].select_option("synthetic_speech")
    console.button("Ask, then speak").click()
    expect(console["speech"]).to_contain_text("consent_purpose")
    console["purpose"].select_option("voice_clone")
    console.button("Ask, then speak").click()
    expect(console["speech"]).to_contain_text("allowed")


def test_a_link_is_answered_once(console, context, employee):
    console.choose(employee)
    console.button("Make an invitation").click()
    href = console.page.get_by_role("link", name="Open as the employee").get_attribute("href")
    first, second = context.new_page(), context.new_page()
    first.goto(href)
    first.get_by_role("button", name="Yes, I agree").click()
    expect(first.get_by_role("heading", name="You have agreed")).to_be_visible()
    second.goto(href)
    expect(second.get_by_role("heading", name="This link was answered")).to_be_visible()
    expect(second.get_by_role("button", name="Yes, I agree")).to_have_count(0)


def test_a_look_that_began_before_the_invitation_does_not_take_its_link_away(console, employee):
    console.choose(employee)
    looks, is_holding = [], True

    def hold(route):
        response = route.fetch()
        if not is_holding:
            return route.fulfill(response=response)
        looks.append((route, response))
        console.page.evaluate("document.body.dataset.held = ''")

    console.page.route("**/voice-consent", hold)
    console.page.locator("body[data-held]").wait_for()
    console.button("Make an invitation").click()
    console.status("is made.")
    is_holding = False
    for route, response in looks:
        route.fulfill(response=response)
    expect(console.page.get_by_role("link", name="Open as the employee")).to_be_visible()


def test_no_purpose_is_no_invitation(console, employee):
    console.choose(employee)
    for box in console["purposes"].get_by_role("checkbox").all():
        box.uncheck()
    console.button("Make an invitation").click()
    console.status("Choose a purpose to invite to.")
    expect(console["invitation"]).to_be_empty()


def test_an_admin_withdraws_for_the_employee_and_every_copy_goes(console, scenario, employee):
    consents(scenario, employee)
    console.choose(employee)
    console.place_call()
    console.button("Clone the voice").click()
    console.status("The voice is ready")
    console.button("Withdraw for them").click()
    expect(console["consent-state"]).to_contain_text("withdrawn")
    console.status("Every copy is gone.")
    assert scenario.vendor_voices(employee) == []


@pytest.mark.parametrize("fragment", ["", "#invitation=", "#nonsense", "#invitation=<b>x</b>"])
def test_the_employees_page_without_a_link_says_so(context, stack, fragment):
    page = context.new_page()
    page.goto(f"{stack['console_url']}/employee.html{fragment}")
    expect(page.locator("#content")).to_contain_text("This page is opened by the link that you got.")


@pytest.mark.parametrize("kind, code", [("invitation", "invitation_invalid"), ("withdrawal", "consent_token_invalid")])
def test_a_link_that_nobody_made_opens_nothing(context, stack, kind, code):
    page = context.new_page()
    page.goto(f"{stack['console_url']}/employee.html#{kind}={'x' * 43}")
    expect(page.get_by_role("heading", name="This did not work")).to_be_visible()
    expect(page.locator("#content code")).to_have_text(code)


def test_a_name_is_text_whatever_is_in_it(console, scenario):
    name = "<img src=x onerror=alert(1)> & Co"
    console.choose(new_employee(scenario, name))
    expect(console["call"]).to_contain_text(name)
    expect(console["employees"].locator("img")).to_have_count(0)


def test_two_people_look_at_once_each_with_their_own_eyes(console, context, stack, employee):
    other = Console(context, stack["console_url"])
    other.sign_in("admin", "Quarry Street Bikes")
    console.choose(employee)
    console.place_call()
    expect(other["employees"].locator(f"[data-key='{employee}']")).to_have_count(0)
    assert other.complaints == []
