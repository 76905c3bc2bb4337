-- The comparison of our rows with the vendors' lists and with Storage. voice-sweeper finds voices that belong to no attempt, voices that
-- are missing, and objects of writes that nobody finished.

create table if not exists public.stray_voices (
  vendor_voice_id text primary key,
  first_seen_at timestamptz not null default clock_timestamp()
);
comment on table public.stray_voices is
  'Voices at the vendor that carry this deployment''s mark, but belong to attempts that it does not know.';

-- The progress of reading Twilio's list of recordings.
create table if not exists understudy.recording_sweep (
  only_one boolean primary key default true check (only_one),
  since date not null default current_date - 30,
  -- The URI must be one of our account's list, because the request for it carries the account's credentials.
  next_page_uri text check (next_page_uri ~ '^/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Recordings\.json\?[!-~]+$'),
  paged_at timestamptz not null default clock_timestamp()
);
insert into understudy.recording_sweep default values on conflict do nothing;

create table if not exists public.swept_recordings (
  recording_sid understudy.recording_sid primary key,
  queued_at timestamptz not null default clock_timestamp()
);
create index if not exists swept_recordings_by_age on public.swept_recordings (queued_at);
comment on table public.swept_recordings is 'Recordings that the sweep has queued. They are not queued again within a day.';

alter table public.stray_voices enable row level security;
alter table public.swept_recordings enable row level security;
revoke all on public.stray_voices, public.swept_recordings from public, anon, authenticated, service_role;
grant select on public.stray_voices, public.swept_recordings to service_role;

create or replace function understudy.listed_voices(p_voices jsonb)
returns table (vendor_voice_id text, attempt_id uuid, deployment_id uuid)
language sql
immutable
set search_path = ''
as $$
  select * from jsonb_to_recordset(p_voices) as v (vendor_voice_id text, attempt_id uuid, deployment_id uuid)
$$;

create or replace function understudy.note_strays(p_voices jsonb)
returns void
language sql
set search_path = ''
as $$
  delete from public.stray_voices s
  where not exists (select from understudy.listed_voices(p_voices) l where l.vendor_voice_id = s.vendor_voice_id);
  insert into public.stray_voices (vendor_voice_id)
  select l.vendor_voice_id
  from understudy.listed_voices(p_voices) l
  where l.deployment_id = understudy.deployment_id()
    and not exists (select from public.voices v where v.id = l.attempt_id)
  order by l.vendor_voice_id
  on conflict do nothing
$$;
comment on function understudy.note_strays(jsonb) is 'Notes since when a voice with our mark exists whose attempt is not known here.';

create or replace function understudy.voices_of_nobody(p_voices jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(l.vendor_voice_id order by l.vendor_voice_id), '[]')
  from understudy.listed_voices(p_voices) l
  where not exists (
      select
      from public.voices v
      where v.vendor_voice_id = l.vendor_voice_id and v.state in ('requested', 'cloning', 'unknown', 'ready')
    )
    -- The voice's id may be on the way to us, or a worker that searches for it may find it.
    and not exists (
      select
      from public.voices v
      where v.id = l.attempt_id and v.vendor_voice_id is null and v.state in ('requested', 'cloning', 'unknown')
    )
    -- A copy of this database has our rows, but a deployment id of its own.
    and l.deployment_id = understudy.deployment_id()
    -- The voice of an attempt that is not known here may belong to another deployment on the same account. If it is one of ours, it was
    -- made before this database was restored to an earlier state.
    and (
      exists (select from public.voices v where v.id = l.attempt_id)
      or exists (
        select
        from public.stray_voices s
        where s.vendor_voice_id = l.vendor_voice_id and s.first_seen_at < understudy.time_now() - interval '1 hour'
      )
    )
$$;
comment on function understudy.voices_of_nobody(jsonb) is
  'The vendor''s voices that are ours, and that no attempt may need. They are to be deleted.';

create or replace function understudy.missing_voices(p_voices jsonb)
returns jsonb
language sql
set search_path = ''
as $$
  -- The voices that were looked for longest ago come first, so that each has its turn.
  with looked_for as (
    select v.id
    from public.voices v
    where v.state = 'ready'
      and v.ready_at < understudy.time_now() - interval '10 minutes'
      and v.deployment_id = understudy.deployment_id()
    order by v.vendor_checked_at nulls first, v.number
    limit 100
    for no key update skip locked
  ),
  checked as (
    update public.voices v set vendor_checked_at = clock_timestamp() from looked_for f where v.id = f.id returning v.*
  )
  select coalesce(jsonb_agg(jsonb_build_object('attempt_id', c.id, 'vendor_voice_id', c.vendor_voice_id) order by c.number), '[]')
  from checked c
  where not exists (select from understudy.listed_voices(p_voices) l where l.vendor_voice_id = c.vendor_voice_id)
