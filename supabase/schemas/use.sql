-- The use of a voice, which is asked for each time, for one purpose.

create or replace function understudy.hand_out_voice(
  p_voice public.voices,
  p_consent_id uuid,
  p_user_id uuid,
  p_purpose text,
  p_call_sid text,
  p_details jsonb
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_agreed public.voice_consents;
begin
  select * into v_agreed from public.voice_consents c where c.id = p_consent_id;
  -- The call is marked before the voice is handed out, so that no recording of it becomes a source of the next clone.
  perform understudy.mark_synthetic(p_call_sid, p_voice.org_id, p_voice.employee_id);
  perform understudy.audit(
    p_voice.org_id, p_voice.employee_id, p_user_id, 'voice.authorize', 'authorized',
    p_details || jsonb_build_object('evidence_unverified', v_agreed.evidence_unverified, 'call_sid', p_call_sid)
  );
  return jsonb_build_object(
    'outcome', 'authorized',
    'voice_id', p_voice.vendor_voice_id,
    'consent_id', p_consent_id,
    'expires_at', v_agreed.expires_at,
    'evidence_unverified', v_agreed.evidence_unverified,
    'purpose_description', understudy.describe_purposes(
      v_agreed.statement_version, v_agreed.statement_sha256, array[p_purpose]
    ) -> p_purpose
  );
end
$$;
comment on function understudy.hand_out_voice(public.voices, uuid, uuid, text, text, jsonb) is
  'The voice, for one use, with the purpose as it was agreed to. p_details are further details for the audit. The caller has checked the '
  'consent.';

create or replace function public.authorize_voice(
  p_user_id uuid,
  p_employee_id uuid,
  p_purpose text,
  p_call_sid text default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent record;
  v_current public.voices;
  v_problem text;
  v_details jsonb;
begin
  -- The purpose of a request is audited only if it looks like one, because it could be a name.
  v_details := jsonb_build_object('purpose', case when p_purpose ~ '^[a-z_]{1,40}$' then p_purpose end);
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'voice.authorize', v_access.problem, v_details);
  end if;

  -- The lock is a shared one: many may ask at once, but no withdrawal comes between the check and the audit row.
  perform 1 from public.employees e where e.id = p_employee_id for share;
  select * into v_consent from understudy.check_consent(v_access.caller_org_id, p_employee_id, p_purpose);
  select * into v_current
  from public.voices v
  where v.employee_id = p_employee_id and v.org_id = v_access.caller_org_id and v.state = 'ready';
  v_details := v_details || jsonb_build_object('consent_id', v_consent.consent_id, 'attempt_id', v_current.id);

  v_problem := coalesce(v_consent.problem, case when v_current.id is null then 'voice_missing' end);
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'voice.authorize', v_problem, v_details);
  end if;

  return understudy.hand_out_voice(v_current, v_consent.consent_id, p_user_id, p_purpose, p_call_sid, v_details);
end
$$;
comment on function public.authorize_voice(uuid, uuid, text, text) is
  'Returns the voice for one use, for this purpose, and the description of the purpose that was agreed to. The caller must not keep it: '
  'the next use asks again. p_call_sid is the call in which the voice is to speak; the recordings of that call are never sampled. '
  'Outcomes: authorized, not_a_member, employee_not_found, consent_required, consent_expired, consent_withdrawn, consent_purpose, '
  'voice_missing.';

revoke all on function public.authorize_voice(uuid, uuid, text, text) from public, anon, authenticated;
grant execute on function public.authorize_voice(uuid, uuid, text, text) to service_role;
