"""A part of the matrix, chosen evenly, and the proof that it would show a broken guard. `make faults` runs the whole."""

from __future__ import annotations

import pytest

from local.progress import Progress

from . import chaos, matrix
from .all_flows import FLOWS
from .__main__ import ground

QUICK_LANES, SLOW_LANES = 4, 6
# Cases in which nothing has to time out: what they take is what the machine needs.
SAMPLE = 60
# Others.
SLOW_SAMPLE = 8
CHAOS_SECONDS = 10


@pytest.fixture(scope="module")
def stands(stack):
    """The ground that the lanes stand on, and the processes that they run in."""
    with ground(stack, Progress(quiet=True)) as made, matrix.lanes(QUICK_LANES, SLOW_LANES) as lanes:
        yield made, lanes


@pytest.fixture(scope="module")
def found(stands):
    """Every case, and the findings in flows that nothing is done to."""
    return matrix.find_cases(*stands, list(FLOWS))


def test_every_flow_comes_to_its_end_when_nothing_is_done_to_it(found):
    assert found[1] == {flow: [] for flow in FLOWS}


def test_the_matrix_has_at_least_300_cases_and_every_flow_and_kind_is_in_it(found):
    cases, _ = found
    assert len(cases) >= 300
    assert {case.flow for case in cases} == {name for name, flow in FLOWS.items() if flow.functions}
    assert {case.kind.column for case in cases} == set(matrix.COLUMNS)
    assert len(set(map(str, cases))) == len(cases)


def test_nothing_is_lost_doubled_orphaned_or_wrong_whatever_fails(stands, found):
    quick, slow = ([case for case in found[0] if case.kind.slow == wanted] for wanted in (False, True))
    outcomes = matrix.run_cases(*stands, evenly(slow, SLOW_SAMPLE) + evenly(quick, SAMPLE))
    assert "".join(f"\n{outcome.case}: {finding.what}" for outcome in outcomes for finding in outcome.findings) == ""


def test_a_guard_that_is_broken_shows(stands, found):
    """A lost answer of the vendor that is taken for a no makes a second voice."""
    made, lanes = stands
    broken = made.damaged("no_unknown_fate", "public.release_clone", "if p_no_voice_was_made and v_voice.vendor_voice_id is null", "if v_voice.vendor_voice_id is null")
    (case,) = (case for case in found[0] if str(case) == "clone / clone-worker / POST /v1/voices/add / done / once")
    assert matrix.run_cases(made, lanes, [case])[0].letters == set()
    assert "D" in matrix.run_cases(broken, lanes, [case])[0].letters


@pytest.mark.parametrize("ahead", [-300, 300])
def test_a_database_whose_clock_is_five_minutes_off_changes_nothing(stands, ahead):
    made, lanes = stands
    wrong = dict(zip(FLOWS, lanes.undisturbed(made, list(FLOWS), ahead)))
    assert {flow: findings for flow, (_, findings) in wrong.items() if findings} == {}


@pytest.mark.parametrize("kind", ["done", "late", "killed"])
@pytest.mark.parametrize("ahead", [-300, 300])
def test_nor_does_it_where_an_attempt_is_taken_up_again_after_its_lease(stands, found, kind, ahead):
    made, lanes = stands
    (case,) = (case for case in found[0] if str(case) == f"clone / clone-worker / POST /v1/voices/add / {kind} / once")
    assert lanes.run(made, case, ahead).result().findings == []


def test_functions_that_are_killed_at_random_under_load_leave_what_a_quiet_run_leaves(stands):
    made, _ = stands
    killed = chaos.run(made, CHAOS_SECONDS)
    quiet = chaos.run(made, 0, range(1, len(killed.lives) + 1))
    assert chaos.compare(killed, quiet) == []
    assert killed.kills.total() > 0 and quiet.kills.total() == 0


def evenly(cases: list, number: int) -> list:
    """So many of them, from the first to the last."""
    step = max(1, len(cases) // number)
    return cases[step // 2 :: step][:number]
