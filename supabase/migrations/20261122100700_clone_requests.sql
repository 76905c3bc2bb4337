-- What the frontend's endpoint calls: ask for a clone, and look at where it is.

create or replace function public.request_clone(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent record;
  v_under_way public.voices;
  v_newest public.recordings;
  v_current public.voices;
  v_attempt_id uuid;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', v_access.problem);
  end if;

  select * into v_consent from understudy.check_consent(v_access.caller_org_id, p_employee_id, 'voice_clone');
  if v_consent.problem is not null then
    return understudy.refuse(
      v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', v_consent.problem,
      jsonb_build_object('consent_id', v_consent.consent_id)
    );
  end if;

  select * into v_under_way
  from public.voices v
  where v.employee_id = p_employee_id and v.state in ('requested', 'cloning', 'unknown');
  if v_under_way.id is not null then
    return jsonb_build_object('outcome', 'pending', 'employee_id', p_employee_id, 'attempt_id', v_under_way.id);
  end if;

  select * into v_newest from understudy.newest_recording(v_access.caller_org_id, p_employee_id);
  if v_newest.recording_sid is null then
    return understudy.refuse(
      v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', 'recording_missing'
    );
  end if;

  select * into v_current from understudy.current_voice(p_employee_id);
  if v_current.recording_sid = v_newest.recording_sid and v_current.org_id = v_access.caller_org_id then
    return jsonb_build_object(
      'outcome', 'ready',
      'employee_id', p_employee_id,
      'attempt_id', v_current.id,
      'voice_id', v_current.vendor_voice_id
    );
  end if;

  insert into public.voices (org_id, employee_id, consent_id, recording_sid, requested_by)
  values (v_access.caller_org_id, p_employee_id, v_consent.consent_id, v_newest.recording_sid, p_user_id)
  returning id into v_attempt_id;

  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', 'requested',
    jsonb_build_object(
      'attempt_id', v_attempt_id,
      'consent_id', v_consent.consent_id,
      'recording_sid', v_newest.recording_sid
    )
  );
  return jsonb_build_object('outcome', 'requested', 'employee_id', p_employee_id, 'attempt_id', v_attempt_id);
end
$$;
comment on function public.request_clone(uuid, uuid) is
  'Starts an attempt, unless one is under way (pending) or the newest recording is the current voice already (ready). '
  'Outcomes: requested, pending, ready, not_a_member, employee_not_found, role_forbidden, consent_required, consent_expired, '
  'consent_withdrawn, consent_purpose, recording_missing.';

create or replace function public.read_voice(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent record;
  v_newest public.voices;
  v_current public.voices;
  v_status text;
  v_code text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'voice.read', v_access.problem);
  end if;

  -- The current one first: whatever is newest is then at least as new.
  select * into v_consent from understudy.check_consent(v_access.caller_org_id, p_employee_id, 'voice_clone');
  select * into v_current
  from public.voices v
  where v.employee_id = p_employee_id
    and v.org_id = v_access.caller_org_id
    and v.state = 'ready'
    and v_consent.problem is null;
  select * into v_newest
  from public.voices v
  where v.employee_id = p_employee_id and v.org_id = v_access.caller_org_id
  order by v.number desc
  limit 1;

  v_status := case
    when v_newest.state in ('requested', 'cloning', 'unknown') then 'pending'
    when v_newest.state = 'failed' then 'failed'
    when v_newest.state = 'ready' and v_consent.problem is null then 'ready'
    else 'none'
  end;
  v_code := case
    when v_status = 'failed' then v_newest.code
    when v_status = 'none' and v_newest.id is not null then v_consent.problem
  end;
  return jsonb_build_object(
    'outcome', 'voice',
    'employee_id', p_employee_id,
    'voice_id', case when v_status = 'ready' then v_newest.vendor_voice_id else v_current.vendor_voice_id end,
    'status', v_status,
    'code', v_code,
    'attempt_id', v_newest.id
  );
end
$$;
comment on function public.read_voice(uuid, uuid) is
  'The current voice while its consent is live, and the state of the newest attempt. Waits for nobody. '
  'Outcomes: voice, not_a_member, employee_not_found.';

revoke all on function public.request_clone(uuid, uuid), public.read_voice(uuid, uuid) from public, anon, authenticated;
grant execute on function public.request_clone(uuid, uuid), public.read_voice(uuid, uuid) to service_role;
