-- The sample: its recordings and the version of its code, as the worker states them before it sends the sample, and as the next request
-- compares them.

create or replace function understudy.is_made_from_the_same(
  p_voice public.voices,
  p_usual_channel smallint,
  p_pipeline_version int
)
returns boolean
language sql
stable
set search_path = ''
as $$
  with live as (
    select
      r.recording_sid,
      row_number() over (order by r.started_at desc, r.recording_sid desc) as position,
      coalesce(understudy.employee_channel(r), p_usual_channel) as channel
    from understudy.newest_recordings(p_voice.org_id, p_voice.employee_id) r
    where not understudy.is_synthetic(r)
  ),
  -- A recording that was passed over because a cloned voice spoke in it would be passed over again.
  sources as (
    select s.recording_sid, row_number() over (order by s.position) as position, s.channel
    from public.voice_sources s
    where s.attempt_id = p_voice.id and not s.synthetic
  )
  select coalesce(
    p_voice.pipeline_version = p_pipeline_version
      and not exists (
        select
        from sources s
        left join live l on l.position = s.position
        where l.recording_sid is distinct from s.recording_sid
          or (s.channel is not null and s.channel is distinct from l.channel)
      )
      -- A sample that was short of speech would have used the next older recording if there had been one.
      and (
        (p_voice.report ->> 'speech_seconds')::numeric >= 60
        or (select count(*) from live) = (select count(*) from sources)
      ),
    false
  )
$$;
comment on function understudy.is_made_from_the_same(public.voices, smallint, int) is
  'True if a sample made now would be the one that this voice was made from: it has the same version, the same recordings, and the same '
  'channel of each. p_usual_channel counts for a call that states no channel of its own.';

create or replace function understudy.replace_sources(p_voice public.voices, p_sources jsonb)
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  v_sids text[];
begin
  delete from public.voice_sources s where s.attempt_id = p_voice.id;
  with added as (
    insert into public.voice_sources (attempt_id, position, recording_sid, channel, synthetic)
    select p_voice.id, s.position, s.recording_sid, s.channel, coalesce(s.synthetic, false)
    from rows from (
      jsonb_to_recordset(p_sources) as (recording_sid text, channel smallint, synthetic boolean)
    ) with ordinality as s (recording_sid, channel, synthetic, position)
    returning position, recording_sid
  )
  select array_agg(a.recording_sid order by a.position) into v_sids from added a;
  if v_sids is null or v_sids is distinct from (
    select array_agg(r.recording_sid::text order by r.started_at desc, r.recording_sid desc)
    from public.recordings r
    where r.recording_sid = any (v_sids) and r.org_id = p_voice.org_id and r.employee_id = p_voice.employee_id
  ) then
    raise exception 'a sample is made from recordings of the employee, newest first';
  end if;
  return v_sids;
end
$$;
comment on function understudy.replace_sources(public.voices, jsonb) is
  'Replaces the recordings that the attempt''s sample is made from, and returns their RecordingSids.';

create or replace function understudy.retire_replaced(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_replaced_id uuid;
begin
  update public.voices v
  set state = 'retired', code = 'replaced', closed_at = clock_timestamp()
  where v.employee_id = p_voice.employee_id and v.state = 'ready'
  returning v.id into v_replaced_id;
  perform understudy.mirror_voice(p_voice.employee_id);
  if v_replaced_id is not null then
    perform understudy.audit_attempt(
      p_voice, 'voice.stop', 'retired',
      jsonb_build_object('attempt_id', v_replaced_id, 'code', 'replaced', 'replacing_attempt_id', p_voice.id)
    );
  end if;
end
$$;
comment on function understudy.retire_replaced(public.voices) is 'Retires the current voice before the attempt''s voice is made.';

create or replace function understudy.sample_problem(p_voice public.voices)
returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(
    understudy.attempt_problem(p_voice),
    case when p_voice.uploads >= understudy.most_uploads() then 'clone_failed' end
  )
$$;
comment on function understudy.sample_problem(public.voices) is
  'The reason why the sample of an attempt must not be sent, or null. The attempt''s sources are already in place, because one of them '
  'may be erased or marked by now.';

create or replace function public.take_sample(
  p_attempt_id uuid,
  p_lease_id uuid,
  p_sources jsonb,
  p_pipeline_version int,
  p_report jsonb
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_sids text[];
  v_problem text;
begin
  if p_pipeline_version is null or (jsonb_typeof(p_report -> 'speech_seconds') = 'number') is not true then
    raise exception 'a sample has the version of its pipeline, and a report with speech_seconds';
  end if;
  v_voice := understudy.lock_voice(p_attempt_id);

  -- A voice that is saved meanwhile is that of an earlier worker, and a second one is not needed.
  if not understudy.holds_lease(v_voice, p_lease_id) or v_voice.state <> 'cloning' or v_voice.vendor_voice_id is not null then
    return understudy.refuse_late_worker(p_attempt_id, v_voice, 'clone.sample');
  end if;

  v_sids := understudy.replace_sources(v_voice, p_sources);
  v_problem := understudy.sample_problem(v_voice);
  if v_problem is not null then
    return understudy.refuse_attempt(v_voice, 'clone.sample', v_problem);
  end if;

  update public.voices v
  set pipeline_version = p_pipeline_version, report = p_report, uploads = v.uploads + 1
  where v.id = p_attempt_id;
  perform understudy.audit_attempt(
    v_voice, 'clone.sample', 'taken',
    jsonb_build_object('recording_sids', v_sids, 'speech_seconds', p_report -> 'speech_seconds')
  );
  if v_voice.replace_first then
    perform understudy.retire_replaced(v_voice);
  end if;
  return jsonb_build_object(
    'outcome', 'taken',
    'delete_voices', case when v_voice.replace_first then understudy.voices_to_delete(v_voice.employee_id) else '[]' end
  );
end
$$;
comment on function public.take_sample(uuid, uuid, jsonb, int, jsonb) is
  'Permits a worker to send its sample to the vendor. p_sources is [{recording_sid, channel, synthetic}], newest first: every recording '
  'that was looked at, the channel that was taken of it (1, 2 or null), and true if it was passed over because a cloned voice spoke in '
  'it. p_report holds figures only. A later sample of the same attempt replaces the one before; each counts as an upload, unless '
  'release_clone takes that back. If the current voice is to be replaced first, this retires it. taken: delete_voices are to be deleted, '
  'and voice_deleted called, before the sample is sent. With any other outcome nothing is sent. refused: the attempt is closed. '
  'Outcomes: taken, lease_lost, refused.';

revoke all on function public.take_sample(uuid, uuid, jsonb, int, jsonb) from public, anon, authenticated;
grant execute on function public.take_sample(uuid, uuid, jsonb, int, jsonb) to service_role;
revoke all on all functions in schema understudy from public;
