-- Quotas: how many of its employees an organisation may have a voice of.

create table if not exists public.organization_voice_quotas (
  org_id uuid primary key references public.organizations (id) on delete cascade,
  max_voices integer not null check (max_voices >= 0)
);
comment on table public.organization_voice_quotas is
  'Set by whoever runs the service. An organisation without a row has no limit; one that has more voices than a lower limit allows keeps them.';

alter table public.organization_voice_quotas enable row level security;
revoke all on public.organization_voice_quotas from public, anon, authenticated, service_role;
grant select on public.organization_voice_quotas to service_role;

create or replace function understudy.exhausted_quota(p_org_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_limit integer;
  v_used integer;
  v_is_among_them boolean;
begin
  -- Locked, so that of two requests at once for two employees the second counts the first.
  select q.max_voices into v_limit from public.organization_voice_quotas q where q.org_id = p_org_id for update;
  if v_limit is null then
    return null;
  end if;

  select count(distinct v.employee_id), bool_or(v.employee_id = p_employee_id)
  into v_used, v_is_among_them
  from public.voices v
  where v.org_id = p_org_id and v.state in ('requested', 'cloning', 'unknown', 'ready');
  if v_is_among_them or v_used < v_limit then
    return null;
  end if;
  return jsonb_build_object('figure', v_used, 'limit', v_limit, 'unit', 'voices');
end
$$;
comment on function understudy.exhausted_quota(uuid, uuid) is
  'The figures of the quota that keeps this employee from a voice, or null. Counted are employees with a current voice or an attempt under '
  'way: who is among them stays so. Called with the employee locked, and before anything is audited.';

revoke all on all functions in schema understudy from public;
