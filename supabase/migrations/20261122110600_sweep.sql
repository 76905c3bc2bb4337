-- What voice-sweeper asks on its schedule: what no message will ever come for again. Two runs at once share the work.

create or replace function public.sweep_expired_consents(p_limit int, p_now double precision default null)
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
    v_erasure_id := understudy.erase(
      v_expired.org_id, v_expired.employee_id, 'expired', null, understudy.asked_at(p_now)
    );
    perform understudy.audit(
      v_expired.org_id, v_expired.employee_id, null, 'consent.expire', 'expired',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
    v_erasure_ids := v_erasure_ids || v_erasure_id;
  end loop;
  return jsonb_build_object('outcome', 'swept', 'erasure_ids', to_jsonb(v_erasure_ids));
end
$$;
comment on function public.sweep_expired_consents(int, double precision) is
  'Treats consents that have run out like withdrawn ones. Passes over employees somebody is working on: the next run finds them. Outcome: swept.';

create or replace function public.sweep_unfinished(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_limit constant int := greatest(coalesce(p_limit, 0), 0);
  v_voice public.voices;
  v_timed_out int := 0;
  v_attempts jsonb;
  v_erasure_ids jsonb;
begin
  -- In the order of organisations, like the consents.
  for v_voice in
    select *
    from public.voices v
    where v.state = 'requested' and v.requested_at < clock_timestamp() - interval '24 hours'
    order by v.org_id, v.number
  loop
    exit when v_timed_out >= v_limit;
    continue when not understudy.try_lock_employee(v_voice.employee_id);
    -- Begun or ended since?
    select * into v_voice from public.voices v where v.id = v_voice.id and v.state = 'requested' for update;
    continue when not found;
    perform understudy.refuse_attempt(v_voice, 'clone.sweep', 'clone_timed_out');
    v_timed_out := v_timed_out + 1;
  end loop;

  -- From here no employee is locked, no row is waited for, and nothing of the row changes but when an erasure was swept.
  with unfinished as (
    select v.id, v.campaign
    from public.voices v
    where (v.swept_at is null or v.swept_at < clock_timestamp() - interval '1 hour')
      and (
        -- Those of a campaign wait their turn for hours.
        (
          v.state = 'requested'
          and v.requested_at < clock_timestamp() - case when v.campaign then interval '6 hours' else interval '10 minutes' end
        )
        or (
          v.state in ('cloning', 'unknown')
          and coalesce(v.lease_until + understudy.lease_grace(), v.requested_at + interval '10 minutes') < clock_timestamp()
        )
        or (v.state in ('failed', 'retired') and v.vendor_voice_id is not null and v.vendor_deleted_at is null)
        or (v.state = 'ready' and v.metadata_handed_at is not null and v.metadata_written_at is null)
        or understudy.is_metadata_behind(v)
      )
    -- A campaign stands in nobody's way here either.
    order by v.campaign, v.swept_at nulls first, v.number
    limit v_limit
  )
  select coalesce(jsonb_agg(jsonb_build_object('attempt_id', u.id, 'campaign', u.campaign)), '[]')
  into v_attempts
  from unfinished u;

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
  return jsonb_build_object(
    'outcome', 'found', 'attempts', v_attempts, 'erasure_ids', v_erasure_ids, 'timed_out', v_timed_out
  );
end
$$;
comment on function public.sweep_unfinished(int) is
  'Attempts and erasures worth a new message, the longest unswept first: a lease and its grace time are over, a request is 10 minutes old, one of a campaign 6 hours, '
  'a voice is still at the vendor, the metadata are or may be those of another voice, an erasure is 10 minutes old and no worker has taken it up '
  'for 16. An attempt gets a message at most once an hour after attempts_queued, and a request that has come to nothing in 24 hours is '
  'ended (timed_out: how many). Outcome: found.';

create or replace function public.attempts_queued(p_attempt_ids uuid[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- In one order, or two sweeps that found the same could wait for each other.
  perform 1 from public.voices v where v.id = any (p_attempt_ids) order by v.number for no key update;
  update public.voices v set swept_at = clock_timestamp() where v.id = any (p_attempt_ids);
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.attempts_queued(uuid[]) is
  'Their messages are in the queue, so that for an hour they are not found again. Outcome: recorded.';

revoke all on function
  public.sweep_expired_consents(int, double precision),
  public.sweep_unfinished(int),
  public.attempts_queued(uuid[])
from public, anon, authenticated;
grant execute on function
  public.sweep_expired_consents(int, double precision),
  public.sweep_unfinished(int),
  public.attempts_queued(uuid[])
to service_role;
revoke all on all functions in schema understudy from public;
