"""Access: everything goes through functions, and only the service key reaches those."""

from __future__ import annotations

import pytest
from psycopg.errors import InsufficientPrivilege

FUNCTIONS = {
    "recording_target", "finish_ingest", "newest_published", "write_cleared", "recording_too_large", "storable_recordings",
    "request_clone", "read_voice", "take_sample",
    "begin_clone", "release_clone", "save_vendor_voice", "finish_clone", "fail_clone", "voice_deleted", "metadata_written",
    "grant_voice_consent", "withdraw_voice_consent", "read_voice_consent", "current_consent_statement",
    "invite_to_consent", "read_invitation", "answer_invitation", "withdraw_with_token", "authorize_voice",
    "read_withdrawal", "offer_evidence", "abandoned_evidence", "evidence_cleared",
    "start_erasure", "read_erasure", "begin_erasure", "add_erasure_copies", "copy_erased", "copy_failed", "copy_kept_elsewhere",
    "verify_audit", "read_audit", "sweep_erasures", "sweep_unfinished", "attempts_queued", "judge_vendor_voices", "voice_gone",
    "recording_sweep_state", "missing_recordings", "matched_recordings", "purge", "recordings_queued", "recording_page_seen", "abandoned_writes",
    "describe_database",
}
APPLICATION = {"organizations", "users", "employees", "calls"}


