"""`cargo run -p sample`: a sample, a report and a picture, or the reason why not."""

from __future__ import annotations

import array
import wave
from xml.etree import ElementTree

import pytest

from .audio import amplified, laptop_call, voice, written

MIB = 1 << 20
SVG = "{http://www.w3.org/2000/svg}"


def texts(run) -> list[str]:
    """The texts in the picture."""
    return [text.text for text in ElementTree.parse(run.path("svg")).iter(f"{SVG}text")]


@pytest.fixture
def call(tmp_path):
    """The employee is on the second channel."""
    return written(tmp_path / "call.wav", laptop_call())


def test_a_call_becomes_a_sample_a_report_and_a_picture(sample, call):
    made = sample(call, "--channel", "2")
    assert (made.exit_code, made.error) == (0, "")
    assert {file.name for file in made.folder.iterdir()} == {"call.sample.wav", "call.report.json", "call.svg"}
    assert made.report["verdict"] == "good" and made.report["channel"] == 2
    with wave.open(str(made.path("sample.wav"))) as audio:
        assert (audio.getnchannels(), audio.getframerate()) == (1, 8000)
        assert audio.getnframes() / 8000 == pytest.approx(made.report["sample_seconds"], abs=0.01)
    for figure in (f"a sample of {made.report['sample_seconds']:.1f} s: good", "the employee on channel 2 of two"):
        assert figure in made.output and any(figure in text for text in texts(made)), figure


def test_the_picture_shows_what_was_taken_and_why_not_the_rest(sample, call):
    made = sample(call, "--channel", "2")
    picture, said = ElementTree.parse(made.path("svg")).getroot(), texts(made)
    assert picture.get("width") == "1200"
    rows = {label: float(said[said.index(label) + 1].removesuffix(" s")) for label in (
        "taken", "speech, not needed", "the other party talks", "sound, not speech", "pause",
    )}
    [recording] = made.report["recordings"]
    assert rows["taken"] == pytest.approx(recording["taken_seconds"], abs=0.1)
    assert rows["the other party talks"] == pytest.approx(recording["other_party_seconds"], abs=0.1)
    assert sum(rows.values()) == pytest.approx(recording["seconds"], abs=0.3)
    for label in ("employee (2)", "other party (1)", "before", "after", "peaks after", "speech −20.5", "peaks −3"):
        assert label in said, label
    drawn = [path.get("class") for path in picture.iter(f"{SVG}path")]
    for kind in ("employee", "other", "taken", "theirs", "pause", "curve before", "curve after", "curve peaks"):
        assert kind in drawn, kind
    # It stands by itself, and XML is what it says it is.
    text = made.path("svg").read_text()
    assert text.count("http") == 1 and "<script" not in text and "prefers-color-scheme:dark" in text


def test_the_other_channel_is_another_voice(sample, call):
    samples = laptop_call()
    swapped = array.array("h", (value for pair in zip(samples[1::2], samples[0::2]) for value in pair))
    other = written(call.parent / "swapped.wav", swapped)
    assert sample(call, "--channel", "2").path("sample.wav").read_bytes() == sample(other, "--channel", "1").path("sample.wav").read_bytes()


def test_a_refusal_tells_the_code_the_figure_and_the_limit(sample, call):
    made = sample(call, "--channel", "1")
    problem = made.report["problem"]
    assert made.exit_code == 2
    assert made.error == f"sample_too_short: {problem['figure']:.1f} seconds, the limit is 30 seconds\n"
    assert made.error.strip() in texts(made)
    assert {file.name for file in made.folder.iterdir()} == {"call.report.json", "call.svg"}


def test_where_nobody_says_the_channel_the_speech_on_both_is_told(sample, call):
    made = sample(call)
    assert made.exit_code == 2
    code, first, second = made.error.splitlines()
    assert code == "employee_channel_unknown"
    seconds = [float(line.split(": ")[1].split(" s")[0]) for line in (first, second)]
    assert first.endswith("channel 1") and second.endswith("channel 2") and 10 < seconds[0] < 30 < 60 < seconds[1]
    said = texts(made)
    assert "channel 1" in said and "employee (1)" not in said and "speech on 2" in said


