-- Self-service: the employee, who has no account, answers by a link and may withdraw by another. The database knows of each
-- token only its SHA-256, so nobody who reads it can answer for them.

create table if not exists public.voice_consent_invitations (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null,
  employee_id uuid not null,
  token_sha256 text not null unique check (token_sha256 ~ '^[0-9a-f]{64}$'),
  -- The very text that the employee is shown, even if there is a newer one by then.
  statement_locale text not null,
  statement_version text not null,
  purposes text[] not null check (cardinality(purposes) > 0 and array_position(purposes, null) is null),
  consent_expires_at timestamptz not null,
  invited_by uuid not null,
  invited_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  closed_at timestamptz,
  closed_as text check (closed_as in ('granted', 'refused', 'superseded')),
  channel text check (channel ~ '^[a-z0-9_-]{1,40}$'),
  address text check (length(address) <= 100),
  user_agent text check (length(user_agent) <= 500),
  constraint voice_consent_invitations_closed check ((closed_at is null) = (closed_as is null)),
  constraint voice_consent_invitations_statement foreign key (statement_locale, statement_version)
    references public.voice_consent_statements (locale, version)
);
create unique index if not exists voice_consent_invitations_one_open
  on public.voice_consent_invitations (org_id, employee_id)
  where closed_at is null;

comment on table public.voice_consent_invitations is 'One-time links. A link is used up by the first answer, or superseded by the next invitation.';
comment on column public.voice_consent_invitations.channel is 'How a refusal came, with address and user_agent. A grant''s are in its consent.';

alter table public.voice_consent_invitations enable row level security;
revoke all on public.voice_consent_invitations from public, anon, authenticated, service_role;
grant select on public.voice_consent_invitations to service_role;

create or replace function understudy.is_open(p_invitation public.voice_consent_invitations)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(
    p_invitation.closed_at is null
      and least(p_invitation.expires_at, p_invitation.consent_expires_at) > clock_timestamp()
      and exists (
        select 1 from public.employees e where e.id = p_invitation.employee_id and e.org_id = p_invitation.org_id
      ),
    false
  )
$$;
comment on function understudy.is_open(public.voice_consent_invitations) is 'Whether it may still be answered; false for none.';

create or replace function public.invite_to_consent(
  p_user_id uuid,
  p_employee_id uuid,
  p_token_sha256 text,
  p_locale text,
  p_purposes text[],
  p_expires_at timestamptz,
  p_valid_seconds int
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_statement public.voice_consent_statements;
  v_problem text;
  v_invitation public.voice_consent_invitations;
begin
  if (p_valid_seconds between 1 and 7776000) is not true then
    raise exception 'an invitation is valid from 1 second to 90 days';
  end if;
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  select * into v_statement from understudy.current_statement(coalesce(p_locale, 'en'));
  v_problem := case
    when v_access.problem is not null then v_access.problem
    when not understudy.is_valid_expiry(p_expires_at) then 'consent_expiry_invalid'
    when v_statement.version is null then 'statement_not_found'
    when (p_purposes <@ v_statement.purposes and cardinality(p_purposes) > 0) is not true then 'purpose_unknown'
  end;
  if v_problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.invite', v_problem);
  end if;

  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(), closed_as = 'superseded'
  where i.org_id = v_access.caller_org_id and i.employee_id = p_employee_id and i.closed_at is null;
  insert into public.voice_consent_invitations (
    org_id, employee_id, token_sha256, statement_locale, statement_version, purposes, consent_expires_at, invited_by, expires_at
  )
  values (
    v_access.caller_org_id, p_employee_id, p_token_sha256, v_statement.locale, v_statement.version, p_purposes, p_expires_at,
    p_user_id, clock_timestamp() + make_interval(secs => p_valid_seconds)
  )
  returning * into v_invitation;

  perform understudy.audit(
    v_access.caller_org_id, p_employee_id, p_user_id, 'consent.invite', 'invited',
    jsonb_build_object('invitation_id', v_invitation.id, 'statement_sha256', v_statement.sha256, 'expires_at', v_invitation.expires_at)
  );
  return jsonb_build_object('outcome', 'invited', 'invitation_id', v_invitation.id, 'expires_at', v_invitation.expires_at);
end
$$;
comment on function public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int) is
  'Makes a link good for one answer; links given out before are void. p_expires_at: of the consent, p_valid_seconds: of the link. '
  'Outcomes: invited, not_a_member, employee_not_found, role_forbidden, consent_expiry_invalid, statement_not_found, purpose_unknown.';

