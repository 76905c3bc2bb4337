-- Statements: the texts that people agree to. A text is never edited: a new text is a new version.

create table if not exists public.voice_consent_statements (
  locale text not null check (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  version text not null check (version <> ''),
  text text not null check (text <> ''),
  sha256 text not null,
  purposes text[] not null check (cardinality(purposes) > 0 and array_position(purposes, null) is null),
  purpose_descriptions jsonb not null check (jsonb_typeof(purpose_descriptions) = 'object'),
  retention text not null check (retention <> ''),
  created_at timestamptz not null default clock_timestamp(),
  primary key (locale, version),
  constraint voice_consent_statements_sha256 check (sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
  constraint voice_consent_statements_described check (
    purpose_descriptions ?& purposes
    and not jsonb_path_exists(purpose_descriptions, 'strict $.* ? (@.type() != "string" || @ == "")', '{}', true)
  )
);
create index if not exists voice_consent_statements_by_version on public.voice_consent_statements (version, sha256);
comment on table public.voice_consent_statements is 'Immutable texts. The newest version of a locale is the current one.';
comment on column public.voice_consent_statements.sha256 is 'The hash of the text in UTF-8, in lower-case hexadecimal.';
comment on column public.voice_consent_statements.purposes is 'The purposes that may be agreed to with this text.';
comment on column public.voice_consent_statements.purpose_descriptions is
  'An object {purpose: description} in the words that are shown with the text. A description names what the voice will say, to whom, and '
  'for how long. Every purpose has one.';
comment on column public.voice_consent_statements.retention is
  'The periods for which data are kept, in the words that are shown with the text.';

alter table public.voice_consent_statements enable row level security;
revoke all on public.voice_consent_statements from public, anon, authenticated, service_role;
grant select on public.voice_consent_statements to service_role;

create or replace function understudy.keep_statement()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception 'a statement is never edited: add a new version' using errcode = 'integrity_constraint_violation';
end
$$;

create or replace trigger voice_consent_statements_kept
  before update or delete on public.voice_consent_statements
  for each row execute function understudy.keep_statement();
create or replace trigger voice_consent_statements_not_truncated
  before truncate on public.voice_consent_statements
  for each statement execute function understudy.keep_statement();

insert into public.voice_consent_statements (locale, version, text, sha256, purposes, purpose_descriptions, retention, created_at)
select
  'en', '2026-11-1', s.text, encode(sha256(convert_to(s.text, 'UTF8')), 'hex'), '{voice_clone,synthetic_speech}', s.descriptions, s.retention,
  '2026-11-01Z'
from (
  values (
'Consent to a copy of my voice

What it is about. My employer records phone calls that I make or take for work. From such a recording, my employer may have a computer-made copy of my voice produced, called a voice clone. To do so, parts of the recording in which I speak are sent to ElevenLabs, a provider of synthetic voices, which makes and keeps the voice clone on my employer''s behalf.

What I agree to. I agree to the purposes that are named together with this text, and to no others:
- voice_clone: making a voice clone from recordings of my work calls. It says nothing yet, to nobody;
- synthetic_speech: using the voice clone to speak with my voice to the people whom I would speak to for my employer''s work.

It is my choice. I do not have to agree, and I will not be put at a disadvantage if I refuse or withdraw. When I refuse or withdraw, nobody can agree for me: only I can, by a new link that I get.

I can withdraw at any time, without giving reasons: by the personal link that I get when I agree, or by telling my employer. From that moment on the voice clone may not be used any more. What was done before remains lawful.

What is deleted when I withdraw, or when the consent ends: the voice clone at the provider, the recordings of my calls, both in my employer''s storage and at the telephone provider, and the information about the voice clone. I can ask my employer whether all of it is gone.

What stays, for three years after the consent has ended, so that it can be proved, and is deleted then: a record of what I agreed to and when, of when it ended and of what was deleted; if I answered by a link, the internet address and the kind of browser that the answer came from; if I signed a paper, that paper; and if I agreed in a recorded call, the recording of that one call.

How long it is valid. Until the date named together with this text, and never longer than three years.',
jsonb_build_object(
  'voice_clone',
  'A copy of my voice is made from recordings of my work calls and kept at the voice provider. It says nothing yet, to nobody. It is kept '
  'until the consent ends.',
  'synthetic_speech',
  'The copy of my voice says what my employer has it say for my work, to the people whom I would speak to for it, such as customers and '
  'colleagues. It may do so until the consent ends.'
),
'The voice clone and the recordings are kept until the consent is withdrawn or ends, three years at most. A record of the consent and of the deletion, and the evidence of the consent (the signed paper, or the recording of the one call in which I agreed), are kept for three years after that, and then deleted.'
  )
) as s (text, descriptions, retention)
on conflict do nothing;

create or replace function understudy.statement_json(p_statement public.voice_consent_statements)
returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_build_object(
    'version', p_statement.version,
    'locale', p_statement.locale,
    'text', p_statement.text,
    'sha256', p_statement.sha256,
    'purposes', p_statement.purposes,
    'purpose_descriptions', p_statement.purpose_descriptions,
    'retention', p_statement.retention
  )
$$;

create or replace function understudy.current_statement(p_locale text)
returns public.voice_consent_statements
language sql
stable
set search_path = ''
as $$
  select s
  from public.voice_consent_statements s
  where lower(s.locale) in (lower(p_locale), split_part(lower(p_locale), '-', 1), 'en')
  order by
    lower(s.locale) = lower(p_locale) desc,
    lower(s.locale) = split_part(lower(p_locale), '-', 1) desc,
    s.created_at desc,
    s.version desc
  limit 1
$$;
comment on function understudy.current_statement(text) is 'The newest text of this locale, else of its language, else the English one.';

create or replace function understudy.check_statement(p_version text, p_sha256 text, p_purposes text[])
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  perform 1 from public.voice_consent_statements s where s.version = p_version and s.sha256 = p_sha256;
  if not found then
    return 'statement_unknown';
  end if;
  perform 1
  from public.voice_consent_statements s
  where s.version = p_version and s.sha256 = p_sha256 and p_purposes <@ s.purposes;
  return case when not found then 'purpose_unknown' end;
end
$$;
comment on function understudy.check_statement(text, text, text[]) is
  'The code of a refusal; null if there is such a statement, in any locale, and it describes all these purposes.';

create or replace function understudy.describe_purposes(p_version text, p_sha256 text, p_purposes text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
  select (
    select jsonb_object_agg(d.key, d.value)
    from jsonb_each(s.purpose_descriptions) d
    where d.key = any (p_purposes)
  )
  from public.voice_consent_statements s
  where s.version = p_version and s.sha256 = p_sha256
  order by s.locale
  limit 1
$$;
comment on function understudy.describe_purposes(text, text, text[]) is
  'An object {purpose: description} of these purposes, in the words of the very statement that was agreed to.';

create or replace function public.current_consent_statement(p_locale text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_statement public.voice_consent_statements;
begin
  select * into v_statement from understudy.current_statement(coalesce(p_locale, 'en'));
  if v_statement.version is null then
    return jsonb_build_object('outcome', 'statement_not_found');
  end if;
  return jsonb_build_object('outcome', 'statement', 'statement', understudy.statement_json(v_statement));
end
$$;
comment on function public.current_consent_statement(text) is
  'The current text to show. The text is public, so callers are not identified. Outcomes: statement, statement_not_found.';

revoke all on function public.current_consent_statement(text) from public, anon, authenticated;
grant execute on function public.current_consent_statement(text) to service_role;
revoke all on all functions in schema understudy from public;
