"""A message that was given up does its work when it is sent back, and no harm when it is sent back again."""

from __future__ import annotations

import json

import pytest

from standins.call import recording

from .people import cloned, with_recording
from .spine import everything_is_erased, requested_attempt


class DeadLetters:
    """Those of a queue, named as in stack.json."""

    def __init__(self, scenario, queue: str):
        self.scenario = scenario
        self.queue = queue
        self._sqs = scenario.aws("sqs")
        self._url, self._dead_url = (scenario.stack["aws"]["queues"][name] for name in (queue, f"{queue}_dead_letters"))

    def queue_message(self, body: dict) -> None:
        self._sqs.send_message(QueueUrl=self._url, MessageBody=json.dumps(body))

    def add(self, body: dict) -> None:
        """As if it had failed as often as the queue allows."""
        self._sqs.send_message(QueueUrl=self._dead_url, MessageBody=json.dumps(body))

    def wait_for_one(self) -> dict:
        """The body of a message that dies, once it is dead. It stays."""
        self.scenario.until(lambda: self.scenario.messages(f"{self.queue}_dead_letters") == 1, "the dead letter")
        (letter,) = self._sqs.receive_message(QueueUrl=self._dead_url, VisibilityTimeout=0)["Messages"]
        return json.loads(letter["Body"])

    def redrive(self) -> None:
        """What `aws sqs start-message-move-task` does, which the local AWS does not have: each becomes a new message of its
        queue. Returns when all are worked on and none has died again."""
        letters = []
        while received := self._sqs.receive_message(QueueUrl=self._dead_url, MaxNumberOfMessages=10).get("Messages"):
            letters += received
        assert letters, "nothing to redrive"
        for letter in letters:
            self._sqs.send_message(QueueUrl=self._url, MessageBody=letter["Body"])
            self._sqs.delete_message(QueueUrl=self._dead_url, ReceiptHandle=letter["ReceiptHandle"])
        self.scenario.until(lambda: self.scenario.messages(self.queue) == 0, "the empty queue")
        assert self.scenario.messages(f"{self.queue}_dead_letters") == 0


def set_public(scenario, bucket: str, public: bool, method: str = "PUT") -> None:
    """A public bucket is a mistake that no waiting puts right, so what needs the bucket dies at once."""
    path = "/bucket" if method == "POST" else f"/bucket/{bucket}"
    scenario.storage(method, path, {"id": bucket, "name": bucket, "public": public})


def test_a_recording_that_was_given_up_is_stored_by_a_redrive_and_not_again_by_the_next(scenario):
    employee, audio = scenario.new_employee(), recording()
    set_public(scenario, "recordings", True, method="POST")
    recording_sid = scenario.new_recording(scenario.new_call(employee), audio)
    assert scenario.callback(recording_sid).status == 204
    dead_letters = DeadLetters(scenario, "recording")
    letter = dead_letters.wait_for_one()

    def kept() -> tuple:
        rows = scenario.one("select count(*) from recordings where recording_sid = %s", recording_sid)
        return rows, *(scenario.stored(f"recordings/{employee}/{name}.wav") for name in (recording_sid, employee))

    assert kept() == (0, None, None)
    set_public(scenario, "recordings", False)
    dead_letters.redrive()
    assert kept() == (1, audio, audio)

    scenario.forget_journal("twilio")
    dead_letters.add(letter)
    dead_letters.redrive()
    assert kept() == (1, audio, audio)
    assert scenario.journal("twilio", path=r"\.wav$") == [], "the audio was fetched again"


@pytest.mark.parametrize("queue", ["clone", "campaign"])
def test_an_attempt_that_was_given_up_is_finished_by_a_redrive_and_stays_one_voice(scenario, queue):
    employee = with_recording(scenario, consent=False)
    set_public(scenario, "deep-fakes", True, method="POST")
    dead_letters = DeadLetters(scenario, queue)
    dead_letters.queue_message({"attempt_id": requested_attempt(scenario, employee)})
    letter = dead_letters.wait_for_one()

    def metadata() -> dict | None:
        found = scenario.stored(f"deep-fakes/{employee}/{employee}.json")
        return found and json.loads(found)

    assert metadata() is None
    set_public(scenario, "deep-fakes", False)
    dead_letters.redrive()
    (voice,) = scenario.vendor_voices(employee)
    assert metadata()["voice_id"] == voice == scenario.one("select voice_id from employees where id = %s", employee)

    dead_letters.add(letter)
    dead_letters.redrive()
    assert scenario.vendor_voices(employee) == [voice]
    assert metadata()["voice_id"] == voice == scenario.one("select voice_id from employees where id = %s", employee)


def test_an_erasure_that_was_given_up_is_completed_by_a_redrive_and_stays_complete(scenario):
    employee, _ = cloned(scenario)
    started = scenario.one("select start_erasure(%s, %s)", scenario.user("admin")["id"], employee)
    dead_letters = DeadLetters(scenario, "erasure")
    # To die by itself takes it half a day.
    for _ in range(2):
        dead_letters.add({"erasure_id": started["erasure_id"]})
        dead_letters.redrive()
        everything_is_erased(scenario, employee)


def test_a_redrive_brings_back_nothing_that_was_erased_meanwhile(scenario):
    employee, _ = cloned(scenario)
    call_sid, recording_sid = scenario.row("select call_sid, recording_sid from recordings where employee_id = %s", employee)
    attempt = scenario.one("select id from voices where employee_id = %s", employee)
    assert scenario.api("DELETE", f"/employees/{employee}/voice").status == 200
    everything_is_erased(scenario, employee)
    for queue, letter in (("recording", {"call_sid": call_sid, "recording_sid": recording_sid}), ("clone", {"attempt_id": str(attempt)})):
        dead_letters = DeadLetters(scenario, queue)
        dead_letters.add(letter)
        dead_letters.redrive()
    everything_is_erased(scenario, employee)
    assert scenario.stored(f"recordings/{employee}/{recording_sid}.wav") is None


def test_redriving_a_message_that_will_never_be_right_only_gives_it_up_again(scenario):
    dead_letters = DeadLetters(scenario, "recording")
    dead_letters.add({"neither": "nor"})
    with pytest.raises(AssertionError):
        dead_letters.redrive()
    assert dead_letters.wait_for_one() == {"neither": "nor"}
