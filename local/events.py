"""Events for `sam local invoke` and `aws lambda invoke`, one for each file in `events/`.

The files are complete and have the shape that AWS sends, but a signature, a token or a call that is right for one stack is
wrong for every other. So as they stand, each is refused in its documented way; `python -m local event NAME` prints it made
right for a stack that is up, with everything done that has to come before it.

    name                function            the file as it stands            made right
    recording-webhook   recording-webhook   403 signature_invalid            204, and the recording is fetched and stored
    recording-ingest    recording-ingest    fails: the call is not known     done, the recording is stored
    clone-voice         clone-voice         401 token_invalid                200, the employee has a voice
    voice               clone-voice         401 token_invalid                200, status "none"
    clone-worker        clone-worker        fails: the attempt is not known  done, the employee has a voice
    voice-consent       voice-consent       401 token_invalid                200, status "none"
    voice-erasure       voice-erasure       fails: the erasure is not known  done, every copy is gone
    voice-sweeper       voice-sweeper       counts what it found             the same: a schedule says nothing

A surprise: a token names its issuer, and a function in a container knows Supabase by another address than this machine.
"""

from __future__ import annotations

import base64
import json
import urllib.parse

from standins.call import recording
from standins.twilio.callback import signature

from .deployment import ROOT
from .scenario import Missing, Scenario

# The events, and the function of the template that each is for.
EVENTS = {
    "recording-webhook": "recording-webhook", "recording-ingest": "recording-ingest",
    "clone-voice": "clone-voice", "voice": "clone-voice", "clone-worker": "clone-worker",
    "voice-consent": "voice-consent", "voice-erasure": "voice-erasure", "voice-sweeper": "voice-sweeper",
}  # fmt: skip


def example(name: str) -> dict:
    """The file as it stands."""
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def made_right(scenario: Scenario, name: str, supabase_url: str | None = None) -> dict:
    """`supabase_url` is Supabase's address for the function that gets the event; None: the same as for this machine."""
    event = example(name)
    if name == "recording-webhook":
        return _sign(event, scenario, *_call_with_recording(scenario, scenario.new_employee()))
    if name == "recording-ingest":
        call_sid, recording_sid = _call_with_recording(scenario, scenario.new_employee())
        return _message(event, {"call_sid": call_sid, "recording_sid": recording_sid})
    if name == "clone-worker":
        return _message(event, {"attempt_id": _attempt(scenario, _employee_to_clone(scenario))})
    if name == "voice-erasure":
        return _message(event, {"erasure_id": _erasure(scenario, _employee_to_clone(scenario))})
    if name == "voice-sweeper":
        return event
    employee = scenario.new_employee() if name in ("voice", "voice-consent") else _employee_to_clone(scenario)
    return _ask(event, employee, _token(scenario, supabase_url or scenario.stack["supabase"]["url"]))


def _call_with_recording(scenario: Scenario, employee: str) -> tuple[str, str]:
    call_sid = scenario.new_call(employee)
    return call_sid, scenario.new_recording(call_sid, recording())


def _employee_to_clone(scenario: Scenario) -> str:
    """Somebody with a stored recording and a consent."""
    employee = scenario.new_employee()
    _, recording_sid = _call_with_recording(scenario, employee)
    if (answer := scenario.callback(recording_sid)).status != 204:
        raise Missing(f"the callback was answered {answer.status}")
    newest = "select exists (select from recordings where recording_sid = %s)"
    scenario.until(lambda: scenario.one(newest, recording_sid), "the stored recording")
    scenario.consent(employee)
    return employee


def _attempt(scenario: Scenario, employee: str) -> str:
    """An attempt that no message is on its way for."""
    asked = scenario.request_clone(employee)
    if asked["outcome"] != "requested":
        raise Missing(f"the attempt was answered {asked}")
    return asked["attempt_id"]


def _erasure(scenario: Scenario, employee: str) -> str:
    """An erasure that no message is on its way for."""
    return scenario.one("select start_erasure(%s, %s)", scenario.user("admin")["id"], employee)["erasure_id"]


def _token(scenario: Scenario, supabase_url: str) -> str:
    """An admin's, valid for an hour."""
    wish = {"sub": scenario.user("admin")["id"], "claims": {"iss": f"{supabase_url}/auth/v1"}}
    url = f"{scenario.stack['supabase']['url']}/_control/tokens"
    return scenario.expect(range(200, 300), "POST", url, json.dumps(wish).encode(), {"Content-Type": "application/json"}).json()["token"]


def _sign(event: dict, scenario: Scenario, call_sid: str, recording_sid: str) -> dict:
    twilio = scenario.stack["twilio"]
    account_sid = twilio["account_sid"]
    fields = dict(urllib.parse.parse_qsl(base64.b64decode(event["body"]).decode())) | {
        "AccountSid": account_sid, "CallSid": call_sid, "RecordingSid": recording_sid,
        "RecordingUrl": f"{twilio['url']}/2010-04-01/Accounts/{account_sid}/Recordings/{recording_sid}",
    }  # fmt: skip
    body = urllib.parse.urlencode(fields).encode()
    event["body"] = base64.b64encode(body).decode()
    url = f"{scenario.stack['public_base_url']}{event['rawPath']}"
    event["headers"] |= {"content-length": str(len(body)), "x-twilio-signature": signature(url, fields, twilio["auth_token"])}
    return event


def _message(event: dict, body: dict) -> dict:
    event["Records"][0]["body"] = json.dumps(body)
    return event


def _ask(event: dict, employee: str, token: str) -> dict:
    path = event["rawPath"].replace(event["pathParameters"]["employee_id"], employee)
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["pathParameters"]["employee_id"] = employee
    event["headers"]["authorization"] = f"Bearer {token}"
    return event
