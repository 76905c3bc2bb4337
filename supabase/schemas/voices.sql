-- Voices: one row for each attempt to clone an employee's voice. The row's id is the attempt id.
--
--   requested ⇄ cloning → ready → retired          requested: the vendor has no voice of it
--       │          │ ↘↖     ↑                      cloning:   a worker holds the lease
--       │          │  unknown                      unknown:   a voice may exist that we have no id of
--       ↓          ↓    ↓                          ready:     the current voice
--       └──────→ failed ←                          failed, retired: final; its voice at the vendor is to be deleted

create table if not exists public.voices (
  id uuid primary key default gen_random_uuid(),
  -- The order of attempts. The times of two transactions may be equal, and the clock may be set back.
  number bigint generated always as identity unique,
  org_id uuid not null,
  employee_id uuid not null,
  consent_id uuid not null,
  recording_sid understudy.recording_sid not null references public.recordings (recording_sid),
  requested_by uuid not null,
  state text not null default 'requested'
    check (state in ('requested', 'cloning', 'unknown', 'ready', 'failed', 'retired')),
  code text check (code ~ '^[a-z_]+$'),
  replace_first boolean not null default false,
  campaign boolean not null default false,
  uploads smallint not null default 0 check (uploads >= 0),
  turned_away smallint not null default 0 check (turned_away >= 0),
  pipeline_version integer,
  report jsonb check (jsonb_typeof(report) = 'object'),
  lease_id uuid,
  lease_until timestamptz,
  deployment_id uuid not null default understudy.deployment_id(),
  vendor_voice_id text unique check (vendor_voice_id <> ''),
  vendor_account text check (vendor_account <> ''),
  vendor_checked_at timestamptz,
  vendor_deleted_at timestamptz,
  recordings_erased boolean not null default false,
  metadata_handed_at timestamptz,
  metadata_written_at timestamptz,
  swept_at timestamptz,
  requested_at timestamptz not null default clock_timestamp(),
  ready_at timestamptz,
  closed_at timestamptz,
  -- A voice needs a consent of this very employee in this very organisation.
  constraint voices_consent foreign key (org_id, employee_id, consent_id)
    references public.voice_consents (org_id, employee_id, id),
  constraint voices_vendor_voice check (state not in ('ready', 'retired') or vendor_voice_id is not null),
  constraint voices_code check ((state in ('failed', 'retired')) = (code is not null))
);
create unique index if not exists voices_one_under_way
  on public.voices (employee_id)
  where state in ('requested', 'cloning', 'unknown');
create unique index if not exists voices_one_ready
  on public.voices (employee_id)
  where state = 'ready';
create index if not exists voices_live
  on public.voices (org_id, employee_id)
  where state in ('requested', 'cloning', 'unknown', 'ready');
create index if not exists voices_unfinished
  on public.voices (swept_at)
  where state in ('requested', 'cloning', 'unknown')
    or (state in ('failed', 'retired') and vendor_voice_id is not null and vendor_deleted_at is null)
    or (metadata_handed_at is not null and metadata_written_at is null)
    or (state = 'retired' and metadata_handed_at is not null and metadata_written_at < closed_at);
create index if not exists voices_to_check on public.voices (vendor_checked_at nulls first, number) where state = 'ready';
create index if not exists voices_over on public.voices (closed_at) where state in ('failed', 'retired');
create index if not exists voices_to_retain on public.voices (org_id, ready_at) where state = 'ready' and not recordings_erased;
create index if not exists voices_by_consent on public.voices (consent_id);
create index if not exists voices_by_recording on public.voices (recording_sid);
create index if not exists voices_with_uploads on public.voices (recording_sid) where uploads > 0;
create index if not exists voices_newest on public.voices (employee_id, number desc);
create index if not exists voices_to_delete
  on public.voices (employee_id)
  where state in ('failed', 'retired') and vendor_voice_id is not null and vendor_deleted_at is null;

comment on table public.voices is
  'Attempts, each with its voice. This table is authoritative; employees.voice_id mirrors the voice that is ready.';
comment on column public.voices.recording_sid is
  'The newest recording when the clone was requested. The recordings that the voice is made from are in public.voice_sources.';
comment on column public.voices.code is 'The reason why the attempt failed or the voice was retired, e.g. consent_withdrawn, superseded.';
comment on column public.voices.replace_first is
  'True if the request asked for the current voice to be deleted, also at the vendor, before this one is made. It serves accounts without '
  'a free place for a voice.';
comment on column public.voices.campaign is
  'True if the attempt was requested together with many others. Nobody waits for it, and it has a queue of its own.';
