"""The campaigns that docs/scale.md tells of."""

from __future__ import annotations

from dataclasses import replace

from .limits import Assumed, Deployment, Durations, Plan, Scenario

# Requests at once as published; slots as others report them: docs/scale.md has the sources.
CREATOR = Plan("Creator", at_once=5, slots=30, additions=95)
SCALE = Plan("Scale", at_once=15, slots=660)
# By contract, since no published plan has room for ten thousand voices: the concurrency of the largest published plan.
CONTRACT = Plan("contract", at_once=15, slots=20_000)

TEMPLATE = Deployment()
# The other two of the account's fifteen requests are left to single clones (CloneMaximumConcurrency).
RAISED = replace(TEMPLATE, campaign_maximum_concurrency=13)
TOO_HIGH = replace(TEMPLATE, campaign_maximum_concurrency=50)
# As if messages that failed together came back together, so that the table shows what chance in the delays is for.
TOGETHER = replace(TOO_HIGH, delay_spread=0)

SCENARIOS = [
    Scenario("A: a small plan", CREATOR, TEMPLATE),
    Scenario("B: the largest published plan", SCALE, TEMPLATE),
    Scenario("C: the same, late in the month", replace(SCALE, additions=400), TEMPLATE),
    Scenario("D: the same as B, `max_voices` 660", SCALE, replace(TEMPLATE, max_voices=SCALE.slots)),
    Scenario("E: room for all", CONTRACT, TEMPLATE),
    Scenario("F: the same, the vendor slow", CONTRACT, TEMPLATE, Durations(add_voice=Assumed(10.0, 40.0, 15.0))),
    Scenario("G: 13 workers", CONTRACT, RAISED),
    Scenario("H: 50 workers, more than the plan", CONTRACT, TOO_HIGH),
    Scenario("I: 50 workers, within the plan", replace(CONTRACT, at_once=60), TOO_HIGH),
    Scenario("J: the same as H, without chance in the delays", CONTRACT, TOGETHER),
]
