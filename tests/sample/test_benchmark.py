"""The benchmark of the command."""

from __future__ import annotations

from bench.functions import report, samples


def test_a_sample_of_a_minute_has_its_line_in_the_table(executable):
    made = samples.measure(executable, lengths=(60,))

    assert report.sampled(made).splitlines()[-1].startswith("| 1 | ")
    assert made[0].peak > 0
