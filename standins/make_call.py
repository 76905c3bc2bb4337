"""Makes `call.ulaw.xz`, the telephone call that the demo and the tests use: `python standins/make_call.py`.

Nothing of the project needs this script or its tools; it is here so that the call can be changed. It needs `espeak-ng` (1.51 was
used) and `sox` (14.4.2) in the PATH. Both voices are espeak-ng's and belong to nobody.

The first channel is the other party, the second the employee; each is cut to the band of a telephone (300–3400 Hz) and has a
little line noise. The noise repeats every two seconds, so that pauses cost nothing when they are compressed.
"""

from __future__ import annotations

import array
import lzma
import random
import subprocess
import tempfile
from pathlib import Path

RATE = 8000
OTHER, EMPLOYEE = 0, 1
VOICES = {OTHER: ["-v", "en-gb+m3", "-s", "165", "-p", "30"], EMPLOYEE: ["-v", "en-us+f4", "-s", "155", "-p", "62"]}
LEVELS = {OTHER: "-22", EMPLOYEE: "-21"}  # RMS in dBFS: where telephone speech usually is
NOISE = 20  # RMS of the line noise in 16-bit steps: -64 dBFS
PAUSE = 0.45  # seconds between two turns
# An XZ filter for samples of one byte in two channels.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 1, "pb": 1}]

CALL = [
    (OTHER, "Hello, this is Peter from the training team. Is this a good time to talk?"),
    (EMPLOYEE, "Hi Peter, yes, it is. I have a cup of tea in front of me and nothing else planned until noon."),
    (OTHER, "Before we start: this call is recorded, to make a copy of your voice for our welcome messages. Is that all right with you?"),
    (EMPLOYEE, "Yes, that is fine. I have read the statement, I agree that my voice is recorded and copied for the welcome messages, "
               "and I know that I can change my mind whenever I like."),
    (OTHER, "Thank you. Then simply tell me about your day, as you would tell a friend."),
    (EMPLOYEE, "All right. I usually get up at half past six, because the light in the kitchen is best at that hour. I open the window, feed "
               "the cat, and listen to the street waking up. The baker across the road is always first, and by seven o'clock the whole "
               "corner smells of fresh bread."),
    (EMPLOYEE, "Then I walk to work along the river. It takes about twenty minutes, or thirty if the ducks are doing something "
               "interesting. Last week one of them followed me all the way up to the bridge and waited there, as if I had promised it breakfast."),
    (OTHER, "And what do you like most about the work?"),
    (EMPLOYEE, "Honestly? The people who call. Somebody rings because a wheel is bent or an appointment has to move, and five minutes later "
               "you are talking about their garden, their daughter's exam, or the best way to cook a pumpkin. I write the good recipes "
               "down. By now there are forty two of them on the board behind my desk."),
    (EMPLOYEE, "On Fridays we close a little earlier, put the tools back where they belong, and somebody always finds a reason for cake. "
               "I think that is the real secret of a good team."),
    (OTHER, "That was perfect, thank you very much. Have a lovely afternoon."),
    (EMPLOYEE, "You too, Peter. It was a pleasure. Goodbye!"),
]  # fmt: skip


def spoken(who: int, text: str, directory: Path) -> array.array:
    """One turn as 16-bit samples in the band of a telephone."""
    voice, phone = directory / "voice.wav", directory / "phone.raw"
    subprocess.run(["espeak-ng", *VOICES[who], "-w", voice, text], check=True)
    trim = ["silence", "1", "0.01", "0.2%", "reverse"]
    raw = ["-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed", "-t", "raw"]
    subprocess.run(["sox", "-D", voice, *raw, phone, "sinc", "-n", "511", "300-3400", *trim, *trim], check=True)
    samples = array.array("h", phone.read_bytes())
    rms = (sum(sample * sample for sample in samples) / len(samples)) ** 0.5
    gain = 32768 * 10 ** (float(LEVELS[who]) / 20) / rms
    return array.array("h", (max(-30000, min(30000, round(sample * gain))) for sample in samples))


def line_noise(who: int, length: int) -> list[int]:
    random_ = random.Random(who)
    period = [round(random_.gauss(0, NOISE)) for _ in range(2 * RATE)]
    return (period * (length // len(period) + 1))[:length]


def to_ulaw(sample: int) -> int:
    """ITU-T G.711."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 0x84
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def main() -> None:
    turns, at = [], round(0.6 * RATE)
    with tempfile.TemporaryDirectory() as directory:
        for who, text in CALL:
            samples = spoken(who, text, Path(directory))
            turns.append((who, at, samples))
            at += len(samples) + round(PAUSE * RATE)
    channels = [line_noise(who, at) for who in (OTHER, EMPLOYEE)]
    for who, start, samples in turns:
        for offset, sample in enumerate(samples):
            channels[who][start + offset] += sample
    code = bytearray(2 * at)
    code[0::2] = bytes(map(to_ulaw, channels[OTHER]))
    code[1::2] = bytes(map(to_ulaw, channels[EMPLOYEE]))
    packed = lzma.compress(bytes(code), filters=FILTERS)
    Path(__file__).with_name("call.ulaw.xz").write_bytes(packed)
    for who, name in ((OTHER, "other party"), (EMPLOYEE, "employee")):
        print(f"{name}: {sum(len(samples) for speaker, _, samples in turns if speaker == who) / RATE:.1f} s")
    print(f"{at / RATE:.1f} s in {len(packed)} bytes")


if __name__ == "__main__":
    main()
