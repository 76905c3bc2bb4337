-- Granting and withdrawing.

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
  v_now timestamptz;
  v_consent_id uuid;
  v_superseded_id uuid;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.grant', v_access.problem);
  end if;

  v_now := clock_timestamp();
  if (p_expires_at > v_now and p_expires_at at time zone 'UTC' <= v_now at time zone 'UTC' + interval '3 years') is not true then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.grant', 'consent_expiry_invalid');
  end if;

  update public.voice_consents c
  set ended_at = v_now, ended_as = 'superseded', ended_by = p_user_id
  where c.org_id = v_access.caller_org_id and c.employee_id = p_employee_id and c.ended_at is null
  returning c.id into v_superseded_id;

  insert into public.voice_consents (
    org_id, employee_id, statement_version, statement_sha256, method,
    evidence_reference, evidence_sha256, purposes, recorded_by, granted_at, expires_at
  )
  values (
    v_access.caller_org_id, p_employee_id, p_statement_version, p_statement_sha256, p_method,
    p_evidence_reference, p_evidence_sha256, p_purposes, p_user_id, v_now, p_expires_at
  )
  returning id into v_consent_id;

  -- A renewal keeps the voice; a consent that no longer covers cloning ends it, like a withdrawal.
  if 'voice_clone' <> all (p_purposes) then
    perform understudy.stop_voices(p_employee_id, p_user_id, 'consent_purpose');
  end if;

  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'consent.grant', 'granted',
    jsonb_build_object(
      'consent_id', v_consent_id,
      'superseded_consent_id', v_superseded_id,
      'statement_sha256', p_statement_sha256,
      'method', p_method,
      'expires_at', p_expires_at
    )
  );
  return jsonb_build_object('outcome', 'granted', 'consent_id', v_consent_id);
end
$$;
comment on function public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz) is
  'Records a consent; the one before is superseded. '
  'Outcomes: granted, not_a_member, employee_not_found, role_forbidden, consent_expiry_invalid.';

create or replace function public.withdraw_voice_consent(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent_id uuid;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', v_access.problem);
  end if;

  update public.voice_consents c
  set ended_at = clock_timestamp(), ended_as = 'withdrawn', ended_by = p_user_id
  where c.org_id = v_access.caller_org_id and c.employee_id = p_employee_id and c.ended_at is null
  returning c.id into v_consent_id;
  if v_consent_id is null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'no_consent');
  end if;

  perform understudy.stop_voices(p_employee_id, p_user_id, 'consent_withdrawn');
  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'withdrawn',
    jsonb_build_object('consent_id', v_consent_id)
  );
  return jsonb_build_object(
    'outcome', 'withdrawn',
    'consent_id', v_consent_id,
    'delete_voices', understudy.voices_to_delete(p_employee_id)
  );
end
$$;
comment on function public.withdraw_voice_consent(uuid, uuid) is
  'Takes effect at once: no current voice, no new attempt, and the one under way will be refused when it finishes. '
  'delete_voices: what the vendor still has. Outcomes: withdrawn, no_consent, not_a_member, employee_not_found, role_forbidden.';

revoke all on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz),
  public.withdraw_voice_consent(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz),
  public.withdraw_voice_consent(uuid, uuid)
to service_role;
