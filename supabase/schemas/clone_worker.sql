-- The functions of clone-worker, in the order in which it calls them. Each may be called again, and the worker may die between any two. The
-- function that it calls before it sends its sample to the vendor is in samples.sql.

create or replace function understudy.next_step(p_voice public.voices)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_voice.id is null then 'attempt_unknown'
    -- A voice that is no longer the current one is finished once more while the metadata may be its own.
    when p_voice.state = 'ready'
      or (p_voice.state in ('cloning', 'unknown') and p_voice.vendor_voice_id is not null)
      or understudy.is_metadata_behind(p_voice)
      then 'finish'
    when p_voice.state in ('failed', 'retired') then 'closed'
    when p_voice.state = 'requested' then 'clone'
    when p_voice.lease_until + understudy.lease_grace() > understudy.time_now() then 'wait'
    -- A voice may exist already. It must be found before anything else is done, also without consent, because then it is to be deleted.
    else 'resolve'
  end
$$;
comment on function understudy.next_step(public.voices) is 'The next step of an attempt, as begin_clone answers it to a worker.';

create or replace function understudy.lease_attempt(p_voice public.voices, p_step text, p_lease_seconds int)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_lease_id constant uuid := gen_random_uuid();
begin
  update public.voices v
  set state = case p_step when 'resolve' then 'unknown' else 'cloning' end,
      lease_id = v_lease_id,
      lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
  where v.id = p_voice.id;
  perform understudy.audit_attempt(p_voice, 'clone.begin', p_step);
  return v_lease_id;
end
$$;

create or replace function understudy.recordings_to_sample(p_voice public.voices)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_agg(
    jsonb_build_object(
      'recording_sid', r.recording_sid,
      'storage_path', r.storage_path,
      'track', r.track,
      'source', r.source,
      'employee_channel', understudy.employee_channel(r),
      'synthetic', understudy.is_synthetic(r)
    )
    order by r.started_at desc, r.recording_sid desc
  )
  from understudy.newest_recordings(p_voice.org_id, p_voice.employee_id, p_from_sid => p_voice.recording_sid) r
$$;
comment on function understudy.recordings_to_sample(public.voices) is
  'The recordings to sample, newest first. A recording that is newer than the request is for the next attempt.';

