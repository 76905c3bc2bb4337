-- What voice-sweeper holds against the vendors' own lists: voices that nobody owns, recordings nobody told us of, objects nobody names.

create table if not exists public.stray_voices (
  vendor_voice_id text primary key,
  first_seen_at timestamptz not null default clock_timestamp()
);
comment on table public.stray_voices is 'Voices at the vendor that carry this deployment''s mark, of attempts that it has never heard of.';

-- How far the list of Twilio's recordings was read.
create table if not exists understudy.recording_sweep (
  only_one boolean primary key default true check (only_one),
  since date not null default current_date - 30,
  next_page_uri text,
  paged_at timestamptz not null default clock_timestamp()
);
insert into understudy.recording_sweep default values on conflict do nothing;

create table if not exists public.swept_recordings (
  recording_sid text primary key,
  queued_at timestamptz not null default clock_timestamp()
);
comment on table public.swept_recordings is 'Recordings that the sweep has queued: not again within a day.';

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

create or replace function public.judge_vendor_voices(p_voices jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_delete jsonb;
  v_missing jsonb;
begin
  delete from public.stray_voices s
  where not exists (select from understudy.listed_voices(p_voices) l where l.vendor_voice_id = s.vendor_voice_id);
  insert into public.stray_voices (vendor_voice_id)
  select l.vendor_voice_id
  from understudy.listed_voices(p_voices) l
  where l.deployment_id = (select d.id from understudy.deployment d)
    and not exists (select from public.voices v where v.id = l.attempt_id)
  order by l.vendor_voice_id
  on conflict do nothing;

  select coalesce(jsonb_agg(l.vendor_voice_id order by l.vendor_voice_id), '[]') into v_delete
  from understudy.listed_voices(p_voices) l
  where not exists (
      select
      from public.voices v
      where v.vendor_voice_id = l.vendor_voice_id and v.state in ('requested', 'cloning', 'unknown', 'ready')
    )
    -- Its id may be on the way to us, or be found by whoever looks for it.
    and not exists (
      select
      from public.voices v
      where v.id = l.attempt_id and v.vendor_voice_id is null and v.state in ('requested', 'cloning', 'unknown')
    )
    -- Of an attempt that nobody here has heard of, it may be another deployment's on the same account. One of ours was made before this
    -- database was put back to an earlier state.
    and (
      exists (select from public.voices v where v.id = l.attempt_id)
      or exists (
        select
        from public.stray_voices s
        where s.vendor_voice_id = l.vendor_voice_id and s.first_seen_at < clock_timestamp() - interval '1 hour'
      )
    );

  select coalesce(jsonb_agg(jsonb_build_object('attempt_id', m.id, 'vendor_voice_id', m.vendor_voice_id)), '[]') into v_missing
  from (
    select v.id, v.vendor_voice_id
    from public.voices v
    where v.state = 'ready'
      and v.ready_at < clock_timestamp() - interval '10 minutes'
      and not exists (select from understudy.listed_voices(p_voices) l where l.vendor_voice_id = v.vendor_voice_id)
    order by v.number
    limit 100
  ) m;
  return jsonb_build_object('outcome', 'judged', 'delete', v_delete, 'missing', v_missing);
end
$$;
comment on function public.judge_vendor_voices(jsonb) is
  'p_voices: every voice at the vendor that carries a mark, {vendor_voice_id, attempt_id, deployment_id}. delete: those that belong to '
  'nobody; missing: current voices that are not among them, to be asked for one by one, then voice_gone. Outcome: judged.';

create or replace function public.voice_gone(p_attempt_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if v_voice.state = 'ready' then
    update public.voices v
    set state = 'retired', code = 'voice_gone', closed_at = clock_timestamp()
    where v.id = p_attempt_id;
    perform understudy.mirror_voice(v_voice.employee_id);
    perform understudy.audit(
      v_voice.org_id, v_voice.employee_id, null, 'voice.stop', 'retired',
      jsonb_build_object('attempt_id', p_attempt_id, 'code', 'voice_gone')
    );
  end if;
  return public.voice_deleted(p_attempt_id);
end
$$;
comment on function public.voice_gone(uuid) is
  'The vendor no longer has the current voice, and nobody here deleted it: it is taken off the employee. A message to clone-worker then '
  'puts the metadata right. Outcome: recorded.';

create or replace function public.recording_sweep_state()
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'outcome', 'state',
    'since', s.since,
    -- An old page may be one that Twilio no longer knows.
    'next_page_uri', case when s.paged_at > clock_timestamp() - interval '1 day' then s.next_page_uri end
  )
  from understudy.recording_sweep s
$$;
comment on function public.recording_sweep_state() is 'From which day and page on Twilio''s recordings are to be read. Outcome: state.';

create or replace function public.missing_recordings(p_recordings jsonb)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  with listed as (
    select distinct on (l.recording_sid) l.recording_sid, l.call_sid, found.call_id, found.org_id, found.employee_id
    from jsonb_to_recordset(p_recordings) as l (recording_sid text, call_sid text, created_at timestamptz)
    cross join lateral understudy.find_call(l.call_sid) as found
    where l.recording_sid ~ '^RE[0-9A-Fa-f]{32}$'
      and l.call_sid ~ '^CA[0-9A-Fa-f]{32}$'
      -- Its callback may be on its way.
      and l.created_at < clock_timestamp() - interval '15 minutes'
    order by l.recording_sid
  )
  select jsonb_build_object(
    'outcome', 'missing',
    'recordings', coalesce(jsonb_agg(jsonb_build_object('recording_sid', l.recording_sid, 'call_sid', l.call_sid)), '[]')
  )
  from listed l
  where l.call_id is not null
    and not exists (select from public.recordings r where r.recording_sid = l.recording_sid)
    and not understudy.is_erased(l.recording_sid)
    and (understudy.covering_erasure(l.call_sid, l.call_id, l.org_id, l.employee_id)).id is null
    and not exists (
      select
      from public.swept_recordings s
      where s.recording_sid = l.recording_sid and s.queued_at > clock_timestamp() - interval '24 hours'
    )
$$;
comment on function public.missing_recordings(jsonb) is
  'Of recordings that Twilio has, {recording_sid, call_sid, created_at}, those of known calls that are not here, were not erased and were '
  'not queued by the sweep within a day. Outcome: missing.';

create or replace function public.recording_page_seen(p_queued text[], p_next_page_uri text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.swept_recordings s where s.queued_at < clock_timestamp() - interval '60 days';
  insert into public.swept_recordings as s (recording_sid)
  select q from unnest(p_queued) as q
  order by q
  on conflict (recording_sid) do update set queued_at = clock_timestamp();
  update understudy.recording_sweep s
  set next_page_uri = p_next_page_uri,
      paged_at = clock_timestamp(),
      -- Calls go on, and recordings come late.
      since = case when p_next_page_uri is null then current_date - 3 else s.since end;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.recording_page_seen(text[], text) is
  'What was missing on this page is queued; the list goes on at that page, or is at its end (null). Outcome: recorded.';

create or replace function public.abandoned_uploads(p_limit int)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'outcome', 'abandoned',
    'uploads', coalesce(jsonb_agg(jsonb_build_object('recording_sid', a.recording_sid, 'storage_path', a.storage_path)), '[]')
  )
  from (
    select u.recording_sid, u.storage_path
    from public.recording_uploads u
    left join public.recordings r on r.recording_sid = u.recording_sid
    -- Whoever began it is dead: no function runs for an hour.
    where u.begun_at < clock_timestamp() - interval '1 hour'
      and (r.erased_at is not null or r.storage_path is distinct from u.storage_path)
      and (
        r.recording_sid is not null
        or understudy.is_erased(u.recording_sid)
        or u.begun_at < clock_timestamp() - interval '15 days'
      )
    order by u.begun_at
    limit greatest(coalesce(p_limit, 0), 0)
  ) a
$$;
comment on function public.abandoned_uploads(int) is
  'Places in Storage where a worker that died may have left a recording that belongs elsewhere, or nowhere. Outcome: abandoned.';

create or replace function public.upload_cleared(p_recording_sid text, p_storage_path text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.recording_uploads u where u.recording_sid = p_recording_sid and u.storage_path = p_storage_path;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.upload_cleared(text, text) is 'Nothing is left at that place. Outcome: recorded.';

revoke all on function
  public.judge_vendor_voices(jsonb),
  public.voice_gone(uuid),
  public.recording_sweep_state(),
  public.missing_recordings(jsonb),
  public.recording_page_seen(text[], text),
  public.abandoned_uploads(int),
  public.upload_cleared(text, text)
from public, anon, authenticated;
grant execute on function
  public.judge_vendor_voices(jsonb),
  public.voice_gone(uuid),
  public.recording_sweep_state(),
  public.missing_recordings(jsonb),
  public.recording_page_seen(text[], text),
  public.abandoned_uploads(int),
  public.upload_cleared(text, text)
to service_role;
revoke all on all functions in schema understudy from public;
