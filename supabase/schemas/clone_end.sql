-- The end of an attempt. Its voice becomes the current one or is refused; its metadata are written; voices that must go are deleted.

create or replace function understudy.refuse_voice(p_voice public.voices, p_code text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v
  set state = 'failed', code = p_code, closed_at = clock_timestamp()
  where v.id = p_voice.id and v.state <> 'ready';
  -- Without consent there is no voice. So this also stops the voice that this one was to replace, and this one itself if it is ready.
  if p_code not in ('recording_missing', 'sample_synthetic') then
    perform understudy.stop_voices(p_voice.org_id, p_voice.employee_id, null, p_code);
  end if;
  perform understudy.cover_voices(p_voice.org_id, p_voice.employee_id);
  perform understudy.audit_attempt(p_voice, 'clone.finish', 'refused', jsonb_build_object('code', p_code));
end
$$;
comment on function understudy.refuse_voice(public.voices, text) is
  'Closes an attempt whose voice the vendor has already made. understudy.refuse_attempt is for an attempt that surely has none.';

create or replace function understudy.make_current(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_replaced_id constant uuid := (understudy.current_voice(p_voice.employee_id)).id;
begin
  update public.voices v
  set state = 'retired', code = 'superseded', closed_at = clock_timestamp()
  where v.id = v_replaced_id;
  update public.voices v
  set state = 'ready', ready_at = clock_timestamp(), lease_id = null, lease_until = null
  where v.id = p_voice.id;
  perform understudy.mirror_voice(p_voice.employee_id);
  perform understudy.audit_attempt(
    p_voice, 'clone.finish', 'finished',
    jsonb_build_object('vendor_voice_id', p_voice.vendor_voice_id, 'replaced_attempt_id', v_replaced_id)
  );
end
$$;
comment on function understudy.make_current(public.voices) is
  'Makes the saved voice the employee''s current one, in place of the one before.';

create or replace function understudy.finish_answer(p_voice public.voices)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_current constant public.voices := understudy.current_voice(p_voice.employee_id);
  v_is_behind constant boolean := understudy.is_metadata_behind(p_voice);
  v_delete_voices constant jsonb := understudy.voices_to_delete(p_voice.employee_id);
  v_metadata jsonb;
begin
  -- begin_clone sends a replaced voice here only to repair the metadata: those of the current voice must replace its own, or say that there
  -- is no voice.
  if p_voice.state <> 'ready' and (v_current.id is null or not v_is_behind) then
    return jsonb_build_object('outcome', 'refused', 'code', p_voice.code, 'delete_voices', v_delete_voices)
      || case when v_is_behind then jsonb_build_object('metadata', understudy.hand_out_no_metadata(p_voice)) else '{}' end;
  end if;
  if v_current.metadata_written_at is null or p_voice.state <> 'ready' then
    v_metadata := understudy.hand_out_metadata(v_current);
  end if;
  return jsonb_build_object(
    'outcome', 'finished',
    'voice_id', v_current.vendor_voice_id,
    'metadata', v_metadata,
    'delete_voices', v_delete_voices
  );
end
$$;
comment on function understudy.finish_answer(public.voices) is
  'The work that is left for an attempt that is decided: metadata to write and voices to delete.';

create or replace function public.finish_clone(p_attempt_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_problem text;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if v_voice.id is null or (v_voice.vendor_voice_id is null and v_voice.state <> 'failed') then
    return jsonb_build_object('outcome', 'not_finishable');
  end if;

  if v_voice.state not in ('failed', 'retired') then
    v_problem := understudy.attempt_problem(v_voice);
    if v_problem is not null then
      perform understudy.refuse_voice(v_voice, v_problem);
    elsif v_voice.state <> 'ready' then
      perform understudy.make_current(v_voice);
    end if;
    select * into v_voice from public.voices v where v.id = p_attempt_id;
  end if;
  return understudy.finish_answer(v_voice);
end
$$;
comment on function public.finish_clone(uuid) is
  'Makes the saved voice the current one if consent still is live, and retires the one before. A repeated call gets the same answer, with '
  'metadata until metadata_written was called. refused: the answer has metadata if they must say that there is no voice. Outcomes: '
  'finished, refused, not_finishable.';

create or replace function understudy.note_voice_deleted(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v set vendor_deleted_at = clock_timestamp() where v.id = p_voice.id;
  perform understudy.audit_attempt(
    p_voice, 'voice.delete', 'deleted', jsonb_build_object('vendor_voice_id', p_voice.vendor_voice_id)
  );
  -- An erasure then need not ask the vendor again.
  update public.voice_erasure_copies c
  set state = 'erased', attempts = c.attempts + 1, last_error = null, erased_at = clock_timestamp()
  where c.attempt_id = p_voice.id and c.kind = 'vendor_voice' and c.state in ('pending', 'failed');
  perform understudy.settle_erasure(p_voice.org_id, p_voice.employee_id);
end
$$;

create or replace function public.voice_deleted(p_attempt_id uuid, p_account text default null, p_was_there boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if not coalesce(p_was_there, false) and v_voice.vendor_account <> p_account then
    return understudy.refuse(
      v_voice.org_id, v_voice.employee_id, null, 'voice.delete', 'other_account', jsonb_build_object('attempt_id', p_attempt_id)
    );
  end if;
  if v_voice.state in ('failed', 'retired') and v_voice.vendor_voice_id is not null and v_voice.vendor_deleted_at is null then
    perform understudy.note_voice_deleted(v_voice);
  end if;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.voice_deleted(uuid, text, boolean) is
  'The vendor confirmed that a voice from delete_voices is gone. It is not for a superfluous voice, because the attempt''s own voice may '
  'be current. p_account is the vendor''s account that was asked. p_was_there: true if the voice was seen there just before. '
  'other_account: the voice was made with another account, so its absence from this one proves nothing. Outcomes: recorded, other_account.';

create or replace function understudy.settle_metadata(p_employee_id uuid)
returns void
language sql
set search_path = ''
as $$
  -- The metadata of these voices were written before, and the latest write has replaced them.
  update public.voices v
  set metadata_written_at = clock_timestamp()
  where v.employee_id = p_employee_id
    and v.state = 'retired'
    and v.metadata_handed_at is not null
    and v.metadata_written_at < v.closed_at
$$;

create or replace function public.metadata_written(p_attempt_id uuid, p_write_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_current public.voices;
  v_metadata jsonb;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if v_voice.id is null then
    return jsonb_build_object('outcome', 'current');
  end if;
  update public.voices v set metadata_written_at = clock_timestamp() where v.id = p_attempt_id;
  delete from public.storage_writes w where w.id = p_write_id;
  perform understudy.settle_metadata(v_voice.employee_id);

  v_current := understudy.current_voice(v_voice.employee_id);
  if v_current.id <> p_attempt_id then
    v_metadata := understudy.hand_out_metadata(v_current);
  elsif v_current.id is null then
    perform understudy.cover_metadata(v_voice);
  end if;
  perform understudy.audit_attempt(v_voice, 'metadata.write', case when v_metadata is null then 'current' else 'behind' end);
  if v_metadata is null then
    return jsonb_build_object('outcome', 'current');
  end if;
  return jsonb_build_object('outcome', 'behind', 'attempt_id', v_current.id, 'metadata', v_metadata);
end
$$;
comment on function public.metadata_written(uuid, uuid) is
  'The worker wrote the metadata of this attempt. behind: another voice is current by now, so write the metadata of that voice and call '
  'this again. current: nothing is left to write, also if there is no current voice any more. Outcomes: current, behind.';

revoke all on function
  public.finish_clone(uuid),
  public.voice_deleted(uuid, text, boolean),
  public.metadata_written(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.finish_clone(uuid),
  public.voice_deleted(uuid, text, boolean),
  public.metadata_written(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;
