"""The sample: what a voice is made from, taken with leave only, and when a request would make the same again."""

from __future__ import annotations

import secrets
import uuid

import psycopg
import pytest
from psycopg.types.json import Jsonb

from .world import REPORT


def begun_with(world, *minutes):
    """Recordings that began at these minutes, and an attempt on them that has begun: (attempt, begun, sids as given)."""
    world.grant()
    sids = [world.record(minute=minute) for minute in minutes]
    attempt = world.request()["attempt_id"]
    return attempt, world.begin(attempt), sids


# -- take_sample -------------------------------------------------------------------------------------------------------


def test_a_sample_is_kept_with_its_sources_version_and_figures(world):
    attempt, begun, (newer, older) = begun_with(world, 2, 1)
    assert world.take(attempt, begun, [(newer, 1), (older, None)], version=7) == {"outcome": "taken", "delete_voices": []}
    assert world.sources(attempt) == [(newer, 1), (older, None)]
    row = world.voice(attempt)
    assert (row["state"], row["pipeline_version"], row["report"]) == ("cloning", 7, REPORT)
    audited = world.row("select * from public.voice_audit order by id desc limit 1")
    assert (audited["action"], audited["outcome"]) == ("clone.sample", "taken")
    assert audited["details"] == {"attempt_id": attempt, "recording_sids": [newer, older], "speech_seconds": 75.5}


def test_a_later_sample_of_an_attempt_replaces_the_one_before(world):
    attempt, begun, (newer, older) = begun_with(world, 2, 1)
    world.take(attempt, begun, [(newer, 1), (older, 1)])
    world.release(attempt, begun["lease_id"], True)
    world.take(attempt, world.begin(attempt), [(newer, 2)], version=2, report={"speech_seconds": 110})
    assert world.sources(attempt) == [(newer, 2)]
    row = world.voice(attempt)
    assert (row["pipeline_version"], row["report"]) == (2, {"speech_seconds": 110})


@pytest.mark.parametrize("why", ["another lease", "no lease", "released", "resolving", "closed", "finished", "nobody's attempt"])
def test_who_does_not_hold_the_lease_takes_no_sample(world, why):
    attempt, begun, (sid,) = begun_with(world, 1)
    sources = [(sid, 2)]
    if why == "another lease":
        begun = {"lease_id": str(uuid.uuid4())}
    elif why == "no lease":
        begun = {"lease_id": None}
    elif why == "released":
        world.release(attempt, begun["lease_id"], True)
    elif why == "resolving":
        world.move_lease(attempt, -61)
        begun = world.begin(attempt)
    elif why == "closed":
        world.fail(attempt, begun["lease_id"], "sample_too_short")
    elif why == "finished":
        world.save(attempt, "voice_1")
        world.finish(attempt)
    asked = str(uuid.uuid4()) if why == "nobody's attempt" else attempt
    assert world.take(asked, begun, sources) == {"outcome": "lease_lost"}
    assert world.audit()[-1] == ("clone.sample", "lease_lost")
    assert world.sources(attempt) == []
    assert world.voice(attempt)["pipeline_version"] is None


def test_where_an_earlier_worker_has_made_the_voice_no_other_sample_is_taken(world):
    attempt, begun, (sid,) = begun_with(world, 1)
    world.save(attempt, "voice_late")
    assert world.take(attempt, begun, [(sid, 2)]) == {"outcome": "lease_lost"}
    assert world.begin(attempt) == {"outcome": "finish"}


@pytest.mark.parametrize("problem", ["consent_withdrawn", "consent_expired", "consent_purpose", "employee_not_found", "recording_missing"])
def test_what_changed_while_the_sample_was_made_is_seen_before_it_is_sent(world, problem):
    attempt, begun, (newer, older) = begun_with(world, 2, 1)
    {
        "consent_withdrawn": world.withdraw,
        "consent_expired": lambda: world.expire_consent(world.here.employee),
        "consent_purpose": lambda: world.grant(purposes=("synthetic_speech",)),
        "employee_not_found": lambda: world.sql("delete from public.employees where id = %s", world.here.employee),
        # Only one of its sources, and not the one that was asked for.
        "recording_missing": lambda: world.sql("update public.recordings set erased_at = now() where recording_sid = %s", older),
    }[problem]()
    assert world.take(attempt, begun, [(newer, 2), (older, 2)]) == {"outcome": "refused", "code": problem}
    row = world.voice(attempt)
    assert (row["state"], row["code"], row["closed_at"] is None) == ("failed", problem, False)
    assert (row["pipeline_version"], row["report"]) == (None, None)
    assert world.audit()[-1] == ("clone.sample", "refused")
    assert world.begin(attempt) == {"outcome": "closed", "delete_voices": []}


def test_a_recording_that_the_sample_was_not_made_from_may_be_erased(world):
    attempt, begun, (newer, older) = begun_with(world, 2, 1)
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", older)
    assert world.take(attempt, begun, [(newer, 2)]) == {"outcome": "taken", "delete_voices": []}


def test_a_sample_that_is_refused_ends_the_erasure_that_waited_for_it(world):
    attempt, begun, (sid,) = begun_with(world, 1)
    erasure_id = world.erase()["erasure_id"]
    assert world.work_off(erasure_id)["blocked"][0]["attempt_id"] == attempt
    assert world.take(attempt, begun, [(sid, 2)])["outcome"] == "refused"
    assert world.erasure()["status"] == "erased"


