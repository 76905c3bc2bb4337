"""The table of the held-out voices and the cutting of their clips, without any package of theirs."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from bench.voices import report, sources
from bench.voices.report import Call, Reading

READING = Reading(employee=0.9, other=0.6, labelled_gap=0.32, ceiling=0.95, mos=2.5, clip_mos=3.0, speech=80, rms=-21.0, peak=-3.1, lufs=-20.0, pyloudnorm=-20.1)
TABLE = """\
| condition                                     | precision | recall | leakage, dB | speech, s | samples, s | verdicts
|-----------------------------------------------|----------:|-------:|------------:|----------:|-----------:|----------
| clean                                         |     0.976 |  0.971 |        none |       471 |        527 | 6 good, 1 usable
| babble noise, 20 dB                           |     0.894 |  0.977 |       -52.1 |       517 |        567 | 7 usable
"""


def call(**changed) -> Call:
    return Call("clean", "adam", "zoe", replace(READING, **changed))


def test_a_sample_that_is_more_like_the_other_party_or_as_much_is_not_as_demanded():
    assert report.broken([call()]) == []
    assert report.broken([call(), call(other=0.93)]) == ["clean: the sample of adam is more like zoe (-0.030)"]
    assert len(report.broken([call(other=0.9)])) == len(report.broken([call(employee=float("nan"))])) == len(report.broken([])) == 1


def test_each_condition_of_the_tuned_voices_stands_beside_that_of_the_others():
    held_out = TABLE.replace("0.971", "0.842").replace("6 good, 1 usable", "9 usable **not as demanded**")
    lines = report.beside(TABLE, held_out).splitlines()[2:]
    assert lines == [
        "| clean | 0.976 | 0.976 | 0.971 | 0.842 | none | none | 9 usable **not as demanded** |",
        "| babble noise, 20 dB | 0.894 | 0.894 | 0.977 | 0.977 | -52.1 | -52.1 | 7 usable |",
    ]
    with pytest.raises(ValueError):
        report.beside(TABLE, TABLE.replace("babble", "other"))


def test_every_table_has_as_many_cells_as_its_head():
    calls = [call(), call(employee=0.8)]
    each = TABLE.replace("| clean", "| adam, clean")
    for table in (report.beside(TABLE, TABLE), report.metered(calls, calls), report.each(calls), report.by_voice([each], {"adam": (0.9, 0.8)}, ["clean"])):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    assert "+0.200 | +0.250" in report.metered(calls, calls)


def test_what_the_levels_miss_is_counted():
    said = report.in_short([call(), call(rms=-24.0), call(peak=-2.9), call(peak=-2.5)])
    assert "astats: 1 samples" in said and "ebur128: 2." in said


def test_only_what_one_person_says_alone_is_taken_of_a_meeting():
    turns = [(0.0, 4.0, "a"), (3.0, 5.0, "b"), (5.0, 8.0, "b"), (9.0, 12.0, "a"), (10.0, 11.0, "a")]
    assert list(sources.without_overlap(turns)) == [("a", 0.0, 3.0), ("b", 4.0, 8.0), ("a", 9.0, 12.0)]


def test_the_clip_of_the_calls_and_the_reference_have_no_second_in_common(monkeypatch, tmp_path):
    said = {number: array("h", [number] * sources.RATE * 9) for number in range(1, 5)}
    monkeypatch.setattr(sources, "decoded", lambda piece: said[piece.start])
    written = {}
    monkeypatch.setattr(sources, "write", lambda speech, file: written.update({file.name: [sample for samples in speech for sample in samples]}))
    sources.cut([sources.Piece(Path("a"), number) for number in said], tmp_path / "calls.wav", tmp_path / "reference.wav")
    calls, reference = written["calls.wav"], written["reference.wav"]
    assert len(calls) + len(reference) == 36 * sources.RATE
    assert calls + reference == [sample for samples in said.values() for sample in samples]
    assert abs(len(calls) / sources.RATE - 24) <= 1


def test_a_long_speaker_gives_no_more_than_is_wanted(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "decoded", lambda piece: array("h", [1] * sources.RATE * 50))
    written = {}
    monkeypatch.setattr(sources, "write", lambda speech, file: written.update({file.name: sum(map(len, speech)) / sources.RATE}))
    sources.cut([sources.Piece(Path("a"))] * 9, tmp_path / "calls.wav", tmp_path / "reference.wav")
    assert written["calls.wav"] == pytest.approx(sources.CALLS, abs=1)
    assert written["reference.wav"] == pytest.approx(sources.REFERENCE, abs=1)
