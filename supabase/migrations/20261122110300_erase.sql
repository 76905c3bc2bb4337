-- How an erasure starts, grows and ends. In all of these the employee is locked.

create or replace function understudy.unresolved_attempts(p_org_id uuid, p_employee_id uuid)
returns setof public.voices
language sql
stable
set search_path = ''
as $$
  select v.*
  from public.voices v
  where v.org_id = p_org_id
    and v.employee_id = p_employee_id
    and v.state in ('cloning', 'unknown')
    and understudy.has_erased_recording(v)
$$;
comment on function understudy.unresolved_attempts(uuid, uuid) is 'Attempts on erased recordings whose voice may yet turn up at the vendor.';

create or replace function understudy.erasure_remaining(p_erasure public.voice_erasures)
returns integer
language sql
stable
set search_path = ''
as $$
  select (
    (select count(*) from public.voice_erasure_copies c where c.erasure_id = p_erasure.id and c.state <> 'erased')
    + (select count(*) from public.voice_erasure_calls c where c.erasure_id = p_erasure.id and c.listed_at is null)
    + (select count(*) from understudy.unresolved_attempts(p_erasure.org_id, p_erasure.employee_id))
  )::integer
$$;
comment on function understudy.erasure_remaining(public.voice_erasures) is
  'Copies not confirmed gone, calls of which Twilio was not asked, and attempts of unknown fate.';

