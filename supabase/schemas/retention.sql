-- Retention: the erasure of recordings that their organisation no longer keeps.

create or replace function understudy.begin_retention(p_org_id uuid, p_employee_id uuid, p_covers_until timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id constant uuid := understudy.open_erasure(p_org_id, p_employee_id, 'recordings', 'retention', null, p_covers_until);
begin
  perform understudy.begin_listing(v_id);
  perform understudy.settle_erasure(p_org_id, p_employee_id);
  return v_id;
end
$$;
comment on function understudy.begin_retention(uuid, uuid, timestamptz) is
  'Erases an employee''s recordings that began before a moment. Consent and voice stay. The caller has locked the employee.';

create or replace function understudy.retain_no_longer_after_call(p_settings public.organization_voice_settings)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_until constant timestamptz := clock_timestamp() - make_interval(days => p_settings.delete_recordings_days_after_call);
  v_recording public.recordings;
begin
  for v_recording in
    select *
    from public.recordings r
    where r.org_id = p_settings.org_id
      and r.erased_at is null
      and r.started_at <= v_until - interval '1 second'
    order by r.started_at
    limit 20
  loop
    continue when not understudy.try_lock_employee(v_recording.folder);
    -- An erasure that is under way may have listed the recording already.
    perform 1 from public.recordings r where r.recording_sid = v_recording.recording_sid and r.erased_at is null;
    continue when not found or understudy.is_erased(v_recording);
    return understudy.begin_retention(v_recording.org_id, v_recording.folder, v_until);
  end loop;
  return null;
end
$$;

create or replace function understudy.retain_no_longer_after_clone(p_settings public.organization_voice_settings)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  for v_voice in
    select *
    from public.voices v
    where v.org_id = p_settings.org_id
      and v.state = 'ready'
      and not v.recordings_erased
      and v.ready_at < understudy.time_now() - make_interval(days => p_settings.delete_recordings_days_after_clone)
    order by v.ready_at
    limit 20
  loop
    continue when not understudy.try_lock_employee(v_voice.employee_id);
    update public.voices v set recordings_erased = true where v.id = v_voice.id and v.state = 'ready' and not v.recordings_erased;
    continue when not found;
    return (
      select understudy.begin_retention(v_voice.org_id, v_voice.employee_id, r.started_at + interval '1 second')
      from public.recordings r
      where r.recording_sid = v_voice.recording_sid
    );
  end loop;
  return null;
end
$$;
comment on function understudy.retain_no_longer_after_clone(public.organization_voice_settings) is
  'Starts the erasure for one voice that has been ready for long enough. It covers the newest recording that the voice was made for, and '
  'all that began before it.';

create or replace function understudy.retain_no_longer()
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_settings public.organization_voice_settings;
  v_erasure_id uuid;
begin
  for v_settings in
    select *
    from public.organization_voice_settings s
    where s.delete_recordings_days_after_call is not null or s.delete_recordings_days_after_clone is not null
    order by s.retention_swept_at nulls first
    limit 50
    for no key update skip locked
  loop
    v_erasure_id := coalesce(
      understudy.retain_no_longer_after_call(v_settings), understudy.retain_no_longer_after_clone(v_settings)
    );
    exit when v_erasure_id is not null;
    update public.organization_voice_settings s set retention_swept_at = clock_timestamp() where s.org_id = v_settings.org_id;
  end loop;
  return v_erasure_id;
end
$$;
comment on function understudy.retain_no_longer() is
  'Starts the next erasure for retention, of one employee. The organisation that was looked at longest ago comes first.';

revoke all on all functions in schema understudy from public;
