"""Many callbacks at once, repeated and out of order. `make load` does the same for minutes, and measures."""

from __future__ import annotations

import pytest

from tests.load.outcome import wrongs
from tests.load.traffic import callbacks, deliver, make_recordings


@pytest.mark.parametrize("delay", [0, 0.1], ids=["at once", "while the vendors are slow"])
def test_each_recording_is_stored_once_and_right_and_the_newest_is_the_employees(scenario, delay):
    recordings = make_recordings(scenario, 48)
    for vendor in ("twilio", "supabase"):
        scenario.fault(vendor, path=".", delay=delay, times=None)
    *_, last = deliver(callbacks(scenario, recordings, 150))
    assert not last.refused, last.statuses
    scenario.until(lambda: scenario.messages("recording") == 0, "the empty queue")
    for vendor in ("twilio", "supabase"):
        scenario.no_faults(vendor)
    assert wrongs(scenario, recordings) == []
