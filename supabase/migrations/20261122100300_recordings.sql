-- Recordings of calls: where each one is in the private bucket `recordings`, and which is an employee's newest.

create table if not exists public.recordings (
  -- It becomes a part of a storage key, so nothing but what Twilio uses is allowed in it.
  recording_sid text primary key check (recording_sid ~ '^RE[0-9A-Za-z]{1,64}$'),
  call_sid text not null,
  call_id uuid not null,
  org_id uuid not null,
  employee_id uuid,
  storage_path text not null unique,
  bytes bigint not null check (bytes >= 0),
  sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
  duration_seconds integer,
  channels integer,
  track text,
  source text,
  started_at timestamptz not null,
  stored_at timestamptz not null default clock_timestamp(),
  erased_at timestamptz
);
create index if not exists recordings_newest
  on public.recordings (employee_id, started_at desc, recording_sid desc)
  where erased_at is null;
create index if not exists recordings_by_call on public.recordings (call_id);

comment on table public.recordings is
  'One row for each recording that is or was in Storage. An erased one stays as a tombstone, so that nothing brings it back.';
comment on column public.recordings.employee_id is 'The call''s employee when the recording was stored; null when it had none.';
comment on column public.recordings.storage_path is 'The immutable key in the bucket `recordings`, without the bucket.';
comment on column public.recordings.sha256 is
  'Of the stored bytes, in hexadecimal, lower case. Null where it is not known: such a recording proves no consent.';
comment on column public.recordings.channels is 'What Twilio says about the recording. The header of the stored file has the last word.';
comment on column public.recordings.started_at is 'Twilio''s start time: decides which recording is newest, with the sid for equal times.';
comment on column public.recordings.erased_at is 'Set once, never unset.';

alter table public.recordings enable row level security;
revoke all on public.recordings from public, anon, authenticated, service_role;
grant select on public.recordings to service_role;

create table if not exists public.recording_uploads (
  recording_sid text not null,
  storage_path text not null,
  call_sid text not null,
  begun_at timestamptz not null default clock_timestamp(),
  primary key (recording_sid, storage_path)
);
comment on table public.recording_uploads is
  'Where a worker may have left an object: from before it uploads until the recording is finished there.';
alter table public.recording_uploads enable row level security;
revoke all on public.recording_uploads from public, anon, authenticated, service_role;
grant select on public.recording_uploads to service_role;

create or replace function understudy.newest_recordings(
  p_org_id uuid,
  p_employee_id uuid,
  p_limit int default 10,
  p_from_sid text default null
)
returns setof public.recordings
language sql
stable
set search_path = ''
as $$
  select r.*
  from public.recordings r
  where r.employee_id = p_employee_id
    and r.org_id = p_org_id
    and r.erased_at is null
    and (
      p_from_sid is null
      or (r.started_at, r.recording_sid) <= (
        select f.started_at, f.recording_sid from public.recordings f where f.recording_sid = p_from_sid
      )
    )
  order by r.started_at desc, r.recording_sid desc
  limit p_limit
$$;
comment on function understudy.newest_recordings(uuid, uuid, int, text) is
  'An employee''s recordings that are not erased, newest first: by default as many as are looked at for a sample. p_from_sid: none newer '
  'than this one. An employee who moved to another organisation starts there without recordings.';

create or replace function understudy.newest_recording(p_org_id uuid, p_employee_id uuid)
returns public.recordings
language sql
stable
set search_path = ''
as $$
  select r from understudy.newest_recordings(p_org_id, p_employee_id, 1) r
$$;

create or replace function understudy.employee_channel(p_recording public.recordings)
returns smallint
language sql
stable
set search_path = ''
as $$
  select c.employee_channel
  from public.calls c
  where c.id = p_recording.call_id and c.org_id = p_recording.org_id
$$;
comment on function understudy.employee_channel(public.recordings) is 'What is said of this very call; null when nothing is.';

create or replace function understudy.newest_json(p_org_id uuid, p_employee_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'employee_id', r.employee_id,
    'recording_sid', r.recording_sid,
    'storage_path', r.storage_path,
    'copy_to', r.employee_id || '/' || r.employee_id || '.wav'
  )
  from understudy.newest_recording(p_org_id, p_employee_id) r
  where r.recording_sid is not null
$$;
comment on function understudy.newest_json(uuid, uuid) is 'What a worker needs to copy the newest recording; null when there is none.';

create or replace function understudy.find_call(
  p_call_sid text,
  out call_id uuid,
  out org_id uuid,
  out employee_id uuid
)
language plpgsql
stable
set search_path = ''
as $$
begin
  -- `strict`: a call that two rows claim belongs to neither. Guessing could give it to the wrong organisation.
  -- An employee who is gone, or of another organisation than the call, is no employee of this call.
  select c.id, c.org_id, e.id
  into strict call_id, org_id, employee_id
  from public.calls c
  left join public.employees e on e.id = c.employee_id and e.org_id = c.org_id
  where c.twilio_call_sid = p_call_sid;
exception
  when no_data_found or too_many_rows then
    call_id := null;
end
$$;
comment on function understudy.find_call(text) is 'The call and its employee; nulls when the call is unknown or ambiguous.';

create or replace function understudy.storage_path(p_call_id uuid, p_employee_id uuid, p_recording_sid text)
returns text
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_employee_id, p_call_id) || '/' || p_recording_sid || '.wav'
$$;

revoke all on all functions in schema understudy from public;
