"""The keys of a telephone, heard in a recording (DTMF, ITU-T Q.23): each is two tones at once, found with Goertzel's filter."""

from __future__ import annotations

import array
import io
import math
import sys
import wave

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
# Samples of a block at 8 kHz: long enough to tell 697 Hz from 770, short enough for a key of 50 ms.
BLOCK = 205
# The two tones make up most of a block, neither is 12 dB louder than the other (Q.24 allows 8), and no whisper counts.
LEAST_SHARE, MOST_TWIST, LEAST_RMS = 0.6, 10 ** (12 / 10), 100
# A key that is pressed fills two blocks; speech hits one by accident.
LEAST_BLOCKS = 2


class NotStereo(ValueError):
    """The audio is no WAV of two channels of 16-bit PCM."""


def channels(wav: bytes) -> tuple[array.array, array.array, int]:
    """Both channels' samples, and how many of them make a second; raises NotStereo."""
    try:
        with wave.open(io.BytesIO(wav)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (2, 2):
                raise NotStereo(f"it has {file.getnchannels()} channels of {8 * file.getsampwidth()} bits")
            samples, rate = array.array("h", file.readframes(file.getnframes())), file.getframerate()
    except (wave.Error, EOFError):
        raise NotStereo("it is no WAV of PCM") from None
    if sys.byteorder == "big":
        samples.byteswap()
    return samples[0::2], samples[1::2], rate


def pressed(samples: array.array, rate: int = 8000) -> tuple[str, float]:
    """The keys that are heard, one after the other, and the RMS of their blocks (0 without any)."""
    size = round(BLOCK * rate / 8000)
    keys, run, before, energy, blocks = [], 0, None, 0.0, 0
    for start in range(0, len(samples) - size + 1, size):
        block = samples[start : start + size]
        key = _key(block, rate)
        run = run + 1 if key and key == before else 1
        before = key
        if key and run == LEAST_BLOCKS:
            keys.append(key)
        if key and run >= LEAST_BLOCKS:
            energy, blocks = energy + sum(sample * sample for sample in block) / size, blocks + 1
    return "".join(keys), math.sqrt(energy / blocks) if blocks else 0.0


def _key(block: array.array, rate: int) -> str | None:
    """The key that a block is a part of."""
    energy = sum(sample * sample for sample in block)
    if energy < LEAST_RMS**2 * len(block):
        return None
    # Of a tone alone this is 1.
    shares = {tone: _goertzel(block, tone / rate) / (energy * len(block) / 2) for tone in LOW + HIGH}
    low, high = max(LOW, key=shares.get), max(HIGH, key=shares.get)
    if shares[low] + shares[high] < LEAST_SHARE or max(shares[low], shares[high]) > MOST_TWIST * min(shares[low], shares[high]):
        return None
    return KEYS[LOW.index(low)][HIGH.index(high)]


def _goertzel(block: array.array, frequency: float) -> float:
    """The power at a frequency (cycles per sample). G. Goertzel, The American Mathematical Monthly 65 (1958), 34."""
    factor, last, before = 2 * math.cos(2 * math.pi * frequency), 0.0, 0.0
    for sample in block:
        last, before = sample + factor * last - before, last
    return last * last + before * before - factor * last * before
