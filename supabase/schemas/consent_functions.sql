-- The functions with which an organisation's users grant, withdraw and read consents. The functions for employees are in invitations.sql.

create or replace function public.grant_voice_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_statement_version text,
  p_statement_sha256 text,
  p_method text,
  p_evidence_reference text,
  p_evidence_sha256 text,
  p_purposes text[],
  p_expires_at timestamptz,
  p_read text default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_evidence record;
  v_problem text;
  v_consent public.voice_consents;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  v_consent.org_id := v_access.caller_org_id;
  v_consent.employee_id := p_employee_id;
  v_consent.statement_version := p_statement_version;
  v_consent.statement_sha256 := p_statement_sha256;
  v_consent.method := p_method;
  v_consent.evidence_reference := p_evidence_reference;
  v_consent.evidence_sha256 := p_evidence_sha256;
  v_consent.purposes := p_purposes;
  v_consent.recorded_by := p_user_id;
  v_consent.expires_at := p_expires_at;
  select * into v_evidence from understudy.find_evidence(v_consent.org_id, p_employee_id, p_method, p_evidence_reference);
  v_problem := coalesce(
    v_access.problem,
    understudy.consent_problem(v_consent),
    v_evidence.problem,
    understudy.evidence_problem(v_evidence.object, p_evidence_sha256, v_evidence.sha256, p_read)
  );
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.grant', v_problem);
  end if;
  if v_evidence.object is not null and p_read is null then
    perform understudy.note_evidence(v_access.caller_org_id, p_employee_id, v_evidence.object);
    return jsonb_build_object('outcome', 'evidence_wanted', 'object', v_evidence.object, 'copy_from', v_evidence.copy_from);
  end if;

  v_consent.evidence_object := v_evidence.object;
  v_consent.evidence_unverified := v_evidence.object is null;
  return jsonb_build_object(
    'outcome', 'granted',
    'consent_id', understudy.record_consent(v_consent, p_user_id),
    'evidence_unverified', v_consent.evidence_unverified
  );
end
$$;
comment on function public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz, text) is
  'Records a consent, which supersedes the one before. The first call comes without p_read: its answer names the evidence to read, or the '
  'recording to copy there. The second call states what was read (a hash, or missing, too_large, unreadable), and records the consent. '
  'Outcomes: granted, evidence_wanted, not_a_member, employee_not_found, role_forbidden, consent_method_invalid, consent_expiry_invalid, '
  'statement_unknown, purpose_unknown, consent_needs_employee, evidence_missing, evidence_unreadable, evidence_mismatch, '
  'evidence_too_large.';

create or replace function public.withdraw_voice_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_now double precision default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_consent_id uuid;
  v_erasure_id uuid;
  v_newest public.voice_consents;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', v_access.problem);
  end if;

  v_consent_id := understudy.end_consent(v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id);
  if v_consent_id is null then
    v_newest := understudy.newest_consent(v_access.caller_org_id, p_employee_id);
    if v_newest.ended_as is distinct from 'withdrawn' then
      return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'no_consent');
    end if;
    v_consent_id := v_newest.id;
    v_erasure_id := understudy.ending_erasure(v_newest);
  else
    v_erasure_id := understudy.erase(
      v_access.caller_org_id, p_employee_id, 'withdrawn', p_user_id, understudy.asked_at(p_now)
    );
    perform understudy.note_ending_erasure(v_consent_id, v_erasure_id);
    perform understudy.audit(
      v_access.caller_org_id, p_employee_id, p_user_id, 'consent.withdraw', 'withdrawn',
      jsonb_build_object('consent_id', v_consent_id, 'erasure_id', v_erasure_id)
    );
  end if;
  return jsonb_build_object('outcome', 'withdrawn', 'consent_id', v_consent_id, 'erasure_id', v_erasure_id);
