"""The campaigns that docs/scale.md tells of."""

from __future__ import annotations

from dataclasses import replace

from .limits import Deployment, Durations, Plan, Scenario

# Requests at once as published; slots as others report them: docs/scale.md has the sources.
CREATOR = Plan("Creator", at_once=5, slots=30, additions=95)
SCALE = Plan("Scale", at_once=15, slots=660)
# By contract, since no published plan has room for ten thousand voices: the concurrency of the largest published plan.
CONTRACT = Plan("contract", at_once=15, slots=20_000)

TEMPLATE = Deployment()
# The other two of the account's fifteen requests are left to single clones (CloneMaximumConcurrency).
RAISED = replace(TEMPLATE, campaign_maximum_concurrency=13)
TOO_HIGH = replace(TEMPLATE, campaign_maximum_concurrency=50)

SCENARIOS = [
    Scenario("A", CREATOR, TEMPLATE),
    Scenario("B", SCALE, TEMPLATE),
    Scenario("C", replace(SCALE, name="Scale, 400 additions left", additions=400), TEMPLATE),
    Scenario("D", SCALE, replace(TEMPLATE, max_voices=SCALE.slots)),
    Scenario("E", CONTRACT, TEMPLATE),
    Scenario("F", CONTRACT, TEMPLATE, Durations(add_voice=(10.0, 40.0, 15.0))),
    Scenario("G", CONTRACT, RAISED),
    Scenario("H", CONTRACT, TOO_HIGH),
    Scenario("I", replace(CONTRACT, name="contract, 60 at once", at_once=60), TOO_HIGH),
]
