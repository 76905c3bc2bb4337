-- The database of the first version: `schemas/` as it was then, one file after another.

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

-- An organisation's own settings for its voices. An organisation without a row has the defaults.

create table if not exists public.organization_voice_settings (
  org_id uuid primary key references public.organizations (id) on delete cascade,
  max_voices integer check (max_voices between 0 and 10000),
  evidence_kept_elsewhere boolean not null default false,
  delete_recordings_days_after_clone integer check (delete_recordings_days_after_clone >= 0),
  delete_recordings_days_after_call integer check (delete_recordings_days_after_call >= 0),
  retention_swept_at timestamptz
);
create index if not exists organization_voice_settings_to_sweep
  on public.organization_voice_settings (retention_swept_at nulls first)
  where delete_recordings_days_after_call is not null or delete_recordings_days_after_clone is not null;
comment on table public.organization_voice_settings is
  'Settings that the operator of the service writes in SQL. The API changes none of them.';
comment on column public.organization_voice_settings.max_voices is
  'The number of employees who may have a voice; null means any number. An organisation that has more voices than a lowered limit keeps '
  'them. The limit is at most 10,000, because each request for a clone counts the voices up to it.';
comment on column public.organization_voice_settings.evidence_kept_elsewhere is
  'True if evidence of consents is kept where this service cannot read it. A consent is then recorded as unverified, and is shown as '
  'unverified everywhere.';
comment on column public.organization_voice_settings.delete_recordings_days_after_clone is
  'The number of days after a voice became ready at which the recordings that had begun by then are erased, in Storage and at Twilio; '
  'null means never.';
comment on column public.organization_voice_settings.delete_recordings_days_after_call is
  'The number of days after the start of a recording at which it is erased, in Storage and at Twilio; null means never.';

comment on column public.organization_voice_settings.retention_swept_at is
  'The time at which the sweep last found nothing left to erase for retention.';

alter table public.organization_voice_settings enable row level security;
revoke all on public.organization_voice_settings from public, anon, authenticated, service_role;
grant select on public.organization_voice_settings to service_role;

