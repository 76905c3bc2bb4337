import pytest

from .trial import Trial


@pytest.fixture
def scenario(stack):
    """Everything around the bundle, with all faults and journals of the stand-ins forgotten and the queues empty."""
    trial = Trial(stack)
    trial.clean()
    yield trial
    trial.close()
