-- Granting, withdrawing and reading, by an organisation's users. What employees do themselves is in the invitations' file.

create or replace function understudy.is_valid_expiry(p_expires_at timestamptz)
returns boolean
language sql
set search_path = ''
as $$
  select coalesce(
    p_expires_at > clock_timestamp()
      and p_expires_at at time zone 'UTC' <= clock_timestamp() at time zone 'UTC' + interval '3 years',
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
    id, org_id, employee_id, statement_version, statement_sha256, method, evidence_reference, evidence_sha256, purposes,
    recorded_by, invitation_id, withdrawal_token_sha256, channel, address, user_agent, granted_at, expires_at
  )
  values (
    v_id, p_consent.org_id, p_consent.employee_id, p_consent.statement_version, p_consent.statement_sha256, p_consent.method,
    p_consent.evidence_reference, p_consent.evidence_sha256, p_consent.purposes, p_consent.recorded_by, p_consent.invitation_id,
    p_consent.withdrawal_token_sha256, p_consent.channel, p_consent.address, p_consent.user_agent, v_now, p_consent.expires_at
  );

  -- A renewal keeps the voice; a consent that no longer covers cloning ends it, like a withdrawal.
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
      'expires_at', p_consent.expires_at
    )
  );
  return v_id;
end
$$;
comment on function understudy.record_consent(public.voice_consents, uuid) is
  'The only way a consent comes into being. The caller has locked the employee and checked what was asked for.';

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
comment on function understudy.end_consent(uuid, uuid, text, uuid, text, text) is 'Ends the open consent, if there is one, and returns its id.';

create or replace function public.grant_voice_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_statement_version text,
  p_statement_sha256 text,
  p_method text,
  p_evidence_reference text,
  p_evidence_sha256 text,
  p_purposes text[],
  p_expires_at timestamptz
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_problem text;
  v_consent public.voice_consents;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  v_problem := case
    when v_access.problem is not null then v_access.problem
    when not understudy.is_valid_expiry(p_expires_at) then 'consent_expiry_invalid'
    else understudy.check_statement(p_statement_version, p_statement_sha256, p_purposes)
  end;
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.grant', v_problem);
  end if;

  v_consent.org_id := v_access.caller_org_id;
  v_consent.employee_id := p_employee_id;
  v_consent.statement_version := p_statement_version;
  v_consent.statement_sha256 := p_statement_sha256;
  v_consent.method := p_method;
  v_consent.evidence_reference := p_evidence_reference;
  v_consent.evidence_sha256 := p_evidence_sha256;
  v_consent.purposes := p_purposes;
  v_consent.recorded_by := p_user_id;
  v_consent.expires_at := p_expires_at;
  return jsonb_build_object('outcome', 'granted', 'consent_id', understudy.record_consent(v_consent, p_user_id));
end
$$;
comment on function public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz) is
  'Records a consent; the one before is superseded. Outcomes: granted, not_a_member, employee_not_found, role_forbidden, '
  'consent_expiry_invalid, statement_unknown, purpose_unknown.';

create or replace function public.withdraw_voice_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_now double precision default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', v_access.problem);
  end if;

  v_consent_id := understudy.end_consent(v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id);
  if v_consent_id is null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'no_consent');
  end if;

  v_erasure_id := understudy.erase(
    v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id, understudy.asked_at(p_now)
  );
  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'withdrawn',
    jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
  );
  return jsonb_build_object(
    'outcome', 'withdrawn',
    'consent_id', v_consent_id,
    'erasure_id', v_erasure_id,
    'delete_voices', understudy.voices_to_delete(p_employee_id)
  );
end
$$;
comment on function public.withdraw_voice_consent(uuid, uuid, double precision) is
  'Takes effect at once: no current voice, no new attempt, no recording, and the attempt under way is refused when it finishes. '
  'erasure_id: what then reaches every copy. delete_voices: what the vendor still has. '
  'Outcomes: withdrawn, no_consent, not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.consent_json(p_consent public.voice_consents)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_consent.id,
    'statement_version', p_consent.statement_version,
    'statement_sha256', p_consent.statement_sha256,
    'method', p_consent.method,
    'evidence_reference', p_consent.evidence_reference,
    'evidence_sha256', p_consent.evidence_sha256,
    'purposes', p_consent.purposes,
    'granted_at', p_consent.granted_at,
    'expires_at', p_consent.expires_at,
    'ended_at', p_consent.ended_at,
    'ended_as', p_consent.ended_as,
    'recorded_by', p_consent.recorded_by,
    'channel', p_consent.channel
  )
$$;
comment on function understudy.consent_json(public.voice_consents) is
  'Without the address and user agent, which are evidence and nobody''s daily reading, and without the hash of the token.';

create or replace function public.read_voice_consent(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_history jsonb;
  v_problem text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.read', v_access.problem);
  end if;

  -- Of whatever purpose: this tells about the consent, not about one use of it.
  select c.problem into v_problem from understudy.check_consent(v_access.caller_org_id, p_employee_id, 'voice_clone') c;
  select coalesce(jsonb_agg(understudy.consent_json(c) order by c.number desc), '[]')
  into v_history
  from public.voice_consents c
  where c.org_id = v_access.caller_org_id and c.employee_id = p_employee_id;
  return jsonb_build_object(
    'outcome', 'consent',
    'status', case v_problem
      when 'consent_required' then 'none'
      when 'consent_withdrawn' then 'withdrawn'
      when 'consent_expired' then 'expired'
      else 'live'
    end,
    'consent', v_history -> 0,
    'history', v_history
  );
end
$$;
comment on function public.read_voice_consent(uuid, uuid) is
  'The newest consent, live or not, and all of them, newest first; also of an employee who has left. '
  'Outcomes: consent, not_a_member, employee_not_found.';

revoke all on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz),
  public.withdraw_voice_consent(uuid, uuid, double precision),
  public.read_voice_consent(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz),
  public.withdraw_voice_consent(uuid, uuid, double precision),
  public.read_voice_consent(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;