create or replace function understudy.exhausted_quota(p_org_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_limit integer;
  v_used integer;
begin
  -- The lock makes the second of two simultaneous requests for two employees count the first.
  select s.max_voices into v_limit from public.organization_voice_settings s where s.org_id = p_org_id for update;
  if v_limit is null then
    return null;
  end if;

  if exists (
    select
    from public.voices v
    where v.org_id = p_org_id and v.employee_id = p_employee_id and v.state in ('requested', 'cloning', 'unknown', 'ready')
  ) then
    return null;
  end if;

  -- The count stops at the limit, however many employees the organisation has.
  select count(*)
  into v_used
  from (
    select distinct v.employee_id
    from public.voices v
    where v.org_id = p_org_id and v.state in ('requested', 'cloning', 'unknown', 'ready')
    order by v.employee_id
    limit v_limit
  ) counted;
  if v_used < v_limit then
    return null;
  end if;
  return jsonb_build_object('figure', v_used, 'limit', v_limit, 'unit', 'voices');
end
$$;
comment on function understudy.exhausted_quota(uuid, uuid) is
  'The figures of the quota that keeps this employee from getting a voice, or null. It counts employees with a current voice or an '
  'attempt under way; an employee who is already counted is not kept from a new voice. The caller has locked the employee and has not '
  'audited anything yet.';

revoke all on all functions in schema understudy from public;

-- The deployment to which this database belongs.

create table if not exists understudy.deployment (
  only_one boolean primary key default true check (only_one),
  id uuid not null default gen_random_uuid()
);
insert into understudy.deployment default values on conflict do nothing;

comment on table understudy.deployment is
  'One row. Its id marks our voices at the vendor, so that deployments which share an account there leave each other''s voices alone. A '
  'copy of this database that goes on by itself, such as a staging system made from a backup, must be given an id of its own.';

create or replace function understudy.deployment_id()
returns uuid
language sql
stable
set search_path = ''
as $$
  select d.id from understudy.deployment d
$$;
comment on function understudy.deployment_id() is
  'The id of this deployment. It is kept with each voice and recording, so that a copy of this database knows which of them belong to '
  'another deployment.';

revoke all on all functions in schema understudy from public;

-- The audit: one row for each state change and each refusal, written in the same transaction as that change. The rows of an organisation
-- form a chain: each holds the hash of the row before, so that no row can be changed or taken out unnoticed. Rows that are older than the
-- period of proof are purged from the beginning of the chain.

create or replace function understudy.proof_period()
returns interval
language sql
immutable
set search_path = ''
as $$
  select interval '3 years'
$$;
comment on function understudy.proof_period() is
  'The time for which the end of a consent, an erasure and the audit are kept as proof. The statement that people agree to names it.';

create or replace function understudy.time_now()
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select clock_timestamp()
$$;
comment on function understudy.time_now() is
  'clock_timestamp(), but the same for a whole statement, so that an index can be searched with it. A comparison with clock_timestamp() '
  'itself reads row by row.';

create table if not exists public.voice_audit (
  id bigint generated always as identity primary key,
  -- It counts from 1 in each organisation, without gaps.
  seq bigint not null,
  at timestamptz not null,
  org_id uuid,
  employee_id uuid,
  actor_id uuid,
  action text not null check (action ~ '^[a-z_]+\.[a-z_]+$'),
  outcome text not null check (outcome ~ '^[a-z_]+$'),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  prev_hash text not null check (prev_hash ~ '^[0-9a-f]{64}$'),
  hash text not null check (hash ~ '^[0-9a-f]{64}$')
);
create unique index if not exists voice_audit_chain
  on public.voice_audit (coalesce(org_id, '00000000-0000-0000-0000-000000000000'), seq);
create index if not exists voice_audit_by_employee on public.voice_audit (org_id, employee_id, seq);
create index if not exists voice_audit_by_age on public.voice_audit (at);

comment on table public.voice_audit is
  'Append-only, except that the purge deletes what is older than the period of proof. It holds ids, codes and times only: no names, phone '
  'numbers, e-mail addresses, storage keys or URLs.';
comment on column public.voice_audit.org_id is 'It is null only if the caller belongs to no organisation.';
comment on column public.voice_audit.employee_id is
  'The employee that the request named. In a refusal the id may belong to nobody, or to another organisation.';
comment on column public.voice_audit.actor_id is 'The signed-in user. It is null if the bundle itself acted, or an employee by a token.';
comment on column public.voice_audit.details is 'attempt_id, consent_id, recording_sid, code and the like.';
comment on column public.voice_audit.prev_hash is 'The hash of the organisation''s row before; 64 zeros in the first row.';

-- The end of each chain. Its lock also makes the writers of one organisation's rows wait for each other.
create table if not exists public.voice_audit_heads (
  org_id uuid primary key,
  seq bigint not null,
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  purged_seq bigint not null default 0,
  purged_hash text not null default repeat('0', 64) check (purged_hash ~ '^[0-9a-f]{64}$')
);
comment on column public.voice_audit_heads.purged_seq is
  'The seq of the last row that was purged; 0 if none was. The next row''s prev_hash is the hash of that row.';
comment on table public.voice_audit_heads is
  'The last row of each organisation''s chain. Without it, nobody would notice that rows were cut off at the end. Rows without an '
  'organisation are chained under the zero uuid.';

alter table public.voice_audit_heads enable row level security;
revoke all on public.voice_audit_heads from public, anon, authenticated, service_role;
grant select on public.voice_audit_heads to service_role;

-- Supabase grants everything on new tables in `public` by default. These are the rights that service_role needs.
alter table public.voice_audit enable row level security;
revoke all on public.voice_audit from public, anon, authenticated, service_role;
revoke all on sequence public.voice_audit_id_seq from public, anon, authenticated, service_role;
grant select on public.voice_audit to service_role;

create or replace function understudy.refuse_audit_change()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' then
    if old.at < understudy.time_now() - understudy.proof_period() then
      return old;
    end if;
  end if;
  raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
end
$$;
comment on function understudy.refuse_audit_change() is
  'Lets only the purge delete rows, and only rows that are old enough. With rights alone, one careless grant would open the audit. The '
  'trigger stops the owner too, who would have to disable it on purpose.';

create or replace trigger voice_audit_append_only
  before update or delete on public.voice_audit
  for each row execute function understudy.refuse_audit_change();
create or replace trigger voice_audit_no_truncate
  before truncate on public.voice_audit
  for each statement execute function understudy.refuse_audit_change();
-- `always` keeps the triggers on where session_replication_role is replica.
alter table public.voice_audit enable always trigger voice_audit_append_only;
alter table public.voice_audit enable always trigger voice_audit_no_truncate;

create or replace function understudy.audit_hash(p_row public.voice_audit)
returns text
language sql
immutable
set search_path = ''
as $$
  select encode(
    sha256(convert_to(
      jsonb_build_array(
        p_row.prev_hash,
        coalesce(p_row.org_id, '00000000-0000-0000-0000-000000000000'),
        p_row.seq,
        to_char(p_row.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        p_row.employee_id,
        p_row.actor_id,
        p_row.action,
        p_row.outcome,
        p_row.details
      )::text,
      'UTF8'
    )),
    'hex'
  )
$$;
comment on function understudy.audit_hash(public.voice_audit) is
  'The SHA-256 of the row as a JSON array, in the order above, as PostgreSQL prints jsonb. It does not depend on the session''s settings.';

create or replace function understudy.audit(
  p_org_id uuid,
  p_employee_id uuid,
  p_actor_id uuid,
  p_action text,
  p_outcome text,
  p_details jsonb default '{}'
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_chain constant uuid := coalesce(p_org_id, '00000000-0000-0000-0000-000000000000');
  v_row public.voice_audit;
begin
  -- The insert waits for the end of the organisation's transaction before this one, and only then reads the clock.
  insert into public.voice_audit_heads as h (org_id, seq, hash)
  values (v_chain, 1, repeat('0', 64))
  on conflict (org_id) do update set seq = h.seq + 1
  returning h.seq, h.hash into v_row.seq, v_row.prev_hash;

  v_row.at := clock_timestamp();
  v_row.org_id := p_org_id;
  v_row.employee_id := p_employee_id;
  v_row.actor_id := p_actor_id;
  v_row.action := p_action;
  v_row.outcome := p_outcome;
  v_row.details := jsonb_strip_nulls(p_details);
  v_row.hash := understudy.audit_hash(v_row);

  insert into public.voice_audit (seq, at, org_id, employee_id, actor_id, action, outcome, details, prev_hash, hash)
  values (
    v_row.seq, v_row.at, v_row.org_id, v_row.employee_id, v_row.actor_id, v_row.action, v_row.outcome, v_row.details,
    v_row.prev_hash, v_row.hash
  );
  update public.voice_audit_heads h set hash = v_row.hash where h.org_id = v_chain;
end
$$;
comment on function understudy.audit(uuid, uuid, uuid, text, text, jsonb) is
  'Writes a row of the audit; nothing else writes one. It locks the organisation''s head until the transaction ends. After it, lock '
  'nothing that a transaction without the same employee''s lock may hold.';

create or replace function understudy.may_audit_stranger()
returns boolean
language sql
stable
set search_path = ''
as $$
  select not exists (
    select
    from public.voice_audit_heads h
    join public.voice_audit a
      on coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = h.org_id and a.seq = h.seq - 999
    where h.org_id = '00000000-0000-0000-0000-000000000000' and a.at > understudy.time_now() - interval '1 day'
  )
$$;
comment on function understudy.may_audit_stranger() is
  'True while refusals of people without an organisation are still audited, which are a thousand rows a day. Anybody may sign up, and '
  'could fill the audit.';

create or replace function understudy.refuse(
  p_org_id uuid,
  p_employee_id uuid,
  p_actor_id uuid,
  p_action text,
  p_code text,
  p_details jsonb default '{}'
)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  if p_org_id is not null or understudy.may_audit_stranger() then
    perform understudy.audit(p_org_id, p_employee_id, p_actor_id, p_action, p_code, p_details);
  end if;
  return jsonb_build_object('outcome', p_code);
end
$$;
comment on function understudy.refuse(uuid, uuid, uuid, text, text, jsonb) is
  'Audits a refusal and returns it. A refusal is a result: an exception would roll its audit row back.';

revoke all on all functions in schema understudy from public;

-- The addresses and browsers from which admins work. An answer of an employee that comes from one of them is marked, so that people look at
-- it.

create table if not exists understudy.admin_origins (
  org_id uuid not null,
  kind text not null check (kind in ('address', 'user_agent')),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  seen_at timestamptz not null default clock_timestamp(),
  primary key (org_id, kind, sha256)
);
create index if not exists admin_origins_by_age on understudy.admin_origins (org_id, seen_at);
comment on table understudy.admin_origins is
  'Hashes of the addresses and user agents that an organisation''s admins used. Their times are exact to ten minutes, and they are kept '
  'for two days.';

alter table understudy.admin_origins enable row level security;
revoke all on understudy.admin_origins from public, anon, authenticated, service_role;

create or replace function understudy.origin_sha256(p_text text)
returns text
language sql
immutable
set search_path = ''
as $$
  select encode(sha256(convert_to(left(p_text, 500), 'UTF8')), 'hex')
$$;
comment on function understudy.origin_sha256(text) is 'The hash of that part of a user agent which is kept with an answer.';

create or replace function understudy.note_admin_origin(p_org_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  v_origin record;
begin
  -- The address always comes first, so that two simultaneous requests lock the rows in the same order.
  for v_origin in
    select o.kind, understudy.origin_sha256(o.value) as sha256
    from (
      values
        ('address', v_headers ->> 'x-caller-address'),
        ('user_agent', v_headers ->> 'x-caller-user-agent')
    ) as o (kind, value)
    where o.value <> ''
    order by o.kind
  loop
    -- The row is read before it is written, because an upsert would lock it even if nothing changes.
    continue when exists (
      select from understudy.admin_origins a
      where a.org_id = p_org_id
        and a.kind = v_origin.kind
        and a.sha256 = v_origin.sha256
        and a.seen_at > understudy.time_now() - interval '10 minutes'
    );
    insert into understudy.admin_origins as a (org_id, kind, sha256)
    values (p_org_id, v_origin.kind, v_origin.sha256)
    on conflict (org_id, kind, sha256) do update set seen_at = clock_timestamp();
    delete from understudy.admin_origins a
    where a.ctid = any (array(
      select o.ctid
      from understudy.admin_origins o
      where o.org_id = p_org_id and o.seen_at < understudy.time_now() - interval '2 days'
      order by o.seen_at
      limit 20
      for update skip locked
    ));
  end loop;
end
$$;
comment on function understudy.note_admin_origin(uuid) is
  'Notes the address and the browser of the admin who makes this request. The functions of the API send them as headers, which PostgREST '
  'offers as a setting. A caller without these headers is not noted.';

create or replace function understudy.is_admin_origin(p_org_id uuid, p_address text, p_user_agent text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from understudy.admin_origins a
    where a.org_id = p_org_id
      and (a.kind, a.sha256) in (
        ('address', understudy.origin_sha256(p_address)), ('user_agent', understudy.origin_sha256(p_user_agent))
      )
      -- The noted time may be ten minutes older than the true one.
      and a.seen_at > understudy.time_now() - interval '24 hours 10 minutes'
  )
$$;
comment on function understudy.is_admin_origin(uuid, text, text) is
  'True if an admin of the organisation used this address or this user agent within the last day.';

revoke all on all functions in schema understudy from public;

-- The rights of users, and the lock that every change takes first.

create or replace function understudy.employee_key(p_employee_id uuid)
returns bigint
language sql
immutable
set search_path = ''
as $$
  select hashtextextended('understudy ' || p_employee_id, 0)
$$;
comment on function understudy.employee_key(uuid) is 'The key of the advisory lock for an employee without a row.';

create or replace function understudy.lock_employee(p_employee_id uuid, out org_id uuid, out full_name text)
language plpgsql
set search_path = ''
as $$
begin
  -- With "no key", an application that inserts a call for this employee (which checks a foreign key) does not wait for us.
  select e.org_id, coalesce(e.full_name, '')
  into org_id, full_name
  from public.employees e
  where e.id = p_employee_id
  for no key update;
  if not found and p_employee_id is not null then
    perform pg_advisory_xact_lock(understudy.employee_key(p_employee_id));
  end if;
end
$$;
comment on function understudy.lock_employee(uuid) is
  'Locks an employee''s row. Every change to an employee''s recordings, consents or voices locks this row first, then rows of our own '
  'tables, then the audit; this one order prevents deadlocks. If the employee does not exist, or not any more, it takes an advisory lock '
  'and returns nulls.';

create or replace function understudy.try_lock_employee(p_employee_id uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  perform 1 from public.employees e where e.id = p_employee_id for no key update skip locked;
  if found then
    return true;
  end if;
  perform 1 from public.employees e where e.id = p_employee_id;
  return not found and pg_try_advisory_xact_lock(understudy.employee_key(p_employee_id));
end
$$;
comment on function understudy.try_lock_employee(uuid) is
  'Takes the same lock without waiting. It is for a transaction that works on many employees, which must not hold up others.';

create or replace function understudy.has_records(p_org_id uuid, p_employee_id uuid)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return exists (select 1 from public.voice_consents c where c.org_id = p_org_id and c.employee_id = p_employee_id)
    or exists (select 1 from public.recordings r where r.org_id = p_org_id and r.employee_id = p_employee_id)
    or exists (select 1 from public.voices v where v.org_id = p_org_id and v.employee_id = p_employee_id)
    or exists (select 1 from public.voice_erasures e where e.org_id = p_org_id and e.employee_id = p_employee_id);
end
$$;
comment on function understudy.has_records(uuid, uuid) is
  'True if this organisation has, or had, any consent, recording, voice or erasure of this employee.';

create or replace function understudy.belongs_to(p_employee_id uuid, p_employee_org_id uuid, p_org_id uuid, p_former boolean)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(p_employee_org_id = p_org_id, false)
    or (p_former and understudy.has_records(p_org_id, p_employee_id))
$$;
comment on function understudy.belongs_to(uuid, uuid, uuid, boolean) is
  'True if an employee who is now in p_employee_org_id belongs to p_org_id. With p_former, it is also true for an employee who has left '
  'p_org_id and has records there.';

create or replace function understudy.authorise(
  p_user_id uuid,
  p_employee_id uuid,
  p_change boolean,
  p_former boolean default false,
  out caller_org_id uuid,
  out problem text
)
language plpgsql
set search_path = ''
as $$
declare
  v_role text;
  v_employee_org_id uuid;
begin
  select u.org_id, u.role::text
  into caller_org_id, v_role
  from public.users u
  where u.id = p_user_id;
  if caller_org_id is null then
    problem := 'not_a_member';
    return;
  end if;
  if v_role = 'admin' then
    perform understudy.note_admin_origin(caller_org_id);
  end if;

  -- An employee of another organisation is as unknown as one who does not exist.
  select e.org_id into v_employee_org_id from public.employees e where e.id = p_employee_id;
  problem := case
    when not understudy.belongs_to(p_employee_id, v_employee_org_id, caller_org_id, p_former) then 'employee_not_found'
    when p_change and v_role is distinct from 'admin' then 'role_forbidden'
  end;
  if problem is not null or not p_change then
    return;
  end if;

  -- The lock comes last, so that nobody without the right to change can hold up those who have it.
  v_employee_org_id := (understudy.lock_employee(p_employee_id)).org_id;
  if not understudy.belongs_to(p_employee_id, v_employee_org_id, caller_org_id, p_former) then
    problem := 'employee_not_found';
  end if;
end
$$;
comment on function understudy.authorise(uuid, uuid, boolean, boolean) is
  'Resolves the signed-in user to an organisation, and returns the code of a refusal, or null. With p_change, the user needs the role '
  'admin, and the employee is locked. With p_former, an employee who has left the organisation is found too if the organisation has '
  'something of their voice. It notes the origins of admins.';

revoke all on all functions in schema understudy from public;

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

-- The functions that recording-ingest calls.

create or replace function understudy.erased_target(p_recording_sid text, p_call_sid text, p_known_since timestamptz, p_call_id uuid, p_org_id uuid, p_employee_id uuid)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  if understudy.is_erased(p_recording_sid) then
    return true;
  end if;
  v_erasure := understudy.covering_erasure(p_call_sid, p_call_id, p_org_id, p_employee_id, p_known_since);
  if v_erasure.id is null then
    return false;
  end if;
  perform understudy.lock_employee(v_erasure.employee_id);
  if not understudy.is_erased(p_recording_sid) then
    perform understudy.cover_late_recording(v_erasure, p_recording_sid, null);
  end if;
  return true;
end
$$;
comment on function understudy.erased_target(text, text, timestamptz, uuid, uuid, uuid) is
  'True if an erasure covers a recording that is about to be stored. A recording that nobody knew of is added to the erasure.';

create or replace function understudy.lock_target(
  p_recording_sid text,
  p_call_sid text,
  out call_id uuid,
  out org_id uuid,
  out employee_id uuid,
  out recording public.recordings,
  out is_stored boolean,
  out is_erased boolean
)
language plpgsql
set search_path = ''
as $$
declare
  v_call record;
begin
  select * into v_call from understudy.find_call(p_call_sid);
  call_id := v_call.call_id;
  org_id := v_call.org_id;
  employee_id := v_call.employee_id;
  perform understudy.lock_employee(employee_id);
  select * into recording from public.recordings r where r.recording_sid = p_recording_sid;
  is_stored := recording.recording_sid is not null and not understudy.is_erased(recording);
  is_erased := not is_stored
    and understudy.erased_target(p_recording_sid, p_call_sid, v_call.known_since, call_id, org_id, employee_id);
end
$$;
comment on function understudy.lock_target(text, text) is
  'Locks the employee of a recording''s call, and reads the call, the recording if it is stored, and whether an erasure covers it. A '
  'recording that is not stored and that nobody knew of is then added to the erasure. call_id is null if the call is unknown or ambiguous.';

create or replace function understudy.stored_answer(p_recording public.recordings)
returns jsonb
language sql
set search_path = ''
as $$
  select jsonb_build_object('outcome', 'stored', 'newest', understudy.begin_publishing(p_recording.org_id, p_recording.employee_id))
$$;
comment on function understudy.stored_answer(public.recordings) is
  'The answer for a recording that is stored: the employee''s newest recording is to be published.';

create or replace function public.recording_target(p_recording_sid text, p_call_sid text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_target record;
  v_path text;
begin
  select * into v_target from understudy.lock_target(p_recording_sid, p_call_sid);
  if v_target.is_stored then
    return understudy.stored_answer(v_target.recording);
  end if;

  v_path := understudy.storage_path(v_target.call_id, v_target.employee_id, p_recording_sid);
  if v_target.is_erased then
    delete from public.oversized_recordings o where o.recording_sid = p_recording_sid;
    -- A worker that died between the upload and finish_ingest may have left an object there.
    return jsonb_build_object('outcome', 'erased', 'storage_path', coalesce((v_target.recording).storage_path, v_path));
  end if;
  if v_target.call_id is null then
    insert into public.unmatched_recordings (recording_sid, call_sid) values (p_recording_sid, p_call_sid) on conflict do nothing;
    return jsonb_build_object('outcome', 'call_unknown');
  end if;
  return jsonb_build_object(
    'outcome', 'store',
    'storage_path', v_path,
    'write_id', understudy.begin_write(v_path, p_recording_sid, p_call_sid)
  );
end
$$;
comment on function public.recording_target(text, text) is
  'Decides the key of a recording in Storage, and notes that it is about to be written there. A recording that an erasure covers and that '
  'nobody knew of is added to the erasure. stored: `newest` is to be published. erased: if storage_path is not null, an object may be '
  'there. Outcomes: store, stored, erased, call_unknown.';

create or replace function understudy.update_call_of(p_recording public.recordings)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_newest public.recordings;
begin
  -- This recording may not be the newest: an older one of the same call may come last.
  select * into v_newest
  from public.recordings r
  where r.call_id = p_recording.call_id and r.erased_at is null
  order by r.started_at desc, r.recording_sid desc
  limit 1;
  update public.calls c
  set recording_url = 'recordings/' || v_newest.storage_path, duration_seconds = v_newest.duration_seconds
  where c.id = p_recording.call_id;
end
$$;

create or replace function understudy.note_stored(p_recording public.recordings)
returns void
language plpgsql
set search_path = ''
as $$
begin
  delete from public.unmatched_recordings u where u.recording_sid = p_recording.recording_sid;
  delete from public.oversized_recordings o where o.recording_sid = p_recording.recording_sid;
  perform understudy.update_call_of(p_recording);
  perform understudy.audit(
    p_recording.org_id, p_recording.employee_id, null, 'recording.store', 'stored',
    jsonb_build_object(
      'recording_sid', p_recording.recording_sid, 'call_id', p_recording.call_id, 'bytes', p_recording.bytes
    )
  );
end
$$;

create or replace function understudy.lock_call(
  p_call_sid text,
  p_started_at timestamptz,
  out call_id uuid,
  out org_id uuid,
  out employee_id uuid,
  out erasure public.voice_erasures
)
language plpgsql
set search_path = ''
as $$
declare
  v_known_since timestamptz;
begin
  -- The employee is known only through the call, but is locked before it; so the call is read twice.
  for v_turn in 1..2 loop
    select c.call_id, c.org_id, c.employee_id, c.known_since
    into call_id, org_id, employee_id, v_known_since
    from understudy.find_call(p_call_sid) c;
    erasure := understudy.covering_erasure(p_call_sid, call_id, org_id, employee_id, v_known_since, p_started_at);
    exit when v_turn = 2;
    -- A call that has lost its employee may still be covered by that employee's erasure.
    perform understudy.lock_employee(coalesce(employee_id, erasure.employee_id));
    perform 1 from public.calls c where c.id = call_id for no key update;
  end loop;
end
$$;
comment on function understudy.lock_call(text, timestamptz) is
  'Locks the call''s employee and then the call, and reads the newest erasure that covers a recording of the call with this start; nulls '
  'if there is none.';

create or replace function public.finish_ingest(
  p_write_id uuid,
  p_recording_sid text,
  p_call_sid text,
  p_storage_path text,
  p_bytes bigint,
  p_sha256 text,
  p_duration_seconds int,
  p_channels int,
  p_track text,
  p_source text,
  p_account_sid text,
  p_started_at timestamptz
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_call record;
  v_recording public.recordings;
begin
  select * into v_call from understudy.lock_call(p_call_sid, p_started_at);
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid for update;

  if understudy.is_erased(p_recording_sid) or (v_recording.recording_sid is null and (v_call.erasure).id is not null) then
    perform understudy.cover_late_upload(p_recording_sid, p_storage_path, v_call.erasure);
    delete from public.storage_writes w where w.id = p_write_id;
    return jsonb_build_object('outcome', 'erased');
  end if;
  if v_recording.recording_sid is null and v_call.call_id is null then
    -- Without an organisation there is no audit row. The message is retried until the call is there, or becomes a dead letter.
    return jsonb_build_object('outcome', 'call_unknown');
  end if;
  -- Another worker, or this one before a crash, may have been faster. The object of that run is the one that counts.
  if p_storage_path is distinct from
    coalesce(v_recording.storage_path, understudy.storage_path(v_call.call_id, v_call.employee_id, p_recording_sid))
  then
    return understudy.refuse(
      coalesce(v_recording.org_id, v_call.org_id), coalesce(v_recording.employee_id, v_call.employee_id), null,
      'recording.store', 'target_changed', jsonb_build_object('recording_sid', p_recording_sid)
    );
  end if;

  delete from public.storage_writes w where w.id = p_write_id;
  if v_recording.recording_sid is null then
    insert into public.recordings (
      recording_sid, call_sid, call_id, org_id, employee_id, storage_path,
      bytes, sha256, duration_seconds, channels, track, source, account_sid, started_at
    )
    values (
      p_recording_sid, p_call_sid, v_call.call_id, v_call.org_id, v_call.employee_id, p_storage_path,
      p_bytes, p_sha256, p_duration_seconds, p_channels, p_track, p_source, p_account_sid, p_started_at
    )
    returning * into v_recording;
    perform understudy.note_stored(v_recording);
  end if;
  return understudy.stored_answer(v_recording);
end
$$;
comment on function public.finish_ingest(uuid, text, text, text, bigint, text, int, int, text, text, text, timestamptz) is
  'Records a recording that is in Storage; repeated calls record it once. It names the employee''s newest recording, which is to be '
  'published. stored: `newest` is to be published. erased: the object is to be removed. call_unknown, target_changed: the object is to be '
  'removed, and then write_cleared is to be called. Outcomes: stored, erased, call_unknown, target_changed.';

create or replace function public.newest_published(p_write_id uuid, p_recording_sid text, p_is_copied boolean default true)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_recording public.recordings;
  v_newest public.recordings;
begin
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid;
  perform understudy.lock_employee(v_recording.employee_id);
  delete from public.storage_writes w where w.id = p_write_id;
  v_newest := understudy.newest_recording(v_recording.org_id, v_recording.employee_id);
  if v_newest.recording_sid = p_recording_sid and p_is_copied then
    return jsonb_build_object('outcome', 'current');
  end if;
  if v_newest.recording_sid is not null then
    return jsonb_build_object(
      'outcome', 'behind', 'newest', understudy.begin_publishing(v_recording.org_id, v_recording.employee_id)
    );
  end if;
  perform understudy.cover_newest(v_recording);
  return jsonb_build_object('outcome', 'erased', 'storage_path', understudy.newest_path(v_recording.employee_id));
end
$$;
comment on function public.newest_published(uuid, text, boolean) is
  'The recording was copied to the key of the employee''s newest. p_is_copied is false if the worker died before it copied. behind: '
  'another recording is the newest by now, and is to be published. erased: all recordings are erased, and the copy is to be removed. '
  'Outcomes: current, behind, erased.';

create or replace function public.write_cleared(p_write_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.storage_writes w where w.id = p_write_id;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.write_cleared(uuid) is 'The write is over, and has left nothing behind. Outcomes: recorded.';

revoke all on function
  public.recording_target(text, text),
  public.finish_ingest(uuid, text, text, text, bigint, text, int, int, text, text, text, timestamptz),
  public.newest_published(uuid, text, boolean),
  public.write_cleared(uuid)
from public, anon, authenticated;
grant execute on function
  public.recording_target(text, text),
  public.finish_ingest(uuid, text, text, text, bigint, text, int, int, text, text, text, timestamptz),
  public.newest_published(uuid, text, boolean),
  public.write_cleared(uuid)
to service_role;
revoke all on all functions in schema understudy from public;

-- Recordings that are larger than Storage takes. They are not tried again before its limit is raised.

create table if not exists public.oversized_recordings (
  recording_sid understudy.recording_sid primary key,
  call_sid text not null,
  folder uuid not null,
  bytes bigint not null,
  size_limit bigint check (size_limit < bytes),
  refused_at timestamptz not null default clock_timestamp()
);
create index if not exists oversized_recordings_storable on public.oversized_recordings (bytes) where size_limit is not null;
create index if not exists oversized_recordings_by_folder on public.oversized_recordings (folder);
create index if not exists oversized_recordings_by_call on public.oversized_recordings (call_sid);

comment on table public.oversized_recordings is
  'Recordings that Twilio has and that Storage has refused for their size. The sweep has a recording fetched as soon as the limit is at '
  'least its size.';
comment on column public.oversized_recordings.folder is 'The employee''s id; the call''s id if the recording belongs to no employee.';
comment on column public.oversized_recordings.size_limit is
  'The limit that Storage stated. It is null if the limit is unknown, or is large enough: then a proxy in front of Storage has refused '
  'the recording, and it waits until an operator has raised that other limit and sets this to 0.';

alter table public.oversized_recordings enable row level security;
revoke all on public.oversized_recordings from public, anon, authenticated, service_role;
grant select on public.oversized_recordings to service_role;

create or replace function understudy.is_oversized(p_org_id uuid, p_employee_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select
    from public.oversized_recordings o
    where o.folder = p_employee_id
      and exists (select from public.calls c where c.twilio_call_sid = o.call_sid and c.org_id = p_org_id)
  )
$$;
comment on function understudy.is_oversized(uuid, uuid) is
  'True if an employee has a recording, of a call of this organisation, that is larger than Storage takes.';

create or replace function public.recording_too_large(
  p_write_id uuid,
  p_recording_sid text,
  p_call_sid text,
  p_bytes bigint,
  p_size_limit bigint
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_target record;
  v_size_limit constant bigint := case when p_size_limit < p_bytes then p_size_limit end;
begin
  select * into v_target from understudy.lock_target(p_recording_sid, p_call_sid);
  -- Nothing of this write has landed.
  delete from public.storage_writes w where w.id = p_write_id;
  -- Another worker with the same message may have stored it after the limit was raised.
  if v_target.is_erased or v_target.is_stored or v_target.call_id is null then
    return jsonb_build_object('outcome', 'not_wanted');
  end if;

  delete from public.unmatched_recordings u where u.recording_sid = p_recording_sid;
  insert into public.oversized_recordings as o (recording_sid, call_sid, folder, bytes, size_limit)
  values (p_recording_sid, p_call_sid, coalesce(v_target.employee_id, v_target.call_id), p_bytes, v_size_limit)
  on conflict (recording_sid) do update
  set call_sid = excluded.call_sid,
      folder = excluded.folder,
      bytes = excluded.bytes,
      size_limit = excluded.size_limit,
      refused_at = excluded.refused_at;
  return understudy.refuse(
    v_target.org_id, v_target.employee_id, null, 'recording.store', 'recording_too_large',
    jsonb_build_object('recording_sid', p_recording_sid, 'bytes', p_bytes, 'size_limit', v_size_limit)
  );
end
$$;
comment on function public.recording_too_large(uuid, text, text, bigint, bigint) is
  'Storage does not take a recording; it is not tried again before Storage takes as many bytes. p_size_limit is the limit that Storage '
  'stated, or null if it is unknown. not_wanted: the recording is erased or stored by now, or its call is gone. Outcomes: '
  'recording_too_large, not_wanted.';

create or replace function public.storable_recordings(p_size_limit bigint, p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_storable jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object('recording_sid', s.recording_sid, 'call_sid', s.call_sid)), '[]') into v_storable
  from (
    select o.recording_sid, o.call_sid
    from public.oversized_recordings o
    where o.size_limit is not null and o.bytes <= p_size_limit
    order by o.bytes
    limit greatest(coalesce(p_limit, 0), 0)
  ) s;
  return jsonb_build_object('outcome', 'storable', 'recordings', v_storable);
end
$$;
comment on function public.storable_recordings(bigint, int) is
  'Recordings that were too large, and that fit where Storage takes p_size_limit bytes. After recordings_queued they are like any others. '
  'Outcomes: storable.';

revoke all on function
  public.recording_too_large(uuid, text, text, bigint, bigint),
  public.storable_recordings(bigint, int)
from public, anon, authenticated;
grant execute on function
  public.recording_too_large(uuid, text, text, bigint, bigint),
  public.storable_recordings(bigint, int)
to service_role;
revoke all on all functions in schema understudy from public;

-- Consents. The content of a consent is never edited: a change is a new row, and the old row says how it ended.

create table if not exists public.voice_consents (
  id uuid primary key default gen_random_uuid(),
  -- The order in which consents were given. The times of two transactions may be equal, and the clock may be set back.
  number bigint generated always as identity unique,
  org_id uuid not null,
  employee_id uuid not null,
  statement_version text not null check (statement_version <> ''),
  statement_sha256 text not null check (statement_sha256 ~ '^[0-9a-f]{64}$'),
  method text not null check (method in ('written_release', 'recorded_call', 'self_service')),
  evidence_reference text check (evidence_reference <> ''),
  evidence_sha256 text check (evidence_sha256 ~ '^[0-9a-f]{64}$'),
  evidence_object text check (evidence_object <> ''),
  evidence_unverified boolean not null default false,
  purposes text[] not null check (cardinality(purposes) > 0 and array_position(purposes, null) is null),
  recorded_by uuid not null,
  -- The invitation, if the employee gave the consent by a link.
  invitation_id uuid,
  channel text check (channel ~ '^[a-z0-9_-]{1,40}$'),
  address text check (length(address) <= 100),
  user_agent text check (length(user_agent) <= 500),
  same_origin_as_admin boolean,
  granted_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_as text check (ended_as in ('superseded', 'withdrawn', 'expired', 'left')),
  ended_by uuid,
  ended_address text check (length(ended_address) <= 100),
  ended_user_agent text check (length(ended_user_agent) <= 500),
  ended_erasure_id uuid,
  constraint voice_consents_key unique (org_id, employee_id, id),
  constraint voice_consents_evidence check (
    method = 'self_service' or (evidence_reference is not null and evidence_sha256 is not null)
  ),
  constraint voice_consents_self_service check ((method = 'self_service') = (invitation_id is not null)),
  constraint voice_consents_evidence_object check (
    case
      when method = 'self_service' then evidence_object is null and not evidence_unverified
      else evidence_unverified = (evidence_object is null)
    end
  ),
  constraint voice_consents_ended check ((ended_at is null) = (ended_as is null)),
  -- The term counts calendar years in UTC, because adding an interval to a timestamptz would depend on the session's time zone.
  constraint voice_consents_term check (
    expires_at > granted_at
    and expires_at at time zone 'UTC' <= granted_at at time zone 'UTC' + interval '3 years'
  )
);
create unique index if not exists voice_consents_one_open
  on public.voice_consents (org_id, employee_id)
  where ended_at is null;
create index if not exists voice_consents_to_expire
  on public.voice_consents (expires_at)
  where ended_at is null;
create index if not exists voice_consents_over on public.voice_consents (ended_at) where ended_at is not null;
create index if not exists voice_consents_newest on public.voice_consents (org_id, employee_id, number desc);
-- These two indexes serve the employee's own statements: consents granted by a link, and withdrawals by a token.
create index if not exists voice_consents_by_link
  on public.voice_consents (org_id, employee_id, number desc)
  where invitation_id is not null;
create index if not exists voice_consents_withdrawn_by_token
  on public.voice_consents (org_id, employee_id, number desc)
  where ended_as = 'withdrawn' and ended_by is null;
create unique index if not exists voice_consents_invitation on public.voice_consents (invitation_id);
create index if not exists voice_consents_evidence_objects on public.voice_consents (evidence_object);

comment on table public.voice_consents is
  'Consents of employees, with their purposes, evidence and term. Only its end is ever added to a row.';
comment on column public.voice_consents.statement_sha256 is 'The hash of the text that was agreed to, in lower-case hexadecimal.';
comment on column public.voice_consents.method is
  'self_service: the employee agreed by a link, which only they have. written_release: they signed a paper. recorded_call: they agreed in '
  'a call.';
comment on column public.voice_consents.evidence_reference is
  'The evidence as the admin named it: the key of the signed release, the RecordingSid of the call, or any text if the organisation keeps '
  'its evidence elsewhere.';
comment on column public.voice_consents.evidence_object is
  'The key in the bucket `voice-consent-evidence` of the object whose bytes had evidence_sha256 when the consent was recorded.';
comment on column public.voice_consents.evidence_unverified is
  'True if the organisation keeps its evidence elsewhere, so that this service has not read it. It is shown wherever the consent is shown.';
comment on column public.voice_consents.purposes is 'The purposes that the employee agreed to. Cloning needs voice_clone.';
comment on column public.voice_consents.recorded_by is 'The user who recorded the consent, or who invited the employee to give it.';
comment on column public.voice_consents.ended_as is
  'superseded: a newer row replaced it. withdrawn: the employee or an admin withdrew it. expired: its term is over; it counts as expired '
  'from expires_at on, and the next sweep ends it. left: the employee was deleted, or moved to another organisation.';
comment on column public.voice_consents.ended_by is
  'The user who ended it. It is null if the employee withdrew by a token, and if the consent expired.';
comment on column public.voice_consents.address is
  'The address from which the employee answered. Together with user_agent, it shows who used the link up.';
comment on column public.voice_consents.same_origin_as_admin is
  'True if an admin of the organisation had used the same address or user agent within the day before. This refuses nothing; people '
  'should look at it.';
comment on column public.voice_consents.ended_erasure_id is
  'The erasure that followed the end of the consent. A repeated request gets the same erasure as its answer.';

alter table public.voice_consents enable row level security;
revoke all on public.voice_consents from public, anon, authenticated, service_role;
revoke all on sequence public.voice_consents_number_seq from public, anon, authenticated, service_role;
grant select on public.voice_consents to service_role;

create or replace function understudy.keep_consent()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_added constant text[] := case
    when old.ended_at is null then array['ended_at', 'ended_as', 'ended_by', 'ended_address', 'ended_user_agent', 'ended_erasure_id']
    when old.ended_erasure_id is null then array['ended_erasure_id']
    else '{}'
  end;
begin
  if tg_op = 'DELETE' then
    if old.ended_at at time zone 'UTC' + understudy.proof_period() < understudy.time_now() at time zone 'UTC' then
      return old;
    end if;
    raise exception 'a consent is never edited, and kept as long as it may have to be proved'
      using errcode = 'integrity_constraint_violation';
  end if;
  if to_jsonb(new) - v_added is distinct from to_jsonb(old) - v_added then
    raise exception 'a consent is never edited' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end
$$;
comment on function understudy.keep_consent() is
  'Guards a consent. A row may be ended once, then get the erasure that followed, and be deleted when its proof is no longer needed. '
  'Nothing else in it may change.';

create or replace trigger voice_consents_kept
  before update or delete on public.voice_consents
  for each row execute function understudy.keep_consent();

create or replace function understudy.check_consent(
  p_org_id uuid,
  p_employee_id uuid,
  p_purpose text,
  out consent_id uuid,
  out problem text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_newest public.voice_consents;
begin
  select * into v_newest
  from public.voice_consents c
  where c.org_id = p_org_id and c.employee_id = p_employee_id
  order by c.number desc
  limit 1;

  consent_id := v_newest.id;
  problem := case
    when v_newest.id is null then 'consent_required'
    when v_newest.ended_as = 'expired' then 'consent_expired'
    when v_newest.ended_at is not null then 'consent_withdrawn'
    when v_newest.expires_at <= understudy.time_now() then 'consent_expired'
    when (p_purpose = any (v_newest.purposes)) is not true then 'consent_purpose'
  end;
end
$$;
comment on function understudy.check_consent(uuid, uuid, text) is
  'The newest consent and the code of what is wrong with it, or null. Only this function decides whether a consent is live.';

revoke all on all functions in schema understudy from public;

-- Calls in which a cloned voice spoke. They are never a source of the next clone.

create table if not exists public.synthetic_calls (
  call_sid text not null check (call_sid ~ '^CA[0-9a-fA-F]{32}$'),
  org_id uuid not null,
  employee_id uuid not null,
  marked_at timestamptz not null default clock_timestamp(),
  primary key (call_sid, org_id)
);

comment on table public.synthetic_calls is
  'Calls for which an organisation was given a voice to speak with (authorize_voice). Their recordings are never sampled. A mark counts '
  'only for the organisation''s own calls.';
comment on column public.synthetic_calls.call_sid is
  'Twilio''s id of the call, as its recordings name it. For a call of two legs it is the id of the parent leg.';
comment on column public.synthetic_calls.employee_id is 'The employee whose cloned voice was the first to be given for the call.';

alter table public.synthetic_calls enable row level security;
revoke all on public.synthetic_calls from public, anon, authenticated, service_role;
grant select on public.synthetic_calls to service_role;

create or replace function understudy.mark_synthetic(p_call_sid text, p_org_id uuid, p_employee_id uuid)
returns void
language sql
set search_path = ''
as $$
  insert into public.synthetic_calls (call_sid, org_id, employee_id)
  select p_call_sid, p_org_id, p_employee_id
  where p_call_sid is not null
  on conflict (call_sid, org_id) do nothing
$$;

create or replace function understudy.is_synthetic(p_recording public.recordings)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from public.synthetic_calls s where s.call_sid = p_recording.call_sid and s.org_id = p_recording.org_id
  )
$$;
comment on function understudy.is_synthetic(public.recordings) is
  'True if the recording is of a call in which a cloned voice spoke, as the recording''s own organisation has marked it.';

revoke all on all functions in schema understudy from public;

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

-- Attempts: the lease that lets one worker work on an attempt, and the reasons why it must not become a voice.

create or replace function understudy.lock_voice(p_attempt_id uuid)
returns public.voices
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  select * into v_voice from public.voices v where v.id = p_attempt_id;
  perform understudy.lock_employee(v_voice.employee_id);
  select * into v_voice from public.voices v where v.id = p_attempt_id for update;
  return v_voice;
end
$$;
comment on function understudy.lock_voice(uuid) is
  'Locks the attempt''s employee and then the attempt, and returns it; nulls if there is none.';

create or replace function understudy.holds_lease(p_voice public.voices, p_lease_id uuid)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_voice.lease_id = p_lease_id and p_voice.state in ('cloning', 'unknown'), false)
$$;
comment on function understudy.holds_lease(public.voices, uuid) is 'True if the worker with this lease may still decide about the attempt.';

create or replace function understudy.refuse_late_worker(p_attempt_id uuid, p_voice public.voices, p_action text)
returns jsonb
language sql
set search_path = ''
as $$
  select understudy.refuse(
    p_voice.org_id, p_voice.employee_id, null, p_action, 'lease_lost', jsonb_build_object('attempt_id', p_attempt_id)
  )
$$;
comment on function understudy.refuse_late_worker(uuid, public.voices, text) is
  'Refuses a worker that does not hold the lease, or not any more. p_voice is its attempt; nulls if there is none.';

create or replace function understudy.has_erased_recording(p_voice public.voices)
returns boolean
language sql
stable
set search_path = ''
as $$
  select understudy.is_erased(p_voice.recording_sid)
    or exists (
      select from public.voice_sources s where s.attempt_id = p_voice.id and understudy.is_erased(s.recording_sid)
    )
$$;
comment on function understudy.has_erased_recording(public.voices) is
  'True if any recording that the attempt is for, or made from, is erased.';

create or replace function understudy.has_synthetic_source(p_voice public.voices)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select
    from public.voice_sources s
    join public.recordings r on r.recording_sid = s.recording_sid
    where s.attempt_id = p_voice.id and not s.synthetic and understudy.is_synthetic(r)
  )
$$;
comment on function understudy.has_synthetic_source(public.voices) is
  'True if a call that the attempt''s sample was made from was marked meanwhile because a cloned voice spoke in it.';

create or replace function understudy.most_uploads()
returns integer
language sql
immutable
set search_path = ''
as $$
  select 10
$$;
comment on function understudy.most_uploads() is
  'The number of samples of one attempt that the vendor may process. It is larger than the number of times that a message is tried by '
  'itself, so that an outage and a redrive do not end the attempt. A vendor that is busy processes nothing; see most_turned_away.';

create or replace function understudy.most_turned_away()
returns integer
language sql
immutable
set search_path = ''
as $$
  select 200
$$;
comment on function understudy.most_turned_away() is
  'The number of samples of one attempt that the vendor may turn away before each further one counts as an upload. It is larger than the '
  'number of times that a message is tried in a day, so that only people who ask again and again reach it. Without it, nothing would '
  'limit the number of times that the speech of a person is sent.';

create or replace function understudy.attempts_are_exhausted(p_recording_sid text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select count(*) >= 5
  from public.voices v
  where v.recording_sid = p_recording_sid and v.uploads > 0
    -- These say nothing about the sample: the account has no place for it, or no right to clone. They count for a day, because each of
    -- them has sent the sample, too.
    and not (
      coalesce(v.code, '') in ('voice_limit_reached', 'voice_plan_required')
      and v.closed_at < understudy.time_now() - interval '1 day'
    )
$$;
comment on function understudy.attempts_are_exhausted(text) is
  'True if the vendor may have processed a sample of this newest recording for the permitted number of attempts. A newer recording starts '
  'anew. An attempt that failed because of the vendor''s account counts for a day only, so that it can be repeated when the account has '
  'been extended.';

create or replace function understudy.attempt_problem(p_voice public.voices)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when not exists (select from public.employees e where e.id = p_voice.employee_id and e.org_id = p_voice.org_id)
      then 'employee_not_found'
    -- A later consent does not revive an attempt that was begun under a withdrawn one. A superseded consent was renewed, so its attempt
    -- goes on.
    when exists (select from public.voice_consents c where c.id = p_voice.consent_id and c.ended_as = 'withdrawn')
      then 'consent_withdrawn'
    else coalesce(
      (understudy.check_consent(p_voice.org_id, p_voice.employee_id, 'voice_clone')).problem,
      case
        when p_voice.state = 'ready' then null
        when understudy.has_erased_recording(p_voice) then 'recording_missing'
        when understudy.has_synthetic_source(p_voice) then 'sample_synthetic'
      end
    )
  end
$$;
comment on function understudy.attempt_problem(public.voices) is
  'The reason why an attempt must not become a voice, or null. It is read when the attempt begins, when it has its sample and when it '
  'finishes. The caller has locked the employee.';

create or replace function understudy.refuse_attempt(p_voice public.voices, p_action text, p_code text)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v
  set state = 'failed', code = p_code, closed_at = clock_timestamp()
  where v.id = p_voice.id;
  perform understudy.audit_attempt(p_voice, p_action, 'refused', jsonb_build_object('code', p_code));
  perform understudy.settle_erasure(p_voice.org_id, p_voice.employee_id);
  return jsonb_build_object('outcome', 'refused', 'code', p_code);
end
$$;
comment on function understudy.refuse_attempt(public.voices, text, text) is
  'Closes an attempt of which the vendor surely has no voice, audits it and returns the refusal.';
revoke all on all functions in schema understudy from public;

-- The object {employee_id}.json in the bucket `deep-fakes`: its content, and the workers that are about to write it.

create or replace function understudy.metadata_path(p_employee_id uuid)
returns text
language sql
immutable
set search_path = ''
as $$
  select p_employee_id || '/' || p_employee_id || '.json'
$$;
comment on function understudy.metadata_path(uuid) is 'The key in the bucket `deep-fakes`.';

create or replace function understudy.begin_metadata(p_voice public.voices, p_body jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v
  set metadata_handed_at = clock_timestamp(), metadata_written_at = null
  where v.id = p_voice.id;
  return jsonb_build_object(
    'write_id', understudy.begin_write(understudy.metadata_path(p_voice.employee_id), null, null, p_voice.id),
    'path', understudy.metadata_path(p_voice.employee_id),
    'body', p_body
  );
end
$$;
comment on function understudy.begin_metadata(public.voices, jsonb) is
  'Notes that a worker is about to write an attempt''s metadata, and returns them with their key. The worker then calls metadata_written.';

create or replace function understudy.hand_out_metadata(p_voice public.voices)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_sources jsonb;
begin
  select coalesce(jsonb_agg('recordings/' || r.storage_path order by s.position), '[]')
  into v_sources
  from public.voice_sources s
  join public.recordings r on r.recording_sid = s.recording_sid
  where s.attempt_id = p_voice.id and not s.synthetic;
  return (
    select understudy.begin_metadata(p_voice, jsonb_build_object(
      'employee_id', p_voice.employee_id,
      'employee_name', coalesce(e.full_name, ''),
      'voice_id', p_voice.vendor_voice_id,
      'created_at', to_char(p_voice.ready_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'status', 'ready',
      'source_recording', coalesce(v_sources ->> 0, 'recordings/' || r.storage_path),
      'source_recordings', v_sources,
      'pipeline_version', p_voice.pipeline_version,
      'report', p_voice.report,
      'clone_type', 'ivc',
      'attempt_id', p_voice.id,
      'consent_id', p_voice.consent_id
    ))
    from public.employees e
    join public.recordings r on r.recording_sid = p_voice.recording_sid
    where e.id = p_voice.employee_id
  );
end
$$;
comment on function understudy.hand_out_metadata(public.voices) is
  'The metadata of a current voice, which are to be written to {employee_id}.json.';

create or replace function understudy.is_metadata_behind(p_voice public.voices)
returns boolean
language sql
stable
set search_path = ''
as $$
  select p_voice.state = 'retired' and p_voice.metadata_handed_at is not null and case
    -- A worker that was about to write this voice's metadata may yet do so, on top of those of the current voice.
    when (understudy.current_voice(p_voice.employee_id)).id is not null then p_voice.metadata_written_at is null
    -- This was the last voice, and its metadata still say that it exists. If it is erased, there is a tombstone instead. If an attempt is
    -- under way, it will write its own metadata.
    else (p_voice.metadata_written_at is null or p_voice.metadata_written_at < p_voice.closed_at)
      and not exists (
        select from public.voices v
        where v.employee_id = p_voice.employee_id
          and (
            v.state in ('requested', 'cloning', 'unknown')
            or (v.number > p_voice.number and v.metadata_handed_at is not null)
          )
      )
      and not understudy.has_erased_recording(p_voice)
  end
$$;
comment on function understudy.is_metadata_behind(public.voices) is
  'True if {employee_id}.json may hold the metadata of this voice, which is no longer the current one.';

create or replace function understudy.hand_out_no_metadata(p_voice public.voices)
returns jsonb
language sql
set search_path = ''
as $$
  select understudy.begin_metadata(p_voice, jsonb_build_object(
    'employee_id', p_voice.employee_id, 'voice_id', null, 'status', 'none', 'code', p_voice.code
  ))
$$;
comment on function understudy.hand_out_no_metadata(public.voices) is
  'The metadata that say that there is no voice, which are to be written after the last voice if nothing is erased.';
revoke all on all functions in schema understudy from public;

-- The sample: its recordings and the version of its code, as the worker states them before it sends the sample, and as the next request
-- compares them.

create or replace function understudy.is_made_from_the_same(
  p_voice public.voices,
  p_usual_channel smallint,
  p_pipeline_version int
)
returns boolean
language sql
stable
set search_path = ''
as $$
  with live as (
    select
      r.recording_sid,
      row_number() over (order by r.started_at desc, r.recording_sid desc) as position,
      coalesce(understudy.employee_channel(r), p_usual_channel) as channel
    from understudy.newest_recordings(p_voice.org_id, p_voice.employee_id) r
    where not understudy.is_synthetic(r)
  ),
  -- A recording that was passed over because a cloned voice spoke in it would be passed over again.
  sources as (
    select s.recording_sid, row_number() over (order by s.position) as position, s.channel
    from public.voice_sources s
    where s.attempt_id = p_voice.id and not s.synthetic
  )
  select coalesce(
    p_voice.pipeline_version = p_pipeline_version
      and not exists (
        select
        from sources s
        left join live l on l.position = s.position
        where l.recording_sid is distinct from s.recording_sid
          or (s.channel is not null and s.channel is distinct from l.channel)
      )
      -- A sample that was short of speech would have used the next older recording if there had been one.
      and (
        (p_voice.report ->> 'speech_seconds')::numeric >= 60
        or (select count(*) from live) = (select count(*) from sources)
      ),
    false
  )
$$;
comment on function understudy.is_made_from_the_same(public.voices, smallint, int) is
  'True if a sample made now would be the one that this voice was made from: it has the same version, the same recordings, and the same '
  'channel of each. p_usual_channel counts for a call that states no channel of its own.';

create or replace function understudy.replace_sources(p_voice public.voices, p_sources jsonb)
returns text[]
language plpgsql
set search_path = ''
as $$
declare
  v_sids text[];
begin
  delete from public.voice_sources s where s.attempt_id = p_voice.id;
  with added as (
    insert into public.voice_sources (attempt_id, position, recording_sid, channel, synthetic)
    select p_voice.id, s.position, s.recording_sid, s.channel, coalesce(s.synthetic, false)
    from rows from (
      jsonb_to_recordset(p_sources) as (recording_sid text, channel smallint, synthetic boolean)
    ) with ordinality as s (recording_sid, channel, synthetic, position)
    returning position, recording_sid
  )
  select array_agg(a.recording_sid order by a.position) into v_sids from added a;
  if v_sids is null or v_sids is distinct from (
    select array_agg(r.recording_sid::text order by r.started_at desc, r.recording_sid desc)
    from public.recordings r
    where r.recording_sid = any (v_sids) and r.org_id = p_voice.org_id and r.employee_id = p_voice.employee_id
  ) then
    raise exception 'a sample is made from recordings of the employee, newest first';
  end if;
  return v_sids;
end
$$;
comment on function understudy.replace_sources(public.voices, jsonb) is
  'Replaces the recordings that the attempt''s sample is made from, and returns their RecordingSids.';

create or replace function understudy.retire_replaced(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_replaced_id uuid;
begin
  update public.voices v
  set state = 'retired', code = 'replaced', closed_at = clock_timestamp()
  where v.employee_id = p_voice.employee_id and v.state = 'ready'
  returning v.id into v_replaced_id;
  perform understudy.mirror_voice(p_voice.employee_id);
  if v_replaced_id is not null then
    perform understudy.audit_attempt(
      p_voice, 'voice.stop', 'retired',
      jsonb_build_object('attempt_id', v_replaced_id, 'code', 'replaced', 'replacing_attempt_id', p_voice.id)
    );
  end if;
end
$$;
comment on function understudy.retire_replaced(public.voices) is 'Retires the current voice before the attempt''s voice is made.';

create or replace function understudy.sample_problem(p_voice public.voices)
returns text
language sql
stable
set search_path = ''
as $$
  select coalesce(
    understudy.attempt_problem(p_voice),
    case when p_voice.uploads >= understudy.most_uploads() then 'clone_failed' end
  )
$$;
comment on function understudy.sample_problem(public.voices) is
  'The reason why the sample of an attempt must not be sent, or null. The attempt''s sources are already in place, because one of them '
  'may be erased or marked by now.';

create or replace function public.take_sample(
  p_attempt_id uuid,
  p_lease_id uuid,
  p_sources jsonb,
  p_pipeline_version int,
  p_report jsonb
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_sids text[];
  v_problem text;
begin
  if p_pipeline_version is null or (jsonb_typeof(p_report -> 'speech_seconds') = 'number') is not true then
    raise exception 'a sample has the version of its pipeline, and a report with speech_seconds';
  end if;
  v_voice := understudy.lock_voice(p_attempt_id);

  -- A voice that is saved meanwhile is that of an earlier worker, and a second one is not needed.
  if not understudy.holds_lease(v_voice, p_lease_id) or v_voice.state <> 'cloning' or v_voice.vendor_voice_id is not null then
    return understudy.refuse_late_worker(p_attempt_id, v_voice, 'clone.sample');
  end if;

  v_sids := understudy.replace_sources(v_voice, p_sources);
  v_problem := understudy.sample_problem(v_voice);
  if v_problem is not null then
    return understudy.refuse_attempt(v_voice, 'clone.sample', v_problem);
  end if;

  update public.voices v
  set pipeline_version = p_pipeline_version, report = p_report, uploads = v.uploads + 1
  where v.id = p_attempt_id;
  perform understudy.audit_attempt(
    v_voice, 'clone.sample', 'taken',
    jsonb_build_object('recording_sids', v_sids, 'speech_seconds', p_report -> 'speech_seconds')
  );
  if v_voice.replace_first then
    perform understudy.retire_replaced(v_voice);
  end if;
  return jsonb_build_object(
    'outcome', 'taken',
    'delete_voices', case when v_voice.replace_first then understudy.voices_to_delete(v_voice.employee_id) else '[]' end
  );
end
$$;
comment on function public.take_sample(uuid, uuid, jsonb, int, jsonb) is
  'Permits a worker to send its sample to the vendor. p_sources is [{recording_sid, channel, synthetic}], newest first: every recording '
  'that was looked at, the channel that was taken of it (1, 2 or null), and true if it was passed over because a cloned voice spoke in '
  'it. p_report holds figures only. A later sample of the same attempt replaces the one before; each counts as an upload, unless '
  'release_clone takes that back. If the current voice is to be replaced first, this retires it. taken: delete_voices are to be deleted, '
  'and voice_deleted called, before the sample is sent. With any other outcome nothing is sent. refused: the attempt is closed. '
  'Outcomes: taken, lease_lost, refused.';

revoke all on function public.take_sample(uuid, uuid, jsonb, int, jsonb) from public, anon, authenticated;
grant execute on function public.take_sample(uuid, uuid, jsonb, int, jsonb) to service_role;
revoke all on all functions in schema understudy from public;

-- The functions of the frontend's endpoints: one requests a clone, one reads its state.

create or replace function understudy.may_clone(
  p_user_id uuid,
  p_employee_id uuid,
  out org_id uuid,
  out consent_id uuid,
  out problem text
)
language plpgsql
set search_path = ''
as $$
begin
  select a.caller_org_id, a.problem into org_id, problem from understudy.authorise(p_user_id, p_employee_id, true) a;
  if problem is null then
    select c.consent_id, c.problem into consent_id, problem from understudy.check_consent(org_id, p_employee_id, 'voice_clone') c;
  end if;
end
$$;
comment on function understudy.may_clone(uuid, uuid) is
  'The caller''s organisation, the consent that allows a clone, and the code of a refusal, or null. It locks the employee.';

create or replace function understudy.attempt_under_way(p_employee_id uuid)
returns public.voices
language sql
stable
set search_path = ''
as $$
  select v from public.voices v where v.employee_id = p_employee_id and v.state in ('requested', 'cloning', 'unknown')
$$;

create or replace function understudy.gives_way(p_under_way public.voices, p_org_id uuid, p_newest public.recordings)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(
    p_under_way.state = 'requested'
      and p_under_way.org_id = p_org_id
      and exists (
        select from public.recordings r
        where r.recording_sid = p_under_way.recording_sid
          and (r.started_at, r.recording_sid) < (p_newest.started_at, p_newest.recording_sid)
      ),
    false
  )
$$;
comment on function understudy.gives_way(public.voices, uuid, public.recordings) is
  'True if the attempt under way gives way to a new one: the vendor has no voice of it, and this recording is newer than its own.';

create or replace function understudy.join_attempt(
  p_under_way public.voices,
  p_org_id uuid,
  p_user_id uuid,
  p_replace boolean,
  p_campaign boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices := p_under_way;
begin
  -- A request of another organisation does not change the attempt.
  if v_voice.org_id = p_org_id then
    v_voice.campaign := p_under_way.campaign and p_campaign;
    v_voice.replace_first := p_under_way.replace_first or (p_replace and p_under_way.state = 'requested');
  end if;
  update public.voices v
  set campaign = v_voice.campaign, replace_first = v_voice.replace_first
  where v.id = v_voice.id and (v.campaign, v.replace_first) <> (v_voice.campaign, v_voice.replace_first);
  if v_voice.replace_first <> p_under_way.replace_first then
    perform understudy.audit(
      p_org_id, v_voice.employee_id, p_user_id, 'clone.request', 'pending',
      jsonb_build_object('attempt_id', v_voice.id, 'replace_first', true)
    );
  end if;
  return jsonb_build_object(
    'outcome', 'pending',
    'employee_id', v_voice.employee_id,
    'attempt_id', v_voice.id,
    'campaign', v_voice.campaign
  );
end
$$;
comment on function understudy.join_attempt(public.voices, uuid, uuid, boolean, boolean) is
  'The answer to a request while an attempt is under way. A user who asks for a single clone waits for it, so the attempt no longer '
  'belongs to a campaign. The replacement of the current voice can be asked for as long as the vendor has no voice of it.';

create or replace function understudy.ready_answer(
  p_current public.voices,
  p_org_id uuid,
  p_newest public.recordings,
  p_usual_channel smallint,
  p_pipeline_version int
)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'outcome', 'ready',
    'employee_id', p_current.employee_id,
    'attempt_id', p_current.id,
    'voice_id', p_current.vendor_voice_id,
    'report', p_current.report
  )
  where p_current.org_id = p_org_id
    -- If recordings are kept only until a clone is good, there is nothing to make another one from.
    and (
      p_newest.recording_sid is null
      or understudy.is_made_from_the_same(p_current, p_usual_channel, p_pipeline_version)
    )
$$;
comment on function understudy.ready_answer(public.voices, uuid, public.recordings, smallint, int) is
  'The answer to a request if the current voice is as good as the one that would be made now; null if it is not, or there is none.';

create or replace function understudy.start_problem(
  p_org_id uuid,
  p_employee_id uuid,
  p_newest public.recordings,
  out code text,
  out details jsonb,
  out figures jsonb
)
language plpgsql
set search_path = ''
as $$
begin
  if p_newest.recording_sid is null then
    code := case
      when understudy.is_oversized(p_org_id, p_employee_id) then 'recording_too_large' else 'recording_missing'
    end;
  elsif understudy.attempts_are_exhausted(p_newest.recording_sid) then
    code := 'clone_attempts_exhausted';
    details := jsonb_build_object('recording_sid', p_newest.recording_sid);
  else
    figures := understudy.exhausted_quota(p_org_id, p_employee_id);
    details := figures;
    code := case when figures is not null then 'voice_quota_reached' end;
  end if;
end
$$;
comment on function understudy.start_problem(uuid, uuid, public.recordings) is
  'The reason why no attempt may start, or null; with further details for the audit, and the figures for the caller.';

create or replace function understudy.start_attempt(p_wanted public.voices, p_superseded_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_attempt_id uuid;
begin
  update public.voices v
  set state = 'failed', code = 'superseded', closed_at = clock_timestamp()
  where v.id = p_superseded_id;
  insert into public.voices (org_id, employee_id, consent_id, recording_sid, replace_first, campaign, requested_by)
  values (
    p_wanted.org_id, p_wanted.employee_id, p_wanted.consent_id, p_wanted.recording_sid, p_wanted.replace_first,
    p_wanted.campaign, p_wanted.requested_by
  )
  returning id into v_attempt_id;

  if p_superseded_id is not null then
    perform understudy.audit(
      p_wanted.org_id, p_wanted.employee_id, p_wanted.requested_by, 'voice.stop', 'failed',
      jsonb_build_object('attempt_id', p_superseded_id, 'code', 'superseded')
    );
    perform understudy.settle_erasure(p_wanted.org_id, p_wanted.employee_id);
  end if;
  perform understudy.audit(
    p_wanted.org_id, p_wanted.employee_id, p_wanted.requested_by, 'clone.request', 'requested',
    jsonb_build_object(
      'attempt_id', v_attempt_id,
      'consent_id', p_wanted.consent_id,
      'recording_sid', p_wanted.recording_sid,
      'replace_first', case when p_wanted.replace_first then true end
    )
  );
  return jsonb_build_object(
    'outcome', 'requested',
    'employee_id', p_wanted.employee_id,
    'attempt_id', v_attempt_id,
    'campaign', p_wanted.campaign
  );
end
$$;
comment on function understudy.start_attempt(public.voices, uuid) is
  'Starts a new attempt. If an attempt gives way to it, that one ends as superseded.';

create or replace function public.request_clone(
  p_user_id uuid,
  p_employee_id uuid,
  p_usual_channel smallint,
  p_pipeline_version int,
  p_replace boolean default false,
  p_campaign boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_newest public.recordings;
  v_under_way public.voices;
  v_gives_way boolean;
  v_ready jsonb;
  v_problem record;
  v_wanted public.voices;
begin
  if p_pipeline_version is null or p_usual_channel not in (1, 2) then
    raise exception 'a request states the version of the pipeline, and the usual channel as 1, 2 or null';
  end if;
  select * into v_access from understudy.may_clone(p_user_id, p_employee_id);
  if v_access.problem is not null then
    return understudy.refuse(
      v_access.org_id, p_employee_id, p_user_id, 'clone.request', v_access.problem,
      jsonb_build_object('consent_id', v_access.consent_id)
    );
  end if;

  v_newest := understudy.newest_recording(v_access.org_id, p_employee_id);
  v_under_way := understudy.attempt_under_way(p_employee_id);
  v_gives_way := understudy.gives_way(v_under_way, v_access.org_id, v_newest);
  if v_under_way.id is not null and not v_gives_way then
    return understudy.join_attempt(v_under_way, v_access.org_id, p_user_id, p_replace, p_campaign);
  end if;
  v_ready := understudy.ready_answer(
    understudy.current_voice(p_employee_id), v_access.org_id, v_newest, p_usual_channel, p_pipeline_version
  );
  if v_ready is not null then
    return v_ready;
  end if;
  select * into v_problem from understudy.start_problem(v_access.org_id, p_employee_id, v_newest);
  if v_problem.code is not null then
    return understudy.refuse(
      v_access.org_id, p_employee_id, p_user_id, 'clone.request', v_problem.code, coalesce(v_problem.details, '{}')
    ) || coalesce(v_problem.figures, '{}');
  end if;

  v_wanted.org_id := v_access.org_id;
  v_wanted.employee_id := p_employee_id;
  v_wanted.consent_id := v_access.consent_id;
  v_wanted.recording_sid := v_newest.recording_sid;
  v_wanted.replace_first := p_replace;
  v_wanted.campaign := p_campaign;
  v_wanted.requested_by := p_user_id;
  return understudy.start_attempt(v_wanted, v_under_way.id);
end
$$;
comment on function public.request_clone(uuid, uuid, smallint, int, boolean, boolean) is
  'Starts an attempt, unless one is under way (pending) or the current voice is made from the same recordings already (ready, with its '
  'report). An attempt of which the vendor has no voice gives way to a newer recording. p_usual_channel is the employees'' usual channel in this '
  'deployment, 1 or 2, used for a call that states none of its own; null if none is configured. p_pipeline_version is the version of the '
  'code that would make the sample. With p_replace, the current voice is deleted before the new one is made. With p_campaign, the request '
  'is one of many for which nobody waits; the answer says whether the attempt is. recording_too_large: the employee only has recordings '
  'that Storage does not take. voice_quota_reached: the answer has the figure, the limit and their unit. Outcomes: requested, pending, '
  'ready, not_a_member, employee_not_found, role_forbidden, consent_required, consent_expired, consent_withdrawn, consent_purpose, '
  'recording_missing, recording_too_large, clone_attempts_exhausted, voice_quota_reached.';

create or replace function understudy.shown_status(p_newest public.voices, p_consent_problem text)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when p_newest.state in ('requested', 'cloning', 'unknown') then 'pending'
    when p_newest.state = 'failed' then 'failed'
    when p_newest.state = 'ready' and p_consent_problem is null then 'ready'
    else 'none'
  end
$$;
comment on function understudy.shown_status(public.voices, text) is
  'The state of an employee''s newest attempt for users: pending, failed, ready while its consent is live, or none.';

create or replace function public.read_voice(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent record;
  v_newest public.voices;
  v_current public.voices;
  v_status text;
  v_code text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'voice.read', v_access.problem);
  end if;

  -- The current voice is read first, so that the newest attempt is at least as new.
  select * into v_consent from understudy.check_consent(v_access.caller_org_id, p_employee_id, 'voice_clone');
  select * into v_current
  from public.voices v
  where v.employee_id = p_employee_id
    and v.org_id = v_access.caller_org_id
    and v.state = 'ready'
    and v_consent.problem is null;
  select * into v_newest
  from public.voices v
  where v.employee_id = p_employee_id and v.org_id = v_access.caller_org_id
  order by v.number desc
  limit 1;

  v_status := understudy.shown_status(v_newest, v_consent.problem);
  v_code := case
    when v_status = 'failed' then v_newest.code
    when v_status = 'none' and v_newest.id is not null then v_consent.problem
  end;
  return jsonb_build_object(
    'outcome', 'voice',
    'employee_id', p_employee_id,
    'voice_id', case when v_status = 'ready' then v_newest.vendor_voice_id else v_current.vendor_voice_id end,
    'status', v_status,
    'code', v_code,
    'attempt_id', v_newest.id,
    'report', case when v_status in ('ready', 'failed') then v_newest.report end
  );
end
$$;
comment on function public.read_voice(uuid, uuid) is
  'The current voice while its consent is live, and the state of the newest attempt, with the report of its sample once it is ready or '
  'failed. It waits for no lock. Outcomes: voice, not_a_member, employee_not_found.';

revoke all on function
  public.request_clone(uuid, uuid, smallint, int, boolean, boolean),
  public.read_voice(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.request_clone(uuid, uuid, smallint, int, boolean, boolean),
  public.read_voice(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;

-- The functions of clone-worker, in the order in which it calls them. Each may be called again, and the worker may die between any two. The
-- function that it calls before it sends its sample to the vendor is in samples.sql.

create or replace function understudy.next_step(p_voice public.voices)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when p_voice.id is null then 'attempt_unknown'
    -- A voice that is no longer the current one is finished once more while the metadata may be its own.
    when p_voice.state = 'ready'
      or (p_voice.state in ('cloning', 'unknown') and p_voice.vendor_voice_id is not null)
      or understudy.is_metadata_behind(p_voice)
      then 'finish'
    when p_voice.state in ('failed', 'retired') then 'closed'
    when p_voice.state = 'requested' then 'clone'
    when p_voice.lease_until + understudy.lease_grace() > understudy.time_now() then 'wait'
    -- A voice may exist already. It must be found before anything else is done, also without consent, because then it is to be deleted.
    else 'resolve'
  end
$$;
comment on function understudy.next_step(public.voices) is 'The next step of an attempt, as begin_clone answers it to a worker.';

create or replace function understudy.lease_attempt(p_voice public.voices, p_step text, p_lease_seconds int)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_lease_id constant uuid := gen_random_uuid();
begin
  update public.voices v
  set state = case p_step when 'resolve' then 'unknown' else 'cloning' end,
      lease_id = v_lease_id,
      lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
  where v.id = p_voice.id;
  perform understudy.audit_attempt(p_voice, 'clone.begin', p_step);
  return v_lease_id;
end
$$;

create or replace function understudy.recordings_to_sample(p_voice public.voices)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_agg(
    jsonb_build_object(
      'recording_sid', r.recording_sid,
      'storage_path', r.storage_path,
      'track', r.track,
      'source', r.source,
      'employee_channel', understudy.employee_channel(r),
      'synthetic', understudy.is_synthetic(r)
    )
    order by r.started_at desc, r.recording_sid desc
  )
  from understudy.newest_recordings(p_voice.org_id, p_voice.employee_id, p_from_sid => p_voice.recording_sid) r
$$;
comment on function understudy.recordings_to_sample(public.voices) is
  'The recordings to sample, newest first. A recording that is newer than the request is for the next attempt.';

create or replace function public.begin_clone(p_attempt_id uuid, p_lease_seconds int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_step text;
  v_problem text;
  v_answer jsonb;
begin
  if p_lease_seconds is null or p_lease_seconds not between 1 and 43200 then
    raise exception 'a lease lasts from 1 to 43200 seconds, the longest an SQS message can be hidden';
  end if;
  v_voice := understudy.lock_voice(p_attempt_id);
  v_step := understudy.next_step(v_voice);
  v_answer := jsonb_build_object('outcome', v_step);
  if v_step = 'closed' then
    return v_answer || jsonb_build_object('delete_voices', understudy.voices_to_delete(v_voice.employee_id));
  elsif v_step = 'wait' then
    return v_answer || jsonb_build_object('retry_after_seconds', understudy.retry_after_seconds(v_voice.lease_until));
  elsif v_step not in ('clone', 'resolve') then
    return v_answer;
  end if;

  if v_step = 'clone' then
    v_problem := understudy.attempt_problem(v_voice);
    if v_problem is not null then
      return understudy.refuse_attempt(v_voice, 'clone.begin', v_problem);
    end if;
    v_answer := v_answer || jsonb_build_object(
      'deployment_id', understudy.deployment_id(),
      'employee_id', v_voice.employee_id,
      'employee_name', (select coalesce(e.full_name, '') from public.employees e where e.id = v_voice.employee_id),
      'replace_first', v_voice.replace_first,
      'recordings', understudy.recordings_to_sample(v_voice)
    );
  end if;
  return v_answer || jsonb_build_object('lease_id', understudy.lease_attempt(v_voice, v_step, p_lease_seconds));
end
$$;
comment on function public.begin_clone(uuid, int) is
  'Takes the lease. clone: the vendor has no voice of it; make a sample of the recordings, which come newest first, call take_sample, '
  'then send the sample. resolve: a sample may have been sent; search the vendor by attempt id, then call save_vendor_voice or '
  'release_clone(…, true). Outcomes: clone, resolve, finish, wait, refused, closed, attempt_unknown.';

create or replace function public.release_clone(
  p_attempt_id uuid,
  p_lease_id uuid,
  p_no_voice_was_made boolean,
  p_is_unprocessed boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_outcome text;
begin
  if p_no_voice_was_made is null then
    raise exception 'release_clone must be told whether no voice was made';
  end if;
  v_voice := understudy.lock_voice(p_attempt_id);

  if not understudy.holds_lease(v_voice, p_lease_id) then
    return understudy.refuse_late_worker(p_attempt_id, v_voice, 'clone.release');
  end if;

  if p_no_voice_was_made and v_voice.vendor_voice_id is null then
    update public.voices v
    set state = 'requested', lease_id = null, lease_until = clock_timestamp(),
        uploads = greatest(v.uploads - case when p_is_unprocessed and v.turned_away < understudy.most_turned_away() then 1 else 0 end, 0),
        turned_away = least(v.turned_away + case when p_is_unprocessed then 1 else 0 end, understudy.most_turned_away())
    where v.id = p_attempt_id;
    v_outcome := 'released';
  elsif p_no_voice_was_made then
    -- The voice is saved meanwhile, so the next begin_clone answers finish.
    update public.voices v set lease_id = null where v.id = p_attempt_id;
    v_outcome := 'released';
  else
    -- The end of the lease stays. Until then, and for the grace time, the vendor may still make the voice.
    update public.voices v set state = 'unknown', lease_id = null where v.id = p_attempt_id;
    v_outcome := 'unknown';
  end if;

  perform understudy.audit_attempt(v_voice, 'clone.release', v_outcome);
  if v_outcome = 'released' then
    return jsonb_build_object('outcome', v_outcome);
  end if;
  return jsonb_build_object(
    'outcome', v_outcome, 'retry_after_seconds', understudy.retry_after_seconds(v_voice.lease_until)
  );
end
$$;
comment on function public.release_clone(uuid, uuid, boolean, boolean) is
  'Gives the lease back. p_no_voice_was_made: true if surely no voice was made; false if one may have been. p_is_unprocessed: true '
  'if the vendor has surely not processed the sample that was taken, so that it does not count as an upload up to most_turned_away: it was '
  'never sent, or the vendor was busy, or turned the key away. Outcomes: released, unknown, lease_lost.';

create or replace function public.save_vendor_voice(p_attempt_id uuid, p_vendor_voice_id text, p_account text default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_outcome text;
  v_code text;
begin
  v_voice := understudy.lock_voice(p_attempt_id);

  if v_voice.state in ('requested', 'cloning', 'unknown', 'ready') and v_voice.vendor_voice_id = p_vendor_voice_id then
    return jsonb_build_object('outcome', 'saved');
  end if;

  -- The lease is not checked, because it is better to adopt an existing voice late than to make it twice.
  if v_voice.state in ('requested', 'cloning', 'unknown') and v_voice.vendor_voice_id is null then
    -- A voice made from a recording that was erased meanwhile is not adopted. It is kept only to be deleted.
    if understudy.has_erased_recording(v_voice) then
      v_code := understudy.attempt_problem(v_voice);
    end if;
    update public.voices v
    set vendor_voice_id = p_vendor_voice_id,
        vendor_account = p_account,
        state = case when v_code is not null then 'failed' when v.state = 'requested' then 'cloning' else v.state end,
        code = v_code,
        closed_at = case when v_code is not null then clock_timestamp() end
    where v.id = p_attempt_id;
    v_outcome := 'saved';
  else
    -- On a closed attempt without a voice, the id is kept as that of a voice to delete, in case the caller dies before it deletes the
    -- voice.
    update public.voices v
    set vendor_voice_id = p_vendor_voice_id, vendor_account = p_account
    where v.id = p_attempt_id and v.state = 'failed' and v.vendor_voice_id is null;
    v_outcome := 'superfluous';
  end if;

  perform understudy.audit_attempt(
    v_voice, 'clone.save', v_outcome,
    jsonb_build_object('attempt_id', p_attempt_id, 'vendor_voice_id', p_vendor_voice_id, 'code', v_code)
  );
  perform understudy.cover_voices(v_voice.org_id, v_voice.employee_id);
  return jsonb_build_object('outcome', v_outcome);
end
$$;
comment on function public.save_vendor_voice(uuid, text, text) is
  'Keeps the vendor''s id of a voice, and the account that has the voice, as soon as they are known. superfluous: the caller deletes the '
  'voice that it made. Outcomes: saved, superfluous.';

create or replace function public.fail_clone(
  p_attempt_id uuid,
  p_lease_id uuid,
  p_code text,
  p_vendor_voice_id text default null,
  p_report jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  v_voice := understudy.lock_voice(p_attempt_id);

  if not understudy.holds_lease(v_voice, p_lease_id) then
    return understudy.refuse_late_worker(p_attempt_id, v_voice, 'clone.fail');
  end if;

  update public.voices v
  set state = 'failed',
      code = p_code,
      vendor_voice_id = coalesce(v.vendor_voice_id, p_vendor_voice_id),
      report = coalesce(p_report, v.report),
      closed_at = clock_timestamp()
  where v.id = p_attempt_id;
  perform understudy.audit_attempt(v_voice, 'clone.fail', 'failed', jsonb_build_object('code', p_code));
  perform understudy.cover_voices(v_voice.org_id, v_voice.employee_id);
  perform understudy.settle_erasure(v_voice.org_id, v_voice.employee_id);
  return jsonb_build_object('outcome', 'failed', 'delete_voices', understudy.voices_to_delete(v_voice.employee_id));
end
$$;
comment on function public.fail_clone(uuid, uuid, text, text, jsonb) is
  'Ends an attempt for good. p_code is the code that the frontend shows. p_vendor_voice_id is a voice that the attempt has made '
  'nevertheless; it is to be deleted. p_report holds the figures that explain why no sample could be made. If there is a current voice, '
  'it stays. Outcomes: failed, lease_lost.';

revoke all on function
  public.begin_clone(uuid, int),
  public.release_clone(uuid, uuid, boolean, boolean),
  public.save_vendor_voice(uuid, text, text),
  public.fail_clone(uuid, uuid, text, text, jsonb)
from public, anon, authenticated;
grant execute on function
  public.begin_clone(uuid, int),
  public.release_clone(uuid, uuid, boolean, boolean),
  public.save_vendor_voice(uuid, text, text),
  public.fail_clone(uuid, uuid, text, text, jsonb)
to service_role;
revoke all on all functions in schema understudy from public;

-- The end of an attempt. Its voice becomes the current one or is refused; its metadata are written; voices that must go are deleted.

create or replace function understudy.refuse_voice(p_voice public.voices, p_code text)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v
  set state = 'failed', code = p_code, closed_at = clock_timestamp()
  where v.id = p_voice.id and v.state <> 'ready';
  -- Without consent there is no voice. So this also stops the voice that this one was to replace, and this one itself if it is ready.
  if p_code not in ('recording_missing', 'sample_synthetic') then
    perform understudy.stop_voices(p_voice.org_id, p_voice.employee_id, null, p_code);
  end if;
  perform understudy.cover_voices(p_voice.org_id, p_voice.employee_id);
  perform understudy.audit_attempt(p_voice, 'clone.finish', 'refused', jsonb_build_object('code', p_code));
end
$$;
comment on function understudy.refuse_voice(public.voices, text) is
  'Closes an attempt whose voice the vendor has already made. understudy.refuse_attempt is for an attempt that surely has none.';

create or replace function understudy.make_current(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_replaced_id constant uuid := (understudy.current_voice(p_voice.employee_id)).id;
begin
  update public.voices v
  set state = 'retired', code = 'superseded', closed_at = clock_timestamp()
  where v.id = v_replaced_id;
  update public.voices v
  set state = 'ready', ready_at = clock_timestamp(), lease_id = null, lease_until = null
  where v.id = p_voice.id;
  perform understudy.mirror_voice(p_voice.employee_id);
  perform understudy.audit_attempt(
    p_voice, 'clone.finish', 'finished',
    jsonb_build_object('vendor_voice_id', p_voice.vendor_voice_id, 'replaced_attempt_id', v_replaced_id)
  );
end
$$;
comment on function understudy.make_current(public.voices) is
  'Makes the saved voice the employee''s current one, in place of the one before.';

create or replace function understudy.finish_answer(p_voice public.voices)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_current constant public.voices := understudy.current_voice(p_voice.employee_id);
  v_is_behind constant boolean := understudy.is_metadata_behind(p_voice);
  v_delete_voices constant jsonb := understudy.voices_to_delete(p_voice.employee_id);
  v_metadata jsonb;
begin
  -- begin_clone sends a replaced voice here only to repair the metadata: those of the current voice must replace its own, or say that there
  -- is no voice.
  if p_voice.state <> 'ready' and (v_current.id is null or not v_is_behind) then
    return jsonb_build_object('outcome', 'refused', 'code', p_voice.code, 'delete_voices', v_delete_voices)
      || case when v_is_behind then jsonb_build_object('metadata', understudy.hand_out_no_metadata(p_voice)) else '{}' end;
  end if;
  if v_current.metadata_written_at is null or p_voice.state <> 'ready' then
    v_metadata := understudy.hand_out_metadata(v_current);
  end if;
  return jsonb_build_object(
    'outcome', 'finished',
    'voice_id', v_current.vendor_voice_id,
    'metadata', v_metadata,
    'delete_voices', v_delete_voices
  );
end
$$;
comment on function understudy.finish_answer(public.voices) is
  'The work that is left for an attempt that is decided: metadata to write and voices to delete.';

create or replace function public.finish_clone(p_attempt_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_problem text;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if v_voice.id is null or (v_voice.vendor_voice_id is null and v_voice.state <> 'failed') then
    return jsonb_build_object('outcome', 'not_finishable');
  end if;

  if v_voice.state not in ('failed', 'retired') then
    v_problem := understudy.attempt_problem(v_voice);
    if v_problem is not null then
      perform understudy.refuse_voice(v_voice, v_problem);
    elsif v_voice.state <> 'ready' then
      perform understudy.make_current(v_voice);
    end if;
    select * into v_voice from public.voices v where v.id = p_attempt_id;
  end if;
  return understudy.finish_answer(v_voice);
end
$$;
comment on function public.finish_clone(uuid) is
  'Makes the saved voice the current one if consent still is live, and retires the one before. A repeated call gets the same answer, with '
  'metadata until metadata_written was called. refused: the answer has metadata if they must say that there is no voice. Outcomes: '
  'finished, refused, not_finishable.';

create or replace function understudy.note_voice_deleted(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v set vendor_deleted_at = clock_timestamp() where v.id = p_voice.id;
  perform understudy.audit_attempt(
    p_voice, 'voice.delete', 'deleted', jsonb_build_object('vendor_voice_id', p_voice.vendor_voice_id)
  );
  -- An erasure then need not ask the vendor again.
  update public.voice_erasure_copies c
  set state = 'erased', attempts = c.attempts + 1, last_error = null, erased_at = clock_timestamp()
  where c.attempt_id = p_voice.id and c.kind = 'vendor_voice' and c.state in ('pending', 'failed');
  perform understudy.settle_erasure(p_voice.org_id, p_voice.employee_id);
end
$$;

create or replace function public.voice_deleted(p_attempt_id uuid, p_account text default null, p_was_there boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if not coalesce(p_was_there, false) and v_voice.vendor_account <> p_account then
    return understudy.refuse(
      v_voice.org_id, v_voice.employee_id, null, 'voice.delete', 'other_account', jsonb_build_object('attempt_id', p_attempt_id)
    );
  end if;
  if v_voice.state in ('failed', 'retired') and v_voice.vendor_voice_id is not null and v_voice.vendor_deleted_at is null then
    perform understudy.note_voice_deleted(v_voice);
  end if;
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.voice_deleted(uuid, text, boolean) is
  'The vendor confirmed that a voice from delete_voices is gone. It is not for a superfluous voice, because the attempt''s own voice may '
  'be current. p_account is the vendor''s account that was asked. p_was_there: true if the voice was seen there just before. '
  'other_account: the voice was made with another account, so its absence from this one proves nothing. Outcomes: recorded, other_account.';

create or replace function understudy.settle_metadata(p_employee_id uuid)
returns void
language sql
set search_path = ''
as $$
  -- The metadata of these voices were written before, and the latest write has replaced them.
  update public.voices v
  set metadata_written_at = clock_timestamp()
  where v.employee_id = p_employee_id
    and v.state = 'retired'
    and v.metadata_handed_at is not null
    and v.metadata_written_at < v.closed_at
$$;

create or replace function public.metadata_written(p_attempt_id uuid, p_write_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_current public.voices;
  v_metadata jsonb;
begin
  v_voice := understudy.lock_voice(p_attempt_id);
  if v_voice.id is null then
    return jsonb_build_object('outcome', 'current');
  end if;
  update public.voices v set metadata_written_at = clock_timestamp() where v.id = p_attempt_id;
  delete from public.storage_writes w where w.id = p_write_id;
  perform understudy.settle_metadata(v_voice.employee_id);

  v_current := understudy.current_voice(v_voice.employee_id);
  if v_current.id <> p_attempt_id then
    v_metadata := understudy.hand_out_metadata(v_current);
  elsif v_current.id is null then
    perform understudy.cover_metadata(v_voice);
  end if;
  perform understudy.audit_attempt(v_voice, 'metadata.write', case when v_metadata is null then 'current' else 'behind' end);
  if v_metadata is null then
    return jsonb_build_object('outcome', 'current');
  end if;
  return jsonb_build_object('outcome', 'behind', 'attempt_id', v_current.id, 'metadata', v_metadata);
end
$$;
comment on function public.metadata_written(uuid, uuid) is
  'The worker wrote the metadata of this attempt. behind: another voice is current by now, so write the metadata of that voice and call '
  'this again. current: nothing is left to write, also if there is no current voice any more. Outcomes: current, behind.';

revoke all on function
  public.finish_clone(uuid),
  public.voice_deleted(uuid, text, boolean),
  public.metadata_written(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.finish_clone(uuid),
  public.voice_deleted(uuid, text, boolean),
  public.metadata_written(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;

-- Evidence of a consent that an admin records: a signed paper that was uploaded, or a recording of the call in which the employee agreed.
-- Both lie in the private bucket `voice-consent-evidence`, under {org_id}/{employee_id}/, and outlive the erasure of the recordings.

create table if not exists public.voice_consent_evidence (
  object text primary key check (object ~ '^[0-9a-f-]{36}/[0-9a-f-]{36}/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'),
  org_id uuid not null,
  employee_id uuid not null,
  noted_at timestamptz not null default clock_timestamp(),
  abandoned_at timestamptz
);
create index if not exists voice_consent_evidence_by_age on public.voice_consent_evidence (noted_at);
comment on table public.voice_consent_evidence is
  'Keys in the bucket at which an object may be; a key is noted here before the object is put there. An object on which no consent rests '
  'is removed after a day.';
comment on column public.voice_consent_evidence.abandoned_at is
  'The time at which its removal began. From then on no consent can be recorded on it.';

alter table public.voice_consent_evidence enable row level security;
revoke all on public.voice_consent_evidence from public, anon, authenticated, service_role;
grant select on public.voice_consent_evidence to service_role;

create or replace function understudy.note_evidence(p_org_id uuid, p_employee_id uuid, p_object text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  insert into public.voice_consent_evidence as e (object, org_id, employee_id)
  values (p_object, p_org_id, p_employee_id)
  on conflict (object) do update set noted_at = clock_timestamp() where e.abandoned_at is null;
  return found;
end
$$;
comment on function understudy.note_evidence(uuid, uuid, text) is
  'Notes a key in the bucket. Returns false if the object is being removed.';

create or replace function public.offer_evidence(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_object text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.evidence', v_access.problem);
  end if;
  v_object := v_access.caller_org_id || '/' || p_employee_id || '/' || gen_random_uuid();
  perform understudy.note_evidence(v_access.caller_org_id, p_employee_id, v_object);
  perform understudy.audit(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.evidence', 'offered');
  return jsonb_build_object('outcome', 'offered', 'reference', v_object);
end
$$;
comment on function public.offer_evidence(uuid, uuid) is
  'A new key at which a paper is to be uploaded. Outcomes: offered, not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.find_evidence(
  p_org_id uuid,
  p_employee_id uuid,
  p_method text,
  p_reference text,
  out object text,
  out copy_from text,
  out sha256 text,
  out problem text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_folder constant text := p_org_id || '/' || p_employee_id || '/';
begin
  if exists (
    select from public.organization_voice_settings s where s.org_id = p_org_id and s.evidence_kept_elsewhere
  ) then
    return;
  end if;
  if p_method = 'written_release' then
    if starts_with(p_reference, v_folder) and substr(p_reference, length(v_folder) + 1) ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$' then
      object := p_reference;
    else
      problem := 'evidence_missing';
    end if;
    return;
  end if;

  select v_folder || r.recording_sid || '.wav', r.storage_path, r.sha256
  into object, copy_from, sha256
  from public.recordings r
  where r.recording_sid = p_reference
    and r.org_id = p_org_id
    and r.employee_id = p_employee_id
    and not understudy.is_erased(r);
  problem := case when object is null then 'evidence_missing' when sha256 is null then 'evidence_unreadable' end;
end
$$;
comment on function understudy.find_evidence(uuid, uuid, text, text) is
  'The object of the bucket that a reference means; null if the organisation keeps its evidence elsewhere. copy_from is the key in the '
  'bucket `recordings` from which the object is to be copied first, and sha256 is the hash of that recording. A paper is hashed by the '
  'function that reads it.';

create or replace function understudy.evidence_problem(
  p_object text,
  p_stated_sha256 text,
  p_recording_sha256 text,
  p_read text
)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when exists (
      select from public.voice_consent_evidence e where e.object = p_object and e.abandoned_at is not null
    ) then 'evidence_missing'
    when p_read = 'missing' then 'evidence_missing'
    when p_read = 'too_large' then 'evidence_too_large'
    when p_read = 'unreadable' then 'evidence_unreadable'
    when p_stated_sha256 is distinct from coalesce(p_recording_sha256, p_read) and (p_read is not null or p_recording_sha256 is not null)
      then 'evidence_mismatch'
  end
$$;
comment on function understudy.evidence_problem(text, text, text, text) is
  'The code of what is wrong with evidence, or null; before it is read, null means only that nothing is known to be wrong. p_read is the '
  'hash of the bytes that were read, the reason why they could not be read, or null before anybody has read.';

create or replace function public.abandoned_evidence(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_objects text[];
begin
  -- The oldest come first. An object that cannot be removed at present comes again after all others, so it holds nothing up.
  with old as (
    select e.object
    from public.voice_consent_evidence e
    where e.noted_at < understudy.time_now() - interval '1 day'
    order by e.noted_at
    limit least(greatest(coalesce(p_limit, 0), 0), 1000)
    for update skip locked
  ),
  used as (
    delete from public.voice_consent_evidence e
    using old
    where e.object = old.object and exists (select from public.voice_consents c where c.evidence_object = old.object)
    returning e.object
  ),
  marked as (
    update public.voice_consent_evidence e
    set abandoned_at = coalesce(e.abandoned_at, clock_timestamp()), noted_at = clock_timestamp()
    from old
    where e.object = old.object and not exists (select from public.voice_consents c where c.evidence_object = old.object)
    returning e.object
  )
  select array_agg(m.object) into v_objects from marked m;
  return jsonb_build_object('outcome', 'abandoned', 'objects', to_jsonb(coalesce(v_objects, '{}')));
end
$$;
comment on function public.abandoned_evidence(int) is
  'Keys in the bucket of objects on which no consent may rest: the upload of a consent that was never recorded, or the copy of a request '
  'that died. They are to be removed, and then reported with evidence_cleared; otherwise they come again after a day. Outcomes: abandoned.';

create or replace function public.evidence_cleared(p_object text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.voice_consent_evidence e where e.object = p_object and e.abandoned_at is not null;
  return jsonb_build_object('outcome', 'cleared');
end
$$;
comment on function public.evidence_cleared(text) is 'An abandoned object is gone. Outcomes: cleared.';

revoke all on function
  public.offer_evidence(uuid, uuid), public.abandoned_evidence(int), public.evidence_cleared(text)
from public, anon, authenticated;
grant execute on function
  public.offer_evidence(uuid, uuid), public.abandoned_evidence(int), public.evidence_cleared(text)
to service_role;
revoke all on all functions in schema understudy from public;

-- The beginning and the end of a consent, and the rules for consents that an admin records. A function that changes anything has the
-- employee locked.

create or replace function understudy.is_valid_expiry(p_expires_at timestamptz)
returns boolean
language sql
set search_path = ''
as $$
  select coalesce(
    p_expires_at > understudy.time_now()
      and p_expires_at at time zone 'UTC' <= understudy.time_now() at time zone 'UTC' + interval '3 years',
    false
  )
$$;

create or replace function understudy.record_consent(p_consent public.voice_consents, p_actor_id uuid)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_id constant uuid := gen_random_uuid();
  v_superseded_id uuid;
begin
  update public.voice_consents c
  set ended_at = v_now, ended_as = 'superseded', ended_by = p_actor_id
  where c.org_id = p_consent.org_id and c.employee_id = p_consent.employee_id and c.ended_at is null
  returning c.id into v_superseded_id;

  insert into public.voice_consents (
    id, org_id, employee_id, statement_version, statement_sha256, method, evidence_reference, evidence_sha256, evidence_object,
    evidence_unverified, purposes, recorded_by, invitation_id, channel, address, user_agent, same_origin_as_admin, granted_at, expires_at
  )
  values (
    v_id, p_consent.org_id, p_consent.employee_id, p_consent.statement_version, p_consent.statement_sha256, p_consent.method,
    p_consent.evidence_reference, p_consent.evidence_sha256, p_consent.evidence_object, p_consent.evidence_unverified,
    p_consent.purposes, p_consent.recorded_by, p_consent.invitation_id, p_consent.channel, p_consent.address, p_consent.user_agent,
    p_consent.same_origin_as_admin, v_now, p_consent.expires_at
  );

  -- A renewal keeps the voice. A consent that no longer covers cloning ends the voice, like a withdrawal.
  if 'voice_clone' <> all (p_consent.purposes) then
    perform understudy.stop_voices(p_consent.org_id, p_consent.employee_id, p_actor_id, 'consent_purpose');
  end if;

  perform understudy.audit(
    p_consent.org_id, p_consent.employee_id, p_actor_id, 'consent.grant', 'granted',
    jsonb_build_object(
      'consent_id', v_id,
      'superseded_consent_id', v_superseded_id,
      'invitation_id', p_consent.invitation_id,
      'statement_sha256', p_consent.statement_sha256,
      'method', p_consent.method,
      'evidence_unverified', p_consent.evidence_unverified,
      'same_origin_as_admin', p_consent.same_origin_as_admin,
      'expires_at', p_consent.expires_at
    )
  );
  return v_id;
end
$$;
comment on function understudy.record_consent(public.voice_consents, uuid) is
  'Records a consent; there is no other way to do so. The caller has locked the employee and checked the request.';

create or replace function understudy.end_consent(
  p_org_id uuid,
  p_employee_id uuid,
  p_ended_as text,
  p_actor_id uuid,
  p_address text default null,
  p_user_agent text default null
)
returns uuid
language sql
set search_path = ''
as $$
  update public.voice_consents c
  set ended_at = clock_timestamp(),
      ended_as = p_ended_as,
      ended_by = p_actor_id,
      ended_address = left(p_address, 100),
      ended_user_agent = left(p_user_agent, 500)
  where c.org_id = p_org_id and c.employee_id = p_employee_id and c.ended_at is null
  returning c.id
$$;
comment on function understudy.end_consent(uuid, uuid, text, uuid, text, text) is
  'Ends the open consent, if there is one, and returns its id.';

create or replace function understudy.note_ending_erasure(p_consent_id uuid, p_erasure_id uuid)
returns void
language sql
set search_path = ''
as $$
  update public.voice_consents c
  set ended_erasure_id = p_erasure_id
  where c.id = p_consent_id and c.ended_erasure_id is null
$$;
comment on function understudy.note_ending_erasure(uuid, uuid) is
  'Keeps with an ended consent the erasure that followed. A repeated request gets the same erasure, also when that is over.';

create or replace function understudy.ending_erasure(p_consent public.voice_consents)
returns uuid
language sql
stable
set search_path = ''
as $$
  select coalesce(
    p_consent.ended_erasure_id,
    (
      select e.id
      from public.voice_erasures e
      where e.org_id = p_consent.org_id and e.employee_id = p_consent.employee_id
      order by e.number desc
      limit 1
    )
  )
$$;
comment on function understudy.ending_erasure(public.voice_consents) is 'The erasure that followed the end of a consent.';

create or replace function understudy.newest_consent(p_org_id uuid, p_employee_id uuid)
returns public.voice_consents
language sql
stable
set search_path = ''
as $$
  select c
  from public.voice_consents c
  where c.org_id = p_org_id and c.employee_id = p_employee_id
  order by c.number desc
  limit 1
$$;

create or replace function understudy.is_live(p_consent public.voice_consents)
returns boolean
language sql
stable
set search_path = ''
as $$
  select p_consent.id is not null and p_consent.ended_at is null and p_consent.expires_at > understudy.time_now()
$$;

create or replace function understudy.is_within(p_purposes text[], p_expires_at timestamptz, p_consent public.voice_consents)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_purposes <@ p_consent.purposes and p_expires_at <= p_consent.expires_at, false)
$$;
comment on function understudy.is_within(text[], timestamptz, public.voice_consents) is
  'True if these purposes and this end would allow nothing that the consent does not allow: no other purpose, and no longer time. It is '
  'false if there is no consent.';

create or replace function understudy.needs_employee(
  p_org_id uuid,
  p_employee_id uuid,
  p_purposes text[],
  p_expires_at timestamptz
)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
  v_newest constant public.voice_consents := understudy.newest_consent(p_org_id, p_employee_id);
  v_granted public.voice_consents;
begin
  -- A narrower consent takes nothing from the employee.
  if understudy.is_live(v_newest) and understudy.is_within(p_purposes, p_expires_at, v_newest)
    and (p_expires_at < v_newest.expires_at or not v_newest.purposes <@ p_purposes)
  then
    return false;
  end if;

  select * into v_granted
  from public.voice_consents c
  where c.org_id = p_org_id and c.employee_id = p_employee_id and c.invitation_id is not null
  order by c.number desc
  limit 1;
  -- The numbers of consents, and not a clock, decide which of two statements is the later one. An employee who withdrew a consent, or
  -- refused when it was the newest, did so after every grant up to that number.
  return exists (
      select from public.voice_consents c
      where c.org_id = p_org_id
        and c.employee_id = p_employee_id
        and c.ended_as = 'withdrawn'
        and c.ended_by is null
        and c.number >= coalesce(v_granted.number, 0)
    )
    or exists (
      select from public.voice_consent_invitations i
      where i.org_id = p_org_id
        and i.employee_id = p_employee_id
        and i.closed_as = 'refused'
        and i.refused_after >= coalesce(v_granted.number, 0)
    )
    or (v_granted.id is not null and not understudy.is_within(p_purposes, p_expires_at, v_granted));
end
$$;
comment on function understudy.needs_employee(uuid, uuid, text[], timestamptz) is
  'True if a consent that an admin wants to record would overrule the employee''s own last statement: a grant by a link of fewer purposes '
  'or for a shorter time, a refusal, or a withdrawal by a token. Such a consent needs a new answer of the employee.';

create or replace function understudy.consent_problem(p_consent public.voice_consents)
returns text
language plpgsql
set search_path = ''
as $$
begin
  return case
    when (p_consent.method in ('written_release', 'recorded_call')) is not true then 'consent_method_invalid'
    when not understudy.is_valid_expiry(p_consent.expires_at) then 'consent_expiry_invalid'
    else coalesce(
      understudy.check_statement(p_consent.statement_version, p_consent.statement_sha256, p_consent.purposes),
      case
        when understudy.needs_employee(p_consent.org_id, p_consent.employee_id, p_consent.purposes, p_consent.expires_at)
          then 'consent_needs_employee'
      end
    )
  end;
end
$$;
comment on function understudy.consent_problem(public.voice_consents) is
  'The reason why an admin may not record this consent, whatever its evidence, or null. The caller has locked the employee.';
revoke all on all functions in schema understudy from public;

-- The functions with which an organisation's users grant, withdraw and read consents. The functions for employees are in invitations.sql.

create or replace function public.grant_voice_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_statement_version text,
  p_statement_sha256 text,
  p_method text,
  p_evidence_reference text,
  p_evidence_sha256 text,
  p_purposes text[],
  p_expires_at timestamptz,
  p_read text default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_evidence record;
  v_problem text;
  v_consent public.voice_consents;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  v_consent.org_id := v_access.caller_org_id;
  v_consent.employee_id := p_employee_id;
  v_consent.statement_version := p_statement_version;
  v_consent.statement_sha256 := p_statement_sha256;
  v_consent.method := p_method;
  v_consent.evidence_reference := p_evidence_reference;
  v_consent.evidence_sha256 := p_evidence_sha256;
  v_consent.purposes := p_purposes;
  v_consent.recorded_by := p_user_id;
  v_consent.expires_at := p_expires_at;
  select * into v_evidence from understudy.find_evidence(v_consent.org_id, p_employee_id, p_method, p_evidence_reference);
  v_problem := coalesce(
    v_access.problem,
    understudy.consent_problem(v_consent),
    v_evidence.problem,
    understudy.evidence_problem(v_evidence.object, p_evidence_sha256, v_evidence.sha256, p_read)
  );
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.grant', v_problem);
  end if;
  if v_evidence.object is not null and p_read is null then
    perform understudy.note_evidence(v_access.caller_org_id, p_employee_id, v_evidence.object);
    return jsonb_build_object('outcome', 'evidence_wanted', 'object', v_evidence.object, 'copy_from', v_evidence.copy_from);
  end if;

  v_consent.evidence_object := v_evidence.object;
  v_consent.evidence_unverified := v_evidence.object is null;
  return jsonb_build_object(
    'outcome', 'granted',
    'consent_id', understudy.record_consent(v_consent, p_user_id),
    'evidence_unverified', v_consent.evidence_unverified
  );
end
$$;
comment on function public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz, text) is
  'Records a consent, which supersedes the one before. The first call comes without p_read: its answer names the evidence to read, or the '
  'recording to copy there. The second call states what was read (a hash, or missing, too_large, unreadable), and records the consent. '
  'Outcomes: granted, evidence_wanted, not_a_member, employee_not_found, role_forbidden, consent_method_invalid, consent_expiry_invalid, '
  'statement_unknown, purpose_unknown, consent_needs_employee, evidence_missing, evidence_unreadable, evidence_mismatch, '
  'evidence_too_large.';

create or replace function public.withdraw_voice_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_now double precision default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent_id uuid;
  v_erasure_id uuid;
  v_newest public.voice_consents;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', v_access.problem);
  end if;

  v_consent_id := understudy.end_consent(v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id);
  if v_consent_id is null then
    v_newest := understudy.newest_consent(v_access.caller_org_id, p_employee_id);
    if v_newest.ended_as is distinct from 'withdrawn' then
      return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'no_consent');
    end if;
    v_consent_id := v_newest.id;
    v_erasure_id := understudy.ending_erasure(v_newest);
  else
    v_erasure_id := understudy.erase(
      v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id, understudy.asked_at(p_now)
    );
    perform understudy.note_ending_erasure(v_consent_id, v_erasure_id);
    perform understudy.audit(
      v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'withdrawn',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
  end if;
  return jsonb_build_object('outcome', 'withdrawn', 'consent_id', v_consent_id, 'erasure_id', v_erasure_id);
end
$$;
comment on function public.withdraw_voice_consent(uuid, uuid, double precision) is
  'Ends the consent at once: no voice is current, no attempt starts, no recording counts, and the attempt under way is refused when it '
  'finishes. erasure_id names the erasure that then reaches every copy. A repeated call gets the same answer. no_consent: there is none, '
  'or it has expired. Outcomes: withdrawn, no_consent, not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.answered_json(
  p_at timestamptz,
  p_address text,
  p_user_agent text,
  p_same_origin_as_admin boolean
)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'at', p_at,
    'address', p_address,
    'user_agent', p_user_agent,
    'same_origin_as_admin', coalesce(p_same_origin_as_admin, false)
  )
$$;
comment on function understudy.answered_json(timestamptz, text, text, boolean) is
  'The origin of an answer by a link, as far as it is known. Admins and the employee see it, so that both notice an answer by somebody '
  'else.';

create or replace function understudy.consent_json(p_consent public.voice_consents, p_for_admin boolean)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_consent.id,
    'statement_version', p_consent.statement_version,
    'statement_sha256', p_consent.statement_sha256,
    'method', p_consent.method,
    'evidence_reference', p_consent.evidence_reference,
    'evidence_sha256', p_consent.evidence_sha256,
    'evidence_unverified', p_consent.evidence_unverified,
    'purposes', p_consent.purposes,
    'granted_at', p_consent.granted_at,
    'expires_at', p_consent.expires_at,
    'ended_at', p_consent.ended_at,
    'ended_as', p_consent.ended_as,
    'recorded_by', p_consent.recorded_by,
    'channel', p_consent.channel
  ) || case
    when not p_for_admin then '{}'
    when p_consent.invitation_id is null then jsonb_build_object('answered', null)
    else jsonb_build_object('answered', understudy.answered_json(
      p_consent.granted_at, p_consent.address, p_consent.user_agent, p_consent.same_origin_as_admin
    ))
  end
$$;
comment on function understudy.consent_json(public.voice_consents, boolean) is
  'A consent, as the API shows it. Its `answered` has the address and user agent, which are for admins; it is null for a consent that was '
  'not given by a link.';

create or replace function public.read_voice_consent(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_is_admin boolean;
  v_history jsonb;
  v_problem text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.read', v_access.problem);
  end if;
  select coalesce(u.role::text = 'admin', false) into v_is_admin from public.users u where u.id = p_user_id;

  -- The problem does not depend on the purpose, because this reports on the consent and not on one use of it.
  select c.problem into v_problem from understudy.check_consent(v_access.caller_org_id, p_employee_id, 'voice_clone') c;
  select coalesce(jsonb_agg(understudy.consent_json(newest.consent, v_is_admin) order by (newest.consent).number desc), '[]')
  into v_history
  from (
    select c as consent
    from public.voice_consents c
    where c.org_id = v_access.caller_org_id and c.employee_id = p_employee_id
    order by c.number desc
    limit 50
  ) as newest;
  return jsonb_build_object(
    'outcome', 'consent',
    'status', case v_problem
      when 'consent_required' then 'none'
      when 'consent_withdrawn' then 'withdrawn'
      when 'consent_expired' then 'expired'
      else 'live'
    end,
    'consent', v_history -> 0,
    'history', v_history
  ) || case
    when v_is_admin then jsonb_build_object('invitations', understudy.invitations_json(v_access.caller_org_id, p_employee_id))
    else '{}'
  end;
end
$$;
comment on function public.read_voice_consent(uuid, uuid) is
  'The newest consent, live or not, and the newest fifty, newest first; also of an employee who has left. Admins also see the newest '
  'fifty invitations, and the origin of each answer. Outcomes: consent, not_a_member, employee_not_found.';

revoke all on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz, text),
  public.withdraw_voice_consent(uuid, uuid, double precision),
  public.read_voice_consent(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz, text),
  public.withdraw_voice_consent(uuid, uuid, double precision),
  public.read_voice_consent(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;

-- Statements: the texts that people agree to. A text is never edited: a new text is a new version.

create table if not exists public.voice_consent_statements (
  locale text not null check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  version text not null check (version <> ''),
  text text not null check (text <> ''),
  sha256 text not null,
  purposes text[] not null check (cardinality(purposes) > 0 and array_position(purposes, null) is null),
  purpose_descriptions jsonb not null check (jsonb_typeof(purpose_descriptions) = 'object'),
  retention text not null check (retention <> ''),
  created_at timestamptz not null default clock_timestamp(),
  primary key (locale, version),
  constraint voice_consent_statements_sha256 check (sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
  constraint voice_consent_statements_described check (
    purpose_descriptions ?& purposes
    and not jsonb_path_exists(purpose_descriptions, 'strict $.* ? (@.type() != "string" || @ == "")', '{}', true)
  )
);
create index if not exists voice_consent_statements_by_version on public.voice_consent_statements (version, sha256);
comment on table public.voice_consent_statements is 'Immutable texts. The newest version of a locale is the current one.';
comment on column public.voice_consent_statements.sha256 is 'The hash of the text in UTF-8, in lower-case hexadecimal.';
comment on column public.voice_consent_statements.purposes is 'The purposes that may be agreed to with this text.';
comment on column public.voice_consent_statements.purpose_descriptions is
  'An object {purpose: description} in the words that are shown with the text. A description names what the voice will say, to whom, and '
  'for how long. Every purpose has one.';
comment on column public.voice_consent_statements.retention is
  'The periods for which data are kept, in the words that are shown with the text.';

alter table public.voice_consent_statements enable row level security;
revoke all on public.voice_consent_statements from public, anon, authenticated, service_role;
grant select on public.voice_consent_statements to service_role;

create or replace function understudy.keep_statement()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'a statement is never edited: add a new version' using errcode = 'integrity_constraint_violation';
end
$$;

create or replace trigger voice_consent_statements_kept
  before update or delete on public.voice_consent_statements
  for each row execute function understudy.keep_statement();
create or replace trigger voice_consent_statements_not_truncated
  before truncate on public.voice_consent_statements
  for each statement execute function understudy.keep_statement();

insert into public.voice_consent_statements (locale, version, text, sha256, purposes, purpose_descriptions, retention, created_at)
select
  'en', '2026-11-1', s.text, encode(sha256(convert_to(s.text, 'UTF8')), 'hex'), '{voice_clone,synthetic_speech}', s.descriptions, s.retention,
  '2026-11-01Z'
from (
  values (
'Consent to a copy of my voice

What it is about. My employer records phone calls that I make or take for work. From such a recording, my employer may have a computer-made copy of my voice produced, called a voice clone. To do so, parts of the recording in which I speak are sent to ElevenLabs, a provider of synthetic voices, which makes and keeps the voice clone on my employer''s behalf.

What I agree to. I agree to the purposes that are named together with this text, and to no others:
- voice_clone: making a voice clone from recordings of my work calls. It says nothing yet, to nobody;
- synthetic_speech: using the voice clone to speak with my voice to the people whom I would speak to for my employer''s work.

It is my choice. I do not have to agree, and I will not be put at a disadvantage if I refuse or withdraw. When I refuse or withdraw, nobody can agree for me: only I can, by a new link that I get.

I can withdraw at any time, without giving reasons: by the personal link that I get when I agree, or by telling my employer. From that moment on the voice clone may not be used any more. What was done before remains lawful.

What is deleted when I withdraw, or when the consent ends: the voice clone at the provider, the recordings of my calls, both in my employer''s storage and at the telephone provider, and the information about the voice clone. I can ask my employer whether all of it is gone.

What stays, for three years after the consent has ended, so that it can be proved, and is deleted then: a record of what I agreed to and when, of when it ended and of what was deleted; if I answered by a link, the internet address and the kind of browser that the answer came from; if I signed a paper, that paper; and if I agreed in a recorded call, the recording of that one call.

How long it is valid. Until the date named together with this text, and never longer than three years.',
jsonb_build_object(
  'voice_clone',
  'A copy of my voice is made from recordings of my work calls and kept at the voice provider. It says nothing yet, to nobody. It is kept '
  'until the consent ends.',
  'synthetic_speech',
  'The copy of my voice says what my employer has it say for my work, to the people whom I would speak to for it, such as customers and '
  'colleagues. It may do so until the consent ends.'
),
'The voice clone and the recordings are kept until the consent is withdrawn or ends, three years at most. A record of the consent and of the deletion, and the evidence of the consent (the signed paper, or the recording of the one call in which I agreed), are kept for three years after that, and then deleted.'
  )
) as s (text, descriptions, retention)
on conflict do nothing;

create or replace function understudy.statement_json(p_statement public.voice_consent_statements)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'version', p_statement.version,
    'locale', p_statement.locale,
    'text', p_statement.text,
    'sha256', p_statement.sha256,
    'purposes', p_statement.purposes,
    'purpose_descriptions', p_statement.purpose_descriptions,
    'retention', p_statement.retention
  )
$$;

create or replace function understudy.current_statement(p_locale text)
returns public.voice_consent_statements
language sql
stable
set search_path = ''
as $$
  select s
  from public.voice_consent_statements s
  where lower(s.locale) in (lower(p_locale), split_part(lower(p_locale), '-', 1), 'en')
  order by
    lower(s.locale) = lower(p_locale) desc,
    lower(s.locale) = split_part(lower(p_locale), '-', 1) desc,
    s.created_at desc,
    s.version desc
  limit 1
$$;
comment on function understudy.current_statement(text) is 'The newest text of this locale, else of its language, else the English one.';

create or replace function understudy.check_statement(p_version text, p_sha256 text, p_purposes text[])
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  perform 1 from public.voice_consent_statements s where s.version = p_version and s.sha256 = p_sha256;
  if not found then
    return 'statement_unknown';
  end if;
  perform 1
  from public.voice_consent_statements s
  where s.version = p_version and s.sha256 = p_sha256 and p_purposes <@ s.purposes;
  return case when not found then 'purpose_unknown' end;
end
$$;
comment on function understudy.check_statement(text, text, text[]) is
  'The code of a refusal; null if there is such a statement, in any locale, and it describes all these purposes.';

create or replace function understudy.describe_purposes(p_version text, p_sha256 text, p_purposes text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select (
    select jsonb_object_agg(d.key, d.value)
    from jsonb_each(s.purpose_descriptions) d
    where d.key = any (p_purposes)
  )
  from public.voice_consent_statements s
  where s.version = p_version and s.sha256 = p_sha256
  order by s.locale
  limit 1
$$;
comment on function understudy.describe_purposes(text, text, text[]) is
  'An object {purpose: description} of these purposes, in the words of the very statement that was agreed to.';

create or replace function public.current_consent_statement(p_locale text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_statement public.voice_consent_statements;
begin
  select * into v_statement from understudy.current_statement(coalesce(p_locale, 'en'));
  if v_statement.version is null then
    return jsonb_build_object('outcome', 'statement_not_found');
  end if;
  return jsonb_build_object('outcome', 'statement', 'statement', understudy.statement_json(v_statement));
end
$$;
comment on function public.current_consent_statement(text) is
  'The current text to show. The text is public, so callers are not identified. Outcomes: statement, statement_not_found.';

revoke all on function public.current_consent_statement(text) from public, anon, authenticated;
grant execute on function public.current_consent_statement(text) to service_role;
revoke all on all functions in schema understudy from public;

-- Invitations: an employee, who has no account, answers by a link. The database keeps only the SHA-256 of each token, so nobody who reads
-- the database can answer for them.

create table if not exists public.voice_consent_invitations (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null,
  employee_id uuid not null,
  token_sha256 text not null unique check (token_sha256 ~ '^[0-9a-f]{64}$'),
  -- The locale of the text that the employee is shown, even if there is a newer text by then.
  statement_locale text not null,
  statement_version text not null,
  purposes text[] not null check (cardinality(purposes) > 0 and array_position(purposes, null) is null),
  consent_expires_at timestamptz not null,
  invited_by uuid not null,
  invited_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  closed_at timestamptz,
  closed_as text check (closed_as in ('granted', 'refused', 'superseded')),
  channel text check (channel ~ '^[a-z0-9_-]{1,40}$'),
  address text check (length(address) <= 100),
  user_agent text check (length(user_agent) <= 500),
  same_origin_as_admin boolean,
  refused_after bigint,
  constraint voice_consent_invitations_refused check ((closed_as is not distinct from 'refused') = (refused_after is not null)),
  constraint voice_consent_invitations_closed check ((closed_at is null) = (closed_as is null)),
  constraint voice_consent_invitations_statement foreign key (statement_locale, statement_version)
    references public.voice_consent_statements (locale, version)
);
create unique index if not exists voice_consent_invitations_one_open
  on public.voice_consent_invitations (org_id, employee_id)
  where closed_at is null;
create index if not exists voice_consent_invitations_newest
  on public.voice_consent_invitations (org_id, employee_id, invited_at desc);
create index if not exists voice_consent_invitations_by_age on public.voice_consent_invitations (expires_at);
create index if not exists voice_consent_invitations_refused_after
  on public.voice_consent_invitations (org_id, employee_id, refused_after desc)
  where closed_as = 'refused';

comment on table public.voice_consent_invitations is
  'One-time links. The first answer uses a link up, and the next invitation supersedes it. Within the life of the link, a repeated answer '
  'gets the same reply.';
comment on column public.voice_consent_invitations.channel is
  'The channel of a refusal; address and user_agent also belong to it. Those of a grant are in its consent.';
comment on column public.voice_consent_invitations.same_origin_as_admin is
  'The mark of a refusal, with the same meaning as that of a consent.';
comment on column public.voice_consent_invitations.refused_after is
  'The number of the employee''s newest consent when they refused, or 0 if there was none. A later grant by a link has a greater number.';

alter table public.voice_consent_invitations enable row level security;
revoke all on public.voice_consent_invitations from public, anon, authenticated, service_role;
grant select on public.voice_consent_invitations to service_role;

create or replace function understudy.is_open(p_invitation public.voice_consent_invitations)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(
    p_invitation.closed_at is null
      and least(p_invitation.expires_at, p_invitation.consent_expires_at) > understudy.time_now()
      and exists (
        select 1 from public.employees e where e.id = p_invitation.employee_id and e.org_id = p_invitation.org_id
      ),
    false
  )
$$;
comment on function understudy.is_open(public.voice_consent_invitations) is
  'True if the invitation may still be answered; false if there is none.';

create or replace function public.invite_to_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_token_sha256 text,
  p_locale text,
  p_purposes text[],
  p_expires_at timestamptz,
  p_valid_seconds int
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_statement public.voice_consent_statements;
  v_problem text;
  v_invitation public.voice_consent_invitations;
begin
  if (p_valid_seconds between 1 and 7776000) is not true then
    raise exception 'an invitation is valid from 1 second to 90 days';
  end if;
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  select * into v_statement from understudy.current_statement(coalesce(p_locale, 'en'));
  v_problem := case
    when v_access.problem is not null then v_access.problem
    when not understudy.is_valid_expiry(p_expires_at) then 'consent_expiry_invalid'
    when v_statement.version is null then 'statement_not_found'
    when (p_purposes <@ v_statement.purposes and cardinality(p_purposes) > 0) is not true then 'purpose_unknown'
  end;
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.invite', v_problem);
  end if;

  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(), closed_as = 'superseded'
  where i.org_id = v_access.caller_org_id and i.employee_id = p_employee_id and i.closed_at is null;
  insert into public.voice_consent_invitations (
    org_id, employee_id, token_sha256, statement_locale, statement_version, purposes, consent_expires_at, invited_by, expires_at
  )
  values (
    v_access.caller_org_id, p_employee_id, p_token_sha256, v_statement.locale, v_statement.version, p_purposes, p_expires_at,
    p_user_id, clock_timestamp() + make_interval(secs => p_valid_seconds)
  )
  returning * into v_invitation;

  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'consent.invite', 'invited',
    jsonb_build_object('invitation_id', v_invitation.id, 'statement_sha256', v_statement.sha256, 'expires_at', v_invitation.expires_at)
  );
  return jsonb_build_object('outcome', 'invited', 'invitation_id', v_invitation.id, 'expires_at', v_invitation.expires_at);
end
$$;
comment on function public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int) is
  'Makes a link that is good for one answer; earlier links become void. p_expires_at is the end of the consent; p_valid_seconds is the '
  'life of the link. Outcomes: invited, not_a_member, employee_not_found, role_forbidden, consent_expiry_invalid, statement_not_found, '
  'purpose_unknown.';

create or replace function understudy.is_answered(p_invitation public.voice_consent_invitations)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(p_invitation.closed_as in ('granted', 'refused') and p_invitation.expires_at > understudy.time_now(), false)
$$;
comment on function understudy.is_answered(public.voice_consent_invitations) is
  'True if the invitation was answered and would still be open otherwise; false if there is none.';

create or replace function understudy.answer_of(p_invitation public.voice_consent_invitations)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select case p_invitation.closed_as
    when 'granted' then (
      select understudy.answered_json(c.granted_at, c.address, c.user_agent, c.same_origin_as_admin) || '{"granted": true}'
      from public.voice_consents c
      where c.invitation_id = p_invitation.id
    )
    when 'refused' then understudy.answered_json(
      p_invitation.closed_at, p_invitation.address, p_invitation.user_agent, p_invitation.same_origin_as_admin
    ) || '{"granted": false}'
  end
$$;
comment on function understudy.answer_of(public.voice_consent_invitations) is 'The answer, its time and its origin; null if there is none.';

create or replace function understudy.invitations_json(p_org_id uuid, p_employee_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', (newest.invitation).id,
        'state', coalesce(
          (newest.invitation).closed_as, case when understudy.is_open(newest.invitation) then 'open' else 'expired' end
        ),
        'purposes', (newest.invitation).purposes,
        'consent_expires_at', (newest.invitation).consent_expires_at,
        'invited_by', (newest.invitation).invited_by,
        'invited_at', (newest.invitation).invited_at,
        'expires_at', (newest.invitation).expires_at,
        'answered', understudy.answer_of(newest.invitation)
      )
      order by (newest.invitation).invited_at desc
    ),
    '[]'
  )
  from (
    select i as invitation
    from public.voice_consent_invitations i
    where i.org_id = p_org_id and i.employee_id = p_employee_id
    order by i.invited_at desc
    limit 50
  ) as newest
$$;
comment on function understudy.invitations_json(uuid, uuid) is
  'The newest fifty invitations of an employee, newest first, with the origin of each answer. They are for admins.';

create or replace function public.read_invitation(p_token_sha256 text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_invitation public.voice_consent_invitations;
begin
  select * into v_invitation from public.voice_consent_invitations i where i.token_sha256 = p_token_sha256;
  if not understudy.is_open(v_invitation) and not understudy.is_answered(v_invitation) then
    return jsonb_build_object('outcome', 'invitation_invalid');
  end if;
  return (
    select jsonb_build_object(
      'outcome', 'invitation',
      'status', case when v_invitation.closed_at is null then 'open' else 'answered' end,
      'employee_name', coalesce(e.full_name, ''),
      'organization_name', coalesce(o.name, ''),
      'statement', understudy.statement_json(s),
      'purposes', v_invitation.purposes,
      'consent_expires_at', v_invitation.consent_expires_at,
      'expires_at', v_invitation.expires_at,
      'answered', understudy.answer_of(v_invitation)
    )
    from public.voice_consent_statements s
    left join public.employees e on e.id = v_invitation.employee_id
    left join public.organizations o on o.id = v_invitation.org_id
    where s.locale = v_invitation.statement_locale and s.version = v_invitation.statement_version
  );
end
$$;
comment on function public.read_invitation(text) is
  'The question that a link asks the employee or, once it is answered, the answer and its origin. Reading does not use the link up. Every '
  'invalid link gets the same answer, so that guessing reveals nothing. Outcomes: invitation, invitation_invalid.';

revoke all on function
  public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int),
  public.read_invitation(text)
from public, anon, authenticated;
grant execute on function
  public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int),
  public.read_invitation(text)
to service_role;
revoke all on all functions in schema understudy from public;

-- The employee's answer to an invitation.

create or replace function understudy.refuse_by_link(
  p_invitation public.voice_consent_invitations,
  p_channel text,
  p_address text,
  p_user_agent text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(),
      closed_as = 'refused',
      channel = p_channel,
      address = left(p_address, 100),
      user_agent = left(p_user_agent, 500),
      same_origin_as_admin = understudy.is_admin_origin(i.org_id, p_address, p_user_agent),
      refused_after = coalesce((understudy.newest_consent(i.org_id, i.employee_id)).number, 0)
  where i.id = p_invitation.id;
  perform understudy.audit(
    p_invitation.org_id, p_invitation.employee_id, null, 'consent.answer', 'refused',
    jsonb_build_object('invitation_id', p_invitation.id)
  );
end
$$;
comment on function understudy.refuse_by_link(public.voice_consent_invitations, text, text, text) is
  'Uses the link up. An earlier consent stays as it is, because a refusal is not a withdrawal.';

create or replace function understudy.grant_by_link(
  p_invitation public.voice_consent_invitations,
  p_channel text,
  p_address text,
  p_user_agent text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_statement public.voice_consent_statements;
  v_consent public.voice_consents;
begin
  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(), closed_as = 'granted'
  where i.id = p_invitation.id;
  select * into v_statement
  from public.voice_consent_statements s
  where s.locale = p_invitation.statement_locale and s.version = p_invitation.statement_version;

  v_consent.org_id := p_invitation.org_id;
  v_consent.employee_id := p_invitation.employee_id;
  v_consent.statement_version := v_statement.version;
  v_consent.statement_sha256 := v_statement.sha256;
  v_consent.method := 'self_service';
  v_consent.evidence_unverified := false;
  v_consent.purposes := p_invitation.purposes;
  v_consent.recorded_by := p_invitation.invited_by;
  v_consent.invitation_id := p_invitation.id;
  v_consent.channel := p_channel;
  v_consent.address := left(p_address, 100);
  v_consent.user_agent := left(p_user_agent, 500);
  v_consent.same_origin_as_admin := understudy.is_admin_origin(p_invitation.org_id, p_address, p_user_agent);
  v_consent.expires_at := p_invitation.consent_expires_at;
  perform understudy.record_consent(v_consent, null);
end
$$;
comment on function understudy.grant_by_link(public.voice_consent_invitations, text, text, text) is
  'Uses the link up, and records the consent. A consent of the method self_service comes about only here.';

create or replace function understudy.answer_json(p_invitation_id uuid, p_withdrawal_token_sha256 text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_invitation public.voice_consent_invitations;
  v_consent public.voice_consents;
begin
  select * into v_invitation from public.voice_consent_invitations i where i.id = p_invitation_id;
  if v_invitation.closed_as = 'granted' then
    select * into v_consent from public.voice_consents c where c.invitation_id = p_invitation_id;
    perform understudy.hand_withdrawal_token(p_withdrawal_token_sha256, v_invitation, v_consent.id);
    return jsonb_build_object(
      'outcome', 'granted',
      'consent_id', v_consent.id,
      'expires_at', v_invitation.consent_expires_at,
      'status', coalesce(v_consent.ended_as, case when understudy.is_live(v_consent) then 'live' else 'expired' end),
      'token_handed', true
    );
  end if;
  v_consent := understudy.newest_consent(v_invitation.org_id, v_invitation.employee_id);
  if understudy.is_live(v_consent) then
    perform understudy.hand_withdrawal_token(p_withdrawal_token_sha256, v_invitation, v_consent.id);
  end if;
  return jsonb_build_object(
    'outcome', 'refused',
    'live_consent', case
      when understudy.is_live(v_consent) then jsonb_build_object(
        'purposes', v_consent.purposes,
        'method', v_consent.method,
        'expires_at', v_consent.expires_at,
        'evidence_unverified', v_consent.evidence_unverified
      )
    end,
    'token_handed', exists (
      select from public.voice_withdrawal_tokens t where t.token_sha256 = p_withdrawal_token_sha256
    )
  );
end
$$;
comment on function understudy.answer_json(uuid, text) is
  'The reply to an employee''s answer, which is the same for each repetition. After a refusal it has the consent that still lives; the '
  'token ends that one.';

create or replace function public.answer_invitation(
  p_token_sha256 text,
  p_granted boolean,
  p_withdrawal_token_sha256 text,
  p_channel text,
  p_address text,
  p_user_agent text
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_invitation public.voice_consent_invitations;
  v_problem text;
begin
  if p_granted is null or p_withdrawal_token_sha256 is null then
    raise exception 'an answer is yes or no, and comes with a token to withdraw what lives';
  end if;
  select * into v_invitation from public.voice_consent_invitations i where i.token_sha256 = p_token_sha256;
  if v_invitation.id is null then
    -- Without an organisation there is no audit row, because strangers could fill the audit.
    return jsonb_build_object('outcome', 'invitation_invalid');
  end if;
  perform understudy.lock_employee(v_invitation.employee_id);
  select * into v_invitation from public.voice_consent_invitations i where i.id = v_invitation.id for update;
  v_problem := case
    when understudy.is_open(v_invitation) then null
    when not understudy.is_answered(v_invitation) then 'invitation_invalid'
    when (v_invitation.closed_as = 'granted') <> p_granted then 'invitation_answered'
  end;
  if v_problem is not null then
    return understudy.refuse(
      v_invitation.org_id, v_invitation.employee_id, null, 'consent.answer', v_problem,
      jsonb_build_object('invitation_id', v_invitation.id)
    );
  end if;

  if v_invitation.closed_at is null and p_granted then
    perform understudy.grant_by_link(v_invitation, p_channel, p_address, p_user_agent);
  elsif v_invitation.closed_at is null then
    perform understudy.refuse_by_link(v_invitation, p_channel, p_address, p_user_agent);
  end if;
  return understudy.answer_json(v_invitation.id, p_withdrawal_token_sha256);
end
$$;
comment on function public.answer_invitation(text, boolean, text, text, text, text) is
  'Uses the link up. A repeated answer within the life of the link changes nothing and gets the same reply. token_handed: true if the '
  'token withdraws something from now on. Outcomes: granted, refused, invitation_invalid, invitation_answered.';

revoke all on function public.answer_invitation(text, boolean, text, text, text, text) from public, anon, authenticated;
grant execute on function public.answer_invitation(text, boolean, text, text, text, text) to service_role;
revoke all on all functions in schema understudy from public;

-- Withdrawal by a token, which the employee gets when they answer an invitation. From then on, the token withdraws whichever consent is
-- live, and not only the one that it came with.

create table if not exists public.voice_withdrawal_tokens (
  token_sha256 text primary key check (token_sha256 ~ '^[0-9a-f]{64}$'),
  org_id uuid not null,
  employee_id uuid not null,
  invitation_id uuid not null references public.voice_consent_invitations (id) on delete cascade,
  consent_id uuid,
  handed_at timestamptz not null default clock_timestamp()
);
create index if not exists voice_withdrawal_tokens_by_invitation on public.voice_withdrawal_tokens (invitation_id);
comment on table public.voice_withdrawal_tokens is
  'Tokens of employees. Each withdraws the employee''s live consent in this organisation, whoever recorded it, even if that has '
  'superseded the consent which the token came with.';
comment on column public.voice_withdrawal_tokens.consent_id is 'The consent that was live when the token was handed out.';

alter table public.voice_withdrawal_tokens enable row level security;
revoke all on public.voice_withdrawal_tokens from public, anon, authenticated, service_role;
grant select on public.voice_withdrawal_tokens to service_role;

create or replace function understudy.hand_withdrawal_token(
  p_token_sha256 text,
  p_invitation public.voice_consent_invitations,
  p_consent_id uuid
)
returns void
language sql
set search_path = ''
as $$
  insert into public.voice_withdrawal_tokens (token_sha256, org_id, employee_id, invitation_id, consent_id)
  values (p_token_sha256, p_invitation.org_id, p_invitation.employee_id, p_invitation.id, p_consent_id)
  on conflict (token_sha256) do nothing
$$;
comment on function understudy.hand_withdrawal_token(text, public.voice_consent_invitations, uuid) is
  'Makes the token valid for withdrawals. A repeated answer repeats this, and derives the same token.';

create or replace function public.withdraw_with_token(
  p_token_sha256 text,
  p_address text,
  p_user_agent text,
  p_now double precision default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_token public.voice_withdrawal_tokens;
  v_consent public.voice_consents;
  v_erasure_id uuid;
begin
  select * into v_token from public.voice_withdrawal_tokens t where t.token_sha256 = p_token_sha256;
  if v_token.token_sha256 is null then
    return jsonb_build_object('outcome', 'consent_token_invalid');
  end if;
  -- An employee who has left by now can still withdraw.
  perform understudy.lock_employee(v_token.employee_id);
  v_consent := understudy.newest_consent(v_token.org_id, v_token.employee_id);
  if v_consent.ended_as = 'withdrawn' then
    return jsonb_build_object('outcome', 'withdrawn', 'erasure_id', understudy.ending_erasure(v_consent));
  end if;
  if not understudy.is_live(v_consent) then
    return understudy.refuse(
      v_token.org_id, v_token.employee_id, null, 'consent.withdraw', 'consent_token_invalid',
      jsonb_build_object('consent_id', v_consent.id)
    );
  end if;

  perform understudy.end_consent(v_token.org_id, v_token.employee_id, 'withdrawn', null, p_address, p_user_agent);
  v_erasure_id := understudy.erase(v_token.org_id, v_token.employee_id, 'withdrawn', null, understudy.asked_at(p_now));
  perform understudy.note_ending_erasure(v_consent.id, v_erasure_id);
  perform understudy.audit(
    v_token.org_id, v_token.employee_id, null, 'consent.withdraw', 'withdrawn',
    jsonb_build_object('consent_id', v_consent.id, 'erasure_id', v_erasure_id)
  );
  return jsonb_build_object('outcome', 'withdrawn', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.withdraw_with_token(text, text, text, double precision) is
  'Withdraws like withdraw_voice_consent, but for the employee, whose token is enough. A repeated call gets the same answer. '
  'consent_token_invalid: there is no such token, or no consent is live and the last one was not withdrawn. Outcomes: withdrawn, '
  'consent_token_invalid.';

create or replace function public.read_withdrawal(p_token_sha256 text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_token public.voice_withdrawal_tokens;
  v_consent public.voice_consents;
begin
  select * into v_token from public.voice_withdrawal_tokens t where t.token_sha256 = p_token_sha256;
  v_consent := understudy.newest_consent(v_token.org_id, v_token.employee_id);
  if v_consent.ended_as = 'withdrawn' then
    return jsonb_build_object('outcome', 'withdrawal', 'status', 'withdrawn', 'consent', null);
  end if;
  if not understudy.is_live(v_consent) then
    return jsonb_build_object('outcome', 'consent_token_invalid');
  end if;
  return jsonb_build_object(
    'outcome', 'withdrawal',
    'status', 'live',
    'consent', jsonb_build_object(
      'purposes', v_consent.purposes,
      'purpose_descriptions', understudy.describe_purposes(
        v_consent.statement_version, v_consent.statement_sha256, v_consent.purposes
      ),
      'method', v_consent.method,
      'evidence_unverified', v_consent.evidence_unverified,
      'recorded_at', v_consent.granted_at,
      'expires_at', v_consent.expires_at,
      'answered', case
        when v_consent.invitation_id is not null then understudy.answered_json(
          v_consent.granted_at, v_consent.address, v_consent.user_agent, v_consent.same_origin_as_admin
        )
      end
    )
  );
end
$$;
comment on function public.read_withdrawal(text) is
  'The consent that the token would withdraw, whoever recorded it, for the employee to see. Outcomes: withdrawal, consent_token_invalid.';

revoke all on function
  public.withdraw_with_token(text, text, text, double precision), public.read_withdrawal(text)
from public, anon, authenticated;
grant execute on function
  public.withdraw_with_token(text, text, text, double precision), public.read_withdrawal(text)
to service_role;
revoke all on all functions in schema understudy from public;

-- The use of a voice, which is asked for each time, for one purpose.

create or replace function understudy.hand_out_voice(
  p_voice public.voices,
  p_consent_id uuid,
  p_user_id uuid,
  p_purpose text,
  p_call_sid text,
  p_details jsonb
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_agreed public.voice_consents;
begin
  select * into v_agreed from public.voice_consents c where c.id = p_consent_id;
  -- The call is marked before the voice is handed out, so that no recording of it becomes a source of the next clone.
  perform understudy.mark_synthetic(p_call_sid, p_voice.org_id, p_voice.employee_id);
  perform understudy.audit(
    p_voice.org_id, p_voice.employee_id, p_user_id, 'voice.authorize', 'authorized',
    p_details || jsonb_build_object('evidence_unverified', v_agreed.evidence_unverified, 'call_sid', p_call_sid)
  );
  return jsonb_build_object(
    'outcome', 'authorized',
    'voice_id', p_voice.vendor_voice_id,
    'consent_id', p_consent_id,
    'expires_at', v_agreed.expires_at,
    'evidence_unverified', v_agreed.evidence_unverified,
    'purpose_description', understudy.describe_purposes(
      v_agreed.statement_version, v_agreed.statement_sha256, array[p_purpose]
    ) -> p_purpose
  );
end
$$;
comment on function understudy.hand_out_voice(public.voices, uuid, uuid, text, text, jsonb) is
  'The voice, for one use, with the purpose as it was agreed to. p_details are further details for the audit. The caller has checked the '
  'consent.';

create or replace function public.authorize_voice(
  p_user_id uuid,
  p_employee_id uuid,
  p_purpose text,
  p_call_sid text default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent record;
  v_current public.voices;
  v_problem text;
  v_details jsonb;
begin
  -- The purpose of a request is audited only if it looks like one, because it could be a name.
  v_details := jsonb_build_object('purpose', case when p_purpose ~ '^[a-z_]{1,40}$' then p_purpose end);
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'voice.authorize', v_access.problem, v_details);
  end if;

  -- The lock is a shared one: many may ask at once, but no withdrawal comes between the check and the audit row.
  perform 1 from public.employees e where e.id = p_employee_id for share;
  select * into v_consent from understudy.check_consent(v_access.caller_org_id, p_employee_id, p_purpose);
  select * into v_current
  from public.voices v
  where v.employee_id = p_employee_id and v.org_id = v_access.caller_org_id and v.state = 'ready';
  v_details := v_details || jsonb_build_object('consent_id', v_consent.consent_id, 'attempt_id', v_current.id);

  v_problem := coalesce(v_consent.problem, case when v_current.id is null then 'voice_missing' end);
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'voice.authorize', v_problem, v_details);
  end if;

  return understudy.hand_out_voice(v_current, v_consent.consent_id, p_user_id, p_purpose, p_call_sid, v_details);
end
$$;
comment on function public.authorize_voice(uuid, uuid, text, text) is
  'Returns the voice for one use, for this purpose, and the description of the purpose that was agreed to. The caller must not keep it: '
  'the next use asks again. p_call_sid is the call in which the voice is to speak; the recordings of that call are never sampled. '
  'Outcomes: authorized, not_a_member, employee_not_found, consent_required, consent_expired, consent_withdrawn, consent_purpose, '
  'voice_missing.';

revoke all on function public.authorize_voice(uuid, uuid, text, text) from public, anon, authenticated;
grant execute on function public.authorize_voice(uuid, uuid, text, text) to service_role;

-- The start, the growth and the end of an erasure. All of these functions need the employee to be locked.

create or replace function understudy.unresolved_attempts(p_org_id uuid, p_employee_id uuid)
returns setof public.voices
language sql
stable
set search_path = ''
as $$
  select v.*
  from public.voices v
  where v.org_id = p_org_id
    and v.employee_id = p_employee_id
    and v.state in ('cloning', 'unknown')
    and understudy.has_erased_recording(v)
$$;
comment on function understudy.unresolved_attempts(uuid, uuid) is
  'Attempts on erased recordings whose voice may yet turn up at the vendor.';

create or replace function understudy.open_erasure(
  p_org_id uuid,
  p_employee_id uuid,
  p_scope text,
  p_reason text,
  p_requested_by uuid,
  p_covers_until timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
  v_joined constant boolean := v_last.id is not null and v_last.erased_at is null;
  v_known_until constant timestamptz := case when p_scope = 'everything' then clock_timestamp() else v_last.known_until end;
  v_id uuid := v_last.id;
begin
  if v_joined then
    update public.voice_erasures e
    set covers_until = greatest(e.covers_until, p_covers_until),
        known_until = v_known_until,
        scope = case when p_scope = 'everything' then p_scope else e.scope end,
        reason = case when p_scope = 'everything' and e.scope = 'recordings' then p_reason else e.reason end,
        listed_to_call = null,
        listed_at = null
    where e.id = v_id;
  else
    insert into public.voice_erasures (org_id, employee_id, scope, reason, requested_by, covers_until, known_until)
    values (
      p_org_id, p_employee_id, p_scope, p_reason, p_requested_by, greatest(v_last.covers_until, p_covers_until), v_known_until
    )
    returning id into v_id;
  end if;
  perform understudy.audit(
    p_org_id, p_employee_id, p_requested_by, 'erasure.start', case when v_joined then 'joined' else 'started' end,
    jsonb_build_object('erasure_id', v_id, 'reason', p_reason)
  );
  return v_id;
end
$$;
comment on function understudy.open_erasure(uuid, uuid, text, text, uuid, timestamptz) is
  'The open erasure, with everything that it covers to be listed. If there is none, it is made. p_scope: everything or recordings.';

create or replace function understudy.reopen_erasure(p_erasure public.voice_erasures)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_erasure.org_id, p_erasure.employee_id);
  v_id uuid := v_last.id;
begin
  if v_last.erased_at is not null then
    insert into public.voice_erasures (org_id, employee_id, scope, reason, covers_until, known_until, listed_at)
    values (
      v_last.org_id, v_last.employee_id, v_last.scope, v_last.reason, v_last.covers_until, v_last.known_until, clock_timestamp()
    )
    returning id into v_id;
    perform understudy.audit(
      v_last.org_id, v_last.employee_id, null, 'erasure.start', 'started',
      jsonb_build_object('erasure_id', v_id, 'reason', v_last.reason)
    );
  end if;
  return v_id;
end
$$;
comment on function understudy.reopen_erasure(public.voice_erasures) is
  'The erasure to which a late copy is added: the employee''s open one, or a new one that covers no more than the last did.';

create or replace function understudy.add_copy(
  p_erasure_id uuid,
  p_kind text,
  p_reference text,
  p_attempt_id uuid default null,
  p_is_ours boolean default true
)
returns uuid
language sql
set search_path = ''
as $$
  insert into public.voice_erasure_copies as c (erasure_id, kind, reference, attempt_id, state, last_error)
  values (
    p_erasure_id, p_kind, p_reference, p_attempt_id,
    case when p_is_ours then 'pending' else 'kept_elsewhere' end, case when not p_is_ours then 'other_deployment' end
  )
  on conflict (erasure_id, kind, reference) do update
  -- An object may be at the key again. At the vendors, a copy that is gone stays gone.
  set state = case
        when c.state = 'erased' and p_kind in ('stored_recording', 'newest_recording', 'metadata') then 'pending'
        else c.state
      end,
      erased_at = case when p_kind not in ('stored_recording', 'newest_recording', 'metadata') then c.erased_at end
  returning c.id
$$;
comment on function understudy.add_copy(uuid, text, text, uuid, boolean) is
  'Adds a copy to erase; an erasure holds each copy once. p_is_ours is false for a copy that another deployment has at a vendor, which is '
  'left to that deployment.';

create or replace function understudy.clear_reports(p_org_id uuid, p_employee_id uuid)
returns void
language sql
set search_path = ''
as $$
  update public.voices v
  set report = null
  where v.org_id = p_org_id
    and v.employee_id = p_employee_id
    and v.state in ('failed', 'retired')
    and v.report is not null
    and understudy.has_erased_recording(v)
$$;
comment on function understudy.clear_reports(uuid, uuid) is
  'Clears the figures that were measured on erased recordings. An attempt that still runs keeps its figures until its end is known.';

create or replace function understudy.settle_erasure(p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
begin
  if v_erasure.id is null
    or v_erasure.erased_at is not null
    or v_erasure.listed_at is null
    or v_erasure.copies_left > 0
    or exists (select from understudy.unresolved_attempts(p_org_id, p_employee_id))
  then
    return;
  end if;
  perform understudy.clear_reports(p_org_id, p_employee_id);
  update public.voice_erasures e set erased_at = clock_timestamp() where e.id = v_erasure.id;
  perform understudy.audit(
    p_org_id, p_employee_id, null, 'erasure.finish',
    case when v_erasure.copies_kept_elsewhere > 0 then 'kept_elsewhere' else 'erased' end,
    jsonb_build_object('erasure_id', v_erasure.id)
  );
end
$$;
comment on function understudy.settle_erasure(uuid, uuid) is
  'Ends the open erasure if no copy is left. Only this function ends an erasure.';

create or replace function understudy.cover_voices(p_org_id uuid, p_employee_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_org_id, p_employee_id);
  v_voice public.voices;
  v_erasure_id uuid;
begin
  if v_last.id is null then
    return;
  end if;
  for v_voice in
    select v.*
    from public.voices v
    where v.org_id = p_org_id
      and v.employee_id = p_employee_id
      and v.state in ('failed', 'retired')
      and v.vendor_voice_id is not null
      and v.vendor_deleted_at is null
      and understudy.has_erased_recording(v)
      and not exists (
        select
        from public.voice_erasure_copies c
        join public.voice_erasures e on e.id = c.erasure_id
        where c.attempt_id = v.id and c.kind = 'vendor_voice' and (e.erased_at is null or c.state = 'kept_elsewhere')
      )
    order by v.number
  loop
    v_erasure_id := coalesce(v_erasure_id, understudy.reopen_erasure(v_last));
    perform understudy.cover_voice(v_erasure_id, v_voice, v_last.scope = 'everything');
  end loop;
end
$$;
comment on function understudy.cover_voices(uuid, uuid) is 'Adds the voices made from erased recordings, as soon as they are known.';

create or replace function understudy.cover_voice(p_erasure_id uuid, p_voice public.voices, p_with_speech boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_is_ours constant boolean := p_voice.deployment_id = understudy.deployment_id();
begin
  if v_is_ours and p_with_speech then
    perform understudy.add_copy(p_erasure_id, 'vendor_history', p_voice.vendor_voice_id, p_voice.id);
  end if;
  if p_voice.vendor_deleted_at is null then
    perform understudy.add_copy(p_erasure_id, 'vendor_voice', p_voice.vendor_voice_id, p_voice.id, v_is_ours);
  end if;
end
$$;
comment on function understudy.cover_voice(uuid, public.voices, boolean) is
  'Adds a voice, unless it is gone, and the speech that was made with it.';

create or replace function understudy.cover_shared_keys(p_erasure public.voice_erasures)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_org_id constant uuid := p_erasure.org_id;
  v_employee_id constant uuid := p_erasure.employee_id;
begin
  if exists (select from public.recordings r where r.org_id = v_org_id and r.employee_id = v_employee_id)
    and not exists (
      select from public.recordings r where r.employee_id = v_employee_id and r.org_id <> v_org_id and r.erased_at is null
    )
  then
    perform understudy.add_copy(p_erasure.id, 'newest_recording', understudy.newest_path(v_employee_id));
  end if;
  if p_erasure.scope = 'everything'
    and exists (
      select
      from public.voices v
      where v.org_id = v_org_id and v.employee_id = v_employee_id and v.metadata_handed_at is not null
    )
    and (understudy.current_voice(v_employee_id)).id is null
  then
    perform understudy.add_copy(p_erasure.id, 'metadata', understudy.metadata_path(v_employee_id));
  end if;
end
$$;
comment on function understudy.cover_shared_keys(public.voice_erasures) is
  'Adds the two keys that are written again and again: the copy of the newest recording, and the metadata, unless they are those of a '
  'voice that stays. The keys belong to the employee and not to one organisation. After a move, the new organisation may be using them.';

create or replace function understudy.cover_late_recording(
  p_erasure public.voice_erasures,
  p_recording_sid text,
  p_storage_path text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure_id constant uuid := understudy.reopen_erasure(p_erasure);
begin
  perform understudy.add_copy(v_erasure_id, 'twilio_recording', p_recording_sid);
  if p_storage_path is not null then
    perform understudy.add_copy(v_erasure_id, 'stored_recording', p_storage_path);
  end if;
  perform understudy.audit(
    p_erasure.org_id, p_erasure.employee_id, null, 'recording.store', 'erased',
    jsonb_build_object('recording_sid', p_recording_sid, 'erasure_id', v_erasure_id)
  );
end
$$;
comment on function understudy.cover_late_recording(public.voice_erasures, text, text) is
  'Adds a recording that an erasure covers, and that was not known when the erasure was requested. p_storage_path is the key at which a '
  'worker has stored it already, or null.';

create or replace function understudy.cover_late_upload(
  p_recording_sid text,
  p_storage_path text,
  p_erasure public.voice_erasures
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures := p_erasure;
  v_recording public.recordings;
begin
  select * into v_recording from public.recordings r where r.recording_sid = p_recording_sid;
  if v_erasure.id is null then
    v_erasure := understudy.last_erasure(v_recording.org_id, v_recording.folder);
  end if;
  if v_erasure.id is null then
    select e.* into v_erasure
    from public.voice_erasure_copies c
    join public.voice_erasures e on e.id = c.erasure_id
    where c.kind = 'twilio_recording' and c.reference = p_recording_sid
    order by e.number desc
    limit 1;
  end if;
  if v_erasure.id is null then
    perform understudy.audit(
      v_recording.org_id, v_recording.employee_id, null, 'recording.store', 'erased',
      jsonb_build_object('recording_sid', p_recording_sid)
    );
  else
    perform understudy.cover_late_recording(v_erasure, p_recording_sid, p_storage_path);
  end if;
end
$$;
comment on function understudy.cover_late_upload(text, text, public.voice_erasures) is
  'Adds the object of a recording that a worker has stored and that is erased by now. The object is a copy again, even if an erasure has '
  'already reported its key as erased.';

create or replace function understudy.cover_newest(p_recording public.recordings)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_recording.org_id, p_recording.employee_id);
begin
  if v_last.id is not null then
    perform understudy.add_copy(
      understudy.reopen_erasure(v_last), 'newest_recording', understudy.newest_path(p_recording.employee_id)
    );
  end if;
end
$$;
comment on function understudy.cover_newest(public.recordings) is
  'Adds the copy of the newest recording, because a worker has published a recording that is erased by now, and may die before it removes '
  'the copy.';

create or replace function understudy.cover_metadata(p_voice public.voices)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_last constant public.voice_erasures := understudy.last_erasure(p_voice.org_id, p_voice.employee_id);
begin
  if v_last.id is not null and understudy.has_erased_recording(p_voice) then
    perform understudy.add_copy(understudy.reopen_erasure(v_last), 'metadata', understudy.metadata_path(p_voice.employee_id));
  end if;
end
$$;
comment on function understudy.cover_metadata(public.voices) is
  'Adds the metadata, because a worker has written those of a voice that is erased by now, perhaps on top of the tombstone.';

create or replace function understudy.erase(
  p_org_id uuid,
  p_employee_id uuid,
  p_reason text,
  p_actor_id uuid,
  p_asked_at timestamptz
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id uuid;
begin
  perform understudy.stop_voices(
    p_org_id, p_employee_id, p_actor_id, case p_reason when 'expired' then 'consent_expired' else 'consent_withdrawn' end
  );
  v_id := understudy.open_erasure(p_org_id, p_employee_id, 'everything', p_reason, p_actor_id, p_asked_at);
  perform understudy.begin_listing(v_id);
  perform understudy.settle_erasure(p_org_id, p_employee_id);
  return v_id;
end
$$;
comment on function understudy.erase(uuid, uuid, text, uuid, timestamptz) is
  'Ends at once everything that the database can end, and begins to list the copies elsewhere. The time that it takes does not depend on '
  'the number of copies. The caller has locked the employee and ended the consent.';

revoke all on all functions in schema understudy from public;

-- The list of an erasure's copies, made in batches. All of these functions need the employee to be locked.

create or replace function understudy.erase_recordings(p_erasure public.voice_erasures, p_recordings public.recordings[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  -- Calls are locked before recordings, in the same order as by a worker that stores a recording.
  update public.calls c
  set recording_url = null
  from unnest(p_recordings) r
  where c.id = r.call_id and c.recording_url = 'recordings/' || r.storage_path;
  update public.recordings r
  set erased_at = clock_timestamp()
  where r.recording_sid in (select e.recording_sid from unnest(p_recordings) e) and r.erased_at is null;

  insert into public.voice_erasure_copies as c (erasure_id, kind, reference)
  select p_erasure.id, 'stored_recording', r.storage_path from unnest(p_recordings) r
  on conflict (erasure_id, kind, reference) do update set state = 'pending', erased_at = null where c.state = 'erased';
  insert into public.voice_erasure_copies (erasure_id, kind, reference, state, last_error)
  select p_erasure.id, 'twilio_recording', r.recording_sid, copy.state, copy.last_error
  from unnest(p_recordings) r
  cross join lateral (
    select
      case when r.deployment_id = understudy.deployment_id() then 'pending' else 'kept_elsewhere' end as state,
      case when r.deployment_id <> understudy.deployment_id() then 'other_deployment' end as last_error
  ) as copy
  on conflict do nothing;
end
$$;
comment on function understudy.erase_recordings(public.voice_erasures, public.recordings[]) is
  'Makes tombstones of recordings, and adds their copies in Storage and at Twilio.';

create or replace function understudy.recordings_to_list(p_erasure public.voice_erasures, p_limit int)
returns setof public.recordings
language plpgsql
stable
set search_path = ''
as $$
begin
  if p_erasure.scope = 'everything' then
    -- No recording that this erasure covers is stored after the request, so this finds all of them.
    return query
      select *
      from public.recordings r
      where r.folder = p_erasure.employee_id
        and r.org_id = p_erasure.org_id
        and r.erased_at is null
        and r.stored_at <= p_erasure.known_until
      order by r.stored_at
      limit p_limit;
  else
    return query
      select *
      from public.recordings r
      where r.folder = p_erasure.employee_id
        and r.org_id = p_erasure.org_id
        and r.erased_at is null
        and r.started_at <= p_erasure.covers_until - interval '1 second'
      order by r.started_at
      limit p_limit;
  end if;
end
$$;

create or replace function understudy.list_recordings(p_erasure public.voice_erasures, p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_recordings public.recordings[];
begin
  select array_agg(r) into v_recordings from understudy.recordings_to_list(p_erasure, p_limit) r;
  if v_recordings is null then
    return 0;
  end if;
  perform understudy.erase_recordings(p_erasure, v_recordings);
  if p_erasure.scope = 'everything' then
    insert into public.voice_erasure_copies (erasure_id, kind, reference)
    select distinct p_erasure.id, 'twilio_call', r.call_sid from unnest(v_recordings) r
    on conflict do nothing;
  end if;
  return cardinality(v_recordings);
end
$$;
comment on function understudy.list_recordings(public.voice_erasures, int) is
  'Lists the next recordings of the employee that the erasure covers and that are not listed yet. Returns their number.';

create or replace function understudy.list_begun_uploads(p_erasure public.voice_erasures, p_call_sids text[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into public.voice_erasure_copies as c (erasure_id, kind, reference)
  select distinct p_erasure.id, copy.kind, copy.reference
  from public.storage_writes w
  cross join lateral (
    values ('stored_recording', w.path), ('twilio_recording', w.recording_sid)
  ) as copy (kind, reference)
  where w.call_sid = any (p_call_sids)
    and not exists (
      select from public.recordings r where r.recording_sid = w.recording_sid and not understudy.is_erased(r)
    )
  on conflict (erasure_id, kind, reference) do update
  set state = 'pending', erased_at = null
  where c.state = 'erased' and c.kind = 'stored_recording';
end
$$;
comment on function understudy.list_begun_uploads(public.voice_erasures, text[]) is
  'Adds the recordings of these calls that a worker may have put into Storage, or may yet put there, without having recorded them.';

create or replace function understudy.list_calls(p_erasure public.voice_erasures, p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_calls public.calls[];
  v_call_sids text[];
  v_nobodys public.recordings[];
begin
  select array_agg(batch.c order by (batch.c).id) into v_calls
  from (
    select c
    from public.calls c
    where c.employee_id = p_erasure.employee_id
      and c.id > coalesce(p_erasure.listed_to_call, '00000000-0000-0000-0000-000000000000')
    order by c.id
    limit p_limit
  ) as batch;
  if v_calls is null then
    return 0;
  end if;
  select array_agg(distinct c.twilio_call_sid) into v_call_sids
  from unnest(v_calls) c
  where c.org_id = p_erasure.org_id and c.twilio_call_sid <> '' and c.known_since <= p_erasure.known_until;

  -- A recording of a call that had no employee when it was stored, but now has this one, is also covered.
  select array_agg(r) into v_nobodys
  from unnest(v_calls) c
  join public.recordings r on r.call_id = c.id
  where r.org_id = p_erasure.org_id and r.employee_id is null and r.erased_at is null and c.twilio_call_sid = any (v_call_sids);
  perform understudy.erase_recordings(p_erasure, v_nobodys);
  perform understudy.list_begun_uploads(p_erasure, v_call_sids);
  -- Such recordings are only at Twilio, which is asked for all that it has of these calls.
  delete from public.oversized_recordings o where o.call_sid = any (v_call_sids);
  insert into public.voice_erasure_copies (erasure_id, kind, reference)
  select p_erasure.id, 'twilio_call', call_sid from unnest(v_call_sids) as call_sid
  on conflict do nothing;
  update public.voice_erasures e set listed_to_call = v_calls[cardinality(v_calls)].id where e.id = p_erasure.id;
  return cardinality(v_calls);
end
$$;
comment on function understudy.list_calls(public.voice_erasures, int) is
  'Lists the employee''s next calls, because Twilio may have recordings of them that we never stored. Returns the number of calls that it '
  'looked at.';

create or replace function understudy.list_voices(p_erasure public.voice_erasures)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  for v_voice in
    select v.*
    from public.voices v
    where v.org_id = p_erasure.org_id
      and v.employee_id = p_erasure.employee_id
      and v.state in ('failed', 'retired')
      and v.vendor_voice_id is not null
    order by v.number desc
    limit 200
  loop
    perform understudy.cover_voice(p_erasure.id, v_voice, true);
  end loop;
end
$$;
comment on function understudy.list_voices(public.voice_erasures) is
  'Adds every voice that the employee had, even if it is gone: the vendor may keep speech that was made with it.';

create or replace function understudy.list_copies(p_erasure_id uuid, p_limit int)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
  v_recordings integer;
  v_calls integer := 0;
begin
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  if v_erasure.listed_at is not null then
    return;
  end if;
  v_recordings := understudy.list_recordings(v_erasure, p_limit);
  if v_erasure.scope = 'everything' then
    v_calls := understudy.list_calls(v_erasure, p_limit);
  end if;
  if v_recordings < p_limit and v_calls < p_limit then
    update public.voice_erasures e set listed_at = clock_timestamp() where e.id = p_erasure_id;
  end if;
end
$$;
comment on function understudy.list_copies(uuid, int) is
  'Lists the next batch, of at most p_limit recordings and p_limit calls. The last batch sets listed_at.';

create or replace function understudy.begin_listing(p_erasure_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  perform understudy.cover_shared_keys(v_erasure);
  if v_erasure.scope = 'everything' then
    perform understudy.list_voices(v_erasure);
  end if;
  perform understudy.list_copies(p_erasure_id, 100);
  perform understudy.clear_reports(v_erasure.org_id, v_erasure.employee_id);
end
$$;
comment on function understudy.begin_listing(uuid) is
  'Begins the list together with the request: it adds the copies of which there is one each, and a first batch of those of which there '
  'may be many. begin_erasure lists the rest.';

revoke all on all functions in schema understudy from public;

-- The functions with which users request an erasure and read its progress.

create or replace function public.start_erasure(p_user_id uuid, p_employee_id uuid, p_now double precision default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'erasure.start', v_access.problem);
  end if;

  v_consent_id := understudy.end_consent(v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id);
  v_erasure_id := understudy.erase(
    v_access.caller_org_id, p_employee_id, 'requested', p_user_id, understudy.asked_at(p_now)
  );
  if v_consent_id is not null then
    perform understudy.audit(
      v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'withdrawn',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
  end if;
  return jsonb_build_object('outcome', 'started', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.start_erasure(uuid, uuid, double precision) is
  'Erases everything, with or without a consent, also of an employee who has left. A live consent counts as withdrawn. Outcomes: started, '
  'not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.kept(p_what text, p_why text, p_until timestamptz)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('what', p_what, 'why', p_why, 'until', p_until)
$$;

create or replace function understudy.proof_of_consent(
  p_org_id uuid,
  p_employee_id uuid,
  out until timestamptz,
  out has_address boolean,
  out has_evidence boolean
)
language sql
stable
set search_path = ''
as $$
  select
    max(coalesce(c.ended_at, c.expires_at)) + understudy.proof_period(),
    bool_or(c.address is not null or c.user_agent is not null or c.ended_address is not null),
    bool_or(c.evidence_reference is not null)
  from (
    select * from public.voice_consents c
    where c.org_id = p_org_id and c.employee_id = p_employee_id
    order by c.number desc limit 100
  ) c
$$;
comment on function understudy.proof_of_consent(uuid, uuid) is
  'The data that are kept of an employee''s newest hundred consents, and the time until which they are kept; nulls if there are none.';

create or replace function understudy.invited_until(p_org_id uuid, p_employee_id uuid)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select max(coalesce(i.closed_at, i.expires_at)) + understudy.proof_period()
  from public.voice_consent_invitations i
  where i.org_id = p_org_id and i.employee_id = p_employee_id
$$;
comment on function understudy.invited_until(uuid, uuid) is
  'The time until which an employee''s invitations are kept; null if there are none.';

create or replace function understudy.audited_until(p_org_id uuid, p_employee_id uuid)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select a.at + understudy.proof_period()
  from public.voice_audit a
  where a.org_id = p_org_id and a.employee_id = p_employee_id
  order by a.seq desc
  limit 1
$$;
comment on function understudy.audited_until(uuid, uuid) is 'The time until which the audit of an employee is kept; null if there is none.';

create or replace function understudy.kept_after_erasure(p_erasure public.voice_erasures)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_invited_until constant timestamptz := understudy.invited_until(p_erasure.org_id, p_erasure.employee_id);
  v_audited_until constant timestamptz := understudy.audited_until(p_erasure.org_id, p_erasure.employee_id);
  v_consents record;
begin
  select * into v_consents from understudy.proof_of_consent(p_erasure.org_id, p_erasure.employee_id);
  return (
    select coalesce(jsonb_agg(k.entry) filter (where k.is_there), '[]')
    from (
      values
        (v_consents.until is not null, understudy.kept(
          'the record of the consent: the statement, its hash and the purposes, who recorded it, and when it was given and ended',
          'to prove that there was consent, and that its end was respected', v_consents.until
        )),
        (v_consents.has_evidence, understudy.kept(
          'the evidence of the consent: the signed paper or the recorded call, with its reference and hash',
          'to prove that there was consent', v_consents.until
        )),
        (v_consents.has_address, understudy.kept(
          'the address and user agent from which the consent was given or withdrawn',
          'to prove who gave and who withdrew it', v_consents.until
        )),
        (v_invited_until is not null, understudy.kept(
          'the invitations: when they were made and answered, and from which address and user agent one was refused',
          'to prove that a refusal was respected', v_invited_until
        )),
        (true, understudy.kept(
          'the ids of the calls, recordings and voices that were erased, and when each was',
          'so that nothing brings them back, and to prove that they were erased', p_erasure.erased_at + understudy.proof_period()
        )),
        (v_audited_until is not null, understudy.kept(
          'the audit: ids, times and what was done, without names or sound', 'to account for what was done', v_audited_until
        ))
    ) as k (is_there, entry)
  );
end
$$;
comment on function understudy.kept_after_erasure(public.voice_erasures) is
  'The data of an employee that stay, each with the reason and the time at which the purge takes them; null while the erasure is under '
  'way.';

create or replace function understudy.shown_copies(p_erasure_id uuid, p_after bigint, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'number', c.number,
        'kind', c.kind,
        'reference', c.reference,
        'state', c.state,
        'attempts', c.attempts,
        'last_error', c.last_error,
        'erased_at', c.erased_at
      )
      order by c.number
    ),
    '[]'
  )
  from (
    select *
    from public.voice_erasure_copies c
    where c.erasure_id = p_erasure_id and c.number > coalesce(p_after, 0)
    order by c.number
    limit p_limit
  ) c
$$;

create or replace function public.read_erasure(p_user_id uuid, p_employee_id uuid, p_after bigint default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_page constant int := 200;
  v_access record;
  v_erasure public.voice_erasures;
  v_copies jsonb;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'erasure.read', v_access.problem);
  end if;
  v_erasure := understudy.last_erasure(v_access.caller_org_id, p_employee_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure', 'status', 'none', 'erasure', null);
  end if;

  v_copies := understudy.shown_copies(v_erasure.id, p_after, v_page);
  return jsonb_build_object(
    'outcome', 'erasure',
    'status', case
      when v_erasure.erased_at is null then 'pending'
      when v_erasure.copies_kept_elsewhere > 0 then 'kept_elsewhere'
      else 'erased'
    end,
    'erasure', jsonb_build_object(
      'id', v_erasure.id,
      'scope', v_erasure.scope,
      'reason', v_erasure.reason,
      'requested_at', v_erasure.requested_at,
      'erased_at', v_erasure.erased_at,
      'is_listed', v_erasure.listed_at is not null,
      'copies_total', v_erasure.copies,
      'copies_left', v_erasure.copies_left,
      'copies_kept_elsewhere', v_erasure.copies_kept_elsewhere,
      'copies', v_copies,
      'next_after', case when jsonb_array_length(v_copies) = v_page then v_copies -> -1 -> 'number' end,
      'kept', understudy.kept_after_erasure(v_erasure)
    )
  );
end
$$;
comment on function public.read_erasure(uuid, uuid, bigint) is
  'The newest erasure with the state of each copy, 200 at once, and the data that stay, with the reason and the time. next_after is the '
  'p_after of the next page. The status kept_elsewhere means that everything in our reach is erased, and some copy is out of our reach. '
  'Outcomes: erasure, not_a_member, employee_not_found.';

revoke all on function
  public.start_erasure(uuid, uuid, double precision),
  public.read_erasure(uuid, uuid, bigint)
from public, anon, authenticated;
grant execute on function
  public.start_erasure(uuid, uuid, double precision),
  public.read_erasure(uuid, uuid, bigint)
to service_role;
revoke all on all functions in schema understudy from public;

-- The functions of voice-erasure: it takes an erasure up, gets the copies, reports those that it found, and repeats this until the answer
-- is erased.

create or replace function understudy.lock_erasure(p_erasure_id uuid)
returns public.voice_erasures
language plpgsql
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  perform understudy.lock_employee(v_erasure.employee_id);
  select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  return v_erasure;
end
$$;
comment on function understudy.lock_erasure(uuid) is
  'Locks the erasure''s employee, and returns the erasure as it then is; nulls if there is none.';

create or replace function understudy.write_wait(p_write public.storage_writes)
returns integer
language sql
stable
set search_path = ''
as $$
  select case
    when p_write.recording_sid is not null and not understudy.is_erased(p_write.recording_sid) then 0
    when exists (select from public.voices v where v.id = p_write.attempt_id and v.state = 'ready') then 0
    else greatest(0, ceil(extract(epoch from p_write.begun_at + understudy.longest_write() - clock_timestamp())))::integer
  end
$$;
comment on function understudy.write_wait(public.storage_writes) is
  'The number of seconds for which a write of something erased may still land; 0 if what it writes is not erased.';

create or replace function understudy.landing_wait(p_path text)
returns integer
language sql
stable
set search_path = ''
as $$
  select coalesce(max(understudy.write_wait(w)), 0) from public.storage_writes w where w.path = p_path
$$;

create or replace function understudy.may_be_tried(p_copy public.voice_erasure_copies)
returns boolean
language sql
stable
set search_path = ''
as $$
  select case
    -- The first try comes at once, so that the object is not there while we wait. The next one comes when no write can land there any more.
    when p_copy.kind in ('stored_recording', 'newest_recording', 'metadata')
      then p_copy.attempts = 0 or understudy.landing_wait(p_copy.reference) = 0
    -- The speech made with a voice is listed before the voice is deleted. If the list fails again and again, it does not keep the voice.
    when p_copy.kind = 'vendor_voice' then not exists (
      select
      from public.voice_erasure_copies h
      where h.erasure_id = p_copy.erasure_id
        and h.kind = 'vendor_history'
        and h.reference = p_copy.reference
        and h.state in ('pending', 'failed')
        and h.attempts < 3
    )
    else true
  end
$$;

create or replace function understudy.tombstone(p_erasure public.voice_erasures)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'employee_id', p_erasure.employee_id,
    'voice_id', null,
    'status', 'erased',
    'erasure_id', p_erasure.id,
    'reason', p_erasure.reason,
    'requested_at', to_char(p_erasure.requested_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
  )
$$;
comment on function understudy.tombstone(public.voice_erasures) is
  'The content of {employee_id}.json for an employee of whom everything is erased.';

create or replace function understudy.copies_to_erase(p_erasure public.voice_erasures, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'copy_id', offered.id,
        'kind', offered.kind,
        'reference', case offered.kind
          when 'metadata' then jsonb_build_object('path', offered.reference, 'body', understudy.tombstone(p_erasure))
          else to_jsonb(offered.reference)
        end
      )
      order by kinds.position, offered.attempts, offered.number
    ),
    '[]'
  )
  from unnest(array[
    'vendor_history', 'vendor_speech', 'vendor_voice', 'stored_recording', 'newest_recording', 'metadata', 'twilio_recording', 'twilio_call'
  ]) with ordinality as kinds (kind, position)
  cross join lateral (
    select c.id, c.kind, c.reference, c.attempts, c.number
    from public.voice_erasure_copies c
    where c.erasure_id = p_erasure.id
      and c.kind = kinds.kind
      and c.state in ('pending', 'failed')
      and understudy.may_be_tried(c)
    order by c.attempts, c.number
    limit p_limit
  ) as offered
$$;
comment on function understudy.copies_to_erase(public.voice_erasures, int) is
  'At most p_limit copies of each kind, the least tried first, so that a copy that fails again and again holds up no other. A recording '
  'in Storage comes before the copy of the newest one, because otherwise a late worker could copy it again. Copies that are known come '
  'before those that have to be looked for.';

create or replace function understudy.erasure_blocked(p_erasure public.voice_erasures)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(b.blocked), '[]')
  from (
    select jsonb_build_object(
      'kind', 'vendor_voice',
      'attempt_id', v.id,
      'wait_seconds', greatest(0, ceil(extract(epoch from v.lease_until + understudy.lease_grace() - clock_timestamp())))::integer
    ) as blocked
    from understudy.unresolved_attempts(p_erasure.org_id, p_erasure.employee_id) v
    union all
    -- The join goes from the writes to the copies, because there may be very many copies.
    select jsonb_build_object('kind', c.kind, 'wait_seconds', understudy.landing_wait(w.path))
    from (
      select distinct w.path
      from public.storage_writes w
      where w.folder = p_erasure.employee_id and w.begun_at > understudy.time_now() - understudy.longest_write()
    ) w
    cross join unnest(array['stored_recording', 'newest_recording', 'metadata']) as kinds (kind)
    join public.voice_erasure_copies c
      on c.erasure_id = p_erasure.id and c.kind = kinds.kind and c.reference = w.path and c.state in ('pending', 'failed')
    where understudy.landing_wait(w.path) > 0
  ) as b
$$;
comment on function understudy.erasure_blocked(public.voice_erasures) is
  'The copies that cannot be known to be gone before a certain time: the voice of an attempt, or an object that a write may yet put back.';

create or replace function public.begin_erasure(p_erasure_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
  v_blocked jsonb;
begin
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  if v_erasure.erased_at is null then
    update public.voice_erasures e set begun_at = clock_timestamp() where e.id = p_erasure_id;
    perform understudy.list_copies(p_erasure_id, 500);
    perform understudy.cover_voices(v_erasure.org_id, v_erasure.employee_id);
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
    select * into v_erasure from public.voice_erasures e where e.id = p_erasure_id;
  end if;
  if v_erasure.erased_at is not null then
    return jsonb_build_object('outcome', 'erased');
  end if;

  v_blocked := understudy.erasure_blocked(v_erasure);
  return jsonb_build_object(
    'outcome', 'erase',
    'is_listed', v_erasure.listed_at is not null,
    'copies', understudy.copies_to_erase(v_erasure, 50),
    'blocked', v_blocked,
    'wait_seconds', (select max((b ->> 'wait_seconds')::integer) from jsonb_array_elements(v_blocked) b)
  );
end
$$;
comment on function public.begin_erasure(uuid) is
  'Lists the next copies that the database knows, and hands out some of those that are left, at most 50 of a kind, in the order in which '
  'they are to be erased. A copy of the kind metadata comes with the key and the tombstone to write there. is_listed: true if all that '
  'the database knows is listed. blocked: the copies that are not gone for sure before their wait_seconds are over; an attempt there '
  'whose own wait is 0 needs a message to clone-worker. Two simultaneous workers do the same work twice, which does no harm. Outcomes: '
  'erase, erased, erasure_unknown.';

create or replace function understudy.add_found_copy(
  p_erasure public.voice_erasures,
  p_kind text,
  p_reference text
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_recording public.recordings;
  v_copy_id uuid;
begin
  if p_kind = 'twilio_recording' then
    -- A recording that came after the erasure, or that belongs to another employee, is not touched, whichever list names it.
    select * into v_recording from public.recordings r where r.recording_sid = p_reference;
    if v_recording.recording_sid is not null and (
      v_recording.org_id <> p_erasure.org_id
      or coalesce(v_recording.employee_id, p_erasure.employee_id) <> p_erasure.employee_id
      or not understudy.is_erased(v_recording)
    ) then
      return null;
    end if;
  elsif p_kind is distinct from 'vendor_speech' then
    raise exception 'only recordings at Twilio and speech at the vendor are found';
  end if;

  v_copy_id := understudy.add_copy(p_erasure.id, p_kind, p_reference);
  perform understudy.audit(
    p_erasure.org_id, p_erasure.employee_id, null, 'erasure.extend', 'added',
    jsonb_build_object('erasure_id', p_erasure.id, 'copy_id', v_copy_id, 'kind', p_kind)
  );
  return v_copy_id;
end
$$;

create or replace function public.add_erasure_copies(p_erasure_id uuid, p_kind text, p_references text[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_erasure public.voice_erasures;
begin
  if cardinality(p_references) > 1000 then
    raise exception 'at most 1000 copies at once';
  end if;
  v_erasure := understudy.lock_erasure(p_erasure_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure_unknown');
  end if;
  if v_erasure.erased_at is not null then
    v_erasure.id := understudy.reopen_erasure(v_erasure);
  end if;
  return jsonb_build_object('outcome', 'added', 'added', (
    select count(understudy.add_found_copy(v_erasure, p_kind, f.reference))
    from (select distinct f as reference from unnest(p_references) f order by 1) f
  ));
end
$$;
comment on function public.add_erasure_copies(uuid, text, text[]) is
  'Adds copies that were not known, at most 1000: recordings that Twilio has and we never stored (twilio_recording), whose RecordingSids '
  'become tombstones; and speech that the vendor has of a voice (vendor_speech). A copy that is not part of this erasure is left out. The '
  'answer''s `added` is the number of those that were added. Outcomes: added, erasure_unknown.';

revoke all on function
  public.begin_erasure(uuid),
  public.add_erasure_copies(uuid, text, text[])
from public, anon, authenticated;
grant execute on function
  public.begin_erasure(uuid),
  public.add_erasure_copies(uuid, text, text[])
to service_role;
revoke all on all functions in schema understudy from public;

-- The reports of voice-erasure about each copy: it is gone, could not be erased, or is out of our reach.

create or replace function understudy.copy_doubt(p_copy public.voice_erasure_copies, p_account text, p_was_there boolean)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    -- While a recording is still in Storage, a late worker may copy it to that key again.
    when p_copy.kind = 'newest_recording' and exists (
      select
      from public.voice_erasure_copies c
      where c.erasure_id = p_copy.erasure_id and c.kind = 'stored_recording' and c.state in ('pending', 'failed')
    ) then 'too_early'
    when p_copy.kind in ('stored_recording', 'newest_recording', 'metadata') and understudy.landing_wait(p_copy.reference) > 0
      then 'write_under_way'
    when p_was_there then null
    when p_copy.kind = 'vendor_voice' and exists (
      select from public.voices v where v.id = p_copy.attempt_id and v.vendor_account <> p_account
    ) then 'other_account'
    when p_copy.kind = 'twilio_recording' and exists (
      select from public.recordings r where r.recording_sid = p_copy.reference and r.account_sid <> p_account
    ) then 'other_account'
  end;
end
$$;
comment on function understudy.copy_doubt(public.voice_erasure_copies, text, boolean) is
  'The reason why a copy does not count as gone although it was not found, or null. If an account does not have a copy that another '
  'account was given, that proves nothing, unless it had the copy until now.';

create or replace function understudy.note_copy_erased(p_copy public.voice_erasure_copies, p_erasure public.voice_erasures)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if p_copy.kind = 'vendor_voice' then
    update public.voices v
    set vendor_deleted_at = clock_timestamp()
    where v.id = p_copy.attempt_id and v.state in ('failed', 'retired') and v.vendor_deleted_at is null;
  elsif p_copy.kind in ('stored_recording', 'newest_recording', 'metadata') then
    -- The writes that could have put the object back can no longer land.
    delete from public.storage_writes w
    where w.path = p_copy.reference and w.begun_at < understudy.time_now() - understudy.longest_write();
  end if;
  if p_copy.kind = 'metadata' then
    update public.voices v
    set metadata_written_at = clock_timestamp()
    where v.org_id = p_erasure.org_id
      and v.employee_id = p_erasure.employee_id
      and v.state in ('failed', 'retired')
      and v.metadata_handed_at is not null
      and (v.metadata_written_at is null or v.metadata_written_at < v.closed_at);
    -- The tombstone may have replaced the metadata of a voice that was made with a fresh consent. The sweep has those written again.
    update public.voices v
    set metadata_handed_at = clock_timestamp(), metadata_written_at = null
    where v.employee_id = p_erasure.employee_id and v.state = 'ready';
  end if;
end
$$;

create or replace function public.copy_erased(p_copy_id uuid, p_account text default null, p_was_there boolean default false)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_copy public.voice_erasure_copies;
  v_erasure public.voice_erasures;
  v_doubt text;
begin
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id;
  if v_copy.id is null then
    return jsonb_build_object('outcome', 'copy_unknown');
  end if;
  v_erasure := understudy.lock_erasure(v_copy.erasure_id);
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id for update;

  if v_copy.state in ('pending', 'failed') then
    v_doubt := understudy.copy_doubt(v_copy, p_account, p_was_there);
    update public.voice_erasure_copies c
    set attempts = c.attempts + 1,
        state = case when v_doubt is null then 'erased' when v_doubt = 'other_account' then 'failed' else 'pending' end,
        erased_at = case when v_doubt is null then clock_timestamp() end,
        last_error = v_doubt
    where c.id = p_copy_id;
    if v_doubt is null then
      perform understudy.note_copy_erased(v_copy, v_erasure);
    end if;
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.copy', coalesce(v_doubt, 'erased'),
      jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', p_copy_id, 'kind', v_copy.kind)
    );
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
  end if;

  return jsonb_build_object('outcome', coalesce(v_doubt, 'erased'))
    || case v_copy.kind
      when 'newest_recording' then jsonb_build_object('newest', (
        select understudy.begin_publishing(e.org_id, e.id) from public.employees e where e.id = v_erasure.employee_id
      ))
      else '{}'
    end;
end
$$;
comment on function public.copy_erased(uuid, text, boolean) is
  'The copy is gone, as its holder has confirmed. The last copy ends the erasure. p_account is the vendor''s account that was asked. '
  'p_was_there: true if the copy was seen there just before. For newest_recording, the answer''s `newest`, if it is not null, is to be '
  'published again. erased: also the answer for a copy that was reported before, or is kept elsewhere. too_early, write_under_way, '
  'other_account: the report is not believed, and the copy is offered again. too_early: a stored recording could still be copied there '
  'again. Outcomes: erased, copy_unknown, too_early, write_under_way, other_account.';

create or replace function understudy.note_copy(p_copy_id uuid, p_state text, p_code text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_copy public.voice_erasure_copies;
  v_erasure public.voice_erasures;
begin
  if p_code is null then
    raise exception 'a copy that was not erased has a code';
  end if;
  select * into v_copy from public.voice_erasure_copies c where c.id = p_copy_id;
  if v_copy.id is null then
    return jsonb_build_object('outcome', 'copy_unknown');
  end if;
  v_erasure := understudy.lock_erasure(v_copy.erasure_id);
  update public.voice_erasure_copies c
  set attempts = c.attempts + 1, state = p_state, last_error = p_code
  where c.id = p_copy_id and c.state in ('pending', 'failed');
  if found then
    perform understudy.audit(
      v_erasure.org_id, v_erasure.employee_id, null, 'erasure.copy', p_state,
      jsonb_build_object('erasure_id', v_erasure.id, 'copy_id', p_copy_id, 'kind', v_copy.kind, 'code', p_code)
    );
    perform understudy.settle_erasure(v_erasure.org_id, v_erasure.employee_id);
  end if;
  return jsonb_build_object('outcome', 'recorded');
end
$$;

create or replace function public.copy_failed(p_copy_id uuid, p_code text)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select understudy.note_copy(p_copy_id, 'failed', p_code)
$$;
comment on function public.copy_failed(uuid, text) is
  'A try has failed. The copy is offered again; one that another worker has erased stays erased. Outcomes: recorded, copy_unknown.';

create or replace function public.copy_kept_elsewhere(p_copy_id uuid, p_code text)
returns jsonb
language sql
security definer
set search_path = ''
as $$
  select understudy.note_copy(p_copy_id, 'kept_elsewhere', p_code)
$$;
comment on function public.copy_kept_elsewhere(uuid, text) is
  'The rest of the copy is out of our reach, such as audio in the customer''s own bucket. It is never called erased. Outcomes: recorded, '
  'copy_unknown.';

revoke all on function
  public.copy_erased(uuid, text, boolean),
  public.copy_failed(uuid, text),
  public.copy_kept_elsewhere(uuid, text)
from public, anon, authenticated;
grant execute on function
  public.copy_erased(uuid, text, boolean),
  public.copy_failed(uuid, text),
  public.copy_kept_elsewhere(uuid, text)
to service_role;
revoke all on all functions in schema understudy from public;

-- Reading the audit, and checking that nobody has changed it.

create or replace function understudy.chained_audit(p_org_id uuid)
returns table (chain uuid, seq bigint, hash text, prev_hash text, computed text, hash_before text, seq_before bigint)
language sql
stable
set search_path = ''
as $$
  select
    coalesce(a.org_id, '00000000-0000-0000-0000-000000000000'),
    a.seq,
    a.hash,
    a.prev_hash,
    understudy.audit_hash(a),
    coalesce(lag(a.hash) over w, h.purged_hash, repeat('0', 64)),
    coalesce(lag(a.seq) over w, h.purged_seq, 0)
  from public.voice_audit a
  left join public.voice_audit_heads h on h.org_id = coalesce(a.org_id, '00000000-0000-0000-0000-000000000000')
  where p_org_id is null or coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = p_org_id
  window w as (partition by coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') order by a.seq)
$$;
comment on function understudy.chained_audit(uuid) is
  'The rows of an organisation''s chain, or of all chains. Each has its hash computed again, and the hash and seq of the row before it.';

create or replace function public.verify_audit(p_org_id uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_broken record;
begin
  -- A single statement has a single snapshot: rows that are being added meanwhile are either all seen together with their head, or not at
  -- all.
  with heads as (
    select * from public.voice_audit_heads h where p_org_id is null or h.org_id = p_org_id
  ),
  chained as (
    select * from understudy.chained_audit(p_org_id)
  ),
  ends as (
    select distinct on (c.chain) c.chain, c.seq, c.hash
    from chained c
    order by c.chain, c.seq desc
  ),
  breaks as (
    -- These are the rows that are missing, or were changed.
    select c.chain, case when c.seq <> c.seq_before + 1 then c.seq_before + 1 else c.seq end as seq
    from chained c
    where c.seq <> c.seq_before + 1 or c.prev_hash <> c.hash_before or c.hash <> c.computed
    union all
    select coalesce(e.chain, h.org_id), least(coalesce(e.seq, h.purged_seq), coalesce(h.seq, 0)) + case when e.seq = h.seq then 0 else 1 end
    from ends e
    full join heads h on h.org_id = e.chain
    where coalesce(e.seq, h.purged_seq) is distinct from h.seq or coalesce(e.hash, h.purged_hash) is distinct from h.hash
  )
  select
    (select count(*) from chained) as rows,
    (select jsonb_build_object('org_id', b.chain, 'seq', b.seq) from breaks b order by b.chain, b.seq limit 1) as first
  into v_broken;

  if v_broken.first is not null then
    return jsonb_build_object('outcome', 'broken') || v_broken.first;
  end if;
  return jsonb_build_object('outcome', 'whole', 'rows', v_broken.rows);
end
$$;
comment on function public.verify_audit(uuid) is
  'Computes every hash again, of one organisation or of all. seq is the first row that was changed or is missing. Whoever can change '
  'every later row and the head as well is found only by comparison with a hash that was kept elsewhere. Outcomes: whole, broken.';

create or replace function understudy.audit_json(p_row public.voice_audit)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'seq', p_row.seq,
    'at', p_row.at,
    'actor_id', p_row.actor_id,
    'action', p_row.action,
    'outcome', p_row.outcome,
    'employee_id', p_row.employee_id,
    'details', p_row.details,
    'hash', p_row.hash,
    'prev_hash', p_row.prev_hash
  )
$$;

create or replace function understudy.audit_page(p_org_id uuid, p_before bigint, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(understudy.audit_json(page.a) order by (page.a).seq desc), '[]')
  from (
    select a
    from public.voice_audit a
    where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = p_org_id
      and a.seq < coalesce(p_before, 9223372036854775807)
    order by a.seq desc
    limit p_limit
  ) page
$$;

-- This is a function of its own because no one plan is good for both.
create or replace function understudy.audit_page_of(p_org_id uuid, p_employee_id uuid, p_before bigint, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(understudy.audit_json(page.a) order by (page.a).seq desc), '[]')
  from (
    select a
    from public.voice_audit a
    where a.org_id = p_org_id
      and a.employee_id = p_employee_id
      and a.seq < coalesce(p_before, 9223372036854775807)
    order by a.seq desc
    limit p_limit
  ) page
$$;

create or replace function public.read_audit(
  p_user_id uuid,
  p_employee_id uuid default null,
  p_before bigint default null,
  p_limit int default 50
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_org_id uuid;
  v_role text;
  v_limit constant int := least(greatest(coalesce(p_limit, 50), 1), 200);
  v_problem text;
  v_rows jsonb;
  v_more boolean;
begin
  select u.org_id, u.role::text into v_org_id, v_role from public.users u where u.id = p_user_id;
  v_problem := case
    when v_org_id is null then 'not_a_member'
    when v_role is distinct from 'admin' then 'role_forbidden'
  end;
  if v_problem is not null then
    return understudy.refuse(v_org_id, p_employee_id, p_user_id, 'audit.read', v_problem);
  end if;

  v_rows := case
    when p_employee_id is null then understudy.audit_page(v_org_id, p_before, v_limit + 1)
    else understudy.audit_page_of(v_org_id, p_employee_id, p_before, v_limit + 1)
  end;
  -- One row more than requested is read, to know whether there is a next page.
  v_more := jsonb_array_length(v_rows) > v_limit;
  if v_more then
    v_rows := v_rows - v_limit;
  end if;
  return jsonb_build_object(
    'outcome', 'audit', 'rows', v_rows, 'next_before', case when v_more then v_rows -> -1 -> 'seq' end
  );
end
$$;
comment on function public.read_audit(uuid, uuid, bigint, int) is
  'The organisation''s own rows, newest first, at most 200 at once, of one employee or of all. next_before is the p_before of the next '
  'page. Outcomes: audit, not_a_member, role_forbidden.';

revoke all on function public.verify_audit(uuid), public.read_audit(uuid, uuid, bigint, int) from public, anon, authenticated;
grant execute on function public.verify_audit(uuid), public.read_audit(uuid, uuid, bigint, int) to service_role;
revoke all on all functions in schema understudy from public;

-- The scheduled functions of voice-sweeper, which find the work that no message will come for again. Two simultaneous runs share the work.

-- Employees in whose rows the application around us has changed something that we must follow.
create table if not exists understudy.employee_changes (
  org_id uuid not null,
  employee_id uuid not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (org_id, employee_id)
);
create index if not exists employee_changes_oldest on understudy.employee_changes (changed_at);
comment on table understudy.employee_changes is
  'Employees who were deleted, who moved from this organisation to another one, or whose voice_id was written by somebody else.';

create or replace function understudy.note_employee_change()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' or new.org_id is distinct from old.org_id
    or new.voice_id is distinct from understudy.mirrored_voice_id(new.id, new.org_id)
  then
    insert into understudy.employee_changes (org_id, employee_id) values (old.org_id, old.id) on conflict do nothing;
  end if;
  return null;
end
$$;
comment on function understudy.note_employee_change() is
  'Notes the change for the sweep, which follows it later. So no change is refused or held up because of us.';

create or replace function understudy.leave_voice_behind()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.voice_id := null;
  return new;
end
$$;
comment on function understudy.leave_voice_behind() is
  'Takes the voice off an employee who moves, so that nobody in the new organisation sees it, not even until the next sweep.';

create or replace trigger understudy_employee_moves
  before update of org_id on public.employees
  for each row when (new.org_id is distinct from old.org_id)
  execute function understudy.leave_voice_behind();
create or replace trigger understudy_employee_changes
  after delete or update of org_id, voice_id on public.employees
  for each row execute function understudy.note_employee_change();

create or replace function understudy.begin_erasure_of_expired(p_asked_at timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_expired record;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  for v_expired in
    select c.org_id, c.employee_id
    from public.voice_consents c
    where c.ended_at is null and c.expires_at <= understudy.time_now()
    order by c.expires_at
    limit 20
  loop
    continue when not understudy.try_lock_employee(v_expired.employee_id);
    -- The consent may have been renewed, withdrawn or swept meanwhile.
    perform 1
    from public.voice_consents c
    where c.org_id = v_expired.org_id
      and c.employee_id = v_expired.employee_id
      and c.ended_at is null
      and c.expires_at <= understudy.time_now();
    continue when not found;

    v_consent_id := understudy.end_consent(v_expired.org_id, v_expired.employee_id, 'expired', null);
    v_erasure_id := understudy.erase(v_expired.org_id, v_expired.employee_id, 'expired', null, p_asked_at);
    perform understudy.audit(
      v_expired.org_id, v_expired.employee_id, null, 'consent.expire', 'expired',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
    return v_erasure_id;
  end loop;
  return null;
end
$$;
comment on function understudy.begin_erasure_of_expired(timestamptz) is
  'Treats one consent that has expired like a withdrawn one. It passes over employees whom another transaction has locked; the next call '
  'finds them.';

create or replace function understudy.follow_employee_change(p_asked_at timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_change understudy.employee_changes;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  for v_change in
    select * from understudy.employee_changes c order by c.changed_at limit 20
  loop
    continue when not understudy.try_lock_employee(v_change.employee_id);
    delete from understudy.employee_changes c
    where c.org_id = v_change.org_id and c.employee_id = v_change.employee_id;
    continue when not found;

    perform understudy.mirror_voice(v_change.employee_id);
    perform 1 from public.employees e where e.id = v_change.employee_id and e.org_id = v_change.org_id;
    continue when found
      or not understudy.has_records(v_change.org_id, v_change.employee_id)
      -- Another request has erased everything since the change.
      or (understudy.last_erasure(v_change.org_id, v_change.employee_id)).known_until > v_change.changed_at;

    v_consent_id := understudy.end_consent(v_change.org_id, v_change.employee_id, 'left', null);
    v_erasure_id := understudy.erase(v_change.org_id, v_change.employee_id, 'left', null, p_asked_at);
    if v_consent_id is not null then
      perform understudy.audit(
        v_change.org_id, v_change.employee_id, null, 'consent.end', 'left',
        jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
      );
    end if;
    return v_erasure_id;
  end loop;
  return null;
end
$$;
comment on function understudy.follow_employee_change(timestamptz) is
  'Corrects the voice_id of employees whose voice_id was changed by somebody else. It stops at the first employee who has left, and '
  'erases everything of that one.';

create or replace function public.sweep_erasures(p_now double precision default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_asked_at constant timestamptz := understudy.asked_at(p_now);
  v_erasure_id uuid;
begin
  v_erasure_id := coalesce(
    understudy.begin_erasure_of_expired(v_asked_at),
    understudy.follow_employee_change(v_asked_at),
    understudy.retain_no_longer()
  );
  if v_erasure_id is null then
    return jsonb_build_object('outcome', 'none');
  end if;
  return jsonb_build_object('outcome', 'started', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.sweep_erasures(double precision) is
  'Starts the next erasure that is due without a request, of one employee: a consent has expired, the employee has left, or recordings '
  'are older than their organisation keeps them. none: nothing is due. Outcomes: started, none.';

create or replace function understudy.time_out_requests(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_timed_out int := 0;
begin
  -- The requests come in the order of organisations, so that two sweeps lock the heads of their audits in the same order.
  for v_voice in
    select old.*
    from (
      select *
      from public.voices v
      where v.state = 'requested' and v.requested_at < understudy.time_now() - interval '24 hours'
      limit p_limit
    ) old
    order by old.org_id, old.number
  loop
    continue when not understudy.try_lock_employee(v_voice.employee_id);
    -- The attempt may have begun or ended meanwhile.
    select * into v_voice from public.voices v where v.id = v_voice.id and v.state = 'requested' for update;
    continue when not found;
    perform understudy.refuse_attempt(v_voice, 'clone.sweep', 'clone_timed_out');
    v_timed_out := v_timed_out + 1;
  end loop;
  return v_timed_out;
end
$$;

create or replace function understudy.unfinished_attempts(p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('attempt_id', u.id, 'campaign', u.campaign)), '[]')
  from (
    select v.id, v.campaign
    from public.voices v
    -- This repeats the condition of the index voices_unfinished, so that finished attempts are not read.
    where (
        v.state in ('requested', 'cloning', 'unknown')
        or (v.state in ('failed', 'retired') and v.vendor_voice_id is not null and v.vendor_deleted_at is null)
        or (v.metadata_handed_at is not null and v.metadata_written_at is null)
        or (v.state = 'retired' and v.metadata_handed_at is not null and v.metadata_written_at < v.closed_at)
      )
      and (v.swept_at is null or v.swept_at < understudy.time_now() - interval '1 hour')
      and (
        -- Requests of a campaign wait for hours until their turn comes.
        (
          v.state = 'requested'
          and v.requested_at < understudy.time_now() - case when v.campaign then interval '6 hours' else interval '10 minutes' end
          -- The queue's longest delay is 18 minutes, so a message that is alive usually has the attempt begun more often than this.
          and (v.lease_until is null or v.lease_until < understudy.time_now() - interval '19 minutes')
        )
        or (
          v.state in ('cloning', 'unknown')
          and coalesce(v.lease_until + understudy.lease_grace(), v.requested_at + interval '10 minutes') < understudy.time_now()
        )
        or (
          v.state in ('failed', 'retired') and v.vendor_voice_id is not null and v.vendor_deleted_at is null
          and v.deployment_id = understudy.deployment_id()
        )
        or (v.state = 'ready' and v.metadata_handed_at is not null and v.metadata_written_at is null)
        or understudy.is_metadata_behind(v)
      )
    -- A campaign holds up no other request here either.
    order by v.campaign, v.swept_at nulls first, v.number
    limit p_limit
  ) u
$$;

create or replace function understudy.sweep_stuck_erasures(p_limit int)
returns jsonb
language sql
set search_path = ''
as $$
  with unfinished as (
    select e.id
    from public.voice_erasures e
    where e.erased_at is null
      and e.requested_at < understudy.time_now() - interval '10 minutes'
      -- The queue's longest delay is 18 minutes, so a message that is alive usually updates begun_at more often than this.
      and (e.begun_at is null or e.begun_at < understudy.time_now() - interval '19 minutes')
    order by e.swept_at nulls first, e.number
    limit p_limit
    for update skip locked
  ),
  swept as (
    update public.voice_erasures e set swept_at = clock_timestamp() from unfinished u where e.id = u.id returning e.id
  )
  select coalesce(jsonb_agg(s.id), '[]') from swept s
$$;

create or replace function public.sweep_unfinished(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_limit constant int := greatest(coalesce(p_limit, 0), 0);
  v_timed_out constant int := understudy.time_out_requests(v_limit);
begin
  -- From here on no employee is locked and no row is waited for. The only change is the time at which an erasure was swept.
  return jsonb_build_object(
    'outcome', 'found',
    'attempts', understudy.unfinished_attempts(v_limit),
    'erasure_ids', understudy.sweep_stuck_erasures(v_limit),
    'timed_out', v_timed_out
  );
end
$$;
comment on function public.sweep_unfinished(int) is
  'Attempts and erasures that need a new message; those that were longest unswept come first. An attempt needs one if its lease and the '
  'grace time are over, its request is 10 minutes old (6 hours in a campaign) and no worker has given it back for 19 minutes, its voice '
  'is still at the vendor, or the metadata are or may be those of another voice. An erasure needs one if it is 10 minutes old and no '
  'worker has taken it up for 19 minutes. After attempts_queued, an attempt gets no other message for an hour. A request that has led to '
  'nothing in 24 hours is ended; timed_out is the number of these. Outcomes: found.';

create or replace function public.attempts_queued(p_attempt_ids uuid[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- The lock has a fixed order, because two sweeps that found the same attempts could otherwise wait for each other.
  perform 1 from public.voices v where v.id = any (p_attempt_ids) order by v.number for no key update;
  update public.voices v set swept_at = clock_timestamp() where v.id = any (p_attempt_ids);
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.attempts_queued(uuid[]) is
  'The messages of these attempts are in the queue, so that for an hour they are not found again. Outcomes: recorded.';

revoke all on function
  public.sweep_erasures(double precision),
  public.sweep_unfinished(int),
  public.attempts_queued(uuid[])
from public, anon, authenticated;
grant execute on function
  public.sweep_erasures(double precision),
  public.sweep_unfinished(int),
  public.attempts_queued(uuid[])
to service_role;
revoke all on all functions in schema understudy from public;

-- Retention: the erasure of recordings that their organisation no longer keeps.

create or replace function understudy.begin_retention(p_org_id uuid, p_employee_id uuid, p_covers_until timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_id constant uuid := understudy.open_erasure(p_org_id, p_employee_id, 'recordings', 'retention', null, p_covers_until);
begin
  perform understudy.begin_listing(v_id);
  perform understudy.settle_erasure(p_org_id, p_employee_id);
  return v_id;
end
$$;
comment on function understudy.begin_retention(uuid, uuid, timestamptz) is
  'Erases an employee''s recordings that began before a moment. Consent and voice stay. The caller has locked the employee.';

create or replace function understudy.retain_no_longer_after_call(p_settings public.organization_voice_settings)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_until constant timestamptz := clock_timestamp() - make_interval(days => p_settings.delete_recordings_days_after_call);
  v_recording public.recordings;
begin
  for v_recording in
    select *
    from public.recordings r
    where r.org_id = p_settings.org_id
      and r.erased_at is null
      and r.started_at <= v_until - interval '1 second'
    order by r.started_at
    limit 20
  loop
    continue when not understudy.try_lock_employee(v_recording.folder);
    -- An erasure that is under way may have listed the recording already.
    perform 1 from public.recordings r where r.recording_sid = v_recording.recording_sid and r.erased_at is null;
    continue when not found or understudy.is_erased(v_recording);
    return understudy.begin_retention(v_recording.org_id, v_recording.folder, v_until);
  end loop;
  return null;
end
$$;

create or replace function understudy.retain_no_longer_after_clone(p_settings public.organization_voice_settings)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  for v_voice in
    select *
    from public.voices v
    where v.org_id = p_settings.org_id
      and v.state = 'ready'
      and not v.recordings_erased
      and v.ready_at < understudy.time_now() - make_interval(days => p_settings.delete_recordings_days_after_clone)
    order by v.ready_at
    limit 20
  loop
    continue when not understudy.try_lock_employee(v_voice.employee_id);
    update public.voices v set recordings_erased = true where v.id = v_voice.id and v.state = 'ready' and not v.recordings_erased;
    continue when not found;
    return (
      select understudy.begin_retention(v_voice.org_id, v_voice.employee_id, r.started_at + interval '1 second')
      from public.recordings r
      where r.recording_sid = v_voice.recording_sid
    );
  end loop;
  return null;
end
$$;
comment on function understudy.retain_no_longer_after_clone(public.organization_voice_settings) is
  'Starts the erasure for one voice that has been ready for long enough. It covers the newest recording that the voice was made for, and '
  'all that began before it.';

create or replace function understudy.retain_no_longer()
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_settings public.organization_voice_settings;
  v_erasure_id uuid;
begin
  for v_settings in
    select *
    from public.organization_voice_settings s
    where s.delete_recordings_days_after_call is not null or s.delete_recordings_days_after_clone is not null
    order by s.retention_swept_at nulls first
    limit 50
    for no key update skip locked
  loop
    v_erasure_id := coalesce(
      understudy.retain_no_longer_after_call(v_settings), understudy.retain_no_longer_after_clone(v_settings)
    );
    exit when v_erasure_id is not null;
    update public.organization_voice_settings s set retention_swept_at = clock_timestamp() where s.org_id = v_settings.org_id;
  end loop;
  return v_erasure_id;
end
$$;
comment on function understudy.retain_no_longer() is
  'Starts the next erasure for retention, of one employee. The organisation that was looked at longest ago comes first.';

revoke all on all functions in schema understudy from public;

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

-- The purge: it deletes the rows that were kept as proof when the period of proof is over.

create or replace function understudy.purge_voices(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  select array_agg(old.id) into v_ids
  from (
    select v.id
    from public.voices v
    where v.state in ('failed', 'retired')
      and v.closed_at < understudy.time_now() - understudy.proof_period()
      and (v.vendor_voice_id is null or v.vendor_deleted_at is not null or v.deployment_id <> understudy.deployment_id())
    order by v.closed_at
    limit p_limit
    for update skip locked
  ) old;
  delete from public.voice_sources s where s.attempt_id = any (v_ids);
  delete from public.voices v where v.id = any (v_ids);
  return coalesce(cardinality(v_ids), 0);
end
$$;

create or replace function understudy.purge_erasures(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
  v_copies integer;
begin
  select array_agg(old.id) into v_ids
  from (
    select e.id
    from public.voice_erasures e
    where e.erased_at < understudy.time_now() - understudy.proof_period()
    order by e.erased_at
    limit p_limit
    for update skip locked
  ) old;
  delete from public.voice_erasure_copies c
  where c.id in (select o.id from public.voice_erasure_copies o where o.erasure_id = any (v_ids) limit p_limit);
  get diagnostics v_copies = row_count;
  -- If an erasure has very many copies, the rest goes with the next calls.
  delete from public.voice_erasures e
  where e.id = any (v_ids) and not exists (select from public.voice_erasure_copies c where c.erasure_id = e.id);
  return greatest(v_copies, coalesce(cardinality(v_ids), 0));
end
$$;

create or replace function understudy.purge_recordings(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_purged integer;
begin
  delete from public.recordings r
  where r.recording_sid in (
    select o.recording_sid
    from public.recordings o
    where o.erased_at < understudy.time_now() - understudy.proof_period()
      and not exists (select from public.voices v where v.recording_sid = o.recording_sid)
      and not exists (select from public.voice_sources s where s.recording_sid = o.recording_sid)
    order by o.erased_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_purged = row_count;
  return v_purged;
end
$$;

create or replace function understudy.purge_audit(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_owed_since constant timestamptz := understudy.time_now() - understudy.proof_period();
  v_chain uuid;
  v_last record;
  v_purged integer;
begin
  select coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') into v_chain
  from public.voice_audit a
  where a.at < v_owed_since
  order by a.at
  limit 1;
  if not found then
    return 0;
  end if;
  perform 1 from public.voice_audit_heads h where h.org_id = v_chain for update;

  -- The purge goes from the beginning of the chain up to the first row that must still be kept.
  select p.seq, p.hash into v_last
  from (
    select a.seq, a.hash, bool_and(a.at < v_owed_since) over (order by a.seq) as is_old
    from (
      select *
      from public.voice_audit a
      where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = v_chain
      order by a.seq
      limit p_limit
    ) a
  ) p
  where p.is_old
  order by p.seq desc
  limit 1;
  delete from public.voice_audit a
  where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = v_chain and a.seq <= v_last.seq;
  get diagnostics v_purged = row_count;
  update public.voice_audit_heads h
  set purged_seq = v_last.seq, purged_hash = v_last.hash
  where h.org_id = v_chain and v_last.seq is not null;
  return v_purged;
end
$$;
comment on function understudy.purge_audit(int) is 'Purges the chain whose oldest row is the oldest of all.';

create or replace function understudy.purge_consents(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_old public.voice_consents[];
begin
  select array_agg(o.c) into v_old
  from (
    select c
    from public.voice_consents c
    -- One day is added, because years are not equally long in all time zones.
    where c.ended_at < understudy.time_now() - understudy.proof_period() - interval '1 day'
      and not exists (select from public.voices v where v.consent_id = c.id)
    order by c.ended_at
    limit p_limit
    for update skip locked
  ) o;
  delete from public.voice_consents c where c.id in (select (o).id from unnest(v_old) o);
  -- Evidence on which no consent rests any more is removed as abandoned, with its object in Storage.
  insert into public.voice_consent_evidence as e (object, org_id, employee_id, noted_at)
  select distinct on (o.evidence_object) o.evidence_object, o.org_id, o.employee_id, clock_timestamp() - interval '2 days'
  from unnest(v_old) o
  where o.evidence_object is not null
    and not exists (select from public.voice_consents c where c.evidence_object = o.evidence_object)
  on conflict (object) do update set noted_at = excluded.noted_at;
  return coalesce(cardinality(v_old), 0);
end
$$;

create or replace function understudy.purge_invitations(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_purged integer;
begin
  delete from public.voice_consent_invitations i
  where i.id in (
    select o.id
    from public.voice_consent_invitations o
    where o.expires_at < understudy.time_now() - understudy.proof_period()
      and (o.closed_at is null or o.closed_at < understudy.time_now() - understudy.proof_period())
      -- The token that came with the invitation withdraws as long as any consent is live.
      and not exists (
        select from public.voice_consents c
        where c.org_id = o.org_id and c.employee_id = o.employee_id and (c.ended_at is null or c.invitation_id = o.id)
      )
    order by o.expires_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_purged = row_count;
  return v_purged;
end
$$;

create or replace function public.purge(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_limit constant int := least(greatest(coalesce(p_limit, 0), 0), 1000);
begin
  -- Rows that refer to others are deleted before those.
  return jsonb_build_object(
    'outcome', 'purged',
    'purged', understudy.purge_voices(v_limit)
      + understudy.purge_erasures(v_limit)
      + understudy.purge_recordings(v_limit)
      + understudy.purge_consents(v_limit)
      + understudy.purge_invitations(v_limit)
      + understudy.purge_audit(v_limit)
  );
end
$$;
comment on function public.purge(int) is
  'Deletes rows that were kept as proof for longer than the period of proof, at most p_limit of each kind. The answer''s `purged` is '
  'their number; 0 means that nothing is left to purge. Outcomes: purged.';

revoke all on function public.purge(int) from public, anon, authenticated;
grant execute on function public.purge(int) to service_role;
revoke all on all functions in schema understudy from public;

-- A description of this database, which `python -m local doctor` compares with what the migrations make.

create or replace function understudy.privileges(p_acl aclitem[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(g.said order by g.said), '[]')
  from (
    select distinct coalesce(r.rolname, 'everybody') || ' ' || a.privilege_type as said
    from aclexplode(p_acl) a
    left join pg_catalog.pg_roles r on r.oid = a.grantee
    where a.grantee = 0 or r.rolname in ('anon', 'authenticated', 'service_role')
  ) g
$$;
comment on function understudy.privileges(aclitem[]) is
  'The rights of everybody, and of the roles behind the API''s keys and tokens, such as "service_role EXECUTE".';

create or replace function understudy.objects()
returns table (name text, state text, privileges jsonb)
language sql
stable
set search_path = ''
as $$
  with schemas as (select n.* from pg_catalog.pg_namespace n where n.nspname in ('public', 'understudy')),
  tables as (
    select c.*, s.nspname || '.' || c.relname as name
    from pg_catalog.pg_class c join schemas s on s.oid = c.relnamespace
    where c.relkind in ('r', 'p')
  )
  select 'function ' || p.oid::regprocedure::text, md5(p.prosrc || p.prosecdef::text || coalesce(p.proconfig::text, '')),
    understudy.privileges(coalesce(p.proacl, acldefault('f', p.proowner)))
  from pg_catalog.pg_proc p
  where p.pronamespace in (select s.oid from schemas s)
    and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
  union all
  select 'table ' || t.name, case when t.relrowsecurity then 'row level security' else 'no row level security' end,
    understudy.privileges(coalesce(t.relacl, acldefault('r', t.relowner)))
  from tables t
  union all
  select 'column ' || t.name || '.' || a.attname, format_type(a.atttypid, a.atttypmod), null
  from tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
  union all
  -- PostgreSQL 18 has a constraint for each column that is not null, and older versions do not.
  select 'constraint ' || t.name || '.' || c.conname, c.contype::text || case when c.convalidated then '' else ' not valid' end, null
  from tables t join pg_catalog.pg_constraint c on c.conrelid = t.oid and c.contype <> 'n'
  union all
  select 'index ' || t.name || '.' || c.relname, case when i.indisvalid then 'valid' else 'not valid' end, null
  from tables t join pg_catalog.pg_index i on i.indrelid = t.oid join pg_catalog.pg_class c on c.oid = i.indexrelid
  union all
  select 'trigger ' || t.name || '.' || g.tgname, case g.tgenabled when 'D' then 'disabled' else 'enabled' end, null
  from tables t join pg_catalog.pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
  union all
  select 'schema ' || s.nspname, '', understudy.privileges(coalesce(s.nspacl, acldefault('n', s.nspowner)))
  from schemas s
$$;
comment on function understudy.objects() is
  'Every object in our own schema and in public, with its kind, its name, and the text that distinguishes it from an older version of '
  'itself: for a function, a hash. No row of any table is read.';

create or replace function understudy.open_to_users()
returns jsonb
language sql
stable
set search_path = ''
as $$
  with users as (select r.oid, r.rolname from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated')),
  -- These are the policies that permit something. Each also has conditions that cannot be judged from here.
  policies as (
    select p.polrelid, p.polcmd, p.polname, u.oid as role
    from pg_catalog.pg_policy p join users u on p.polroles = '{0}' or u.oid = any (p.polroles)
    where p.polpermissive
  ),
  watched (relation, column_name) as (
    values
      ('public.employees', 'voice_id'), ('public.calls', 'employee_id'), ('public.calls', 'employee_channel'), ('public.calls', 'twilio_call_sid'),
      ('public.users', 'id'), ('public.users', 'role'), ('public.users', 'org_id'), ('public.employees', 'org_id'), ('public.calls', 'org_id')
  ),
  written as (
    select w.relation || '.' || w.column_name as said
    from watched w
    join pg_catalog.pg_class c on c.oid = to_regclass(w.relation)
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = w.column_name
    where exists (
        select from users u
        where has_column_privilege(u.oid, c.oid, a.attnum, 'INSERT, UPDATE')
          and (
            not c.relrowsecurity
            or exists (select from policies p where p.polrelid = c.oid and p.role = u.oid and p.polcmd in ('*', 'a', 'w'))
          )
      )
      and not exists (
        -- The arguments name the columns that are kept. Each argument ends with a zero byte.
        select from pg_catalog.pg_trigger g
        where g.tgrelid = c.oid and g.tgenabled <> 'D' and g.tgfoid = to_regproc('understudy.keep_columns')::oid
          and position(convert_to(w.column_name, 'UTF8') || '\x00' in g.tgargs) > 0
      )
  ),
  opened as (
    select distinct p.polrelid::regclass::text || ': ' || p.polname as said
    from policies p
    where p.polrelid in (to_regclass('storage.objects'), to_regclass('storage.buckets'))
      and not exists (
        select from pg_catalog.pg_policy k where k.polrelid = p.polrelid and not k.polpermissive and k.polname = 'Understudy: only the service key'
      )
  )
  select jsonb_build_object(
    'columns', (select coalesce(jsonb_agg(w.said order by w.said), '[]') from written w),
    'policies', (select coalesce(jsonb_agg(o.said order by o.said), '[]') from opened o)
  )
$$;
comment on function understudy.open_to_users() is
  'The columns that decide whose voice it is and who is an admin, if the application lets its users write them, and the policies by which '
  'it may open our buckets. People should look at them, since a policy may permit it to the right people. The columns that supabase/optional '
  'closes are left out.';

create or replace function public.describe_database()
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'outcome', 'described',
    -- This is the value for a request that comes through the API; 0 means no limit.
    'statement_timeout_ms', (select s.setting::bigint from pg_catalog.pg_settings s where s.name = 'statement_timeout'),
    'calls_indexed_by', (
      select coalesce(jsonb_agg(i.columns order by i.columns), '[]')
      from (
        select array(
          select a.attname::text
          from unnest(x.indkey::smallint[]) with ordinality k (attnum, position)
          join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum
          order by k.position
        ) as columns
        from pg_catalog.pg_index x
        where x.indrelid = to_regclass('public.calls') and x.indisvalid and x.indpred is null
      ) i
    ),
    'open_to_users', understudy.open_to_users(),
    'objects', (
      select jsonb_object_agg(o.name, jsonb_build_object('state', o.state, 'privileges', o.privileges))
      from understudy.objects() o
    )
  );
end
$$;
comment on function public.describe_database() is
  'The names of the objects, the rights and the settings, to be compared with what the migrations make. It reveals nothing about any '
  'person. Outcomes: described.';

revoke all on function public.describe_database() from public, anon, authenticated;
grant execute on function public.describe_database() to service_role;
revoke all on all functions in schema understudy from public;