create or replace function public.begin_clone(p_attempt_id uuid, p_lease_seconds int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_step text;
  v_problem text;
  v_answer jsonb;
begin
  if p_lease_seconds is null or p_lease_seconds not between 1 and 43200 then
    raise exception 'a lease lasts from 1 to 43200 seconds, the longest an SQS message can be hidden';
  end if;
  v_voice := understudy.lock_voice(p_attempt_id);
  v_step := understudy.next_step(v_voice);
  v_answer := jsonb_build_object('outcome', v_step);
  if v_step = 'closed' then
    return v_answer || jsonb_build_object('delete_voices', understudy.voices_to_delete(v_voice.employee_id));
  elsif v_step = 'wait' then
    return v_answer || jsonb_build_object('retry_after_seconds', understudy.retry_after_seconds(v_voice.lease_until));
  elsif v_step not in ('clone', 'resolve') then
    return v_answer;
  end if;

  if v_step = 'clone' then
    v_problem := understudy.attempt_problem(v_voice);
    if v_problem is not null then
      return understudy.refuse_attempt(v_voice, 'clone.begin', v_problem);
    end if;
    v_answer := v_answer || jsonb_build_object(
      'deployment_id', understudy.deployment_id(),
      'employee_id', v_voice.employee_id,
      'employee_name', (select coalesce(e.full_name, '') from public.employees e where e.id = v_voice.employee_id),
      'replace_first', v_voice.replace_first,
      'recordings', understudy.recordings_to_sample(v_voice)
    );
  end if;
  return v_answer || jsonb_build_object('lease_id', understudy.lease_attempt(v_voice, v_step, p_lease_seconds));
end
$$;
comment on function public.begin_clone(uuid, int) is
  'Takes the lease. clone: the vendor has no voice of it; make a sample of the recordings, which come newest first, call take_sample, '
  'then send the sample. resolve: a sample may have been sent; search the vendor by attempt id, then call save_vendor_voice or '
  'release_clone(…, true). Outcomes: clone, resolve, finish, wait, refused, closed, attempt_unknown.';

create or replace function public.release_clone(
  p_attempt_id uuid,
  p_lease_id uuid,
  p_no_voice_was_made boolean,
  p_is_unprocessed boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_outcome text;
begin
  if p_no_voice_was_made is null then
    raise exception 'release_clone must be told whether no voice was made';
  end if;
  v_voice := understudy.lock_voice(p_attempt_id);

  if not understudy.holds_lease(v_voice, p_lease_id) then
    return understudy.refuse_late_worker(p_attempt_id, v_voice, 'clone.release');
  end if;

  if p_no_voice_was_made and v_voice.vendor_voice_id is null then
    update public.voices v
    set state = 'requested', lease_id = null, lease_until = clock_timestamp(),
        uploads = greatest(v.uploads - case when p_is_unprocessed and v.turned_away < understudy.most_turned_away() then 1 else 0 end, 0),
        turned_away = least(v.turned_away + case when p_is_unprocessed then 1 else 0 end, understudy.most_turned_away())
    where v.id = p_attempt_id;
    v_outcome := 'released';
  elsif p_no_voice_was_made then
    -- The voice is saved meanwhile, so the next begin_clone answers finish.
    update public.voices v set lease_id = null where v.id = p_attempt_id;
    v_outcome := 'released';
  else
    -- The end of the lease stays. Until then, and for the grace time, the vendor may still make the voice.
    update public.voices v set state = 'unknown', lease_id = null where v.id = p_attempt_id;
    v_outcome := 'unknown';
  end if;

  perform understudy.audit_attempt(v_voice, 'clone.release', v_outcome);
  if v_outcome = 'released' then
    return jsonb_build_object('outcome', v_outcome);
  end if;
  return jsonb_build_object(
    'outcome', v_outcome, 'retry_after_seconds', understudy.retry_after_seconds(v_voice.lease_until)
  );
end
$$;
comment on function public.release_clone(uuid, uuid, boolean, boolean) is
  'Gives the lease back. p_no_voice_was_made: true if surely no voice was made; false if one may have been. p_is_unprocessed: true '
  'if the vendor has surely not processed the sample that was taken, so that it does not count as an upload up to most_turned_away: it was '
  'never sent, or the vendor was busy, or turned the key away. Outcomes: released, unknown, lease_lost.';

create or replace function public.save_vendor_voice(p_attempt_id uuid, p_vendor_voice_id text, p_account text default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_outcome text;
  v_code text;
begin
  v_voice := understudy.lock_voice(p_attempt_id);

  if v_voice.state in ('requested', 'cloning', 'unknown', 'ready') and v_voice.vendor_voice_id = p_vendor_voice_id then
    return jsonb_build_object('outcome', 'saved');
  end if;

  -- The lease is not checked, because it is better to adopt an existing voice late than to make it twice.
  if v_voice.state in ('requested', 'cloning', 'unknown') and v_voice.vendor_voice_id is null then
    -- A voice made from a recording that was erased meanwhile is not adopted. It is kept only to be deleted.
    if understudy.has_erased_recording(v_voice) then
      v_code := understudy.attempt_problem(v_voice);
    end if;
    update public.voices v
    set vendor_voice_id = p_vendor_voice_id,
        vendor_account = p_account,
        state = case when v_code is not null then 'failed' when v.state = 'requested' then 'cloning' else v.state end,
        code = v_code,
        closed_at = case when v_code is not null then clock_timestamp() end
    where v.id = p_attempt_id;
    v_outcome := 'saved';
  else
    -- On a closed attempt without a voice, the id is kept as that of a voice to delete, in case the caller dies before it deletes the
    -- voice.
    update public.voices v
    set vendor_voice_id = p_vendor_voice_id, vendor_account = p_account
    where v.id = p_attempt_id and v.state = 'failed' and v.vendor_voice_id is null;
    v_outcome := 'superfluous';
  end if;

  perform understudy.audit_attempt(
    v_voice, 'clone.save', v_outcome,
    jsonb_build_object('attempt_id', p_attempt_id, 'vendor_voice_id', p_vendor_voice_id, 'code', v_code)
  );
  perform understudy.cover_voices(v_voice.org_id, v_voice.employee_id);
  return jsonb_build_object('outcome', v_outcome);
end
$$;
comment on function public.save_vendor_voice(uuid, text, text) is
  'Keeps the vendor''s id of a voice, and the account that has the voice, as soon as they are known. superfluous: the caller deletes the '
  'voice that it made. Outcomes: saved, superfluous.';

create or replace function public.fail_clone(
  p_attempt_id uuid,
  p_lease_id uuid,
  p_code text,
  p_vendor_voice_id text default null,
  p_report jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  v_voice := understudy.lock_voice(p_attempt_id);

  if not understudy.holds_lease(v_voice, p_lease_id) then
    return understudy.refuse_late_worker(p_attempt_id, v_voice, 'clone.fail');
  end if;

  update public.voices v
  set state = 'failed',
      code = p_code,
      vendor_voice_id = coalesce(v.vendor_voice_id, p_vendor_voice_id),
      report = coalesce(p_report, v.report),
      closed_at = clock_timestamp()
  where v.id = p_attempt_id;
  perform understudy.audit_attempt(v_voice, 'clone.fail', 'failed', jsonb_build_object('code', p_code));
  perform understudy.cover_voices(v_voice.org_id, v_voice.employee_id);
  perform understudy.settle_erasure(v_voice.org_id, v_voice.employee_id);
  return jsonb_build_object('outcome', 'failed', 'delete_voices', understudy.voices_to_delete(v_voice.employee_id));
end
$$;
comment on function public.fail_clone(uuid, uuid, text, text, jsonb) is
  'Ends an attempt for good. p_code is the code that the frontend shows. p_vendor_voice_id is a voice that the attempt has made '
  'nevertheless; it is to be deleted. p_report holds the figures that explain why no sample could be made. If there is a current voice, '
  'it stays. Outcomes: failed, lease_lost.';

revoke all on function
  public.begin_clone(uuid, int),
  public.release_clone(uuid, uuid, boolean, boolean),
  public.save_vendor_voice(uuid, text, text),
  public.fail_clone(uuid, uuid, text, text, jsonb)
from public, anon, authenticated;
grant execute on function
  public.begin_clone(uuid, int),
  public.release_clone(uuid, uuid, boolean, boolean),
  public.save_vendor_voice(uuid, text, text),
  public.fail_clone(uuid, uuid, text, text, jsonb)
to service_role;
revoke all on all functions in schema understudy from public;
