"""A clone, from the frontend's request to the employee's row: who may, one voice whatever is repeated, and none without consent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from standins.call import recording

from .attempts import ADD, Attempt, added, mirrored
from .people import problem, with_recording


@pytest.fixture
def employee(scenario):
    """Somebody with a recording and a consent."""
    return with_recording(scenario, consent=True)


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, code", [
    ("expired", "token_expired"), ("anonymous", "token_anonymous"), ("foreign", "token_invalid"), ("alg_none", "token_invalid"),
    ("unknown_kid", "token_invalid"), ("hs256_public_key", "token_invalid"),
])  # fmt: skip
def test_a_token_that_is_not_a_signed_in_users_reaches_neither_database_nor_queue_nor_vendor(scenario, kind, code):
    employee = scenario.new_employee()
    token = scenario.token(scenario.user("admin")["id"], kind)
    assert problem(scenario.ask_for_clone(employee, {"token": token})) == (401, code)
    assert problem(scenario.voice(employee, {"token": token})) == (401, code)
    assert scenario.journal("supabase", path="/rest/") == [] and scenario.journal("elevenlabs") == []
    assert scenario.messages("clone") == 0


def test_a_request_without_a_token_is_told_so(scenario):
    url = f"{scenario.stack['api_url']}/api/employees/{scenario.new_employee()}/clone-voice"
    answer = scenario.request("POST", url, b"")
    assert problem(answer) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_organisations_employee_is_not_there(scenario, employee):
    stranger = scenario.user("admin", scenario.other_organization)
    assert problem(scenario.ask_for_clone(employee, stranger)) == (404, "employee_not_found")
    assert problem(scenario.voice(employee, stranger)) == (404, "employee_not_found")
    assert scenario.messages("clone") == 0


def test_a_member_may_look_and_not_clone(scenario, employee):
    member = scenario.user("member")
    assert problem(scenario.ask_for_clone(employee, member)) == (403, "role_forbidden")
    assert scenario.voice(employee, member).json()["status"] == "none"


def test_a_signed_in_user_of_no_organisation_may_nothing(scenario, employee):
    nobody = {"token": scenario.token("99999999-9999-4999-8999-999999999999")}
    assert problem(scenario.ask_for_clone(employee, nobody)) == (403, "not_a_member")
    assert problem(scenario.voice(employee, nobody)) == (403, "not_a_member")


def test_no_consent_no_clone(scenario):
    employee = with_recording(scenario, consent=False)
    assert problem(scenario.ask_for_clone(employee)) == (403, "consent_required")
    scenario.consent(employee)
    scenario.withdraw(employee)
    assert problem(scenario.ask_for_clone(employee)) == (403, "consent_withdrawn")
    assert scenario.messages("clone") == 0 and scenario.journal("elevenlabs") == []


def test_no_recording_no_clone(scenario):
    employee = scenario.new_employee()
    scenario.consent(employee)
    assert problem(scenario.ask_for_clone(employee)) == (409, "recording_missing")


def test_an_id_that_is_no_uuid_and_a_wrong_method_are_refused(scenario):
    assert problem(scenario.ask_for_clone("7")) == (400, "employee_id_invalid")
    answer = scenario.request("GET", f"{scenario.stack['api_url']}/api/employees/{scenario.new_employee()}/clone-voice")
    assert problem(answer) == (405, "method_not_allowed")


# -- one voice -------------------------------------------------------------------------------------------------------


def test_two_at_once_give_one_voice_and_both_get_it(scenario, employee):
    with ThreadPoolExecutor() as pool:
        voices = {answer["voice_id"] for answer in pool.map(lambda _: scenario.clone(employee), range(4))}
    assert voices == {mirrored(scenario, employee)} == set(scenario.vendor_voices(employee))
    assert added(scenario) == 1


def test_respond_async_answers_at_once_and_says_where_to_look(scenario, employee):
    answer = scenario.ask_for_clone(employee, headers={"Prefer": "respond-async"})
    assert answer.status == 202
    assert answer.json()["status"] == "pending" and int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Preference-Applied"] == "respond-async"
    look = answer.headers["Location"]
    assert look == f"/api/employees/{employee}/voice"
    scenario.until(lambda: scenario.voice(employee).json()["status"] == "ready", "the voice")
    assert scenario.voice(employee).json()["voice_id"] == mirrored(scenario, employee)


def test_a_vendor_that_takes_longer_than_25_seconds_makes_the_answer_a_202(scenario, employee):
    scenario.fault("elevenlabs", path=ADD, delay=35)
    answer = scenario.ask_for_clone(employee)
    assert answer.status == 202 and answer.headers["Location"] and "Preference-Applied" not in answer.headers
    assert scenario.clone(employee)["voice_id"] == mirrored(scenario, employee)
    assert added(scenario) == 1


def test_a_newer_recording_makes_a_new_voice_and_the_old_one_goes(scenario, employee):
    old = scenario.clone(employee)["voice_id"]
    with_recording(scenario, consent=False, employee=employee)
    new = scenario.clone(employee)["voice_id"]
    assert new != old and mirrored(scenario, employee) == new
    scenario.until(lambda: scenario.vendor_voices(employee) == [new], "the end of the old voice")


def test_the_vendor_is_told_whose_voice_it_is(scenario, employee):
    voice_id = scenario.clone(employee)["voice_id"]
    (voice,) = [voice for voice in scenario.voices_sent() if voice["voice_id"] == voice_id]
    attempt = scenario.one("select id from voices where vendor_voice_id = %s", voice_id)
    assert voice["name"] == "Robin Example"
    assert voice["labels"]["employee"] == employee and voice["labels"]["attempt"] == str(attempt)
    assert set(voice["labels"]) == {"employee", "attempt", "deployment"} and f"attempt {attempt} " in voice["description"]


# -- the vendor fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings, status, code", [
    ({"voice_limit": 0}, 409, "voice_limit_reached"),
    ({"can_use_instant_voice_cloning": False}, 402, "voice_plan_required"),
    ({"max_file_bytes": 1000}, 422, "recording_not_audio"),
    ({"requires_verification": True}, 409, "voice_requires_verification"),
    ({"library_voice_match": {"library_voice_id": "x", "public_owner_id": "y"}}, 409, "voice_requires_verification"),
])  # fmt: skip
def test_a_refusal_of_the_vendor_ends_the_attempt_with_a_code(scenario, employee, settings, status, code):
    scenario.account("elevenlabs", **settings)
    assert problem(scenario.ask_for_clone(employee)) == (status, code)
    state = scenario.voice(employee).json()
    assert (state["voice_id"], state["status"], state["code"]) == (None, "failed", code)
    assert scenario.vendor_voices(employee) == [] and mirrored(scenario, employee) is None


@pytest.fixture
def attempt(scenario, employee):
    """An attempt that waits for its worker, which the test itself invokes."""
    return Attempt(scenario, employee)


def test_a_voice_takes_five_questions_to_the_database(attempt, scenario):
    assert attempt.work()
    asked = [request["path"].rpartition("/")[2] for request in scenario.journal("supabase", path="/rpc/")]
    assert asked == ["begin_clone", "take_sample", "save_vendor_voice", "finish_clone", "metadata_written"]


LOST = [
    {"reset": True, "do_work": True}, {"status": 500, "do_work": True}, {"status": 504, "body": "<html>", "do_work": True},
    {"status": 200, "body": "{", "do_work": True}, {"cut": 5},
]  # fmt: skip


@pytest.mark.parametrize("fault", LOST, ids=["reset", "500", "504", "malformed", "cut"])
def test_a_lost_answer_never_leads_to_a_second_voice(attempt, scenario, fault):
    scenario.fault("elevenlabs", path=ADD, **fault)
    assert not attempt.work()
    assert attempt.state() == "unknown"
    assert not attempt.work(), "the vendor may still be making it"
    assert added(scenario) == 1

    attempt.lease_and_grace_are_over()
    assert attempt.work()
    assert added(scenario) == 1
    attempt.one_voice()


def test_a_lost_answer_with_nothing_done_leads_to_a_new_try_after_a_search(attempt, scenario):
    scenario.fault("elevenlabs", path=ADD, reset=True)
    assert not attempt.work()
    assert not attempt.work()
    attempt.lease_and_grace_are_over()
    assert attempt.work()
    assert added(scenario) == 2
    assert len(scenario.journal("elevenlabs", path="^/v2/voices$")) == 1
    attempt.one_voice()


def test_a_voice_that_wants_verification_and_could_not_be_deleted_is_deleted_by_the_next_try(attempt, scenario):
    scenario.account("elevenlabs", library_voice_match={"library_voice_id": "x", "public_owner_id": "y"})
    scenario.fault("elevenlabs", method="DELETE", path="/v1/voices/", status=500)
    assert not attempt.work()
    assert attempt.state() == "failed" and len(scenario.vendor_voices(attempt.employee)) == 1
    assert attempt.work()
    assert scenario.vendor_voices(attempt.employee) == []


def test_the_search_for_a_lost_voice_reads_every_page(attempt, scenario):
    # More than a page of other voices that the search finds too, made before it and after it.
    scenario.account("elevenlabs", voice_limit=1000)
    scenario.make_voices("before", 101, f"Not the voice of {attempt.id}.")
    scenario.fault("elevenlabs", path=ADD, reset=True, do_work=True)
    assert not attempt.work()
    scenario.make_voices("after", 101, f"Not the voice of {attempt.id}.")
    attempt.lease_and_grace_are_over()
    assert attempt.work()
    assert added(scenario) == 1
    assert mirrored(scenario, attempt.employee) in scenario.vendor_voices(attempt.employee)


def test_a_recording_that_is_gone_from_storage_ends_the_attempt(attempt, scenario):
    scenario.fault("supabase", path="/object/authenticated/recordings/", status=400,
                   body={"statusCode": "404", "code": "NoSuchKey", "error": "not_found", "message": "Object not found"})
    assert attempt.work()
    assert attempt.state() == "failed" and added(scenario) == 0
    assert scenario.voice(attempt.employee).json()["code"] == "recording_missing"


def test_a_voice_that_wants_verification_is_not_adopted_after_a_lost_answer_either(attempt, scenario):
    scenario.account("elevenlabs", requires_verification=True)
    scenario.fault("elevenlabs", path=ADD, reset=True, do_work=True)
    assert not attempt.work()
    attempt.lease_and_grace_are_over()
    assert attempt.work()
    assert attempt.state() == "failed"
    assert scenario.vendor_voices(attempt.employee) == []


def test_a_busy_vendor_has_surely_made_nothing_and_is_asked_again(attempt, scenario):
    scenario.fault("elevenlabs", path=ADD, status=429, body={"detail": {"code": "system_busy"}})
    assert not attempt.work()
    assert attempt.state() == "requested"
    assert attempt.work()
    attempt.one_voice()


# More than the uploads that an attempt has.
OFTEN = 11


@pytest.mark.parametrize("fault", [
    {"status": 429, "body": {"detail": {"code": "system_busy"}}}, {"status": 429, "body": "<html>"},
    {"status": 403, "body": {"detail": {"code": "missing_permissions"}}},
], ids=["busy", "proxy", "key"])  # fmt: skip
def test_a_vendor_that_turns_the_sample_away_eleven_times_costs_nobody_their_voice(attempt, scenario, fault):
    scenario.fault("elevenlabs", path=ADD, times=OFTEN, **fault)
    while scenario.hits("elevenlabs") < OFTEN:
        attempt.work()
        assert attempt.state() in ("requested", "ready")
    if attempt.state() == "requested":
        assert attempt.work()
    assert added(scenario) == OFTEN + 1
    assert scenario.one("select uploads from voices where id = %s", attempt.id) == 1
    attempt.one_voice()


def test_a_request_whose_vendor_is_busy_for_a_day_is_ended_by_the_sweep(attempt, scenario):
    scenario.fault("elevenlabs", path=ADD, times=None, status=429, body={"detail": {"code": "rate_limit_exceeded"}})
    for _ in range(OFTEN):
        assert not attempt.work()
    scenario.database.execute("update voices set requested_at = now() - interval '24 hours 1 minute' where id = %s", [attempt.id])
    assert scenario.swept()["attempts_timed_out"] == 1
    assert scenario.voice(attempt.employee).json()["code"] == "clone_timed_out"
    assert attempt.work(), "its message is done"
    assert added(scenario) == OFTEN and scenario.vendor_voices(attempt.employee) == []


def test_an_old_voice_that_cannot_be_deleted_first_costs_the_new_one_no_upload(scenario, employee):
    old = scenario.clone(employee)["voice_id"]
    scenario.forget_journal("elevenlabs")
    with_recording(scenario, consent=False, employee=employee)
    asked = "select request_clone(p_user_id => %s, p_employee_id => %s, p_usual_channel => 2::smallint, p_pipeline_version => 1, p_replace => true)"
    attempt = scenario.one(asked, scenario.user("admin")["id"], employee)["attempt_id"]
    scenario.fault("elevenlabs", method="DELETE", path=f"/v1/voices/{old}$", times=OFTEN, status=429, body={"detail": {"code": "system_busy"}})
    work = lambda: scenario.work("clone-worker", {"attempt_id": attempt})
    assert [work() for _ in range(OFTEN)] == [False] * OFTEN and added(scenario) == 0
    assert work() and added(scenario) == 1
    assert [mirrored(scenario, employee)] == scenario.vendor_voices(employee) != [old]


def test_a_key_that_the_vendor_refuses_is_read_again_and_the_same_try_goes_on(attempt, scenario):
    scenario.make_cold("clone-worker")
    scenario.fault("elevenlabs", path=ADD, status=401, body={})
    assert attempt.work()
    attempt.one_voice()


@pytest.mark.parametrize("path, done", [
    ("/rpc/begin_clone", False), ("/object/authenticated/recordings/", False), ("/rpc/finish_clone", True), ("/rpc/finish_clone", False),
    ("/object/deep-fakes/", False), ("/object/deep-fakes/", True), ("/rpc/metadata_written", True),
])  # fmt: skip
def test_a_failure_of_supabase_at_any_step_is_put_right_by_the_next_try(attempt, scenario, path, done):
    scenario.fault("supabase", path=path, do_work=done, status=500)
    assert not attempt.work()
    if path == "/rpc/begin_clone" or attempt.work():
        assert attempt.work()
    attempt.one_voice()
    assert added(scenario) == 1


@pytest.mark.parametrize("done", [True, False])
def test_a_vendor_id_that_could_not_be_saved_is_found_again(attempt, scenario, done):
    scenario.fault("supabase", path="/rpc/save_vendor_voice", do_work=done, reset=True)
    assert not attempt.work()
    attempt.lease_and_grace_are_over()
    assert attempt.work()
    assert added(scenario) == 1
    attempt.one_voice()


def test_a_replaced_voice_that_could_not_be_deleted_is_deleted_by_the_next_try(scenario, employee):
    old = scenario.clone(employee)["voice_id"]
    with_recording(scenario, consent=False, employee=employee)
    attempt = Attempt(scenario, employee)
    scenario.fault("elevenlabs", method="DELETE", path=f"/v1/voices/{old}$", status=500)
    assert not attempt.work()
    assert mirrored(scenario, employee) != old
    assert attempt.work()
    attempt.one_voice()


def test_two_workers_with_the_same_message_make_one_voice(attempt, scenario):
    scenario.account("elevenlabs", add_seconds=1)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: attempt.work(), range(3)))
    assert True in done
    assert added(scenario) == 1
    attempt.one_voice()


def test_consent_withdrawn_while_the_voice_is_made_ends_without_a_voice(attempt, scenario):
    scenario.account("elevenlabs", add_seconds=2)
    worker = threading.Thread(target=attempt.work)
    worker.start()
    scenario.until(lambda: scenario.one("select report is not null from voices where id = %s", attempt.id), "the sample")
    scenario.withdraw(attempt.employee)
    worker.join()
    assert attempt.state() == "failed"
    assert added(scenario) == 1 and scenario.vendor_voices(attempt.employee) == []
    assert mirrored(scenario, attempt.employee) is None
    assert scenario.stored(f"deep-fakes/{attempt.employee}/{attempt.employee}.json") is None


def test_a_public_metadata_bucket_gets_nothing(attempt, scenario):
    scenario.storage("POST", "/bucket", {"id": "deep-fakes", "name": "deep-fakes", "public": True})
    assert not attempt.work()
    assert scenario.stored(f"deep-fakes/{attempt.employee}/{attempt.employee}.json") is None
    scenario.storage("PUT", "/bucket/deep-fakes", {"public": False})
    assert attempt.work()
    attempt.one_voice()


def test_no_log_line_holds_a_name_a_token_or_an_address_of_audio(scenario, employee):
    scenario.clone(employee)
    token = scenario.user("admin")["token"]
    keys = [scenario.stack["supabase"]["secret_key"], scenario.stack["elevenlabs"]["api_key"], scenario.stack["twilio"]["auth_token"]]
    for function in scenario.stack["aws"]["functions"]:
        log = scenario.logs(function)
        for secret in [token, *keys, "Robin Example", ".wav"]:
            assert secret not in log, f"{function} logs {secret[:6]}…"