create or replace function public.read_invitation(p_token_sha256 text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_invitation public.voice_consent_invitations;
begin
  select * into v_invitation from public.voice_consent_invitations i where i.token_sha256 = p_token_sha256;
  if not understudy.is_open(v_invitation) then
    return jsonb_build_object('outcome', 'invitation_invalid');
  end if;
  return (
    select jsonb_build_object(
      'outcome', 'invitation',
      'employee_name', coalesce(e.full_name, ''),
      'organization_name', coalesce(o.name, ''),
      'statement', understudy.statement_json(s),
      'purposes', v_invitation.purposes,
      'consent_expires_at', v_invitation.consent_expires_at,
      'expires_at', v_invitation.expires_at
    )
    from public.voice_consent_statements s
    left join public.employees e on e.id = v_invitation.employee_id
    left join public.organizations o on o.id = v_invitation.org_id
    where s.locale = v_invitation.statement_locale and s.version = v_invitation.statement_version
  );
end
$$;
comment on function public.read_invitation(text) is
  'What the employee is asked. Does not use the link up. One answer for every link that is no good, so that nothing can be learnt by '
  'guessing. Outcomes: invitation, invitation_invalid.';

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
  v_statement public.voice_consent_statements;
  v_consent public.voice_consents;
begin
  if p_granted is null or (p_granted and p_withdrawal_token_sha256 is null) then
    raise exception 'an answer is yes or no, and a yes comes with a token to withdraw it';
  end if;
  select * into v_invitation from public.voice_consent_invitations i where i.token_sha256 = p_token_sha256;
  if v_invitation.id is null then
    -- No organisation, so no audit row: strangers could fill it.
    return jsonb_build_object('outcome', 'invitation_invalid');
  end if;
  perform understudy.lock_employee(v_invitation.employee_id);
  select * into v_invitation from public.voice_consent_invitations i where i.id = v_invitation.id for update;
  if not understudy.is_open(v_invitation) then
    return understudy.refuse(
      v_invitation.org_id, v_invitation.employee_id, null, 'consent.answer', 'invitation_invalid',
      jsonb_build_object('invitation_id', v_invitation.id)
    );
  end if;

  if not p_granted then
    update public.voice_consent_invitations i
    set closed_at = clock_timestamp(),
        closed_as = 'refused',
        channel = p_channel,
        address = left(p_address, 100),
        user_agent = left(p_user_agent, 500)
    where i.id = v_invitation.id;
    perform understudy.audit(
      v_invitation.org_id, v_invitation.employee_id, null, 'consent.answer', 'refused',
      jsonb_build_object('invitation_id', v_invitation.id)
    );
    return jsonb_build_object('outcome', 'refused');
  end if;

  update public.voice_consent_invitations i
  set closed_at = clock_timestamp(), closed_as = 'granted'
  where i.id = v_invitation.id;
  select * into v_statement
  from public.voice_consent_statements s
  where s.locale = v_invitation.statement_locale and s.version = v_invitation.statement_version;

  v_consent.org_id := v_invitation.org_id;
  v_consent.employee_id := v_invitation.employee_id;
  v_consent.statement_version := v_statement.version;
  v_consent.statement_sha256 := v_statement.sha256;
  v_consent.method := 'self_service';
  v_consent.purposes := v_invitation.purposes;
  v_consent.recorded_by := v_invitation.invited_by;
  v_consent.invitation_id := v_invitation.id;
  v_consent.withdrawal_token_sha256 := p_withdrawal_token_sha256;
  v_consent.channel := p_channel;
  v_consent.address := left(p_address, 100);
  v_consent.user_agent := left(p_user_agent, 500);
  v_consent.expires_at := v_invitation.consent_expires_at;
  return jsonb_build_object(
    'outcome', 'granted',
    'consent_id', understudy.record_consent(v_consent, null),
    'expires_at', v_invitation.consent_expires_at
  );
end
$$;
comment on function public.answer_invitation(text, boolean, text, text, text, text) is
  'Uses the link up. A refusal leaves an earlier consent as it is: withdrawing is another act. Outcomes: granted, refused, invitation_invalid.';

create or replace function public.withdraw_with_token(
  p_token_sha256 text,
  p_address text,
  p_user_agent text,
  p_now double precision default null
)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_consent public.voice_consents;
  v_erasure_id uuid;
begin
  select * into v_consent from public.voice_consents c where c.withdrawal_token_sha256 = p_token_sha256;
  if v_consent.id is null then
    return jsonb_build_object('outcome', 'consent_token_invalid');
  end if;
  -- The employee may have left by now, and still withdraws.
  perform understudy.lock_employee(v_consent.employee_id);
  select * into v_consent from public.voice_consents c where c.id = v_consent.id for update;

  if v_consent.ended_as = 'withdrawn' then
    select e.id into v_erasure_id
    from public.voice_erasures e
    where e.org_id = v_consent.org_id and e.employee_id = v_consent.employee_id and e.erased_at is null;
    return jsonb_build_object('outcome', 'withdrawn', 'erasure_id', v_erasure_id);
  end if;
  if v_consent.ended_at is not null or v_consent.expires_at <= clock_timestamp() then
    return understudy.refuse(
      v_consent.org_id, v_consent.employee_id, null, 'consent.withdraw', 'consent_token_invalid',
      jsonb_build_object('consent_id', v_consent.id)
    );
  end if;

  perform understudy.end_consent(v_consent.org_id, v_consent.employee_id, 'withdrawn', null, p_address, p_user_agent);
  v_erasure_id := understudy.erase(
    v_consent.org_id, v_consent.employee_id, 'withdrawn', null, understudy.asked_at(p_now)
  );
  perform understudy.audit(
    v_consent.org_id, v_consent.employee_id, null, 'consent.withdraw', 'withdrawn',
    jsonb_build_object('consent_id', v_consent.id, 'erasure_id', v_erasure_id)
  );
  return jsonb_build_object('outcome', 'withdrawn', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.withdraw_with_token(text, text, text, double precision) is
  'Like withdraw_voice_consent, by the employee, who asks nobody. Again later: the same answer. Outcomes: withdrawn, consent_token_invalid.';

revoke all on function
  public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int),
  public.read_invitation(text),
  public.answer_invitation(text, boolean, text, text, text, text),
  public.withdraw_with_token(text, text, text, double precision)
from public, anon, authenticated;
grant execute on function
  public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int),
  public.read_invitation(text),
  public.answer_invitation(text, boolean, text, text, text, text),
  public.withdraw_with_token(text, text, text, double precision)
to service_role;
revoke all on all functions in schema understudy from public;
