-- Erasures: what must go when a consent has gone, copy by copy.
--
-- What an erasure covers: every recording of a call that we knew to be the employee's when it was requested, whenever Twilio
-- tells of it; and every recording that began before that moment. A recording of a later call is a new one: it may be stored,
-- and only a new consent lets anybody clone it. So a fresh consent starts anew, and old recordings stay erased.
-- When a recording began is Twilio's word, so that moment is told by a clock that agrees with Twilio's: the caller's. The database's
-- own decides leases and expiry, where it is compared only with itself.
--
-- In the database all of it takes effect at once. The copies elsewhere follow, each confirmed by itself; what turns up later
-- (the voice of a clone that was running, a recording that Twilio finishes only now) is added to the open erasure, or, when that is
-- over, to a new one which holds only what turned up.

create table if not exists public.voice_erasures (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity unique,
  org_id uuid not null,
  employee_id uuid not null,
  reason text not null check (reason in ('withdrawn', 'expired', 'requested')),
  requested_by uuid,
  requested_at timestamptz not null default clock_timestamp(),
  covers_until timestamptz not null,
  swept_at timestamptz,
  begun_at timestamptz,
  erased_at timestamptz
);
create unique index if not exists voice_erasures_one_open
  on public.voice_erasures (org_id, employee_id)
  where erased_at is null;
create index if not exists voice_erasures_newest on public.voice_erasures (org_id, employee_id, number desc);
create index if not exists voice_erasures_unfinished on public.voice_erasures (swept_at) where erased_at is null;

comment on column public.voice_erasures.begun_at is 'When a worker last took it up: while that is recent, its message is alive.';
comment on table public.voice_erasures is 'At most one is open for an employee: a second request joins it.';
comment on column public.voice_erasures.requested_by is
  'The user; null when the employee withdrew by a token, on expiry, and for what turned up after an erasure.';
comment on column public.voice_erasures.covers_until is
  'The moment of the last request that joined it, by the clock of whoever passed it on: recordings which began before it are covered.';
comment on column public.voice_erasures.erased_at is 'When the last copy was confirmed to be gone.';

create table if not exists public.voice_erasure_copies (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity unique,
  erasure_id uuid not null references public.voice_erasures (id),
  kind text not null
    check (kind in ('vendor_voice', 'stored_recording', 'newest_recording', 'twilio_recording', 'metadata')),
  reference text not null check (reference <> ''),
  attempt_id uuid,
  state text not null default 'pending' check (state in ('pending', 'erased', 'failed')),
  attempts integer not null default 0,
  last_error text check (last_error ~ '^[a-z0-9_]{1,64}$'),
  erased_at timestamptz,
  constraint voice_erasure_copies_key unique (erasure_id, kind, reference),
  constraint voice_erasure_copies_erased check ((state = 'erased') = (erased_at is not null)),
  constraint voice_erasure_copies_sid check (kind <> 'twilio_recording' or reference ~ '^RE[0-9A-Za-z]{1,64}$')
);
create index if not exists voice_erasure_copies_tombstones
  on public.voice_erasure_copies (reference)
  where kind = 'twilio_recording';
create index if not exists voice_erasure_copies_by_attempt on public.voice_erasure_copies (attempt_id);

comment on table public.voice_erasure_copies is
  'One row for each place that held something. A twilio_recording stays as a tombstone: nothing brings that RecordingSid back.';
comment on column public.voice_erasure_copies.reference is
  'vendor_voice: the vendor''s id. stored_recording, newest_recording: the key in the bucket `recordings`. '
  'twilio_recording: the RecordingSid. metadata: the key in the bucket `deep-fakes`.';
comment on column public.voice_erasure_copies.state is 'failed: the last try; it is tried again.';
comment on column public.voice_erasure_copies.attempts is 'How often it was tried.';

create table if not exists public.voice_erasure_calls (
  erasure_id uuid not null references public.voice_erasures (id),
  call_sid text not null,
  listed_at timestamptz,
  primary key (erasure_id, call_sid)
);
create index if not exists voice_erasure_calls_by_call on public.voice_erasure_calls (call_sid);
comment on table public.voice_erasure_calls is 'The calls that an erasure covers: Twilio may have recordings of them that we never stored.';
comment on column public.voice_erasure_calls.listed_at is 'When all that Twilio has of this call was added to the copies.';

alter table public.voice_erasures enable row level security;
alter table public.voice_erasure_copies enable row level security;
alter table public.voice_erasure_calls enable row level security;
revoke all on public.voice_erasures, public.voice_erasure_copies, public.voice_erasure_calls
  from public, anon, authenticated, service_role;
revoke all on sequence public.voice_erasures_number_seq, public.voice_erasure_copies_number_seq
  from public, anon, authenticated, service_role;
grant select on public.voice_erasures, public.voice_erasure_copies, public.voice_erasure_calls to service_role;

create or replace function understudy.asked_at(p_now double precision)
returns timestamptz
language sql
set search_path = ''
as $$
  select coalesce(to_timestamp(p_now), clock_timestamp())
$$;
comment on function understudy.asked_at(double precision) is
  'The caller''s now, in seconds since 1970; a caller without a clock of its own has the database''s.';

create or replace function understudy.is_erased(p_recording_sid text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (select 1 from public.recordings r where r.recording_sid = p_recording_sid and r.erased_at is not null)
    or exists (
      select 1 from public.voice_erasure_copies c where c.kind = 'twilio_recording' and c.reference = p_recording_sid
    )
$$;
comment on function understudy.is_erased(text) is 'The tombstone of a recording, whether it was ever stored or not.';

create or replace function understudy.covering_erasure(
  p_call_sid text,
  p_call_id uuid,
  p_org_id uuid,
  p_employee_id uuid,
  p_started_at timestamptz default null
)
returns public.voice_erasures
language sql
stable
set search_path = ''
as $$
  select covering.e
  from (
    select e
    from public.voice_erasure_calls c
    join public.voice_erasures e on e.id = c.erasure_id
    where c.call_sid = p_call_sid
      -- A call that belongs to somebody else by now was theirs by mistake; one that is gone belongs to nobody else.
      and (p_call_id is null or (e.org_id = p_org_id and coalesce(p_employee_id, e.employee_id) = e.employee_id))
    union all
    select e
    from public.voice_erasures e
    where e.org_id = p_org_id and e.employee_id = p_employee_id
      -- Twilio tells the second only: a recording that began within the second of the request counts as begun after it.
      and e.covers_until >= p_started_at + interval '1 second'
  ) as covering
  order by (covering.e).number desc
  limit 1
$$;
comment on function understudy.covering_erasure(text, uuid, uuid, uuid, timestamptz) is
  'The newest erasure that covers a recording of this call, which need not be open any more.';

revoke all on all functions in schema understudy from public;
