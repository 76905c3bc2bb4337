"""Withdrawing while a clone is being made, at each of its steps, ends with no voice; and so does any mix of what people may do."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from .people import with_recording
from .test_erasure import expire

STEPS = {
    "before it begins": ("supabase", "POST", "/rpc/begin_clone$"),
    "while the recording is read": ("supabase", "GET", "/object/authenticated/recordings/"),
    "while the voice is made": ("elevenlabs", "POST", "^/v1/voices/add$"),
    "before the voice is saved": ("supabase", "POST", "/rpc/save_vendor_voice$"),
    "before it is finished": ("supabase", "POST", "/rpc/finish_clone$"),
    "while the metadata is written": ("supabase", "POST", "/object/deep-fakes/"),
    "before the metadata is confirmed": ("supabase", "POST", "/rpc/metadata_written$"),
}


@pytest.mark.parametrize("step", STEPS)
def test_withdrawing_at_any_step_of_a_clone_ends_without_a_voice(scenario, step):
    vendor, method, path = STEPS[step]
    employee = with_recording(scenario, consent=True)
    attempt = scenario.request_clone(employee)["attempt_id"]
    scenario.fault(vendor, method=method, path=path, delay=1.5)
    worker = threading.Thread(target=scenario.work, args=("clone-worker", {"attempt_id": attempt}))
    worker.start()
    scenario.until(lambda: scenario.hits(vendor), "the step")
    assert scenario.api("DELETE", f"/employees/{employee}/voice-consent").status == 200
    worker.join()
    scenario.work("clone-worker", {"attempt_id": attempt})

    erasure = scenario.one("select id::text from voice_erasures where employee_id = %s", employee)
    scenario.until(lambda: scenario.work("voice-erasure", {"erasure_id": erasure}), "the end of the erasure")
    assert scenario.vendor_voices(employee) == []
    assert scenario.one("select voice_id from employees where id = %s", employee) is None
    assert b"Robin Example" not in (scenario.stored(f"deep-fakes/{employee}/{employee}.json") or b"")


class Life:
    """The deeds of several people with one employee's voice, in an order that nobody planned."""

    def __init__(self, scenario, seed: int):
        self.scenario, self.random = scenario, random.Random(seed)
        self.employee = with_recording(scenario, consent=True)
        self.admin = scenario.user("admin")["id"]

    def step(self) -> None:
        self.random.choice([self.grant, self.withdraw, self.clone, self.clone, self.clone, self.crash, self.record, self.erase, self.expire])()

    def grant(self) -> None:
        self.scenario.consent(self.employee)

    def withdraw(self) -> None:
        self.scenario.one("select withdraw_voice_consent(%s, %s)", self.admin, self.employee)

    def erase(self) -> None:
        self.scenario.one("select start_erasure(%s, %s)", self.admin, self.employee)

    def expire(self) -> None:
        expire(self.scenario, self.employee)

    def record(self) -> None:
        with_recording(self.scenario, consent=False, employee=self.employee)

    def clone(self) -> None:
        """Two workers with the same message."""
        asked = self.scenario.request_clone(self.employee)
        if "attempt_id" in asked:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda _: self.scenario.work("clone-worker", {"attempt_id": asked["attempt_id"]}), range(2)))

    def crash(self) -> None:
        """A clone whose answer is lost somewhere; later its lease and grace are over."""
        vendor, _, path = self.random.choice(list(STEPS.values()))
        self.scenario.fault(vendor, path=path, reset=True, do_work=self.random.random() < 0.5)
        self.clone()
        self.scenario.no_faults(vendor)
        self.time_passes()

    def time_passes(self) -> None:
        self.scenario.database.execute(
            "update voices set lease_until = now() - interval '61 seconds' where employee_id = %s and lease_until is not null", [self.employee])

    def settle(self) -> None:
        """Queue and sweep do their work; once more than is needed."""
        self.time_passes()
        self.scenario.database.execute(
            "update voices set requested_at = now() - interval '11 minutes' where employee_id = %s", [self.employee])
        self.scenario.swept()
        for _ in range(2):
            for attempt in self.ids("select id::text from voices where employee_id = %s"):
                self.scenario.work("clone-worker", {"attempt_id": attempt})
            for erasure in self.ids("select id::text from voice_erasures where employee_id = %s"):
                self.scenario.work("voice-erasure", {"erasure_id": erasure})
            self.scenario.swept()

    def ids(self, query: str) -> list[str]:
        return [row[0] for row in self.scenario.database.execute(query, [self.employee]).fetchall()]

    def invariants(self) -> None:
        scenario, employee = self.scenario, self.employee
        live = scenario.one("select (understudy.check_consent(%s, %s, 'voice_clone')).problem is null", scenario.organization["id"], employee)
        current = scenario.one("select voice_id from employees where id = %s", employee)
        voices = scenario.vendor_voices(employee)
        assert voices == ([current] if current else []), "one voice at most, and it is the current one"
        assert live or current is None, "no voice without a live consent"
        assert scenario.one("select verify_audit()")["outcome"] == "whole"
        stranger = scenario.user("admin", scenario.other_organization)
        assert scenario.voice(employee, stranger).status == 404
        assert scenario.api("GET", f"/employees/{employee}/voice-consent", user=stranger).status == 404


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_people_do_and_whatever_crashes_no_voice_lives_without_consent(scenario, seed):
    life = Life(scenario, seed)
    for _ in range(6):
        for _ in range(3):
            life.step()
        life.settle()
        life.invariants()
