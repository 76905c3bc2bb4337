-- The functions of voice-erasure: it takes an erasure up, gets the copies, reports those that it found, and repeats this until the answer
-- is erased.

create or replace function understudy.lock_erasure(p_erasure_id uuid)
returns public.voice_erasures
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  perform understudy.lock_employee(v_erasure.employee_id);
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  return v_erasure;
end
$$;
comment on function understudy.lock_erasure(uuid) is
  'Locks the erasure''s employee, and returns the erasure as it then is; nulls if there is none.';

create or replace function understudy.write_wait(p_write public.storage_writes)
returns integer
language sql
stable
set search_path = ''
as $$
  select case
    when p_write.recording_sid is not null and not understudy.is_erased(p_write.recording_sid) then 0
    when exists (select from public.voices v where v.id = p_write.attempt_id and v.state = 'ready') then 0
    else greatest(0, ceil(extract(epoch from p_write.begun_at + understudy.longest_write() - clock_timestamp())))::integer
  end
$$;
comment on function understudy.write_wait(public.storage_writes) is
  'The number of seconds for which a write of something erased may still land; 0 if what it writes is not erased.';

create or replace function understudy.landing_wait(p_path text)
returns integer
language sql
stable
set search_path = ''
as $$
  select coalesce(max(understudy.write_wait(w)), 0) from public.storage_writes w where w.path = p_path
$$;

create or replace function understudy.may_be_tried(p_copy public.voice_erasure_copies)
returns boolean
language sql
stable
set search_path = ''
as $$
  select case
    -- The first try comes at once, so that the object is not there while we wait. The next one comes when no write can land there any more.
    when p_copy.kind in ('stored_recording', 'newest_recording', 'metadata')
      then p_copy.attempts = 0 or understudy.landing_wait(p_copy.reference) = 0
    -- The speech made with a voice is listed before the voice is deleted. If the list fails again and again, it does not keep the voice.
    when p_copy.kind = 'vendor_voice' then not exists (
      select
      from public.voice_erasure_copies h
      where h.erasure_id = p_copy.erasure_id
        and h.kind = 'vendor_history'
        and h.reference = p_copy.reference
        and h.state in ('pending', 'failed')
        and h.attempts < 3
    )
    else true
  end
$$;

create or replace function understudy.tombstone(p_erasure public.voice_erasures)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'employee_id', p_erasure.employee_id,
    'voice_id', null,
    'status', 'erased',
    'erasure_id', p_erasure.id,
    'reason', p_erasure.reason,
    'requested_at', to_char(p_erasure.requested_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  )
$$;
comment on function understudy.tombstone(public.voice_erasures) is
  'The content of {employee_id}.json for an employee of whom everything is erased.';

create or replace function understudy.copies_to_erase(p_erasure public.voice_erasures, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'copy_id', offered.id,
        'kind', offered.kind,
        'reference', case offered.kind
          when 'metadata' then jsonb_build_object('path', offered.reference, 'body', understudy.tombstone(p_erasure))
          else to_jsonb(offered.reference)
        end
      )
      order by kinds.position, offered.attempts, offered.number
    ),
    '[]'
  )
  from unnest(array[
    'vendor_history', 'vendor_speech', 'vendor_voice', 'stored_recording', 'newest_recording', 'metadata', 'twilio_recording', 'twilio_call'
  ]) with ordinality as kinds (kind, position)
  cross join lateral (
    select c.id, c.kind, c.reference, c.attempts, c.number
    from public.voice_erasure_copies c
    where c.erasure_id = p_erasure.id
      and c.kind = kinds.kind
      and c.state in ('pending', 'failed')
      and understudy.may_be_tried(c)
    order by c.attempts, c.number
    limit p_limit
  ) as offered
$$;
comment on function understudy.copies_to_erase(public.voice_erasures, int) is
  'At most p_limit copies of each kind, the least tried first, so that a copy that fails again and again holds up no other. A recording '
  'in Storage comes before the copy of the newest one, because otherwise a late worker could copy it again. Copies that are known come '
  'before those that have to be looked for.';

create or replace function understudy.erasure_blocked(p_erasure public.voice_erasures)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(b.blocked), '[]')
  from (
    select jsonb_build_object(
      'kind', 'vendor_voice',
      'attempt_id', v.id,
      'wait_seconds', greatest(0, ceil(extract(epoch from v.lease_until + understudy.lease_grace() - clock_timestamp())))::integer
    ) as blocked
    from understudy.unresolved_attempts(p_erasure.org_id, p_erasure.employee_id) v
    union all
    -- The join goes from the writes to the copies, because there may be very many copies.
    select jsonb_build_object('kind', c.kind, 'wait_seconds', understudy.landing_wait(w.path))
    from (
      select distinct w.path
      from public.storage_writes w
      where w.folder = p_erasure.employee_id and w.begun_at > understudy.time_now() - understudy.longest_write()
    ) w
    cross join unnest(array['stored_recording', 'newest_recording', 'metadata']) as kinds (kind)
    join public.voice_erasure_copies c
      on c.erasure_id = p_erasure.id and c.kind = kinds.kind and c.reference = w.path and c.state in ('pending', 'failed')
    where understudy.landing_wait(w.path) > 0
  ) as b
