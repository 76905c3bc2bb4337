-- The tables of the application around us. A table that exists stays exactly as it is, with its columns, rights, policies and data; only
-- `calls` gets two more columns and the indexes that it needs. A table that does not exist is made in a minimal version, closed to everyone
-- but the service key by row level security without policies.
-- None of our tables has a foreign key to them, except the settings, which go with their organisation: the deletion of an employee must
-- neither be refused because of our rows, nor delete the record of a voice that still exists at the vendor.

-- Internal functions live in a schema of their own: PostgREST exposes only `public`, so no key of any kind reaches them.
create schema if not exists understudy;
revoke all on schema understudy from public, anon, authenticated, service_role;
comment on schema understudy is 'Internals of the voice functions. Must not be added to the exposed schemas of the API.';

do $$
begin
  if to_regclass('public.organizations') is null then
    create table public.organizations (
      id uuid primary key default gen_random_uuid(),
      name text not null
    );
    alter table public.organizations enable row level security;
    revoke all on public.organizations from public, anon, authenticated;
    grant all on public.organizations to service_role;
  end if;

  if to_regclass('public.users') is null then
    create table public.users (
      id uuid primary key,
      org_id uuid not null references public.organizations (id),
      email text,
      role text not null default 'member' check (role in ('admin', 'member'))
    );
    alter table public.users enable row level security;
    revoke all on public.users from public, anon, authenticated;
    grant all on public.users to service_role;
    comment on column public.users.id is 'The id of the Supabase auth user (claim "sub").';
  end if;

  if to_regclass('public.employees') is null then
    create table public.employees (
      id uuid primary key default gen_random_uuid(),
      org_id uuid not null references public.organizations (id),
      full_name text not null,
      email text,
      phone text,
      voice_id text
    );
    alter table public.employees enable row level security;
    revoke all on public.employees from public, anon, authenticated;
    grant all on public.employees to service_role;
    comment on column public.employees.voice_id is
      'The vendor''s id of the current voice, copied from public.voices; null if there is none. Only the voice functions write it.';
  end if;

  if to_regclass('public.calls') is null then
    create table public.calls (
      id uuid primary key default gen_random_uuid(),
      org_id uuid not null references public.organizations (id),
      employee_id uuid references public.employees (id) on delete set null,
      twilio_call_sid text unique,
      status text,
      recording_url text,
      duration_seconds integer,
      created_at timestamptz not null default now()
    );
    alter table public.calls enable row level security;
    revoke all on public.calls from public, anon, authenticated;
    grant all on public.calls to service_role;
    comment on column public.calls.recording_url is
      'The bucket and key, as bucket/key, of the call''s newest recording in Storage. It is not a public URL.';
  end if;
end
$$;

alter table public.calls add column if not exists employee_channel smallint check (employee_channel in (1, 2));
comment on column public.calls.employee_channel is
  'The employee''s channel in the call''s recordings: 1 is the party of the parent call (the caller of an inbound call), 2 is the other '
  'party. If it is null, the usual channel that the functions are configured with counts. A recording of one channel may hold either '
  'party, so nothing is assumed about it. A <Record> verb records the first channel''s party.';

-- The default now() lets PostgreSQL add the column without writing each existing row anew. Later rows get the time at which they came, and
-- not the time at which their transaction began.
alter table public.calls add column if not exists known_since timestamptz not null default now();
alter table public.calls alter column known_since set default clock_timestamp();
comment on column public.calls.known_since is
  'The time at which this row was inserted, or this column added. An erasure covers the recordings of those calls that were known when it '
  'was requested.';

-- Every callback looks a call up by its CallSid. An erasure reads an employee's calls in the order of their ids.
do $$
begin
  if not exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = 'public.calls'::regclass and a.attname = 'twilio_call_sid' and i.indisvalid and i.indpred is null
  ) then
    create index understudy_calls_by_call_sid on public.calls (twilio_call_sid);
  end if;
end
$$;
create index if not exists understudy_calls_by_employee on public.calls (employee_id, id);
