-- The object {employee_id}.json in the bucket `deep-fakes`: its content, and the workers that are about to write it.

create or replace function understudy.metadata_path(p_employee_id uuid)
returns text
language sql
immutable
set search_path = ''
as $$
  select p_employee_id || '/' || p_employee_id || '.json'
$$;
comment on function understudy.metadata_path(uuid) is 'The key in the bucket `deep-fakes`.';

create or replace function understudy.begin_metadata(p_voice public.voices, p_body jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v
  set metadata_handed_at = clock_timestamp(), metadata_written_at = null
  where v.id = p_voice.id;
  return jsonb_build_object(
    'write_id', understudy.begin_write(understudy.metadata_path(p_voice.employee_id), null, null, p_voice.id),
    'path', understudy.metadata_path(p_voice.employee_id),
    'body', p_body
  );
end
$$;
comment on function understudy.begin_metadata(public.voices, jsonb) is
  'Notes that a worker is about to write an attempt''s metadata, and returns them with their key. The worker then calls metadata_written.';

create or replace function understudy.hand_out_metadata(p_voice public.voices)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_sources jsonb;
begin
  select coalesce(jsonb_agg('recordings/' || r.storage_path order by s.position), '[]')
  into v_sources
  from public.voice_sources s
  join public.recordings r on r.recording_sid = s.recording_sid
  where s.attempt_id = p_voice.id and not s.synthetic;
  return (
    select understudy.begin_metadata(p_voice, jsonb_build_object(
      'employee_id', p_voice.employee_id,
      'employee_name', coalesce(e.full_name, ''),
      'voice_id', p_voice.vendor_voice_id,
      'created_at', to_char(p_voice.ready_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'status', 'ready',
      'source_recording', coalesce(v_sources ->> 0, 'recordings/' || r.storage_path),
      'source_recordings', v_sources,
      'pipeline_version', p_voice.pipeline_version,
      'report', p_voice.report,
      'clone_type', 'ivc',
      'attempt_id', p_voice.id,
      'consent_id', p_voice.consent_id
    ))
    from public.employees e
    join public.recordings r on r.recording_sid = p_voice.recording_sid
    where e.id = p_voice.employee_id
  );
end
$$;
comment on function understudy.hand_out_metadata(public.voices) is
  'The metadata of a current voice, which are to be written to {employee_id}.json.';

create or replace function understudy.is_metadata_behind(p_voice public.voices)
returns boolean
language sql
stable
set search_path = ''
as $$
  select p_voice.state = 'retired' and p_voice.metadata_handed_at is not null and case
    -- A worker that was about to write this voice's metadata may yet do so, on top of those of the current voice.
    when (understudy.current_voice(p_voice.employee_id)).id is not null then p_voice.metadata_written_at is null
    -- This was the last voice, and its metadata still say that it exists. If it is erased, there is a tombstone instead. If an attempt is
    -- under way, it will write its own metadata.
    else (p_voice.metadata_written_at is null or p_voice.metadata_written_at < p_voice.closed_at)
      and not exists (
        select from public.voices v
        where v.employee_id = p_voice.employee_id
          and (
            v.state in ('requested', 'cloning', 'unknown')
            or (v.number > p_voice.number and v.metadata_handed_at is not null)
          )
      )
      and not understudy.has_erased_recording(p_voice)
  end
$$;
comment on function understudy.is_metadata_behind(public.voices) is
  'True if {employee_id}.json may hold the metadata of this voice, which is no longer the current one.';

create or replace function understudy.hand_out_no_metadata(p_voice public.voices)
returns jsonb
language sql
set search_path = ''
as $$
  select understudy.begin_metadata(p_voice, jsonb_build_object(
    'employee_id', p_voice.employee_id, 'voice_id', null, 'status', 'none', 'code', p_voice.code
  ))
$$;
comment on function understudy.hand_out_no_metadata(public.voices) is
  'The metadata that say that there is no voice, which are to be written after the last voice if nothing is erased.';
revoke all on all functions in schema understudy from public;
