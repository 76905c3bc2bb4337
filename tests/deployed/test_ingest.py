"""`recording-ingest`, one invocation at a time: what is stored, what is not, and that an older recording never ends up as the newest."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import datetime, timedelta, timezone

import pytest

from standins.wav import header

from .people import problem

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
        """Works on the message. True if it is done; otherwise it stays in the queue."""
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


# -- Storage's upload limit ----------------------------------------------------------------------------------------------------

LARGE = 4 << 20
UPLOAD = {"method": "POST", "path": "/object/recordings/"}


class Large:
    """A recording of this size, which Twilio made an hour ago, and what is told of it."""

    def __init__(self, call: Call):
        self.call, self.scenario = call, call.scenario
        created = datetime.now(timezone.utc) - timedelta(hours=1)
        self.bytes = LARGE + len(header(2, LARGE))
        self.sid = self.scenario.new_recording(call.call_sid, silence_bytes=LARGE, file_channels=2, date_created=created.isoformat())
        self.since = int(self.scenario.one("select extract(epoch from now()) * 1000"))

    def ingest(self) -> bool:
        return self.call.ingest(self.sid)

    def limit(self, bytes: int) -> None:
        """Somebody sets what the project takes."""
        self.scenario.account("supabase", file_size_limit=bytes)

    def tries(self) -> int:
        """The number of times that it was sent to Storage."""
        return len(self.scenario.journal("supabase", **UPLOAD))

    def set_aside(self) -> tuple | None:
        return self.scenario.row("select bytes, size_limit from oversized_recordings where recording_sid = %s", self.sid)

    def logged(self) -> dict:
        """The fields of the log line that the alarm listens to."""

        def line() -> dict | None:
            lines = [json.loads(text) for text in self.scenario.logs("recording-ingest", self.since).splitlines() if text.startswith("{")]
            found = [line["fields"] for line in lines if line.get("fields", {}).get("message") == "a recording is larger than Storage takes"]
            return next((fields for fields in found if fields["recording_sid"] == self.sid), None)

        return self.scenario.until(line, "the line in the log")

    def is_stored(self) -> bool:
        return self.scenario.stored_bytes(f"recordings/{self.call.employee}/{self.sid}.wav") == self.bytes


@pytest.fixture
def large(call):
    yield Large(call)
    # The next sweep is another test's.
    call.scenario.database.execute("delete from oversized_recordings")


def test_a_recording_that_is_larger_than_storage_takes_is_told_of_and_not_tried_again(large):
    large.limit(large.bytes - 1)
    assert large.ingest(), "its message is done"
    assert large.set_aside() == (large.bytes, large.bytes - 1)
    logged = large.logged()
    assert (logged["bytes"], logged["size_limit"]) == (large.bytes, large.bytes - 1)
    large.scenario.swept()
    assert not large.scenario.one("select exists (select from swept_recordings where recording_sid = %s)", large.sid)
    assert large.tries() == 1 and not large.is_stored()

    large.scenario.consent(large.call.employee)
    assert problem(large.scenario.ask_for_clone(large.call.employee)) == (409, "recording_too_large")


def test_a_bucket_may_have_a_lower_limit_than_the_project(large):
    large.scenario.storage("POST", "/bucket", {"id": "recordings", "name": "recordings", "public": False, "file_size_limit": 1000})
    assert large.ingest()
    assert large.set_aside() == (large.bytes, 1000)


def test_that_a_recording_is_too_large_comes_out_also_where_the_connection_is_closed_before_storage_is_heard(large):
    large.limit(large.bytes - 1)
    large.scenario.fault("supabase", reset=True, at_once=True, **UPLOAD)
    assert large.ingest()
    assert large.set_aside() == (large.bytes, large.bytes - 1)
    assert large.logged()["size_limit"] == large.bytes - 1


def test_a_connection_that_is_closed_although_storage_takes_as_much_is_tried_again(large):
    large.limit(large.bytes)
    large.scenario.fault("supabase", reset=True, at_once=True, **UPLOAD)
    assert not large.ingest()
    assert large.set_aside() is None
    assert large.ingest() and large.is_stored()


def test_where_the_limit_cannot_be_asked_for_the_message_stays(large):
    large.limit(large.bytes - 1)
    large.scenario.fault("supabase", method="OPTIONS", path="/upload/resumable$", status=503, body="")
    assert not large.ingest()
    assert large.set_aside() is None
    assert large.ingest() and large.set_aside() is not None


def test_what_something_in_front_of_storage_refused_waits_for_whoever_mends_that(large):
    large.scenario.fault("supabase", status=413, body="<html>Request Entity Too Large</html>", **UPLOAD)
    assert large.ingest()
    assert large.set_aside() == (large.bytes, None)
    assert large.scenario.swept()["recordings_fetched_again"] == 0
    large.scenario.database.execute("update oversized_recordings set size_limit = 0")
    assert large.scenario.swept()["recordings_fetched_again"] == 1
    large.scenario.until(large.is_stored, "the recording in Storage")


def test_the_sweep_has_it_fetched_when_the_limit_was_raised(large):
    large.limit(large.bytes - 1)
    assert large.ingest()
    assert large.scenario.swept()["recordings_fetched_again"] == 0
    large.limit(large.bytes)
    assert large.scenario.swept()["recordings_fetched_again"] == 1
    large.scenario.until(large.is_stored, "the recording in Storage")
    large.scenario.until(lambda: large.set_aside() is None, "that it does not wait any more")
    assert large.scenario.swept()["recordings_fetched_again"] == 0


def test_a_key_that_twilio_no_longer_takes_is_read_again(call):
    sid = call.recording(1)
    call.scenario.make_cold("recording-ingest")
    call.scenario.fault("twilio", path=r"\.json$", status=401)
    assert call.ingest(sid), "at once, not by the next try"
