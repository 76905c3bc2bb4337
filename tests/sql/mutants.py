"""`python -m tests.sql.mutants`: does a test notice when a guard of the SQL is broken?

Breaks the guards one at a time and runs the tests that should notice. Exit code 1 if a guard can be broken unnoticed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psycopg

from local.migration import SUPABASE, apply_schemas
from standins.postgres import Postgres, apply_migrations

ROOT = Path(__file__).resolve().parents[2]
CONSENTS, VENDORS = "consents.sql", "sweep_vendors.sql"


class Mutant(NamedTuple):
    """One guard that is broken. `place` is a function, or a schema where the guard is a constraint; `before` must be there exactly once;
    `test` should notice: it is a file of this folder, or one test of it, which takes much less time."""

    name: str
    place: str
    before: str
    after: str
    test: str


MUTANTS = [Mutant(*row) for row in (
    # -- what a consent is
    ("self-service by anybody", CONSENTS, "constraint voice_consents_self_service check ((method = 'self_service') = (invitation_id is not null)),", "",
     "test_consents.py::test_the_table_itself_takes_self_service_from_an_invitation_only_and_nothing_else_from_one"),
    ("consent for ever", CONSENTS, "and expires_at at time zone 'UTC' <= granted_at at time zone 'UTC' + interval '3 years'", "",
     "test_consents.py::test_the_table_itself_refuses_more_than_three_years"),
    ("consents are edited", "understudy.keep_consent", "if to_jsonb(new) - v_added is distinct from to_jsonb(old) - v_added then", "if false then",
     "test_consents.py::test_a_consent_cannot_be_edited_or_removed_even_by_the_owner"),
    ("an admin records self-service", "understudy.consent_problem", "('written_release', 'recorded_call')",
     "('written_release', 'recorded_call', 'self_service')",
     "test_consents.py::test_an_admin_records_no_consent_by_a_method_that_is_not_theirs_to_use"),
    # -- the employee's last word
    ("narrowing is anything", "understudy.needs_employee", "and understudy.is_within(p_purposes, p_expires_at, v_newest)", "",
     "test_last_word.py::test_an_admin_adds_no_purpose_to_what_the_employee_granted"),
    ("the same again is narrowing", "understudy.needs_employee", "and (p_expires_at < v_newest.expires_at or not v_newest.purposes <@ p_purposes)", "",
     "test_last_word.py::test_after_a_refusal_an_admin_only_narrows_what_lives"),
    ("a withdrawal is forgotten", "understudy.needs_employee", "and c.ended_as = 'withdrawn'", "and false",
     "test_last_word.py::test_an_admin_records_no_consent_after_the_employee_withdrew"),
    ("an admin's withdrawal counts as the employee's", "understudy.needs_employee", "and c.ended_by is null", "",
     "test_last_word.py::test_what_the_employee_granted_stays_the_most_there_is_after_it_is_over"),
    ("a refusal is forgotten", "understudy.needs_employee", "and i.closed_as = 'refused'", "and false",
     "test_last_word.py::test_an_admin_records_no_consent_after_a_refusal"),
    ("fewer purposes are forgotten", "understudy.is_within", "p_purposes <@ p_consent.purposes and ", "",
     "test_last_word.py::test_an_admin_adds_no_purpose_to_what_the_employee_granted"),
    ("longer is not wider", "understudy.is_within", " and p_expires_at <= p_consent.expires_at", "",
     "test_last_word.py::test_an_admin_lets_nothing_last_longer_than_the_employee_granted"),
    # -- links and tokens
    ("a token for its own consent alone", "public.withdraw_with_token",
     "v_consent := understudy.newest_consent(v_token.org_id, v_token.employee_id);",
     "select * into v_consent from public.voice_consents c where c.id = v_token.consent_id;",
     "test_last_word.py::test_it_is_the_employees_word_too_when_they_withdraw_what_an_admin_recorded"),
    ("a token withdraws what is over", "public.withdraw_with_token", "if not understudy.is_live(v_consent) then", "if v_consent.id is null then",
     "test_self_service.py::test_a_token_says_withdrawn_only_when_nothing_lives_and_the_last_consent_was_withdrawn"),
    ("a second withdrawal is refused", "public.withdraw_with_token", "if v_consent.ended_as = 'withdrawn' then", "if false then",
     "test_self_service.py::test_the_employee_withdraws_by_token_without_asking_anyone_as_often_as_they_like"),
    ("a link is answered twice", "public.answer_invitation", "when (v_invitation.closed_as = 'granted') <> p_granted then 'invitation_answered'", "",
     "test_self_service.py::test_another_answer_than_the_first_is_refused_and_reaches_nothing"),
    ("a link never expires", "understudy.is_open",
     "and least(p_invitation.expires_at, p_invitation.consent_expires_at) > understudy.time_now()", "",
     "test_self_service.py::test_a_link_that_is_no_good_is_told_in_one_way"),
    ("an answered link never expires", "understudy.is_answered", " and p_invitation.expires_at > understudy.time_now()", "",
     "test_self_service.py::test_an_answered_link_is_no_good_after_its_life"),
    ("no token after a refusal", "understudy.answer_json", "if understudy.is_live(v_consent) then", "if false then",
     "test_self_service.py::test_refusing_by_a_link_leaves_an_earlier_consent_alone_says_so_and_hands_a_token_that_ends_it"),
    ("an admin's origin is not looked for", "understudy.is_admin_origin", "select exists (", "select false and exists (",
     "test_admin_origins.py::test_an_answer_from_an_admins_address_or_browser_is_marked_and_not_refused"),
    ("an admin's origin counts for ever", "understudy.is_admin_origin", "and a.seen_at > understudy.time_now() - interval '24 hours 10 minutes'", "",
     "test_admin_origins.py::test_an_address_that_an_admin_used_longer_ago_than_a_day_marks_nothing"),
    ("another organisation's admin counts", "understudy.is_admin_origin", "a.org_id = p_org_id", "true",
     "test_admin_origins.py::test_the_address_of_a_member_or_of_another_organisations_admin_marks_nothing"),
    # -- evidence
    ("any hash", "understudy.evidence_problem", "p_stated_sha256 is distinct from coalesce(p_recording_sha256, p_read)", "false",
     "test_evidence.py::test_a_paper_is_asked_for_before_the_consent_is_recorded_and_its_hash_decides"),
    ("evidence that is not there", "understudy.evidence_problem", "when p_read = 'missing' then 'evidence_missing'", "",
     "test_evidence.py::test_a_paper_that_could_not_be_read_is_refused"),
    ("evidence that is being removed", "understudy.evidence_problem", "e.object = p_object and e.abandoned_at is not null", "false",
     "test_evidence.py::test_no_consent_is_recorded_on_what_is_being_removed"),
    ("a paper from anywhere", "understudy.find_evidence", "starts_with(p_reference, v_folder) and ", "",
     "test_evidence.py::test_a_reference_that_is_no_key_of_this_employee_names_nothing"),
    ("a paper with any name", "understudy.find_evidence",
     " and substr(p_reference, length(v_folder) + 1) ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$'", "",
     "test_evidence.py::test_a_reference_that_is_no_key_of_this_employee_names_nothing"),
    ("another organisation's recording", "understudy.find_evidence", "and r.org_id = p_org_id", "",
     "test_evidence.py::test_a_recording_that_is_not_this_employees_is_missing"),
    ("another employee's recording", "understudy.find_evidence", "and r.employee_id = p_employee_id", "",
     "test_evidence.py::test_a_recording_that_is_not_this_employees_is_missing"),
    ("an erased recording", "understudy.find_evidence", "and not understudy.is_erased(r)", "",
     "test_evidence.py::test_a_recording_that_is_not_this_employees_is_missing"),
    ("unverified evidence looks verified", "public.grant_voice_consent", "v_consent.evidence_unverified := v_evidence.object is null;",
     "v_consent.evidence_unverified := false;",
     "test_evidence.py::test_where_evidence_is_kept_elsewhere_any_reference_is_taken_and_the_consent_says_that_nobody_has_read_it"),
    ("used evidence is removed", "public.abandoned_evidence",
     " and not exists (select from public.voice_consents c where c.evidence_object = old.object)", "",
     "test_evidence.py::test_evidence_of_a_consent_is_not_abandoned_also_after_its_end"),
    # -- who works on an attempt
    ("a late worker goes on", "understudy.holds_lease", "p_voice.lease_id = p_lease_id and ", "",
     "test_clone_worker.py::test_after_a_crash_the_next_worker_is_told_to_search_first_with_a_lease_of_its_own"),
    ("no grace time after a lease", "understudy.next_step", " + understudy.lease_grace()", "",
     "test_clone_worker.py::test_another_worker_waits_for_the_lease_and_the_grace_time"),
    ("an attempt that was begun gives way", "understudy.gives_way", "p_under_way.state = 'requested'", "true",
     "test_clone_requests.py::test_an_attempt_of_which_something_may_have_been_sent_is_pending_whatever_is_recorded_since"),
    ("a recording that is stored is stored again", "understudy.lock_target", "recording.recording_sid is not null and ", "false and ",
     "test_erasure.py::test_an_employee_who_changed_organisation_keeps_what_they_have_there"),
    # -- calls in which a cloned voice spoke
    ("synthetic calls are not marked", "understudy.hand_out_voice",
     "perform understudy.mark_synthetic(p_call_sid, p_voice.org_id, p_voice.employee_id);", "",
     "test_synthetic.py::test_a_call_is_marked_when_a_voice_is_authorised_for_it_and_the_audit_names_it"),
    ("synthetic calls are sampled", "understudy.is_synthetic", "select exists (", "select false and exists (",
     "test_synthetic.py::test_the_worker_is_told_which_recordings_are_of_marked_calls"),
    ("another organisation marks a call", "understudy.is_synthetic", " and s.org_id = p_recording.org_id", "",
     "test_synthetic.py::test_another_organisations_mark_has_no_effect"),
    # -- when an erasure is over
    ("erased while copies are left", "understudy.settle_erasure", "or v_erasure.copies_left > 0", "",
     "test_erasure.py::test_an_erasure_lists_every_copy_and_takes_effect_in_the_database_at_once"),
    ("erased before all is listed", "understudy.settle_erasure", "or v_erasure.listed_at is null", "",
     "test_erasure_lists.py::test_an_erasure_is_not_over_before_all_is_listed"),
    ("erased while an attempt may still make a voice", "understudy.settle_erasure",
     "or exists (select from understudy.unresolved_attempts(p_org_id, p_employee_id))", "",
     "test_erasure.py::test_a_clone_that_is_running_loses_and_its_voice_is_erased_too"),
    ("kept elsewhere counts as erased", "public.read_erasure", "when v_erasure.copies_kept_elsewhere > 0 then 'kept_elsewhere'", "",
     "test_erasure.py::test_what_is_kept_elsewhere_ends_the_erasure_and_is_never_called_erased"),
    # -- what an erasure covers
    ("a late recording of a known call is kept", "understudy.is_covered", " or p_known_since <= p_erasure.known_until", "",
     "test_erasure_lists.py::test_a_recording_of_a_call_that_was_known_is_covered_before_the_call_is_listed"),
    ("an older recording is kept", "understudy.is_covered", "p_started_at + interval '1 second' <= p_erasure.covers_until or ", "",
     "test_erasure_of_recordings.py::test_a_recording_that_began_before_is_covered_even_when_its_call_was_not_known"),
    ("a recording of the very second is erased", "understudy.is_covered", " + interval '1 second'", "",
     "test_erasure_of_recordings.py::test_a_recording_that_began_in_the_second_of_the_request_is_new"),
    # -- copies that come back, and their order
    ("a place is cleared while a write may land", "understudy.copy_doubt", "understudy.landing_wait(p_copy.reference) > 0", "false",
     "test_erasure.py::test_metadata_that_may_still_be_written_are_replaced_at_once_and_again_when_they_cannot_any_more"),
    ("the voice goes before its speech is listed", "understudy.may_be_tried", "then not exists (", "then true or not exists (",
     "test_erasure.py::test_a_voice_goes_after_its_speech_was_listed_or_the_list_failed_three_times"),
    ("speech that cannot be listed keeps the voice", "understudy.may_be_tried", "and h.attempts < 3", "",
     "test_erasure.py::test_a_voice_goes_after_its_speech_was_listed_or_the_list_failed_three_times"),
    # Both at once: the table refuses one without the other.
    ("a late upload is not taken away again", "understudy.add_copy",
     """\
        when c.state = 'erased' and p_kind in ('stored_recording', 'newest_recording', 'metadata') then 'pending'
        else c.state
      end,
      erased_at = case when p_kind not in ('stored_recording', 'newest_recording', 'metadata') then c.erased_at end""",
     "when true then c.state end, erased_at = c.erased_at",
     "test_erasure_lists.py::test_an_upload_that_lands_after_its_place_was_cleared_is_a_copy_again_while_the_erasure_goes_on"),
    # -- the sweep, the vendors and strangers
    ("too large is tried again", "understudy.is_missing",
     "and not exists (select from public.oversized_recordings o where o.recording_sid = p_recording_sid)", "",
     "test_oversized.py::test_a_recording_that_is_too_large_is_told_of_and_not_queued_again"),
    ("any page is followed", VENDORS, r" check (next_page_uri ~ '^/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Recordings\.json\?[!-~]+$')", "",
     "test_sweep.py::test_a_page_that_is_not_one_of_an_accounts_recordings_is_not_kept"),
    ("strangers fill the audit", "understudy.refuse", "if p_org_id is not null or understudy.may_audit_stranger() then", "if true then",
     "test_audit.py::test_strangers_have_a_thousand_rows_of_the_audit_a_day_and_members_as_many_as_it_takes"),
    ("a second message while one is alive", "understudy.unfinished_attempts",
     "and (v.lease_until is null or v.lease_until < understudy.time_now() - interval '19 minutes')", "",
     "test_sweep.py::test_an_attempt_that_a_worker_takes_up_again_and_again_gets_no_second_message"),
    ("as many uploads as one likes", "understudy.sample_problem", "p_voice.uploads >= understudy.most_uploads()", "false",
     "test_uploads.py::test_an_attempt_uploads_ten_times_and_then_has_failed"),
    ("whatever leads to no voice is no upload", "public.release_clone", "case when p_is_unprocessed and v.turned_away < understudy.most_turned_away() then 1 else 0 end", "1",
     "test_uploads.py::test_an_attempt_uploads_ten_times_and_then_has_failed"),
    ("a busy vendor uses up the uploads", "public.release_clone", "case when p_is_unprocessed and v.turned_away < understudy.most_turned_away() then 1 else 0 end", "0",
     "test_uploads.py::test_a_sample_that_the_vendor_has_not_processed_is_no_upload"),
    ("as many attempts as one likes", "understudy.attempts_are_exhausted", "count(*) >= 5", "count(*) >= 1000",
     "test_uploads.py::test_five_attempts_for_a_recording_upload_and_a_newer_recording_starts_anew"),
    ("a full account uses up the attempts", "understudy.attempts_are_exhausted",
     "coalesce(v.code, '') in ('voice_limit_reached', 'voice_plan_required')", "false",
     "test_uploads.py::test_an_account_that_was_full_as_often_as_one_asked_is_no_reason_to_refuse_the_day_after"),
    ("a full account may be asked without end", "understudy.attempts_are_exhausted",
     "and v.closed_at < understudy.time_now() - interval '1 day'", "",
     "test_uploads.py::test_an_account_that_was_full_as_often_as_one_asked_is_no_reason_to_refuse_the_day_after"),
    ("a sample is turned away without end", "public.release_clone",
     "and v.turned_away < understudy.most_turned_away()", "",
     "test_uploads.py::test_a_sample_that_is_turned_away_again_and_again_counts_in_the_end"),
    ("gone from another account is gone", "public.voice_gone", "if v_voice.vendor_account <> p_account then", "if false then",
     "test_sweep.py::test_a_voice_that_another_account_does_not_have_is_not_gone"),
    ("another deployment's voices are deleted", "understudy.voices_of_nobody", "and l.deployment_id = understudy.deployment_id()", "",
     "test_sweep.py::test_a_voice_of_another_deployment_stays_even_if_we_have_a_row_of_its_attempt"),
    # -- employees who leave
    ("the new organisation sees the old voice", "understudy.leave_voice_behind", "new.voice_id := null;", "",
     "test_sweep.py::test_an_employee_who_moved_takes_no_voice_along_and_what_they_had_goes_with_the_next_sweep"),
    ("nobody follows who leaves", "understudy.note_employee_change",
     "insert into understudy.employee_changes (org_id, employee_id) values (old.org_id, old.id) on conflict do nothing;", "null;",
     "test_sweep.py::test_of_an_employee_who_was_deleted_everything_goes_with_the_next_sweep"),
)]  # fmt: skip


def broken(text: str, mutant: Mutant) -> str:
    """The text without its guard."""
    if (found := text.count(mutant.before)) != 1:
        raise ValueError(f"{mutant.name}: what it breaks is {found} times in {mutant.place}: {mutant.before}")
    return text.replace(mutant.before, mutant.after)


def apply_with_damage(url: str, name: str) -> None:
    """Makes the database without the one guard; a constraint is left out of its schema."""
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == name]
    if not mutant.place.endswith(".sql"):
        apply_migrations(url)
        with psycopg.connect(url) as connection:
            definition = connection.execute("select pg_get_functiondef(%s::regproc)", [mutant.place]).fetchone()[0]
            connection.execute(broken(definition, mutant))
        return
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(SUPABASE, copy, dirs_exist_ok=True)
        schema = Path(copy, "schemas", mutant.place)
        schema.write_text(broken(schema.read_text(), mutant))
        apply_schemas(url, Path(copy))


def first_failure(server: str, tests: list[str], mutant: str = "") -> str | None:
    """The first test that fails, or None. Anything else that goes wrong says nothing about a guard, so it ends the run."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *(f"tests/sql/{test}" for test in tests)],
        cwd=ROOT, capture_output=True, text=True,
        # The SQL tests need no plugin, and loading all that are there takes longer than most of them.
        env=os.environ | {"SQL_SERVER": server, "SQL_MUTANT": mutant, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    failed = [line.split(" - ")[0] for line in run.stdout.splitlines() if line.startswith("FAILED ")]
    if run.returncode not in (0, 1) or bool(failed) != bool(run.returncode):
        raise RuntimeError(f"{mutant or 'the unbroken SQL'}: the tests could not be run\n{run.stdout}{run.stderr}")
    return failed[0] if failed else None


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sql.mutants", description=__doc__)
    parser.add_argument("--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="mutants whose name has this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="how many are tried at once (as many as there are cores)")
    options = parser.parse_args(words)
    chosen = [mutant for mutant in MUTANTS if options.only.search(mutant.name)]
    if not chosen:
        parser.error("no mutant has such a name")
    begun, survived = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="understudy-mutants-") as directory, Postgres(directory), ThreadPoolExecutor(options.jobs) as pool:
        # A test that fails anyway would notice everything.
        anyway = pool.submit(first_failure, directory, sorted({mutant.test for mutant in chosen}))
        for mutant, failed in zip(chosen, pool.map(lambda mutant: first_failure(directory, [mutant.test], mutant.name), chosen)):
            survived += failed is None
            print(f"noticed   {mutant.name}: {failed}" if failed else f"SURVIVED  {mutant.name}", flush=True)
        if anyway.result():
            sys.exit(f"without any mutant, and all the same: {anyway.result()}")
    print(f"{len(chosen)} mutants, {survived} survived, in {time.monotonic() - begun:.0f} s")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
