"""Secrets that are replaced while traffic runs: no request is lost."""

from __future__ import annotations

import json
import secrets

import pytest

from standins.call import recording

from .people import cloned, with_recording


class Secret:
    """A secret of the stack, which a test replaces; put back at the end."""

    def __init__(self, scenario, name: str):
        self.client, self.arn = scenario.aws("secretsmanager"), scenario.stack["aws"]["secrets"][name]
        self.before = self.client.get_secret_value(SecretId=self.arn)["SecretString"]

    def put(self, **changes) -> None:
        self.client.put_secret_value(SecretId=self.arn, SecretString=json.dumps(json.loads(self.before) | changes))

    def put_back(self) -> None:
        self.client.put_secret_value(SecretId=self.arn, SecretString=self.before)


@pytest.fixture
def rotate(scenario):
    """Warm functions with the secret of now; afterwards everything is as it was, and they are cold."""
    kept, functions = [], set()

    def secret(name: str, *of: str) -> Secret:
        for function in of:
            scenario.make_cold(function)
        functions.update(of)
        kept.append(Secret(scenario, name))
        return kept[-1]

    yield secret
    for one in kept:
        one.put_back()
    for function in functions:
        scenario.make_cold(function)


def test_a_clone_goes_through_while_the_vendors_key_is_replaced(scenario, rotate):
    secret = rotate("elevenlabs", "clone-worker")
    scenario.clone(with_recording(scenario, consent=True))
    new = f"sk_{secrets.token_hex(24)}"
    scenario.account("elevenlabs", api_key=new)
    secret.put(api_key=new)
    employee = with_recording(scenario, consent=True)
    assert scenario.ask_for_clone(employee).status == 200, "at once, not after the queue's delay"


def test_the_api_answers_while_supabases_key_is_replaced(scenario, rotate):
    secret = rotate("supabase", "clone-voice", "voice-consent")
    employee = scenario.new_employee()
    assert scenario.voice(employee).status == 200
    assert scenario.api("GET", f"/employees/{employee}/voice-consent").status == 200
    new = f"sb_secret_{secrets.token_urlsafe(24)}"
    scenario.account("supabase", secret_key=new)
    secret.put(secret_key=new)
    try:
        assert scenario.voice(employee).status == 200
        assert scenario.api("GET", f"/employees/{employee}/voice-consent").status == 200
    finally:
        scenario.account("supabase", secret_key=scenario.stack["supabase"]["secret_key"])


@pytest.mark.parametrize(["vendor", "key"], [("elevenlabs", "api_key"), ("twilio", "api_key_secret")])
def test_an_erasure_goes_through_while_a_vendors_key_is_replaced(scenario, rotate, vendor, key):
    def erased(employee: str) -> bool:
        started = scenario.one("select start_erasure(%s, %s)", scenario.user("admin")["id"], employee)
        return scenario.work("voice-erasure", {"erasure_id": started["erasure_id"]})

    secret = rotate(vendor, "voice-erasure")
    before, after = cloned(scenario)[0], cloned(scenario)[0]
    assert erased(before)
    new = secrets.token_hex(16)
    scenario.account(vendor, **{key: new})
    secret.put(**{key: new})
    assert erased(after), "at once, not after the queue's delay"


def test_who_is_signed_in_with_a_new_legacy_secret_is_known(scenario, rotate):
    secret = rotate("supabase", "clone-voice", "voice-consent")
    employee = scenario.new_employee()
    for _ in ("the secret of the cold start", "the one after it"):
        legacy = secrets.token_hex(32)
        scenario.account("supabase", jwt_secret=legacy)
        secret.put(jwt_secret=legacy)
        user = {"token": scenario.token(scenario.user("admin")["id"], "hs256")}
        assert scenario.voice(employee, user).status == 200
        assert scenario.api("GET", f"/employees/{employee}/voice-consent", user=user).status == 200


def test_callbacks_of_the_old_and_of_the_new_token_are_taken_while_twilios_is_replaced(scenario, rotate):
    secret = rotate("twilio", "recording-webhook")
    recording_sid = scenario.new_recording(scenario.new_call(scenario.new_employee()), recording())
    assert scenario.callback(recording_sid).status == 204
    old, new = scenario.stack["twilio"]["auth_token"], secrets.token_hex(16)
    secret.put(auth_token=new)
    assert scenario.callback(recording_sid, {"auth_token": new}).status == 204
    assert scenario.callback(recording_sid, {"auth_token": old}).status == 204
    assert scenario.callback(recording_sid, {"auth_token": secrets.token_hex(16)}).status == 403


def test_the_secret_that_aws_rotates_for_twilio_is_understood_with_its_pending_token(scenario, rotate):
    secret = rotate("twilio", "recording-webhook")
    recording_sid = scenario.new_recording(scenario.new_call(scenario.new_employee()), recording())
    ours = json.loads(secret.before)
    pending = secrets.token_hex(16)
    shape = {"accountSid": ours["account_sid"], "authToken": ours["auth_token"]}
    secret.client.put_secret_value(SecretId=secret.arn, SecretString=json.dumps(shape))
    scenario.make_cold("recording-webhook")
    assert scenario.callback(recording_sid).status == 204
    secret.client.put_secret_value(
        SecretId=secret.arn, SecretString=json.dumps(shape | {"authToken": pending}), VersionStages=["AWSPENDING"],
    )
    assert scenario.callback(recording_sid, {"auth_token": pending}).status == 204