@pytest.mark.parametrize("wrong", ["none", "unknown", "another employee's", "older first", "twice", "third channel", "not a list"])
def test_a_sample_of_anything_but_the_employees_own_recordings_newest_first_is_a_bug(world, wrong):
    attempt, begun, (newer, older) = begun_with(world, 2, 1)
    theirs = world.record(world.here.other_employee)
    sources = {
        "none": [],
        "unknown": [{"recording_sid": f"RE{secrets.token_hex(16)}", "channel": 2}],
        "another employee's": [{"recording_sid": newer, "channel": 2}, {"recording_sid": theirs, "channel": 2}],
        "older first": [{"recording_sid": older, "channel": 2}, {"recording_sid": newer, "channel": 2}],
        "twice": [{"recording_sid": newer, "channel": 1}, {"recording_sid": newer, "channel": 2}],
        "third channel": [{"recording_sid": newer, "channel": 3}],
        "not a list": {"recording_sid": newer},
    }[wrong]
    with pytest.raises(psycopg.Error):
        world.rpc("take_sample", attempt, begun["lease_id"], Jsonb(sources), 1, Jsonb(REPORT))
    assert world.sources(attempt) == []


@pytest.mark.parametrize(("version", "report"), [(None, REPORT), (1, {}), (1, {"speech_seconds": "many"}), (1, []), (1, None)])
def test_a_sample_without_a_version_or_the_seconds_of_speech_is_a_bug(world, version, report):
    attempt, begun, _ = begun_with(world, 1)
    with pytest.raises(psycopg.errors.RaiseException, match="speech_seconds"):
        world.take(attempt, begun, version=version, report=report)


# -- request_clone: made from the same ---------------------------------------------------------------------------------


def again(world, **request):
    """The outcome of the next request."""
    return world.request(**request)["outcome"]


def test_a_voice_of_the_same_recordings_channel_and_version_is_not_made_again(world):
    world.grant()
    third, second, first = (world.record(minute=minute) for minute in (3, 2, 1))
    world.made(world.request()["attempt_id"], sources=[(third, 2), (second, 2)])
    assert again(world) == "ready"
    # Enough speech: what is older than its sources does not matter.
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", first)
    world.record(minute=0)
    assert again(world) == "ready"


@pytest.mark.parametrize("started", ["after", "between"])
def test_another_recording_than_it_was_made_from_makes_a_new_voice(world, started):
    world.grant()
    newer, older = world.record(minute=5), world.record(minute=1)
    world.made(world.request()["attempt_id"], sources=[(newer, 2), (older, 2)])
    world.record(minute={"after": 6, "between": 3}[started])
    assert again(world) == "requested"


@pytest.mark.parametrize("channel", [2, None])
def test_a_recording_that_is_gone_from_among_its_sources_makes_a_new_voice(world, channel):
    world.grant()
    newer, older = world.record(minute=2), world.record(minute=1)
    world.made(world.request()["attempt_id"], sources=[(newer, 2), (older, channel)])
    world.sql("update public.recordings set erased_at = now() where recording_sid = %s", older)
    assert again(world) == "requested"


@pytest.mark.parametrize(("channel", "outcome"), [(2, "ready"), (1, "requested"), (None, "requested")])
def test_another_channel_than_it_was_made_from_makes_a_new_voice(world, channel, outcome):
    world.cloned()
    assert again(world, channel=channel) == outcome


def test_what_is_said_of_one_call_counts_more_than_where_employees_usually_are(world):
    world.grant()
    newer, older = world.record(minute=2), world.record(minute=1)
    world.set_channel(older, 1)
    world.made(world.request()["attempt_id"], sources=[(newer, 2), (older, 1)])
    assert again(world) == "ready"
    world.set_channel(newer, 1)
    assert again(world) == "requested"


def test_taking_back_what_was_said_of_a_call_makes_a_new_voice(world):
    world.grant()
    sid = world.record()
    world.set_channel(sid, 1)
    world.made(world.request()["attempt_id"], sources=[(sid, 1)])
    assert again(world) == "ready"
    world.set_channel(sid, None)
    assert again(world) == "requested"


@pytest.mark.parametrize("channel", [1, 2, None])
def test_where_there_was_no_channel_to_choose_none_can_be_another(world, channel):
    world.grant()
    sid = world.record()
    world.made(world.request(channel=None)["attempt_id"], sources=[(sid, None)])
    assert again(world, channel=channel) == "ready"


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_makes_a_new_voice(world, version):
    world.made(world.requested(), version=2)
    assert again(world, version=2) == "ready"
    assert again(world, version=version) == "requested"


@pytest.mark.parametrize(("speech", "outcome"), [(59.99, "requested"), (60, "ready")])
def test_a_voice_that_is_short_of_speech_is_made_anew_when_there_is_an_older_recording_to_go_on_with(world, speech, outcome):
    world.grant()
    sid = world.record(minute=2)
    world.made(world.request()["attempt_id"], sources=[(sid, 2)], report={"speech_seconds": speech})
    assert again(world) == "ready"
    world.record(minute=1)
    assert again(world) == outcome


def test_a_voice_that_is_short_of_speech_stays_when_all_that_is_looked_at_was(world):
    world.grant()
    sids = [world.record(minute=minute) for minute in range(12, 0, -1)]
    attempt = world.request()["attempt_id"]
    world.made(attempt, sources=[(sid, 2) for sid in sids[:10]], report={"speech_seconds": 31.5})
    assert again(world) == "ready"


def test_a_voice_without_a_sample_is_made_anew(world):
    attempt = world.requested()
    world.begin(attempt)
    world.save(attempt, "voice_1")
    world.finish(attempt)
    assert again(world) == "requested"


def test_a_voice_of_the_former_organisation_is_no_voice_of_the_next(world):
    world.cloned()
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    world.grant(user=world.there.admin)
    world.record(call_sid=world.call(world.here.employee, org=world.there.id))
    assert again(world, user=world.there.admin) == "requested"
