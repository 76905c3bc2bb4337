"""An answer from where an admin works is marked, for people to look at."""

from __future__ import annotations

import json

import pytest

from .world import hashed

HERE = {"x-caller-address": "198.51.100.1", "x-caller-user-agent": "Chrome of an admin"}


def called_with(world, headers, user=None, function="read_voice"):
    """One request as PostgREST hands it over, with these headers."""
    with world.service.transaction():
        world.service.execute("select set_config('request.headers', %s, true)", [headers if isinstance(headers, str) else json.dumps(headers)])
        return world.rpc(function, user or world.here.admin, world.here.employee)


def origins(world):
    return world.sql("select org_id, kind, sha256 from understudy.admin_origins order by kind, sha256")


def answered(world, granted=True, **origin):
    world.invite("token")
    world.answer("token", granted=granted, **origin)
    seen = world.rpc("read_voice_consent", world.here.admin, world.here.employee)
    shown = world.rpc("read_invitation", hashed("token"))["answered"]["same_origin_as_admin"]
    assert seen["invitations"][0]["answered"]["same_origin_as_admin"] is shown
    if granted:
        assert seen["consent"]["answered"]["same_origin_as_admin"] is shown
    return shown


def pass_time(world, ago):
    world.sql("update understudy.admin_origins set seen_at = seen_at - %s::interval", ago)


@pytest.mark.parametrize("granted", [True, False])
@pytest.mark.parametrize("origin", [
    {"address": "198.51.100.1"}, {"agent": "Chrome of an admin"}, {"address": "198.51.100.1", "agent": "Chrome of an admin"},
])
def test_an_answer_from_an_admins_address_or_browser_is_marked_and_not_refused(world, origin, granted):
    called_with(world, HERE)
    assert answered(world, granted, **origin) is True


def test_an_answer_from_elsewhere_is_not_marked(world):
    called_with(world, HERE)
    assert answered(world) is False


def test_the_address_of_a_member_or_of_another_organisations_admin_marks_nothing(world):
    called_with(world, HERE, user=world.here.member)
    called_with(world, HERE, user=world.there.admin)
    assert [row["org_id"] for row in origins(world)] == [world.there.id] * 2
    assert answered(world, address="198.51.100.1") is False


def test_an_address_that_an_admin_used_longer_ago_than_a_day_marks_nothing(world):
    called_with(world, HERE)
    pass_time(world, "23 hours")
    assert answered(world, address="198.51.100.1") is True
    pass_time(world, "2 hours")
    world.invite("second")
    world.answer("second", withdrawal_token="other", address="198.51.100.1")
    assert world.rpc("read_invitation", hashed("second"))["answered"]["same_origin_as_admin"] is False
    # The mark stays: it was true when they answered.
    assert world.rpc("read_invitation", hashed("token"))["answered"]["same_origin_as_admin"] is True


def test_an_address_that_an_admin_uses_again_and_again_is_noted_again_before_its_day_is_over(world):
    called_with(world, HERE)
    pass_time(world, "23 hours")
    called_with(world, HERE)
    pass_time(world, "23 hours")
    assert answered(world, address="198.51.100.1") is True


def test_only_hashes_are_kept_and_a_second_request_writes_nothing(world):
    called_with(world, HERE)
    assert [(row["kind"], row["sha256"]) for row in origins(world)] == [
        ("address", hashed("198.51.100.1")), ("user_agent", hashed("Chrome of an admin")),
    ]
    written = world.sql("select ctid::text, xmin::text from understudy.admin_origins order by kind")
    called_with(world, HERE)
    assert world.sql("select ctid::text, xmin::text from understudy.admin_origins order by kind") == written


def test_two_requests_of_one_admin_do_not_wait_for_each_other(world):
    called_with(world, HERE)

    def read(connection):
        connection.execute("select set_config('request.headers', %s, false)", [json.dumps(HERE)])
        return world.rpc("read_voice", world.here.admin, world.here.employee, connection=connection)

    with pytest.raises(AssertionError, match="did not wait"):
        world.race(read, read)


@pytest.mark.parametrize("headers", ["", {}, {"x-caller-address": ""}, {"user-agent": "PostgREST's own"}])
def test_a_request_that_tells_no_origin_notes_none(world, headers):
    assert called_with(world, headers)["outcome"] == "voice"
    assert origins(world) == []


def test_origins_older_than_two_days_go_a_few_at_a_time(world):
    world.sql(
        "insert into understudy.admin_origins (org_id, kind, sha256, seen_at)"
        " select %s, 'address', encode(sha256(n::text::bytea), 'hex'), clock_timestamp() - interval '49 hours' from generate_series(1, 50) n",
        world.here.id,
    )
    called_with(world, {"x-caller-address": "198.51.100.1"})
    assert len(origins(world)) == 31
    called_with(world, {"x-caller-address": "198.51.100.2"})
    called_with(world, {"x-caller-address": "198.51.100.3"})
    assert len(origins(world)) == 3


def test_a_long_user_agent_is_recognised_by_as_much_as_is_kept(world):
    called_with(world, {"x-caller-user-agent": "A" * 500})
    assert answered(world, agent="A" * 600) is True


def test_nobody_reads_the_origins(world):
    assert world.sql(
        "select a.grantee::regrole::text from pg_class c, aclexplode(c.relacl) a where c.oid = 'understudy.admin_origins'::regclass and a.grantee <> c.relowner"
    ) == []
