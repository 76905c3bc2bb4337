-- Recordings of which no callback came. voice-sweeper finds them in Twilio's list, and notes those that it has queued.

create or replace function public.recording_sweep_state()
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'outcome', 'state',
    'since', s.since,
    -- Twilio may no longer know an old page.
    'next_page_uri', case when s.paged_at > understudy.time_now() - interval '1 day' then s.next_page_uri end
  )
  from understudy.recording_sweep s
$$;
comment on function public.recording_sweep_state() is
  'The day and the page from which Twilio''s recordings are to be read. Outcomes: state.';

create or replace function understudy.is_missing(p_recording_sid text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select not exists (select from public.recordings r where r.recording_sid = p_recording_sid)
    and not understudy.is_erased(p_recording_sid)
    and not exists (select from public.oversized_recordings o where o.recording_sid = p_recording_sid)
    and not exists (
      select
      from public.swept_recordings s
      where s.recording_sid = p_recording_sid and s.queued_at > understudy.time_now() - interval '24 hours'
    )
$$;
comment on function understudy.is_missing(text) is
  'True if a recording of a known call needs a message: it is not stored, has no tombstone, is not too large for Storage, and the sweep '
  'has not queued it within a day. A recording that an erasure covers and that nobody knew of is also missing, because its message adds '
  'it to the erasure.';

create or replace function public.missing_recordings(p_recordings jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_missing jsonb;
begin
  with listed as (
    select distinct on (l.recording_sid) l.recording_sid, l.call_sid, found.call_id
    from jsonb_to_recordset(p_recordings) as l (recording_sid understudy.recording_sid, call_sid text, created_at timestamptz)
    cross join lateral understudy.find_call(l.call_sid) as found
    where l.call_sid ~ '^CA[0-9A-Fa-f]{32}$'
      -- The recording's callback may be on its way.
      and l.created_at < understudy.time_now() - interval '15 minutes'
    order by l.recording_sid
  ),
  unmatched as (
    insert into public.unmatched_recordings (recording_sid, call_sid)
    select l.recording_sid, l.call_sid from listed l where l.call_id is null
    on conflict do nothing
  )
  select coalesce(jsonb_agg(jsonb_build_object('recording_sid', l.recording_sid, 'call_sid', l.call_sid)), '[]') into v_missing
  from listed l
  where l.call_id is not null and understudy.is_missing(l.recording_sid);
  return jsonb_build_object('outcome', 'missing', 'recordings', v_missing);
end
$$;
comment on function public.missing_recordings(jsonb) is
  'Finds missing recordings among those that Twilio has, {recording_sid, call_sid, created_at}. A recording of a known call is missing if '
  'it is not stored, was not erased, is not too large for Storage, and was not queued by the sweep within a day. Recordings of unknown '
  'calls are remembered. Outcomes: missing.';

create or replace function public.matched_recordings(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_missing jsonb;
begin
  delete from public.unmatched_recordings u
  where u.recording_sid in (
    select o.recording_sid
    from public.unmatched_recordings o
    where o.seen_at < understudy.time_now() - interval '60 days'
    order by o.seen_at
    limit p_limit
  );
  with looked_at as (
    select u.recording_sid
    from public.unmatched_recordings u
    order by u.checked_at
    limit p_limit
    for update skip locked
  ),
  checked as (
    update public.unmatched_recordings u
    set checked_at = clock_timestamp()
    from looked_at l
    where u.recording_sid = l.recording_sid
    returning u.recording_sid, u.call_sid
  )
  select coalesce(jsonb_agg(jsonb_build_object('recording_sid', c.recording_sid, 'call_sid', c.call_sid)), '[]') into v_missing
  from checked c
  cross join lateral understudy.find_call(c.call_sid) as found
  where found.call_id is not null and understudy.is_missing(c.recording_sid);
  return jsonb_build_object('outcome', 'missing', 'recordings', v_missing);
end
$$;
comment on function public.matched_recordings(int) is
  'Recordings that became known before their call, and whose call is known by now. Each call looks at p_limit recordings, in turn. '
  'Outcomes: missing.';

create or replace function understudy.note_queued(p_queued text[])
returns void
language sql
set search_path = ''
as $$
  insert into public.swept_recordings as s (recording_sid)
  select q from unnest(p_queued) as q
  order by q
  on conflict (recording_sid) do update set queued_at = clock_timestamp()
$$;

create or replace function public.recordings_queued(p_queued text[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.swept_recordings s
  where s.recording_sid in (
    select o.recording_sid
    from public.swept_recordings o
    where o.queued_at < understudy.time_now() - interval '60 days'
    order by o.queued_at
    limit 1000
  );
  -- A recording that is still too large will be reported again.
  delete from public.oversized_recordings o where o.recording_sid = any (p_queued);
  perform understudy.note_queued(p_queued);
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.recordings_queued(text[]) is
  'The messages of these recordings are in the queue. For a day they are not missing, and none of them is set aside for its size any '
  'more. Outcomes: recorded.';

create or replace function public.recording_page_seen(p_queued text[], p_next_page_uri text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform understudy.note_queued(p_queued);
  update understudy.recording_sweep s
  set next_page_uri = p_next_page_uri,
      paged_at = clock_timestamp(),
      -- The next reading starts three days back, because recordings may come late while calls go on.
      since = case when p_next_page_uri is null then current_date - 3 else s.since end;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.recording_page_seen(text[], text) is
  'The missing recordings of this page are queued. The list goes on at p_next_page_uri; null means its end. Outcomes: recorded.';

revoke all on function
  public.recording_sweep_state(),
  public.missing_recordings(jsonb),
  public.matched_recordings(int),
  public.recordings_queued(text[]),
  public.recording_page_seen(text[], text)
from public, anon, authenticated;
grant execute on function
  public.recording_sweep_state(),
  public.missing_recordings(jsonb),
  public.matched_recordings(int),
  public.recordings_queued(text[]),
  public.recording_page_seen(text[], text)
to service_role;
revoke all on all functions in schema understudy from public;
