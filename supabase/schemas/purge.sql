-- The purge: it deletes the rows that were kept as proof when the period of proof is over.

create or replace function understudy.purge_voices(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
begin
  select array_agg(old.id) into v_ids
  from (
    select v.id
    from public.voices v
    where v.state in ('failed', 'retired')
      and v.closed_at < understudy.time_now() - understudy.proof_period()
      and (v.vendor_voice_id is null or v.vendor_deleted_at is not null or v.deployment_id <> understudy.deployment_id())
    order by v.closed_at
    limit p_limit
    for update skip locked
  ) old;
  delete from public.voice_sources s where s.attempt_id = any (v_ids);
  delete from public.voices v where v.id = any (v_ids);
  return coalesce(cardinality(v_ids), 0);
end
$$;

create or replace function understudy.purge_erasures(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_ids uuid[];
  v_copies integer;
begin
  select array_agg(old.id) into v_ids
  from (
    select e.id
    from public.voice_erasures e
    where e.erased_at < understudy.time_now() - understudy.proof_period()
    order by e.erased_at
    limit p_limit
    for update skip locked
  ) old;
  delete from public.voice_erasure_copies c
  where c.id in (select o.id from public.voice_erasure_copies o where o.erasure_id = any (v_ids) limit p_limit);
  get diagnostics v_copies = row_count;
  -- If an erasure has very many copies, the rest goes with the next calls.
  delete from public.voice_erasures e
  where e.id = any (v_ids) and not exists (select from public.voice_erasure_copies c where c.erasure_id = e.id);
  return greatest(v_copies, coalesce(cardinality(v_ids), 0));
end
$$;

create or replace function understudy.purge_recordings(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_purged integer;
begin
  delete from public.recordings r
  where r.recording_sid in (
    select o.recording_sid
    from public.recordings o
    where o.erased_at < understudy.time_now() - understudy.proof_period()
      and not exists (select from public.voices v where v.recording_sid = o.recording_sid)
      and not exists (select from public.voice_sources s where s.recording_sid = o.recording_sid)
    order by o.erased_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_purged = row_count;
  return v_purged;
end
$$;

create or replace function understudy.purge_audit(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_owed_since constant timestamptz := understudy.time_now() - understudy.proof_period();
  v_chain uuid;
  v_last record;
  v_purged integer;
begin
  select coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') into v_chain
  from public.voice_audit a
  where a.at < v_owed_since
  order by a.at
  limit 1;
  if not found then
    return 0;
  end if;
  perform 1 from public.voice_audit_heads h where h.org_id = v_chain for update;

  -- The purge goes from the beginning of the chain up to the first row that must still be kept.
  select p.seq, p.hash into v_last
  from (
    select a.seq, a.hash, bool_and(a.at < v_owed_since) over (order by a.seq) as is_old
    from (
      select *
      from public.voice_audit a
      where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = v_chain
      order by a.seq
      limit p_limit
    ) a
  ) p
  where p.is_old
  order by p.seq desc
  limit 1;
  delete from public.voice_audit a
  where coalesce(a.org_id, '00000000-0000-0000-0000-000000000000') = v_chain and a.seq <= v_last.seq;
  get diagnostics v_purged = row_count;
  update public.voice_audit_heads h
  set purged_seq = v_last.seq, purged_hash = v_last.hash
  where h.org_id = v_chain and v_last.seq is not null;
  return v_purged;
end
$$;
comment on function understudy.purge_audit(int) is 'Purges the chain whose oldest row is the oldest of all.';

create or replace function understudy.purge_consents(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_old public.voice_consents[];
begin
  select array_agg(o.c) into v_old
  from (
    select c
    from public.voice_consents c
    -- One day is added, because years are not equally long in all time zones.
    where c.ended_at < understudy.time_now() - understudy.proof_period() - interval '1 day'
      and not exists (select from public.voices v where v.consent_id = c.id)
    order by c.ended_at
    limit p_limit
    for update skip locked
  ) o;
  delete from public.voice_consents c where c.id in (select (o).id from unnest(v_old) o);
  -- Evidence on which no consent rests any more is removed as abandoned, with its object in Storage.
  insert into public.voice_consent_evidence as e (object, org_id, employee_id, noted_at)
  select distinct on (o.evidence_object) o.evidence_object, o.org_id, o.employee_id, clock_timestamp() - interval '2 days'
  from unnest(v_old) o
  where o.evidence_object is not null
    and not exists (select from public.voice_consents c where c.evidence_object = o.evidence_object)
  on conflict (object) do update set noted_at = excluded.noted_at;
  return coalesce(cardinality(v_old), 0);
end
$$;

create or replace function understudy.purge_invitations(p_limit int)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  v_purged integer;
begin
  delete from public.voice_consent_invitations i
  where i.id in (
    select o.id
    from public.voice_consent_invitations o
    where o.expires_at < understudy.time_now() - understudy.proof_period()
      and (o.closed_at is null or o.closed_at < understudy.time_now() - understudy.proof_period())
      -- The token that came with the invitation withdraws as long as any consent is live.
      and not exists (
        select from public.voice_consents c
        where c.org_id = o.org_id and c.employee_id = o.employee_id and (c.ended_at is null or c.invitation_id = o.id)
      )
    order by o.expires_at
    limit p_limit
    for update skip locked
  );
  get diagnostics v_purged = row_count;
  return v_purged;
end
$$;

create or replace function public.purge(p_limit int)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_limit constant int := least(greatest(coalesce(p_limit, 0), 0), 1000);
begin
  -- Rows that refer to others are deleted before those.
  return jsonb_build_object(
    'outcome', 'purged',
    'purged', understudy.purge_voices(v_limit)
      + understudy.purge_erasures(v_limit)
      + understudy.purge_recordings(v_limit)
      + understudy.purge_consents(v_limit)
      + understudy.purge_invitations(v_limit)
      + understudy.purge_audit(v_limit)
  );
end
$$;
comment on function public.purge(int) is
  'Deletes rows that were kept as proof for longer than the period of proof, at most p_limit of each kind. The answer''s `purged` is '
  'their number; 0 means that nothing is left to purge. Outcomes: purged.';

revoke all on function public.purge(int) from public, anon, authenticated;
grant execute on function public.purge(int) to service_role;
revoke all on all functions in schema understudy from public;
