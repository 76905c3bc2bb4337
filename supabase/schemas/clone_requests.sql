-- The functions of the frontend's endpoints: one requests a clone, one reads its state.

create or replace function understudy.may_clone(
  p_user_id uuid,
  p_employee_id uuid,
  out org_id uuid,
  out consent_id uuid,
  out problem text
)
language plpgsql
set search_path = ''
as $$
begin
  select a.caller_org_id, a.problem into org_id, problem from understudy.authorise(p_user_id, p_employee_id, true) a;
  if problem is null then
    select c.consent_id, c.problem into consent_id, problem from understudy.check_consent(org_id, p_employee_id, 'voice_clone') c;
  end if;
end
$$;
comment on function understudy.may_clone(uuid, uuid) is
  'The caller''s organisation, the consent that allows a clone, and the code of a refusal, or null. It locks the employee.';

create or replace function understudy.attempt_under_way(p_employee_id uuid)
returns public.voices
language sql
stable
set search_path = ''
as $$
  select v from public.voices v where v.employee_id = p_employee_id and v.state in ('requested', 'cloning', 'unknown')
$$;

create or replace function understudy.gives_way(p_under_way public.voices, p_org_id uuid, p_newest public.recordings)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(
    p_under_way.state = 'requested'
      and p_under_way.org_id = p_org_id
      and exists (
        select from public.recordings r
        where r.recording_sid = p_under_way.recording_sid
          and (r.started_at, r.recording_sid) < (p_newest.started_at, p_newest.recording_sid)
      ),
    false
  )
$$;
comment on function understudy.gives_way(public.voices, uuid, public.recordings) is
  'True if the attempt under way gives way to a new one: the vendor has no voice of it, and this recording is newer than its own.';

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
  -- A request of another organisation does not change the attempt.
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
  'The answer to a request while an attempt is under way. A user who asks for a single clone waits for it, so the attempt no longer '
  'belongs to a campaign. The replacement of the current voice can be asked for as long as the vendor has no voice of it.';

create or replace function understudy.ready_answer(
  p_current public.voices,
  p_org_id uuid,
  p_newest public.recordings,
  p_usual_channel smallint,
  p_pipeline_version int
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'outcome', 'ready',
    'employee_id', p_current.employee_id,
    'attempt_id', p_current.id,
    'voice_id', p_current.vendor_voice_id,
    'report', p_current.report
  )
  where p_current.org_id = p_org_id
    -- If recordings are kept only until a clone is good, there is nothing to make another one from.
    and (
      p_newest.recording_sid is null
      or understudy.is_made_from_the_same(p_current, p_usual_channel, p_pipeline_version)
    )
$$;
comment on function understudy.ready_answer(public.voices, uuid, public.recordings, smallint, int) is
  'The answer to a request if the current voice is as good as the one that would be made now; null if it is not, or there is none.';

