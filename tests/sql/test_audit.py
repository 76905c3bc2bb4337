"""The audit: append-only, and nothing in it that names a person."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

NOBODY = "00000000-0000-0000-0000-00000000beef"


@pytest.mark.parametrize(
    "statement", ["update public.voice_audit set outcome = 'x'", "delete from public.voice_audit", "truncate public.voice_audit"]
)
def test_nobody_changes_the_audit_not_even_the_owner_or_with_a_careless_grant(world, statement):
    world.cloned()
    before = world.sql("select * from public.voice_audit")
    world.sql("grant all on public.voice_audit to service_role")
    for connection in (world.service, world.owner):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)
    assert world.sql("select * from public.voice_audit") == before


def test_the_audit_holds_no_names_addresses_numbers_or_audio(world):
    first = world.cloned()
    world.again()
    world.withdraw()
    world.request()
    world.grant(user=world.here.member)
    world.finish(first)
    text = json.dumps(world.sql("select * from public.voice_audit"), default=str)
    for person in world.sql("select full_name, email, phone from public.employees"):
        for private in person.values():
            assert private not in text
    for private in ("Ottilie", "example", "+1555", ".wav", "://", "recordings/", "release-17"):
        assert private not in text


def test_an_audit_row_tells_who_did_what_to_whom(world):
    attempt = world.requested()
    row = world.row("select * from public.voice_audit where action = 'clone.request'")
    assert row == row | {
        "org_id": world.here.id, "employee_id": world.here.employee, "actor_id": world.here.admin, "outcome": "requested",
    }
    assert row["details"]["attempt_id"] == attempt
    world.begin(attempt)
    assert world.row("select actor_id from public.voice_audit where action = 'clone.begin'") == {"actor_id": None}


def test_a_change_that_is_rolled_back_has_no_audit_row(world):
    world.grant()
    world.record()
    audit = world.audit()
    with pytest.raises(ZeroDivisionError), world.service.transaction():
        world.request()
        raise ZeroDivisionError
    assert world.audit() == audit
    assert world.sql("select * from public.voices") == []


def test_one_function_is_the_only_writer_of_the_audit(world):
    writers = world.sql(
        "select oid::regproc::text as name from pg_proc where pronamespace in ('public'::regnamespace, 'understudy'::regnamespace)"
        " and prosrc ~* 'insert\\s+into\\s+public\\.voice_audit'"
    )
    assert writers == [{"name": "understudy.audit"}]


# -- the chain ---------------------------------------------------------------------------------------------------------


def verify(world, org=None):
    return world.rpc("verify_audit", org)


def tamper(world, statement, *values):
    """Changes a row as only the owner of the database can."""
    with world.owner.transaction():
        world.sql("alter table public.voice_audit disable trigger voice_audit_append_only")
        world.sql(statement, *values)
        world.sql("alter table public.voice_audit enable always trigger voice_audit_append_only")


def test_each_organisations_rows_are_one_whole_chain(world):
    world.cloned()
    world.erase()
    world.request(user=world.there.admin)
    world.request(user="00000000-0000-0000-0000-00000000beef")
    rows = world.sql("select * from public.voice_audit order by org_id, seq")
    for org in (world.here.id, world.there.id, None):
        chain = [row for row in rows if row["org_id"] == org]
        assert [row["seq"] for row in chain] == list(range(1, len(chain) + 1))
        assert [row["prev_hash"] for row in chain] == ["0" * 64] + [row["hash"] for row in chain[:-1]]
    assert verify(world) == {"outcome": "whole", "rows": len(rows)}
    assert verify(world, world.there.id) == {"outcome": "whole", "rows": 1}
    assert verify(world, "00000000-0000-0000-0000-000000000000") == {"outcome": "whole", "rows": 1}


@pytest.mark.parametrize(
    "change",
    [
        "outcome = 'granted_not'", "details = '{}'", "at = at - interval '1 day'", "actor_id = null", "employee_id = gen_random_uuid()",
        "action = 'a.b'", "hash = repeat('f', 64)", "prev_hash = repeat('f', 64)",
    ],
)
def test_a_row_that_was_changed_is_found(world, change):
    world.cloned()
    tamper(world, f"update public.voice_audit set {change} where seq = 3")
    broken = {"outcome": "broken", "org_id": str(world.here.id), "seq": 3}
    assert verify(world) == broken
    assert verify(world, world.here.id) == broken
    assert verify(world, world.there.id) == {"outcome": "whole", "rows": 0}


@pytest.mark.parametrize("which", ["first", "middle", "last", "every"])
def test_a_row_that_was_taken_out_is_found(world, which):
    world.cloned()
    last = world.value("select max(seq) from public.voice_audit")
    seq = {"first": 1, "middle": 3, "last": last, "every": 1}[which]
    tamper(world, "delete from public.voice_audit where seq >= %s and seq <= %s", seq, last if which == "every" else seq)
    assert verify(world) == {"outcome": "broken", "org_id": str(world.here.id), "seq": seq}


def test_a_row_that_was_changed_with_its_own_hash_is_found_by_the_next(world):
    world.cloned()
    tamper(world, "update public.voice_audit a set details = '{}' where seq = 3")
    hash_ = world.value("select understudy.audit_hash(a) from public.voice_audit a where seq = 3")
    tamper(world, "update public.voice_audit set hash = %s where seq = 3", hash_)
    assert verify(world)["seq"] == 4


def test_writers_of_one_organisation_at_once_leave_a_whole_chain(world):
    world.grant()
    sessions = [world.session("service_role") for _ in range(8)]
    employees = [world.here.employee, world.here.other_employee]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: [world.request(employees[(n + i) % 2], connection=sessions[n]) for i in range(10)], range(8)))
    assert verify(world) == {"outcome": "whole", "rows": 81}


def test_a_rolled_back_row_leaves_no_gap(world):
    world.grant()
    with pytest.raises(ZeroDivisionError), world.service.transaction():
        world.request()
        raise ZeroDivisionError
    world.request()
    assert verify(world) == {"outcome": "whole", "rows": 2}


def read(world, user=None, **arguments):
    names = ["p_user_id", *arguments]
    values = [user or world.here.admin, *arguments.values()]
    call = ", ".join(f"{name} => %s" for name in names)
    return world.service.execute(f"select public.read_audit({call}) as answer", values).fetchone()["answer"]


def test_an_admin_reads_the_audit_of_their_organisation_in_pages_newest_first(world):
    world.cloned()
    world.request(user=world.there.admin)
    whole = read(world)
    assert whole["next_before"] is None
    seqs = [row["seq"] for row in whole["rows"]]
    assert seqs == sorted(seqs, reverse=True) and seqs[-1] == 1
    assert set(whole["rows"][0]) == {"seq", "at", "actor_id", "action", "outcome", "employee_id", "details", "hash", "prev_hash"}

    paged, before = [], None
    while True:
        page = read(world, p_before=before, p_limit=2)
        paged += page["rows"]
        if (before := page["next_before"]) is None:
            break
    assert paged == whole["rows"]
    # Their refused look at our employee is theirs to see, not ours.
    assert [row["outcome"] for row in read(world, world.there.admin)["rows"]] == ["employee_not_found"]


def test_the_audit_of_one_employee(world):
    world.grant()
    world.grant(world.here.other_employee)
    rows = read(world, p_employee_id=world.here.other_employee)["rows"]
    assert [row["employee_id"] for row in rows] == [str(world.here.other_employee)]


def test_members_and_strangers_do_not_read_the_audit(world):
    assert read(world, world.here.member) == {"outcome": "role_forbidden"}
    assert read(world, "00000000-0000-0000-0000-00000000beef") == {"outcome": "not_a_member"}


def test_strangers_have_a_thousand_rows_of_the_audit_a_day_and_members_as_many_as_it_takes(world):
    refused = lambda org, times: world.sql(
        "select understudy.refuse(%s::uuid, null, null, 'voice.read', 'not_a_member') from generate_series(1, %s)", org, times
    )
    rows = lambda: world.value("select count(*) from public.voice_audit")
    refused(None, 1000)
    assert rows() == 1000
    assert world.read(user=NOBODY) == {"outcome": "not_a_member"}
    assert rows() == 1000
    refused(world.here.id, 1001)
    assert rows() == 2001
