"""A database as large as one likes, made by PostgreSQL itself: with every table filled as the functions would have filled it.

Employee number n, from 1, is what `kind_of` says; all their ids come from the number, so that nothing has to be asked for. Triggers and
foreign keys are set aside meanwhile (for a superuser: `session_replication_role`), indexes are made afterwards.
"""

from __future__ import annotations

import hashlib
import uuid

import psycopg

# The ten kinds of employees, in turn: of those with even numbers, all in one organisation, and of the others, in organisations of a hundred.
KINDS = ["voice", "voice", "voice", "voice", "consented", "failed", "recorded", "invited", "erased", "voice after erasure"]
RECORDINGS = 10
# The account at Twilio.
ACCOUNT = f"AC{'a' * 32}"
WORKSPACE = "workspace"  # at ElevenLabs

# Uploads that are under way are those of odd numbers, so that no erasure that is measured has to wait for one.
# {size}: how many employees. Every statement fills one table; `e` is the employees with what is told from their number.
EMPLOYEES = """
create unlogged table scale_employees as
select n,
  md5('employee ' || n)::uuid as id,
  case when n % 2 = 0 then md5('organisation 0')::uuid else md5('organisation ' || 1 + n / 200)::uuid end as org_id,
  (n / 2) % 10 as kind
from generate_series(1, {size}) as n
"""
STATEMENTS = """
insert into public.organizations (id, name)
select md5('organisation ' || n)::uuid, 'Organisation ' || n from generate_series(0, {size} / 200 + 1) as n

insert into public.users (id, org_id, email, role)
select md5(role || ' ' || n)::uuid, md5('organisation ' || n)::uuid, role || n || '@example.com', role
from generate_series(0, {size} / 200 + 1) as n, unnest(array['admin', 'member']) as role

insert into public.employees (id, org_id, full_name, email, voice_id)
select e.id, e.org_id, 'Employee ' || n, 'e' || n || '@example.com', case when kind <= 3 or kind = 9 then 'voice' || lpad(n::text, 15, '0') end
from scale_employees e

insert into public.calls (id, org_id, employee_id, twilio_call_sid, status, created_at)
select md5('call ' || n || '/' || k)::uuid, e.org_id, e.id, 'CA' || md5('call ' || n || '/' || k), 'completed', now() - k * interval '9 days'
from scale_employees e, generate_series(1, {recordings}) as k

insert into public.recordings
  (recording_sid, call_sid, call_id, org_id, employee_id, storage_path, bytes, sha256, duration_seconds, channels, track, source, account_sid,
   started_at, stored_at, erased_at)
select 'RE' || md5('recording ' || n || '/' || k), 'CA' || md5('call ' || n || '/' || k), md5('call ' || n || '/' || k)::uuid, e.org_id, e.id,
  e.id || '/RE' || md5('recording ' || n || '/' || k) || '.wav', 3000000, repeat('a', 64), 90, 2, 'both', 'DialVerb', {account}, now() - k * interval '9 days',
  now() - k * interval '9 days', case when kind = 8 or (kind = 9 and k > 4) then now() - interval '40 days' end
from scale_employees e, generate_series(1, {recordings}) as k

insert into public.voice_consents
  (id, org_id, employee_id, statement_version, statement_sha256, method, evidence_reference, evidence_sha256, evidence_object, invitation_id, purposes,
   recorded_by, granted_at, expires_at, ended_at, ended_as)
select md5('consent ' || n || '/' || k)::uuid, e.org_id, e.id, '2026-11-1', repeat('a', 64),
  case when k = 1 then 'written_release' else 'self_service' end, case when k = 1 then e.org_id || '/' || e.id || '/release' end,
  case when k = 1 then repeat('a', 64) end, case when k = 1 then e.org_id || '/' || e.id || '/release' end,
  case when k = 2 then md5('invitation ' || n || '/1')::uuid end,
  array['voice_clone'], md5('admin 0')::uuid, now() - interval '100 days' + k * interval '1 day', now() + interval '1 year',
  case when k = 1 then now() - interval '41 days' end, case when k = 1 then case when kind >= 8 then 'withdrawn' else 'superseded' end end
from scale_employees e, generate_series(1, 2) as k
where kind not in (6, 7) and not (kind = 8 and k = 2)

insert into public.voice_consent_invitations
  (id, org_id, employee_id, token_sha256, statement_locale, statement_version, purposes, consent_expires_at, invited_by, invited_at, expires_at,
   closed_at, closed_as)
select md5('invitation ' || n || '/' || k)::uuid, e.org_id, e.id, encode(sha256(convert_to('invitation ' || n || '/' || k, 'UTF8')), 'hex'),
  'en', '2026-11-1', array['voice_clone'], now() + interval '1 year', md5('admin 0')::uuid, now() - interval '98 days', now() + interval '7 days',
  case when k = 1 then now() - interval '98 days' end, case when k = 1 then case when kind = 7 then 'superseded' else 'granted' end end
from scale_employees e, generate_series(1, 2) as k
where kind = 7 or (kind not in (6, 8) and k = 1)

insert into public.voice_withdrawal_tokens (token_sha256, org_id, employee_id, invitation_id, consent_id)
select encode(sha256(convert_to('token ' || n, 'UTF8')), 'hex'), e.org_id, e.id, md5('invitation ' || n || '/1')::uuid, md5('consent ' || n || '/2')::uuid
from scale_employees e where kind not in (6, 7, 8)

insert into public.voice_consent_evidence (object, org_id, employee_id, noted_at)
select e.org_id || '/' || e.id || '/uploaded', e.org_id, e.id, now() from scale_employees e where n % 100 = 51

insert into understudy.admin_origins (org_id, kind, sha256)
select o.id, 'address', encode(sha256(convert_to(k::text, 'UTF8')), 'hex') from public.organizations o, generate_series(1, 20) as k

insert into public.voices
  (id, org_id, employee_id, consent_id, recording_sid, requested_by, state, code, pipeline_version, report, vendor_voice_id, vendor_account, vendor_deleted_at,
   metadata_handed_at, metadata_written_at, requested_at, ready_at, closed_at)
select md5('voice ' || n || '/' || k)::uuid, e.org_id, e.id, md5('consent ' || n || '/' || case when kind = 8 then 1 else 2 end)::uuid,
  'RE' || md5('recording ' || n || '/1'), md5('admin 0')::uuid,
  case when kind = 5 then 'failed' when k = 1 or kind = 8 then 'retired' else 'ready' end,
  case when kind = 5 then 'sample_too_short' when k = 1 or kind = 8 then 'superseded' end,
  1, '{{"speech_seconds": 75.5}}',
  case when kind <> 5 then case when k = 1 then 'older' else 'voice' end || lpad(n::text, 15, '0') end,
  'workspace', case when kind <> 5 and (k = 1 or kind = 8) then now() - interval '40 days' end,
  case when kind <> 5 then now() - interval '41 days' end, case when kind <> 5 then now() - interval '39 days' end,
  now() - interval '42 days', case when kind <> 5 then now() - interval '41 days' end,
  case when kind = 5 or k = 1 or kind = 8 then now() - interval '40 days' end
from scale_employees e, generate_series(1, 2) as k
where kind not in (4, 6, 7)

insert into public.voice_sources (attempt_id, position, recording_sid, channel)
select md5('voice ' || n || '/' || k)::uuid, p, 'RE' || md5('recording ' || n || '/' || p), 2
from scale_employees e, generate_series(1, 2) as k, generate_series(1, 3) as p
where kind not in (4, 5, 6, 7)

insert into public.voice_erasures
  (id, org_id, employee_id, scope, reason, requested_by, requested_at, covers_until, known_until, listed_at, begun_at, erased_at, copies)
select md5('erasure ' || n)::uuid, e.org_id, e.id, 'everything', 'withdrawn', md5('admin 0')::uuid, now() - interval '41 days',
  now() - interval '41 days', now() - interval '41 days', now() - interval '41 days', now() - interval '41 days', now() - interval '40 days',
  3 * case when kind = 8 then {recordings} else {recordings} - 4 end
from scale_employees e where kind in (8, 9)

insert into public.voice_erasure_copies (id, erasure_id, kind, reference, state, attempts, erased_at)
select md5('copy ' || n || '/' || k || kind_of_copy)::uuid, md5('erasure ' || n)::uuid, kind_of_copy,
  case kind_of_copy when 'twilio_recording' then 'RE' || md5('recording ' || n || '/' || k)
    when 'twilio_call' then 'CA' || md5('call ' || n || '/' || k) else e.id || '/RE' || md5('recording ' || n || '/' || k) || '.wav' end,
  'erased', 1, now() - interval '40 days'
from scale_employees e, generate_series(1, {recordings}) as k, unnest(array['twilio_recording', 'twilio_call', 'stored_recording']) as kind_of_copy
where kind = 8 or (kind = 9 and k > 4)

insert into public.storage_writes (bucket, path, recording_sid, call_sid, begun_at)
select 'recordings', e.id || '/RE' || md5('under way ' || n) || '.wav', 'RE' || md5('under way ' || n), 'CA' || md5('call ' || n || '/1'), now()
from scale_employees e where n % 100 = 51

insert into public.unmatched_recordings (recording_sid, call_sid, seen_at, checked_at)
select 'RE' || md5('unmatched ' || n), 'CA' || md5('unmatched ' || n), now() - (n % 59) * interval '1 day', now() - (n % 59) * interval '1 day'
from generate_series(1, 200 + {size} / 20) as n

insert into public.oversized_recordings (recording_sid, call_sid, folder, bytes, size_limit, refused_at)
select 'RE' || md5('oversized ' || n), 'CA' || md5('call ' || n || '/1'), e.id, 60000000 + n, 50000000, now() - (n % 59) * interval '1 day'
from scale_employees e where n % 20 = 10

insert into public.swept_recordings (recording_sid, queued_at)
select 'RE' || md5('swept ' || n), now() - (n % 59) * interval '1 day' from scale_employees e where n % 20 = 0

insert into public.voice_audit (seq, at, org_id, employee_id, actor_id, action, outcome, details, prev_hash, hash)
select row_number() over (partition by e.org_id order by n, k), now() - interval '1 day', e.org_id, e.id, md5('admin 0')::uuid, 'voice.use', 'allowed',
  '{{"purpose": "voice_clone"}}', repeat('0', 64), repeat('0', 64)
from scale_employees e, generate_series(1, 10) as k

insert into public.voice_audit_heads (org_id, seq, hash)
select a.org_id, max(a.seq), repeat('0', 64) from public.voice_audit a group by 1
"""


