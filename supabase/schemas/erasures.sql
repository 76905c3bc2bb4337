-- Erasures: the list of the copies that must go, and the rules by which a recording counts as erased before its last copy has gone.
--
-- An erasure of everything covers each recording that began before it was requested. It also covers each recording of a call that was the
-- employee's and known by then, however late Twilio tells of it. A recording of a later call is a new one: it may be stored, but only a new
-- consent lets anybody clone it. So a fresh consent starts anew, and old recordings stay erased. An erasure for retention covers only
-- recordings, namely those that began before a moment in the past.
--
-- Twilio states the start of a recording, so the moment of the request comes from the caller's clock, which agrees with Twilio's. The
-- database's own clock decides leases and expiry. It also decides which recordings and calls were stored or known before a request, because
-- there it is compared only with itself.
--
-- In the database an erasure takes effect at once, however many recordings there are: two moments tell what it covers, and each erasure
-- takes them over from the one before. The list of copies is made in batches, and each copy is confirmed by itself. A copy that turns up
-- later (the voice of a clone that was running, a recording that Twilio finishes only then) is added to the open erasure. If that is over,
-- it is added to a new erasure, which holds only such copies.

create table if not exists public.voice_erasures (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity unique,
  org_id uuid not null,
  employee_id uuid not null,
  scope text not null check (scope in ('everything', 'recordings')),
  reason text not null check (reason in ('withdrawn', 'expired', 'requested', 'left', 'retention')),
  requested_by uuid,
  requested_at timestamptz not null default clock_timestamp(),
  covers_until timestamptz not null,
  known_until timestamptz,
  listed_to_call uuid,
  listed_at timestamptz,
  copies bigint not null default 0,
  copies_left bigint not null default 0,
  copies_kept_elsewhere bigint not null default 0,
  swept_at timestamptz,
  begun_at timestamptz,
  erased_at timestamptz
);
create unique index if not exists voice_erasures_one_open
  on public.voice_erasures (org_id, employee_id)
  where erased_at is null;
create index if not exists voice_erasures_newest on public.voice_erasures (org_id, employee_id, number desc);
create index if not exists voice_erasures_unfinished on public.voice_erasures (swept_at nulls first, number) where erased_at is null;
create index if not exists voice_erasures_over on public.voice_erasures (erased_at) where erased_at is not null;

comment on table public.voice_erasures is 'Erasures. An employee has at most one open erasure: a second request joins it.';
comment on column public.voice_erasures.employee_id is
  'The employee; or the call, if its recordings belong to no employee and are older than they are kept.';
comment on column public.voice_erasures.scope is 'With `recordings`, the voice, its metadata and the consent stay.';
comment on column public.voice_erasures.reason is
  'left: the employee was deleted, or moved to another organisation. retention: the recordings are older than their organisation keeps '
  'them.';
comment on column public.voice_erasures.requested_by is
  'The user. It is null if the employee withdrew by a token, if the sweep began the erasure, and if it holds only what turned up after an '
  'erasure.';
comment on column public.voice_erasures.covers_until is
  'Recordings that began before this moment are covered. It is the time of the request by the clock of the function that passed it on, '
  'and never earlier than that of the erasure before.';
comment on column public.voice_erasures.known_until is
  'The moment of the last request to erase everything, by the database''s clock. Recordings that were stored before it, and recordings of '
  'calls that were known before it, are covered. It is null if nobody has requested that yet.';
comment on column public.voice_erasures.listed_to_call is 'The employee''s calls up to this id are among the copies.';
comment on column public.voice_erasures.listed_at is
  'The time at which everything that the database knows was among the copies. While it is null, the worker goes on listing.';
comment on column public.voice_erasures.copies is
  'The number of copies. A trigger keeps this number, the number of those that are left and the number of those that are kept elsewhere.';
comment on column public.voice_erasures.begun_at is
  'The time at which a worker last took the erasure up. While that is recent, its message is alive.';
comment on column public.voice_erasures.erased_at is
  'The time at which the last copy was confirmed to be gone, or to be kept out of our reach.';

create table if not exists public.voice_erasure_copies (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity unique,
  erasure_id uuid not null references public.voice_erasures (id),
  kind text not null
    check (kind in (
      'vendor_history', 'vendor_speech', 'vendor_voice', 'stored_recording', 'newest_recording', 'twilio_call', 'twilio_recording', 'metadata'
    )),
  reference text not null check (reference <> ''),
  attempt_id uuid,
  state text not null default 'pending' check (state in ('pending', 'erased', 'failed', 'kept_elsewhere')),
  attempts integer not null default 0,
  last_error text check (last_error ~ '^[a-z0-9_]{1,64}$'),
  erased_at timestamptz,
  constraint voice_erasure_copies_key unique (erasure_id, kind, reference),
  constraint voice_erasure_copies_erased check ((state = 'erased') = (erased_at is not null)),
  constraint voice_erasure_copies_sid check (kind <> 'twilio_recording' or reference::understudy.recording_sid is not null)
);
create index if not exists voice_erasure_copies_left
  on public.voice_erasure_copies (erasure_id, kind, attempts, number)
  where state in ('pending', 'failed');
