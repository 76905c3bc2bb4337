-- The tables of the application around us. Where they exist they stay exactly as they are: columns, rights, policies, data;
-- only `calls` gets two more columns and the indexes that it needs. Where they do not, a minimal version is made, closed to everyone but the service key
-- (row level security, no policies).
-- Nothing of ours refers to them with a foreign key, but for the settings, which go with their organisation: deleting an employee
-- must neither be refused because of us, nor delete the record of a voice that still exists at the vendor.

-- Internal functions live here: PostgREST exposes `public` only, so no key of any kind reaches them.
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
      'Mirror of the current voice in public.voices (the vendor''s id); null when there is none. Written by the voice functions only.';
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
      'Where the call''s newest recording is in Storage, as bucket/key. Not a public URL.';
  end if;
end
$$;

alter table public.calls add column if not exists employee_channel smallint check (employee_channel in (1, 2));
comment on column public.calls.employee_channel is
  'Which channel of the call''s recordings the employee is on, counted from 1: 1 is the parent call''s party (of an inbound call the '
  'caller), 2 the other. Null: where employees usually are, which the functions are configured with; but of a recording of one channel '
  'nothing is assumed, since it may hold either party. A <Record> verb takes the first channel''s party.';

-- With now() no row of an existing table has to be written anew. Later rows tell when they came, and not when their transaction began.
alter table public.calls add column if not exists known_since timestamptz not null default now();
alter table public.calls alter column known_since set default clock_timestamp();
comment on column public.calls.known_since is
  'When this row was inserted, or this column added: an erasure covers what is recorded of the calls that were known when it was requested.';

-- Every callback looks a call up by its CallSid; an erasure walks an employee's calls in the order of their ids.
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
