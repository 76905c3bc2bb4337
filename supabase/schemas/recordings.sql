-- Recordings of calls, with their keys in the private bucket `recordings`, and the writes to Storage that may still land.

do $$
begin
  if to_regtype('understudy.recording_sid') is null then
    create domain understudy.recording_sid as text check (value ~ '^RE[0-9a-fA-F]{32}$');
  end if;
end
$$;
comment on domain understudy.recording_sid is
  'Twilio''s id of a recording. It becomes a part of a storage key, so only the characters that Twilio uses are allowed in it. Functions '
  'that PostgREST calls take a text nevertheless, because PostgREST names the types of arguments, and its roles do not see this schema.';

create table if not exists public.recordings (
  recording_sid understudy.recording_sid primary key,
  call_sid text not null,
  call_id uuid not null,
  org_id uuid not null,
  employee_id uuid,
  folder uuid not null generated always as (coalesce(employee_id, call_id)) stored,
  storage_path text not null unique,
  bytes bigint not null check (bytes >= 0),
  sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
  duration_seconds integer,
  channels integer,
  track text,
  source text,
  account_sid text,
  deployment_id uuid not null default understudy.deployment_id(),
  started_at timestamptz not null,
  stored_at timestamptz not null default clock_timestamp(),
  erased_at timestamptz
);
create index if not exists recordings_newest
  on public.recordings (folder, started_at desc, recording_sid desc)
  where erased_at is null;
create index if not exists recordings_stored on public.recordings (folder, stored_at) where erased_at is null;
create index if not exists recordings_by_call on public.recordings (call_id);
create index if not exists recordings_by_employee on public.recordings (employee_id, org_id);
create index if not exists recordings_oldest on public.recordings (org_id, started_at) where erased_at is null;
create index if not exists recordings_tombstones on public.recordings (erased_at) where erased_at is not null;

comment on table public.recordings is
  'One row for each recording that is or was in Storage. The row of an erased recording stays as a tombstone, so that nothing brings the '
  'recording back.';
comment on column public.recordings.employee_id is 'The call''s employee when the recording was stored; null if the call had none.';
comment on column public.recordings.folder is 'The employee''s id; the call''s id if the recording belongs to no employee.';
comment on column public.recordings.storage_path is 'The immutable key in the bucket `recordings`, without the bucket.';
comment on column public.recordings.sha256 is
  'The hash of the stored bytes, in lower-case hexadecimal. If it is null, the hash is unknown, and the recording proves no consent.';
comment on column public.recordings.channels is
  'The number of channels that Twilio states. The header of the stored file has the last word.';
comment on column public.recordings.account_sid is
  'The Twilio account that has the recording. If another account does not have it, that proves nothing.';
comment on column public.recordings.deployment_id is
  'The deployment that stored the recording. A copy of this database with an id of its own deletes none of its recordings at Twilio.';
comment on column public.recordings.started_at is
  'Twilio''s start time. It decides which recording is newest; the sid decides between equal times.';
comment on column public.recordings.erased_at is
  'The time at which the row was added to its erasure; never unset. A recording that an erasure covers counts as erased before that, see '
  'understudy.is_erased.';

alter table public.recordings enable row level security;
revoke all on public.recordings from public, anon, authenticated, service_role;
grant select on public.recordings to service_role;

create table if not exists public.storage_writes (
  id uuid primary key default gen_random_uuid(),
  bucket text not null check (bucket in ('recordings', 'deep-fakes')),
  path text not null check (path <> ''),
  folder uuid not null generated always as (split_part(path, '/', 1)::uuid) stored,
  recording_sid understudy.recording_sid,
  call_sid text,
  attempt_id uuid,
  begun_at timestamptz not null default clock_timestamp(),
  looked_at timestamptz,
  constraint storage_writes_what check ((bucket = 'recordings') = (recording_sid is not null) and (bucket = 'deep-fakes') = (attempt_id is not null))
);
create index if not exists storage_writes_by_path on public.storage_writes (path);
create index if not exists storage_writes_by_folder on public.storage_writes (folder);
create index if not exists storage_writes_by_call on public.storage_writes (call_sid) where call_sid is not null;
create index if not exists storage_writes_by_age on public.storage_writes (begun_at);

