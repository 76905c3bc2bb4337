"""The sample that is sent to the vendor has the employee's own speech, from as many calls as it takes, and its report says so."""

from __future__ import annotations

import array
import datetime
import io
import json
import math
import wave

import pytest

from standins.call import recording

from .people import problem, with_recording

RATE = 8000
OTHER, EMPLOYEE = 0, 1


@pytest.fixture(scope="module")
def call() -> array.array:
    """The laptop's call, samples of both channels by turns."""
    with wave.open(io.BytesIO(recording())) as file:
        return array.array("h", file.readframes(file.getnframes()))


def wav(channels: list[array.array]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(RATE)
        frames = array.array("h", bytes(2 * len(channels) * len(channels[0])))
        for n, samples in enumerate(channels):
            frames[n :: len(channels)] = samples
        out.writeframes(frames.tobytes())
    return file.getvalue()


def channels(call: array.array, seconds: float | None = None) -> list[array.array]:
    end = None if seconds is None else int(seconds * RATE)
    return [call[OTHER::2][:end], call[EMPLOYEE::2][:end]]


def sample_of(scenario, voice_id: str) -> array.array:
    with wave.open(io.BytesIO(scenario.vendor_sample(voice_id))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, RATE, 2)
        return array.array("h", file.readframes(file.getnframes()))


def rms(samples: array.array) -> float:
    return (sum(sample * sample for sample in samples) / len(samples)) ** 0.5


def test_the_sample_is_the_employees_speech_and_the_answer_reports_it(scenario, call):
    employee = with_recording(scenario, consent=True)
    answer = scenario.clone(employee)
    report, sample = answer["report"], sample_of(scenario, answer["voice_id"])
    assert report["verdict"] == "good" and report["channel"] == 2
    assert len(sample) / RATE == pytest.approx(report["sample_seconds"], abs=0.01)
    assert 60 <= report["speech_seconds"] <= report["sample_seconds"] <= 120
    assert max(map(abs, sample)) <= 32768 * 10 ** (-3 / 20)
    # It is as loud as the report says, and holds what the employee's channel holds, at one gain.
    assert 20 * math.log10(rms(sample) / 32768) == pytest.approx(report["after"]["rms_dbfs"], abs=0.2)
    gain = 10 ** (report["recordings"][0]["gain_db"] / 20)
    spoken = call[EMPLOYEE::2]
    assert rms(sample) * len(sample) ** 0.5 == pytest.approx(gain * rms(spoken) * len(spoken) ** 0.5, rel=0.1)
    assert scenario.voice(employee).json()["report"] == report
    metadata = json.loads(scenario.stored(f"deep-fakes/{employee}/{employee}.json"))
    assert metadata["report"] == report and len(metadata["source_recordings"]) == 1


def test_clean_speech_is_sent_without_noise_removal(scenario):
    voice_id = scenario.clone(with_recording(scenario, consent=True))["voice_id"]
    (voice,) = [voice for voice in scenario.voices_sent() if voice["voice_id"] == voice_id]
    assert voice["remove_background_noise"] is False


def test_too_little_speech_is_refused_with_the_figure_and_nothing_reaches_the_vendor(scenario, call):
    employee = with_recording(scenario, consent=True, audio=wav(channels(call, 30)))
    answer = scenario.ask_for_clone(employee)
    assert problem(answer) == (422, "sample_too_short")
    refusal = answer.json()
    assert refusal["limit"] == 30 and 5 < refusal["figure"] < 30 and refusal["unit"] == "seconds"
    assert refusal["report"]["recordings"][0]["speech_seconds"] > 0
    assert scenario.voice(employee).json()["report"] == refusal["report"]
    assert not scenario.vendor_voices(employee)


def test_two_short_calls_make_one_sample_newest_first(scenario, call):
    first, second = [half[: len(half) // 2] for half in channels(call)], [half[len(half) // 2 :] for half in channels(call)]
    employee = with_recording(scenario, consent=True, audio=wav(first))
    with_recording(scenario, consent=False, employee=employee, audio=wav(second))
    answer = scenario.clone(employee)
    taken = [recording["taken_seconds"] for recording in answer["report"]["recordings"]]
    assert len(taken) == 2 and min(taken) > 10
    assert answer["report"]["sample_seconds"] == pytest.approx(sum(taken), abs=0.1)
    metadata = json.loads(scenario.stored(f"deep-fakes/{employee}/{employee}.json"))
    assert len(metadata["source_recordings"]) == 2
    assert scenario.clone(employee)["voice_id"] == answer["voice_id"], "the same recordings are the same voice"


def with_an_older_recording(scenario, newest: bytes) -> str:
    """Somebody who was recorded an hour before, too: the whole call."""
    an_hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    employee = with_recording(scenario, consent=True, start_time=an_hour_ago.isoformat())
    return with_recording(scenario, consent=False, employee=employee, audio=newest)


def test_an_older_recording_that_cannot_be_read_just_now_is_waited_for(scenario, call):
    """Without it there is too little speech, and nobody could know that it is only for the moment."""
    employee = with_an_older_recording(scenario, wav(channels(call, 20)))
    attempt = scenario.request_clone(employee)["attempt_id"]
    scenario.fault("supabase", method="GET", path=f"/object/authenticated/recordings/{employee}/", skip=1, status=503)
    assert not scenario.work("clone-worker", {"attempt_id": attempt})
    assert not scenario.vendor_voices(employee)
    assert scenario.work("clone-worker", {"attempt_id": attempt})
    assert len(scenario.voice(employee).json()["report"]["recordings"]) == 2


def test_an_older_recording_that_cannot_be_read_is_done_without_where_the_newest_will_do(scenario, call):
    employee = with_an_older_recording(scenario, wav(channels(call, 60)))
    scenario.fault("supabase", method="GET", path=f"/object/authenticated/recordings/{employee}/", skip=1, status=503)
    first = scenario.clone(employee)
    assert (first["report"]["verdict"], len(first["report"]["recordings"])) == ("usable", 1)
    second = scenario.clone(employee)
    assert (second["report"]["verdict"], len(second["report"]["recordings"])) == ("good", 2), "it is looked at again"


def test_a_recording_that_is_gone_from_storage_is_passed_over(scenario, call):
    employee = with_an_older_recording(scenario, wav(channels(call, 20)))
    scenario.fault("supabase", method="GET", path=f"/object/authenticated/recordings/{employee}/", status=400,
                   body={"statusCode": "404", "code": "NoSuchKey", "error": "not_found", "message": "Object not found"})
    made = scenario.clone(employee)
    assert [recording["problem"] for recording in made["report"]["recordings"]] == [{"code": "recording_missing"}, None]
    assert scenario.clone(employee)["voice_id"] == made["voice_id"], "looked at, though of no use"


def test_a_mono_mix_is_refused_and_a_recording_of_one_party_is_not_once_its_call_says_that_it_is_the_employee(scenario, call):
    mix = array.array("h", ((a + b) // 2 for a, b in zip(*channels(call))))
    mixed = with_recording(scenario, consent=True, audio=wav([mix]), channels=1)
    answer = scenario.ask_for_clone(mixed)
    assert problem(answer) == (422, "sample_mixed_speakers")
    assert (answer.json()["figure"], answer.json()["limit"]) == (1, 2)
    one = with_recording(scenario, consent=True, audio=wav([call[EMPLOYEE::2]]), channels=1, track="outbound")
    assert problem(scenario.ask_for_clone(one)) == (422, "employee_channel_unknown"), "the usual channel says nothing of it"
    scenario.database.execute("update calls set employee_channel = 1 where employee_id = %s", [one])
    assert problem(scenario.ask_for_clone(one)) == (422, "employee_channel_unknown"), "it is the other party's"
    scenario.database.execute("update calls set employee_channel = 2 where employee_id = %s", [one])
    assert scenario.clone(one)["report"]["channel"] is None


def test_a_call_in_which_the_cloned_voice_spoke_is_never_sampled(scenario):
    employee = with_recording(scenario, consent=True)
    voice = scenario.clone(employee)["voice_id"]
    call_sid = scenario.new_call(employee)
    asked = {"purpose": "voice_clone", "call_sid": call_sid}
    assert scenario.api("POST", f"/employees/{employee}/voice/authorize", asked).json()["voice_id"] == voice
    assert scenario.callback(scenario.new_recording(call_sid, recording())).status == 204
    scenario.until(lambda: scenario.one("select count(*) from recordings where call_sid = %s", call_sid) == 1, "the recording")
    assert scenario.clone(employee)["voice_id"] == voice, "there is nothing new to sample"

    # The first call is marked, too: now there is nothing at all to sample.
    scenario.database.execute(
        "insert into synthetic_calls (call_sid, org_id, employee_id)"
        " select call_sid, org_id, employee_id from recordings where employee_id = %s on conflict do nothing", [employee],
    )
    assert problem(scenario.ask_for_clone(employee)) == (422, "sample_synthetic")
    assert scenario.vendor_voices(employee) == [voice]


def test_the_same_mix_on_both_channels_is_refused(scenario, call):
    mix = array.array("h", ((a + b) // 2 for a, b in zip(*channels(call))))
    employee = with_recording(scenario, consent=True, audio=wav([mix, mix]))
    answer = scenario.ask_for_clone(employee)
    assert problem(answer) == (422, "sample_mixed_speakers") and answer.json()["unit"] == "percent"


def test_a_conference_needs_to_be_told_the_channel_and_then_is_cloned(scenario, call):
    employee = with_recording(scenario, consent=True, audio=wav(channels(call)[::-1]), source="StartConferenceRecordingAPI")
    assert problem(scenario.ask_for_clone(employee)) == (422, "employee_channel_unknown")
    scenario.database.execute("update calls set employee_channel = 1 where employee_id = %s", [employee])
    assert scenario.clone(employee)["report"]["channel"] == 1


def test_a_channel_that_is_put_right_makes_another_voice(scenario, call):
    employee = with_recording(scenario, consent=True, audio=wav(channels(call)[::-1]))
    problem_or_voice = scenario.ask_for_clone(employee)  # the other party's channel: too little speech, or a voice
    scenario.database.execute("update calls set employee_channel = 1 where employee_id = %s", [employee])
    right = scenario.clone(employee)
    assert right["report"]["channel"] == 1
    assert right["voice_id"] != problem_or_voice.json().get("voice_id")


def test_what_is_no_audio_is_refused_with_the_reason(scenario):
    employee = with_recording(scenario, consent=True, audio=b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(24))
    answer = scenario.ask_for_clone(employee)
    assert problem(answer) == (422, "recording_not_audio")
    assert not scenario.vendor_voices(employee)
