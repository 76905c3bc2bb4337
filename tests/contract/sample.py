"""The audio that is uploaded: the project's own synthetic speech, which is nobody's (`standins/call.py`)."""

from __future__ import annotations

import array
import io
import wave
from functools import cache

from standins.call import recording

RATE = 8000
# Decoding it takes seconds.
call = cache(recording)


@cache
def mono(seconds: int) -> bytes:
    """The second speaker, from where they begin to speak: a WAV of 8 kHz and 16 bit, as a sample for a voice is."""
    with wave.open(io.BytesIO(call())) as read:
        both = array.array("h", read.readframes(read.getnframes()))
    speech = both[1::2]
    start = next(place for place, value in enumerate(speech) if abs(value) > 1000)
    return wav(speech[start : start + seconds * RATE])


def wav(samples: array.array) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def channels(data: bytes) -> list[array.array]:
    """The channels of a whole WAV of 16-bit PCM at 8 kHz. Raises ValueError for anything else."""
    try:
        with wave.open(io.BytesIO(data)) as read:
            if (read.getsampwidth(), read.getframerate()) != (2, RATE):
                raise ValueError(f"{read.getsampwidth() * 8} bit at {read.getframerate()} Hz")
            both, frames = array.array("h", read.readframes(read.getnframes())), read.getnframes()
            if len(both) != frames * read.getnchannels():
                raise ValueError("it ends early")
            return [both[n :: read.getnchannels()] for n in range(read.getnchannels())]
    except (wave.Error, EOFError) as error:
        raise ValueError(f"no WAV of PCM: {error}") from None
