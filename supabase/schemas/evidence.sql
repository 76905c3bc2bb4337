-- Evidence of a consent that an admin records: a signed paper that was uploaded, or a recording of the call in which the employee agreed.
-- Both lie in the private bucket `voice-consent-evidence`, under {org_id}/{employee_id}/, and outlive the erasure of the recordings.

create table if not exists public.voice_consent_evidence (
  object text primary key check (object ~ '^[0-9a-f-]{36}/[0-9a-f-]{36}/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'),
  org_id uuid not null,
  employee_id uuid not null,
  noted_at timestamptz not null default clock_timestamp(),
  abandoned_at timestamptz
);
create index if not exists voice_consent_evidence_by_age on public.voice_consent_evidence (noted_at);
comment on table public.voice_consent_evidence is
  'Keys in the bucket at which an object may be; a key is noted here before the object is put there. An object on which no consent rests '
  'is removed after a day.';
comment on column public.voice_consent_evidence.abandoned_at is
  'The time at which its removal began. From then on no consent can be recorded on it.';

alter table public.voice_consent_evidence enable row level security;
revoke all on public.voice_consent_evidence from public, anon, authenticated, service_role;
grant select on public.voice_consent_evidence to service_role;

create or replace function understudy.note_evidence(p_org_id uuid, p_employee_id uuid, p_object text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
  insert into public.voice_consent_evidence as e (object, org_id, employee_id)
  values (p_object, p_org_id, p_employee_id)
  on conflict (object) do update set noted_at = clock_timestamp() where e.abandoned_at is null;
  return found;
end
$$;
comment on function understudy.note_evidence(uuid, uuid, text) is
  'Notes a key in the bucket. Returns false if the object is being removed.';

create or replace function public.offer_evidence(p_user_id uuid, p_employee_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_access record;
  v_object text;
begin
  select * into v_access from understudy.authorise(p_user_id, p_employee_id, true);
  if v_access.problem is not null then
    return understudy.refuse(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.evidence', v_access.problem);
  end if;
  v_object := v_access.caller_org_id || '/' || p_employee_id || '/' || gen_random_uuid();
  perform understudy.note_evidence(v_access.caller_org_id, p_employee_id, v_object);
  perform understudy.audit(v_access.caller_org_id, p_employee_id, p_user_id, 'consent.evidence', 'offered');
  return jsonb_build_object('outcome', 'offered', 'reference', v_object);
end
$$;
comment on function public.offer_evidence(uuid, uuid) is
  'A new key at which a paper is to be uploaded. Outcomes: offered, not_a_member, employee_not_found, role_forbidden.';

create or replace function understudy.find_evidence(
  p_org_id uuid,
  p_employee_id uuid,
  p_method text,
  p_reference text,
  out object text,
  out copy_from text,
  out sha256 text,
  out problem text
)
language plpgsql
stable
set search_path = ''
as $$
declare
  v_folder constant text := p_org_id || '/' || p_employee_id || '/';
begin
  if exists (
    select from public.organization_voice_settings s where s.org_id = p_org_id and s.evidence_kept_elsewhere
  ) then
    return;
  end if;
  if p_method = 'written_release' then
    if starts_with(p_reference, v_folder) and substr(p_reference, length(v_folder) + 1) ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$' then
      object := p_reference;
    else
      problem := 'evidence_missing';
    end if;
    return;
  end if;

  select v_folder || r.recording_sid || '.wav', r.storage_path, r.sha256
  into object, copy_from, sha256
  from public.recordings r
  where r.recording_sid = p_reference
    and r.org_id = p_org_id
    and r.employee_id = p_employee_id
    and not understudy.is_erased(r);
  problem := case when object is null then 'evidence_missing' when sha256 is null then 'evidence_unreadable' end;
end
$$;
comment on function understudy.find_evidence(uuid, uuid, text, text) is
  'The object of the bucket that a reference means; null if the organisation keeps its evidence elsewhere. copy_from is the key in the '
  'bucket `recordings` from which the object is to be copied first, and sha256 is the hash of that recording. A paper is hashed by the '
  'function that reads it.';

create or replace function understudy.evidence_problem(
  p_object text,
  p_stated_sha256 text,
  p_recording_sha256 text,
  p_read text
)
returns text
language sql
stable
set search_path = ''
as $$
  select case
    when exists (
      select from public.voice_consent_evidence e where e.object = p_object and e.abandoned_at is not null
    ) then 'evidence_missing'
    when p_read = 'missing' then 'evidence_missing'
    when p_read = 'too_large' then 'evidence_too_large'
    when p_read = 'unreadable' then 'evidence_unreadable'
    when p_stated_sha256 is distinct from coalesce(p_recording_sha256, p_read) and (p_read is not null or p_recording_sha256 is not null)
      then 'evidence_mismatch'
  end
$$;
comment on function understudy.evidence_problem(text, text, text, text) is
  'The code of what is wrong with evidence, or null; before it is read, null means only that nothing is known to be wrong. p_read is the '
  'hash of the bytes that were read, the reason why they could not be read, or null before anybody has read.';

create or replace function public.abandoned_evidence(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_objects text[];
begin
  -- The oldest come first. An object that cannot be removed at present comes again after all others, so it holds nothing up.
  with old as (
    select e.object
    from public.voice_consent_evidence e
    where e.noted_at < understudy.time_now() - interval '1 day'
    order by e.noted_at
    limit least(greatest(coalesce(p_limit, 0), 0), 1000)
    for update skip locked
  ),
  used as (
    delete from public.voice_consent_evidence e
    using old
    where e.object = old.object and exists (select from public.voice_consents c where c.evidence_object = old.object)
    returning e.object
  ),
  marked as (
    update public.voice_consent_evidence e
    set abandoned_at = coalesce(e.abandoned_at, clock_timestamp()), noted_at = clock_timestamp()
    from old
    where e.object = old.object and not exists (select from public.voice_consents c where c.evidence_object = old.object)
    returning e.object
  )
  select array_agg(m.object) into v_objects from marked m;
  return jsonb_build_object('outcome', 'abandoned', 'objects', to_jsonb(coalesce(v_objects, '{}')));
end
$$;
comment on function public.abandoned_evidence(int) is
  'Keys in the bucket of objects on which no consent may rest: the upload of a consent that was never recorded, or the copy of a request '
  'that died. They are to be removed, and then reported with evidence_cleared; otherwise they come again after a day. Outcomes: abandoned.';

create or replace function public.evidence_cleared(p_object text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from public.voice_consent_evidence e where e.object = p_object and e.abandoned_at is not null;
  return jsonb_build_object('outcome', 'cleared');
end
$$;
comment on function public.evidence_cleared(text) is 'An abandoned object is gone. Outcomes: cleared.';

revoke all on function
  public.offer_evidence(uuid, uuid), public.abandoned_evidence(int), public.evidence_cleared(text)
from public, anon, authenticated;
grant execute on function
  public.offer_evidence(uuid, uuid), public.abandoned_evidence(int), public.evidence_cleared(text)
to service_role;
revoke all on all functions in schema understudy from public;
