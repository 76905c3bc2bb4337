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
comment on table public.organization_voice_settings is 'Set by whoever runs the service, in SQL: the API changes none of it.';
comment on column public.organization_voice_settings.max_voices is
  'How many employees may have a voice; null: any number. Who has more voices than a lower limit allows keeps them. At most 10,000, since '
  'each request for a clone counts up to it.';
comment on column public.organization_voice_settings.evidence_kept_elsewhere is
  'Evidence of consents is kept where this service cannot read it, so a consent is recorded unverified and says so wherever it is shown.';
comment on column public.organization_voice_settings.delete_recordings_days_after_clone is
  'Days after a voice became ready at which the recordings that had begun by then are erased, in Storage and at Twilio; null: never.';
comment on column public.organization_voice_settings.delete_recordings_days_after_call is
  'Days after a recording began at which it is erased, in Storage and at Twilio; null: never.';

comment on column public.organization_voice_settings.retention_swept_at is 'When the sweep last found nothing left to erase for retention.';

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
  -- Locked, so that of two requests at once for two employees the second counts the first.
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

  -- No further than to the limit, however many employees the organisation has.
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
  'The figures of the quota that keeps this employee from a voice, or null. Counted are employees with a current voice or an attempt under '
  'way: who is among them stays so. Called with the employee locked, and before anything is audited.';

revoke all on all functions in schema understudy from public;
