"""The call that the demo clones must be one that the job can be done with."""

from __future__ import annotations

import array
import io
import wave

from standins.call import SAMPLES, _linear, recording
from standins.make_call import to_ulaw

FRAME = 160  # 20 ms


def test_the_call_is_two_channel_telephone_pcm_with_a_minute_of_the_employee():
    with wave.open(io.BytesIO(recording())) as call:
        assert (call.getnchannels(), call.getsampwidth(), call.getframerate()) == (2, 2, 8000)
        assert call.getnframes() >= 75 * 8000
        samples = array.array("h", call.readframes(call.getnframes()))
    loud = []
    for channel in (samples[0::2], samples[1::2]):
        frames = [channel[start : start + FRAME] for start in range(0, len(channel) - FRAME, FRAME)]
        loud.append([sum(sample * sample for sample in frame) / FRAME > 300**2 for frame in frames])
        assert max(map(abs, channel)) < 32000  # nothing is clipped
    other, employee = (sum(frames) * FRAME / 8000 for frames in loud)
    assert employee > 60 and 10 < other < employee
    both = sum(a and b for a, b in zip(*loud)) * FRAME / 8000
    assert both < 1  # they take turns


def test_the_call_is_shipped_small():
    assert SAMPLES.stat().st_size < 900_000


def test_telephone_coding_is_undone_within_its_precision():
    for sample in range(-30000, 30001, 37):
        assert abs(_linear(to_ulaw(sample)) - sample) <= max(4, abs(sample) / 16)
