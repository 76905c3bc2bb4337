"""`make bench` runs through: each of its parts once, on the build that the tests deploy. No figure is judged but the number of calls outside."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.functions import report, round_trips
from bench.functions.contestants import Ours
from bench.functions.measure import Measured, cold_round, warm_requests
from local.progress import Progress
from tests.faults.__main__ import ground
from tests.faults.lane import Lane

ROOT = Path(__file__).resolve().parents[2]


def test_a_function_with_settings_of_its_own_is_stripped_like_the_others():
    """Cargo takes `strip` from the profile only for packages without settings of their own."""
    release = tomllib.loads((ROOT / "Cargo.toml").read_text())["profile"]["release"]
    own = {name: settings.get("strip") for name, settings in release["package"].items() if (ROOT / "functions" / name).exists()}
    assert own and set(own.values()) == {release["strip"]} == {True}


@pytest.fixture
def lane(stack):
    with ground(stack, Progress(quiet=True)) as made, Lane(made) as lane:
        yield lane


def test_a_function_is_started_asked_and_weighed_and_has_its_line_in_the_table(lane, stack):
    one = Measured(Ours(lane).contestant("recording-webhook", Path(stack["aws"]["bootstraps"]["recording-webhook"])))

    cold_round(one)
    warm_requests(one, 1)

    assert one.ready[0] < one.first_answer[0] and one.warm and one.peak and one.contestant.package_bytes
    # The table compares others, too.
    everybody = [replace(one, contestant=replace(one.contestant, name=name)) for name in {name for of, _, to, _ in report.TARGETS for name in (of, to)}]
    assert "| `recording-webhook` | a callback | " in report.starts(everybody)
    assert all(name in " ".join(report.missed(everybody) + [report.starts(everybody)]) for name in ("floor-secret", "peer"))


def test_no_job_makes_more_calls_outside_than_it_may(lane):
    jobs = round_trips.measure(lane)

    assert round_trips.too_many(jobs) == []
    assert "| a callback |" in report.trips(jobs)
