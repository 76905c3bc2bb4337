"""Erasure: every copy goes, each says whether it is gone, and nothing brings it back. And the sweep, which finds what is left."""

from __future__ import annotations

import json
import threading

import pytest

from .people import cloned, problem, with_recording


class Erasure:
    """Somebody whose voice is to go; the worker is invoked by hand."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.employee, self.voice = cloned(scenario)
        self.sid = scenario.one("select recording_sid from recordings where employee_id = %s", self.employee)
        self.call_sid = scenario.one("select call_sid from recordings where employee_id = %s", self.employee)
        self.id = None

    def start(self) -> None:
        """In the database alone: nothing is queued."""
        self.id = self.scenario.one("select start_erasure(%s, %s)", self.scenario.user("admin")["id"], self.employee)["erasure_id"]

    def work(self) -> bool:
        return self.scenario.work("voice-erasure", {"erasure_id": self.id})

    def state(self) -> dict:
        return self.scenario.api("GET", f"/employees/{self.employee}/voice/erasure").json()

    def copies(self) -> dict[str, str]:
        return {copy["kind"]: copy["state"] for copy in self.state()["erasure"]["copies"]}

    def everything_is_gone(self) -> None:
        scenario, employee = self.scenario, self.employee
        assert self.state()["status"] == "erased"
        assert set(self.copies().values()) == {"erased"}
        assert scenario.vendor_voices(employee) == []
        assert scenario.stored(f"recordings/{employee}/{employee}.wav") is None
        assert scenario.stored(f"recordings/{employee}/{self.sid}.wav") is None
        assert scenario.twilio_has(self.sid) is False
        tombstone = json.loads(scenario.stored(f"deep-fakes/{employee}/{employee}.json"))
        assert tombstone["status"] == "erased" and tombstone["voice_id"] is None
        assert "Robin Example" not in str(tombstone)
        assert scenario.one("select voice_id from employees where id = %s", employee) is None


@pytest.fixture
def erasure(scenario):
    return Erasure(scenario)


def test_deleting_the_voice_erases_every_copy_and_tells_of_each(erasure, scenario):
    answer = scenario.api("DELETE", f"/employees/{erasure.employee}/voice")
    assert answer.status == 200 and answer.json()["erasure_id"]
    assert scenario.one("select voice_id from employees where id = %s", erasure.employee) is None, "at once"
    scenario.until(lambda: erasure.state()["status"] == "erased", "the end of the erasure")
    erasure.everything_is_gone()
    assert set(erasure.copies()) == {
        "vendor_history", "vendor_voice", "stored_recording", "newest_recording", "twilio_call", "twilio_recording", "metadata",
    }
    assert erasure.state()["erasure"]["kept"], "what stays is said"


def test_withdrawing_the_consent_erases_too(erasure, scenario):
    assert scenario.api("DELETE", f"/employees/{erasure.employee}/voice-consent").status == 200
    scenario.until(lambda: erasure.state()["status"] == "erased", "the end of the erasure")
    erasure.everything_is_gone()


def test_only_an_admin_of_the_organisation_erases(erasure, scenario):
    path = f"/employees/{erasure.employee}/voice"
    assert problem(scenario.api("DELETE", path, user=scenario.user("member"))) == (403, "role_forbidden")
    assert problem(scenario.api("DELETE", path, user=scenario.user("admin", scenario.other_organization))) == (404, "employee_not_found")
    assert scenario.vendor_voices(erasure.employee) == [erasure.voice]


FAULTS = {"500": {"status": 500}, "reset": {"reset": True}, "reset after the work": {"reset": True, "do_work": True}}
COPIES = {
    "vendor_voice": ("elevenlabs", "DELETE", "/v1/voices/"), "stored_recording": ("supabase", "DELETE", "/object/recordings"),
    "twilio_recording": ("twilio", "DELETE", "/Recordings/RE"), "metadata": ("supabase", "POST", "/object/deep-fakes/"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_that_cannot_be_deleted_is_reported_and_tried_again_and_all_others_go(erasure, scenario, kind, fault):
    vendor, method, path = COPIES[kind]
    erasure.start()
    scenario.fault(vendor, method=method, path=path, times=None, **FAULTS[fault])
    if not erasure.work():
        copies = erasure.copies()
        assert erasure.state()["status"] == "pending" and copies.pop(kind) == "failed"
        # The copy called the newest goes only after every recording.
        late = {"newest_recording"} if kind == "stored_recording" else set()
        assert {other for other, state in copies.items() if state != "erased"} <= late
        scenario.no_faults(vendor)
        assert erasure.work()
    else:
        assert fault == "reset after the work", "a look has shown that it is gone"
    erasure.everything_is_gone()


@pytest.mark.parametrize("vendor", ["twilio", "elevenlabs"])
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 401}, {"delay": 12}], ids=["503", "401", "no answer"])
def test_one_vendors_outage_delays_only_that_vendors_copies(erasure, scenario, vendor, fault):
    erasure.start()
    scenario.fault(vendor, path="^/2010-04-01/|^/v[12]/", times=None, **fault)
    assert not erasure.work()
    theirs = {"twilio": {"twilio_call", "twilio_recording"}, "elevenlabs": {"vendor_history", "vendor_voice"}}[vendor]
    assert {kind for kind, state in erasure.copies().items() if state != "erased"} == theirs
    assert scenario.stored(f"recordings/{erasure.employee}/{erasure.sid}.wav") is None
    scenario.no_faults(vendor)
    assert erasure.work()
    erasure.everything_is_gone()


def test_keepers_that_do_not_answer_in_time_are_asked_again(erasure, scenario):
    erasure.start()
    for vendor, method, path in COPIES.values():
        scenario.fault(vendor, method=method, path=path, delay=12, times=None)
    # More than the ten seconds that a deletion may take, for each of them.
    assert not erasure.work()
    copies = erasure.copies()
    assert {copies[kind] for kind in COPIES} == {"failed"}
    for copy in erasure.state()["erasure"]["copies"]:
        assert copy["state"] != "failed" or copy["last_error"] == "no_answer"
    for vendor in ("elevenlabs", "supabase", "twilio"):
        scenario.no_faults(vendor)
    assert erasure.work()
    erasure.everything_is_gone()


def test_a_deletion_that_the_vendor_only_says_it_did_is_not_believed(erasure, scenario):
    erasure.start()
    scenario.fault("elevenlabs", method="DELETE", path="/v1/voices/", status=200, body={"status": "ok"}, times=None)
    assert not erasure.work()
    assert erasure.copies()["vendor_voice"] == "failed"
    scenario.no_faults("elevenlabs")
    assert erasure.work()
    erasure.everything_is_gone()


def test_a_voice_whose_deletion_fails_although_it_is_gone_counts_as_gone(erasure, scenario):
    scenario.elevenlabs("DELETE", f"/v1/voices/{erasure.voice}")
    scenario.fault("elevenlabs", method="DELETE", path="/v1/voices/", status=500, times=None)
    erasure.start()
    assert erasure.work()
    erasure.everything_is_gone()


def test_what_is_gone_already_counts_as_erased(erasure, scenario):
    scenario.elevenlabs("DELETE", f"/v1/voices/{erasure.voice}")
    scenario.twilio_deletes(erasure.sid)
    scenario.storage("DELETE", "/object/recordings", {"prefixes": [f"{erasure.employee}/{erasure.sid}.wav"]})
    erasure.start()
    assert erasure.work()
    erasure.everything_is_gone()


def test_a_recording_whose_callback_never_came_goes_too(erasure, scenario):
    unheard = scenario.new_recording(erasure.call_sid, silence_bytes=1000)
    erasure.start()
    assert erasure.work()
    erasure.everything_is_gone()
    assert scenario.twilio_has(unheard) is False


def test_neither_a_late_message_nor_a_redrive_brings_back_what_was_erased(erasure, scenario):
    erasure.start()
    assert erasure.work()
    assert scenario.work("recording-ingest", {"call_sid": erasure.call_sid, "recording_sid": erasure.sid})
    assert erasure.work()
    erasure.everything_is_gone()


def test_an_erasure_while_the_voice_is_being_made_ends_without_one(scenario):
    employee = with_recording(scenario, consent=True)
    attempt = scenario.request_clone(employee)["attempt_id"]
    scenario.account("elevenlabs", add_seconds=2)
    worker = threading.Thread(target=scenario.work, args=("clone-worker", {"attempt_id": attempt}))
    worker.start()
    scenario.until(lambda: scenario.one("select state from voices where id = %s", attempt) == "cloning", "the lease")
    assert scenario.api("DELETE", f"/employees/{employee}/voice").status == 200
    worker.join()
    erasure_id = scenario.one("select id::text from voice_erasures where employee_id = %s", employee)
    scenario.until(lambda: scenario.work("voice-erasure", {"erasure_id": erasure_id}), "the end of the erasure")
    assert scenario.vendor_voices(employee) == []
    assert scenario.one("select voice_id from employees where id = %s", employee) is None


# -- the sweep ---------------------------------------------------------------------------------------------------------


def expire(scenario, employee: str) -> None:
    """As if time had passed: consents are never edited, so the trigger that says so is put aside."""
    with scenario.database.transaction():
        scenario.database.execute("alter table voice_consents disable trigger voice_consents_kept")
        scenario.database.execute(
            "update voice_consents set granted_at = now() - interval '2 days', expires_at = now() - interval '1 day' where employee_id = %s", [employee])
        scenario.database.execute("alter table voice_consents enable trigger voice_consents_kept")


def test_an_expired_consent_ends_the_voice_within_one_sweep(erasure, scenario):
    expire(scenario, erasure.employee)
    assert scenario.api("GET", f"/employees/{erasure.employee}/voice").json()["voice_id"] is None, "at once"
    assert scenario.swept()["erasures_started"] == 1
    assert scenario.one("select voice_id from employees where id = %s", erasure.employee) is None
    scenario.until(lambda: erasure.state()["status"] == "erased", "the end of the erasure")
    erasure.everything_is_gone()


def test_a_voice_at_the_vendor_that_no_live_row_owns_is_deleted_and_others_are_not(erasure, scenario):
    attempt = scenario.one("select id from voices where vendor_voice_id = %s", erasure.voice)
    mark, ours = scenario.mark(erasure.employee, attempt), str(scenario.one("select understudy.deployment_id()"))
    scenario.make_voices("doubled", 1, mark)
    scenario.make_voices("elsewhere", 1, mark.replace(ours, "99999999-9999-4999-8999-999999999999"))
    assert scenario.swept()["voices_deleted"] == 1
    left = scenario.vendor_voices(erasure.employee)
    assert erasure.voice in left and len(left) == 2 and not any(voice.startswith("doubled") for voice in left)


def test_a_voice_that_cannot_be_deleted_does_not_keep_the_next_from_going(erasure, scenario):
    attempt = scenario.one("select id from voices where vendor_voice_id = %s", erasure.voice)
    scenario.make_voices("doubled", 2, scenario.mark(erasure.employee, attempt))
    scenario.fault("elevenlabs", method="DELETE", path="^/v1/voices/doubled", status=500)
    with pytest.raises(AssertionError, match="delete a voice"):
        scenario.swept()
    assert len(scenario.vendor_voices(erasure.employee)) == 2
    assert scenario.swept()["voices_deleted"] == 1


def test_an_attempt_and_an_erasure_whose_messages_are_lost_are_queued_again(erasure, scenario):
    employee = with_recording(scenario, consent=True)
    attempt = scenario.request_clone(employee)["attempt_id"]
    erasure.start()
    scenario.database.execute("update voices set requested_at = now() - interval '11 minutes' where id = %s", [attempt])
    scenario.database.execute("update voice_erasures set requested_at = now() - interval '11 minutes' where id = %s", [erasure.id])
    found = scenario.swept()
    assert found["attempts_queued"] >= 1 and found["erasures_queued"] >= 1
    scenario.until(lambda: scenario.vendor_voices(employee), "the voice")
    scenario.until(lambda: erasure.state()["status"] == "erased", "the end of the erasure")


def test_two_sweeps_at_once_do_no_harm(erasure, scenario):
    expire(scenario, erasure.employee)
    sweeps = [threading.Thread(target=scenario.swept) for _ in range(2)]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.join()
    scenario.until(lambda: erasure.state()["status"] == "erased", "the end of the erasure")
    assert scenario.one("select count(*) from voice_erasures where employee_id = %s", erasure.employee) == 1
