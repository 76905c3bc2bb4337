-- What people ask of an erasure: to start it, and how far it is.

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
  'Erases everything, with or without a consent, also of an employee who has left. A live consent counts as withdrawn. '
  'Outcomes: started, not_a_member, employee_not_found, role_forbidden.';

create or replace function public.read_erasure(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_erasure public.voice_erasures;
  v_copies jsonb;
  v_kept jsonb;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'erasure.read', v_access.problem);
  end if;

  select * into v_erasure
  from public.voice_erasures e
  where e.org_id = v_access.caller_org_id and e.employee_id = p_employee_id
  order by e.number desc
  limit 1;
  if v_erasure.id is null then
    return jsonb_build_object('outcome', 'erasure', 'status', 'none', 'erasure', null);
  end if;

  select coalesce(
    jsonb_agg(
      jsonb_build_object(
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
  into v_copies
  from public.voice_erasure_copies c
  where c.erasure_id = v_erasure.id;

  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'what', 'the record of the consent: the hash of the statement, who recorded it, and when it was given and ended',
        'why', 'to prove that there was consent, and that its end was respected',
        'until', k.until
      )
    ) filter (where k.until is not null),
    '[]'
  )
  || jsonb_build_array(
    jsonb_build_object(
      'what', 'the ids of the calls, recordings and voices that were erased',
      'why', 'so that nothing brings them back, and to prove that they were erased',
      'until', null
    ),
    jsonb_build_object(
      'what', 'the audit: ids, times and what was done, without names or sound',
      'why', 'to account for what was done; a row taken out would break its chain',
      'until', null
    )
  )
  into v_kept
  from (
    select max(coalesce(c.ended_at, c.expires_at)) + interval '3 years' as until
    from public.voice_consents c
    where c.org_id = v_access.caller_org_id and c.employee_id = p_employee_id
  ) as k;

  return jsonb_build_object(
    'outcome', 'erasure',
    'status', case when v_erasure.erased_at is null then 'pending' else 'erased' end,
    'erasure', jsonb_build_object(
      'id', v_erasure.id,
      'reason', v_erasure.reason,
      'requested_at', v_erasure.requested_at,
      'erased_at', v_erasure.erased_at,
      'copies', v_copies,
      'kept', v_kept
    )
  );
end
$$;
comment on function public.read_erasure(uuid, uuid) is
  'The newest erasure with each copy''s state, and what stays, why and until when (null: as long as the service runs). '
  'Outcomes: erasure, not_a_member, employee_not_found.';

revoke all on function
  public.start_erasure(uuid, uuid, double precision),
  public.read_erasure(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.start_erasure(uuid, uuid, double precision),
  public.read_erasure(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;
