-- The scheduled functions of voice-sweeper, which find the work that no message will come for again. Two simultaneous runs share the work.

-- Employees in whose rows the application around us has changed something that we must follow.
create table if not exists understudy.employee_changes (
  org_id uuid not null,
  employee_id uuid not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (org_id, employee_id)
);
create index if not exists employee_changes_oldest on understudy.employee_changes (changed_at);
comment on table understudy.employee_changes is
  'Employees who were deleted, who moved from this organisation to another one, or whose voice_id was written by somebody else.';

create or replace function understudy.note_employee_change()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'DELETE' or new.org_id is distinct from old.org_id
    or new.voice_id is distinct from understudy.mirrored_voice_id(new.id, new.org_id)
  then
    insert into understudy.employee_changes (org_id, employee_id) values (old.org_id, old.id) on conflict do nothing;
  end if;
  return null;
end
$$;
comment on function understudy.note_employee_change() is
  'Notes the change for the sweep, which follows it later. So no change is refused or held up because of us.';

create or replace function understudy.leave_voice_behind()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.voice_id := null;
  return new;
end
$$;
comment on function understudy.leave_voice_behind() is
  'Takes the voice off an employee who moves, so that nobody in the new organisation sees it, not even until the next sweep.';

create or replace trigger understudy_employee_moves
  before update of org_id on public.employees
  for each row when (new.org_id is distinct from old.org_id)
  execute function understudy.leave_voice_behind();
create or replace trigger understudy_employee_changes
  after delete or update of org_id, voice_id on public.employees
  for each row execute function understudy.note_employee_change();

