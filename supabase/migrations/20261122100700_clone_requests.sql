-- What the frontend's endpoint calls: ask for a clone, and look at where it is.

create or replace function understudy.join_attempt(
  p_under_way public.voices,
  p_org_id uuid,
  p_user_id uuid,
  p_replace boolean,
  p_campaign boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices := p_under_way;
begin
  -- What another organisation has asked for stays as it is.
  if v_voice.org_id = p_org_id then
    v_voice.campaign := p_under_way.campaign and p_campaign;
    v_voice.replace_first := p_under_way.replace_first or (p_replace and p_under_way.state = 'requested');
  end if;
  update public.voices v
  set campaign = v_voice.campaign, replace_first = v_voice.replace_first
  where v.id = v_voice.id and (v.campaign, v.replace_first) <> (v_voice.campaign, v_voice.replace_first);
  if v_voice.replace_first <> p_under_way.replace_first then
    perform understudy.audit(
      p_org_id, v_voice.employee_id, p_user_id, 'clone.request', 'pending',
      jsonb_build_object('attempt_id', v_voice.id, 'replace_first', true)
    );
  end if;
  return jsonb_build_object(
    'outcome', 'pending',
    'employee_id', v_voice.employee_id,
    'attempt_id', v_voice.id,
    'campaign', v_voice.campaign
  );
end
$$;
comment on function understudy.join_attempt(public.voices, uuid, uuid, boolean, boolean) is
  'The answer to a request while an attempt is under way. Who asks for a single clone waits for it, so it is no campaign''s any more; '
  'that the current voice be replaced first can be asked for as long as nothing was sent.';

create or replace function public.request_clone(
  p_user_id uuid,
  p_employee_id uuid,
  p_employee_channel smallint,
  p_pipeline_version int,
  p_replace boolean default false,
  p_campaign boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent record;
  v_newest public.recordings;
  v_under_way public.voices;
  v_superseded boolean;
  v_current public.voices;
  v_quota jsonb;
  v_attempt_id uuid;
begin
  if p_pipeline_version is null or p_employee_channel not in (1, 2) then
    raise exception 'a request tells the version of the pipeline, and the employee''s channel as 1, 2 or null';
  end if;
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

  select * into v_newest from understudy.newest_recording(v_access.caller_org_id, p_employee_id);
  select * into v_under_way
  from public.voices v
  where v.employee_id = p_employee_id and v.state in ('requested', 'cloning', 'unknown');
  -- Nothing was sent for it, so it gives way to a recording that is newer than its own.
  v_superseded := v_under_way.state = 'requested'
    and v_under_way.org_id = v_access.caller_org_id
    and exists (
      select from public.recordings r
      where r.recording_sid = v_under_way.recording_sid
        and (r.started_at, r.recording_sid) < (v_newest.started_at, v_newest.recording_sid)
    );
  if v_under_way.id is not null and not v_superseded then
    return understudy.join_attempt(v_under_way, v_access.caller_org_id, p_user_id, p_replace, p_campaign);
  end if;

  select * into v_current from understudy.current_voice(p_employee_id);
  if v_newest.recording_sid is null and v_current.org_id is distinct from v_access.caller_org_id then
    return understudy.refuse(
      v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request',
      case when understudy.is_oversized(v_access.caller_org_id, p_employee_id) then 'recording_too_large' else 'recording_missing' end
    );
  end if;
  -- Where recordings are kept no longer than until a good clone, there is nothing to make another one from.
  if v_current.org_id = v_access.caller_org_id and (
    v_newest.recording_sid is null
    or understudy.is_made_from_the_same(v_current, p_employee_channel, p_pipeline_version)
  ) then
    return jsonb_build_object(
      'outcome', 'ready',
      'employee_id', p_employee_id,
      'attempt_id', v_current.id,
      'voice_id', v_current.vendor_voice_id,
      'report', v_current.report
    );
  end if;

  if understudy.attempts_are_exhausted(v_newest.recording_sid) then
    return understudy.refuse(
      v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', 'clone_attempts_exhausted',
      jsonb_build_object('recording_sid', v_newest.recording_sid)
    );
  end if;
  v_quota := understudy.exhausted_quota(v_access.caller_org_id, p_employee_id);
  if v_quota is not null then
    return understudy.refuse(
      v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', 'voice_quota_reached', v_quota
    ) || v_quota;
  end if;

  if v_superseded then
    update public.voices v
    set state = 'failed', code = 'superseded', closed_at = clock_timestamp()
    where v.id = v_under_way.id;
  end if;
  insert into public.voices (org_id, employee_id, consent_id, recording_sid, replace_first, campaign, requested_by)
  values (
    v_access.caller_org_id, p_employee_id, v_consent.consent_id, v_newest.recording_sid, p_replace, p_campaign, p_user_id
  )
  returning id into v_attempt_id;

  if v_superseded then
    perform understudy.audit(
      v_access.caller_org_id, p_employee_id, p_user_id, 'voice.stop', 'failed',
      jsonb_build_object('attempt_id', v_under_way.id, 'code', 'superseded')
    );
    perform understudy.settle_erasure(v_access.caller_org_id, p_employee_id);
  end if;
  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'clone.request', 'requested',
    jsonb_build_object(
      'attempt_id', v_attempt_id,
      'consent_id', v_consent.consent_id,
      'recording_sid', v_newest.recording_sid,
      'replace_first', case when p_replace then true end
    )
  );
  return jsonb_build_object(
    'outcome', 'requested', 'employee_id', p_employee_id, 'attempt_id', v_attempt_id, 'campaign', p_campaign
  );
end
$$;
comment on function public.request_clone(uuid, uuid, smallint, int, boolean, boolean) is
  'Starts an attempt, unless one is under way (pending) or the current voice is made from the same already (ready, with its report). An '
  'attempt of which nothing was sent gives way to a newer recording. p_employee_channel: where employees usually are, 1 or 2; null: not '
  'configured. p_pipeline_version: of the code that would make the sample. p_replace: the current voice goes before the new one is made. '
  'p_campaign: one of many, for which nobody waits; the answer says whether the attempt is one. recording_too_large: there is none but '
  'such. voice_quota_reached: with the figure, the limit and their unit. Outcomes: requested, pending, ready, not_a_member, '
  'employee_not_found, role_forbidden, consent_required, consent_expired, consent_withdrawn, consent_purpose, recording_missing, '
  'recording_too_large, clone_attempts_exhausted, voice_quota_reached.';

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
    'attempt_id', v_newest.id,
    'report', case when v_status in ('ready', 'failed') then v_newest.report end
  );
end
$$;
comment on function public.read_voice(uuid, uuid) is
  'The current voice while its consent is live, and the state of the newest attempt, with the report of its sample once that is ready '
  'or failed. Waits for nobody. '
  'Outcomes: voice, not_a_member, employee_not_found.';

revoke all on function
  public.request_clone(uuid, uuid, smallint, int, boolean, boolean),
  public.read_voice(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.request_clone(uuid, uuid, smallint, int, boolean, boolean),
  public.read_voice(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;
