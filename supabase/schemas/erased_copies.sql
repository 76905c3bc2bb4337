-- The reports of voice-erasure about each copy: it is gone, could not be erased, or is out of our reach.

create or replace function understudy.copy_doubt(p_copy public.voice_erasure_copies, p_account text, p_was_there boolean)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    -- While a recording is still in Storage, a late worker may copy it to that key again.
    when p_copy.kind = 'newest_recording' and exists (
      select
      from public.voice_erasure_copies c
      where c.erasure_id = p_copy.erasure_id and c.kind = 'stored_recording' and c.state in ('pending', 'failed')
    ) then 'too_early'
    when p_copy.kind in ('stored_recording', 'newest_recording', 'metadata') and understudy.landing_wait(p_copy.reference) > 0
      then 'write_under_way'
    when p_was_there then null
    when p_copy.kind = 'vendor_voice' and exists (
      select from public.voices v where v.id = p_copy.attempt_id and v.vendor_account <> p_account
    ) then 'other_account'
    when p_copy.kind = 'twilio_recording' and exists (
      select from public.recordings r where r.recording_sid = p_copy.reference and r.account_sid <> p_account
    ) then 'other_account'
  end;
end
$$;
comment on function understudy.copy_doubt(public.voice_erasure_copies, text, boolean) is
  'The reason why a copy does not count as gone although it was not found, or null. If an account does not have a copy that another '
  'account was given, that proves nothing, unless it had the copy until now.';

create or replace function understudy.note_copy_erased(p_copy public.voice_erasure_copies, p_erasure public.voice_erasures)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_copy.kind = 'vendor_voice' then
    update public.voices v
    set vendor_deleted_at = clock_timestamp()
    where v.id = p_copy.attempt_id and v.state in ('failed', 'retired') and v.vendor_deleted_at is null;
  elsif p_copy.kind in ('stored_recording', 'newest_recording', 'metadata') then
    -- The writes that could have put the object back can no longer land.
    delete from public.storage_writes w
    where w.path = p_copy.reference and w.begun_at < understudy.time_now() - understudy.longest_write();
  end if;
  if p_copy.kind = 'metadata' then
    update public.voices v
    set metadata_written_at = clock_timestamp()
    where v.org_id = p_erasure.org_id
      and v.employee_id = p_erasure.employee_id
      and v.state in ('failed', 'retired')
      and v.metadata_handed_at is not null
      and (v.metadata_written_at is null or v.metadata_written_at < v.closed_at);
    -- The tombstone may have replaced the metadata of a voice that was made with a fresh consent. The sweep has those written again.
    update public.voices v
    set metadata_handed_at = clock_timestamp(), metadata_written_at = null
    where v.employee_id = p_erasure.employee_id and v.state = 'ready';
  end if;
end
$$;

create or replace function public.copy_erased(p_copy_id uuid, p_account text default null, p_was_there boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_copy public.voice_erasure_copies;
  v_erasure public.voice_erasures;
  v_doubt text;
begin
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id;
  if v_copy.id is null then
    return jsonb_build_object('outcome', 'copy_unknown');
  end if;
  v_erasure := understudy.lock_erasure(v_copy.erasure_id);
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id for update;

  if v_copy.state in ('pending', 'failed') then
    v_doubt := understudy.copy_doubt(v_copy, p_account, p_was_there);
    update public.voice_erasure_copies c
    set attempts = c.attempts + 1,
        state = case when v_doubt is null then 'erased' when v_doubt = 'other_account' then 'failed' else 'pending' end,
        erased_at = case when v_doubt is null then clock_timestamp() end,
        last_error = v_doubt
    where c.id = p_copy_id;
    if v_doubt is null then
      perform understudy.note_copy_erased(v_copy, v_erasure);
    end if;
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.copy', coalesce(v_doubt, 'erased'),
      jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', p_copy_id, 'kind', v_copy.kind)
    );
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
  end if;

  return jsonb_build_object('outcome', coalesce(v_doubt, 'erased'))
    || case v_copy.kind
      when 'newest_recording' then jsonb_build_object('newest', (
        select understudy.begin_publishing(e.org_id, e.id) from public.employees e where e.id = v_erasure.employee_id
      ))
      else '{}'
    end;
end
$$;
comment on function public.copy_erased(uuid, text, boolean) is
  'The copy is gone, as its holder has confirmed. The last copy ends the erasure. p_account is the vendor''s account that was asked. '
  'p_was_there: true if the copy was seen there just before. For newest_recording, the answer''s `newest`, if it is not null, is to be '
  'published again. erased: also the answer for a copy that was reported before, or is kept elsewhere. too_early, write_under_way, '
  'other_account: the report is not believed, and the copy is offered again. too_early: a stored recording could still be copied there '
  'again. Outcomes: erased, copy_unknown, too_early, write_under_way, other_account.';

create or replace function understudy.note_copy(p_copy_id uuid, p_state text, p_code text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_copy public.voice_erasure_copies;
  v_erasure public.voice_erasures;
begin
  if p_code is null then
    raise exception 'a copy that was not erased has a code';
  end if;
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id;
  if v_copy.id is null then
    return jsonb_build_object('outcome', 'copy_unknown');
  end if;
  v_erasure := understudy.lock_erasure(v_copy.erasure_id);
  update public.voice_erasure_copies c
  set attempts = c.attempts + 1, state = p_state, last_error = p_code
  where c.id = p_copy_id and c.state in ('pending', 'failed');
  if found then
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.copy', p_state,
      jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', p_copy_id, 'kind', v_copy.kind, 'code', p_code)
    );
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
  end if;
  return jsonb_build_object('outcome', 'recorded');
end
$$;

create or replace function public.copy_failed(p_copy_id uuid, p_code text)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select understudy.note_copy(p_copy_id, 'failed', p_code)
$$;
comment on function public.copy_failed(uuid, text) is
  'A try has failed. The copy is offered again; one that another worker has erased stays erased. Outcomes: recorded, copy_unknown.';

create or replace function public.copy_kept_elsewhere(p_copy_id uuid, p_code text)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select understudy.note_copy(p_copy_id, 'kept_elsewhere', p_code)
$$;
comment on function public.copy_kept_elsewhere(uuid, text) is
  'The rest of the copy is out of our reach, such as audio in the customer''s own bucket. It is never called erased. Outcomes: recorded, '
  'copy_unknown.';

revoke all on function
  public.copy_erased(uuid, text, boolean),
  public.copy_failed(uuid, text),
  public.copy_kept_elsewhere(uuid, text)
from public, anon, authenticated;
grant execute on function
  public.copy_erased(uuid, text, boolean),
  public.copy_failed(uuid, text),
  public.copy_kept_elsewhere(uuid, text)
to service_role;
revoke all on all functions in schema understudy from public;