create or replace function understudy.begin_erasure_of_expired(p_asked_at timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_expired record;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  for v_expired in
    select c.org_id, c.employee_id
    from public.voice_consents c
    where c.ended_at is null and c.expires_at <= understudy.time_now()
    order by c.expires_at
    limit 20
  loop
    continue when not understudy.try_lock_employee(v_expired.employee_id);
    -- The consent may have been renewed, withdrawn or swept meanwhile.
    perform 1
    from public.voice_consents c
    where c.org_id = v_expired.org_id
      and c.employee_id = v_expired.employee_id
      and c.ended_at is null
      and c.expires_at <= understudy.time_now();
    continue when not found;

    v_consent_id := understudy.end_consent(v_expired.org_id, v_expired.employee_id, 'expired', null);
    v_erasure_id := understudy.erase(v_expired.org_id, v_expired.employee_id, 'expired', null, p_asked_at);
    perform understudy.audit(
      v_expired.org_id, v_expired.employee_id, null, 'consent.expire', 'expired',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
    return v_erasure_id;
  end loop;
  return null;
end
$$;
comment on function understudy.begin_erasure_of_expired(timestamptz) is
  'Treats one consent that has expired like a withdrawn one. It passes over employees whom another transaction has locked; the next call '
  'finds them.';

create or replace function understudy.follow_employee_change(p_asked_at timestamptz)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
  v_change understudy.employee_changes;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  for v_change in
    select * from understudy.employee_changes c order by c.changed_at limit 20
  loop
    continue when not understudy.try_lock_employee(v_change.employee_id);
    delete from understudy.employee_changes c
    where c.org_id = v_change.org_id and c.employee_id = v_change.employee_id;
    continue when not found;

    perform understudy.mirror_voice(v_change.employee_id);
    perform 1 from public.employees e where e.id = v_change.employee_id and e.org_id = v_change.org_id;
    continue when found
      or not understudy.has_records(v_change.org_id, v_change.employee_id)
      -- Another request has erased everything since the change.
      or (understudy.last_erasure(v_change.org_id, v_change.employee_id)).known_until > v_change.changed_at;

    v_consent_id := understudy.end_consent(v_change.org_id, v_change.employee_id, 'left', null);
    v_erasure_id := understudy.erase(v_change.org_id, v_change.employee_id, 'left', null, p_asked_at);
    if v_consent_id is not null then
      perform understudy.audit(
        v_change.org_id, v_change.employee_id, null, 'consent.end', 'left',
        jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
      );
    end if;
    return v_erasure_id;
  end loop;
  return null;
end
$$;
comment on function understudy.follow_employee_change(timestamptz) is
  'Corrects the voice_id of employees whose voice_id was changed by somebody else. It stops at the first employee who has left, and '
  'erases everything of that one.';

create or replace function public.sweep_erasures(p_now double precision default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_asked_at constant timestamptz := understudy.asked_at(p_now);
  v_erasure_id uuid;
begin
  v_erasure_id := coalesce(
    understudy.begin_erasure_of_expired(v_asked_at),
    understudy.follow_employee_change(v_asked_at),
    understudy.retain_no_longer()
  );
  if v_erasure_id is null then
    return jsonb_build_object('outcome', 'none');
  end if;
  return jsonb_build_object('outcome', 'started', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.sweep_erasures(double precision) is
  'Starts the next erasure that is due without a request, of one employee: a consent has expired, the employee has left, or recordings '
  'are older than their organisation keeps them. none: nothing is due. Outcomes: started, none.';

create or replace function understudy.time_out_requests(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
  v_timed_out int := 0;
begin
  -- The requests come in the order of organisations, so that two sweeps lock the heads of their audits in the same order.
  for v_voice in
    select old.*
    from (
      select *
      from public.voices v
      where v.state = 'requested' and v.requested_at < understudy.time_now() - interval '24 hours'
      limit p_limit
    ) old
    order by old.org_id, old.number
  loop
    continue when not understudy.try_lock_employee(v_voice.employee_id);
    -- The attempt may have begun or ended meanwhile.
    select * into v_voice from public.voices v where v.id = v_voice.id and v.state = 'requested' for update;
    continue when not found;
    perform understudy.refuse_attempt(v_voice, 'clone.sweep', 'clone_timed_out');
    v_timed_out := v_timed_out + 1;
  end loop;
  return v_timed_out;
end
$$;

create or replace function understudy.unfinished_attempts(p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(jsonb_build_object('attempt_id', u.id, 'campaign', u.campaign)), '[]')
  from (
    select v.id, v.campaign
    from public.voices v
    -- This repeats the condition of the index voices_unfinished, so that finished attempts are not read.
    where (
        v.state in ('requested', 'cloning', 'unknown')
        or (v.state in ('failed', 'retired') and v.vendor_voice_id is not null and v.vendor_deleted_at is null)
        or (v.metadata_handed_at is not null and v.metadata_written_at is null)
        or (v.state = 'retired' and v.metadata_handed_at is not null and v.metadata_written_at < v.closed_at)
      )
      and (v.swept_at is null or v.swept_at < understudy.time_now() - interval '1 hour')
      and (
        -- Requests of a campaign wait for hours until their turn comes.
        (
          v.state = 'requested'
          and v.requested_at < understudy.time_now() - case when v.campaign then interval '6 hours' else interval '10 minutes' end
          -- The queue's longest delay is 18 minutes, so a message that is alive usually has the attempt begun more often than this.
          and (v.lease_until is null or v.lease_until < understudy.time_now() - interval '19 minutes')
        )
        or (
          v.state in ('cloning', 'unknown')
          and coalesce(v.lease_until + understudy.lease_grace(), v.requested_at + interval '10 minutes') < understudy.time_now()
        )
        or (
          v.state in ('failed', 'retired') and v.vendor_voice_id is not null and v.vendor_deleted_at is null
          and v.deployment_id = understudy.deployment_id()
        )
        or (v.state = 'ready' and v.metadata_handed_at is not null and v.metadata_written_at is null)
        or understudy.is_metadata_behind(v)
      )
    -- A campaign holds up no other request here either.
    order by v.campaign, v.swept_at nulls first, v.number
    limit p_limit
  ) u
$$;

create or replace function understudy.sweep_stuck_erasures(p_limit int)
returns jsonb
language sql
set search_path = ''
as $$
  with unfinished as (
    select e.id
    from public.voice_erasures e
    where e.erased_at is null
      and e.requested_at < understudy.time_now() - interval '10 minutes'
      -- The queue's longest delay is 18 minutes, so a message that is alive usually updates begun_at more often than this.
      and (e.begun_at is null or e.begun_at < understudy.time_now() - interval '19 minutes')
    order by e.swept_at nulls first, e.number
    limit p_limit
    for update skip locked
  ),
  swept as (
    update public.voice_erasures e set swept_at = clock_timestamp() from unfinished u where e.id = u.id returning e.id
  )
  select coalesce(jsonb_agg(s.id), '[]') from swept s
$$;

create or replace function public.sweep_unfinished(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_limit constant int := greatest(coalesce(p_limit, 0), 0);
  v_timed_out constant int := understudy.time_out_requests(v_limit);
begin
  -- From here on no employee is locked and no row is waited for. The only change is the time at which an erasure was swept.
  return jsonb_build_object(
    'outcome', 'found',
    'attempts', understudy.unfinished_attempts(v_limit),
    'erasure_ids', understudy.sweep_stuck_erasures(v_limit),
    'timed_out', v_timed_out
  );
end
$$;
comment on function public.sweep_unfinished(int) is
  'Attempts and erasures that need a new message; those that were longest unswept come first. An attempt needs one if its lease and the '
  'grace time are over, its request is 10 minutes old (6 hours in a campaign) and no worker has given it back for 19 minutes, its voice '
  'is still at the vendor, or the metadata are or may be those of another voice. An erasure needs one if it is 10 minutes old and no '
  'worker has taken it up for 19 minutes. After attempts_queued, an attempt gets no other message for an hour. A request that has led to '
  'nothing in 24 hours is ended; timed_out is the number of these. Outcomes: found.';

create or replace function public.attempts_queued(p_attempt_ids uuid[])
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- The lock has a fixed order, because two sweeps that found the same attempts could otherwise wait for each other.
  perform 1 from public.voices v where v.id = any (p_attempt_ids) order by v.number for no key update;
  update public.voices v set swept_at = clock_timestamp() where v.id = any (p_attempt_ids);
  return jsonb_build_object('outcome', 'recorded');
end
$$;
comment on function public.attempts_queued(uuid[]) is
  'The messages of these attempts are in the queue, so that for an hour they are not found again. Outcomes: recorded.';

revoke all on function
  public.sweep_erasures(double precision),
  public.sweep_unfinished(int),
  public.attempts_queued(uuid[])
from public, anon, authenticated;
grant execute on function
  public.sweep_erasures(double precision),
  public.sweep_unfinished(int),
  public.attempts_queued(uuid[])
to service_role;
revoke all on all functions in schema understudy from public;
