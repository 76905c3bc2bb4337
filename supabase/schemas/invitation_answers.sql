-- The employee's answer to an invitation.

create or replace function understudy.refuse_by_link(
  p_invitation public.voice_consent_invitations,
  p_channel text,
  p_address text,
  p_user_agent text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(),
      closed_as = 'refused',
      channel = p_channel,
      address = left(p_address, 100),
      user_agent = left(p_user_agent, 500),
      same_origin_as_admin = understudy.is_admin_origin(i.org_id, p_address, p_user_agent),
      refused_after = coalesce((understudy.newest_consent(i.org_id, i.employee_id)).number, 0)
  where i.id = p_invitation.id;
  perform understudy.audit(
    p_invitation.org_id, p_invitation.employee_id, null, 'consent.answer', 'refused',
    jsonb_build_object('invitation_id', p_invitation.id)
  );
end
$$;
comment on function understudy.refuse_by_link(public.voice_consent_invitations, text, text, text) is
  'Uses the link up. An earlier consent stays as it is, because a refusal is not a withdrawal.';

create or replace function understudy.grant_by_link(
  p_invitation public.voice_consent_invitations,
  p_channel text,
  p_address text,
  p_user_agent text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  v_statement public.voice_consent_statements;
  v_consent public.voice_consents;
begin
  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(), closed_as = 'granted'
  where i.id = p_invitation.id;
  select * into v_statement
  from public.voice_consent_statements s
  where s.locale = p_invitation.statement_locale and s.version = p_invitation.statement_version;

  v_consent.org_id := p_invitation.org_id;
  v_consent.employee_id := p_invitation.employee_id;
  v_consent.statement_version := v_statement.version;
  v_consent.statement_sha256 := v_statement.sha256;
  v_consent.method := 'self_service';
  v_consent.evidence_unverified := false;
  v_consent.purposes := p_invitation.purposes;
  v_consent.recorded_by := p_invitation.invited_by;
  v_consent.invitation_id := p_invitation.id;
  v_consent.channel := p_channel;
  v_consent.address := left(p_address, 100);
  v_consent.user_agent := left(p_user_agent, 500);
  v_consent.same_origin_as_admin := understudy.is_admin_origin(p_invitation.org_id, p_address, p_user_agent);
  v_consent.expires_at := p_invitation.consent_expires_at;
  perform understudy.record_consent(v_consent, null);
end
$$;
comment on function understudy.grant_by_link(public.voice_consent_invitations, text, text, text) is
  'Uses the link up, and records the consent. A consent of the method self_service comes about only here.';

create or replace function understudy.answer_json(p_invitation_id uuid, p_withdrawal_token_sha256 text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  v_invitation public.voice_consent_invitations;
  v_consent public.voice_consents;
begin
  select * into v_invitation from public.voice_consent_invitations i where i.id = p_invitation_id;
  if v_invitation.closed_as = 'granted' then
    select * into v_consent from public.voice_consents c where c.invitation_id = p_invitation_id;
    perform understudy.hand_withdrawal_token(p_withdrawal_token_sha256, v_invitation, v_consent.id);
    return jsonb_build_object(
      'outcome', 'granted',
      'consent_id', v_consent.id,
      'expires_at', v_invitation.consent_expires_at,
      'status', coalesce(v_consent.ended_as, case when understudy.is_live(v_consent) then 'live' else 'expired' end),
      'token_handed', true
    );
  end if;
  v_consent := understudy.newest_consent(v_invitation.org_id, v_invitation.employee_id);
  if understudy.is_live(v_consent) then
    perform understudy.hand_withdrawal_token(p_withdrawal_token_sha256, v_invitation, v_consent.id);
  end if;
  return jsonb_build_object(
    'outcome', 'refused',
    'live_consent', case
      when understudy.is_live(v_consent) then jsonb_build_object(
        'purposes', v_consent.purposes,
        'method', v_consent.method,
        'expires_at', v_consent.expires_at,
        'evidence_unverified', v_consent.evidence_unverified
      )
    end,
    'token_handed', exists (
      select from public.voice_withdrawal_tokens t where t.token_sha256 = p_withdrawal_token_sha256
    )
  );
end
$$;
comment on function understudy.answer_json(uuid, text) is
  'The reply to an employee''s answer, which is the same for each repetition. After a refusal it has the consent that still lives; the '
  'token ends that one.';

create or replace function public.answer_invitation(
  p_token_sha256 text,
  p_granted boolean,
  p_withdrawal_token_sha256 text,
  p_channel text,
  p_address text,
  p_user_agent text
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_invitation public.voice_consent_invitations;
  v_problem text;
begin
  if p_granted is null or p_withdrawal_token_sha256 is null then
    raise exception 'an answer is yes or no, and comes with a token to withdraw what lives';
  end if;
  select * into v_invitation from public.voice_consent_invitations i where i.token_sha256 = p_token_sha256;
  if v_invitation.id is null then
    -- Without an organisation there is no audit row, because strangers could fill the audit.
    return jsonb_build_object('outcome', 'invitation_invalid');
  end if;
  perform understudy.lock_employee(v_invitation.employee_id);
  select * into v_invitation from public.voice_consent_invitations i where i.id = v_invitation.id for update;
  v_problem := case
    when understudy.is_open(v_invitation) then null
    when not understudy.is_answered(v_invitation) then 'invitation_invalid'
    when (v_invitation.closed_as = 'granted') <> p_granted then 'invitation_answered'
  end;
  if v_problem is not null then
    return understudy.refuse(
      v_invitation.org_id, v_invitation.employee_id, null, 'consent.answer', v_problem,
      jsonb_build_object('invitation_id', v_invitation.id)
    );
  end if;

  if v_invitation.closed_at is null and p_granted then
    perform understudy.grant_by_link(v_invitation, p_channel, p_address, p_user_agent);
  elsif v_invitation.closed_at is null then
    perform understudy.refuse_by_link(v_invitation, p_channel, p_address, p_user_agent);
  end if;
  return understudy.answer_json(v_invitation.id, p_withdrawal_token_sha256);
end
$$;
comment on function public.answer_invitation(text, boolean, text, text, text, text) is
  'Uses the link up. A repeated answer within the life of the link changes nothing and gets the same reply. token_handed: true if the '
  'token withdraws something from now on. Outcomes: granted, refused, invitation_invalid, invitation_answered.';

revoke all on function public.answer_invitation(text, boolean, text, text, text, text) from public, anon, authenticated;
grant execute on function public.answer_invitation(text, boolean, text, text, text, text) to service_role;
revoke all on all functions in schema understudy from public;
