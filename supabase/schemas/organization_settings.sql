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
