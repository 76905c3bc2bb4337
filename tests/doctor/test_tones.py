"""Keys in recordings: heard where they are, and nowhere else; and what the doctor makes of them."""

from __future__ import annotations

import array
import io
import math
import random
import wave

import pytest

from standins.call import recording
from local.doctor.call import DIGITS, judged
from local.doctor.tones import HIGH, KEYS, LOW, NotStereo, channels, pressed
from standins.twilio.calls import played

RATE = 8000


def keys(text: str, seconds: float = 0.1, level: float = 3000, noise: float = 0, twist: float = 1, rate: int = RATE) -> array.array:
    """The keys one after the other, with as long a pause behind each."""
    random_ = random.Random(1)
    samples = array.array("h", [0] * 100)
    for key in text:
        low = next(LOW[row] for row in range(4) if key in KEYS[row])
        high = next(HIGH[row.index(key)] for row in KEYS if key in row)
        for n in range(round(2 * seconds * rate)):
            tone = math.sin(2 * math.pi * low * n / rate) + twist * math.sin(2 * math.pi * high * n / rate)
            samples.append(round((level * tone if n < seconds * rate else 0) + random_.gauss(0, noise)))
    return samples


@pytest.mark.parametrize("heard", [
    keys("".join(KEYS)), keys("".join(KEYS), seconds=0.07), keys("".join(KEYS), level=300), keys("".join(KEYS), noise=600),
    keys("".join(KEYS), twist=2), keys("".join(KEYS), twist=0.5),
], ids=["all", "short", "quiet", "noisy", "high tones louder", "low tones louder"])  # fmt: skip
def test_every_key_is_heard_once(heard):
    assert pressed(heard)[0] == "".join(KEYS)


def test_keys_are_heard_at_another_rate():
    assert pressed(keys("1590", rate=16000), 16000)[0] == "1590"


def test_nothing_is_heard_in_speech_noise_silence_or_a_single_tone():
    random_ = random.Random(2)
    noise = array.array("h", (round(random_.gauss(0, 3000)) for _ in range(4 * RATE)))
    tone = array.array("h", (round(3000 * math.sin(2 * math.pi * 697 * n / RATE)) for n in range(4 * RATE)))
    other, employee, _ = channels(recording())
    for samples in (noise, tone, array.array("h", [0] * RATE), other, employee):
        assert pressed(samples) == ("", 0.0)


def test_the_stand_ins_keys_are_heard_on_its_own_side():
    ours, theirs, rate = channels(played("w".join(DIGITS)))
    assert (pressed(ours, rate)[0], pressed(theirs, rate)[0]) == (DIGITS, "")


def a_wav(channels_: int, width: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(channels_)
        wav.setsampwidth(width)
        wav.setframerate(RATE)
        wav.writeframes(bytes(channels_ * width * 100))
    return file.getvalue()


@pytest.mark.parametrize("file", [a_wav(1, 2), a_wav(2, 1), b"", b"<html>", b"RIFF"])
def test_what_is_no_wav_of_two_channels_is_refused(file):
    with pytest.raises(NotStereo):
        channels(file)


@pytest.mark.parametrize("heard, parameter, verdict, words", [
    ([(DIGITS, 900), ("", 0)], "2", "ok", "whoever picked up is channel 2"),
    ([("", 0), (DIGITS, 900)], "1", "ok", "whoever picked up is channel 1"),
    ([(DIGITS, 900), ("", 0)], "1", "FAIL", "channel 2, and EmployeeChannel is 1"),
    ([(DIGITS, 900), ("", 0)], "unknown", "FAIL", "channel 2, and EmployeeChannel is unknown"),
    ([(DIGITS[1:6], 900), ("5", 50)], "2", "ok", "channel 2"),
    ([(DIGITS, 900), (DIGITS, 100)], "2", "ok", "channel 2"),
    ([(DIGITS, 100), (DIGITS, 900)], "1", "ok", "channel 1"),
    ([(DIGITS, 900), (DIGITS, 500)], "2", "warn", "both channels"),
    ([("", 0), ("", 0)], "2", "warn", "neither channel"),
    ([("15", 900), ("", 0)], "2", "warn", "neither channel"),
    ([(DIGITS[::-1], 900), ("", 0)], "2", "warn", "neither channel"),
])  # fmt: skip
def test_the_channel_without_the_keys_is_the_employees_and_what_is_unclear_is_not_guessed(heard, parameter, verdict, words):
    found = judged(heard, parameter)
    assert found.verdict == verdict and words in found.found