comment on table public.storage_writes is
  'Uploads and copies that were begun and not yet reported as done. Their objects may still appear after their worker has died, because '
  'Storage finishes a copy by itself. An erasure of such a key does not end before that has become impossible.';
comment on column public.storage_writes.folder is 'The employee''s id; the call''s id if the recording belongs to no employee.';
comment on column public.storage_writes.recording_sid is 'The recording that is written, to its own key or to the key of the newest one.';
comment on column public.storage_writes.looked_at is 'The time at which the sweep last looked at the write.';
comment on column public.storage_writes.call_sid is 'The call, if the write is an upload.';
comment on column public.storage_writes.attempt_id is 'The attempt, if the write is that of its metadata.';

alter table public.storage_writes enable row level security;
revoke all on public.storage_writes from public, anon, authenticated, service_role;
grant select on public.storage_writes to service_role;

-- Recordings that became known before their calls.
create table if not exists public.unmatched_recordings (
  recording_sid understudy.recording_sid primary key,
  call_sid text not null,
  seen_at timestamptz not null default clock_timestamp(),
  checked_at timestamptz not null default clock_timestamp()
);
create index if not exists unmatched_recordings_to_check on public.unmatched_recordings (checked_at);
create index if not exists unmatched_recordings_by_age on public.unmatched_recordings (seen_at);
comment on table public.unmatched_recordings is
  'Recordings at Twilio of calls that are not in `calls`. For 60 days, the sweep looks whether the call has come.';
alter table public.unmatched_recordings enable row level security;
revoke all on public.unmatched_recordings from public, anon, authenticated, service_role;
grant select on public.unmatched_recordings to service_role;

create or replace function understudy.longest_write()
returns interval
language sql
immutable
set search_path = ''
as $$
  select interval '15 minutes'
$$;
comment on function understudy.longest_write() is
  'The time after which a write has landed or never will. No Lambda function runs for longer, and the timeout of each of our requests '
  'leaves Storage ten minutes to finish by itself.';

create or replace function understudy.begin_write(
  p_path text,
  p_recording_sid text,
  p_call_sid text default null,
  p_attempt_id uuid default null
)
returns uuid
language sql
set search_path = ''
as $$
  insert into public.storage_writes (bucket, path, recording_sid, call_sid, attempt_id)
  values (case when p_attempt_id is null then 'recordings' else 'deep-fakes' end, p_path, p_recording_sid, p_call_sid, p_attempt_id)
  returning id
$$;
comment on function understudy.begin_write(text, text, text, uuid) is
  'Notes a write before it is made. The caller has locked the employee, so that an erasure knows of every write that began before it.';

create or replace function understudy.find_call(
  p_call_sid text,
  out call_id uuid,
  out org_id uuid,
  out employee_id uuid,
  out known_since timestamptz
)
language plpgsql
stable
set search_path = ''
as $$
begin
  -- A call that two rows claim belongs to neither of them (`strict`), because a guess could give it to the wrong organisation. An employee
  -- who is gone, or who belongs to another organisation than the call, is no employee of this call.
  select c.id, c.org_id, e.id, c.known_since
  into strict call_id, org_id, employee_id, known_since
  from public.calls c
  left join public.employees e on e.id = c.employee_id and e.org_id = c.org_id
  where c.twilio_call_sid = p_call_sid;
exception
  when no_data_found or too_many_rows then
    call_id := null;
end
$$;
comment on function understudy.find_call(text) is 'The call and its employee; nulls if the call is unknown or ambiguous.';

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
comment on function understudy.employee_channel(public.recordings) is
  'The employee''s channel that is stated for this very call; null if none is.';

create or replace function understudy.storage_path(p_call_id uuid, p_employee_id uuid, p_recording_sid text)
returns text
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_employee_id, p_call_id) || '/' || p_recording_sid || '.wav'
$$;

revoke all on all functions in schema understudy from public;
