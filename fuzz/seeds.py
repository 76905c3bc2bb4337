"""Valid recordings of every kind, for the fuzzer to begin with: `python fuzz/seeds.py FOLDER`.

Each is a WAV behind the four bytes that say how it is read (`wav_to_sample.rs`). `make corpus` puts what the fuzzer has found
since to them, and keeps the least that covers as much.
"""

from __future__ import annotations

import math
import struct
import sys
from pathlib import Path

VOICES = Path(__file__).parents[1] / "bench" / "corpus"

# The first byte: one party's recording, who is the employee; a call whose first, or second, channel is the employee's; nothing known.
ONE_PARTY, FIRST, SECOND, USUALLY_SECOND, UNKNOWN = 17, 1, 2, 8, 0

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds():
        (folder / name).write_bytes(content)


def seeds():
    for tag, bits in ((PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64), (A_LAW, 8), (MU_LAW, 8)):
        for channels, origin in ((1, ONE_PARTY), (2, FIRST)):
            samples = tone(tag, bits, 100 * channels)
            yield f"format-{tag}-{bits}-{channels}", recording(origin, fmt(tag, channels, 8000, bits), data(samples))
            wide = fmt(EXTENSIBLE, channels, 16000, bits) + struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", tag) + SUBFORMAT
            yield f"extensible-{tag}-{bits}-{channels}", recording(origin, wide, data(samples))
    for rate in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 8001):
        yield f"rate-{rate}", recording(SECOND, fmt(PCM, 2, rate, 16), data(tone(PCM, 16, rate // 5)))

    mono, samples = fmt(PCM, 1, 8000, 16), tone(PCM, 16, 50)
    for size in (0, 0xFFFFFFFF):
        yield f"size-{size:x}", recording(ONE_PARTY, mono, data(samples, size))
    yield "rf64", recording(ONE_PARTY, mono, data(samples, 0xFFFFFFFF), riff=b"RF64", before=chunk(b"ds64", bytes(28)))
    sizes = struct.pack("<QQQI", 1 << 33, len(samples), len(samples) // 2, 0)
    yield "rf64-sizes", recording(
        ONE_PARTY, mono, data(samples, 0xFFFFFFFF), riff=b"RF64", before=chunk(b"ds64", sizes), after=chunk(b"LIST", b"odd")
    )
    yield "other-chunks", recording(ONE_PARTY, mono, data(samples), before=chunk(b"LIST", b"odd"), after=chunk(b"id3 ", bytes(9)))
    yield "odd-format", recording(ONE_PARTY, mono + b"\0", data(samples))
    yield "long-format", recording(ONE_PARTY, mono + bytes(100), data(samples))
    yield "half-a-frame", recording(FIRST, fmt(PCM, 2, 8000, 24), data(tone(PCM, 24, 50) + b"\1"))
    yield "empty", recording(UNKNOWN, fmt(PCM, 2, 8000, 16), data(b""))
    yield "nobody-knows", recording(UNKNOWN, fmt(PCM, 2, 8000, 16), data(samples))
    yield "not-a-wav", bytes(4) + b"<?xml version='1.0'?><TwilioResponse/>"

    # A little real speech, said again and again until it is enough for a sample.
    employee, other = speech("carlo", 0.2, 1.2), speech("june", 1.0, 0.9)
    short = fmt(MU_LAW, 1, 8000, 8)
    yield "speech", recording(ONE_PARTY, short, data(employee, 0), repeats=25)
    yield "quiet-speech", recording(ONE_PARTY, short, data(softer(employee, 3), 0), repeats=25)
    yield "clipped-speech", recording(ONE_PARTY, short, data(clipped(employee), 0), repeats=10)
    pause, stereo = bytes([0xFF]) * 2400, fmt(MU_LAW, 2, 8000, 8)
    yield "turns", recording(USUALLY_SECOND, stereo, data(interleaved(other + pause, pause + employee), 0), repeats=20)
    yield "twice-the-same", recording(FIRST, stereo, data(interleaved(employee[:4000], employee), 0), repeats=5)


def recording(origin, fmt_body, data_chunk, *, repeats=0, riff=b"RIFF", before=b"", after=b"") -> bytes:
    """The bytes that say how it is read, and the file."""
    body = b"WAVE" + before + chunk(b"fmt ", fmt_body) + data_chunk + after
    return bytes((origin, repeats, 36, 20)) + riff + struct.pack("<I", len(body)) + body


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def data(samples: bytes, size: int | None = None) -> bytes:
    """The samples' chunk, stating a size that may not be theirs."""
    return chunk(b"data", samples) if size is None else b"data" + struct.pack("<I", size) + samples


def fmt(tag: int, channels: int, rate: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)


def tone(tag: int, bits: int, count: int) -> bytes:
    values = [math.sin(n / 3) / 2 for n in range(count)]
    if tag == FLOAT:
        return struct.pack(f"<{count}{'f' if bits == 32 else 'd'}", *values)
    if bits == 8:
        return bytes(int(128 + 127 * value) for value in values)
    return b"".join(int(value * (1 << bits - 1)).to_bytes(bits // 8, "little", signed=True) for value in values)


def speech(name: str, start: float, seconds: float) -> bytes:
    """An excerpt of a voice, µ-law at 8 kHz."""
    file = (VOICES / f"{name}.wav").read_bytes()
    samples = file[file.index(b"data") + 8 :]
    return samples[int(8000 * start) :][: int(8000 * seconds)]


def interleaved(first: bytes, second: bytes) -> bytes:
    """Two channels, as long as the shorter."""
    return bytes(code for pair in zip(first, second) for code in pair)


def softer(mu_law: bytes, steps: int) -> bytes:
    """By 6 dB for each step, more or less: the exponent is in bits 4 to 6, inverted."""
    return bytes(code & 0x80 | min(0x7F, (code & 0x7F) + 16 * steps) for code in mu_law)


def clipped(mu_law: bytes) -> bytes:
    """At a fifth of full scale."""
    return bytes(code & 0x80 | max(0x25, code & 0x7F) for code in mu_law)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
