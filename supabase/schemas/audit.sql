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
