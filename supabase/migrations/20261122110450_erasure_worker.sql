-- What voice-erasure calls: the calls, the copies, and again until it is told erased.

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
comment on function understudy.lock_erasure(uuid) is 'The erasure as it is once its employee is locked; nulls when there is none.';

create or replace function public.erasure_calls(p_erasure_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform 1 from public.voice_erasures e where e.id = p_erasure_id;
  if not found then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  return jsonb_build_object(
    'outcome', 'calls',
    'call_sids', (
      select coalesce(jsonb_agg(c.call_sid order by c.call_sid), '[]')
      from public.voice_erasure_calls c
      where c.erasure_id = p_erasure_id and c.listed_at is null
    )
  );
end
$$;
comment on function public.erasure_calls(uuid) is
  'The calls of which Twilio has yet to be asked for recordings. Outcomes: calls, erasure_unknown.';

create or replace function public.add_erasure_copy(p_erasure_id uuid, p_kind text, p_reference text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
  v_recording public.recordings;
  v_voice public.voices;
  v_not_theirs boolean;
  v_copy_id uuid;
begin
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;

  -- Whatever came after the erasure, or is somebody else's, is not touched, whoever names it.
  if p_kind in ('twilio_recording', 'stored_recording') then
    select * into v_recording
    from public.recordings r
    where case p_kind when 'twilio_recording' then r.recording_sid else r.storage_path end = p_reference
    for update;
    v_not_theirs := v_recording.recording_sid is not null and (
      v_recording.org_id <> v_erasure.org_id
      or coalesce(v_recording.employee_id, v_erasure.employee_id) <> v_erasure.employee_id
      or (v_recording.erased_at is null and v_recording.started_at > v_erasure.covers_until and not exists (
        select 1
        from public.voice_erasure_calls c
        where c.erasure_id = v_erasure.id and c.call_sid = v_recording.call_sid
      ))
    );
  elsif p_kind = 'vendor_voice' then
    select * into v_voice from public.voices v where v.vendor_voice_id = p_reference;
    v_not_theirs := v_voice.id is not null and (
      v_voice.org_id <> v_erasure.org_id
      or v_voice.employee_id <> v_erasure.employee_id
      or v_voice.state not in ('failed', 'retired')
    );
  else
    v_not_theirs := p_reference not like v_erasure.employee_id || '/%';
  end if;
  if v_not_theirs then
    return jsonb_build_object('outcome', 'added', 'copy_id', null);
  end if;

  if v_erasure.erased_at is not null then
    v_erasure.id := understudy.open_erasure(
      v_erasure.org_id, v_erasure.employee_id, v_erasure.reason, null, v_erasure.covers_until
    );
  end if;
  v_copy_id := understudy.add_copy(v_erasure.id, p_kind, p_reference, v_voice.id);
  if v_recording.erased_at is null and v_recording.recording_sid is not null then
    update public.recordings r set erased_at = clock_timestamp() where r.recording_sid = v_recording.recording_sid;
    perform understudy.stop_voices(
      v_erasure.org_id, v_erasure.employee_id, null, 'recording_missing', v_recording.recording_sid
    );
    perform understudy.add_copy(v_erasure.id, 'stored_recording', v_recording.storage_path);
    perform understudy.add_copy(v_erasure.id, 'twilio_recording', v_recording.recording_sid);
    perform understudy.cover_shared_keys(v_erasure.id, v_erasure.org_id, v_erasure.employee_id);
    perform understudy.cover_voices(v_erasure.org_id, v_erasure.employee_id);
    perform understudy.clear_reports(v_erasure.org_id, v_erasure.employee_id);
  end if;
  perform understudy.audit(
    v_erasure.org_id, v_erasure.employee_id, null, 'erasure.extend', 'added',
    jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', v_copy_id, 'kind', p_kind)
  );
  return jsonb_build_object('outcome', 'added', 'copy_id', v_copy_id);
end
$$;
comment on function public.add_erasure_copy(uuid, text, text) is
  'A copy that we did not know of, e.g. a recording that Twilio has and we never stored; its RecordingSid is a tombstone from now on. '
  'copy_id null: not part of this erasure, leave it. Outcomes: added, erasure_unknown.';

create or replace function public.erasure_call_listed(p_erasure_id uuid, p_call_sid text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  update public.voice_erasure_calls c
  set listed_at = clock_timestamp()
  where c.erasure_id = p_erasure_id and c.call_sid = p_call_sid and c.listed_at is null;
  if found then
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.list', 'listed',
      jsonb_build_object('erasure_id', p_erasure_id, 'call_sid', p_call_sid)
    );
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
  end if;
  return jsonb_build_object('outcome', 'recorded', 'remaining', understudy.erasure_remaining(v_erasure));
end
$$;
comment on function public.erasure_call_listed(uuid, text) is
  'Everything that Twilio has of this call is among the copies now. Outcomes: recorded, erasure_unknown.';

create or replace function public.begin_erasure(p_erasure_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
  v_blocked jsonb;
  v_metadata_wait integer;
begin
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  if v_erasure.erased_at is null then
    update public.voice_erasures e set begun_at = clock_timestamp() where e.id = p_erasure_id;
    perform understudy.cover_voices(v_erasure.org_id, v_erasure.employee_id);
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
    select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  end if;
  if v_erasure.erased_at is not null then
    return jsonb_build_object('outcome', 'erased');
  end if;

  -- Lambda ends a function after 15 minutes at most: who was given the metadata before that cannot write it any more.
  select ceil(extract(epoch from max(v.metadata_handed_at) + interval '15 minutes' - clock_timestamp()))::integer
  into v_metadata_wait
  from public.voices v
  where v.org_id = v_erasure.org_id
    and v.employee_id = v_erasure.employee_id
    and v.metadata_handed_at is not null
    and v.metadata_written_at is null
    and understudy.has_erased_recording(v);
  select coalesce(jsonb_agg(b.blocked), '[]') into v_blocked
  from (
    select jsonb_build_object(
      'kind', 'vendor_voice',
      'attempt_id', v.id,
      'wait_seconds', greatest(0, ceil(extract(epoch from v.lease_until + understudy.lease_grace() - clock_timestamp())))::integer
    ) as blocked
    from understudy.unresolved_attempts(v_erasure.org_id, v_erasure.employee_id) v
    union all
    select jsonb_build_object('kind', 'metadata', 'wait_seconds', v_metadata_wait)
    from public.voice_erasure_copies c
    where c.erasure_id = p_erasure_id and c.kind = 'metadata' and c.state <> 'erased' and v_metadata_wait > 0
  ) as b;

  return jsonb_build_object(
    'outcome', 'erase',
    'employee_id', v_erasure.employee_id,
    -- A recording in Storage before the copy of it that is called the newest, or a late worker could copy it again.
    'copies', (
      select coalesce(
        jsonb_agg(
          jsonb_build_object('copy_id', c.id, 'kind', c.kind, 'reference', c.reference)
          order by
            array_position(
              array['vendor_voice', 'stored_recording', 'newest_recording', 'twilio_recording', 'metadata'], c.kind
            ),
            c.number
        ),
        '[]'
      )
      from public.voice_erasure_copies c
      where c.erasure_id = p_erasure_id
        and c.state <> 'erased'
        and (c.kind <> 'metadata' or coalesce(v_metadata_wait, 0) <= 0)
    ),
    'blocked', v_blocked,
    'tombstone', jsonb_build_object(
      'employee_id', v_erasure.employee_id,
      'voice_id', null,
      'status', 'erased',
      'erasure_id', v_erasure.id,
      'reason', v_erasure.reason,
      'requested_at', to_char(v_erasure.requested_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    )
  )
  || case
    when v_blocked = '[]' then '{}'
    else jsonb_build_object('wait_seconds', (select max((b ->> 'wait_seconds')::integer) from jsonb_array_elements(v_blocked) b))
  end;
end
$$;
comment on function public.begin_erasure(uuid) is
  'What is left to erase, in the order in which to do it. blocked: what cannot be done before wait_seconds are over; an attempt there whose '
  'own wait is 0 needs a message to clone-worker. Two workers at once do the same twice, which does no harm. '
  'Outcomes: erase, erased, erasure_unknown.';

create or replace function public.copy_erased(p_copy_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_copy public.voice_erasure_copies;
  v_erasure public.voice_erasures;
  v_believed boolean;
begin
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id;
  if v_copy.id is null then
    return jsonb_build_object('outcome', 'copy_unknown');
  end if;
  v_erasure := understudy.lock_erasure(v_copy.erasure_id);
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id for update;

  if v_copy.state <> 'erased' then
    -- While a recording still is in Storage, a late worker may copy it to that key again.
    v_believed := v_copy.kind <> 'newest_recording' or not exists (
      select 1
      from public.voice_erasure_copies c
      where c.erasure_id = v_copy.erasure_id and c.kind = 'stored_recording' and c.state <> 'erased'
    );
    update public.voice_erasure_copies c
    set attempts = c.attempts + 1,
        state = case when v_believed then 'erased' else 'pending' end,
        erased_at = case when v_believed then clock_timestamp() end,
        last_error = null
    where c.id = p_copy_id;

    if v_copy.kind = 'vendor_voice' then
      update public.voices v
      set vendor_deleted_at = clock_timestamp()
      where v.id = v_copy.attempt_id and v.state in ('failed', 'retired') and v.vendor_deleted_at is null;
    elsif v_copy.kind = 'metadata' then
      update public.voices v
      set metadata_written_at = clock_timestamp()
      where v.org_id = v_erasure.org_id
        and v.employee_id = v_erasure.employee_id
        and v.state in ('failed', 'retired')
        and v.metadata_handed_at is not null
        and v.metadata_written_at is null;
      -- The tombstone may have come on top of the metadata of a voice that was made with a fresh consent: the sweep has that written again.
      update public.voices v
      set metadata_handed_at = clock_timestamp(), metadata_written_at = null
      where v.employee_id = v_erasure.employee_id and v.state = 'ready';
    end if;
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.copy', case when v_believed then 'erased' else 'too_early' end,
      jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', p_copy_id, 'kind', v_copy.kind)
    );
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
  end if;

  return jsonb_build_object('outcome', 'recorded', 'remaining', understudy.erasure_remaining(v_erasure))
    || case v_copy.kind
      when 'newest_recording' then jsonb_build_object('newest', (
        select understudy.newest_json(e.org_id, e.id) from public.employees e where e.id = v_erasure.employee_id
      ))
      else '{}'
    end;
end
$$;
comment on function public.copy_erased(uuid) is
  'The copy is gone, and whoever held it said so. The last one ends the erasure. newest_recording: counts only after every stored_recording; '
  'newest, if not null, is to be copied there again. Outcomes: recorded, copy_unknown.';

create or replace function public.copy_failed(p_copy_id uuid, p_code text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_copy public.voice_erasure_copies;
  v_erasure public.voice_erasures;
begin
  if p_code is null then
    raise exception 'a failure has a code';
  end if;
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id;
  if v_copy.id is null then
    return jsonb_build_object('outcome', 'copy_unknown');
  end if;
  v_erasure := understudy.lock_erasure(v_copy.erasure_id);
  update public.voice_erasure_copies c
  set attempts = c.attempts + 1, state = 'failed', last_error = p_code
  where c.id = p_copy_id and c.state <> 'erased';
  if found then
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.copy', 'failed',
      jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', p_copy_id, 'kind', v_copy.kind, 'code', p_code)
    );
  end if;
  return jsonb_build_object('outcome', 'recorded', 'remaining', understudy.erasure_remaining(v_erasure));
end
$$;
comment on function public.copy_failed(uuid, text) is
  'A try did not work. The copy is offered again; one that another worker has erased stays so. Outcomes: recorded, copy_unknown.';

revoke all on function
  public.erasure_calls(uuid),
  public.add_erasure_copy(uuid, text, text),
  public.erasure_call_listed(uuid, text),
  public.begin_erasure(uuid),
  public.copy_erased(uuid),
  public.copy_failed(uuid, text)
from public, anon, authenticated;
grant execute on function
  public.erasure_calls(uuid),
  public.add_erasure_copy(uuid, text, text),
  public.erasure_call_listed(uuid, text),
  public.begin_erasure(uuid),
  public.copy_erased(uuid),
  public.copy_failed(uuid, text)
to service_role;
revoke all on all functions in schema understudy from public;
