-- A description of this database, which `python -m local doctor` compares with what the migrations make.

create or replace function understudy.privileges(p_acl aclitem[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(g.said order by g.said), '[]')
  from (
    select distinct coalesce(r.rolname, 'everybody') || ' ' || a.privilege_type as said
    from aclexplode(p_acl) a
    left join pg_catalog.pg_roles r on r.oid = a.grantee
    where a.grantee = 0 or r.rolname in ('anon', 'authenticated', 'service_role')
  ) g
$$;
comment on function understudy.privileges(aclitem[]) is
  'The rights of everybody, and of the roles behind the API''s keys and tokens, such as "service_role EXECUTE".';

create or replace function understudy.objects()
returns table (name text, state text, privileges jsonb)
language sql
stable
set search_path = ''
as $$
  with schemas as (select n.* from pg_catalog.pg_namespace n where n.nspname in ('public', 'understudy')),
  tables as (
    select c.*, s.nspname || '.' || c.relname as name
    from pg_catalog.pg_class c join schemas s on s.oid = c.relnamespace
    where c.relkind in ('r', 'p')
  )
  select 'function ' || p.oid::regprocedure::text, md5(p.prosrc || p.prosecdef::text || coalesce(p.proconfig::text, '')),
    understudy.privileges(coalesce(p.proacl, acldefault('f', p.proowner)))
  from pg_catalog.pg_proc p
  where p.pronamespace in (select s.oid from schemas s)
    and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e')
  union all
  select 'table ' || t.name, case when t.relrowsecurity then 'row level security' else 'no row level security' end,
    understudy.privileges(coalesce(t.relacl, acldefault('r', t.relowner)))
  from tables t
  union all
  select 'column ' || t.name || '.' || a.attname, format_type(a.atttypid, a.atttypmod), null
  from tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
  union all
  -- PostgreSQL 18 has a constraint for each column that is not null, and older versions do not.
  select 'constraint ' || t.name || '.' || c.conname, c.contype::text || case when c.convalidated then '' else ' not valid' end, null
  from tables t join pg_catalog.pg_constraint c on c.conrelid = t.oid and c.contype <> 'n'
  union all
  select 'index ' || t.name || '.' || c.relname, case when i.indisvalid then 'valid' else 'not valid' end, null
  from tables t join pg_catalog.pg_index i on i.indrelid = t.oid join pg_catalog.pg_class c on c.oid = i.indexrelid
  union all
  select 'trigger ' || t.name || '.' || g.tgname, case g.tgenabled when 'D' then 'disabled' else 'enabled' end, null
  from tables t join pg_catalog.pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
  union all
  select 'schema ' || s.nspname, '', understudy.privileges(coalesce(s.nspacl, acldefault('n', s.nspowner)))
  from schemas s
$$;
comment on function understudy.objects() is
  'Every object in our own schema and in public, with its kind, its name, and the text that distinguishes it from an older version of '
  'itself: for a function, a hash. No row of any table is read.';

create or replace function understudy.open_to_users()
returns jsonb
language sql
stable
set search_path = ''
as $$
  with users as (select r.oid, r.rolname from pg_catalog.pg_roles r where r.rolname in ('anon', 'authenticated')),
  -- These are the policies that permit something. Each also has conditions that cannot be judged from here.
  policies as (
    select p.polrelid, p.polcmd, p.polname, u.oid as role
    from pg_catalog.pg_policy p join users u on p.polroles = '{0}' or u.oid = any (p.polroles)
    where p.polpermissive
  ),
  watched (relation, column_name) as (
    values
      ('public.employees', 'voice_id'), ('public.calls', 'employee_id'), ('public.calls', 'employee_channel'), ('public.calls', 'twilio_call_sid'),
      ('public.users', 'id'), ('public.users', 'role'), ('public.users', 'org_id'), ('public.employees', 'org_id'), ('public.calls', 'org_id')
  ),
  written as (
    select w.relation || '.' || w.column_name as said
    from watched w
    join pg_catalog.pg_class c on c.oid = to_regclass(w.relation)
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = w.column_name
    where exists (
        select from users u
        where has_column_privilege(u.oid, c.oid, a.attnum, 'INSERT, UPDATE')
          and (
            not c.relrowsecurity
            or exists (select from policies p where p.polrelid = c.oid and p.role = u.oid and p.polcmd in ('*', 'a', 'w'))
          )
      )
      and not exists (
        -- The arguments name the columns that are kept. Each argument ends with a zero byte.
        select from pg_catalog.pg_trigger g
        where g.tgrelid = c.oid and g.tgenabled <> 'D' and g.tgfoid = to_regproc('understudy.keep_columns')::oid
          and position(convert_to(w.column_name, 'UTF8') || '\x00' in g.tgargs) > 0
      )
  ),
  opened as (
    select distinct p.polrelid::regclass::text || ': ' || p.polname as said
    from policies p
    where p.polrelid in (to_regclass('storage.objects'), to_regclass('storage.buckets'))
      and not exists (
        select from pg_catalog.pg_policy k where k.polrelid = p.polrelid and not k.polpermissive and k.polname = 'Understudy: only the service key'
      )
  )
  select jsonb_build_object(
    'columns', (select coalesce(jsonb_agg(w.said order by w.said), '[]') from written w),
    'policies', (select coalesce(jsonb_agg(o.said order by o.said), '[]') from opened o)
  )
$$;
comment on function understudy.open_to_users() is
  'The columns that decide whose voice it is and who is an admin, if the application lets its users write them, and the policies by which '
  'it may open our buckets. People should look at them, since a policy may permit it to the right people. The columns that supabase/optional '
  'closes are left out.';

create or replace function public.describe_database()
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'outcome', 'described',
    -- This is the value for a request that comes through the API; 0 means no limit.
    'statement_timeout_ms', (select s.setting::bigint from pg_catalog.pg_settings s where s.name = 'statement_timeout'),
    'calls_indexed_by', (
      select coalesce(jsonb_agg(i.columns order by i.columns), '[]')
      from (
        select array(
          select a.attname::text
          from unnest(x.indkey::smallint[]) with ordinality k (attnum, position)
          join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum
          order by k.position
        ) as columns
        from pg_catalog.pg_index x
        where x.indrelid = to_regclass('public.calls') and x.indisvalid and x.indpred is null
      ) i
    ),
    'open_to_users', understudy.open_to_users(),
    'objects', (
      select jsonb_object_agg(o.name, jsonb_build_object('state', o.state, 'privileges', o.privileges))
      from understudy.objects() o
    )
  );
end
$$;
comment on function public.describe_database() is
  'The names of the objects, the rights and the settings, to be compared with what the migrations make. It reveals nothing about any '
  'person. Outcomes: described.';

revoke all on function public.describe_database() from public, anon, authenticated;
grant execute on function public.describe_database() to service_role;
revoke all on all functions in schema understudy from public;
