"""The figures of a sample's report are also those of another meter: ffmpeg's `astats` and `ebur128`."""

from __future__ import annotations

import re
import subprocess
from math import log10

import imageio_ffmpeg
import pytest

from .audio import amplified, doubled_rate, laptop_call, voice, with_noise, written

TOLERANCE_DB = 0.2
ONE_PARTY = ("--track", "inbound", "--channel", "1")

# The recording, the format of its file, and the arguments of the command.
RECORDINGS = {
    "the call of the laptop": (laptop_call, {}, ("--channel", "2")),
    "a loud voice, a few of its peaks cut off": (lambda: amplified(voice("carlo"), 1.9), {"channels": 1}, ONE_PARTY),
    "a quiet call": (lambda: amplified(laptop_call(), 0.05), {}, ("--channel", "2")),
    "a voice at 16 kHz": (lambda: doubled_rate(voice("june")), {"channels": 1, "rate": 16000}, ONE_PARTY),
    "a noisy voice": (lambda: with_noise(voice("allison"), 300), {"channels": 1}, ONE_PARTY),
}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_another_meter_finds_the_levels_of_the_report(recording, sample, tmp_path):
    samples, written_as, known = RECORDINGS[recording]
    made = sample(written(tmp_path / "call.wav", samples(), **written_as), *known)
    assert made.exit_code == 0, made.error
    report, found = made.report, measured(made.path("sample.wav"))

    assert found["rms"] == pytest.approx(report["after"]["rms_dbfs"], abs=TOLERANCE_DB)
    assert found["true_peak"] == pytest.approx(report["after"]["true_peak_dbtp"], abs=TOLERANCE_DB)
    assert found["true_peak"] <= -3 + TOLERANCE_DB
    assert -23 <= found["rms"] <= -18
    assert found["seconds"] == pytest.approx(report["sample_seconds"], abs=0.01)
    assert abs(found["offset"]) < 1e-3
    if recording.startswith("a loud"):
        assert report["warnings"] == ["short", "clipped"]


def test_the_noise_and_the_level_before_are_those_that_were_put_in(sample, tmp_path):
    quiet, noise = voice("allison"), 200
    made = sample(written(tmp_path / "call.wav", with_noise(quiet, noise), channels=1), *ONE_PARTY)
    # 16-bit steps over full scale.
    assert made.report["noise_floor_dbfs"] == pytest.approx(decibels(noise / 32768), abs=1)
    clean = sample(written(tmp_path / "clean.wav", quiet, channels=1), *ONE_PARTY)
    assert made.report["before"]["speech_rms_dbfs"] == pytest.approx(clean.report["before"]["speech_rms_dbfs"], abs=0.5)


def decibels(amplitude: float) -> float:
    return 20 * log10(amplitude)


def measured(file) -> dict[str, float]:
    """By ffmpeg, over the whole file."""
    filters = "astats=measure_perchannel=none,ebur128=peak=true"
    arguments = ["-hide_banner", "-nostats", "-i", file, "-filter:a", filters, "-f", "null", "-"]
    said = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments], check=True, capture_output=True, text=True).stderr
    find = lambda pattern: float(re.findall(pattern, said)[-1])  # noqa: E731
    samples, rate = find(r"Number of samples: (\d+)"), find(r"(\d+) Hz, mono")
    return {
        "rms": find(r"RMS level dB: (\S+)"),
        "offset": find(r"DC offset: (\S+)"),
        "true_peak": find(r"True peak:\s+Peak:\s+(\S+) dBFS"),
        "seconds": samples / rate,
    }
