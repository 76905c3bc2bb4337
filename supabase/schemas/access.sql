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
