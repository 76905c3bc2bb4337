-- The start, the growth and the end of an erasure. All of these functions need the employee to be locked.

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
comment on function understudy.unresolved_attempts(uuid, uuid) is
  'Attempts on erased recordings whose voice may yet turn up at the vendor.';

create or replace function understudy.open_erasure(
  p_org_id uuid,
  p_employee_id uuid,
  p_scope text,
  p_reason text,
  p_requested_by uuid,
  p_covers_until timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
  v_joined constant boolean := v_last.id is not null and v_last.erased_at is null;
  v_known_until constant timestamptz := case when p_scope = 'everything' then clock_timestamp() else v_last.known_until end;
  v_id uuid := v_last.id;
begin
  if v_joined then
    update public.voice_erasures e
    set covers_until = greatest(e.covers_until, p_covers_until),
        known_until = v_known_until,
        scope = case when p_scope = 'everything' then p_scope else e.scope end,
        reason = case when p_scope = 'everything' and e.scope = 'recordings' then p_reason else e.reason end,
        listed_to_call = null,
        listed_at = null
    where e.id = v_id;
  else
    insert into public.voice_erasures (org_id, employee_id, scope, reason, requested_by, covers_until, known_until)
    values (
      p_org_id, p_employee_id, p_scope, p_reason, p_requested_by, greatest(v_last.covers_until, p_covers_until), v_known_until
    )
    returning id into v_id;
  end if;
  perform understudy.audit(
    p_org_id, p_employee_id, p_requested_by, 'erasure.start', case when v_joined then 'joined' else 'started' end,
    jsonb_build_object('erasure_id', v_id, 'reason', p_reason)
  );
  return v_id;
end
$$;
comment on function understudy.open_erasure(uuid, uuid, text, text, uuid, timestamptz) is
  'The open erasure, with everything that it covers to be listed. If there is none, it is made. p_scope: everything or recordings.';

create or replace function understudy.reopen_erasure(p_erasure public.voice_erasures)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_erasure.org_id, p_erasure.employee_id);
  v_id uuid := v_last.id;
begin
  if v_last.erased_at is not null then
    insert into public.voice_erasures (org_id, employee_id, scope, reason, covers_until, known_until, listed_at)
    values (
      v_last.org_id, v_last.employee_id, v_last.scope, v_last.reason, v_last.covers_until, v_last.known_until, clock_timestamp()
    )
    returning id into v_id;
    perform understudy.audit(
      v_last.org_id, v_last.employee_id, null, 'erasure.start', 'started',
      jsonb_build_object('erasure_id', v_id, 'reason', v_last.reason)
    );
  end if;
  return v_id;
end
$$;
comment on function understudy.reopen_erasure(public.voice_erasures) is
  'The erasure to which a late copy is added: the employee''s open one, or a new one that covers no more than the last did.';

create or replace function understudy.add_copy(
  p_erasure_id uuid,
  p_kind text,
  p_reference text,
  p_attempt_id uuid default null,
  p_is_ours boolean default true
)
returns uuid
language sql
set search_path = ''
as $$
  insert into public.voice_erasure_copies as c (erasure_id, kind, reference, attempt_id, state, last_error)
  values (
    p_erasure_id, p_kind, p_reference, p_attempt_id,
    case when p_is_ours then 'pending' else 'kept_elsewhere' end, case when not p_is_ours then 'other_deployment' end
  )
  on conflict (erasure_id, kind, reference) do update
  -- An object may be at the key again. At the vendors, a copy that is gone stays gone.
  set state = case
        when c.state = 'erased' and p_kind in ('stored_recording', 'newest_recording', 'metadata') then 'pending'
        else c.state
      end,
      erased_at = case when p_kind not in ('stored_recording', 'newest_recording', 'metadata') then c.erased_at end
  returning c.id
$$;
comment on function understudy.add_copy(uuid, text, text, uuid, boolean) is
  'Adds a copy to erase; an erasure holds each copy once. p_is_ours is false for a copy that another deployment has at a vendor, which is '
  'left to that deployment.';

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
  'Clears the figures that were measured on erased recordings. An attempt that still runs keeps its figures until its end is known.';