def id_of(what: str) -> uuid.UUID:
    """An id as the statements above make it."""
    return uuid.UUID(hashlib.md5(what.encode()).hexdigest())


def hashed(token: str) -> str:
    """The hash by which the database knows a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Person:
    """An employee of the large organisation, by number: every id that the statements above have given them."""

    admin, member, organisation = id_of("admin 0"), id_of("member 0"), id_of("organisation 0")

    def __init__(self, number: int):
        self.number = number
        self.id = id_of(f"employee {number}")
        self.erasure = id_of(f"erasure {number}")
        # The current one, or the last.
        self.attempt = id_of(f"voice {number}/2")
        self.vendor_voice = f"voice{number:015}"
        self.withdrawal_token = hashed(f"token {number}")
        self.invitation_token = hashed(f"invitation {number}/2")

    def call_sid(self, number: int = 1) -> str:
        return "CA" + id_of(f"call {self.number}/{number}").hex

    def recording_sid(self, number: int = 1) -> str:
        return "RE" + id_of(f"recording {self.number}/{number}").hex


def somebody(kind: str, size: int, nth: int = 0) -> Person:
    """The nth person of a kind, from the middle of the numbers on."""
    of_the_kind = [2 * place for place, its in enumerate(KINDS) if its == kind]
    number = size // 40 * 20 + of_the_kind[nth % len(of_the_kind)] + 2 * len(KINDS) * (nth // len(of_the_kind))
    assert 0 < number <= size, f"{size} employees are too few for so many of {kind!r}"
    return Person(number)


def fill(superuser_url: str, size: int) -> None:
    """Fills a database that has nothing but the migrations."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica; set maintenance_work_mem = '1GB'; set work_mem = '256MB'")
        connection.execute(EMPLOYEES.format(size=size))
        indexes = _take_indexes_off(connection)
        for statement in STATEMENTS.strip().split("\n\n"):
            connection.execute(statement.format(size=size, recordings=RECORDINGS, account=f"'{ACCOUNT}'"))
        for definition in indexes:
            connection.execute(definition)
        connection.execute("drop table scale_employees")
        connection.execute("vacuum (analyze)")


def _take_indexes_off(connection: psycopg.Connection) -> list[str]:
    """Drops the indexes, except those of constraints. Returns the statements that make them again."""
    found = connection.execute(
        """select c.oid::regclass::text, pg_get_indexdef(c.oid) from pg_index i join pg_class c on c.oid = i.indexrelid
           where c.relnamespace in ('public'::regnamespace, 'understudy'::regnamespace)
             and not exists (select from pg_constraint k where k.conindid = c.oid)"""
    ).fetchall()
    for name, _ in found:
        connection.execute(f"drop index {name}")
    return [definition for _, definition in found]
