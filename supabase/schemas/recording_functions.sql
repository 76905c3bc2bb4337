-- The functions that recording-ingest calls.

create or replace function understudy.erased_target(p_recording_sid text, p_call_sid text, p_known_since timestamptz, p_call_id uuid, p_org_id uuid, p_employee_id uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  if understudy.is_erased(p_recording_sid) then
    return true;
  end if;
  v_erasure := understudy.covering_erasure(p_call_sid, p_call_id, p_org_id, p_employee_id, p_known_since);
  if v_erasure.id is null then
    return false;
  end if;
  perform understudy.lock_employee(v_erasure.employee_id);
  if not understudy.is_erased(p_recording_sid) then
    perform understudy.cover_late_recording(v_erasure, p_recording_sid, null);
  end if;
  return true;
end
$$;
comment on function understudy.erased_target(text, text, timestamptz, uuid, uuid, uuid) is
  'True if an erasure covers a recording that is about to be stored. A recording that nobody knew of is added to the erasure.';

create or replace function understudy.lock_target(
  p_recording_sid text,
  p_call_sid text,
  out call_id uuid,
  out org_id uuid,
  out employee_id uuid,
  out recording public.recordings,
  out is_stored boolean,
  out is_erased boolean
)
language plpgsql
set search_path = ''
as $$
declare
  v_call record;
begin
  select * into v_call from understudy.find_call(p_call_sid);
  call_id := v_call.call_id;
  org_id := v_call.org_id;
  employee_id := v_call.employee_id;
  perform understudy.lock_employee(employee_id);
  select * into recording from public.recordings r where r.recording_sid = p_recording_sid;
  is_stored := recording.recording_sid is not null and not understudy.is_erased(recording);
  is_erased := not is_stored
    and understudy.erased_target(p_recording_sid, p_call_sid, v_call.known_since, call_id, org_id, employee_id);
end
$$;
comment on function understudy.lock_target(text, text) is
  'Locks the employee of a recording''s call, and reads the call, the recording if it is stored, and whether an erasure covers it. A '
  'recording that is not stored and that nobody knew of is then added to the erasure. call_id is null if the call is unknown or ambiguous.';

create or replace function understudy.stored_answer(p_recording public.recordings)
returns jsonb
language sql
set search_path = ''
as $$
  select jsonb_build_object('outcome', 'stored', 'newest', understudy.begin_publishing(p_recording.org_id, p_recording.employee_id))
$$;
comment on function understudy.stored_answer(public.recordings) is
  'The answer for a recording that is stored: the employee''s newest recording is to be published.';

create or replace function public.recording_target(p_recording_sid text, p_call_sid text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_target record;
  v_path text;
begin
  select * into v_target from understudy.lock_target(p_recording_sid, p_call_sid);
  if v_target.is_stored then
    return understudy.stored_answer(v_target.recording);
  end if;

  v_path := understudy.storage_path(v_target.call_id, v_target.employee_id, p_recording_sid);
  if v_target.is_erased then
    delete from public.oversized_recordings o where o.recording_sid = p_recording_sid;
    -- A worker that died between the upload and finish_ingest may have left an object there.
    return jsonb_build_object('outcome', 'erased', 'storage_path', coalesce((v_target.recording).storage_path, v_path));
  end if;
  if v_target.call_id is null then
    insert into public.unmatched_recordings (recording_sid, call_sid) values (p_recording_sid, p_call_sid) on conflict do nothing;
    return jsonb_build_object('outcome', 'call_unknown');
  end if;
  return jsonb_build_object(
    'outcome', 'store',
    'storage_path', v_path,
    'write_id', understudy.begin_write(v_path, p_recording_sid, p_call_sid)
  );
end
$$;
comment on function public.recording_target(text, text) is
  'Decides the key of a recording in Storage, and notes that it is about to be written there. A recording that an erasure covers and that '
  'nobody knew of is added to the erasure. stored: `newest` is to be published. erased: if storage_path is not null, an object may be '
  'there. Outcomes: store, stored, erased, call_unknown.';

create or replace function understudy.update_call_of(p_recording public.recordings)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_newest public.recordings;
begin
  -- This recording may not be the newest: an older one of the same call may come last.
  select * into v_newest
  from public.recordings r
  where r.call_id = p_recording.call_id and r.erased_at is null
  order by r.started_at desc, r.recording_sid desc
  limit 1;
  update public.calls c
  set recording_url = 'recordings/' || v_newest.storage_path, duration_seconds = v_newest.duration_seconds
  where c.id = p_recording.call_id;
end
$$;

create or replace function understudy.note_stored(p_recording public.recordings)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.unmatched_recordings u where u.recording_sid = p_recording.recording_sid;
  delete from public.oversized_recordings o where o.recording_sid = p_recording.recording_sid;
  perform understudy.update_call_of(p_recording);
  perform understudy.audit(
    p_recording.org_id, p_recording.employee_id, null, 'recording.store', 'stored',
    jsonb_build_object(
      'recording_sid', p_recording.recording_sid, 'call_id', p_recording.call_id, 'bytes', p_recording.bytes
    )
  );
end
$$;

create or replace function understudy.lock_call(
  p_call_sid text,
  p_started_at timestamptz,
  out call_id uuid,
  out org_id uuid,
  out employee_id uuid,
  out erasure public.voice_erasures
)
language plpgsql
set search_path = ''
as $$
declare
  v_known_since timestamptz;
begin
  -- The employee is known only through the call, but is locked before it; so the call is read twice.
  for v_turn in 1..2 loop
    select c.call_id, c.org_id, c.employee_id, c.known_since
    into call_id, org_id, employee_id, v_known_since
    from understudy.find_call(p_call_sid) c;
    erasure := understudy.covering_erasure(p_call_sid, call_id, org_id, employee_id, v_known_since, p_started_at);
    exit when v_turn = 2;
    -- A call that has lost its employee may still be covered by that employee's erasure.
    perform understudy.lock_employee(coalesce(employee_id, erasure.employee_id));
    perform 1 from public.calls c where c.id = call_id for no key update;
  end loop;
end
$$;
comment on function understudy.lock_call(text, timestamptz) is
  'Locks the call''s employee and then the call, and reads the newest erasure that covers a recording of the call with this start; nulls '
  'if there is none.';

create or replace function public.finish_ingest(
  p_write_id uuid,
  p_recording_sid text,
  p_call_sid text,
  p_storage_path text,
  p_bytes bigint,
  p_sha256 text,
  p_duration_seconds int,
  p_channels int,
  p_track text,
  p_source text,
  p_account_sid text,
  p_started_at timestamptz
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_call record;
  v_recording public.recordings;
begin
  select * into v_call from understudy.lock_call(p_call_sid, p_started_at);
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid for update;

  if understudy.is_erased(p_recording_sid) or (v_recording.recording_sid is null and (v_call.erasure).id is not null) then
    perform understudy.cover_late_upload(p_recording_sid, p_storage_path, v_call.erasure);
    delete from public.storage_writes w where w.id = p_write_id;
    return jsonb_build_object('outcome', 'erased');
  end if;
  if v_recording.recording_sid is null and v_call.call_id is null then
    -- Without an organisation there is no audit row. The message is retried until the call is there, or becomes a dead letter.
    return jsonb_build_object('outcome', 'call_unknown');
  end if;
  -- Another worker, or this one before a crash, may have been faster. The object of that run is the one that counts.
  if p_storage_path is distinct from
    coalesce(v_recording.storage_path, understudy.storage_path(v_call.call_id, v_call.employee_id, p_recording_sid))
  then
    return understudy.refuse(
      coalesce(v_recording.org_id, v_call.org_id), coalesce(v_recording.employee_id, v_call.employee_id), null,
      'recording.store', 'target_changed', jsonb_build_object('recording_sid', p_recording_sid)
    );
  end if;

  delete from public.storage_writes w where w.id = p_write_id;
  if v_recording.recording_sid is null then
    insert into public.recordings (
      recording_sid, call_sid, call_id, org_id, employee_id, storage_path,
      bytes, sha256, duration_seconds, channels, track, source, account_sid, started_at
    )
    values (
      p_recording_sid, p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id, p_storage_path,
      p_bytes, p_sha256, p_duration_seconds, p_channels, p_track, p_source, p_account_sid, p_started_at
    )
    returning * into v_recording;
    perform understudy.note_stored(v_recording);
  end if;
  return understudy.stored_answer(v_recording);
end
$$;
comment on function public.finish_ingest(uuid, text, text, text, bigint, text, int, int, text, text, text, timestamptz) is
  'Records a recording that is in Storage; repeated calls record it once. It names the employee''s newest recording, which is to be '
  'published. stored: `newest` is to be published. erased: the object is to be removed. call_unknown, target_changed: the object is to be '
  'removed, and then write_cleared is to be called. Outcomes: stored, erased, call_unknown, target_changed.';

create or replace function public.newest_published(p_write_id uuid, p_recording_sid text, p_is_copied boolean default true)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_recording public.recordings;
  v_newest public.recordings;
begin
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid;
  perform understudy.lock_employee(v_recording.employee_id);
  delete from public.storage_writes w where w.id = p_write_id;
  v_newest := understudy.newest_recording(v_recording.org_id, v_recording.employee_id);
  if v_newest.recording_sid = p_recording_sid and p_is_copied then
    return jsonb_build_object('outcome', 'current');
  end if;
  if v_newest.recording_sid is not null then
    return jsonb_build_object(
      'outcome', 'behind', 'newest', understudy.begin_publishing(v_recording.org_id, v_recording.employee_id)
    );
  end if;
  perform understudy.cover_newest(v_recording);
  return jsonb_build_object('outcome', 'erased', 'storage_path', understudy.newest_path(v_recording.employee_id));
end
$$;
comment on function public.newest_published(uuid, text, boolean) is
  'The recording was copied to the key of the employee''s newest. p_is_copied is false if the worker died before it copied. behind: '
  'another recording is the newest by now, and is to be published. erased: all recordings are erased, and the copy is to be removed. '
  'Outcomes: current, behind, erased.';

create or replace function public.write_cleared(p_write_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.storage_writes w where w.id = p_write_id;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.write_cleared(uuid) is 'The write is over, and has left nothing behind. Outcomes: recorded.';

revoke all on function
  public.recording_target(text, text),
  public.finish_ingest(uuid, text, text, text, bigint, text, int, int, text, text, text, timestamptz),
  public.newest_published(uuid, text, boolean),
  public.write_cleared(uuid)
from public, anon, authenticated;
grant execute on function
  public.recording_target(text, text),
  public.finish_ingest(uuid, text, text, text, bigint, text, int, int, text, text, text, timestamptz),
  public.newest_published(uuid, text, boolean),
  public.write_cleared(uuid)
to service_role;
revoke all on all functions in schema understudy from public;
