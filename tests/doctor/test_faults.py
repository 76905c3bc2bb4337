"""Misconfigurations of a deployed bundle: each is found, by the check that it belongs to and by no other, and no secret is told."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import pytest

from local.doctor import CHECKS, Deployed, command, examine
from local.doctor.call import by_call

TOKEN = "0123456789abcdef0123456789abcdef"
READ_VOICE = "public.read_voice(uuid, uuid)"
CALL_SIDS = "calls_twilio_call_sid_key"

# The seeded fault → the check that finds it, its verdict, and words of its message.
FAULTS = {
    "an_empty_auth_token": (
        lambda it: it.secret("twilio", {"account_sid": it.stack["twilio"]["account_sid"], "auth_token": ""}),
        "secret of Twilio", "FAIL", "neither `auth_token` nor"),
    "half_an_auth_token": (
        lambda it: it.secret("twilio", {"account_sid": it.stack["twilio"]["account_sid"], "auth_token": TOKEN[:20]}),
        "secret of Twilio", "FAIL", "`auth_token` is shorter than 32"),
    "a_key_that_was_copied_with_its_line_end": (
        lambda it: it.secret("elevenlabs", {"api_key": it.stack["elevenlabs"]["api_key"] + "\n"}),
        "secret of ElevenLabs", "FAIL", "white space"),
    "a_secret_that_is_no_json": (lambda it: it.secret("supabase", it.stack["supabase"]["secret_key"]), "secret of Supabase", "FAIL", "no JSON"),
    "another_projects_secret_key": (
        lambda it: it.secret("supabase", {"secret_key": f"sb_secret_{TOKEN}"}),
        "buckets private", "FAIL", "401"),
    "an_auth_token_that_twilio_has_replaced": (lambda it: it.account("twilio", auth_token=TOKEN), "Twilio's account", "FAIL", "auth_token is not one of"),
    "a_public_bucket": (lambda it: it.bucket("recordings", public=True), "buckets private", "FAIL", "everybody can read recordings"),
    "a_migration_that_is_missing": (
        lambda it: it.sql(f"alter function {READ_VOICE} rename to read_it", "alter function public.read_it(uuid, uuid) rename to read_voice"),
        "migrations", "FAIL", "function public.read_voice(uuid,uuid)"),
    "an_older_version_of_a_function": (
        lambda it: it.sql(f"alter function {READ_VOICE} set work_mem = '4MB'", f"alter function {READ_VOICE} reset work_mem"),
        "migrations", "FAIL", "function public.read_voice(uuid,uuid)"),
    "a_function_that_everybody_may_call": (
        lambda it: it.sql(f"grant execute on function {READ_VOICE} to anon", f"revoke execute on function {READ_VOICE} from anon"),
        "rights in the database", "FAIL", "anon EXECUTE is too much"),
    "a_function_that_the_service_key_may_not_call": (
        lambda it: it.sql(f"revoke execute on function {READ_VOICE} from service_role", f"grant execute on function {READ_VOICE} to service_role"),
        "rights in the database", "FAIL", "service_role EXECUTE is missing"),
    "a_table_that_users_may_read": (
        lambda it: it.sql("grant select on public.recordings to authenticated", "revoke select on public.recordings from authenticated"),
        "rights in the database", "FAIL", "table public.recordings: authenticated SELECT is too much"),
    "calls_without_an_index_on_their_call_sids": (
        lambda it: it.sql(f"alter table public.calls drop constraint {CALL_SIDS}", f"alter table public.calls add constraint {CALL_SIDS} unique (twilio_call_sid)"),
        "indexes of calls", "FAIL", "(twilio_call_sid)"),
    "a_statement_timeout_of_a_second": (
        lambda it: it.sql("alter role service_role set statement_timeout = '1s'", "alter role service_role reset statement_timeout"),
        "statement timeout", "FAIL", "after 1 s"),
    "users_who_may_make_themselves_an_admin": (
        lambda it: it.sql(
            "grant update on public.users to authenticated; create policy own on public.users for update using (id = auth.uid())",
            "revoke update on public.users from authenticated; drop policy own on public.users"),
        "what users may write", "warn", "users may write public.users.id, public.users.org_id, public.users.role"),
    "an_upload_limit_that_nobody_has_raised": (lambda it: it.account("supabase", file_size_limit=50 * 1024**2), "upload limit", "FAIL", "27 minutes"),
    "a_bucket_with_a_limit_of_its_own": (lambda it: it.bucket("recordings", public=False, file_size_limit=10_000_000), "upload limit", "FAIL", "the bucket recordings takes 10 MB"),
    "a_project_without_signing_keys": (
        lambda it: it.fault("supabase", path="jwks.json$", status=200, body={"keys": []}),
        "users' signing keys", "FAIL", "no signing keys"),
    "a_plan_without_instant_cloning": (lambda it: it.account("elevenlabs", can_use_instant_voice_cloning=False, tier="free"), "ElevenLabs' plan", "FAIL", "plan free has no"),
    "a_plan_without_a_free_place": (lambda it: it.account("elevenlabs", voice_limit=0), "places for voices", "FAIL", "0 of 0"),
    "a_plan_with_two_places_left": (lambda it: it.account("elevenlabs", voice_limit=2), "places for voices", "warn", "0 of 2"),
    "all_additions_of_the_month_used": (lambda it: it.account("elevenlabs", voice_add_edit_counter=95), "places for voices", "FAIL", "all 95 additions"),
    "a_key_that_may_not_read_the_user": (lambda it: it.account("elevenlabs", user_read=False), "ElevenLabs' key", "warn", "no permission to read the user"),
    "a_key_that_may_not_read_the_history": (
        lambda it: it.fault("elevenlabs", path="^/v1/history", status=401, body={"detail": {"status": "missing_permissions"}}),
        "ElevenLabs' key", "FAIL", "no permission to erase speech"),
    "a_key_that_elevenlabs_has_withdrawn": (lambda it: it.account("elevenlabs", api_key=f"sk_{TOKEN}"), "ElevenLabs' key", "FAIL", "invalid_api_key"),
    "recordings_in_a_bucket_of_the_accounts_own": (lambda it: it.recording_at_twilio(media="external"), "Twilio's media", "FAIL", "bucket of the account's own"),
    "recordings_that_are_encrypted": (lambda it: it.recording_at_twilio(encrypted="true"), "Twilio's media", "FAIL", "encrypted"),
    "another_public_url_than_twilio_calls": (
        lambda it: it.environment_of("recording-webhook", PUBLIC_BASE_URL="https://old.example.com"),
        "public URL", "FAIL", "refuses what is signed for it"),
    "a_queue_that_nobody_empties": (lambda it: it.event_source_off("recording-ingest"), "event sources", "FAIL", "recording-ingest (Disabled)"),
    "a_sweep_that_never_runs": (lambda it: it.rules(enabled=False), "sweep", "FAIL", "does not run"),
    "a_message_that_was_given_up": (lambda it: it.dead_letter("erasure"), "dead letters", "warn", "1 in ErasureDeadLetters"),
}  # fmt: skip
# The verdicts that the local stack always gets.
ALWAYS = {"alarms heard": "warn"}


def secrets_of(stack: dict) -> list[str]:
    found = [stack["supabase"]["secret_key"], stack["twilio"]["auth_token"], stack["elevenlabs"]["api_key"], stack["aws"]["secret_access_key"]]
    return [secret for secret in found if len(secret) > 8] + [TOKEN, TOKEN[:20]]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_doctor_finds(patient, fault):
    seed, check, verdict, words = FAULTS[fault]
    with seed(patient):
        found = patient.examined()
    assert found[check].verdict == verdict and words in found[check].found and found[check].advice, found[check]
    # Others may say that they could not look, or that they got no further; none accuses something else.
    others = {name: finding for name, finding in found.items() if finding.verdict == "FAIL" and name != check}
    assert all(_follows(finding) for finding in others.values()), others
    said = json.dumps([asdict(finding) for finding in found.values()])
    assert not [secret for secret in secrets_of(patient.stack) if secret in said]


def _follows(finding) -> bool:
    return finding.found.startswith(("not looked at", "the recordings cannot be listed"))


def test_there_are_ten_seeded_faults_and_more_and_nearly_every_check_finds_one():
    assert len(FAULTS) >= 10
    # Those that the local AWS cannot have are in test_checks.
    assert set(CHECKS) - {check for _, check, *_ in FAULTS.values()} == {
        "stack", "functions", "concurrency", "alarms heard", "alarms quiet", "employee's channel", "frontend's origins", "callback URL",
    }


def test_a_healthy_stack_is_said_to_be_healthy(patient):
    found = patient.examined()
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(CHECKS, "ok") | ALWAYS, found
    assert all(finding.found and (finding.verdict == "ok") == (not finding.advice) for finding in found.values())


def test_looking_changes_nothing(patient):
    def everything() -> tuple:
        audit = patient.one("select count(*) from voice_audit")
        return audit, [patient.messages(queue) for queue in patient.stack["aws"]["queues"]], patient.control("GET", "supabase", "/objects")

    before = everything()
    patient.examined()
    assert everything() == before
    asked = [(entry["method"], entry["path"]) for vendor in ("twilio", "elevenlabs", "supabase") for entry in patient.journal(vendor)]
    # This request changes nothing either: tests/sql/test_description.py.
    assert {request for request in asked if request[0] not in ("GET", "OPTIONS")} == {("POST", "/rest/v1/rpc/describe_database")}


def test_migrations_that_were_never_applied_are_named_by_each_check_that_needs_them(patient):
    with patient.sql("alter function public.describe_database() rename to nothing", "alter function public.nothing() rename to describe_database"):
        found = patient.examined()
    failed = {name: finding.found for name, finding in found.items() if finding.verdict == "FAIL"}
    assert set(failed) == {"migrations", "rights in the database", "indexes of calls", "statement timeout", "what users may write"}
    assert all("describe_database" in said for said in failed.values())


def test_a_deployment_in_the_cloud_is_found_by_its_name_with_the_credentials_of_the_environment(patient, monkeypatch):
    aws = patient.stack["aws"]
    for name, value in {
        "AWS_ENDPOINT_URL": aws["endpoint_url"], "AWS_DEFAULT_REGION": aws["region"], "AWS_ACCESS_KEY_ID": aws["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws["secret_access_key"], "NO_PROXY": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    deployment = Deployed.of_cloud("understudy", callback_url=patient.callback_url)
    # Its own public address would be asked, which is nobody's here.
    deployment._api_url = patient.stack["api_url"]
    assert {name: finding.verdict for name, finding in examine(deployment)} == dict.fromkeys(CHECKS, "ok") | ALWAYS
    assert Deployed.of_cloud("understudy").api_url == patient.stack["public_base_url"]


# -- by a call ---------------------------------------------------------------------------------------------------------

NUMBERS = {"call": "+15550100", "from": "+15550101"}
BY_CALL = "employee's channel, by a call"


def test_a_call_tells_on_which_channel_whoever_picks_up_is_and_leaves_no_recording(patient):
    before = patient.control("GET", "twilio", "/recordings")["recordings"]
    found = patient.examined(**NUMBERS)[BY_CALL]
    assert found.verdict == "ok" and "whoever picked up is channel 2, as EmployeeChannel says" in found.found
    assert [one for one in patient.control("GET", "twilio", "/recordings")["recordings"] if one["status"] != "deleted"] == before
    assert patient.journal("twilio", method="DELETE", path="/Calls/")[0]["status"] == 204


def test_a_call_finds_an_employee_channel_that_is_the_other_partys(patient):
    deployment = patient.deployment(**NUMBERS)
    deployment.parameters["EmployeeChannel"] = "1"
    found = by_call(deployment)
    assert found.verdict == "FAIL" and "channel 2, and EmployeeChannel is 1" in found.found and "EmployeeChannel=2" in found.advice


def test_a_recording_of_the_call_that_cannot_be_deleted_is_named(patient):
    with patient.fault("twilio", method="DELETE", path="/Recordings/RE", status=500):
        found = patient.examined(**NUMBERS)[BY_CALL]
    assert found.verdict == "FAIL" and "channel 2" in found.found and found.advice.startswith("delete it")
    [sid] = [one["sid"] for one in patient.control("GET", "twilio", "/recordings")["recordings"] if one["source"] == "OutboundAPI"]
    assert f"but {sid} could not be deleted" in found.found


def test_a_call_that_twilio_refuses_is_told_with_its_code(patient):
    found = patient.examined(**NUMBERS | {"from": ""})[BY_CALL]
    assert found.verdict == "FAIL" and "code 21213" in found.found


# -- the command -------------------------------------------------------------------------------------------------------


def run(patient, tmp_path, *arguments: str) -> int:
    file = tmp_path / "stack.json"
    file.write_text(json.dumps(patient.stack))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments), file)


def test_the_command_prints_a_line_for_each_check_and_ends_with_0_on_a_healthy_stack(patient, tmp_path, capsys):
    assert run(patient, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[6:].partition(": ")[0] for line in lines[:-2]] == list(CHECKS)
    assert lines[-1] == "understudy is healthy, with 2 warnings."
    assert [line for line in lines if line.startswith("warn")] and all(" → " in line for line in lines if line.startswith("warn"))


def test_the_command_ends_with_1_when_something_failed_and_says_what_to_do(patient, tmp_path, capsys):
    with patient.account("elevenlabs", voice_limit=0):
        assert run(patient, tmp_path, "--callback-url", patient.callback_url) == 1
    text = capsys.readouterr().out
    assert "FAIL  places for voices: 0 of 0 places for voices are taken → delete voices" in text
    assert text.endswith(f"understudy is not healthy: 1 of {len(CHECKS)} checks failed, with 1 warnings.\n")


def test_the_command_prints_json(patient, tmp_path, capsys):
    assert run(patient, tmp_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["stack"] == "understudy" and document["healthy"] is True
    assert [one["check"] for one in document["findings"]] == list(CHECKS)
    assert set(document["findings"][0]) == {"check", "verdict", "found", "advice"}


def test_a_stack_that_is_not_there_is_no_finding(patient, tmp_path, capsys):
    patient.stack = patient.stack | {"aws": patient.stack["aws"] | {"stack_name": "nobodys"}}
    assert run(patient, tmp_path) == 2
    assert "no stack nobodys" in capsys.readouterr().err
