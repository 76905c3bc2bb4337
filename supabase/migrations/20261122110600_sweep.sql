-- What voice-sweeper asks on its schedule: what no message will ever come for again. Two runs at once share the work.

create or replace function public.sweep_expired_consents(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_expired record;
  v_consent_id uuid;
  v_erasure_id uuid;
  v_erasure_ids uuid[] := '{}';
begin
  -- In the order of organisations: two sweeps lock the heads of their audits in the same order.
  for v_expired in
    select c.org_id, c.employee_id
    from public.voice_consents c
    where c.ended_at is null and c.expires_at <= clock_timestamp()
    order by c.org_id, c.employee_id
  loop
    exit when cardinality(v_erasure_ids) >= greatest(coalesce(p_limit, 0), 0);
    continue when not understudy.try_lock_employee(v_expired.employee_id);
    -- Renewed, withdrawn or swept since?
    perform 1
    from public.voice_consents c
    where c.org_id = v_expired.org_id
      and c.employee_id = v_expired.employee_id
      and c.ended_at is null
      and c.expires_at <= clock_timestamp();
    continue when not found;

    v_consent_id := understudy.end_consent(v_expired.org_id, v_expired.employee_id, 'expired', null);
    v_erasure_id := understudy.erase(v_expired.org_id, v_expired.employee_id, 'expired', null);
    perform understudy.audit(
      v_expired.org_id, v_expired.employee_id, null, 'consent.expire', 'expired',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
    v_erasure_ids := v_erasure_ids || v_erasure_id;
  end loop;
  return jsonb_build_object('outcome', 'swept', 'erasure_ids', to_jsonb(v_erasure_ids));
end
$$;
comment on function public.sweep_expired_consents(int) is
  'Treats consents that have run out like withdrawn ones. Passes over employees somebody is working on: the next run finds them. Outcome: swept.';

create or replace function public.sweep_unfinished(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_limit constant int := greatest(coalesce(p_limit, 0), 0);
  v_attempt_ids jsonb;
  v_erasure_ids jsonb;
begin
  -- No employee is locked, no row is waited for, and nothing of the row changes but when it was swept.
  with unfinished as (
    select v.id
    from public.voices v
    where (v.state = 'requested' and v.requested_at < clock_timestamp() - interval '10 minutes')
      or (
        v.state in ('cloning', 'unknown')
        and coalesce(v.lease_until + understudy.lease_grace(), v.requested_at + interval '10 minutes') < clock_timestamp()
      )
      or (v.state in ('failed', 'retired') and v.vendor_voice_id is not null and v.vendor_deleted_at is null)
      or (
        v.metadata_handed_at is not null
        and v.metadata_written_at is null
        and (
          v.state = 'ready'
          -- Without a current voice there is nothing to write on top: the tombstone is the erasure's.
          or (v.state = 'retired' and (understudy.current_voice(v.employee_id)).id is not null)
        )
      )
    order by v.swept_at nulls first, v.number
    limit v_limit
    for update skip locked
  ),
  swept as (
    update public.voices v set swept_at = clock_timestamp() from unfinished u where v.id = u.id returning v.id
  )
  select coalesce(jsonb_agg(s.id), '[]') into v_attempt_ids from swept s;

  with unfinished as (
    select e.id
    from public.voice_erasures e
    where e.erased_at is null
      and e.requested_at < clock_timestamp() - interval '10 minutes'
      -- The queue's longest delay is 15 minutes: a message that is alive shows itself oftener than this.
      and (e.begun_at is null or e.begun_at < clock_timestamp() - interval '16 minutes')
    order by e.swept_at nulls first, e.number
    limit v_limit
    for update skip locked
  ),
  swept as (
    update public.voice_erasures e set swept_at = clock_timestamp() from unfinished u where e.id = u.id returning e.id
  )
  select coalesce(jsonb_agg(s.id), '[]') into v_erasure_ids from swept s;
  return jsonb_build_object('outcome', 'found', 'attempt_ids', v_attempt_ids, 'erasure_ids', v_erasure_ids);
end
$$;
comment on function public.sweep_unfinished(int) is
  'Attempts and erasures worth a new message, the longest unswept first: a lease and its grace time are over, a request is 10 minutes old, '
  'a voice is still at the vendor, metadata was handed out and never confirmed, an erasure is 10 minutes old and no worker has taken it up for 16. Outcome: found.';

create or replace function public.known_vendor_voices(p_vendor_voice_ids text[], p_attempt_ids uuid[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  if cardinality(p_vendor_voice_ids) is distinct from cardinality(p_attempt_ids) then
    raise exception 'each voice at the vendor is marked with one attempt';
  end if;
  return jsonb_build_object(
    'outcome', 'known',
    'voice_ids', (
      select coalesce(jsonb_agg(found.voice_id order by found.voice_id), '[]')
      from unnest(p_vendor_voice_ids, p_attempt_ids) as found (voice_id, attempt_id)
      where exists (
          select 1
          from public.voices v
          where v.vendor_voice_id = found.voice_id and v.state in ('requested', 'cloning', 'unknown', 'ready')
        )
        -- Its id may be on the way to us, or be found by whoever looks for it.
        or exists (
          select 1
          from public.voices v
          where v.id = found.attempt_id
            and v.vendor_voice_id is null
            and v.state in ('requested', 'cloning', 'unknown')
        )
        -- Another deployment's, on the same account: its database knows.
        or not exists (select 1 from public.voices v where v.id = found.attempt_id)
    )
  );
end
$$;
comment on function public.known_vendor_voices(text[], uuid[]) is
  'Of the voices that the vendor has, each with the attempt that it is marked with, those which must stay. Outcome: known.';

revoke all on function
  public.sweep_expired_consents(int),
  public.sweep_unfinished(int),
  public.known_vendor_voices(text[], uuid[])
from public, anon, authenticated;
grant execute on function
  public.sweep_expired_consents(int),
  public.sweep_unfinished(int),
  public.known_vendor_voices(text[], uuid[])
to service_role;
revoke all on all functions in schema understudy from public;