def test_a_test_call_of_a_few_seconds_is_enough_to_tell_the_channel(sample, tmp_path):
    alone = voice("june")[: 8000 * 3]
    silent = array.array("h", bytes(2 * len(alone)))
    test_call = written(tmp_path / "call.wav", array.array("h", (value for pair in zip(silent, alone) for value in pair)))
    _, first, second = sample(test_call).error.splitlines()
    assert "0.0 s of speech on channel 1" in first and "0.0 s" not in second


def test_the_sample_of_an_earlier_run_does_not_stay_beside_a_refusal(sample, call):
    assert sample(call, "--channel", "2").path("sample.wav").exists()
    assert not sample(call, "--channel", "1").path("sample.wav").exists()


def test_older_calls_fill_up_the_newest_until_there_is_enough(sample, call):
    newest = written(call.parent / "newest.wav", laptop_call()[: 2 * 8000 * 40])
    made = sample(newest, call, call, "--channel", "2")
    assert made.exit_code == 0 and made.name == "newest"
    first, second = made.report["recordings"]
    assert first["taken_seconds"] > 10 and second["taken_seconds"] > 60
    assert "1 older: not needed" in made.output
    assert [text.partition(":")[0] for text in texts(made) if "kHz" in text] == ["newest.wav", "call.wav"]


def test_one_channel_is_taken_when_twilio_says_that_it_holds_the_party_that_is_the_employee(sample, tmp_path):
    message = written(tmp_path / "message.wav", voice("carlo"), channels=1)
    assert sample(message).error.startswith("sample_mixed_speakers: 1.0 channels, the limit is 2 channels")
    for said in (("--track", "inbound"), ("--source", "RecordVerb")):
        assert sample(message, *said, "--channel", "1").exit_code == 0
        assert sample(message, *said).error.startswith("employee_channel_unknown")
        assert sample(message, *said, "--channel", "2").error.startswith("employee_channel_unknown")
    assert sample(message, "--track", "outbound", "--channel", "2").exit_code == 0
    assert sample(message, "--channel", "1").error.startswith("sample_mixed_speakers")


def test_what_is_no_recording_is_refused(sample, tmp_path):
    page = tmp_path / "a & b <c>.wav"
    page.write_text("<?xml version='1.0'?><TwilioResponse/>")
    made = sample(page, "--channel", "2")
    assert (made.exit_code, made.error) == (2, "recording_not_audio: it is not a WAV file\n")
    assert any("a & b <c>.wav" in text for text in texts(made))


def test_clipped_and_silent_calls_are_drawn_as_well(sample, call):
    clipped = written(call.parent / "clipped.wav", amplified(laptop_call(), 6))
    assert sample(clipped, "--channel", "2").error.startswith("sample_clipped: ")
    silence = written(call.parent / "silence.wav", array.array("h", bytes(8000)))
    made = sample(silence, "--channel", "2")
    assert made.error.startswith("sample_too_short: 0.0 seconds") and "pause" in texts(made)
    empty = written(call.parent / "empty.wav", array.array("h"))
    assert sample(empty, "--channel", "2").exit_code == 2


def test_a_long_call_is_read_in_less_memory_than_it_has_bytes(sample, tmp_path):
    long = written(tmp_path / "long.wav", laptop_call() * 11)
    assert long.stat().st_size > 37 * MIB
    made = sample(long, "--channel", "2", memory=20 * MIB)
    assert made.exit_code == 0, made.error
    assert 100 < made.report["sample_seconds"] <= 120
    assert made.path("svg").stat().st_size < 200_000


def test_a_header_that_claims_4_gib_costs_nothing(sample, tmp_path):
    claim = written(tmp_path / "claim.wav", array.array("h"))
    header = bytearray(claim.read_bytes())
    header[4:8] = header[40:44] = b"\xFE\xFF\xFF\xFF"
    claim.write_bytes(header)
    assert len(header) == 44
    made = sample(claim, "--channel", "2", memory=8 * MIB)
    assert made.error.startswith("sample_too_short: 0.0 seconds")


def test_mistakes_are_no_refusals(sample, tmp_path):
    for arguments, mistake in (((), "which call?"), ((tmp_path / "none.wav",), "No such file"), (("--chanel", "2"), "no option --chanel")):
        made = sample(*arguments)
        assert made.exit_code == 1 and mistake in made.error
        assert not made.folder.exists()
    assert "usage: sample CALL.wav" in sample("--help").output