create or replace function understudy.settle_erasure(p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
begin
  if v_erasure.id is null
    or v_erasure.erased_at is not null
    or v_erasure.listed_at is null
    or v_erasure.copies_left > 0
    or exists (select from understudy.unresolved_attempts(p_org_id, p_employee_id))
  then
    return;
  end if;
  perform understudy.clear_reports(p_org_id, p_employee_id);
  update public.voice_erasures e set erased_at = clock_timestamp() where e.id = v_erasure.id;
  perform understudy.audit(
    p_org_id, p_employee_id, null, 'erasure.finish',
    case when v_erasure.copies_kept_elsewhere > 0 then 'kept_elsewhere' else 'erased' end,
    jsonb_build_object('erasure_id', v_erasure.id)
  );
end
$$;
comment on function understudy.settle_erasure(uuid, uuid) is
  'Ends the open erasure if no copy is left. Only this function ends an erasure.';

create or replace function understudy.cover_voices(p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
  v_voice public.voices;
  v_erasure_id uuid;
begin
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
        select
        from public.voice_erasure_copies c
        join public.voice_erasures e on e.id = c.erasure_id
        where c.attempt_id = v.id and c.kind = 'vendor_voice' and (e.erased_at is null or c.state = 'kept_elsewhere')
      )
    order by v.number
  loop
    v_erasure_id := coalesce(v_erasure_id, understudy.reopen_erasure(v_last));
    perform understudy.cover_voice(v_erasure_id, v_voice, v_last.scope = 'everything');
  end loop;
end
$$;
comment on function understudy.cover_voices(uuid, uuid) is 'Adds the voices made from erased recordings, as soon as they are known.';

create or replace function understudy.cover_voice(p_erasure_id uuid, p_voice public.voices, p_with_speech boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_is_ours constant boolean := p_voice.deployment_id = understudy.deployment_id();
begin
  if v_is_ours and p_with_speech then
    perform understudy.add_copy(p_erasure_id, 'vendor_history', p_voice.vendor_voice_id, p_voice.id);
  end if;
  if p_voice.vendor_deleted_at is null then
    perform understudy.add_copy(p_erasure_id, 'vendor_voice', p_voice.vendor_voice_id, p_voice.id, v_is_ours);
  end if;
end
$$;
comment on function understudy.cover_voice(uuid, public.voices, boolean) is
  'Adds a voice, unless it is gone, and the speech that was made with it.';

create or replace function understudy.cover_shared_keys(p_erasure public.voice_erasures)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_org_id constant uuid := p_erasure.org_id;
  v_employee_id constant uuid := p_erasure.employee_id;
begin
  if exists (select from public.recordings r where r.org_id = v_org_id and r.employee_id = v_employee_id)
    and not exists (
      select from public.recordings r where r.employee_id = v_employee_id and r.org_id <> v_org_id and r.erased_at is null
    )
  then
    perform understudy.add_copy(p_erasure.id, 'newest_recording', understudy.newest_path(v_employee_id));
  end if;
  if p_erasure.scope = 'everything'
    and exists (
      select
      from public.voices v
      where v.org_id = v_org_id and v.employee_id = v_employee_id and v.metadata_handed_at is not null
    )
    and (understudy.current_voice(v_employee_id)).id is null
  then
    perform understudy.add_copy(p_erasure.id, 'metadata', understudy.metadata_path(v_employee_id));
  end if;
end
$$;
comment on function understudy.cover_shared_keys(public.voice_erasures) is
  'Adds the two keys that are written again and again: the copy of the newest recording, and the metadata, unless they are those of a '
  'voice that stays. The keys belong to the employee and not to one organisation. After a move, the new organisation may be using them.';

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
  v_erasure_id constant uuid := understudy.reopen_erasure(p_erasure);
begin
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
  'Adds a recording that an erasure covers, and that was not known when the erasure was requested. p_storage_path is the key at which a '
  'worker has stored it already, or null.';

create or replace function understudy.cover_late_upload(
  p_recording_sid text,
  p_storage_path text,
  p_erasure public.voice_erasures
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures := p_erasure;
  v_recording public.recordings;
begin
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid;
  if v_erasure.id is null then
    v_erasure := understudy.last_erasure(v_recording.org_id, v_recording.folder);
  end if;
  if v_erasure.id is null then
    select e.* into v_erasure
    from public.voice_erasure_copies c
    join public.voice_erasures e on e.id = c.erasure_id
    where c.kind = 'twilio_recording' and c.reference = p_recording_sid
    order by e.number desc
    limit 1;
  end if;
  if v_erasure.id is null then
    perform understudy.audit(
      v_recording.org_id, v_recording.employee_id, null, 'recording.store', 'erased',
      jsonb_build_object('recording_sid', p_recording_sid)
    );
  else
    perform understudy.cover_late_recording(v_erasure, p_recording_sid, p_storage_path);
  end if;
end
$$;
comment on function understudy.cover_late_upload(text, text, public.voice_erasures) is
  'Adds the object of a recording that a worker has stored and that is erased by now. The object is a copy again, even if an erasure has '
  'already reported its key as erased.';

create or replace function understudy.cover_newest(p_recording public.recordings)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_recording.org_id, p_recording.employee_id);
begin
  if v_last.id is not null then
    perform understudy.add_copy(
      understudy.reopen_erasure(v_last), 'newest_recording', understudy.newest_path(p_recording.employee_id)
    );
  end if;
end
$$;
comment on function understudy.cover_newest(public.recordings) is
  'Adds the copy of the newest recording, because a worker has published a recording that is erased by now, and may die before it removes '
  'the copy.';

create or replace function understudy.cover_metadata(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_voice.org_id, p_voice.employee_id);
begin
  if v_last.id is not null and understudy.has_erased_recording(p_voice) then
    perform understudy.add_copy(understudy.reopen_erasure(v_last), 'metadata', understudy.metadata_path(p_voice.employee_id));
  end if;
end
$$;
comment on function understudy.cover_metadata(public.voices) is
  'Adds the metadata, because a worker has written those of a voice that is erased by now, perhaps on top of the tombstone.';

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
  v_id uuid;
begin
  perform understudy.stop_voices(
    p_org_id, p_employee_id, p_actor_id, case p_reason when 'expired' then 'consent_expired' else 'consent_withdrawn' end
  );
  v_id := understudy.open_erasure(p_org_id, p_employee_id, 'everything', p_reason, p_actor_id, p_asked_at);
  perform understudy.begin_listing(v_id);
  perform understudy.settle_erasure(p_org_id, p_employee_id);
  return v_id;
end
$$;
comment on function understudy.erase(uuid, uuid, text, uuid, timestamptz) is
  'Ends at once everything that the database can end, and begins to list the copies elsewhere. The time that it takes does not depend on '
  'the number of copies. The caller has locked the employee and ended the consent.';

revoke all on all functions in schema understudy from public;
