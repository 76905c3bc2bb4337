"""Small recordings for tests."""

from __future__ import annotations

import io
import random
import wave


def wav(seconds: float = 1.0, channels: int = 1, seed: int = 0) -> bytes:
    """Noise of a seed, 8 kHz and 16 bit: two seeds are two recordings."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(random.Random(seed).randbytes(int(seconds * 8000) * channels * 2))
    return file.getvalue()


def samples(data: bytes) -> tuple[int, bytes]:
    """Channels and frames of a WAV."""
    with wave.open(io.BytesIO(data)) as read:
        return read.getnchannels(), read.readframes(read.getnframes())