create or replace function understudy.start_problem(
  p_org_id uuid,
  p_employee_id uuid,
  p_newest public.recordings,
  out code text,
  out details jsonb,
  out figures jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  if p_newest.recording_sid is null then
    code := case
      when understudy.is_oversized(p_org_id, p_employee_id) then 'recording_too_large' else 'recording_missing'
    end;
  elsif understudy.attempts_are_exhausted(p_newest.recording_sid) then
    code := 'clone_attempts_exhausted';
    details := jsonb_build_object('recording_sid', p_newest.recording_sid);
  else
    figures := understudy.exhausted_quota(p_org_id, p_employee_id);
    details := figures;
    code := case when figures is not null then 'voice_quota_reached' end;
  end if;
end
$$;
comment on function understudy.start_problem(uuid, uuid, public.recordings) is
  'The reason why no attempt may start, or null; with further details for the audit, and the figures for the caller.';

create or replace function understudy.start_attempt(p_wanted public.voices, p_superseded_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_attempt_id uuid;
begin
  update public.voices v
  set state = 'failed', code = 'superseded', closed_at = clock_timestamp()
  where v.id = p_superseded_id;
  insert into public.voices (org_id, employee_id, consent_id, recording_sid, replace_first, campaign, requested_by)
  values (
    p_wanted.org_id, p_wanted.employee_id, p_wanted.consent_id, p_wanted.recording_sid, p_wanted.replace_first,
    p_wanted.campaign, p_wanted.requested_by
  )
  returning id into v_attempt_id;

  if p_superseded_id is not null then
    perform understudy.audit(
      p_wanted.org_id, p_wanted.employee_id, p_wanted.requested_by, 'voice.stop', 'failed',
      jsonb_build_object('attempt_id', p_superseded_id, 'code', 'superseded')
    );
    perform understudy.settle_erasure(p_wanted.org_id, p_wanted.employee_id);
  end if;
  perform understudy.audit(
    p_wanted.org_id, p_wanted.employee_id, p_wanted.requested_by, 'clone.request', 'requested',
    jsonb_build_object(
      'attempt_id', v_attempt_id,
      'consent_id', p_wanted.consent_id,
      'recording_sid', p_wanted.recording_sid,
      'replace_first', case when p_wanted.replace_first then true end
    )
  );
  return jsonb_build_object(
    'outcome', 'requested',
    'employee_id', p_wanted.employee_id,
    'attempt_id', v_attempt_id,
    'campaign', p_wanted.campaign
  );
end
$$;
comment on function understudy.start_attempt(public.voices, uuid) is
  'Starts a new attempt. If an attempt gives way to it, that one ends as superseded.';

create or replace function public.request_clone(
  p_user_id uuid,
  p_employee_id uuid,
  p_usual_channel smallint,
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
  v_newest public.recordings;
  v_under_way public.voices;
  v_gives_way boolean;
  v_ready jsonb;
  v_problem record;
  v_wanted public.voices;
begin
  if p_pipeline_version is null or p_usual_channel not in (1, 2) then
    raise exception 'a request states the version of the pipeline, and the usual channel as 1, 2 or null';
  end if;
  select * into v_access from understudy.may_clone(p_user_id, p_employee_id);
  if v_access.problem is not null then
    return understudy.refuse(
      v_access.org_id, p_employee_id, p_user_id, 'clone.request', v_access.problem,
      jsonb_build_object('consent_id', v_access.consent_id)
    );
  end if;

  v_newest := understudy.newest_recording(v_access.org_id, p_employee_id);
  v_under_way := understudy.attempt_under_way(p_employee_id);
  v_gives_way := understudy.gives_way(v_under_way, v_access.org_id, v_newest);
  if v_under_way.id is not null and not v_gives_way then
    return understudy.join_attempt(v_under_way, v_access.org_id, p_user_id, p_replace, p_campaign);
  end if;
  v_ready := understudy.ready_answer(
    understudy.current_voice(p_employee_id), v_access.org_id, v_newest, p_usual_channel, p_pipeline_version
  );
  if v_ready is not null then
    return v_ready;
  end if;
  select * into v_problem from understudy.start_problem(v_access.org_id, p_employee_id, v_newest);
  if v_problem.code is not null then
    return understudy.refuse(
      v_access.org_id, p_employee_id, p_user_id, 'clone.request', v_problem.code, coalesce(v_problem.details, '{}')
    ) || coalesce(v_problem.figures, '{}');
  end if;

  v_wanted.org_id := v_access.org_id;
  v_wanted.employee_id := p_employee_id;
  v_wanted.consent_id := v_access.consent_id;
  v_wanted.recording_sid := v_newest.recording_sid;
  v_wanted.replace_first := p_replace;
  v_wanted.campaign := p_campaign;
  v_wanted.requested_by := p_user_id;
  return understudy.start_attempt(v_wanted, v_under_way.id);
end
$$;
comment on function public.request_clone(uuid, uuid, smallint, int, boolean, boolean) is
  'Starts an attempt, unless one is under way (pending) or the current voice is made from the same recordings already (ready, with its '
  'report). An attempt of which the vendor has no voice gives way to a newer recording. p_usual_channel is the employees'' usual channel in this '
  'deployment, 1 or 2, used for a call that states none of its own; null if none is configured. p_pipeline_version is the version of the '
  'code that would make the sample. With p_replace, the current voice is deleted before the new one is made. With p_campaign, the request '
  'is one of many for which nobody waits; the answer says whether the attempt is. recording_too_large: the employee only has recordings '
  'that Storage does not take. voice_quota_reached: the answer has the figure, the limit and their unit. Outcomes: requested, pending, '
  'ready, not_a_member, employee_not_found, role_forbidden, consent_required, consent_expired, consent_withdrawn, consent_purpose, '
  'recording_missing, recording_too_large, clone_attempts_exhausted, voice_quota_reached.';

create or replace function understudy.shown_status(p_newest public.voices, p_consent_problem text)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when p_newest.state in ('requested', 'cloning', 'unknown') then 'pending'
    when p_newest.state = 'failed' then 'failed'
    when p_newest.state = 'ready' and p_consent_problem is null then 'ready'
    else 'none'
  end
$$;
comment on function understudy.shown_status(public.voices, text) is
  'The state of an employee''s newest attempt for users: pending, failed, ready while its consent is live, or none.';

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

  -- The current voice is read first, so that the newest attempt is at least as new.
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

  v_status := understudy.shown_status(v_newest, v_consent.problem);
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
  'The current voice while its consent is live, and the state of the newest attempt, with the report of its sample once it is ready or '
  'failed. It waits for no lock. Outcomes: voice, not_a_member, employee_not_found.';

revoke all on function
  public.request_clone(uuid, uuid, smallint, int, boolean, boolean),
  public.read_voice(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.request_clone(uuid, uuid, smallint, int, boolean, boolean),
  public.read_voice(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;
