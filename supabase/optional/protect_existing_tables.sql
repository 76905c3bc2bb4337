-- Protection for a project whose application was there before. It closes the buckets and the columns that this bundle relies on to everybody
-- but the service key, whatever rights and policies the application has given to its users. Apply it by hand, after the migrations:
-- `psql -f supabase/optional/protect_existing_tables.sql`. Every statement may run twice.
--
-- No migration does this by itself, because it takes rights away that the application may be using: a screen on which a signed-in user
-- enters a call, with its employee and CallSid, no longer works afterwards, unless the call is written with the service key.

-- Storage applies the policies of its tables to the caller's role. Permissive policies are joined by "or", so one careless
-- `using (true)` opens every bucket; a restrictive one is joined to them by "and". No policy applies to the service key, which has BYPASSRLS.
-- A public bucket is served without any policy, so nobody else may change the row of a bucket either.
-- On hosted Supabase the tables belong to supabase_storage_admin, and `postgres` may make policies on them and nothing more (policy_grants of
-- supautils, https://github.com/supabase/supautils).
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

-- This is a trigger and not a set of rights on columns. A role that may UPDATE a whole table may update each of its columns, even if the right
-- on that column was revoked. And a frontend that writes a whole row back, with these columns unchanged, goes on working.
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
  -- The owner, as which our functions run, and the service key may write these columns. The roles of tokens may not.
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

-- The employee decides whose voice it is, so an employee's or call's id does not change hands either.
-- The triggers run before the change, because only then does the foreign key, which takes a deleted employee off their calls, act with the
-- rights of the table's owner. Their names begin with "zz", because triggers run in the order of their names, and changes that the
-- application's own triggers make to the row must be seen.
create or replace trigger zz_understudy_insert before insert on public.employees
  for each row execute function understudy.keep_columns('voice_id');
create or replace trigger zz_understudy_update before update on public.employees
  for each row execute function understudy.keep_columns('voice_id', 'id');
create or replace trigger zz_understudy_insert before insert on public.calls
  for each row execute function understudy.keep_columns('employee_id', 'employee_channel', 'twilio_call_sid');
create or replace trigger zz_understudy_update before update on public.calls
  for each row execute function understudy.keep_columns('employee_id', 'employee_channel', 'twilio_call_sid', 'id');
