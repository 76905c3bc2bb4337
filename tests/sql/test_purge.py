"""The purge: what is kept as proof stays as long as it is owed, and is gone then."""

from __future__ import annotations

import psycopg
import pytest

from .world import ACCOUNT

TABLES = (
    "voices", "voice_sources", "voice_erasures", "voice_erasure_copies", "recordings", "voice_consents", "voice_consent_invitations",
    "voice_withdrawal_tokens",
)


def years_pass(world, years: float) -> None:
    """Everything happened so long ago. Consents and the audit are immutable, so their guards are set aside for it."""
    ago = f"interval '{years * 365 + 2} days'"
    with world.owner.transaction():
        for table in ("voice_consents", "voice_audit"):
            world.sql(f"alter table public.{table} disable trigger user")
        world.sql(f"update public.voice_consents set granted_at = granted_at - {ago}, expires_at = expires_at - {ago}, ended_at = ended_at - {ago}")
        for table in ("voice_consents", "voice_audit"):
            world.sql(f"alter table public.{table} enable trigger user")
        world.sql("alter table public.voice_audit enable always trigger voice_audit_append_only")
        world.sql("alter table public.voice_audit enable always trigger voice_audit_no_truncate")
        world.sql(f"update public.voices set closed_at = closed_at - {ago}")
        world.sql(f"update public.voice_erasures set erased_at = erased_at - {ago}, requested_at = requested_at - {ago}")
        world.sql(f"update public.recordings set erased_at = erased_at - {ago}")
        world.sql(f"update public.voice_consent_invitations set invited_at = invited_at - {ago}, expires_at = expires_at - {ago}, closed_at = closed_at - {ago}")


def purge(world, limit=100) -> int:
    """Calls until nothing is left to purge; returns how many rows went."""
    total = 0
    while (answer := world.rpc("purge", limit))["purged"]:
        total += answer["purged"]
    assert answer == {"outcome": "purged", "purged": 0}
    return total


def erased(world):
    """A voice by the employee's own consent, and everything of it erased again."""
    world.invite("link", purposes=("voice_clone", "synthetic_speech"))
    world.answer("link")
    world.record()
    attempt = world.made(world.request()["attempt_id"])
    world.withdraw_with_token()
    erasure_id = world.erasure()["erasure"]["id"]
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    return attempt


def counts(world):
    return {table: world.value(f"select count(*) from public.{table}") for table in TABLES}


def test_all_that_is_kept_says_until_when_and_is_there_until_then(world):
    erased(world)
    kept = world.erasure()["erasure"]["kept"]
    assert len(kept) == 5 and all(entry["until"] and entry["why"] and entry["what"] for entry in kept)
    assert any("address and user agent" in entry["what"] for entry in kept)
    before = counts(world)
    assert purge(world) == 0
    years_pass(world, 2.9)
    assert purge(world) == 0
    assert counts(world) == before


@pytest.mark.parametrize("limit", [1, 100])
def test_after_three_years_nothing_is_left_of_an_employee_who_withdrew(world, limit):
    erased(world)
    years_pass(world, 3.1)
    assert purge(world, limit) > 10
    assert set(counts(world).values()) == {0}


def test_a_voice_that_is_in_use_keeps_its_consent_and_the_tombstones_of_what_it_was_made_from(world):
    attempt = world.cloned()
    world.sql("insert into public.organization_voice_settings (org_id, delete_recordings_days_after_clone) values (%s, 7)", world.here.id)
    world.sql("update public.voices set ready_at = now() - interval '8 days'")
    assert world.work_off(world.rpc("sweep_erasures")["erasure_id"]) == {"outcome": "erased"}
    world.sql("update public.recordings set erased_at = erased_at - interval '4 years'")
    world.sql("update public.voice_erasures set erased_at = erased_at - interval '4 years'")
    purge(world)
    assert world.voice(attempt)["state"] == "ready"
    assert (counts(world)["recordings"], counts(world)["voice_consents"]) == (1, 1)


def test_evidence_that_no_consent_rests_on_any_more_is_handed_out_to_be_removed(world):
    world.grant()
    evidence = world.value("select evidence_object from public.voice_consents")
    world.withdraw()
    world.sql("delete from public.voice_consent_evidence")
    years_pass(world, 3.1)
    assert world.rpc("abandoned_evidence", 10)["objects"] == []
    purge(world)
    assert world.rpc("abandoned_evidence", 10)["objects"] == [evidence]


def test_a_consent_cannot_be_deleted_before_its_time_and_can_after_it(world):
    world.grant()
    world.withdraw()
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        world.sql("delete from public.voice_consents")
    years_pass(world, 3.1)
    world.sql("delete from public.voice_consents")


