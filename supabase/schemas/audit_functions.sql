-- Reading the audit, and checking that nobody has changed it.

create or replace function understudy.chained_audit(p_org_id uuid)
returns table (chain uuid, seq bigint, hash text, prev_hash text, computed text, hash_before text, seq_before bigint)
language sql
stable
set search_path = ''
as $$
  select
    coalesce(a.org_id, '00000000-0000-0000-0000-000000000000'),
    a.seq,
    a.hash,
    a.prev_hash,
    understudy.audit_hash(a),
    coalesce(lag(a.hash) over w, h.purged_hash, repeat('0', 64)),
    coalesce(lag(a.seq) over w, h.purged_seq, 0)
  from public.voice_audit a
  left join public.voice_audit_heads h on h.org_id = coalesce(a.org_id, '00000000-0000-0000-0000-000000000000')
  where p_org_id is null or coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = p_org_id
  window w as (partition by coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') order by a.seq)
$$;
comment on function understudy.chained_audit(uuid) is
  'The rows of an organisation''s chain, or of all chains. Each has its hash computed again, and the hash and seq of the row before it.';

create or replace function public.verify_audit(p_org_id uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_broken record;
begin
  -- A single statement has a single snapshot: rows that are being added meanwhile are either all seen together with their head, or not at
  -- all.
  with heads as (
    select * from public.voice_audit_heads h where p_org_id is null or h.org_id = p_org_id
  ),
  chained as (
    select * from understudy.chained_audit(p_org_id)
  ),
  ends as (
    select distinct on (c.chain) c.chain, c.seq, c.hash
    from chained c
    order by c.chain, c.seq desc
  ),
  breaks as (
    -- These are the rows that are missing, or were changed.
    select c.chain, case when c.seq <> c.seq_before + 1 then c.seq_before + 1 else c.seq end as seq
    from chained c
    where c.seq <> c.seq_before + 1 or c.prev_hash <> c.hash_before or c.hash <> c.computed
    union all
    select coalesce(e.chain, h.org_id), least(coalesce(e.seq, h.purged_seq), coalesce(h.seq, 0)) + case when e.seq = h.seq then 0 else 1 end
    from ends e
    full join heads h on h.org_id = e.chain
    where coalesce(e.seq, h.purged_seq) is distinct from h.seq or coalesce(e.hash, h.purged_hash) is distinct from h.hash
  )
  select
    (select count(*) from chained) as rows,
    (select jsonb_build_object('org_id', b.chain, 'seq', b.seq) from breaks b order by b.chain, b.seq limit 1) as first
  into v_broken;

  if v_broken.first is not null then
    return jsonb_build_object('outcome', 'broken') || v_broken.first;
  end if;
  return jsonb_build_object('outcome', 'whole', 'rows', v_broken.rows);
end
$$;
comment on function public.verify_audit(uuid) is
  'Computes every hash again, of one organisation or of all. seq is the first row that was changed or is missing. Whoever can change '
  'every later row and the head as well is found only by comparison with a hash that was kept elsewhere. Outcomes: whole, broken.';

create or replace function understudy.audit_json(p_row public.voice_audit)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'seq', p_row.seq,
    'at', p_row.at,
    'actor_id', p_row.actor_id,
    'action', p_row.action,
    'outcome', p_row.outcome,
    'employee_id', p_row.employee_id,
    'details', p_row.details,
    'hash', p_row.hash,
    'prev_hash', p_row.prev_hash
  )
$$;

create or replace function understudy.audit_page(p_org_id uuid, p_before bigint, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(understudy.audit_json(page.a) order by (page.a).seq desc), '[]')
  from (
    select a
    from public.voice_audit a
    where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = p_org_id
      and a.seq < coalesce(p_before, 9223372036854775807)
    order by a.seq desc
    limit p_limit
  ) page
$$;

-- This is a function of its own because no one plan is good for both.
create or replace function understudy.audit_page_of(p_org_id uuid, p_employee_id uuid, p_before bigint, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(understudy.audit_json(page.a) order by (page.a).seq desc), '[]')
  from (
    select a
    from public.voice_audit a
    where a.org_id = p_org_id
      and a.employee_id = p_employee_id
      and a.seq < coalesce(p_before, 9223372036854775807)
    order by a.seq desc
    limit p_limit
  ) page
$$;

create or replace function public.read_audit(
  p_user_id uuid,
  p_employee_id uuid default null,
  p_before bigint default null,
  p_limit int default 50
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_org_id uuid;
  v_role text;
  v_limit constant int := least(greatest(coalesce(p_limit, 50), 1), 200);
  v_problem text;
  v_rows jsonb;
  v_more boolean;
begin
  select u.org_id, u.role::text into v_org_id, v_role from public.users u where u.id = p_user_id;
  v_problem := case
    when v_org_id is null then 'not_a_member'
    when v_role is distinct from 'admin' then 'role_forbidden'
  end;
  if v_problem is not null then
    return understudy.refuse(v_org_id, p_employee_id, p_user_id, 'audit.read', v_problem);
  end if;

  v_rows := case
    when p_employee_id is null then understudy.audit_page(v_org_id, p_before, v_limit + 1)
    else understudy.audit_page_of(v_org_id, p_employee_id, p_before, v_limit + 1)
  end;
  -- One row more than requested is read, to know whether there is a next page.
  v_more := jsonb_array_length(v_rows) > v_limit;
  if v_more then
    v_rows := v_rows - v_limit;
  end if;
  return jsonb_build_object(
    'outcome', 'audit', 'rows', v_rows, 'next_before', case when v_more then v_rows -> -1 -> 'seq' end
  );
end
$$;
comment on function public.read_audit(uuid, uuid, bigint, int) is
  'The organisation''s own rows, newest first, at most 200 at once, of one employee or of all. next_before is the p_before of the next '
  'page. Outcomes: audit, not_a_member, role_forbidden.';

revoke all on function public.verify_audit(uuid), public.read_audit(uuid, uuid, bigint, int) from public, anon, authenticated;
grant execute on function public.verify_audit(uuid), public.read_audit(uuid, uuid, bigint, int) to service_role;
revoke all on all functions in schema understudy from public;
