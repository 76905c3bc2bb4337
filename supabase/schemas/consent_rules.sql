-- The beginning and the end of a consent, and the rules for consents that an admin records. A function that changes anything has the
-- employee locked.

create or replace function understudy.is_valid_expiry(p_expires_at timestamptz)
returns boolean
language sql
set search_path = ''
as $$
  select coalesce(
    p_expires_at > understudy.time_now()
      and p_expires_at at time zone 'UTC' <= understudy.time_now() at time zone 'UTC' + interval '3 years',
    false
  )
$$;

create or replace function understudy.record_consent(p_consent public.voice_consents, p_actor_id uuid)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_id constant uuid := gen_random_uuid();
  v_superseded_id uuid;
begin
  update public.voice_consents c
  set ended_at = v_now, ended_as = 'superseded', ended_by = p_actor_id
  where c.org_id = p_consent.org_id and c.employee_id = p_consent.employee_id and c.ended_at is null
  returning c.id into v_superseded_id;

  insert into public.voice_consents (
    id, org_id, employee_id, statement_version, statement_sha256, method, evidence_reference, evidence_sha256, evidence_object,
    evidence_unverified, purposes, recorded_by, invitation_id, channel, address, user_agent, same_origin_as_admin, granted_at, expires_at
  )
  values (
    v_id, p_consent.org_id, p_consent.employee_id, p_consent.statement_version, p_consent.statement_sha256, p_consent.method,
    p_consent.evidence_reference, p_consent.evidence_sha256, p_consent.evidence_object, p_consent.evidence_unverified,
    p_consent.purposes, p_consent.recorded_by, p_consent.invitation_id, p_consent.channel, p_consent.address, p_consent.user_agent,
    p_consent.same_origin_as_admin, v_now, p_consent.expires_at
  );

  -- A renewal keeps the voice. A consent that no longer covers cloning ends the voice, like a withdrawal.
  if 'voice_clone' <> all (p_consent.purposes) then
    perform understudy.stop_voices(p_consent.org_id, p_consent.employee_id, p_actor_id, 'consent_purpose');
  end if;

  perform understudy.audit(
    p_consent.org_id, p_consent.employee_id, p_actor_id, 'consent.grant', 'granted',
    jsonb_build_object(
      'consent_id', v_id,
      'superseded_consent_id', v_superseded_id,
      'invitation_id', p_consent.invitation_id,
      'statement_sha256', p_consent.statement_sha256,
      'method', p_consent.method,
      'evidence_unverified', p_consent.evidence_unverified,
      'same_origin_as_admin', p_consent.same_origin_as_admin,
      'expires_at', p_consent.expires_at
    )
  );
  return v_id;
end
$$;
comment on function understudy.record_consent(public.voice_consents, uuid) is
  'Records a consent; there is no other way to do so. The caller has locked the employee and checked the request.';

create or replace function understudy.end_consent(
  p_org_id uuid,
  p_employee_id uuid,
  p_ended_as text,
  p_actor_id uuid,
  p_address text default null,
  p_user_agent text default null
)
returns uuid
language sql
set search_path = ''
as $$
  update public.voice_consents c
  set ended_at = clock_timestamp(),
      ended_as = p_ended_as,
      ended_by = p_actor_id,
      ended_address = left(p_address, 100),
      ended_user_agent = left(p_user_agent, 500)
  where c.org_id = p_org_id and c.employee_id = p_employee_id and c.ended_at is null
  returning c.id
$$;
comment on function understudy.end_consent(uuid, uuid, text, uuid, text, text) is
  'Ends the open consent, if there is one, and returns its id.';

create or replace function understudy.note_ending_erasure(p_consent_id uuid, p_erasure_id uuid)
returns void
language sql
set search_path = ''
as $$
  update public.voice_consents c
  set ended_erasure_id = p_erasure_id
  where c.id = p_consent_id and c.ended_erasure_id is null
$$;
comment on function understudy.note_ending_erasure(uuid, uuid) is
  'Keeps with an ended consent the erasure that followed. A repeated request gets the same erasure, also when that is over.';

