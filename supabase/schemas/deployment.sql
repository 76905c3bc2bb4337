-- Which deployment this database belongs to.

create table if not exists understudy.deployment (
  only_one boolean primary key default true check (only_one),
  id uuid not null default gen_random_uuid()
);
insert into understudy.deployment default values on conflict do nothing;

comment on table understudy.deployment is
  'One row. Its id marks our voices at the vendor, so that deployments which share an account there leave each other''s alone. A copy of '
  'this database that goes on by itself, such as a staging system made from a backup, must be given an id of its own.';

create or replace function understudy.deployment_id()
returns uuid
language sql
stable
set search_path = ''
as $$
  select d.id from understudy.deployment d
$$;
comment on function understudy.deployment_id() is 'Ours: kept with each voice and recording, so that a copy of this database knows what is not its own.';

revoke all on all functions in schema understudy from public;
