"""`python -m local trigger STORY`: plays a story of what can happen to a call on the stack that is up, and prints what happened.

Each story has an employee of its own, plays everybody around the bundle, and ends with `Missing` if something else happens than it says. The
list of stories shows the first line of each docstring.
"""

from __future__ import annotations

from ..scenario import Scenario
from . import recordings, voices
from .stage import Stage

STORIES = recordings.STORIES | voices.STORIES


def tell(name: str, scenario: Scenario, say=print) -> Stage:
    """Tells a story to its end, then the requests to the vendors and the rows in the database that came of it; raises Missing."""
    stage = Stage(scenario, say)
    try:
        STORIES[name](stage)
    finally:
        stage.close()
        stage.what_happened()
    return stage


__all__ = ["STORIES", "tell"]
