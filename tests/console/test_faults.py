"""A vendor is broken by a switch of the page, and retries put it right: nothing is lost or doubled.

A failed message comes back after about 10 s, then 20 s, then 40 s. Only a voice whose answer ElevenLabs has lost is looked for minutes later;
the page ends that wait by a button.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .page import consents

VENDORS = ("Twilio", "ElevenLabs", "Storage")
KINDS = ("answers 503", "loses an answer", "is slow")


def test_a_clone_waits_until_elevenlabs_is_healed(console, scenario, employee):
    consents(scenario, employee)
    console.choose(employee)
    console.place_call()
    console.switch("ElevenLabs answers 503")
    console.button("Clone the voice").click()
    expect(console["requests"].locator("tr.hit").first).to_contain_text("503")
    expect(console["clone-outcome"].get_by_role("progressbar")).to_be_visible()
    console.button("Heal all").click()
    console.status("All vendors work.")
    # A 503 says nothing about what was done.
    console.button("Look now").click()
    expect(console["voice-state"]).to_contain_text("ready")
    assert scenario.vendor_voices(employee) == [console["voice-id"].text_content()]


def test_a_lost_answer_of_elevenlabs_makes_no_second_voice(console, scenario, employee):
    consents(scenario, employee)
    console.choose(employee)
    console.place_call()
    console.switch("ElevenLabs loses an answer")
    console.button("Clone the voice").click()
    expect(console["requests"].locator("tr.hit").first).to_contain_text("no answer")
    expect(console["clone-replay"]).to_contain_text("it may have a voice")
    console.button("Look now").click()
    expect(console["voice-state"]).to_contain_text("ready")
    # The answer was lost once, and the switch has gone back by itself.
    expect(console.page.get_by_role("switch", name="ElevenLabs loses an answer")).not_to_be_checked()
    assert scenario.vendor_voices(employee) == [console["voice-id"].text_content()]


def test_a_recording_waits_until_twilio_is_healed(console, employee):
    console.choose(employee)
    console.switch("Twilio answers 503")
    console.button("Place a call").click()
    expect(console["travel"].locator("li[data-state=waits]")).to_contain_text("fetched")
    expect(console["travel"]).to_contain_text("failed, tried again")
    console.button("Heal all").click()
    expect(console["call"]).to_have_attribute("data-state", "done")
    expect(console["recordings"]).to_contain_text("112 s")


def test_a_recording_waits_until_storage_is_healed(console, scenario, employee):
    console.choose(employee)
    console.switch("Storage answers 503")
    console.button("Place a call").click()
    expect(console["requests"].locator("tr.hit").first).to_contain_text("503")
    console.button("Heal all").click()
    expect(console["call"]).to_have_attribute("data-state", "done")
    assert len(scenario.stored_names("recordings", employee)) == 2, "the recording, and the newest"


def test_a_slow_vendor_is_waited_for(console, employee):
    console.choose(employee)
    console.switch("Twilio is slow")
    console.place_call()
    slow = console["requests"].locator("tr.hit").first
    expect(slow).to_contain_text("200")
    assert float(slow.locator("td").last.text_content().removesuffix(" ms").replace(",", "")) >= 2000


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_switch_is_turned_by_hand_and_by_heal_all(console, scenario, vendor, kind):
    stand_in = {"Storage": "supabase"}.get(vendor, vendor.lower())
    switch = console.page.get_by_role("switch", name=f"{vendor} {kind}", exact=True)
    console.switch(f"{vendor} {kind}")
    assert len(faults(scenario, stand_in)) == 1
    switch.press("Space")
    expect(switch).not_to_be_checked()
    assert faults(scenario, stand_in) == []
    console.switch(f"{vendor} {kind}")
    console.button("Heal all").click()
    expect(switch).not_to_be_checked()
    assert faults(scenario, stand_in) == []


def faults(scenario, vendor: str) -> list[dict]:
    return scenario.expect([200], "GET", f"{scenario.stack[vendor]['url']}/_control/faults").json()["faults"]


def test_a_switch_shows_what_somebody_else_has_broken(console, scenario):
    fault = b'{"path": "^/2010-04-01/", "status": 503, "times": null}'
    scenario.expect([201], "POST", f"{scenario.stack['twilio']['url']}/_control/faults", fault)
    expect(console.page.get_by_role("switch", name="Twilio answers 503")).to_be_checked()
