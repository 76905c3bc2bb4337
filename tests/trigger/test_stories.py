"""Each story on the deployed bundle, and what there is when it is over, looked at from outside of the story."""

from __future__ import annotations

import re

import pytest

from local.scenario import Missing, Scenario
from local.trigger import STORIES, command, tell
from local.trigger.stage import VENDORS, Stage

COUNT_RECORDINGS = "select count(*) from recordings where employee_id = %s and erased_at is null"


@pytest.fixture
def scenario(stack):
    made = Scenario(stack)
    made.clean()
    yield made
    made.close()


class Story:
    """A story that is over: its lines, and what there is."""

    def __init__(self, scenario: Scenario, name: str):
        self.scenario, self.lines = scenario, []
        self.stage = tell(name, scenario, self.lines.append)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def recordings(self) -> int:
        return self.scenario.one(COUNT_RECORDINGS, self.stage.employee)

    def voices(self) -> list[str]:
        return self.scenario.vendor_voices(self.stage.employee)

    def states(self) -> list[str]:
        query = "select state from voices where employee_id = %s order by number"
        return [row[0] for row in self.scenario.database.execute(query, [self.stage.employee]).fetchall()]


@pytest.fixture
def story(scenario):
    return lambda name: Story(scenario, name)


@pytest.mark.parametrize("name", ["recording", "duplicate", "early", "missed-callback", "vendor-down"])
def test_of_these_stories_one_stored_recording_is_left(story, name):
    over = story(name)
    assert over.recordings() == 1 and over.stage.newest() and over.voices() == []
    assert "in the database" in over.text and " is stored, " in over.text


def test_out_of_order_leaves_both_recordings_and_the_newer_one_as_the_newest(story):
    over = story("out-of-order")
    assert over.recordings() == 2
    query = "select recording_sid from recordings where employee_id = %s order by started_at desc limit 1"
    newest = over.scenario.one(query, over.stage.employee)
    assert over.stage.newest() == over.scenario.stored(f"recordings/{over.stage.employee}/{newest}.wav")


def test_forged_leaves_nothing_and_nobody_was_asked(story):
    over = story("forged")
    assert over.recordings() == 0 and over.scenario.messages("recording") == 0
    assert over.text.count("→ 403") == 3


@pytest.mark.parametrize("name", ["clone", "lost-answer", "busy-vendor"])
def test_of_these_stories_one_voice_is_left(story, name):
    over = story(name)
    assert over.voices() == [over.stage.voice()] and over.states() == ["ready"]


@pytest.mark.parametrize("name, states", [("no-places", ["failed"]), ("refused-consent", [])])
def test_of_these_stories_a_recording_is_left_and_no_voice(story, name, states):
    over = story(name)
    assert over.recordings() == 1 and over.stage.voice() is None
    assert over.voices() == [] and over.states() == states


@pytest.mark.parametrize("name", ["withdrawal", "withdraw-while-cloning"])
def test_of_these_stories_nothing_is_left_but_the_audit(story, name):
    over = story(name)
    assert (over.recordings(), over.voices(), over.stage.voice(), over.stage.newest()) == (0, [], None, None)
    assert "is erased" in over.text and "audit" in over.text


def test_every_story_is_tested_here(request):
    tested = set(re.findall(r'"([a-z-]+)"', request.path.read_text()))
    assert set(STORIES) <= tested


def test_a_story_breaks_nothing_for_longer_than_it_takes(story):
    over = story("no-places")
    for vendor in VENDORS:
        assert over.stage.control("GET", vendor, "/faults")["faults"] == []
    assert over.stage.control("PUT", "elevenlabs", "/account", {})["voice_limit"] > 0


def test_a_story_tells_what_was_asked_of_whom_and_no_secret(story, stack):
    over = story("recording")
    assert re.search(r"Twilio +GET +…/Recordings/RE….{4}\.wav → 200", over.text)
    assert re.search(r"Supabase +POST +/rest/v1/rpc/finish_ingest → 200", over.text)
    for secret in (stack["supabase"]["secret_key"], stack["twilio"]["auth_token"], stack["elevenlabs"]["api_key"], "Robin"):
        assert secret not in over.text


def test_a_story_that_goes_otherwise_says_so_and_leaves_no_fault(scenario, monkeypatch):
    def goes_otherwise(stage: Stage) -> None:
        """goes otherwise"""
        stage.fault("twilio", path="nowhere", status=500)
        stage.same("the moon", "cheese", "rock")

    monkeypatch.setitem(STORIES, "otherwise", goes_otherwise)
    with pytest.raises(Missing, match="the moon: 'cheese', expected 'rock'"):
        tell("otherwise", scenario, lambda line: None)
    assert Stage(scenario, print).control("GET", "twilio", "/faults")["faults"] == []


def test_without_a_name_every_story_is_listed(capsys, tmp_path):
    class Nothing:
        story = None

    assert command.run(Nothing, tmp_path / "stack.json") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(STORIES) and all(len(line.split()) > 3 for line in listed)


def test_without_a_stack_it_says_what_to_do(capsys, tmp_path):
    class Recording:
        story = "recording"

    assert command.run(Recording, tmp_path / "stack.json") == 2
    assert "make up" in capsys.readouterr().err
