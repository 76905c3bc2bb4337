"""An ElevenLabs account without room: once the worker knows of it, no sample is sent only to be refused, and no old voice is given up for nothing."""

from __future__ import annotations

import pytest

from .attempts import ADD, Attempt, added, mirrored
from .people import with_recording


@pytest.fixture(autouse=True)
def one_process(scenario):
    """There is one process of the worker, which has no memory yet."""
    scenario.make_cold("clone-worker")


@pytest.fixture
def attempt(scenario):
    return Attempt.of_somebody(scenario)


@pytest.fixture
def full(scenario):
    """An account that has no room, as the worker knows."""
    is_full(scenario, voice_limit=0)


def is_full(scenario, **settings) -> None:
    """The account has these limits, and somebody's sample is refused by the vendor, which the worker remembers."""
    scenario.account("elevenlabs", **settings)
    attempt = Attempt.of_somebody(scenario)
    assert attempt.work() and attempt.state() == "failed" and added(scenario) == 1


def replacement(scenario, employee: str) -> Attempt:
    """The employee has spoken again, and the old voice is to go first."""
    with_recording(scenario, consent=False, employee=employee)
    return Attempt(scenario, employee, replace=True)


def limit_reads(scenario) -> int:
    """The number of times that the account was asked for its limits."""
    return len(scenario.journal("elevenlabs", path="^/v1/user/subscription$"))


@pytest.mark.parametrize("settings, figures", [
    ({"voice_limit": 0}, (0, 0, "voices")),
    ({"voice_limit": 30, "max_voice_add_edits": 95, "voice_add_edit_counter": 95}, (95, 95, "voices this month")),
])  # fmt: skip
def test_no_sample_is_sent_to_an_account_that_is_known_to_be_full(full, attempt, scenario, settings, figures):
    sent = added(scenario)
    scenario.account("elevenlabs", **settings)
    assert attempt.work()
    assert attempt.state() == "failed" and added(scenario) == sent
    reason = scenario.voice(attempt.employee).json()["report"]["problem"]
    assert (reason["code"], (reason["figure"], reason["limit"], reason["unit"])) == ("voice_limit_reached", figures)
    uploads = scenario.one("select uploads from voices where id = %s", attempt.id)
    assert uploads == 0, "it counts for nothing"


def test_a_replacement_keeps_the_old_voice_once_the_months_additions_are_known_to_be_used_up(attempt, scenario):
    assert attempt.work()
    old = mirrored(scenario, attempt.employee)
    is_full(scenario, voice_add_edit_counter=95)
    replacing = replacement(scenario, attempt.employee)
    assert replacing.work() and replacing.state() == "failed"
    assert scenario.vendor_voices(attempt.employee) == [old] == [mirrored(scenario, attempt.employee)]


def test_a_replacement_frees_its_slot_of_an_account_that_is_known_to_be_full(attempt, scenario):
    assert attempt.work()
    old = mirrored(scenario, attempt.employee)
    is_full(scenario, voice_limit=1)
    replacing = replacement(scenario, attempt.employee)
    assert replacing.work()
    replacing.one_voice()
    assert scenario.vendor_voices(attempt.employee) != [old]


def test_an_account_that_was_full_and_has_room_again_makes_the_voice_and_is_not_asked_again(full, attempt, scenario):
    scenario.account("elevenlabs", voice_limit=30)
    next_attempt = Attempt.of_somebody(scenario)
    asked = limit_reads(scenario)
    assert attempt.work()
    attempt.one_voice()
    assert next_attempt.work()
    assert limit_reads(scenario) == asked + 1


def test_an_account_that_was_full_is_sent_the_sample_if_it_does_not_say_how_full_it_is(full, attempt, scenario):
    sent, asked = added(scenario), limit_reads(scenario)
    scenario.fault("elevenlabs", path="^/v1/user/subscription$", status=500)
    assert attempt.work()
    assert attempt.state() == "failed"
    assert (added(scenario), limit_reads(scenario)) == (sent + 1, asked + 2), "before the sample, and after its refusal"


def test_a_refusal_with_which_the_accounts_own_figures_do_not_agree_is_not_remembered(attempt, scenario):
    scenario.fault("elevenlabs", path=ADD, status=400, body={"detail": {"status": "voice_limit_reached", "message": "10 / 10"}})
    assert attempt.work()
    assert attempt.state() == "failed" and scenario.voice(attempt.employee).json()["report"]["problem"] is None
    next_attempt = Attempt.of_somebody(scenario)
    asked = limit_reads(scenario)
    assert next_attempt.work()
    assert limit_reads(scenario) == asked
