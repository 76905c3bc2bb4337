-- Invitations: an employee, who has no account, answers by a link. The database keeps only the SHA-256 of each token, so nobody who reads
-- the database can answer for them.

create table if not exists public.voice_consent_invitations (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null,
  employee_id uuid not null,
  token_sha256 text not null unique check (token_sha256 ~ '^[0-9a-f]{64}$'),
  -- The locale of the text that the employee is shown, even if there is a newer text by then.
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
  same_origin_as_admin boolean,
  refused_after bigint,
  constraint voice_consent_invitations_refused check ((closed_as is not distinct from 'refused') = (refused_after is not null)),
  constraint voice_consent_invitations_closed check ((closed_at is null) = (closed_as is null)),
  constraint voice_consent_invitations_statement foreign key (statement_locale, statement_version)
    references public.voice_consent_statements (locale, version)
);
create unique index if not exists voice_consent_invitations_one_open
  on public.voice_consent_invitations (org_id, employee_id)
  where closed_at is null;
create index if not exists voice_consent_invitations_newest
  on public.voice_consent_invitations (org_id, employee_id, invited_at desc);
create index if not exists voice_consent_invitations_by_age on public.voice_consent_invitations (expires_at);
create index if not exists voice_consent_invitations_refused_after
  on public.voice_consent_invitations (org_id, employee_id, refused_after desc)
  where closed_as = 'refused';

comment on table public.voice_consent_invitations is
  'One-time links. The first answer uses a link up, and the next invitation supersedes it. Within the life of the link, a repeated answer '
  'gets the same reply.';
comment on column public.voice_consent_invitations.channel is
  'The channel of a refusal; address and user_agent also belong to it. Those of a grant are in its consent.';
comment on column public.voice_consent_invitations.same_origin_as_admin is
  'The mark of a refusal, with the same meaning as that of a consent.';
comment on column public.voice_consent_invitations.refused_after is
  'The number of the employee''s newest consent when they refused, or 0 if there was none. A later grant by a link has a greater number.';

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
      and least(p_invitation.expires_at, p_invitation.consent_expires_at) > understudy.time_now()
      and exists (
        select 1 from public.employees e where e.id = p_invitation.employee_id and e.org_id = p_invitation.org_id
      ),
    false
  )
$$;
comment on function understudy.is_open(public.voice_consent_invitations) is
  'True if the invitation may still be answered; false if there is none.';

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
  'Makes a link that is good for one answer; earlier links become void. p_expires_at is the end of the consent; p_valid_seconds is the '
  'life of the link. Outcomes: invited, not_a_member, employee_not_found, role_forbidden, consent_expiry_invalid, statement_not_found, '
  'purpose_unknown.';

create or replace function understudy.is_answered(p_invitation public.voice_consent_invitations)
returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(p_invitation.closed_as in ('granted', 'refused') and p_invitation.expires_at > understudy.time_now(), false)
$$;
comment on function understudy.is_answered(public.voice_consent_invitations) is
  'True if the invitation was answered and would still be open otherwise; false if there is none.';

create or replace function understudy.answer_of(p_invitation public.voice_consent_invitations)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select case p_invitation.closed_as
    when 'granted' then (
      select understudy.answered_json(c.granted_at, c.address, c.user_agent, c.same_origin_as_admin) || '{"granted": true}'
      from public.voice_consents c
      where c.invitation_id = p_invitation.id
    )
    when 'refused' then understudy.answered_json(
      p_invitation.closed_at, p_invitation.address, p_invitation.user_agent, p_invitation.same_origin_as_admin
    ) || '{"granted": false}'
  end
$$;
comment on function understudy.answer_of(public.voice_consent_invitations) is 'The answer, its time and its origin; null if there is none.';

create or replace function understudy.invitations_json(p_org_id uuid, p_employee_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', (newest.invitation).id,
        'state', coalesce(
          (newest.invitation).closed_as, case when understudy.is_open(newest.invitation) then 'open' else 'expired' end
        ),
        'purposes', (newest.invitation).purposes,
        'consent_expires_at', (newest.invitation).consent_expires_at,
        'invited_by', (newest.invitation).invited_by,
        'invited_at', (newest.invitation).invited_at,
        'expires_at', (newest.invitation).expires_at,
        'answered', understudy.answer_of(newest.invitation)
      )
      order by (newest.invitation).invited_at desc
    ),
    '[]'
  )
  from (
    select i as invitation
    from public.voice_consent_invitations i
    where i.org_id = p_org_id and i.employee_id = p_employee_id
    order by i.invited_at desc
    limit 50
  ) as newest
$$;
comment on function understudy.invitations_json(uuid, uuid) is
  'The newest fifty invitations of an employee, newest first, with the origin of each answer. They are for admins.';

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
  if not understudy.is_open(v_invitation) and not understudy.is_answered(v_invitation) then
    return jsonb_build_object('outcome', 'invitation_invalid');
  end if;
  return (
    select jsonb_build_object(
      'outcome', 'invitation',
      'status', case when v_invitation.closed_at is null then 'open' else 'answered' end,
      'employee_name', coalesce(e.full_name, ''),
      'organization_name', coalesce(o.name, ''),
      'statement', understudy.statement_json(s),
      'purposes', v_invitation.purposes,
      'consent_expires_at', v_invitation.consent_expires_at,
      'expires_at', v_invitation.expires_at,
      'answered', understudy.answer_of(v_invitation)
    )
    from public.voice_consent_statements s
    left join public.employees e on e.id = v_invitation.employee_id
    left join public.organizations o on o.id = v_invitation.org_id
    where s.locale = v_invitation.statement_locale and s.version = v_invitation.statement_version
  );
end
$$;
comment on function public.read_invitation(text) is
  'The question that a link asks the employee or, once it is answered, the answer and its origin. Reading does not use the link up. Every '
  'invalid link gets the same answer, so that guessing reveals nothing. Outcomes: invitation, invitation_invalid.';

revoke all on function
  public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int),
  public.read_invitation(text)
from public, anon, authenticated;
grant execute on function
  public.invite_to_consent(uuid, uuid, text, text, text[], timestamptz, int),
  public.read_invitation(text)
to service_role;
revoke all on all functions in schema understudy from public;
