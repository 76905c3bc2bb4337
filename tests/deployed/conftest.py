import pytest

from .trial import Trial


@pytest.fixture(scope="session")
def unscheduled(stack):
    """The sweep runs when a test starts it, and never between."""
    events = Trial(stack).aws("events")
    rules = [rule["Name"] for rule in events.list_rules()["Rules"]]
    for rule in rules:
        events.disable_rule(Name=rule)
    yield stack
    for rule in rules:
        events.enable_rule(Name=rule)


@pytest.fixture
def scenario(unscheduled):
    """Everything around the bundle, with all faults and journals of the stand-ins forgotten and the queues empty."""
    trial = Trial(unscheduled)
    trial.clean()
    yield trial
    breaches = [breach for vendor in ("twilio", "elevenlabs") for breach in trial.breaches(vendor)]
    trial.close()
    assert not breaches, "\n".join(breaches)
