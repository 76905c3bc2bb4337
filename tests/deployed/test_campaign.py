"""Many employees at once, and the places that there are for voices."""

from __future__ import annotations

import uuid

import pytest

from .people import cloned, problem, with_recording

PATH = "/voice-clones"


def ask(scenario, employees: list[str], **settings):
    body = {"employee_ids": employees} | settings
    return scenario.api("POST", PATH, body)


def test_a_team_is_cloned_with_one_request_and_each_has_an_answer(scenario):
    done, _ = cloned(scenario)
    ready, without_consent = with_recording(scenario, consent=True), with_recording(scenario, consent=False)
    stranger = str(uuid.uuid4())
    answer = ask(scenario, [done, ready, without_consent, stranger])
    assert answer.status == 202
    results = {result["employee_id"]: result for result in answer.json()["results"]}
    assert results[done]["status"] == "ready" and results[ready]["status"] == "pending"
    assert results[without_consent]["code"] == "consent_required" and results[stranger]["code"] == "employee_not_found"
    scenario.until(lambda: scenario.voice(ready).json()["status"] == "ready", "the voice")
    again = ask(scenario, [done, ready])
    assert again.status == 200 and {result["status"] for result in again.json()["results"]} == {"ready"}


def test_only_an_admin_may_and_only_for_a_list_of_at_most_500(scenario):
    employee = with_recording(scenario, consent=True)
    member = scenario.api("POST", PATH, {"employee_ids": [employee]}, user=scenario.user("member"))
    assert problem(member) == (403, "role_forbidden")
    assert problem(ask(scenario, [])) == (400, "body_invalid")
    too_many = ask(scenario, [str(uuid.uuid4()) for _ in range(501)])
    assert problem(too_many) == (422, "too_many_employees") and too_many.json()["limit"] == 500
    assert scenario.voice(employee).json()["status"] == "none"


def test_five_hundred_are_answered_each_in_the_place_where_they_were_named(scenario):
    nobodies = [str(uuid.uuid4()) for _ in range(499)]
    employee = with_recording(scenario, consent=True)
    answer = ask(scenario, [*nobodies[:250], employee, *nobodies[250:]])
    results = answer.json()["results"]
    assert answer.status == 202
    assert [result["employee_id"] for result in results] == [*nobodies[:250], employee, *nobodies[250:]]
    assert results.pop(250)["status"] == "pending"
    assert {result["code"] for result in results} == {"employee_not_found"}


def test_whoever_cannot_be_asked_for_in_time_is_told_so_and_the_others_are_cloned(scenario):
    first, late = with_recording(scenario, consent=True), with_recording(scenario, consent=True)
    scenario.fault("supabase", path="/rpc/request_clone$", skip=1, delay=40, times=None)
    answer = ask(scenario, [first, late])
    assert [(result["status"], result.get("code")) for result in answer.json()["results"]] == [("pending", None), ("failed", "unavailable")]
    scenario.until(lambda: scenario.voice(first).json()["status"] == "ready", "the voice")


def test_a_click_does_not_wait_for_a_campaign(scenario):
    team = [with_recording(scenario, consent=True) for _ in range(12)]
    somebody = with_recording(scenario, consent=True)
    scenario.fault("elevenlabs", method="POST", path="/v1/voices/add", delay=2, times=None)
    assert ask(scenario, team).status == 202
    assert scenario.clone(somebody)["status"] == "ready"
    assert "pending" in {scenario.voice(member).json()["status"] for member in team}
    scenario.until(lambda: {scenario.voice(member).json()["status"] for member in team} == {"ready"}, "the team's voices")


@pytest.fixture
def quota(scenario):
    """Sets how many voices the organisation may have."""
    org = scenario.organization["id"]

    def set_quota(voices: int) -> None:
        scenario.database.execute(
            "insert into organization_voice_settings (org_id, max_voices) values (%s, %s) on conflict (org_id) do update set max_voices = excluded.max_voices",
            [org, voices],
        )

    yield set_quota
    scenario.database.execute("delete from organization_voice_settings where org_id = %s", [org])


def test_an_organisation_at_its_quota_is_told_the_figures_and_may_still_clone_anew(scenario, quota):
    mine, _ = cloned(scenario)
    used = scenario.one(
        "select count(distinct employee_id) from voices where org_id = %s and state in ('requested', 'cloning', 'unknown', 'ready')",
        scenario.organization["id"],
    )
    quota(used)
    answer = scenario.ask_for_clone(with_recording(scenario, consent=True))
    assert problem(answer) == (409, "voice_quota_reached")
    assert (answer.json()["figure"], answer.json()["limit"]) == (used, used)
    with_recording(scenario, consent=False, employee=mine)
    assert scenario.ask_for_clone(mine).status in (200, 202)


def test_a_full_account_is_told_with_its_figures(scenario):
    scenario.account("elevenlabs", voice_limit=0)
    answer = scenario.ask_for_clone(with_recording(scenario, consent=True))
    assert problem(answer) == (409, "voice_limit_reached")
    assert answer.json()["limit"] == 0 and answer.json()["unit"] == "voices"


def test_replacing_first_makes_room_on_a_full_account(scenario):
    employee, old = cloned(scenario)
    with_recording(scenario, consent=False, employee=employee)
    voices = len(scenario.voices_sent())
    scenario.account("elevenlabs", voice_limit=voices)
    assert problem(scenario.ask_for_clone(employee)) == (409, "voice_limit_reached")
    answer = scenario.api("POST", f"/employees/{employee}/clone-voice?replace=true")
    assert answer.status == 200, answer.body
    assert scenario.vendor_voices(employee) == [answer.json()["voice_id"]] != [old]


def test_a_replacement_that_fails_by_its_sample_leaves_the_voice(scenario):
    employee, old = cloned(scenario)
    # The other party's channel, on which there is too little speech.
    scenario.database.execute("update calls set employee_channel = 1 where employee_id = %s", [employee])
    answer = scenario.api("POST", f"/employees/{employee}/clone-voice?replace=true")
    assert problem(answer) == (422, "sample_too_short")
    assert scenario.vendor_voices(employee) == [old] and scenario.voice(employee).json()["voice_id"] == old