$$;
comment on function understudy.missing_voices(jsonb) is
  'Those of a hundred current voices that are not among the vendor''s. It notes that they were looked for.';

create or replace function public.judge_vendor_voices(p_voices jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform understudy.note_strays(p_voices);
  return jsonb_build_object(
    'outcome', 'judged',
    'delete', understudy.voices_of_nobody(p_voices),
    'missing', understudy.missing_voices(p_voices)
  );
end
$$;
comment on function public.judge_vendor_voices(jsonb) is
  'Compares the vendor''s voices with ours. p_voices is every voice at the vendor that carries a mark, as {vendor_voice_id, attempt_id, '
  'deployment_id}. delete: those that belong to no attempt. missing: current voices that are not among them; they are to be asked for one '
  'by one, and voice_gone is to be called for each that is gone. Outcomes: judged.';

create or replace function public.voice_gone(p_attempt_id uuid, p_account text default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if v_voice.vendor_account <> p_account then
    return understudy.refuse(
      v_voice.org_id, v_voice.employee_id, null, 'voice.stop', 'other_account', jsonb_build_object('attempt_id', p_attempt_id)
    );
  end if;
  if v_voice.state = 'ready' then
    update public.voices v
    set state = 'retired', code = 'voice_gone', closed_at = clock_timestamp()
    where v.id = p_attempt_id;
    perform understudy.mirror_voice(v_voice.employee_id);
    perform understudy.audit_attempt(v_voice, 'voice.stop', 'retired', jsonb_build_object('code', 'voice_gone'));
  end if;
  return public.voice_deleted(p_attempt_id, p_account);
end
$$;
comment on function public.voice_gone(uuid, text) is
  'The vendor no longer has the current voice, and nobody here deleted it. The employee loses the voice. A message to clone-worker then '
  'corrects the metadata. other_account: the voice was made with another account than this one. Outcomes: recorded, other_account.';

create or replace function understudy.write_left_over(p_write public.storage_writes)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_write.bucket = 'deep-fakes' then 'metadata'
    when p_write.path = understudy.newest_path(p_write.folder) then 'publish'
    when exists (
      select
      from public.recordings r
      where r.recording_sid = p_write.recording_sid and r.storage_path = p_write.path and not understudy.is_erased(r)
    ) then 'nothing'
    -- The message of this upload may still be handled.
    when not exists (select from public.recordings r where r.recording_sid = p_write.recording_sid)
      and not understudy.is_erased(p_write.recording_sid)
      and p_write.begun_at > understudy.time_now() - interval '15 days'
      then null
    else 'remove'
  end
$$;
comment on function understudy.write_left_over(public.storage_writes) is
  'The work that is left after a write that nobody finished. remove: delete its object. publish: publish the newest recording again, or '
  'remove its copy. metadata: write the metadata again. nothing: the write has succeeded. Null while the message of an upload may still '
  'be handled.';

create or replace function public.abandoned_writes(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_writes jsonb;
begin
  -- The workers that began these writes are dead, because no function runs for an hour.
  with old as (
    select w.*, understudy.write_left_over(w) as left_over
    from public.storage_writes w
    where w.begun_at < understudy.time_now() - interval '1 hour'
    order by w.looked_at nulls first, w.begun_at
    limit greatest(coalesce(p_limit, 0), 0)
    for update skip locked
  ),
  looked_at as (
    update public.storage_writes w set looked_at = clock_timestamp() from old o where w.id = o.id and o.left_over is distinct from 'nothing'
  ),
  over as (
    delete from public.storage_writes w using old o where w.id = o.id and o.left_over = 'nothing'
  )
  select coalesce(
    jsonb_agg(jsonb_build_object(
      'write_id', o.id, 'left_over', o.left_over, 'path', o.path, 'recording_sid', o.recording_sid, 'attempt_id', o.attempt_id
    )),
    '[]'
  )
  into v_writes
  from old o
  where o.left_over <> 'nothing';
  return jsonb_build_object('outcome', 'abandoned', 'writes', v_writes);
end
$$;
comment on function public.abandoned_writes(int) is
  'Writes of workers that died. left_over says which work is to be done before write_cleared. remove: delete the object at this path, '
  'which belongs elsewhere or nowhere. publish: call newest_published with p_is_copied false. metadata: send a message to clone-worker '
  'about this attempt. Outcomes: abandoned.';

revoke all on function
  public.judge_vendor_voices(jsonb),
  public.voice_gone(uuid, text),
  public.abandoned_writes(int)
from public, anon, authenticated;
grant execute on function
  public.judge_vendor_voices(jsonb),
  public.voice_gone(uuid, text),
  public.abandoned_writes(int)
to service_role;
revoke all on all functions in schema understudy from public;
