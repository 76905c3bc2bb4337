-- Consents. The content of a consent is never edited: a change is a new row, and the old row says how it ended.

create table if not exists public.voice_consents (
  id uuid primary key default gen_random_uuid(),
  -- The order in which consents were given. The times of two transactions may be equal, and the clock may be set back.
  number bigint generated always as identity unique,
  org_id uuid not null,
  employee_id uuid not null,
  statement_version text not null check (statement_version <> ''),
  statement_sha256 text not null check (statement_sha256 ~ '^[0-9a-f]{64}$'),
  method text not null check (method in ('written_release', 'recorded_call', 'self_service')),
  evidence_reference text check (evidence_reference <> ''),
  evidence_sha256 text check (evidence_sha256 ~ '^[0-9a-f]{64}$'),
  evidence_object text check (evidence_object <> ''),
  evidence_unverified boolean not null default false,
  purposes text[] not null check (cardinality(purposes) > 0 and array_position(purposes, null) is null),
  recorded_by uuid not null,
  -- The invitation, if the employee gave the consent by a link.
  invitation_id uuid,
  channel text check (channel ~ '^[a-z0-9_-]{1,40}$'),
  address text check (length(address) <= 100),
  user_agent text check (length(user_agent) <= 500),
  same_origin_as_admin boolean,
  granted_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_as text check (ended_as in ('superseded', 'withdrawn', 'expired', 'left')),
  ended_by uuid,
  ended_address text check (length(ended_address) <= 100),
  ended_user_agent text check (length(ended_user_agent) <= 500),
  ended_erasure_id uuid,
  constraint voice_consents_key unique (org_id, employee_id, id),
  constraint voice_consents_evidence check (
    method = 'self_service' or (evidence_reference is not null and evidence_sha256 is not null)
  ),
  constraint voice_consents_self_service check ((method = 'self_service') = (invitation_id is not null)),
  constraint voice_consents_evidence_object check (
    case
      when method = 'self_service' then evidence_object is null and not evidence_unverified
      else evidence_unverified = (evidence_object is null)
    end
  ),
  constraint voice_consents_ended check ((ended_at is null) = (ended_as is null)),
  -- The term counts calendar years in UTC, because adding an interval to a timestamptz would depend on the session's time zone.
  constraint voice_consents_term check (
    expires_at > granted_at
    and expires_at at time zone 'UTC' <= granted_at at time zone 'UTC' + interval '3 years'
  )
);
create unique index if not exists voice_consents_one_open
  on public.voice_consents (org_id, employee_id)
  where ended_at is null;
create index if not exists voice_consents_to_expire
  on public.voice_consents (expires_at)
  where ended_at is null;
create index if not exists voice_consents_over on public.voice_consents (ended_at) where ended_at is not null;
create index if not exists voice_consents_newest on public.voice_consents (org_id, employee_id, number desc);
-- These two indexes serve the employee's own statements: consents granted by a link, and withdrawals by a token.
create index if not exists voice_consents_by_link
  on public.voice_consents (org_id, employee_id, number desc)
  where invitation_id is not null;
create index if not exists voice_consents_withdrawn_by_token
  on public.voice_consents (org_id, employee_id, number desc)
  where ended_as = 'withdrawn' and ended_by is null;
create unique index if not exists voice_consents_invitation on public.voice_consents (invitation_id);
create index if not exists voice_consents_evidence_objects on public.voice_consents (evidence_object);

comment on table public.voice_consents is
  'Consents of employees, with their purposes, evidence and term. Only its end is ever added to a row.';
comment on column public.voice_consents.statement_sha256 is 'The hash of the text that was agreed to, in lower-case hexadecimal.';
comment on column public.voice_consents.method is
  'self_service: the employee agreed by a link, which only they have. written_release: they signed a paper. recorded_call: they agreed in '
  'a call.';
