"""The checks on answers that are made up here, for states that the local AWS and the stand-ins cannot be in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.deployment import ROOT
from local.doctor import CHECKS, aws, looked, settings, supabase, twilio
from local.doctor.deployed import Deployed
from local.doctor.expected import expected
from local.doctor.finding import NotLookedAt
from local.doctor.secret import VENDORS, problem

TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "AC" + TOKEN


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"a text with {TOKEN}"}}, operation)


class Service:
    """Of AWS: method → its answer, or the exception that it raises."""

    def __init__(self, **answers):
        self.answers = answers

    def __getattr__(self, method: str):
        def call(**arguments):
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer(**arguments) if callable(answer) else answer

        return call

    def get_paginator(self, method: str):
        return Service(paginate=lambda **arguments: [getattr(self, method)(**arguments)])


class Fake(Deployed):
    """`services`: name → Service."""

    def __init__(self, parameters: dict | None = None, outputs: dict | None = None, resources: dict | None = None, status: str = "CREATE_COMPLETE", **services):
        super().__init__(services.__getitem__, "understudy")
        self.stack = {"StackStatus": status}
        self.parameters, self.outputs, self.resources = parameters or {}, outputs or {}, resources or {}


def verdict(check, deployment) -> str:
    return looked(check, deployment).verdict


# -- AWS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status, found", [("UPDATE_COMPLETE", "ok"), ("UPDATE_ROLLBACK_COMPLETE", "FAIL"), ("CREATE_FAILED", "FAIL")])
def test_a_stack_that_was_rolled_back_is_not_what_was_deployed(status, found):
    assert verdict(aws.stack, Fake(status=status)) == found


def test_a_function_that_lambda_cannot_start_is_named_with_the_reason():
    def configuration(FunctionName):
        return {"State": "Failed", "StateReasonCode": "InvalidImage"} if FunctionName == "b" else {"State": "Active", "LastUpdateStatus": "Successful"}

    found = aws.functions(Fake(outputs={"Functions": "a,b"}, **{"lambda": Service(get_function_configuration=configuration)}))
    assert found.verdict == "FAIL" and "b (InvalidImage)" in found.found


@pytest.mark.parametrize("limit, found", [(10, "warn"), (1000, "ok")])
def test_a_new_aws_account_has_too_little_concurrency(limit, found):
    parameters = {"IngestMaximumConcurrency": "10", "CloneMaximumConcurrency": "2"}
    service = Service(get_account_settings={"AccountLimit": {"ConcurrentExecutions": limit}})
    assert verdict(aws.concurrency, Fake(parameters, **{"lambda": service})) == found


TOPIC = "arn:aws:sns:eu-central-1:000000000000:understudy-alarms"


def watched(actions: list, subscriptions: list, enabled: bool = True, state: str = "OK") -> Fake:
    alarm = {"AlarmName": "an-alarm", "ActionsEnabled": enabled, "AlarmActions": actions, "StateValue": state}
    return Fake(
        resources={"AWS::CloudWatch::Alarm": {"Alarm": "an-alarm"}},
        cloudwatch=Service(describe_alarms=lambda AlarmNames, MaxRecords: {"MetricAlarms": [alarm]}),
        sns=Service(list_subscriptions_by_topic={"Subscriptions": [{"SubscriptionArn": arn} for arn in subscriptions]}),
    )


@pytest.mark.parametrize("deployment, words", [
    (watched([TOPIC], [f"{TOPIC}:1"]), None),
    (watched([TOPIC], ["PendingConfirmation", f"{TOPIC}:1"]), None),
    (watched([TOPIC], ["PendingConfirmation"]), "nobody has confirmed"),
    (watched([TOPIC], []), "nobody has confirmed"),
    (watched([], []), "nobody hears 1 of 1"),
    (watched([TOPIC], [f"{TOPIC}:1"], enabled=False), "nobody hears 1 of 1"),
])  # fmt: skip
def test_alarms_that_nobody_hears_are_a_warning(deployment, words):
    found = aws.alarms(deployment)
    assert (found.verdict, words or "") == ("warn" if words else "ok", words or "") and (words or "") in found.found


def test_an_alarm_that_rings_is_named():
    found = aws.ringing(watched([], [], state="ALARM"))
    assert found.verdict == "warn" and "an-alarm" in found.found
    assert verdict(aws.ringing, watched([], [])) == "ok"


@pytest.mark.parametrize("error, found, words", [
    (refused("AccessDenied", "DescribeAlarms"), "warn", "may not call DescribeAlarms"),
    (refused("AuthorizationError", "DescribeAlarms"), "warn", "may not call"),
    (refused("InternalFailure", "DescribeAlarms"), "FAIL", "InternalFailure"),
    (EndpointConnectionError(endpoint_url="https://example.com"), "FAIL", "out of reach"),
    (KeyError(TOKEN), "FAIL", "not understood: KeyError"),
])  # fmt: skip
def test_what_cannot_be_looked_at_is_a_finding_that_quotes_nothing(error, found, words):
    finding = looked(aws.ringing, Fake(resources={"AWS::CloudWatch::Alarm": {"a": "b"}}, cloudwatch=Service(describe_alarms=error)))
    assert finding.verdict == found and words in finding.found and TOKEN not in str(finding)


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor, value, words", [
    ("twilio", {"account_sid": ACCOUNT, "auth_token": TOKEN}, None),
    ("twilio", {"accountSid": ACCOUNT, "authToken": TOKEN}, None),
    ("twilio", {"account_sid": ACCOUNT, "shared_key_secret": TOKEN, "api_key_sid": "SK1", "api_key_secret": TOKEN}, None),
    ("twilio", {"account_sid": ACCOUNT, "shared_key_secret": TOKEN}, "neither `auth_token` nor `api_key_sid` with `api_key_secret`"),
    ("twilio", {"account_sid": ACCOUNT, "api_key_sid": "SK1", "api_key_secret": TOKEN}, "neither `auth_token` nor `shared_key_secret`"),
    ("twilio", {"account_sid": "AC1", "auth_token": TOKEN}, "`account_sid`"),
    ("twilio", {"account_sid": ACCOUNT, "auth_token": TOKEN, "shared_key_secret": "short"}, "`shared_key_secret` is shorter than 16"),
    ("supabase", {"secret_key": TOKEN, "jwt_secret": ""}, None),
    ("supabase", {"secret_key": "sb_secret_"}, "`secret_key` is shorter than 20"),
    ("supabase", {"secret_key": TOKEN, "jwt_secret": "short"}, "`jwt_secret` is shorter than 32"),
    ("supabase", {}, "it has no `secret_key`"),
    ("elevenlabs", {"api_key": 7}, "`api_key` is no text"),
    ("elevenlabs", [TOKEN], "no JSON object"),
])  # fmt: skip
def test_a_secret_is_judged_as_the_functions_judge_it(vendor, value, words):
    said = problem(vendor, value)
    assert said is None if words is None else words in said
    assert TOKEN not in str(said)


def test_the_least_lengths_are_those_of_the_functions():
    code = "\n".join(path.read_text() for path in (ROOT / "shared").rglob("*.rs"))
    lengths = {name: int(number) for name, number in re.findall(r"const (LEAST_\w+): usize = (\d+);", code)}
    assert lengths == {"LEAST_TOKEN": 32, "LEAST_SHARED_KEY": 16, "LEAST_KEY": 20, "LEAST_JWT_SECRET": 32}
    assert {least for vendor in VENDORS.values() for least in vendor.least.values()} == set(lengths.values())


def test_a_legacy_key_is_a_warning():
    value = json.dumps({"secret_key": f"eyJ{TOKEN}"})
    deployment = Fake({"SupabaseSecretArn": "arn"}, secretsmanager=Service(get_secret_value={"SecretString": value}))
    assert aws.secret("supabase", deployment).verdict == "warn"


def test_a_secret_that_the_operator_may_not_read_is_a_warning():
    deployment = Fake({"SupabaseSecretArn": "arn"}, secretsmanager=Service(get_secret_value=refused("AccessDeniedException", "GetSecretValue")))
    found = aws.secret("supabase", deployment)
    assert found.verdict == "warn" and TOKEN not in str(found)


def test_a_machine_on_which_no_postgresql_starts_says_what_to_do(monkeypatch):
    def starts_nothing(directory):
        raise RuntimeError(TOKEN)

    monkeypatch.setattr("local.doctor.expected.Postgres", starts_nothing)
    with pytest.raises(NotLookedAt, match="make venv") as raised:
        expected.__wrapped__()
    assert TOKEN not in str(raised.value)


# -- parameters and vendors --------------------------------------------------------------------------------------------


def test_parameters_that_surprise_later_are_warnings():
    surprising = Fake({"EmployeeChannel": "unknown", "AllowedOrigins": ""})
    assert verdict(settings.employee_channel, surprising) == verdict(settings.origins, surprising) == "warn"


class Answering(Fake):
    """Every request to a vendor has this answer."""

    def __init__(self, answer: httpx.Response, **secret):
        super().__init__({"SupabaseUrl": "https://p.supabase.co", "TwilioApiUrl": "https://api.twilio.com"}, {"PublicBaseUrl": "https://voice.example.com"})
        self._answer, self._secrets = answer, dict.fromkeys(VENDORS, {"secret_key": TOKEN, "account_sid": ACCOUNT, "auth_token": TOKEN} | secret)

    def ask(self, method, url, **request):
        return self._answer


@pytest.mark.parametrize("secret, found", [({}, "FAIL"), ({"jwt_secret": TOKEN}, "warn")])
def test_a_project_that_signs_with_its_legacy_secret_needs_it_in_the_secret(secret, found):
    assert verdict(supabase.signing_keys, Answering(httpx.Response(200, json={"keys": []}), **secret)) == found


@pytest.mark.parametrize("status, body, words", [
    (403, {"code": 20008}, "test credential"), (404, {"code": 20404}, "answers 404"), (503, {}, "answers 503"),
])  # fmt: skip
def test_an_account_that_does_not_open_says_how(status, body, words):
    found = twilio.account(Answering(httpx.Response(status, json=body)))
    assert found.verdict == "FAIL" and words in found.found


def test_an_address_that_leads_to_somebody_else_is_not_the_public_url():
    found = twilio.public_url(Answering(httpx.Response(404)))
    assert found.verdict == "FAIL" and "answers 404" in found.found


def test_an_account_without_recordings_cannot_tell_where_it_keeps_them():
    assert verdict(twilio.media, Answering(httpx.Response(200, json={"recordings": []}))) == "warn"


URL = "https://voice.example.com/twilio/recording"


@pytest.mark.parametrize("given, found", [
    (f"{URL}#rc=5&rp=all", "ok"), (f"{URL}#rc=3&rp=4xx,5xx,ct,rt", "ok"), (f"{URL}#rp=all", "ok"),
    (URL, "FAIL"), (f"{URL}#rc=5", "FAIL"), (f"{URL}#rc=0&rp=all", "FAIL"), (f"{URL}#rc=5&rp=5xx", "FAIL"),
    ("http://voice.example.com/twilio/recording#rc=5&rp=all", "FAIL"), (f"{URL}/#rc=5&rp=all", "FAIL"), (None, "warn"),
])  # fmt: skip
def test_a_callback_url_without_retries_or_of_another_stack_is_found(given, found):
    deployment = Answering(httpx.Response(500))
    deployment.wishes = {"callback_url": given}
    finding = twilio.callback_url(deployment)
    assert finding.verdict == found and (found == "ok" or f"{URL}#rc=5&rp=all" in finding.advice)


def test_every_check_has_a_sentence_that_says_what_it_is_or_a_name_that_does():
    assert all(re.fullmatch(r"[A-Za-z' ]+", name) for name in CHECKS)


def test_a_check_of_the_doctor_is_small():
    for path in Path(ROOT / "local" / "doctor").glob("*.py"):
        assert len(path.read_text().splitlines()) < 400
