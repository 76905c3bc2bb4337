-- The addresses and browsers from which admins work. An answer of an employee that comes from one of them is marked, so that people look at
-- it.

create table if not exists understudy.admin_origins (
  org_id uuid not null,
  kind text not null check (kind in ('address', 'user_agent')),
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  seen_at timestamptz not null default clock_timestamp(),
  primary key (org_id, kind, sha256)
);
create index if not exists admin_origins_by_age on understudy.admin_origins (org_id, seen_at);
comment on table understudy.admin_origins is
  'Hashes of the addresses and user agents that an organisation''s admins used. Their times are exact to ten minutes, and they are kept '
  'for two days.';

alter table understudy.admin_origins enable row level security;
revoke all on understudy.admin_origins from public, anon, authenticated, service_role;

create or replace function understudy.origin_sha256(p_text text)
returns text
language sql
immutable
set search_path = ''
as $$
  select encode(sha256(convert_to(left(p_text, 500), 'UTF8')), 'hex')
$$;
comment on function understudy.origin_sha256(text) is 'The hash of that part of a user agent which is kept with an answer.';

create or replace function understudy.note_admin_origin(p_org_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_headers constant jsonb := nullif(current_setting('request.headers', true), '')::jsonb;
  v_origin record;
begin
  -- The address always comes first, so that two simultaneous requests lock the rows in the same order.
  for v_origin in
    select o.kind, understudy.origin_sha256(o.value) as sha256
    from (
      values
        ('address', v_headers ->> 'x-caller-address'),
        ('user_agent', v_headers ->> 'x-caller-user-agent')
    ) as o (kind, value)
    where o.value <> ''
    order by o.kind
  loop
    -- The row is read before it is written, because an upsert would lock it even if nothing changes.
    continue when exists (
      select from understudy.admin_origins a
      where a.org_id = p_org_id
        and a.kind = v_origin.kind
        and a.sha256 = v_origin.sha256
        and a.seen_at > understudy.time_now() - interval '10 minutes'
    );
    insert into understudy.admin_origins as a (org_id, kind, sha256)
    values (p_org_id, v_origin.kind, v_origin.sha256)
    on conflict (org_id, kind, sha256) do update set seen_at = clock_timestamp();
    delete from understudy.admin_origins a
    where a.ctid = any (array(
      select o.ctid
      from understudy.admin_origins o
      where o.org_id = p_org_id and o.seen_at < understudy.time_now() - interval '2 days'
      order by o.seen_at
      limit 20
      for update skip locked
    ));
  end loop;
end
$$;
comment on function understudy.note_admin_origin(uuid) is
  'Notes the address and the browser of the admin who makes this request. The functions of the API send them as headers, which PostgREST '
  'offers as a setting. A caller without these headers is not noted.';

create or replace function understudy.is_admin_origin(p_org_id uuid, p_address text, p_user_agent text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from understudy.admin_origins a
    where a.org_id = p_org_id
      and (a.kind, a.sha256) in (
        ('address', understudy.origin_sha256(p_address)), ('user_agent', understudy.origin_sha256(p_user_agent))
      )
      -- The noted time may be ten minutes older than the true one.
      and a.seen_at > understudy.time_now() - interval '24 hours 10 minutes'
  )
$$;
comment on function understudy.is_admin_origin(uuid, text, text) is
  'True if an admin of the organisation used this address or this user agent within the last day.';

revoke all on all functions in schema understudy from public;