comment on column public.voices.uploads is
  'The number of times that a sample of this attempt was allowed to be sent to the vendor, except for those that the vendor has surely '
  'not processed. It never exceeds understudy.most_uploads().';
comment on column public.voices.turned_away is
  'The number of samples of this attempt that the vendor has surely not processed.';
comment on column public.voices.pipeline_version is
  'The version of the code that made the sample; another version would make another sample. It is null until a sample was taken.';
comment on column public.voices.report is
  'Figures of the sample, with speech_seconds, or the figures that explain why there could be no sample. It holds no names, keys or '
  'sound. It becomes null again once a recording of the sample is erased.';
comment on column public.voices.lease_id is
  'The lease of the one worker that may decide about the attempt. A worker with another lease is too late.';
comment on column public.voices.lease_until is
  'The end of the lease. Until then, and for the grace time after it, no other worker touches the attempt, because the vendor may still '
  'be making the voice. It is the time at which the lease was given back if the vendor surely has no voice.';
comment on column public.voices.deployment_id is
  'The deployment that owns the voice. A copy of this database with an id of its own leaves the voice alone at the vendor.';
comment on column public.voices.vendor_account is
  'The vendor''s account that has the voice. If another account does not know the voice, that proves nothing.';
comment on column public.voices.vendor_checked_at is 'The time at which the voice was last looked for among the vendor''s voices.';
comment on column public.voices.recordings_erased is 'True once its organisation''s time of keeping recordings after a clone is over.';
comment on column public.voices.vendor_deleted_at is 'The time at which the vendor confirmed that the voice is gone.';
comment on column public.voices.metadata_handed_at is
  'The time at which a worker was last given this voice''s metadata to write. If it is later than metadata_written_at, the metadata may '
  'still be written at any time.';

comment on column public.voices.swept_at is
  'The time at which the sweep last sent a message for the attempt. The attempts that were longest unswept come first.';

alter table public.voices enable row level security;
revoke all on public.voices from public, anon, authenticated, service_role;
revoke all on sequence public.voices_number_seq from public, anon, authenticated, service_role;
grant select on public.voices to service_role;

create table if not exists public.voice_sources (
  attempt_id uuid not null references public.voices (id),
  position smallint not null check (position >= 1),
  recording_sid understudy.recording_sid not null references public.recordings (recording_sid),
  channel smallint check (channel in (1, 2)),
  synthetic boolean not null default false,
  primary key (attempt_id, position),
  constraint voice_sources_once unique (attempt_id, recording_sid)
);
create index if not exists voice_sources_by_recording on public.voice_sources (recording_sid);

comment on table public.voice_sources is
  'The recordings that an attempt''s sample was made from, the newest at position 1. Every recording that was looked at is here, even if '
  'it gave no usable speech.';
comment on column public.voice_sources.channel is
  'The employee''s party in the recording, as the channel of the call, counted from 1. For a recording of one channel it is the channel '
  'of the party that it holds. It is null if nothing was taken.';
comment on column public.voice_sources.synthetic is 'True if the recording was passed over because a cloned voice spoke in the call.';

alter table public.voice_sources enable row level security;
revoke all on public.voice_sources from public, anon, authenticated, service_role;
grant select on public.voice_sources to service_role;

create or replace function understudy.guard_voice()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  if (new.id, new.org_id, new.employee_id, new.consent_id, new.recording_sid)
    is distinct from (old.id, old.org_id, old.employee_id, old.consent_id, old.recording_sid)
  then
    raise exception 'an attempt keeps its employee, consent and recording' using errcode = 'integrity_constraint_violation';
  end if;
  if old.vendor_voice_id is not null and new.vendor_voice_id is distinct from old.vendor_voice_id then
    raise exception 'an attempt keeps its voice' using errcode = 'integrity_constraint_violation';
  end if;
  -- The figures of the sample are cleared together with a recording that they were measured on.
  if ((new.replace_first, new.pipeline_version) is distinct from (old.replace_first, old.pipeline_version)
      or (new.report is distinct from old.report and not (new.report is null and understudy.has_erased_recording(old))))
    and old.state not in ('requested', 'cloning', 'unknown')
  then
    raise exception 'a voice keeps the sample it was made from' using errcode = 'integrity_constraint_violation';
  end if;
  if new.state <> old.state and (old.state, new.state) not in (
    ('requested', 'cloning'), ('requested', 'failed'),
    ('cloning', 'requested'), ('cloning', 'unknown'), ('cloning', 'ready'), ('cloning', 'failed'),
    ('unknown', 'requested'), ('unknown', 'ready'), ('unknown', 'failed'),
    ('ready', 'retired')
  ) then
    raise exception 'a voice cannot go from % to %', old.state, new.state using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;
