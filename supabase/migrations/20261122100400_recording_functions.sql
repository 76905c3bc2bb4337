-- What recording-ingest calls.

create or replace function public.recording_target(p_recording_sid text, p_call_sid text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_recording public.recordings;
  v_call record;
  v_erasure public.voice_erasures;
  v_path text;
begin
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid;
  if v_recording.recording_sid is not null and v_recording.erased_at is null then
    return jsonb_build_object(
      'outcome', 'stored',
      'newest', understudy.newest_json(v_recording.org_id, v_recording.employee_id)
    );
  end if;

  select * into v_call from understudy.find_call(p_call_sid);
  v_erasure := understudy.covering_erasure(p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id);
  if v_erasure.id is not null and not understudy.is_erased(p_recording_sid) then
    perform understudy.lock_employee(v_erasure.employee_id);
    if not understudy.is_erased(p_recording_sid) then
      v_erasure := understudy.covering_erasure(p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id);
      perform understudy.cover_late_recording(v_erasure, p_recording_sid, null);
    end if;
  end if;
  if understudy.is_erased(p_recording_sid) then
    -- A worker that died between upload and finish_ingest may have left something there.
    return jsonb_build_object(
      'outcome', 'erased',
      'storage_path', coalesce(
        v_recording.storage_path, understudy.storage_path(v_call.call_id, v_call.employee_id, p_recording_sid)
      )
    );
  end if;
  if v_call.call_id is null then
    return jsonb_build_object('outcome', 'call_unknown');
  end if;
  v_path := understudy.storage_path(v_call.call_id, v_call.employee_id, p_recording_sid);
  insert into public.recording_uploads as u (recording_sid, storage_path, call_sid)
  values (p_recording_sid, v_path, p_call_sid)
  on conflict (recording_sid, storage_path) do update set begun_at = clock_timestamp();
  return jsonb_build_object('outcome', 'store', 'storage_path', v_path);
end
$$;
comment on function public.recording_target(text, text) is
  'Where a recording belongs in Storage; that something may be there from now on is noted. A recording which an erasure covers and nobody '
  'knew of is added to the erasure. Outcomes: store, stored, erased (storage_path, if not null: a place to clear), call_unknown.';

create or replace function public.finish_ingest(
  p_recording_sid text,
  p_call_sid text,
  p_storage_path text,
  p_bytes bigint,
  p_duration_seconds int,
  p_channels int,
  p_track text,
  p_source text,
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
  v_newest_of_call public.recordings;
  v_erasure public.voice_erasures;
begin
  -- The employee is known only through the call, and is locked before it; so the call is read twice. A call that has lost its
  -- employee may still be covered by that employee's erasure.
  select * into v_call from understudy.find_call(p_call_sid);
  v_erasure := understudy.covering_erasure(p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id, p_started_at);
  perform understudy.lock_employee(coalesce(v_call.employee_id, v_erasure.employee_id));
  perform 1 from public.calls c where c.id = v_call.call_id for no key update;
  select * into v_call from understudy.find_call(p_call_sid);
  v_erasure := understudy.covering_erasure(p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id, p_started_at);

  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid for update;
  if understudy.is_erased(p_recording_sid) then
    return understudy.refuse(
      coalesce(v_recording.org_id, v_call.org_id, v_erasure.org_id),
      coalesce(v_recording.employee_id, v_call.employee_id, v_erasure.employee_id),
      null, 'recording.store', 'erased', jsonb_build_object('recording_sid', p_recording_sid)
    );
  end if;

  if v_recording.recording_sid is null then
    if v_erasure.id is not null then
      perform understudy.cover_late_recording(v_erasure, p_recording_sid, p_storage_path);
      return jsonb_build_object('outcome', 'erased');
    end if;
    if v_call.call_id is null then
      -- No organisation, so no audit row: the message is retried until the call is there, or becomes a dead letter.
      return jsonb_build_object('outcome', 'call_unknown');
    end if;
    if p_storage_path is distinct from understudy.storage_path(v_call.call_id, v_call.employee_id, p_recording_sid) then
      return understudy.refuse(
        v_call.org_id, v_call.employee_id, null, 'recording.store', 'target_changed',
        jsonb_build_object('recording_sid', p_recording_sid)
      );
    end if;

    insert into public.recordings (
      recording_sid, call_sid, call_id, org_id, employee_id, storage_path,
      bytes, duration_seconds, channels, track, source, started_at
    )
    values (
      p_recording_sid, p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id, p_storage_path,
      p_bytes, p_duration_seconds, p_channels, p_track, p_source, p_started_at
    );

    delete from public.recording_uploads u where u.recording_sid = p_recording_sid and u.storage_path = p_storage_path;

    -- Not simply this recording: an older one of the same call may come last.
    select * into v_newest_of_call
    from public.recordings r
    where r.call_id = v_call.call_id and r.erased_at is null
    order by r.started_at desc, r.recording_sid desc
    limit 1;
    update public.calls c
    set recording_url = 'recordings/' || v_newest_of_call.storage_path,
        duration_seconds = v_newest_of_call.duration_seconds
    where c.id = v_call.call_id;

    perform understudy.audit(
      v_call.org_id, v_call.employee_id, null, 'recording.store', 'stored',
      jsonb_build_object('recording_sid', p_recording_sid, 'call_id', v_call.call_id, 'bytes', p_bytes)
    );
    return jsonb_build_object('outcome', 'stored', 'newest', understudy.newest_json(v_call.org_id, v_call.employee_id));
  end if;

  -- Somebody else, or we before a crash, was faster. The object of that run is the one that counts.
  if p_storage_path is distinct from v_recording.storage_path then
    return understudy.refuse(
      v_recording.org_id, v_recording.employee_id, null, 'recording.store', 'target_changed',
      jsonb_build_object('recording_sid', p_recording_sid)
    );
  end if;
  return jsonb_build_object(
    'outcome', 'stored',
    'newest', understudy.newest_json(v_recording.org_id, v_recording.employee_id)
  );
end
$$;
comment on function public.finish_ingest(text, text, text, bigint, int, int, text, text, timestamptz) is
  'Records a recording that is in Storage, once however often it is called, and names the employee''s newest. '
  'Outcomes: stored, erased, call_unknown, target_changed.';

create or replace function public.newest_recording(p_employee_id uuid)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'outcome', 'newest',
    'newest', (
      select understudy.newest_json(e.org_id, e.id)
      from public.employees e
      where e.id = p_employee_id
    )
  )
$$;
comment on function public.newest_recording(uuid) is 'The recording that belongs at {employee_id}/{employee_id}.wav, or null.';

revoke all on function
  public.recording_target(text, text),
  public.finish_ingest(text, text, text, bigint, int, int, text, text, timestamptz),
  public.newest_recording(uuid)
from public, anon, authenticated;
grant execute on function
  public.recording_target(text, text),
  public.finish_ingest(text, text, text, bigint, int, int, text, text, timestamptz),
  public.newest_recording(uuid)
to service_role;
