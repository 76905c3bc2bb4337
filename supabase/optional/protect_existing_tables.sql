-- For a project whose application was there before: the buckets and the columns that this bundle relies on are closed to everybody but the
-- service key, whatever rights and policies the application has given to its users. Applied by hand, after the migrations:
-- `psql -f supabase/optional/protect_existing_tables.sql`. Every statement may run twice.
--
-- No migration does this by itself, since it takes rights away that the application may be using: a screen on which a signed-in user
-- enters a call, with its employee and CallSid, no longer works afterwards, unless the call is written with the service key.

-- Storage asks the policies of its tables with the role of whoever calls. Permissive policies are joined by "or", so one careless
-- `using (true)` opens every bucket; a restrictive one is joined to them by "and". The service key has BYPASSRLS and is asked nothing.
-- A bucket that is public is served without any policy, so nobody else may change what a bucket is either.
-- On hosted Supabase the tables belong to supabase_storage_admin, and `postgres` may make policies on them (and nothing more): supautils,
-- policy_grants, https://github.com/supabase/supautils.
drop policy if exists "Understudy: only the service key" on storage.objects;
create policy "Understudy: only the service key" on storage.objects
  as restrictive for all to public
  using ((bucket_id in ('recordings', 'deep-fakes', 'voice-consent-evidence')) is not true)
  with check ((bucket_id in ('recordings', 'deep-fakes', 'voice-consent-evidence')) is not true);

drop policy if exists "Understudy: only the service key" on storage.buckets;
create policy "Understudy: only the service key" on storage.buckets
  as restrictive for all to public
  using ((id in ('recordings', 'deep-fakes', 'voice-consent-evidence')) is not true)
  with check ((id in ('recordings', 'deep-fakes', 'voice-consent-evidence')) is not true);

-- A trigger, and not rights on columns: whoever may UPDATE a whole table may update its columns, whatever was revoked from them one by one,
-- and a frontend that writes a whole row back, with these columns as they were, goes on working.
create or replace function understudy.keep_columns()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
  v_new constant jsonb := to_jsonb(new);
  v_old jsonb := '{}';
  v_column text;
begin
  -- The owner, whom our functions run as, and the service key; not whoever a token makes a role of.
  if (select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.rolname = current_user)
    or pg_has_role(current_user, (select c.relowner from pg_catalog.pg_class c where c.oid = tg_relid), 'usage') then
    return new;
  end if;

  if tg_op = 'UPDATE' then
    v_old := to_jsonb(old);
  end if;
  foreach v_column in array tg_argv loop
    if coalesce(v_new -> v_column, 'null') <> coalesce(v_old -> v_column, 'null') then
      raise exception 'only the service key writes %.%', tg_table_name, v_column using errcode = 'insufficient_privilege';
    end if;
  end loop;
  return new;
end
$$;
comment on function understudy.keep_columns() is
  'Refuses a row in which somebody without the service key has changed one of the columns that the trigger names.';
revoke all on function understudy.keep_columns() from public, anon, authenticated;

-- Who the employee is decides whose voice it is, so an employee's or call's id does not change hands either.
-- "before": an employee who is deleted is taken off their calls by the foreign key, and only then with its table owner's rights. "zz":
-- triggers run in the order of their names, and what the application's own have put into the row counts, too.
create or replace trigger zz_understudy_insert before insert on public.employees
  for each row execute function understudy.keep_columns('voice_id');
create or replace trigger zz_understudy_update before update on public.employees
  for each row execute function understudy.keep_columns('voice_id', 'id');
create or replace trigger zz_understudy_insert before insert on public.calls
  for each row execute function understudy.keep_columns('employee_id', 'employee_channel', 'twilio_call_sid');
create or replace trigger zz_understudy_update before update on public.calls
  for each row execute function understudy.keep_columns('employee_id', 'employee_channel', 'twilio_call_sid', 'id');
