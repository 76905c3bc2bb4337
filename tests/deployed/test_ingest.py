"""`recording-ingest`, one invocation at a time: what is stored, what is not, and that an older recording never ends up as the newest."""

from __future__ import annotations

import itertools
import threading

import pytest

from local.vendors.wav import header

TWILIO_MEDIA = r"\.wav$"


@pytest.fixture
def call(scenario):
    return Call(scenario)


class Call:
    """A call with an employee, and what becomes of its recordings."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.employee = scenario.new_employee()
        self.call_sid = scenario.new_call(self.employee)

    def recording(self, number: int, call_sid: str | None = None, **settings) -> str:
        """The number makes its audio its own; a higher one was made later."""
        settings = {"start_time": f"2026-11-20T10:{number:02}:00Z"} | settings
        return self.scenario.new_recording(call_sid or self.call_sid, audio(number), **settings)

    def ingest(self, recording_sid: str, call_sid: str | None = None) -> bool:
        """Whether the message is done; otherwise it stays in the queue."""
        message = {"call_sid": call_sid or self.call_sid, "recording_sid": recording_sid}
        return self.scenario.work("recording-ingest", message)

    def kept(self, recording_sid: str) -> bytes | None:
        return self.scenario.stored(f"recordings/{self.employee}/{recording_sid}.wav")

    def newest(self) -> bytes | None:
        return self.scenario.stored(f"recordings/{self.employee}/{self.employee}.wav")


def silence(seconds: int, channels: int = 2) -> bytes:
    samples = bytes(8000 * seconds * channels * 2)
    return header(channels, len(samples)) + samples


def audio(number: int) -> bytes:
    return silence(1 + number)


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_the_newest_recording_is_the_newest_in_whatever_order_they_come(call, order):
    sids = {number: call.recording(number) for number in (1, 2, 3)}
    for number in [*order, *order]:
        assert call.ingest(sids[number])
    assert call.newest() == audio(3)
    for number, sid in sids.items():
        assert call.kept(sid) == audio(number)


def test_a_slow_older_worker_does_not_have_the_last_word(call):
    older, newer = call.recording(1), call.recording(2)
    # The older one's copy arrives after the newer one is long done.
    call.scenario.fault("supabase", method="POST", path="/object/copy$", delay=2)
    slow = threading.Thread(target=call.ingest, args=(older,))
    slow.start()
    call.scenario.until(lambda: call.kept(older), "the older recording")
    assert call.ingest(newer)
    slow.join()
    assert call.newest() == audio(2)


def test_the_call_row_is_updated(call):
    sid = call.recording(4)
    assert call.ingest(sid)
    row = call.scenario.row("select recording_url, duration_seconds from calls where twilio_call_sid = %s", call.call_sid)
    assert row == (f"recordings/{call.employee}/{sid}.wav", 5)


def test_a_call_that_the_database_does_not_know_yet_is_retried(call):
    sid = call.recording(1, call_sid=(unknown := "CA" + "0" * 31 + "1"))
    assert not call.ingest(sid, unknown)
    assert call.scenario.journal("twilio") == []


def test_a_call_without_an_employee_keeps_its_recording_under_its_own_id(call):
    call_sid = call.scenario.new_call(None)
    sid = call.recording(1, call_sid=call_sid)
    assert call.ingest(sid, call_sid)
    call_id = call.scenario.one("select id from calls where twilio_call_sid = %s", call_sid)
    assert call.scenario.stored(f"recordings/{call_id}/{sid}.wav") == audio(1)


XML = "<?xml version='1.0'?><TwilioResponse><RestException><Code>20404</Code></RestException></TwilioResponse>"


@pytest.mark.parametrize("fault", [
    {"status": 404, "body": XML},
    {"status": 500, "body": XML},
    {"status": 200, "headers": {"Content-Type": "audio/x-wav"}, "body": XML},
    {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>Bad gateway</html>"},
    {"status": 302, "headers": {"Location": "http://127.0.0.1:1/elsewhere.wav"}, "body": ""},
    {"reset": True},
    {"cut": 20_000},
    {"cut": 3},
], ids=["404", "500", "XML as audio", "HTML", "redirect", "reset", "cut in the audio", "cut in the header"])  # fmt: skip
def test_audio_that_does_not_arrive_whole_is_never_stored_and_is_tried_again(call, fault):
    sid = call.recording(5)
    call.scenario.fault("twilio", path=TWILIO_MEDIA, times=None, **fault)
    assert not call.ingest(sid)
    assert call.kept(sid) is None and call.newest() is None

    call.scenario.no_faults("twilio")
    assert call.ingest(sid)
    assert call.kept(sid) == call.newest() == audio(5)


@pytest.mark.parametrize("fault", [
    {"path": "/object/recordings/", "status": 500},
    {"path": "/object/recordings/", "reset": True, "do_work": True},
    {"path": "/object/copy", "status": 544},
    {"path": "/rpc/finish_ingest", "reset": True, "do_work": True},
    {"path": "/rpc/newest_published", "status": 503},
    {"path": "/rpc/recording_target", "reset": True},
], ids=lambda fault: fault["path"])  # fmt: skip
def test_a_failure_of_supabase_at_any_step_is_put_right_by_the_next_try(call, fault):
    sid = call.recording(2)
    call.scenario.fault("supabase", **fault)
    assert not call.ingest(sid)
    assert call.ingest(sid)
    assert call.kept(sid) == call.newest() == audio(2)
    assert call.scenario.one("select count(*) from recordings where recording_sid = %s", sid) == 1


def test_an_encrypted_recording_is_refused_without_reading_its_audio(call):
    sid = call.recording(1, encrypted="true")
    assert not call.ingest(sid)
    assert call.scenario.journal("twilio", path=TWILIO_MEDIA) == []


def test_a_recording_whose_length_twilio_does_not_tell_is_stored_all_the_same(call):
    sid = call.recording(3, chunked="true")
    assert call.ingest(sid)
    assert call.kept(sid) == audio(3)


def test_a_recording_that_has_no_two_channels_is_taken_as_it_is(call):
    settings = {"channels": 1, "start_time": "2026-11-20T10:00:00Z", "track": "inbound"}
    mono = silence(2, channels=1)
    sid = call.scenario.new_recording(call.call_sid, mono, **settings)
    assert call.ingest(sid)
    assert call.kept(sid) == mono
    assert [entry["query"] for entry in call.scenario.journal("twilio", path=TWILIO_MEDIA)] == [{"RequestedChannels": "2"}, {}]


def test_a_public_bucket_gets_nothing(call):
    call.scenario.storage("POST", "/bucket", {"id": "recordings", "name": "recordings", "public": True})
    sid = call.recording(1)
    assert not call.ingest(sid)
    assert call.kept(sid) is None

    call.scenario.storage("PUT", "/bucket/recordings", {"public": False})
    assert call.ingest(sid)


def test_the_missing_bucket_is_made_private(call):
    assert call.ingest(call.recording(1))
    assert call.scenario.storage("GET", "/bucket/recordings")["public"] is False


def test_one_bad_message_fails_alone(call):
    good = {"call_sid": call.call_sid, "recording_sid": call.recording(1)}
    bad = {"call_sid": call.call_sid, "recording_sid": "RE../../secret"}
    assert call.scenario.work_all("recording-ingest", [bad, good, "no json"]) == [False, True, False]


def test_a_key_that_twilio_no_longer_takes_is_read_again(call):
    sid = call.recording(1)
    call.scenario.make_cold("recording-ingest")
    call.scenario.fault("twilio", path=r"\.json$", status=401)
    assert call.ingest(sid), "at once, not by the next try"