create index if not exists voice_erasure_copies_shown on public.voice_erasure_copies (erasure_id, number);
create index if not exists voice_erasure_copies_tombstones
  on public.voice_erasure_copies (reference)
  where kind in ('twilio_recording', 'twilio_call');
create index if not exists voice_erasure_copies_by_attempt on public.voice_erasure_copies (attempt_id) where attempt_id is not null;

comment on table public.voice_erasure_copies is
  'One row for each place that held a copy. A twilio_recording stays as a tombstone, so that nothing brings that RecordingSid back.';
comment on column public.voice_erasure_copies.kind is
  'vendor_history: the speech made with a voice that the vendor keeps, which is still to be listed. twilio_call: the recordings of a call '
  'that Twilio has and we never stored, which are still to be listed. Each one found becomes a copy of its own: vendor_speech or '
  'twilio_recording.';
comment on column public.voice_erasure_copies.reference is
  'vendor_voice, vendor_history: the vendor''s id of the voice. vendor_speech: the vendor''s id of the speech. stored_recording, '
  'newest_recording: the key in the bucket `recordings`. twilio_recording: the RecordingSid. twilio_call: the CallSid. metadata: the key '
  'in the bucket `deep-fakes`.';
comment on column public.voice_erasure_copies.state is
  'failed: the last try failed, and the copy is tried again. kept_elsewhere: the copy is out of our reach for the reason in last_error, '
  'and its holder must be asked.';
comment on column public.voice_erasure_copies.attempts is 'The number of tries.';

alter table public.voice_erasures enable row level security;
alter table public.voice_erasure_copies enable row level security;
revoke all on public.voice_erasures, public.voice_erasure_copies from public, anon, authenticated, service_role;
revoke all on sequence public.voice_erasures_number_seq, public.voice_erasure_copies_number_seq
  from public, anon, authenticated, service_role;
grant select on public.voice_erasures, public.voice_erasure_copies to service_role;

create or replace function understudy.count_copies(
  p_erasure_id uuid,
  p_copies bigint,
  p_left bigint,
  p_kept_elsewhere bigint
)
returns void
language sql
set search_path = ''
as $$
  update public.voice_erasures e
  set copies = e.copies + p_copies,
      copies_left = e.copies_left + p_left,
      copies_kept_elsewhere = e.copies_kept_elsewhere + p_kept_elsewhere
  where e.id = p_erasure_id
$$;

create or replace function understudy.count_new_copies()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform understudy.count_copies(
    n.erasure_id,
    count(*),
    count(*) filter (where n.state in ('pending', 'failed')),
    count(*) filter (where n.state = 'kept_elsewhere')
  )
  from new_copies n
  group by n.erasure_id;
  return null;
end
$$;

create or replace function understudy.count_changed_copies()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  perform understudy.count_copies(
    c.erasure_id,
    0,
    coalesce(sum(c.sign) filter (where c.state in ('pending', 'failed')), 0),
    coalesce(sum(c.sign) filter (where c.state = 'kept_elsewhere'), 0)
  )
  from (
    select n.erasure_id, n.state, 1 as sign from new_copies n
    union all
    select o.erasure_id, o.state, -1 from old_copies o
  ) c
  group by c.erasure_id;
  return null;
end
$$;
comment on function understudy.count_changed_copies() is
  'Keeps the numbers of copies. A new count would cost as much as there are copies, each time that one is gone.';

create or replace trigger voice_erasure_copies_counted
  after insert on public.voice_erasure_copies
  referencing new table as new_copies
  for each statement execute function understudy.count_new_copies();
create or replace trigger voice_erasure_copies_recounted
  after update on public.voice_erasure_copies
  referencing old table as old_copies new table as new_copies
  for each statement execute function understudy.count_changed_copies();

create or replace function understudy.asked_at(p_now double precision)
returns timestamptz
language sql
set search_path = ''
as $$
  select coalesce(to_timestamp(p_now), clock_timestamp())
$$;
comment on function understudy.asked_at(double precision) is
  'The caller''s time, in seconds since 1970; the database''s time for a caller without a clock of its own.';

create or replace function understudy.last_erasure(p_org_id uuid, p_employee_id uuid)
returns public.voice_erasures
language sql
stable
set search_path = ''
as $$
  select e
  from public.voice_erasures e
  where e.org_id = p_org_id and e.employee_id = p_employee_id
  order by e.number desc
  limit 1
$$;
comment on function understudy.last_erasure(uuid, uuid) is 'The newest erasure. It covers everything that the ones before it covered.';

create or replace function understudy.is_covered(p_erasure public.voice_erasures, p_started_at timestamptz, p_known_since timestamptz)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(
    -- Twilio states whole seconds, so a recording that began within the second of the request counts as begun after it.
    p_started_at + interval '1 second' <= p_erasure.covers_until or p_known_since <= p_erasure.known_until,
    false
  )
