"""The metadata of a voice: whoever writes them last, they say what is true."""

from __future__ import annotations


def an_older_and_a_current_voice(world):
    """Neither's metadata are confirmed: both attempts, and the metadata of the second."""
    first = world.requested()
    world.begin(first)
    world.save(first, "voice_1")
    world.finish(first)
    second = world.again()
    world.begin(second)
    world.save(second, "voice_2")
    return first, second, world.finish(second)["metadata"]


def said(metadata) -> dict:
    """The text that is to be written."""
    return metadata["body"]


def test_who_wrote_an_older_voices_metadata_is_given_the_current_ones(world):
    first, second, newer = an_older_and_a_current_voice(world)
    assert world.written(second) == {"outcome": "current"}

    # The first worker was slow: its write came last, so the current metadata has to be written once more.
    behind = world.written(first)
    assert (behind["outcome"], behind["attempt_id"], said(behind["metadata"])) == ("behind", second, said(newer))
    assert said(world.finish(second)["metadata"]) == said(newer)
    assert world.written(second) == {"outcome": "current"}
    assert world.finish(second)["metadata"] is None
    assert [outcome for action, outcome in world.audit() if action == "metadata.write"] == ["current", "behind", "current"]


def test_a_worker_that_died_while_writing_an_older_voices_metadata_is_made_up_for_by_its_next_run(world):
    first, second, newer = an_older_and_a_current_voice(world)
    world.written(second)

    assert world.begin(first) == {"outcome": "finish"}
    answer = world.finish(first)
    assert (answer["outcome"], answer["voice_id"], said(answer["metadata"])) == ("finished", "voice_2", said(newer))
    assert world.written(first)["outcome"] == "behind"
    assert world.written(second) == {"outcome": "current"}
    assert world.begin(first)["outcome"] == "closed"


def no_voice(world, attempt, code):
    """The metadata after the refusal, written at once."""
    assert world.begin(attempt) == {"outcome": "finish"}
    answer = world.finish(attempt)
    assert (answer["outcome"], answer["code"]) == ("refused", code)
    assert world.written(attempt) == {"outcome": "current"}
    return said(answer["metadata"])


def test_when_the_vendor_has_lost_the_voice_the_metadata_say_so_once(world):
    attempt = world.cloned()
    world.rpc("voice_gone", attempt)
    assert world.rpc("sweep_unfinished", 10)["attempts"] == [{"attempt_id": attempt, "campaign": False}]
    assert no_voice(world, attempt, "voice_gone") == {
        "employee_id": str(world.here.employee), "voice_id": None, "status": "none", "code": "voice_gone",
    }
    assert world.rpc("sweep_unfinished", 10)["attempts"] == []
    assert world.begin(attempt)["outcome"] == "closed"


def test_when_a_voice_gave_way_to_one_that_was_never_made_the_metadata_say_so(world):
    first = world.cloned()
    world.record(minute=1)
    second = world.request(replace=True)["attempt_id"]
    begun = world.begin(second)
    assert world.take(second, begun)["delete_voices"] == [{"attempt_id": first, "vendor_voice_id": "voice_1"}]
    world.deleted(first)
    assert world.begin(first)["outcome"] == "closed", "the new one is to write its own"
    world.fail(second, begun["lease_id"], "voice_rejected")
    assert world.rpc("sweep_unfinished", 10)["attempts"] == [{"attempt_id": first, "campaign": False}]
    assert no_voice(world, first, "replaced")["status"] == "none"
    assert world.rpc("sweep_unfinished", 10)["attempts"] == []


def test_a_slow_worker_that_says_there_is_no_voice_is_given_the_one_that_there_is_by_then(world):
    first = world.cloned()
    world.rpc("voice_gone", first)
    assert said(world.finish(first)["metadata"])["status"] == "none"
    second = world.made(world.requested(), "voice_2")
    behind = world.written(first)
    assert (behind["outcome"], behind["attempt_id"], said(behind["metadata"])["voice_id"]) == ("behind", second, "voice_2")


def test_nothing_is_written_over_the_tombstone_of_a_voice_that_was_lost_and_then_erased(world):
    attempt = world.cloned()
    world.rpc("voice_gone", attempt)
    world.erase()
    assert world.begin(attempt) == {"outcome": "closed", "delete_voices": []}
    assert "metadata" not in world.finish(attempt)
    assert world.rpc("sweep_unfinished", 10)["attempts"] == []


def test_metadata_written_after_a_withdrawal_is_followed_by_nothing(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    world.withdraw()
    assert world.written(attempt) == {"outcome": "current"}
