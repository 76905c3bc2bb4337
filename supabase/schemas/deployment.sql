-- The deployment to which this database belongs.

create table if not exists understudy.deployment (
  only_one boolean primary key default true check (only_one),
  id uuid not null default gen_random_uuid()
);
insert into understudy.deployment default values on conflict do nothing;

comment on table understudy.deployment is
  'One row. Its id marks our voices at the vendor, so that deployments which share an account there leave each other''s voices alone. A '
  'copy of this database that goes on by itself, such as a staging system made from a backup, must be given an id of its own.';

create or replace function understudy.deployment_id()
returns uuid
language sql
stable
set search_path = ''
as $$
  select d.id from understudy.deployment d
$$;
comment on function understudy.deployment_id() is
  'The id of this deployment. It is kept with each voice and recording, so that a copy of this database knows which of them belong to '
  'another deployment.';

revoke all on all functions in schema understudy from public;
