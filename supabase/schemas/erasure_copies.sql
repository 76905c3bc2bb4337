-- The list of an erasure's copies, made in batches. All of these functions need the employee to be locked.

create or replace function understudy.erase_recordings(p_erasure public.voice_erasures, p_recordings public.recordings[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Calls are locked before recordings, in the same order as by a worker that stores a recording.
  update public.calls c
  set recording_url = null
  from unnest(p_recordings) r
  where c.id = r.call_id and c.recording_url = 'recordings/' || r.storage_path;
  update public.recordings r
  set erased_at = clock_timestamp()
  where r.recording_sid in (select e.recording_sid from unnest(p_recordings) e) and r.erased_at is null;

  insert into public.voice_erasure_copies as c (erasure_id, kind, reference)
  select p_erasure.id, 'stored_recording', r.storage_path from unnest(p_recordings) r
  on conflict (erasure_id, kind, reference) do update set state = 'pending', erased_at = null where c.state = 'erased';
  insert into public.voice_erasure_copies (erasure_id, kind, reference, state, last_error)
  select p_erasure.id, 'twilio_recording', r.recording_sid, copy.state, copy.last_error
  from unnest(p_recordings) r
  cross join lateral (
    select
      case when r.deployment_id = understudy.deployment_id() then 'pending' else 'kept_elsewhere' end as state,
      case when r.deployment_id <> understudy.deployment_id() then 'other_deployment' end as last_error
  ) as copy
  on conflict do nothing;
end
$$;
comment on function understudy.erase_recordings(public.voice_erasures, public.recordings[]) is
  'Makes tombstones of recordings, and adds their copies in Storage and at Twilio.';

create or replace function understudy.recordings_to_list(p_erasure public.voice_erasures, p_limit int)
returns setof public.recordings
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_erasure.scope = 'everything' then
    -- No recording that this erasure covers is stored after the request, so this finds all of them.
    return query
      select *
      from public.recordings r
      where r.folder = p_erasure.employee_id
        and r.org_id = p_erasure.org_id
        and r.erased_at is null
        and r.stored_at <= p_erasure.known_until
      order by r.stored_at
      limit p_limit;
  else
    return query
      select *
      from public.recordings r
      where r.folder = p_erasure.employee_id
        and r.org_id = p_erasure.org_id
        and r.erased_at is null
        and r.started_at <= p_erasure.covers_until - interval '1 second'
      order by r.started_at
      limit p_limit;
  end if;
end
$$;

create or replace function understudy.list_recordings(p_erasure public.voice_erasures, p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_recordings public.recordings[];
begin
  select array_agg(r) into v_recordings from understudy.recordings_to_list(p_erasure, p_limit) r;
  if v_recordings is null then
    return 0;
  end if;
  perform understudy.erase_recordings(p_erasure, v_recordings);
  if p_erasure.scope = 'everything' then
    insert into public.voice_erasure_copies (erasure_id, kind, reference)
    select distinct p_erasure.id, 'twilio_call', r.call_sid from unnest(v_recordings) r
    on conflict do nothing;
  end if;
  return cardinality(v_recordings);
end
$$;
comment on function understudy.list_recordings(public.voice_erasures, int) is
  'Lists the next recordings of the employee that the erasure covers and that are not listed yet. Returns their number.';

create or replace function understudy.list_begun_uploads(p_erasure public.voice_erasures, p_call_sids text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.voice_erasure_copies as c (erasure_id, kind, reference)
  select distinct p_erasure.id, copy.kind, copy.reference
  from public.storage_writes w
  cross join lateral (
    values ('stored_recording', w.path), ('twilio_recording', w.recording_sid)
  ) as copy (kind, reference)
  where w.call_sid = any (p_call_sids)
    and not exists (
      select from public.recordings r where r.recording_sid = w.recording_sid and not understudy.is_erased(r)
    )
  on conflict (erasure_id, kind, reference) do update
  set state = 'pending', erased_at = null
  where c.state = 'erased' and c.kind = 'stored_recording';
end
$$;
comment on function understudy.list_begun_uploads(public.voice_erasures, text[]) is
  'Adds the recordings of these calls that a worker may have put into Storage, or may yet put there, without having recorded them.';

create or replace function understudy.list_calls(p_erasure public.voice_erasures, p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_calls public.calls[];
  v_call_sids text[];
  v_nobodys public.recordings[];
begin
  select array_agg(batch.c order by (batch.c).id) into v_calls
  from (
    select c
    from public.calls c
    where c.employee_id = p_erasure.employee_id
      and c.id > coalesce(p_erasure.listed_to_call, '00000000-0000-0000-0000-000000000000')
    order by c.id
    limit p_limit
  ) as batch;
  if v_calls is null then
    return 0;
  end if;
  select array_agg(distinct c.twilio_call_sid) into v_call_sids
  from unnest(v_calls) c
  where c.org_id = p_erasure.org_id and c.twilio_call_sid <> '' and c.known_since <= p_erasure.known_until;

  -- A recording of a call that had no employee when it was stored, but now has this one, is also covered.
  select array_agg(r) into v_nobodys
  from unnest(v_calls) c
  join public.recordings r on r.call_id = c.id
  where r.org_id = p_erasure.org_id and r.employee_id is null and r.erased_at is null and c.twilio_call_sid = any (v_call_sids);
  perform understudy.erase_recordings(p_erasure, v_nobodys);
  perform understudy.list_begun_uploads(p_erasure, v_call_sids);
  -- Such recordings are only at Twilio, which is asked for all that it has of these calls.
  delete from public.oversized_recordings o where o.call_sid = any (v_call_sids);
  insert into public.voice_erasure_copies (erasure_id, kind, reference)
  select p_erasure.id, 'twilio_call', call_sid from unnest(v_call_sids) as call_sid
  on conflict do nothing;
  update public.voice_erasures e set listed_to_call = v_calls[cardinality(v_calls)].id where e.id = p_erasure.id;
  return cardinality(v_calls);
end
$$;
comment on function understudy.list_calls(public.voice_erasures, int) is
  'Lists the employee''s next calls, because Twilio may have recordings of them that we never stored. Returns the number of calls that it '
  'looked at.';

create or replace function understudy.list_voices(p_erasure public.voice_erasures)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  for v_voice in
    select v.*
    from public.voices v
    where v.org_id = p_erasure.org_id
      and v.employee_id = p_erasure.employee_id
      and v.state in ('failed', 'retired')
      and v.vendor_voice_id is not null
    order by v.number desc
    limit 200
  loop
    perform understudy.cover_voice(p_erasure.id, v_voice, true);
  end loop;
end
$$;
comment on function understudy.list_voices(public.voice_erasures) is
  'Adds every voice that the employee had, even if it is gone: the vendor may keep speech that was made with it.';

create or replace function understudy.list_copies(p_erasure_id uuid, p_limit int)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
  v_recordings integer;
  v_calls integer := 0;
begin
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  if v_erasure.listed_at is not null then
    return;
  end if;
  v_recordings := understudy.list_recordings(v_erasure, p_limit);
  if v_erasure.scope = 'everything' then
    v_calls := understudy.list_calls(v_erasure, p_limit);
  end if;
  if v_recordings < p_limit and v_calls < p_limit then
    update public.voice_erasures e set listed_at = clock_timestamp() where e.id = p_erasure_id;
  end if;
end
$$;
comment on function understudy.list_copies(uuid, int) is
  'Lists the next batch, of at most p_limit recordings and p_limit calls. The last batch sets listed_at.';

create or replace function understudy.begin_listing(p_erasure_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  perform understudy.cover_shared_keys(v_erasure);
  if v_erasure.scope = 'everything' then
    perform understudy.list_voices(v_erasure);
  end if;
  perform understudy.list_copies(p_erasure_id, 100);
  perform understudy.clear_reports(v_erasure.org_id, v_erasure.employee_id);
end
$$;
comment on function understudy.begin_listing(uuid) is
  'Begins the list together with the request: it adds the copies of which there is one each, and a first batch of those of which there '
  'may be many. begin_erasure lists the rest.';

revoke all on all functions in schema understudy from public;
