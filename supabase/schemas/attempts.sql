-- Attempts: the lease that lets one worker work on an attempt, and the reasons why it must not become a voice.

create or replace function understudy.lock_voice(p_attempt_id uuid)
returns public.voices
language plpgsql
set search_path = ''
as $$
declare
  v_voice public.voices;
begin
  select * into v_voice from public.voices v where v.id = p_attempt_id;
  perform understudy.lock_employee(v_voice.employee_id);
  select * into v_voice from public.voices v where v.id = p_attempt_id for update;
  return v_voice;
end
$$;
comment on function understudy.lock_voice(uuid) is
  'Locks the attempt''s employee and then the attempt, and returns it; nulls if there is none.';

create or replace function understudy.holds_lease(p_voice public.voices, p_lease_id uuid)
returns boolean
language sql
immutable
set search_path = ''
as $$
  select coalesce(p_voice.lease_id = p_lease_id and p_voice.state in ('cloning', 'unknown'), false)
$$;
comment on function understudy.holds_lease(public.voices, uuid) is 'True if the worker with this lease may still decide about the attempt.';

create or replace function understudy.refuse_late_worker(p_attempt_id uuid, p_voice public.voices, p_action text)
returns jsonb
language sql
set search_path = ''
as $$
  select understudy.refuse(
    p_voice.org_id, p_voice.employee_id, null, p_action, 'lease_lost', jsonb_build_object('attempt_id', p_attempt_id)
  )
$$;
comment on function understudy.refuse_late_worker(uuid, public.voices, text) is
  'Refuses a worker that does not hold the lease, or not any more. p_voice is its attempt; nulls if there is none.';

create or replace function understudy.has_erased_recording(p_voice public.voices)
returns boolean
language sql
stable
set search_path = ''
as $$
  select understudy.is_erased(p_voice.recording_sid)
    or exists (
      select from public.voice_sources s where s.attempt_id = p_voice.id and understudy.is_erased(s.recording_sid)
    )
$$;
comment on function understudy.has_erased_recording(public.voices) is
  'True if any recording that the attempt is for, or made from, is erased.';

create or replace function understudy.has_synthetic_source(p_voice public.voices)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select
    from public.voice_sources s
    join public.recordings r on r.recording_sid = s.recording_sid
    where s.attempt_id = p_voice.id and not s.synthetic and understudy.is_synthetic(r)
  )
$$;
comment on function understudy.has_synthetic_source(public.voices) is
  'True if a call that the attempt''s sample was made from was marked meanwhile because a cloned voice spoke in it.';

create or replace function understudy.most_uploads()
returns integer
language sql
immutable
set search_path = ''
as $$
  select 10
$$;
comment on function understudy.most_uploads() is
  'The number of samples of one attempt that the vendor may process. It is larger than the number of times that a message is tried by '
  'itself, so that an outage and a redrive do not end the attempt. A vendor that is busy processes nothing; see most_turned_away.';

create or replace function understudy.most_turned_away()
returns integer
language sql
immutable
set search_path = ''
as $$
  select 200
$$;
comment on function understudy.most_turned_away() is
  'The number of samples of one attempt that the vendor may turn away before each further one counts as an upload. It is larger than the '
  'number of times that a message is tried in a day, so that only people who ask again and again reach it. Without it, nothing would '
  'limit the number of times that the speech of a person is sent.';

create or replace function understudy.attempts_are_exhausted(p_recording_sid text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select count(*) >= 5
  from public.voices v
  where v.recording_sid = p_recording_sid and v.uploads > 0
    -- These say nothing about the sample: the account has no place for it, or no right to clone. They count for a day, because each of
    -- them has sent the sample, too.
    and not (
      coalesce(v.code, '') in ('voice_limit_reached', 'voice_plan_required')
      and v.closed_at < understudy.time_now() - interval '1 day'
    )
$$;
comment on function understudy.attempts_are_exhausted(text) is
  'True if the vendor may have processed a sample of this newest recording for the permitted number of attempts. A newer recording starts '
  'anew. An attempt that failed because of the vendor''s account counts for a day only, so that it can be repeated when the account has '
  'been extended.';

create or replace function understudy.attempt_problem(p_voice public.voices)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when not exists (select from public.employees e where e.id = p_voice.employee_id and e.org_id = p_voice.org_id)
      then 'employee_not_found'
    -- A later consent does not revive an attempt that was begun under a withdrawn one. A superseded consent was renewed, so its attempt
    -- goes on.
    when exists (select from public.voice_consents c where c.id = p_voice.consent_id and c.ended_as = 'withdrawn')
      then 'consent_withdrawn'
    else coalesce(
      (understudy.check_consent(p_voice.org_id, p_voice.employee_id, 'voice_clone')).problem,
      case
        when p_voice.state = 'ready' then null
        when understudy.has_erased_recording(p_voice) then 'recording_missing'
        when understudy.has_synthetic_source(p_voice) then 'sample_synthetic'
      end
    )
  end
$$;
comment on function understudy.attempt_problem(public.voices) is
  'The reason why an attempt must not become a voice, or null. It is read when the attempt begins, when it has its sample and when it '
  'finishes. The caller has locked the employee.';

create or replace function understudy.refuse_attempt(p_voice public.voices, p_action text, p_code text)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  update public.voices v
  set state = 'failed', code = p_code, closed_at = clock_timestamp()
  where v.id = p_voice.id;
  perform understudy.audit_attempt(p_voice, p_action, 'refused', jsonb_build_object('code', p_code));
  perform understudy.settle_erasure(p_voice.org_id, p_voice.employee_id);
  return jsonb_build_object('outcome', 'refused', 'code', p_code);
end
$$;
comment on function understudy.refuse_attempt(public.voices, text, text) is
  'Closes an attempt of which the vendor surely has no voice, audits it and returns the refusal.';
revoke all on all functions in schema understudy from public;