comment on column public.voice_consents.evidence_reference is
  'The evidence as the admin named it: the key of the signed release, the RecordingSid of the call, or any text if the organisation keeps '
  'its evidence elsewhere.';
comment on column public.voice_consents.evidence_object is
  'The key in the bucket `voice-consent-evidence` of the object whose bytes had evidence_sha256 when the consent was recorded.';
comment on column public.voice_consents.evidence_unverified is
  'True if the organisation keeps its evidence elsewhere, so that this service has not read it. It is shown wherever the consent is shown.';
comment on column public.voice_consents.purposes is 'The purposes that the employee agreed to. Cloning needs voice_clone.';
comment on column public.voice_consents.recorded_by is 'The user who recorded the consent, or who invited the employee to give it.';
comment on column public.voice_consents.ended_as is
  'superseded: a newer row replaced it. withdrawn: the employee or an admin withdrew it. expired: its term is over; it counts as expired '
  'from expires_at on, and the next sweep ends it. left: the employee was deleted, or moved to another organisation.';
comment on column public.voice_consents.ended_by is
  'The user who ended it. It is null if the employee withdrew by a token, and if the consent expired.';
comment on column public.voice_consents.address is
  'The address from which the employee answered. Together with user_agent, it shows who used the link up.';
comment on column public.voice_consents.same_origin_as_admin is
  'True if an admin of the organisation had used the same address or user agent within the day before. This refuses nothing; people '
  'should look at it.';
comment on column public.voice_consents.ended_erasure_id is
  'The erasure that followed the end of the consent. A repeated request gets the same erasure as its answer.';

alter table public.voice_consents enable row level security;
revoke all on public.voice_consents from public, anon, authenticated, service_role;
revoke all on sequence public.voice_consents_number_seq from public, anon, authenticated, service_role;
grant select on public.voice_consents to service_role;

create or replace function understudy.keep_consent()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_added constant text[] := case
    when old.ended_at is null then array['ended_at', 'ended_as', 'ended_by', 'ended_address', 'ended_user_agent', 'ended_erasure_id']
    when old.ended_erasure_id is null then array['ended_erasure_id']
    else '{}'
  end;
begin
  if tg_op = 'DELETE' then
    if old.ended_at at time zone 'UTC' + understudy.proof_period() < understudy.time_now() at time zone 'UTC' then
      return old;
    end if;
    raise exception 'a consent is never edited, and kept as long as it may have to be proved'
      using errcode = 'integrity_constraint_violation';
  end if;
  if to_jsonb(new) - v_added is distinct from to_jsonb(old) - v_added then
    raise exception 'a consent is never edited' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;
comment on function understudy.keep_consent() is
  'Guards a consent. A row may be ended once, then get the erasure that followed, and be deleted when its proof is no longer needed. '
  'Nothing else in it may change.';

create or replace trigger voice_consents_kept
  before update or delete on public.voice_consents
  for each row execute function understudy.keep_consent();

create or replace function understudy.check_consent(
  p_org_id uuid,
  p_employee_id uuid,
  p_purpose text,
  out consent_id uuid,
  out problem text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_newest public.voice_consents;
begin
  select * into v_newest
  from public.voice_consents c
  where c.org_id = p_org_id and c.employee_id = p_employee_id
  order by c.number desc
  limit 1;

  consent_id := v_newest.id;
  problem := case
    when v_newest.id is null then 'consent_required'
    when v_newest.ended_as = 'expired' then 'consent_expired'
    when v_newest.ended_at is not null then 'consent_withdrawn'
    when v_newest.expires_at <= understudy.time_now() then 'consent_expired'
    when (p_purpose = any (v_newest.purposes)) is not true then 'consent_purpose'
  end;
end
$$;
comment on function understudy.check_consent(uuid, uuid, text) is
  'The newest consent and the code of what is wrong with it, or null. Only this function decides whether a consent is live.';

revoke all on all functions in schema understudy from public;
