-- Who may do what, and the lock that every change takes first.

create or replace function understudy.employee_key(p_employee_id uuid)
returns bigint
language sql
immutable
set search_path = ''
as $$
  select hashtextextended('understudy ' || p_employee_id, 0)
$$;
comment on function understudy.employee_key(uuid) is 'The advisory lock of an employee without a row.';

create or replace function understudy.lock_employee(p_employee_id uuid, out org_id uuid, out full_name text)
language plpgsql
set search_path = ''
as $$
begin
  -- "no key": an application that inserts a call for this employee (a foreign key check) does not wait for us.
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
  'Every change to an employee''s recordings, consents or voices locks this row first, then rows of ours, then the audit: '
  'one order, so no deadlocks. Returns nulls for an employee who is not there (any more), whose lock is then an advisory one.';

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
  'The same lock, for who works on many employees in one transaction: never waits, so it is in nobody''s way.';

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
comment on function understudy.has_records(uuid, uuid) is 'Whether this organisation has, or had, anything of this employee''s voice.';

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
  'Whether an employee, who is in p_employee_org_id now, is one of p_org_id; with p_former also who has left it and has records there.';

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

  -- Another organisation's employee is as unknown as one who does not exist.
  select e.org_id into v_employee_org_id from public.employees e where e.id = p_employee_id;
  problem := case
    when not understudy.belongs_to(p_employee_id, v_employee_org_id, caller_org_id, p_former) then 'employee_not_found'
    when p_change and v_role is distinct from 'admin' then 'role_forbidden'
  end;
  if problem is not null or not p_change then
    return;
  end if;

  -- Only now: nobody without the right to change can hold up those who have it.
  v_employee_org_id := (understudy.lock_employee(p_employee_id)).org_id;
  if not understudy.belongs_to(p_employee_id, v_employee_org_id, caller_org_id, p_former) then
    problem := 'employee_not_found';
  end if;
end
$$;
comment on function understudy.authorise(uuid, uuid, boolean, boolean) is
  'Resolves the signed-in user to an organisation and says what is wrong, or null. With p_change: needs the role admin, and locks the employee. '
  'With p_former: an employee who has left the organisation is found too, if it has something of their voice. Notes from where admins call.';

revoke all on all functions in schema understudy from public;
