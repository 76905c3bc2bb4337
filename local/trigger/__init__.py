"""`python -m local trigger STORY`: what can happen to a call, told on the stack that is up, and what happened where.

Each story has an employee of its own, plays everybody around the bundle, and ends with `Missing` if something else happens than it says.
The first line of a story's docstring is what it is listed with.
"""

from __future__ import annotations

from ..scenario import Scenario
from . import recordings, voices
from .stage import Stage

STORIES = recordings.STORIES | voices.STORIES


def tell(name: str, scenario: Scenario, say=print) -> Stage:
    """Tells a story to its end, with everything that it asked of the vendors and left in the database; raises Missing."""
    stage = Stage(scenario, say)
    try:
        STORIES[name](stage)
    finally:
        stage.close()
        stage.what_happened()
    return stage


__all__ = ["STORIES", "tell"]
