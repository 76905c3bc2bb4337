-- The functions with which users request an erasure and read its progress.

create or replace function public.start_erasure(p_user_id uuid, p_employee_id uuid, p_now double precision default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent_id uuid;
  v_erasure_id uuid;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'erasure.start', v_access.problem);
  end if;

  v_consent_id := understudy.end_consent(v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id);
  v_erasure_id := understudy.erase(
    v_access.caller_org_id, p_employee_id, 'requested', p_user_id, understudy.asked_at(p_now)
  );
  if v_consent_id is not null then
    perform understudy.audit(
      v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'withdrawn',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
  end if;
  return jsonb_build_object('outcome', 'started', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.start_erasure(uuid, uuid, double precision) is
  'Erases everything, with or without a consent, also of an employee who has left. A live consent counts as withdrawn. Outcomes: started, '
  'not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.kept(p_what text, p_why text, p_until timestamptz)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object('what', p_what, 'why', p_why, 'until', p_until)
$$;

create or replace function understudy.proof_of_consent(
  p_org_id uuid,
  p_employee_id uuid,
  out until timestamptz,
  out has_address boolean,
  out has_evidence boolean
)
language sql
stable
set search_path = ''
as $$
  select
    max(coalesce(c.ended_at, c.expires_at)) + understudy.proof_period(),
    bool_or(c.address is not null or c.user_agent is not null or c.ended_address is not null),
    bool_or(c.evidence_reference is not null)
  from (
    select * from public.voice_consents c
    where c.org_id = p_org_id and c.employee_id = p_employee_id
    order by c.number desc limit 100
  ) c
$$;
comment on function understudy.proof_of_consent(uuid, uuid) is
  'The data that are kept of an employee''s newest hundred consents, and the time until which they are kept; nulls if there are none.';

create or replace function understudy.invited_until(p_org_id uuid, p_employee_id uuid)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select max(coalesce(i.closed_at, i.expires_at)) + understudy.proof_period()
  from public.voice_consent_invitations i
  where i.org_id = p_org_id and i.employee_id = p_employee_id
$$;
comment on function understudy.invited_until(uuid, uuid) is
  'The time until which an employee''s invitations are kept; null if there are none.';

create or replace function understudy.audited_until(p_org_id uuid, p_employee_id uuid)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  select a.at + understudy.proof_period()
  from public.voice_audit a
  where a.org_id = p_org_id and a.employee_id = p_employee_id
  order by a.seq desc
  limit 1
$$;
comment on function understudy.audited_until(uuid, uuid) is 'The time until which the audit of an employee is kept; null if there is none.';

create or replace function understudy.kept_after_erasure(p_erasure public.voice_erasures)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  v_invited_until constant timestamptz := understudy.invited_until(p_erasure.org_id, p_erasure.employee_id);
  v_audited_until constant timestamptz := understudy.audited_until(p_erasure.org_id, p_erasure.employee_id);
  v_consents record;
begin
  select * into v_consents from understudy.proof_of_consent(p_erasure.org_id, p_erasure.employee_id);
  return (
    select coalesce(jsonb_agg(k.entry) filter (where k.is_there), '[]')
    from (
      values
        (v_consents.until is not null, understudy.kept(
          'the record of the consent: the statement, its hash and the purposes, who recorded it, and when it was given and ended',
          'to prove that there was consent, and that its end was respected', v_consents.until
        )),
        (v_consents.has_evidence, understudy.kept(
          'the evidence of the consent: the signed paper or the recorded call, with its reference and hash',
          'to prove that there was consent', v_consents.until
        )),
        (v_consents.has_address, understudy.kept(
          'the address and user agent from which the consent was given or withdrawn',
          'to prove who gave and who withdrew it', v_consents.until
        )),
        (v_invited_until is not null, understudy.kept(
          'the invitations: when they were made and answered, and from which address and user agent one was refused',
          'to prove that a refusal was respected', v_invited_until
        )),
        (true, understudy.kept(
          'the ids of the calls, recordings and voices that were erased, and when each was',
          'so that nothing brings them back, and to prove that they were erased', p_erasure.erased_at + understudy.proof_period()
        )),
        (v_audited_until is not null, understudy.kept(
          'the audit: ids, times and what was done, without names or sound', 'to account for what was done', v_audited_until
        ))
    ) as k (is_there, entry)
  );
end
$$;
comment on function understudy.kept_after_erasure(public.voice_erasures) is
  'The data of an employee that stay, each with the reason and the time at which the purge takes them; null while the erasure is under '
  'way.';

create or replace function understudy.shown_copies(p_erasure_id uuid, p_after bigint, p_limit int)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'number', c.number,
        'kind', c.kind,
        'reference', c.reference,
        'state', c.state,
        'attempts', c.attempts,
        'last_error', c.last_error,
        'erased_at', c.erased_at
      )
      order by c.number
    ),
    '[]'
  )
  from (
    select *
    from public.voice_erasure_copies c
    where c.erasure_id = p_erasure_id and c.number > coalesce(p_after, 0)
    order by c.number
    limit p_limit
  ) c
$$;

create or replace function public.read_erasure(p_user_id uuid, p_employee_id uuid, p_after bigint default null)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_page constant int := 200;
  v_access record;
  v_erasure public.voice_erasures;
  v_copies jsonb;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'erasure.read', v_access.problem);
  end if;
  v_erasure := understudy.last_erasure(v_access.caller_org_id, p_employee_id);
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure', 'status', 'none', 'erasure', null);
  end if;

  v_copies := understudy.shown_copies(v_erasure.id, p_after, v_page);
  return jsonb_build_object(
    'outcome', 'erasure',
    'status', case
      when v_erasure.erased_at is null then 'pending'
      when v_erasure.copies_kept_elsewhere > 0 then 'kept_elsewhere'
      else 'erased'
    end,
    'erasure', jsonb_build_object(
      'id', v_erasure.id,
      'scope', v_erasure.scope,
      'reason', v_erasure.reason,
      'requested_at', v_erasure.requested_at,
      'erased_at', v_erasure.erased_at,
      'is_listed', v_erasure.listed_at is not null,
      'copies_total', v_erasure.copies,
      'copies_left', v_erasure.copies_left,
      'copies_kept_elsewhere', v_erasure.copies_kept_elsewhere,
      'copies', v_copies,
      'next_after', case when jsonb_array_length(v_copies) = v_page then v_copies -> -1 -> 'number' end,
      'kept', understudy.kept_after_erasure(v_erasure)
    )
  );
end
$$;
comment on function public.read_erasure(uuid, uuid, bigint) is
  'The newest erasure with the state of each copy, 200 at once, and the data that stay, with the reason and the time. next_after is the '
  'p_after of the next page. The status kept_elsewhere means that everything in our reach is erased, and some copy is out of our reach. '
  'Outcomes: erasure, not_a_member, employee_not_found.';

revoke all on function
  public.start_erasure(uuid, uuid, double precision),
  public.read_erasure(uuid, uuid, bigint)
from public, anon, authenticated;
grant execute on function
  public.start_erasure(uuid, uuid, double precision),
  public.read_erasure(uuid, uuid, bigint)
to service_role;
revoke all on all functions in schema understudy from public;