$$;
comment on function understudy.is_covered(public.voice_erasures, timestamptz, timestamptz) is
  'True if an erasure covers a recording that began at p_started_at, and that was stored, or whose call was known, at p_known_since. '
  'Either time is null if it is unknown.';

create or replace function understudy.is_erased(p_recording public.recordings)
returns boolean
language sql
stable
set search_path = ''
as $$
  select p_recording.erased_at is not null
    or understudy.is_covered(
      understudy.last_erasure(p_recording.org_id, p_recording.employee_id), p_recording.started_at, p_recording.stored_at
    )
$$;
comment on function understudy.is_erased(public.recordings) is
  'True if the recording is erased. It counts as erased from the request on, also before it was added to the copies.';

create or replace function understudy.is_erased(p_recording_sid text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_recording public.recordings;
begin
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid;
  return case
    when v_recording.recording_sid is not null then understudy.is_erased(v_recording)
    else exists (
      select from public.voice_erasure_copies c where c.kind = 'twilio_recording' and c.reference = p_recording_sid
    )
  end;
end
$$;
comment on function understudy.is_erased(text) is 'True if there is a tombstone of the recording, even if it was never stored.';

create or replace function understudy.covering_erasure(
  p_call_sid text,
  p_call_id uuid,
  p_org_id uuid,
  p_employee_id uuid,
  p_known_since timestamptz,
  p_started_at timestamptz default null
)
returns public.voice_erasures
language plpgsql
stable
set search_path = ''
as $$
declare
  v_last public.voice_erasures;
begin
  v_last := understudy.last_erasure(p_org_id, p_employee_id);
  if understudy.is_covered(v_last, p_started_at, p_known_since) then
    return v_last;
  end if;
  -- A call that belongs to another employee by now was this employee's by mistake. A call that is gone, or that has no employee, does not
  -- belong to another one.
  select e.* into v_last
  from public.voice_erasure_copies c
  join public.voice_erasures e on e.id = c.erasure_id
  where c.kind = 'twilio_call'
    and c.reference = p_call_sid
    and (p_call_id is null or (e.org_id = p_org_id and coalesce(p_employee_id, e.employee_id) = e.employee_id))
  order by e.number desc
  limit 1;
  return v_last;
end
$$;
comment on function understudy.covering_erasure(text, uuid, uuid, uuid, timestamptz, timestamptz) is
  'The newest erasure that covers a recording of this call, open or not; nulls if there is none. The arguments after the CallSid are the '
  'answer of understudy.find_call and the start of the recording.';

create or replace function understudy.newest_recordings(
  p_org_id uuid,
  p_employee_id uuid,
  p_limit int default 10,
  p_from_sid text default null
)
returns setof public.recordings
language plpgsql
stable
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
  v_from public.recordings;
begin
  select * into v_from from public.recordings r where r.recording_sid = p_from_sid;
  return query
    select r.*
    from public.recordings r
    where r.folder = p_employee_id
      and r.org_id = p_org_id
      and r.erased_at is null
      -- This repeats a part of the condition in order to bound the number of rows that are read.
      and r.started_at > coalesce(v_last.covers_until - interval '1 second', '-infinity')
      and not understudy.is_covered(v_last, r.started_at, r.stored_at)
      and (p_from_sid is null or (r.started_at, r.recording_sid) <= (v_from.started_at, v_from.recording_sid))
    order by r.started_at desc, r.recording_sid desc
    limit p_limit;
end
$$;
comment on function understudy.newest_recordings(uuid, uuid, int, text) is
  'An employee''s recordings that are not erased, newest first. By default, as many are returned as are looked at for a sample. With '
  'p_from_sid, none is newer than that recording. An employee who moved to another organisation starts there without recordings.';

create or replace function understudy.newest_recording(p_org_id uuid, p_employee_id uuid)
returns public.recordings
language sql
stable
set search_path = ''
as $$
  select r from understudy.newest_recordings(p_org_id, p_employee_id, 1) r
$$;

create or replace function understudy.newest_path(p_employee_id uuid)
returns text
language sql
immutable
set search_path = ''
as $$
  select p_employee_id || '/' || p_employee_id || '.wav'
$$;
comment on function understudy.newest_path(uuid) is 'The key in the bucket `recordings` to which the newest recording is copied.';

create or replace function understudy.begin_publishing(p_org_id uuid, p_employee_id uuid)
returns jsonb
language sql
set search_path = ''
as $$
  select jsonb_build_object(
    'write_id', understudy.begin_write(understudy.newest_path(r.employee_id), r.recording_sid),
    'recording_sid', r.recording_sid,
    'storage_path', r.storage_path,
    'copy_to', understudy.newest_path(r.employee_id)
  )
  from understudy.newest_recording(p_org_id, p_employee_id) r
  where r.recording_sid is not null
$$;
comment on function understudy.begin_publishing(uuid, uuid) is
  'Notes that a worker is about to copy the newest recording, and returns the job; null if there is no recording. The worker then calls '
  'newest_published.';

revoke all on all functions in schema understudy from public;