create or replace function understudy.open_erasure(
  p_org_id uuid,
  p_employee_id uuid,
  p_reason text,
  p_requested_by uuid,
  p_covers_until timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
  v_joined boolean;
begin
  update public.voice_erasures e
  set covers_until = greatest(e.covers_until, p_covers_until)
  where e.org_id = p_org_id and e.employee_id = p_employee_id and e.erased_at is null
  returning e.id into v_id;
  v_joined := v_id is not null;
  if not v_joined then
    insert into public.voice_erasures (org_id, employee_id, reason, requested_by, covers_until)
    values (p_org_id, p_employee_id, p_reason, p_requested_by, p_covers_until)
    returning id into v_id;
  end if;
  perform understudy.audit(
    p_org_id, p_employee_id, p_requested_by, 'erasure.start', case when v_joined then 'joined' else 'started' end,
    jsonb_build_object('erasure_id', v_id, 'reason', p_reason)
  );
  return v_id;
end
$$;
comment on function understudy.open_erasure(uuid, uuid, text, uuid, timestamptz) is 'The open erasure, made if there is none.';

create or replace function understudy.add_copy(p_erasure_id uuid, p_kind text, p_reference text, p_attempt_id uuid default null)
returns uuid
language sql
set search_path = ''
as $$
  insert into public.voice_erasure_copies as c (erasure_id, kind, reference, attempt_id)
  values (p_erasure_id, p_kind, p_reference, p_attempt_id)
  on conflict (erasure_id, kind, reference) do update
  -- These two keys are written again and again; the others are gone once they are gone.
  set state = case when p_kind in ('newest_recording', 'metadata') then 'pending' else c.state end,
      erased_at = case when p_kind in ('newest_recording', 'metadata') then null else c.erased_at end
  returning c.id
$$;
comment on function understudy.add_copy(uuid, text, text, uuid) is 'A copy to erase, once in an erasure.';

create or replace function understudy.clear_reports(p_org_id uuid, p_employee_id uuid)
returns void
language sql
set search_path = ''
as $$
  update public.voices v
  set report = null
  where v.org_id = p_org_id
    and v.employee_id = p_employee_id
    and v.state in ('failed', 'retired')
    and v.report is not null
    and understudy.has_erased_recording(v)
$$;
comment on function understudy.clear_reports(uuid, uuid) is
  'What was measured of a recording goes with it. An attempt that still runs keeps its figures until its end is known.';

create or replace function understudy.settle_erasure(p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  select * into v_erasure
  from public.voice_erasures e
  where e.org_id = p_org_id and e.employee_id = p_employee_id and e.erased_at is null;
  if v_erasure.id is null or understudy.erasure_remaining(v_erasure) > 0 then
    return;
  end if;
  perform understudy.clear_reports(p_org_id, p_employee_id);
  update public.voice_erasures e set erased_at = clock_timestamp() where e.id = v_erasure.id;
  perform understudy.audit(
    p_org_id, p_employee_id, null, 'erasure.finish', 'erased', jsonb_build_object('erasure_id', v_erasure.id)
  );
end
$$;
comment on function understudy.settle_erasure(uuid, uuid) is 'Ends the open erasure if nothing is left of it. The only place that says erased.';

create or replace function understudy.cover_voices(p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_last public.voice_erasures;
  v_erasure_id uuid;
begin
  select * into v_last
  from public.voice_erasures e
  where e.org_id = p_org_id and e.employee_id = p_employee_id
  order by e.number desc
  limit 1;
  if v_last.id is null then
    return;
  end if;

  for v_voice in
    select v.*
    from public.voices v
    where v.org_id = p_org_id
      and v.employee_id = p_employee_id
      and v.state in ('failed', 'retired')
      and v.vendor_voice_id is not null
      and v.vendor_deleted_at is null
      and understudy.has_erased_recording(v)
      and not exists (
        select 1
        from public.voice_erasure_copies c
        join public.voice_erasures e on e.id = c.erasure_id
        where c.attempt_id = v.id and e.erased_at is null
      )
    order by v.number
  loop
    v_erasure_id := coalesce(
      v_erasure_id,
      case when v_last.erased_at is null then v_last.id end,
      understudy.open_erasure(p_org_id, p_employee_id, v_last.reason, null, v_last.covers_until)
    );
    perform understudy.add_copy(v_erasure_id, 'vendor_voice', v_voice.vendor_voice_id, v_voice.id);
  end loop;
end
$$;
comment on function understudy.cover_voices(uuid, uuid) is 'Adds the voices made from erased recordings, as soon as they are known.';

create or replace function understudy.cover_shared_keys(p_erasure_id uuid, p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if exists (select 1 from public.recordings r where r.org_id = p_org_id and r.employee_id = p_employee_id)
    and not exists (
      select 1 from public.recordings r where r.org_id <> p_org_id and r.employee_id = p_employee_id and r.erased_at is null
    )
  then
    perform understudy.add_copy(p_erasure_id, 'newest_recording', p_employee_id || '/' || p_employee_id || '.wav');
  end if;
  if exists (
      select 1
      from public.voices v
      where v.org_id = p_org_id and v.employee_id = p_employee_id and v.metadata_handed_at is not null
    )
    and (understudy.current_voice(p_employee_id)).id is null
  then
    perform understudy.add_copy(p_erasure_id, 'metadata', p_employee_id || '/' || p_employee_id || '.json');
  end if;
end
$$;
comment on function understudy.cover_shared_keys(uuid, uuid, uuid) is
  'Adds the two keys that are written again and again: the copy of the newest recording, and the metadata unless it is of a voice that '
  'stays. They belong to the employee, not to one organisation: where they went to another one, it may be using them.';

create or replace function understudy.cover_begun_uploads(
  p_erasure_id uuid,
  p_org_id uuid,
  p_employee_id uuid,
  p_call_sids text[]
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_upload public.recording_uploads;
begin
  for v_upload in
    select u.*
    from public.recording_uploads u
    cross join lateral understudy.find_call(u.call_sid) as found
    where u.call_sid = any (p_call_sids)
      -- A call that belongs to somebody else by now is theirs, and so is what is recorded of it.
      and (found.call_id is null or (found.org_id = p_org_id and coalesce(found.employee_id, p_employee_id) = p_employee_id))
      and not exists (
        select from public.recordings r where r.recording_sid = u.recording_sid and r.erased_at is null
      )
    order by u.recording_sid, u.storage_path
  loop
    perform understudy.add_copy(p_erasure_id, 'stored_recording', v_upload.storage_path);
    perform understudy.add_copy(p_erasure_id, 'twilio_recording', v_upload.recording_sid);
  end loop;
end
$$;
comment on function understudy.cover_begun_uploads(uuid, uuid, uuid, text[]) is
  'Adds what a worker may have put into Storage without having recorded it, of these calls. A worker that is still at it removes its '
  'object itself, once it is told that the recording is erased.';

create or replace function understudy.cover_late_recording(
  p_erasure public.voice_erasures,
  p_recording_sid text,
  p_storage_path text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure_id uuid := p_erasure.id;
begin
  if p_erasure.erased_at is not null then
    v_erasure_id := understudy.open_erasure(
      p_erasure.org_id, p_erasure.employee_id, p_erasure.reason, null, p_erasure.covers_until
    );
  end if;
  perform understudy.add_copy(v_erasure_id, 'twilio_recording', p_recording_sid);
  if p_storage_path is not null then
    perform understudy.add_copy(v_erasure_id, 'stored_recording', p_storage_path);
  end if;
  perform understudy.audit(
    p_erasure.org_id, p_erasure.employee_id, null, 'recording.store', 'erased',
    jsonb_build_object('recording_sid', p_recording_sid, 'erasure_id', v_erasure_id)
  );
end
$$;
comment on function understudy.cover_late_recording(public.voice_erasures, text, text) is
  'A recording that an erasure covers, and that was not known when it was requested. p_storage_path: where a worker has put it already.';

create or replace function understudy.erase(
  p_org_id uuid,
  p_employee_id uuid,
  p_reason text,
  p_actor_id uuid,
  p_asked_at timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_calls text[];
  v_recordings public.recordings[];
  v_recording public.recordings;
  v_erasure_id uuid;
begin
  select array_agg(known.call_sid) into v_calls
  from (
    select c.twilio_call_sid as call_sid
    from public.calls c
    where c.employee_id = p_employee_id and c.org_id = p_org_id and c.twilio_call_sid is not null
    union
    select r.call_sid
    from public.recordings r
    where r.employee_id = p_employee_id and r.org_id = p_org_id
  ) as known;

  -- A recording of a call that had no employee when it was stored, and is theirs now, is theirs too.
  select array_agg(r order by r.started_at, r.recording_sid) into v_recordings
  from public.recordings r
  where r.org_id = p_org_id
    and r.erased_at is null
    and (r.employee_id = p_employee_id or (r.employee_id is null and r.call_sid = any (v_calls)));

  -- Calls before everything else: who stores a recording of one locks in this order, too.
  update public.calls c
  set recording_url = null
  where c.id in (select r.call_id from unnest(v_recordings) r)
    and c.recording_url in (select 'recordings/' || r.storage_path from unnest(v_recordings) r);
  update public.recordings r
  set erased_at = clock_timestamp()
  where r.recording_sid in (select e.recording_sid from unnest(v_recordings) e);
  perform understudy.stop_voices(
    p_org_id, p_employee_id, p_actor_id, case p_reason when 'expired' then 'consent_expired' else 'consent_withdrawn' end
  );

  v_erasure_id := understudy.open_erasure(p_org_id, p_employee_id, p_reason, p_actor_id, p_asked_at);
  insert into public.voice_erasure_calls as c (erasure_id, call_sid)
  select v_erasure_id, call_sid
  from unnest(v_calls) as call_sid
  -- Twilio may have more of it by now.
  on conflict (erasure_id, call_sid) do update set listed_at = null;

  foreach v_recording in array coalesce(v_recordings, '{}') loop
    perform understudy.add_copy(v_erasure_id, 'stored_recording', v_recording.storage_path);
    perform understudy.add_copy(v_erasure_id, 'twilio_recording', v_recording.recording_sid);
  end loop;
  perform understudy.cover_begun_uploads(v_erasure_id, p_org_id, p_employee_id, v_calls);
  perform understudy.cover_shared_keys(v_erasure_id, p_org_id, p_employee_id);
  perform understudy.cover_voices(p_org_id, p_employee_id);
  perform understudy.clear_reports(p_org_id, p_employee_id);
  perform understudy.settle_erasure(p_org_id, p_employee_id);
  return v_erasure_id;
end
$$;
comment on function understudy.erase(uuid, uuid, text, uuid, timestamptz) is
  'Takes everything back that the database can take back, and lists the copies elsewhere. The caller has locked the employee and ended the consent.';

revoke all on all functions in schema understudy from public;
