-- Reading the audit, and checking that nobody has changed it.

create or replace function public.verify_audit(p_org_id uuid default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_broken record;
  v_rows bigint;
begin
  -- One statement, so one snapshot: rows that are being added meanwhile are all seen, with their head, or not at all.
  with chained as (
    select
      coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') as chain,
      a.seq,
      a.hash,
      a.prev_hash,
      understudy.audit_hash(a) as computed,
      lag(a.hash, 1, repeat('0', 64)) over w as hash_before,
      lag(a.seq, 1, 0::bigint) over w as seq_before
    from public.voice_audit a
    where p_org_id is null or coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = p_org_id
    window w as (partition by coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') order by a.seq)
  ),
  ends as (
    select distinct on (c.chain) c.chain, c.seq, c.hash
    from chained c
    order by c.chain, c.seq desc
  ),
  breaks as (
    -- The first row that is missing, or was changed.
    select c.chain, case when c.seq <> c.seq_before + 1 then c.seq_before + 1 else c.seq end as seq
    from chained c
    where c.seq <> c.seq_before + 1 or c.prev_hash <> c.hash_before or c.hash <> c.computed
    union all
    select coalesce(e.chain, h.org_id), least(coalesce(e.seq, 0), coalesce(h.seq, 0)) + case when e.seq = h.seq then 0 else 1 end
    from ends e
    full join (
      select * from public.voice_audit_heads h where p_org_id is null or h.org_id = p_org_id
    ) h on h.org_id = e.chain
    where e.seq is distinct from h.seq or e.hash is distinct from h.hash
  )
  select
    (select count(*) from chained) as rows,
    (select jsonb_build_object('org_id', b.chain, 'seq', b.seq) from breaks b order by b.chain, b.seq limit 1) as first
  into v_broken;

  if v_broken.first is not null then
    return jsonb_build_object('outcome', 'broken') || v_broken.first;
  end if;
  v_rows := v_broken.rows;
  return jsonb_build_object('outcome', 'whole', 'rows', v_rows);
end
$$;
comment on function public.verify_audit(uuid) is
  'Computes every hash again: of one organisation, or of all. seq is the first row that is not what it was, or is missing. Who can change '
  'every later row and the head as well is found only by comparing with a hash that was kept elsewhere. Outcomes: whole, broken.';

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

  -- One more than asked for, to know whether there is a next page.
  with page as (
    select a.*
    from public.voice_audit a
    where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = v_org_id
      and (p_employee_id is null or a.employee_id = p_employee_id)
      and (p_before is null or a.seq < p_before)
    order by a.seq desc
    limit v_limit + 1
  ),
  shown as (
    select * from page order by seq desc limit v_limit
  )
  select
    coalesce(
      jsonb_agg(
        jsonb_build_object(
          'seq', s.seq,
          'at', s.at,
          'actor_id', s.actor_id,
          'action', s.action,
          'outcome', s.outcome,
          'employee_id', s.employee_id,
          'details', s.details,
          'hash', s.hash,
          'prev_hash', s.prev_hash
        )
        order by s.seq desc
      ),
      '[]'
    ),
    (select count(*) > v_limit from page)
  into v_rows, v_more
  from shown s;
  return jsonb_build_object(
    'outcome', 'audit', 'rows', v_rows, 'next_before', case when v_more then v_rows -> -1 -> 'seq' end
  );
end
$$;
comment on function public.read_audit(uuid, uuid, bigint, int) is
  'The organisation''s own rows, newest first, at most 200 at once; of one employee, or of all. next_before: p_before of the next page. '
  'Outcomes: audit, not_a_member, role_forbidden.';

revoke all on function public.verify_audit(uuid), public.read_audit(uuid, uuid, bigint, int) from public, anon, authenticated;
grant execute on function public.verify_audit(uuid), public.read_audit(uuid, uuid, bigint, int) to service_role;
revoke all on all functions in schema understudy from public;
