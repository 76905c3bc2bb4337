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
