-- The audit: one row for each state change and each refusal, written in the transaction that it tells about.

create table if not exists public.voice_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  org_id uuid,
  employee_id uuid,
  actor_id uuid,
  action text not null check (action ~ '^[a-z_]+\.[a-z_]+$'),
  outcome text not null check (outcome ~ '^[a-z_]+$'),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object')
);
create index if not exists voice_audit_by_employee on public.voice_audit (org_id, employee_id, id);

comment on table public.voice_audit is
  'Append-only. Ids, codes and times only: no names, phone numbers, e-mail addresses, storage keys or URLs.';
comment on column public.voice_audit.org_id is 'Null only when the caller belongs to no organisation.';
comment on column public.voice_audit.employee_id is 'As asked for: in a refusal it may belong to nobody, or to another organisation.';
comment on column public.voice_audit.actor_id is 'The signed-in user; null when the bundle itself acted.';
comment on column public.voice_audit.details is 'attempt_id, consent_id, recording_sid, code and the like.';

-- Supabase grants everything on new tables in `public` by default; this is what service_role needs of it.
alter table public.voice_audit enable row level security;
revoke all on public.voice_audit from public, anon, authenticated, service_role;
revoke all on sequence public.voice_audit_id_seq from public, anon, authenticated, service_role;
grant select on public.voice_audit to service_role;

create or replace function understudy.refuse_audit_change()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
end
$$;
comment on function understudy.refuse_audit_change() is
  'Rights alone would let one careless grant open the audit. Holds for the owner too, who would have to disable the trigger on purpose.';

create or replace trigger voice_audit_append_only
  before update or delete on public.voice_audit
  for each row execute function understudy.refuse_audit_change();
create or replace trigger voice_audit_no_truncate
  before truncate on public.voice_audit
  for each statement execute function understudy.refuse_audit_change();
-- `always`: session_replication_role = replica does not switch them off.
alter table public.voice_audit enable always trigger voice_audit_append_only;
alter table public.voice_audit enable always trigger voice_audit_no_truncate;

create or replace function understudy.audit(
  p_org_id uuid,
  p_employee_id uuid,
  p_actor_id uuid,
  p_action text,
  p_outcome text,
  p_details jsonb default '{}'
)
returns void
language sql
set search_path = ''
as $$
  insert into public.voice_audit (org_id, employee_id, actor_id, action, outcome, details)
  values (p_org_id, p_employee_id, p_actor_id, p_action, p_outcome, jsonb_strip_nulls(p_details))
$$;
comment on function understudy.audit(uuid, uuid, uuid, text, text, jsonb) is
  'The only writer of the audit. Call it last in a transaction, after every other lock, so that whatever it locks is held shortest.';

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
  perform understudy.audit(p_org_id, p_employee_id, p_actor_id, p_action, p_code, p_details);
  return jsonb_build_object('outcome', p_code);
end
$$;
comment on function understudy.refuse(uuid, uuid, uuid, text, text, jsonb) is
  'Audits a refusal and returns it. A refusal is a result: raising would roll its audit row back.';

revoke all on all functions in schema understudy from public;
