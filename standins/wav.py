"""Just enough RIFF/WAVE for the stand-ins: read a header, make silence of any length, mix two channels into one."""

from __future__ import annotations

import array
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

UNKNOWN_LENGTH = (0, 0xFFFFFFFF)  # what encoders that cannot seek write


@dataclass(frozen=True)
class Wav:
    format: int  # 1: PCM, 7: µ-law, 0xFFFE: extensible
    channels: int
    rate: int
    bits: int
    data_start: int
    data_bytes: int  # really in the file
    truncated: bool  # the header promises more

    @property
    def seconds(self) -> float:
        return self.data_bytes / (self.rate * self.channels * self.bits / 8)


def read_header(path: Path, start: int = 0, length: int | None = None) -> Wav | None:
    """The header of the WAV in `path` (or in a part of it); None when it is not one."""
    total = path.stat().st_size - start if length is None else length
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        at, form = 12, None
        while at + 8 <= total:
            file.seek(start + at)
            name, size = struct.unpack("<4sI", file.read(8))
            at += 8
            if name == b"fmt " and size >= 16:
                form = struct.unpack("<HHIIHH", file.read(16))
            elif name == b"data":
                if form is None or not (form[1] and form[2] and form[5]):
                    return None
                there = total - at
                promised = there if size in UNKNOWN_LENGTH else size
                return Wav(form[0], form[1], form[2], form[5], at, min(promised, there), promised > there)
            at += size + size % 2
    return None


def header(channels: int, data_bytes: int, rate: int = 8000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", 16, 1, channels, rate, rate * frame, frame, bits,
        b"data", data_bytes,
    )  # fmt: skip


def write_silence(path: Path, channels: int, data_bytes: int) -> None:
    """A WAV of digital silence as a sparse file: no disk, whatever its length (below 4 GiB)."""
    with path.open("wb") as file:
        file.write(header(channels, data_bytes))
        file.truncate(44 + data_bytes)


def write_mono(source: Path, wav: Wav, target: Path) -> None:
    """Mixes a two-channel 16-bit PCM WAV down. Pure Python: about 10 MB a second."""
    with source.open("rb") as file, target.open("wb") as out:
        out.write(header(1, wav.data_bytes // 4 * 2, wav.rate))
        file.seek(wav.data_start)
        left = wav.data_bytes // 4 * 4
        while left:
            samples = array.array("h")
            samples.frombytes(file.read(min(left, 1 << 18)))
            left -= len(samples) * 2
            if sys.byteorder == "big":
                samples.byteswap()
            mixed = array.array("h", [(a + b) >> 1 for a, b in zip(samples[0::2], samples[1::2])])
            if sys.byteorder == "big":
                mixed.byteswap()
            out.write(mixed.tobytes())