def aged(world, rows: int) -> None:
    """So many of the first rows of the organisation's chain are older than three years, and their hashes those of such rows."""
    with world.owner.transaction():
        world.sql("alter table public.voice_audit disable trigger user")
        prev_hash = "0" * 64
        for row in world.sql("select id, seq from public.voice_audit where org_id = %s order by seq", world.here.id):
            if row["seq"] <= rows:
                world.sql("update public.voice_audit set at = at - interval '4 years' where id = %s", row["id"])
            world.sql("update public.voice_audit set prev_hash = %s where id = %s", prev_hash, row["id"])
            world.sql("update public.voice_audit a set hash = understudy.audit_hash(a) where id = %s", row["id"])
            prev_hash = world.value("select hash from public.voice_audit where id = %s", row["id"])
        world.sql("update public.voice_audit_heads set hash = %s where org_id = %s", prev_hash, world.here.id)
        world.sql("alter table public.voice_audit enable always trigger voice_audit_append_only")
        world.sql("alter table public.voice_audit enable always trigger voice_audit_no_truncate")


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_old_rows_of_the_audit_are_purged_from_its_beginning_and_the_rest_is_still_whole(world, limit):
    world.cloned()
    aged(world, 3)
    assert world.rpc("verify_audit")["outcome"] == "whole"
    rows = len(world.audit())
    assert purge(world, limit) == 3
    assert len(world.audit()) == rows - 3
    assert world.rpc("verify_audit", world.here.id) == {"outcome": "whole", "rows": rows - 3}
    world.withdraw()
    assert world.rpc("verify_audit")["outcome"] == "whole"


def test_a_row_that_somebody_takes_out_is_still_missed_after_a_purge(world):
    world.cloned()
    aged(world, 3)
    purge(world)
    world.sql("alter table public.voice_audit disable trigger user")
    world.sql("delete from public.voice_audit where seq = 4")
    assert world.rpc("verify_audit") == {"outcome": "broken", "org_id": str(world.here.id), "seq": 4}


def test_an_audit_that_was_purged_to_its_last_row_goes_on(world):
    world.request()
    aged(world, 1)
    assert purge(world) == 1
    assert world.rpc("verify_audit") == {"outcome": "whole", "rows": 0}
    world.request()
    assert world.rpc("verify_audit") == {"outcome": "whole", "rows": 1}


def test_strangers_can_fill_the_audit_only_with_a_thousand_rows_a_day(world):
    stranger = "00000000-0000-0000-0000-00000000beef"
    for _ in range(3):
        assert world.read(user=stranger) == {"outcome": "not_a_member"}
    assert len(world.audit()) == 3
    world.sql("select understudy.audit(null, null, null, 'voice.read', 'not_a_member') from generate_series(1, 997)")
    assert world.read(user=stranger) == {"outcome": "not_a_member"}
    assert len(world.audit()) == 1000
    # Nobody else is kept from theirs.
    world.request()
    assert len(world.audit()) == 1001
    assert world.rpc("verify_audit")["outcome"] == "whole"


def test_a_large_erasure_is_listed_in_batches_and_ends(world):
    world.grant()
    world.record()
    world.sql(
        "with calls as (insert into public.calls (org_id, employee_id, twilio_call_sid)"
        " select %s, %s, 'CA' || lpad(to_hex(n), 32, '0') from generate_series(1, 1200) n returning id, twilio_call_sid)"
        " insert into public.recordings (recording_sid, call_sid, call_id, org_id, employee_id, storage_path, bytes, account_sid, started_at)"
        " select 'RE' || substr(c.twilio_call_sid, 3), c.twilio_call_sid, c.id, %s, %s, %s || '/RE' || substr(c.twilio_call_sid, 3) || '.wav', 1, %s,"
        " '2026-01-01' from calls c",
        world.here.id, world.here.employee, world.here.id, world.here.employee, str(world.here.employee), ACCOUNT,
    )
    erasure_id = world.withdraw()["erasure_id"]
    begun = world.erasure()["erasure"]
    assert (begun["is_listed"], begun["copies_total"] < 400) == (False, True)
    # At once, all the same: nothing of it can be cloned with a new consent, and the first page says so.
    assert world.newest() is None
    for looks in range(1, 10):
        offered = world.rpc("begin_erasure", erasure_id)
        if offered["is_listed"]:
            break
    assert looks == 3
    shown = world.erasure()["erasure"]
    assert shown["copies_total"] == shown["copies_left"] == 3 * 1201 + 1
    assert max(map(len, world.copies(erasure_id).values())) == 50
    assert (len(shown["copies"]), shown["next_after"]) == (200, shown["copies"][-1]["number"])
    page = world.rpc("read_erasure", world.here.member, world.here.employee, shown["next_after"])["erasure"]
    assert page["copies"][0]["number"] > shown["next_after"]
    assert world.work_off(erasure_id) == {"outcome": "erased"}
    assert world.erasure()["erasure"]["copies_left"] == 0


def test_what_fails_again_and_again_stands_in_nobodys_way(world):
    for _ in range(60):
        world.record()
    erasure_id = world.erase()["erasure_id"]
    first = world.copies(erasure_id)["twilio_recording"]
    for copy in first:
        world.rpc("copy_failed", copy, "status_503")
    assert set(world.copies(erasure_id)["twilio_recording"][:10]).isdisjoint(first)
