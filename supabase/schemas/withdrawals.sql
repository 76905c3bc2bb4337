-- Withdrawal by a token, which the employee gets when they answer an invitation. From then on, the token withdraws whichever consent is
-- live, and not only the one that it came with.

create table if not exists public.voice_withdrawal_tokens (
  token_sha256 text primary key check (token_sha256 ~ '^[0-9a-f]{64}$'),
  org_id uuid not null,
  employee_id uuid not null,
  invitation_id uuid not null references public.voice_consent_invitations (id) on delete cascade,
  consent_id uuid,
  handed_at timestamptz not null default clock_timestamp()
);
create index if not exists voice_withdrawal_tokens_by_invitation on public.voice_withdrawal_tokens (invitation_id);
comment on table public.voice_withdrawal_tokens is
  'Tokens of employees. Each withdraws the employee''s live consent in this organisation, whoever recorded it, even if that has '
  'superseded the consent which the token came with.';
comment on column public.voice_withdrawal_tokens.consent_id is 'The consent that was live when the token was handed out.';

alter table public.voice_withdrawal_tokens enable row level security;
revoke all on public.voice_withdrawal_tokens from public, anon, authenticated, service_role;
grant select on public.voice_withdrawal_tokens to service_role;

create or replace function understudy.hand_withdrawal_token(
  p_token_sha256 text,
  p_invitation public.voice_consent_invitations,
  p_consent_id uuid
)
returns void
language sql
set search_path = ''
as $$
  insert into public.voice_withdrawal_tokens (token_sha256, org_id, employee_id, invitation_id, consent_id)
  values (p_token_sha256, p_invitation.org_id, p_invitation.employee_id, p_invitation.id, p_consent_id)
  on conflict (token_sha256) do nothing
$$;
comment on function understudy.hand_withdrawal_token(text, public.voice_consent_invitations, uuid) is
  'Makes the token valid for withdrawals. A repeated answer repeats this, and derives the same token.';

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
  v_token public.voice_withdrawal_tokens;
  v_consent public.voice_consents;
  v_erasure_id uuid;
begin
  select * into v_token from public.voice_withdrawal_tokens t where t.token_sha256 = p_token_sha256;
  if v_token.token_sha256 is null then
    return jsonb_build_object('outcome', 'consent_token_invalid');
  end if;
  -- An employee who has left by now can still withdraw.
  perform understudy.lock_employee(v_token.employee_id);
  v_consent := understudy.newest_consent(v_token.org_id, v_token.employee_id);
  if v_consent.ended_as = 'withdrawn' then
    return jsonb_build_object('outcome', 'withdrawn', 'erasure_id', understudy.ending_erasure(v_consent));
  end if;
  if not understudy.is_live(v_consent) then
    return understudy.refuse(
      v_token.org_id, v_token.employee_id, null, 'consent.withdraw', 'consent_token_invalid',
      jsonb_build_object('consent_id', v_consent.id)
    );
  end if;

  perform understudy.end_consent(v_token.org_id, v_token.employee_id, 'withdrawn', null, p_address, p_user_agent);
  v_erasure_id := understudy.erase(v_token.org_id, v_token.employee_id, 'withdrawn', null, understudy.asked_at(p_now));
  perform understudy.note_ending_erasure(v_consent.id, v_erasure_id);
  perform understudy.audit(
    v_token.org_id, v_token.employee_id, null, 'consent.withdraw', 'withdrawn',
    jsonb_build_object('consent_id', v_consent.id, 'erasure_id', v_erasure_id)
  );
  return jsonb_build_object('outcome', 'withdrawn', 'erasure_id', v_erasure_id);
end
$$;
comment on function public.withdraw_with_token(text, text, text, double precision) is
  'Withdraws like withdraw_voice_consent, but for the employee, whose token is enough. A repeated call gets the same answer. '
  'consent_token_invalid: there is no such token, or no consent is live and the last one was not withdrawn. Outcomes: withdrawn, '
  'consent_token_invalid.';

create or replace function public.read_withdrawal(p_token_sha256 text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_token public.voice_withdrawal_tokens;
  v_consent public.voice_consents;
begin
  select * into v_token from public.voice_withdrawal_tokens t where t.token_sha256 = p_token_sha256;
  v_consent := understudy.newest_consent(v_token.org_id, v_token.employee_id);
  if v_consent.ended_as = 'withdrawn' then
    return jsonb_build_object('outcome', 'withdrawal', 'status', 'withdrawn', 'consent', null);
  end if;
  if not understudy.is_live(v_consent) then
    return jsonb_build_object('outcome', 'consent_token_invalid');
  end if;
  return jsonb_build_object(
    'outcome', 'withdrawal',
    'status', 'live',
    'consent', jsonb_build_object(
      'purposes', v_consent.purposes,
      'purpose_descriptions', understudy.describe_purposes(
        v_consent.statement_version, v_consent.statement_sha256, v_consent.purposes
      ),
      'method', v_consent.method,
      'evidence_unverified', v_consent.evidence_unverified,
      'recorded_at', v_consent.granted_at,
      'expires_at', v_consent.expires_at,
      'answered', case
        when v_consent.invitation_id is not null then understudy.answered_json(
          v_consent.granted_at, v_consent.address, v_consent.user_agent, v_consent.same_origin_as_admin
        )
      end
    )
  );
end
$$;
comment on function public.read_withdrawal(text) is
  'The consent that the token would withdraw, whoever recorded it, for the employee to see. Outcomes: withdrawal, consent_token_invalid.';

revoke all on function
  public.withdraw_with_token(text, text, text, double precision), public.read_withdrawal(text)
from public, anon, authenticated;
grant execute on function
  public.withdraw_with_token(text, text, text, double precision), public.read_withdrawal(text)
to service_role;
revoke all on all functions in schema understudy from public;
