"""The tables, in Markdown, and the calls whose sample is not as demanded. Needs no package."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Callable

# The levels that the vendor asks for, in dBFS and dBTP; the pipeline aims at -20.5 dBFS over speech.
QUIETEST, LOUDEST, HIGHEST_PEAK = -23.0, -18.0, -3.0


@dataclass(frozen=True)
class Reading:
    """The meters' readings of one sample. Similarities are cosines of Resemblyzer's embeddings."""

    employee: float
    other: float
    # The difference of these two for the employee's speech of the same call as it was recorded, cut by the labels.
    labelled_gap: float
    # The likeness to the employee of the employee's own clip that the call was made of: a sample can hardly be more like the reference.
    ceiling: float
    # DNSMOS, 1 to 5: of the sample, and of the employee's clip.
    mos: float
    clip_mos: float
    # Percent of the sample that silero-vad takes for speech.
    speech: float
    # RMS in dBFS and true peak in dBTP by ffmpeg, loudness in LUFS by ffmpeg and by pyloudnorm.
    rms: float
    peak: float
    lufs: float
    pyloudnorm: float

    @property
    def gap(self) -> float:
        return self.employee - self.other


@dataclass(frozen=True)
class Call:
    """A call that gave a sample, and what the meters say of that."""

    condition: str
    employee: str
    other: str
    reading: Reading


def broken(calls: list[Call]) -> list[str]:
    """The calls whose sample is not more like the employee than like the other party; and that there is none at all."""
    wrong = [call for call in calls if not call.reading.gap > 0]
    said = [f"{call.condition}: the sample of {call.employee} is more like {call.other} ({call.reading.gap:+.3f})" for call in wrong]
    return said if calls else ["no call gave a sample"]


def beside(tuned: str, held_out: str) -> str:
    """The two tables that the bench prints, as one. A demand that the held-out voices miss is marked; it is no reason to tune."""
    lines = [
        "| condition | precision: tuned | held out | recall: tuned | held out | leakage, dB: tuned | held out | samples and refusals, held out |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    of_tuned, of_held_out = rows(tuned), rows(held_out)
    if of_tuned.keys() != of_held_out.keys():
        raise ValueError("the two tables have other conditions")
    for condition, (precision, recall, leakage, _, _, _) in of_tuned.items():
        held = of_held_out[condition]
        lines.append(f"| {condition} | {precision} | {held[0]} | {recall} | {held[1]} | {leakage} | {held[2]} | {held[5]} |")
    return "\n".join(lines)


def rows(table: str) -> dict[str, list[str]]:
    """The cells of a table that the bench prints, by condition: precision, recall, leakage, speech, samples, verdicts."""
    split = [[cell.strip() for cell in line.split("|")][1:] for line in table.splitlines() if line.startswith("| ")]
    return {condition: cells for condition, *cells in split if condition != "condition"}


def metered(tuned: list[Call], held_out: list[Call]) -> str:
    """The meters' readings, by condition."""
    lines = [
        "| condition | nearer to the employee by: least | median | DNSMOS: tuned | held out | speech, %: tuned | held out "
        "| RMS, dBFS: tuned | held out | peak, dBTP |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for condition in dict.fromkeys(call.condition for call in held_out):
        ours, theirs = ([call.reading for call in calls if call.condition == condition] for calls in (tuned, held_out))
        gaps = [reading.gap for reading in theirs]
        cells = [f"{min(gaps):+.3f}", f"{median(gaps):+.3f}"]
        cells += [f"{median(map(of, both)):.{digits}f}" for of, digits in ((_mos, 2), (_speech, 0)) for both in (ours, theirs)]
        cells += [spread(both, lambda reading: reading.rms) for both in (ours, theirs)]
        cells.append(f"{max(reading.peak for reading in theirs):.1f}")
        lines.append(f"| {condition} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mos(reading: Reading) -> float:
    return reading.mos


def _speech(reading: Reading) -> float:
    return reading.speech


def spread(readings: list[Reading], of: Callable[[Reading], float]) -> str:
    """The least and the most."""
    figures = [of(reading) for reading in readings]
    return f"{min(figures):.1f} … {max(figures):.1f}"


def by_voice(tables: list[str], opinions: dict[str, tuple[float, float]], conditions: list[str]) -> str:
    """Precision and recall of each voice under some conditions, and what silero-vad makes of the clips without any call."""
    heads = " | ".join(f"{condition}: precision | recall" for condition in conditions)
    lines = [f"| voice | {heads} | silero-vad, the clip itself: precision | recall |", f"|---|{'--:|' * (2 * len(conditions) + 2)}"]
    found = {row: cells for table in tables for row, cells in rows(table).items()}
    for voice, (precision, recall) in opinions.items():
        cells = [cell for condition in conditions for cell in found[f"{voice}, {condition}"][:2]]
        lines.append(f"| {voice} | {' | '.join(cells)} | {precision:.3f} | {recall:.3f} |")
    return "\n".join(lines)


def each(calls: list[Call]) -> str:
    """Every call by itself."""
    lines = [
        "| condition | employee | other party | like the employee | like the other | nearer by | without the pipeline | the clip itself | DNSMOS | of the clip "
        "| speech, % | RMS, dBFS | peak, dBTP | LUFS: ffmpeg | pyloudnorm |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for call in calls:
        r = call.reading
        cells = [f"{r.employee:.3f}", f"{r.other:.3f}", f"{r.gap:+.3f}", f"{r.labelled_gap:+.3f}", f"{r.ceiling:.3f}", f"{r.mos:.2f}", f"{r.clip_mos:.2f}"]
        cells += [f"{r.speech:.0f}", *(f"{level:.1f}" for level in (r.rms, r.peak, r.lufs, r.pyloudnorm))]
        lines.append(f"| {call.condition} | {call.employee} | {call.other} | {' | '.join(cells)} |")
    return "\n".join(lines)


def in_short(calls: list[Call]) -> str:
    """The figures of the held-out calls that matter most, in sentences."""
    readings = [call.reading for call in calls]
    nearest = min(calls, key=lambda call: call.reading.gap)
    nearer = sum(reading.gap > 0 for reading in readings)
    unlike = [reading.ceiling - reading.employee for reading in readings]
    worse = [reading.clip_mos - reading.mos for reading in readings]
    speech = [reading.speech for reading in readings]
    off = sum(not QUIETEST <= reading.rms <= LOUDEST for reading in readings)
    high = sum(reading.peak > HIGHEST_PEAK for reading in readings)
    apart = max(abs(reading.lufs - reading.pyloudnorm) for reading in readings)
    return f"""\
* Of {len(calls)} samples, {nearer} are more like the employee than like the other party: by {median(r.gap for r in readings):.3f} in the median, and
  by {nearest.reading.gap:.3f} at least ({nearest.employee}, who speaks with {nearest.other}; {nearest.condition}).
* The employee's speech as it was recorded, cut out by the labels and not by the pipeline, is nearer by {median(r.labelled_gap for r in readings):.3f} in the
  median and by {min(r.labelled_gap for r in readings):.3f} at least. The sample's lead is smaller by {median(r.labelled_gap - r.gap for r in readings):.3f} in the median, {max(r.labelled_gap - r.gap for r in readings):.3f} at most.
* Against the clip that the call was made of, a sample loses {median(unlike):.3f} of likeness in the median, {max(unlike):.3f} at most,
  and {median(worse):.2f} of DNSMOS in the median, {max(worse):.2f} at most.
* silero-vad takes {min(speech):.0f} to {max(speech):.0f} % of a sample for speech.
* Outside {QUIETEST:.0f} … {LOUDEST:.0f} dBFS RMS by ffmpeg's astats: {off} samples. Above {HIGHEST_PEAK:.0f} dBTP by its ebur128: {high}.
  The loudness by ffmpeg and by pyloudnorm differs by {apart:.1f} LU at most."""