$$;
comment on function understudy.erasure_blocked(public.voice_erasures) is
  'The copies that cannot be known to be gone before a certain time: the voice of an attempt, or an object that a write may yet put back.';

create or replace function public.begin_erasure(p_erasure_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
  v_blocked jsonb;
begin
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  if v_erasure.erased_at is null then
    update public.voice_erasures e set begun_at = clock_timestamp() where e.id = p_erasure_id;
    perform understudy.list_copies(p_erasure_id, 500);
    perform understudy.cover_voices(v_erasure.org_id, v_erasure.employee_id);
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
    select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  end if;
  if v_erasure.erased_at is not null then
    return jsonb_build_object('outcome', 'erased');
  end if;

  v_blocked := understudy.erasure_blocked(v_erasure);
  return jsonb_build_object(
    'outcome', 'erase',
    'is_listed', v_erasure.listed_at is not null,
    'copies', understudy.copies_to_erase(v_erasure, 50),
    'blocked', v_blocked,
    'wait_seconds', (select max((b ->> 'wait_seconds')::integer) from jsonb_array_elements(v_blocked) b)
  );
end
$$;
comment on function public.begin_erasure(uuid) is
  'Lists the next copies that the database knows, and hands out some of those that are left, at most 50 of a kind, in the order in which '
  'they are to be erased. A copy of the kind metadata comes with the key and the tombstone to write there. is_listed: true if all that '
  'the database knows is listed. blocked: the copies that are not gone for sure before their wait_seconds are over; an attempt there '
  'whose own wait is 0 needs a message to clone-worker. Two simultaneous workers do the same work twice, which does no harm. Outcomes: '
  'erase, erased, erasure_unknown.';

create or replace function understudy.add_found_copy(
  p_erasure public.voice_erasures,
  p_kind text,
  p_reference text
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_recording public.recordings;
  v_copy_id uuid;
begin
  if p_kind = 'twilio_recording' then
    -- A recording that came after the erasure, or that belongs to another employee, is not touched, whichever list names it.
    select * into v_recording from public.recordings r where r.recording_sid = p_reference;
    if v_recording.recording_sid is not null and (
      v_recording.org_id <> p_erasure.org_id
      or coalesce(v_recording.employee_id, p_erasure.employee_id) <> p_erasure.employee_id
      or not understudy.is_erased(v_recording)
    ) then
      return null;
    end if;
  elsif p_kind is distinct from 'vendor_speech' then
    raise exception 'only recordings at Twilio and speech at the vendor are found';
  end if;

  v_copy_id := understudy.add_copy(p_erasure.id, p_kind, p_reference);
  perform understudy.audit(
    p_erasure.org_id, p_erasure.employee_id, null, 'erasure.extend', 'added',
    jsonb_build_object('erasure_id', p_erasure.id, 'copy_id', v_copy_id, 'kind', p_kind)
  );
  return v_copy_id;
end
$$;

create or replace function public.add_erasure_copies(p_erasure_id uuid, p_kind text, p_references text[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  if cardinality(p_references) > 1000 then
    raise exception 'at most 1000 copies at once';
  end if;
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  if v_erasure.erased_at is not null then
    v_erasure.id := understudy.reopen_erasure(v_erasure);
  end if;
  return jsonb_build_object('outcome', 'added', 'added', (
    select count(understudy.add_found_copy(v_erasure, p_kind, f.reference))
    from (select distinct f as reference from unnest(p_references) f order by 1) f
  ));
end
$$;
comment on function public.add_erasure_copies(uuid, text, text[]) is
  'Adds copies that were not known, at most 1000: recordings that Twilio has and we never stored (twilio_recording), whose RecordingSids '
  'become tombstones; and speech that the vendor has of a voice (vendor_speech). A copy that is not part of this erasure is left out. The '
  'answer''s `added` is the number of those that were added. Outcomes: added, erasure_unknown.';

revoke all on function
  public.begin_erasure(uuid),
  public.add_erasure_copies(uuid, text, text[])
from public, anon, authenticated;
grant execute on function
  public.begin_erasure(uuid),
  public.add_erasure_copies(uuid, text, text[])
to service_role;
revoke all on all functions in schema understudy from public;