create or replace function understudy.ending_erasure(p_consent public.voice_consents)
returns uuid
language sql
stable
set search_path = ''
as $$
  select coalesce(
    p_consent.ended_erasure_id,
    (
      select e.id
      from public.voice_erasures e
      where e.org_id = p_consent.org_id and e.employee_id = p_consent.employee_id
      order by e.number desc
      limit 1
    )
  )
$$;
comment on function understudy.ending_erasure(public.voice_consents) is 'The erasure that followed the end of a consent.';

create or replace function understudy.newest_consent(p_org_id uuid, p_employee_id uuid)
returns public.voice_consents
language sql
stable
set search_path = ''
as $$
  select c
  from public.voice_consents c
  where c.org_id = p_org_id and c.employee_id = p_employee_id
  order by c.number desc
  limit 1
$$;

create or replace function understudy.is_live(p_consent public.voice_consents)
returns boolean
language sql
stable
set search_path = ''
as $$
  select p_consent.id is not null and p_consent.ended_at is null and p_consent.expires_at > understudy.time_now()
$$;

create or replace function understudy.is_within(p_purposes text[], p_expires_at timestamptz, p_consent public.voice_consents)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_purposes <@ p_consent.purposes and p_expires_at <= p_consent.expires_at, false)
$$;
comment on function understudy.is_within(text[], timestamptz, public.voice_consents) is
  'True if these purposes and this end would allow nothing that the consent does not allow: no other purpose, and no longer time. It is '
  'false if there is no consent.';

create or replace function understudy.needs_employee(
  p_org_id uuid,
  p_employee_id uuid,
  p_purposes text[],
  p_expires_at timestamptz
)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_newest constant public.voice_consents := understudy.newest_consent(p_org_id, p_employee_id);
  v_granted public.voice_consents;
begin
  -- A narrower consent takes nothing from the employee.
  if understudy.is_live(v_newest) and understudy.is_within(p_purposes, p_expires_at, v_newest)
    and (p_expires_at < v_newest.expires_at or not v_newest.purposes <@ p_purposes)
  then
    return false;
  end if;

  select * into v_granted
  from public.voice_consents c
  where c.org_id = p_org_id and c.employee_id = p_employee_id and c.invitation_id is not null
  order by c.number desc
  limit 1;
  -- The numbers of consents, and not a clock, decide which of two statements is the later one. An employee who withdrew a consent, or
  -- refused when it was the newest, did so after every grant up to that number.
  return exists (
      select from public.voice_consents c
      where c.org_id = p_org_id
        and c.employee_id = p_employee_id
        and c.ended_as = 'withdrawn'
        and c.ended_by is null
        and c.number >= coalesce(v_granted.number, 0)
    )
    or exists (
      select from public.voice_consent_invitations i
      where i.org_id = p_org_id
        and i.employee_id = p_employee_id
        and i.closed_as = 'refused'
        and i.refused_after >= coalesce(v_granted.number, 0)
    )
    or (v_granted.id is not null and not understudy.is_within(p_purposes, p_expires_at, v_granted));
end
$$;
comment on function understudy.needs_employee(uuid, uuid, text[], timestamptz) is
  'True if a consent that an admin wants to record would overrule the employee''s own last statement: a grant by a link of fewer purposes '
  'or for a shorter time, a refusal, or a withdrawal by a token. Such a consent needs a new answer of the employee.';

create or replace function understudy.consent_problem(p_consent public.voice_consents)
returns text
language plpgsql
set search_path = ''
as $$
begin
  return case
    when (p_consent.method in ('written_release', 'recorded_call')) is not true then 'consent_method_invalid'
    when not understudy.is_valid_expiry(p_consent.expires_at) then 'consent_expiry_invalid'
    else coalesce(
      understudy.check_statement(p_consent.statement_version, p_consent.statement_sha256, p_consent.purposes),
      case
        when understudy.needs_employee(p_consent.org_id, p_consent.employee_id, p_consent.purposes, p_consent.expires_at)
          then 'consent_needs_employee'
      end
    )
  end;
end
$$;
comment on function understudy.consent_problem(public.voice_consents) is
  'The reason why an admin may not record this consent, whatever its evidence, or null. The caller has locked the employee.';
revoke all on all functions in schema understudy from public;
