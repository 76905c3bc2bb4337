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
