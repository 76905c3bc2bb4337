"""Recordings to make samples from: 16-bit samples at 8 kHz, channels interleaved."""

from __future__ import annotations

import array
import io
import random
import wave
from pathlib import Path

from standins import call

CORPUS = Path(__file__).parents[2] / "bench" / "corpus"
LINEAR = [call._linear(code) for code in range(256)]


def laptop_call() -> array.array:
    """Two channels; the employee is on the second."""
    with wave.open(io.BytesIO(call.recording())) as recording:
        return array.array("h", recording.readframes(recording.getnframes()))


def voice(name: str) -> array.array:
    """One channel: a person of the benchmark's corpus, who speaks for more than half a minute."""
    file = (CORPUS / f"{name}.wav").read_bytes()
    start = file.index(b"data") + 8
    size = int.from_bytes(file[start - 4 : start], "little")
    return array.array("h", (LINEAR[code] for code in file[start : start + size]))


def amplified(samples: array.array, gain: float) -> array.array:
    """The samples times the gain, clipped at full scale."""
    return array.array("h", (max(-32768, min(32767, round(sample * gain))) for sample in samples))


def with_noise(samples: array.array, rms: float) -> array.array:
    noise = random.Random(1)
    return array.array("h", (max(-32768, min(32767, sample + round(noise.gauss(0, rms)))) for sample in samples))


def doubled_rate(samples: array.array) -> array.array:
    """One channel at 16 kHz."""
    between = ((one + other) // 2 for one, other in zip(samples, samples[1:] + samples[-1:]))
    return array.array("h", (value for pair in zip(samples, between) for value in pair))


def written(file: Path, samples: array.array, channels: int = 2, rate: int = 8000) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())  # swaps bytes itself where it must
    return file