def ours(world):
    return [
        row["name"]
        for row in world.sql("select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
        if row["name"] not in APPLICATION
    ]


def test_every_public_function_is_for_the_service_key_only_runs_as_its_owner_and_has_an_empty_search_path(world):
    functions = world.sql(
        """select p.proname as name, p.prosecdef as definer, p.proconfig as config, p.provolatile = 'v' as changes,
             has_function_privilege('anon', p.oid, 'execute') as anon,
             has_function_privilege('authenticated', p.oid, 'execute') as authenticated,
             has_function_privilege('service_role', p.oid, 'execute') as service_role,
             exists (select 1 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0) as everyone
           from pg_proc p where p.pronamespace = 'public'::regnamespace"""
    )
    assert {f["name"] for f in functions} >= FUNCTIONS
    for function in functions:
        assert function == function | {
            "definer": True, "config": ['search_path=""'], "changes": True,
            "anon": False, "authenticated": False, "service_role": True, "everyone": False,
        }


def test_no_function_is_overloaded_since_postgrest_could_not_tell_which_is_meant(world):
    assert world.sql("select proname from pg_proc where pronamespace = 'public'::regnamespace group by 1 having count(*) > 1") == []


def test_every_internal_function_has_an_empty_search_path_and_is_nobodys_to_call(world):
    functions = world.sql(
        """select p.proname as name, p.proconfig as config, a.grantee::regrole::text as grantee
           from pg_proc p left join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a on a.grantee <> p.proowner
           where p.pronamespace = 'understudy'::regnamespace"""
    )
    assert functions
    for function in functions:
        assert function == function | {"config": ['search_path=""'], "grantee": None}


def test_every_table_of_ours_has_row_level_security_and_only_the_service_key_may_read_it(world):
    tables = world.sql(
        """select c.relname as name, c.relrowsecurity as rls,
             coalesce((select jsonb_object_agg(role, rights) from (
               select a.grantee::regrole::text as role, array_agg(a.privilege_type order by 1) as rights
               from aclexplode(c.relacl) a where a.grantee <> c.relowner group by 1
             ) g), '{}') as rights
           from pg_class c where c.oid = any (%s::regclass[])""",
        [f"public.{name}" for name in ours(world)],
    )
    assert {t["name"] for t in tables} >= {
        "recordings", "voice_consents", "voices", "voice_sources", "voice_audit", "voice_audit_heads", "voice_consent_statements",
        "voice_consent_invitations", "voice_erasures", "voice_erasure_copies", "storage_writes", "unmatched_recordings", "organization_voice_settings",
        "voice_withdrawal_tokens", "voice_consent_evidence", "oversized_recordings",
    }
    for table in tables:
        assert table == table | {"rls": True, "rights": {"service_role": ["SELECT"]}}
    assert world.sql("select * from pg_policies") == []


def test_sequences_of_ours_are_nobodys(world):
    grants = world.sql(
        """select c.relname, a.grantee::regrole::text from pg_class c, aclexplode(c.relacl) a
           where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' and a.grantee <> c.relowner"""
    )
    assert grants == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_user_or_the_public_key_can_neither_read_nor_write_nor_call_anything(world, role):
    world.cloned()
    session = world.session(role)
    for name in ours(world):
        for statement in (f"select * from public.{name}", f"delete from public.{name}", f"insert into public.{name} default values"):
            with pytest.raises(InsufficientPrivilege):
                session.execute(statement)
    for call in ("read_voice", "withdraw_voice_consent"):
        with pytest.raises(InsufficientPrivilege):
            world.rpc(call, world.here.admin, world.here.employee, connection=session)
    with pytest.raises(InsufficientPrivilege):
        world.request(connection=session)
    with pytest.raises(InsufficientPrivilege):
        session.execute("select understudy.audit(null, null, null, 'a.b', 'c')")
    assert world.voice_id(world.here.employee) == "voice_1"


def test_the_service_key_changes_nothing_but_through_the_functions(world):
    world.cloned()
    world.erase()
    for table, column in (("recordings", "storage_path"), ("voice_consents", "method"), ("voices", "state"), ("voice_sources", "channel"),
        ("voice_audit", "action"), ("voice_audit_heads", "hash"), ("voice_consent_statements", "text"), ("voice_erasures", "reason"), ("voice_erasure_copies", "state"),
    ):
        assert world.service.execute(f"select * from public.{table}").fetchall()
        for statement in (
            f"update public.{table} set {column} = {column}", f"delete from public.{table}", f"truncate public.{table} cascade",
            f"insert into public.{table} default values",
        ):
            with pytest.raises(InsufficientPrivilege):
                world.service.execute(statement)
    with pytest.raises(InsufficientPrivilege):
        world.service.execute("select understudy.audit(null, null, null, 'a.b', 'c')")
    with pytest.raises(InsufficientPrivilege):
        world.service.execute("alter table public.voice_audit disable trigger all")


def test_another_organisations_employee_is_as_unknown_as_nobody(world):
    world.cloned()
    nobody = "00000000-0000-0000-0000-00000000dead"
    for employee in (world.here.employee, nobody):
        refused = {"outcome": "employee_not_found"}
        assert world.request(employee, user=world.there.admin) == refused
        assert world.read(employee, user=world.there.admin) == refused
        assert world.read(employee, user=world.there.member) == refused
        assert world.grant(employee, user=world.there.admin) == refused
        assert world.withdraw(employee, user=world.there.admin) == refused
    assert world.voice_id(world.here.employee) == "voice_1"
    theirs = world.sql("select distinct org_id from public.voice_audit where actor_id = %s", world.there.admin)
    assert theirs == [{"org_id": world.there.id}]


def test_somebody_without_an_organisation_is_no_member(world):
    stranger = "00000000-0000-0000-0000-00000000beef"
    for refused in (world.request(user=stranger), world.read(user=stranger), world.grant(user=stranger), world.withdraw(user=stranger)):
        assert refused == {"outcome": "not_a_member"}
    assert world.audit() == [
        ("clone.request", "not_a_member"), ("voice.read", "not_a_member"),
        ("consent.grant", "not_a_member"), ("consent.withdraw", "not_a_member"),
    ]


def test_a_member_may_look_and_not_touch(world):
    for refused in (
        world.request(user=world.here.member), world.grant(user=world.here.member), world.withdraw(user=world.here.member),
    ):
        assert refused == {"outcome": "role_forbidden"}
    assert world.read(user=world.here.member)["outcome"] == "voice"
    assert world.read(user=world.here.admin)["outcome"] == "voice"


def test_an_employee_who_changed_organisation_starts_there_with_nothing(world):
    attempt = world.cloned()
    world.sql("update public.employees set org_id = %s where id = %s", world.there.id, world.here.employee)
    assert world.read() == {"outcome": "employee_not_found"}
    there = world.read(user=world.there.admin)
    assert (there["status"], there["voice_id"], there["attempt_id"]) == ("none", None, None)
    assert world.request(user=world.there.admin) == {"outcome": "consent_required"}
    world.grant(user=world.there.admin)
    assert world.request(user=world.there.admin) == {"outcome": "recording_missing"}
    assert world.finish(attempt)["outcome"] == "refused"


def test_a_table_is_not_readable_through_row_level_security_even_if_somebody_grants_it(world):
    world.cloned()
    for name in ours(world):
        world.sql(f"grant select on public.{name} to authenticated")
    session = world.session("authenticated")
    assert [session.execute(f"select * from public.{name}").fetchall() for name in ours(world)] == [[]] * len(ours(world))


def test_who_has_postgrests_login_cannot_become_the_owner(world):
    with pytest.raises(InsufficientPrivilege):
        world.session("postgres")
