"""The simulated campaign: its rules, its numbers, and that docs/scale.md says what it prints."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from bench.campaign import report
from bench import marked
from bench.campaign.__main__ import DOCUMENT, PART, PLOT, plot
from bench.campaign.clock import Clock
from bench.campaign.limits import HOUR, MINUTE, Assumed, Deployment, Durations, Plan, Scenario
from bench.campaign.referee import Attempt, Employee, Referee
from bench.campaign.scenarios import SCENARIOS
from bench.campaign.simulation import Campaign, Outcome, simulate
from tests.structure.files import text
from tests.template.expanded import source

PLAN = Plan("some", at_once=3, slots=1000)
# Everything that can go wrong goes wrong often.
UNLUCKY = Scenario("unlucky", PLAN, Deployment(), employees=300, failed_requests=0.5, lost_answers=0.2, killed_workers=0.1)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [simulate(scenario) for scenario in SCENARIOS]


def workers(number: int, **settings) -> Deployment:
    return Deployment(campaign_maximum_concurrency=number, **settings)


# -- the document --------------------------------------------------------------------------------------------------------------


def test_the_documents_table_is_what_make_campaign_prints(outcomes):
    document = DOCUMENT.read_text()
    assert report.table(outcomes) in document
    assert marked.found(document, PART) == report.table(outcomes)


def test_the_documents_plot_is_what_make_campaign_draws(outcomes):
    assert PLOT.read_text() == plot(outcomes)


def test_the_same_seed_gives_the_same_campaign_and_another_seed_another_one():
    assert simulate(UNLUCKY) == simulate(UNLUCKY)
    assert simulate(UNLUCKY).times != simulate(replace(UNLUCKY, seed=2)).times


# -- the rules -----------------------------------------------------------------------------------------------------------------


def test_every_employee_ends_with_a_voice_or_a_refusal(outcomes):
    for outcome in [*outcomes, simulate(UNLUCKY)]:
        assert outcome.voices + sum(outcome.refused.values()) == outcome.scenario.employees, outcome.scenario.name


def test_never_does_the_vendor_make_more_voices_at_once_than_its_plan_allows(outcomes):
    for outcome in outcomes:
        assert outcome.most_at_vendor <= outcome.scenario.plan.at_once, outcome.scenario.name
    assert simulate(replace(UNLUCKY, deployment=workers(20))).most_at_vendor == PLAN.at_once


def test_never_do_more_workers_run_at_once_than_the_template_allows(outcomes):
    for outcome in outcomes:
        assert outcome.most_workers == outcome.scenario.deployment.campaign_maximum_concurrency, outcome.scenario.name


@pytest.mark.parametrize("plan", [replace(PLAN, slots=40), replace(PLAN, additions=40)])
def test_an_account_without_a_place_or_an_addition_left_refuses_the_others(plan):
    outcome = simulate(replace(UNLUCKY, plan=plan, lost_answers=0))
    assert outcome.voices == 40
    assert outcome.refused["voice_limit_reached"] + outcome.refused["consent_required"] + outcome.refused["sample_too_short"] == 260
    assert outcome.uploads == 40 + outcome.most_workers, "each worker is told once"


def test_a_quota_refuses_at_the_api_and_sends_nothing_for_those_whom_it_refuses():
    outcome = simulate(replace(UNLUCKY, plan=replace(PLAN, slots=40), deployment=workers(2, max_voices=40), lost_answers=0, short_samples=0))
    assert outcome.voices == outcome.uploads == 40
    assert outcome.refused["voice_limit_reached"] == 0 < outcome.refused["voice_quota_reached"]


def test_a_busy_vendor_costs_nobody_their_voice():
    campaign = Campaign(replace(UNLUCKY, plan=replace(PLAN, at_once=1), deployment=workers(10)))
    outcome = campaign.run()
    assert max(attempt.turned_away for attempt in campaign.referee.attempts) > outcome.scenario.deployment.most_uploads
    assert set(outcome.refused) == {"consent_required", "sample_too_short"}
    assert {attempt.uploads for attempt in campaign.referee.attempts if attempt.state == "ready"} == {1}


def test_a_vendor_that_is_always_busy_is_sent_a_sample_some_hundred_times_and_after_a_day_the_request_has_failed():
    campaign = Campaign(replace(UNLUCKY, plan=replace(PLAN, at_once=0), employees=20, without_consent=0, short_samples=0))
    outcome = campaign.run()
    limits = outcome.scenario.deployment
    assert outcome.refused == Counter({"clone_timed_out": 20})
    assert outcome.last_answer - outcome.asked_for <= limits.request_times_out_after + 2 * limits.sweep_rate
    assert 50 * 20 < outcome.uploads < 120 * 20


def test_messages_that_failed_together_come_back_apart_so_that_nobody_waits_for_a_day():
    """Three hundred employees, whom fifty workers send to a vendor that makes one voice at a time."""
    apart = Scenario("apart", replace(PLAN, at_once=1), workers(50), employees=300)
    together = replace(apart, deployment=workers(50, delay_spread=0))
    outcome, worse = simulate(apart), simulate(together)
    assert outcome.refused["clone_timed_out"] == outcome.dead_letters == 0
    assert worse.dead_letters > 0 and worse.uploads > 4 * outcome.uploads and worse.last_answer > 4 * outcome.last_answer


def test_an_attempt_has_failed_after_ten_uploads_that_the_vendor_may_have_processed():
    referee = Referee(Clock(), Deployment())
    attempt = Attempt(Employee(has_consent=True, has_enough_speech=True), requested_at=0)
    assert [referee.take_sample(attempt) for _ in range(11)] == [True] * 10 + [False]
    assert (attempt.state, attempt.code) == ("failed", "clone_failed")


def test_workers_within_the_plan_are_never_told_that_it_is_busy():
    assert simulate(replace(UNLUCKY, deployment=workers(PLAN.at_once))).busy_answers == 0


def test_a_lost_answer_and_a_killed_worker_make_no_second_voice():
    campaign = Campaign(UNLUCKY)
    assert campaign.run().voices == campaign.vendor.voices


def test_after_six_hours_the_sweep_sends_another_message_for_a_request_whose_own_is_a_dead_letter():
    campaign = Campaign(replace(UNLUCKY, deployment=workers(4, maximum_receives=1), lost_answers=0, killed_workers=0))
    outcome = campaign.run()
    swept = [attempt.swept_at - attempt.requested_at for attempt in campaign.referee.attempts if attempt.swept_at is not None]
    assert outcome.dead_letters > 0 and outcome.refused["clone_timed_out"] == 0
    assert swept and min(swept) > 6 * HOUR


def test_a_request_that_nobody_came_to_in_a_day_has_failed_at_the_next_sweep():
    scenario = Scenario("slow", PLAN, workers(2), Durations(add_voice=Assumed(2000, 2000, 2000)), employees=100, short_samples=0)
    campaign = Campaign(scenario)
    outcome = campaign.run()
    ended = [attempt.closed_at - attempt.requested_at for attempt in campaign.referee.attempts if attempt.code == "clone_timed_out"]
    assert len(ended) == outcome.refused["clone_timed_out"] > 0
    assert all(24 * HOUR < seconds <= 24 * HOUR + 2 * scenario.deployment.sweep_rate for seconds in ended)


def test_employees_for_whom_a_request_had_no_time_are_asked_for_again():
    outcome = simulate(replace(UNLUCKY, durations=Durations(request_clone=2.5), failed_requests=0))
    assert outcome.requests == Counter({"202": 4})  # 8 at once, 2.5 s each, 25 s: 80 of the 300
    assert outcome.voices + sum(outcome.refused.values()) == 300


def test_a_client_that_asks_too_often_is_told_429_and_asks_again():
    limits = workers(2, api_rate_limit=1, api_burst_limit=1, employees_of_a_request=1)
    outcome = simulate(replace(UNLUCKY, deployment=limits, employees=20, failed_requests=0))
    assert outcome.requests["429"] > 0 and outcome.requests["202"] == 20


# -- the numbers ---------------------------------------------------------------------------------------------------------------


def test_the_simulation_has_the_numbers_of_the_template():
    template, limits = source(), Deployment()
    resources = template["Resources"]
    default = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    queue = resources["CampaignQueue"]["Properties"]
    assert default["CampaignMaximumConcurrency"] == limits.campaign_maximum_concurrency
    assert (default["ApiRateLimit"], default["ApiBurstLimit"]) == (limits.api_rate_limit, limits.api_burst_limit)
    assert default["SweepRate"] == f"rate({limits.sweep_rate // 60} minutes)"
    assert queue["VisibilityTimeout"] == limits.visibility_timeout
    assert queue["RedrivePolicy"]["maxReceiveCount"] == limits.maximum_receives
    assert resources["CloneWorker"]["Properties"]["Timeout"] == limits.worker_timeout
    assert resources["CampaignSource"]["Properties"]["BatchSize"] == 1
    assert resources["CampaignQueueAgeAlarm"]["Properties"]["Threshold"] == limits.queue_age_alarm


@pytest.mark.parametrize(
    "path, pattern, field",
    [
        ("functions/clone-voice/src/campaign.rs", r"MOST_EMPLOYEES: usize = (\d+)", "employees_of_a_request"),
        ("functions/clone-voice/src/campaign.rs", r"AT_ONCE: usize = (\d+)", "database_calls_at_once"),
        ("functions/clone-voice/src/handler.rs", r"PATIENCE: Duration = Duration::from_secs\((\d+)\)", "patience"),
        ("functions/clone-worker/src/handler.rs", r"LEASE_MARGIN: Duration = Duration::from_secs\((\d+)\)", "lease_margin"),
        ("functions/voice-sweeper/src/sweep.rs", r"\bLIMIT: usize = (\d+)", "swept_at_once"),
        ("shared/src/queue.rs", r"AT_ONCE: usize = (\d+)", "messages_sent_at_once"),
        ("shared/src/queue.rs", r"FIRST_DELAY: Duration = Duration::from_secs\((\d+)\)", "first_delay"),
        ("shared/src/queue.rs", r"LONGEST_DELAY: Duration = Duration::from_secs\((\d+)\)", "longest_delay"),
        ("shared/src/queue.rs", r"SPREAD: f64 = ([\d.]+)", "delay_spread"),
        ("supabase/schemas/attempts.sql", r"most_uploads\(\)[^$]*\$\$\s*select (\d+)", "most_uploads"),
        ("supabase/schemas/attempts.sql", r"most_turned_away\(\)[^$]*\$\$\s*select (\d+)", "most_turned_away"),
        ("supabase/schemas/voices.sql", r"lease_grace\(\)[^$]*\$\$\s*select interval '(\d+) seconds'", "lease_grace"),
    ],
)
def test_the_simulation_has_the_numbers_of_the_code(path, pattern, field):
    assert float(re.search(pattern, text(path))[1]) == getattr(Deployment(), field)


def test_the_simulation_has_the_hours_of_the_sweep():
    limits, sweep = Deployment(), text("supabase/schemas/sweep.sql")
    assert f"requested_at < understudy.time_now() - interval '{limits.request_times_out_after // HOUR} hours'" in sweep
    assert f"case when v.campaign then interval '{limits.campaign_is_swept_after // HOUR} hours'" in sweep
    assert f"swept_at < understudy.time_now() - interval '{limits.swept_again_after // HOUR} hour'" in sweep
    assert f"v.lease_until < understudy.time_now() - interval '{limits.given_back_before // MINUTE} minutes'" in sweep


def test_the_sweep_waits_for_longer_than_any_delay():
    limits = Deployment()
    assert limits.given_back_before > limits.longest_delay * (1 + limits.delay_spread)


def test_the_delay_of_a_message_grows_as_the_codes_own_test_has_it():
    assert [Deployment().delay(receipts) for receipts in (1, 2, 3, 7, 8, 4_000_000)] == [10, 20, 40, 640, 900, 900]