comment on function understudy.guard_voice() is
  'Catches bugs: a voice never leaves the states failed and retired, and changes between the other states only as shown above.';

create or replace trigger voices_guarded
  before update on public.voices
  for each row execute function understudy.guard_voice();

create or replace function understudy.lease_grace()
returns interval
language sql
immutable
set search_path = ''
as $$
  select interval '60 seconds'
$$;
comment on function understudy.lease_grace() is
  'The time that is added to every lease. The vendor may finish a voice after the worker that asked for it has died.';

create or replace function understudy.retry_after_seconds(p_lease_until timestamptz)
returns integer
language sql
set search_path = ''
as $$
  select greatest(1, ceil(extract(epoch from p_lease_until + understudy.lease_grace() - clock_timestamp())))::integer
$$;

create or replace function understudy.current_voice(p_employee_id uuid)
returns public.voices
language sql
stable
set search_path = ''
as $$
  select v from public.voices v where v.employee_id = p_employee_id and v.state = 'ready'
$$;

create or replace function understudy.mirrored_voice_id(p_employee_id uuid, p_org_id uuid)
returns text
language sql
stable
set search_path = ''
as $$
  select v.vendor_voice_id
  from public.voices v
  where v.employee_id = p_employee_id and v.org_id = p_org_id and v.state = 'ready'
$$;
comment on function understudy.mirrored_voice_id(uuid, uuid) is
  'The value that employees.voice_id must have. An employee who moved has no voice in their new organisation until one is made there.';

create or replace function understudy.mirror_voice(p_employee_id uuid)
returns void
language sql
set search_path = ''
as $$
  update public.employees e
  set voice_id = understudy.mirrored_voice_id(e.id, e.org_id)
  where e.id = p_employee_id and e.voice_id is distinct from understudy.mirrored_voice_id(e.id, e.org_id)
$$;
comment on function understudy.mirror_voice(uuid) is
  'Copies the current voice to employees.voice_id. Apart from the trigger leave_voice_behind, nothing else writes that column.';

create or replace function understudy.audit_attempt(
  p_voice public.voices,
  p_action text,
  p_outcome text,
  p_details jsonb default '{}'
)
returns void
language sql
set search_path = ''
as $$
  select understudy.audit(
    p_voice.org_id, p_voice.employee_id, null, p_action, p_outcome, jsonb_build_object('attempt_id', p_voice.id) || p_details
  )
$$;
comment on function understudy.audit_attempt(public.voices, text, text, jsonb) is 'Audits an act of the bundle itself on an attempt.';

create or replace function understudy.stop_voices(
  p_org_id uuid,
  p_employee_id uuid,
  p_actor_id uuid,
  p_code text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_stopped public.voices[];
  v_voice public.voices;
begin
  with stopped as (
    update public.voices v
    set state = case v.state when 'ready' then 'retired' else 'failed' end,
        code = p_code,
        closed_at = clock_timestamp()
    where v.org_id = p_org_id
      and v.employee_id = p_employee_id
      and (v.state in ('requested', 'ready') or (v.state in ('cloning', 'unknown') and v.vendor_voice_id is not null))
    returning v
  )
  select array_agg(stopped.v) into v_stopped from stopped;
  perform understudy.mirror_voice(p_employee_id);

  foreach v_voice in array coalesce(v_stopped, '{}') loop
    perform understudy.audit(
      p_org_id, p_employee_id, p_actor_id, 'voice.stop', v_voice.state,
      jsonb_build_object('attempt_id', v_voice.id, 'code', p_code)
    );
  end loop;
end
$$;
comment on function understudy.stop_voices(uuid, uuid, uuid, text) is
  'Ends an employee''s voices, because the consent is gone: no voice is current, no attempt starts, and no voice that is already saved '
  'can finish. An attempt that is being cloned at this moment runs on until it is refused; otherwise nobody would ever know whether it '
  'made a voice.';

create or replace function understudy.voices_to_delete(p_employee_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(jsonb_build_object('attempt_id', v.id, 'vendor_voice_id', v.vendor_voice_id) order by v.number),
    '[]'
  )
  from public.voices v
  where v.employee_id = p_employee_id
    and v.state in ('failed', 'retired')
    and v.vendor_voice_id is not null
    and v.vendor_deleted_at is null
    and v.deployment_id = understudy.deployment_id()
$$;
comment on function understudy.voices_to_delete(uuid) is
  'The voices that the vendor, as far as this deployment knows, still has of it and should not have.';
revoke all on all functions in schema understudy from public;
