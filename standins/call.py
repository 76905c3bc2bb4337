"""A telephone call to work with: 112 s, two channels, two synthetic voices, in the band of a telephone.

The first channel is the other party, the second the employee, who speaks for 84 s. Both voices are espeak-ng's and belong to
nobody. `call.ulaw.xz` holds the samples in telephone coding (G.711 µ-law, 8 kHz, channels interleaved); `make_call.py` made it.
"""

from __future__ import annotations

import array
import io
import lzma
import wave
from pathlib import Path

SAMPLES = Path(__file__).with_name("call.ulaw.xz")


def recording() -> bytes:
    """The call as a WAV of the kind that Twilio serves: 8 kHz, 16-bit PCM, two channels."""
    table = [_linear(code) for code in range(256)]
    samples = array.array("h", (table[code] for code in lzma.decompress(SAMPLES.read_bytes())))
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(samples.tobytes())  # swaps bytes itself where it must
    return file.getvalue()


def _linear(code: int) -> int:
    """One µ-law code as a 16-bit sample (ITU-T G.711)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return -magnitude if code & 0x80 else magnitude