end
$$;
comment on function public.withdraw_voice_consent(uuid, uuid, double precision) is
  'Ends the consent at once: no voice is current, no attempt starts, no recording counts, and the attempt under way is refused when it '
  'finishes. erasure_id names the erasure that then reaches every copy. A repeated call gets the same answer. no_consent: there is none, '
  'or it has expired. Outcomes: withdrawn, no_consent, not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.answered_json(
  p_at timestamptz,
  p_address text,
  p_user_agent text,
  p_same_origin_as_admin boolean
)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'at', p_at,
    'address', p_address,
    'user_agent', p_user_agent,
    'same_origin_as_admin', coalesce(p_same_origin_as_admin, false)
  )
$$;
comment on function understudy.answered_json(timestamptz, text, text, boolean) is
  'The origin of an answer by a link, as far as it is known. Admins and the employee see it, so that both notice an answer by somebody '
  'else.';

create or replace function understudy.consent_json(p_consent public.voice_consents, p_for_admin boolean)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'id', p_consent.id,
    'statement_version', p_consent.statement_version,
    'statement_sha256', p_consent.statement_sha256,
    'method', p_consent.method,
    'evidence_reference', p_consent.evidence_reference,
    'evidence_sha256', p_consent.evidence_sha256,
    'evidence_unverified', p_consent.evidence_unverified,
    'purposes', p_consent.purposes,
    'granted_at', p_consent.granted_at,
    'expires_at', p_consent.expires_at,
    'ended_at', p_consent.ended_at,
    'ended_as', p_consent.ended_as,
    'recorded_by', p_consent.recorded_by,
    'channel', p_consent.channel
  ) || case
    when not p_for_admin then '{}'
    when p_consent.invitation_id is null then jsonb_build_object('answered', null)
    else jsonb_build_object('answered', understudy.answered_json(
      p_consent.granted_at, p_consent.address, p_consent.user_agent, p_consent.same_origin_as_admin
    ))
  end
$$;
comment on function understudy.consent_json(public.voice_consents, boolean) is
  'A consent, as the API shows it. Its `answered` has the address and user agent, which are for admins; it is null for a consent that was '
  'not given by a link.';

create or replace function public.read_voice_consent(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_is_admin boolean;
  v_history jsonb;
  v_problem text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, false, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.read', v_access.problem);
  end if;
  select coalesce(u.role::text = 'admin', false) into v_is_admin from public.users u where u.id = p_user_id;

  -- The problem does not depend on the purpose, because this reports on the consent and not on one use of it.
  select c.problem into v_problem from understudy.check_consent(v_access.caller_org_id, p_employee_id, 'voice_clone') c;
  select coalesce(jsonb_agg(understudy.consent_json(newest.consent, v_is_admin) order by (newest.consent).number desc), '[]')
  into v_history
  from (
    select c as consent
    from public.voice_consents c
    where c.org_id = v_access.caller_org_id and c.employee_id = p_employee_id
    order by c.number desc
    limit 50
  ) as newest;
  return jsonb_build_object(
    'outcome', 'consent',
    'status', case v_problem
      when 'consent_required' then 'none'
      when 'consent_withdrawn' then 'withdrawn'
      when 'consent_expired' then 'expired'
      else 'live'
    end,
    'consent', v_history -> 0,
    'history', v_history
  ) || case
    when v_is_admin then jsonb_build_object('invitations', understudy.invitations_json(v_access.caller_org_id, p_employee_id))
    else '{}'
  end;
end
$$;
comment on function public.read_voice_consent(uuid, uuid) is
  'The newest consent, live or not, and the newest fifty, newest first; also of an employee who has left. Admins also see the newest '
  'fifty invitations, and the origin of each answer. Outcomes: consent, not_a_member, employee_not_found.';

revoke all on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz, text),
  public.withdraw_voice_consent(uuid, uuid, double precision),
  public.read_voice_consent(uuid, uuid)
from public, anon, authenticated;
grant execute on function
  public.grant_voice_consent(uuid, uuid, text, text, text, text, text, text[], timestamptz, text),
  public.withdraw_voice_consent(uuid, uuid, double precision),
  public.read_voice_consent(uuid, uuid)
to service_role;
revoke all on all functions in schema understudy from public;
