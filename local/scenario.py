"""Plays everybody around the bundle, on a stack that is up: Twilio calls back, an employee consents, the frontend asks.

The demo tells this story, and the end-to-end tests vary it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Iterator

import psycopg

from standins.aws.client import aws_client

# Seconds that anything may take before it counts as failed.
PATIENCE = 60

# The stack is on this machine; a proxy in the environment must not see it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Missing(AssertionError):
    """Something did not happen in time, or an answer was not the expected one."""


@dataclass
class Answer:
    status: int
    # Their names may be asked for in any case.
    headers: Message
    body: bytes

    def json(self):
        return json.loads(self.body)


def _succeeded(what: str, answer: Answer) -> dict:
    if answer.status != 200:
        raise Missing(f"{what} was answered {answer.status}: {answer.body.decode(errors='replace')}")
    return answer.json()


class Scenario:
    """`stack` is the content of stack.json, or anything indexed like it."""

    def __init__(self, stack):
        self.stack = stack
        # Asked while waiting: a text says why there is nothing to wait for any more.
        self.hopeless = lambda: None
        self.organization, self.other_organization = stack["organizations"][:2]

    @classmethod
    def of_file(cls, path: Path) -> "Scenario":
        return cls(json.loads(Path(path).read_text()))

    def close(self) -> None:
        if "database" in self.__dict__:
            self.database.close()

    def clean(self) -> None:
        """Stand-ins back to how they started, queues empty. Rows of the database stay: use new employees."""
        for vendor in ("twilio", "elevenlabs", "supabase"):
            self.expect([200, 204], "DELETE", f"{self.stack[vendor]['url']}/_control")
        for url in self.stack["aws"]["queues"].values():
            self.aws("sqs").purge_queue(QueueUrl=url)

    # -- people --------------------------------------------------------------------------------------------------------

    def user(self, role: str, organization: dict | None = None) -> dict:
        return next(user for user in (organization or self.organization)["users"] if user["role"] == role)

    def new_employee(self, organization: dict | None = None) -> str:
        """The id of an employee that nobody else works with."""
        org_id = (organization or self.organization)["id"]
        return str(self.one("insert into employees (id, org_id, full_name) values (gen_random_uuid(), %s, 'Robin Example') returning id", org_id))

    def consent(self, employee: str) -> dict:
        """Records a consent by a signed release, as if the release had been read: Storage has no such paper. Returns the database's answer."""
        statement = self.one("select current_consent_statement('en')")["statement"]
        sha256 = hashlib.sha256(b"a signed release").hexdigest()
        return self.one(
            "select grant_voice_consent(%s, %s, %s, %s, 'written_release', (select org_id || '/' || id || '/release' from employees where id = %s),"
            " %s, array['voice_clone'], now() + interval '1 year', %s)",
            self.user("admin")["id"], employee, statement["version"], statement["sha256"], employee, sha256, sha256,
        )

    def invite(self, employee: str) -> str:
        """The token of an invitation to consent to a clone, for a year."""
        expires = (datetime.now(timezone.utc) + timedelta(days=365)).isoformat()
        invitation = self.api("POST", f"/employees/{employee}/voice-consent/invitation", {"purposes": ["voice_clone"], "consent_expires_at": expires})
        return _succeeded("the invitation", invitation)["token"]

    def answer_invitation(self, token: str, granted: bool) -> dict:
        """The employee, who has no account, reads the statement and answers. Returns the API's answer, such as the token to withdraw with."""
        _succeeded("what the employee reads", self.anyone("GET", "/voice-consent/invitation", consent_token=token))
        return _succeeded("the answer", self.anyone("POST", "/voice-consent/invitation", {"granted": granted}, consent_token=token))

    # -- Twilio --------------------------------------------------------------------------------------------------------

    def new_call(self, employee: str | None, organization: dict | None = None) -> str:
        """The CallSid of a call that the database knows."""
        call_sid = f"CA{secrets.token_hex(16)}"
        self.database.execute(
            "insert into calls (id, org_id, employee_id, twilio_call_sid, status) values (gen_random_uuid(), %s, %s, %s, 'completed')",
            ((organization or self.organization)["id"], employee, call_sid),
        )
        return call_sid

    def new_recording(self, call_sid: str, audio: bytes = b"", **settings) -> str:
        """The RecordingSid of a recording that Twilio has. `settings`: see the stand-in's PUT /_control/recordings/…"""
        recording_sid = f"RE{secrets.token_hex(16)}"
        query = urllib.parse.urlencode({"call_sid": call_sid, "channels": 2} | settings)
        url = f"{self.stack['twilio']['url']}/_control/recordings/{recording_sid}?{query}"
        self.expect(range(200, 300), "PUT", url, audio, {"Content-Type": "audio/x-wav"})
        return recording_sid

    def callback(self, recording_sid: str, wishes: dict | None = None) -> Answer:
        """The webhook's answer to the signed callback. `wishes`: see `standins.twilio.callback`."""
        query = urllib.parse.urlencode({
            "url": f"{self.stack['api_url']}/twilio/recording", "public_url": f"{self.stack['public_base_url']}/twilio/recording",
        })
        url = f"{self.stack['twilio']['url']}/_control/recordings/{recording_sid}/callback?{query}"
        sent = self.expect([200], "POST", url, json.dumps(wishes).encode() if wishes else b"").json()
        return Answer(sent["status"], sent["headers"], sent["body"].encode())

    # -- the frontend --------------------------------------------------------------------------------------------------

    def ask_for_clone(self, employee: str, user: dict | None = None, headers: dict | None = None) -> Answer:
        url = f"{self.stack['api_url']}/api/employees/{employee}/clone-voice"
        return self.request("POST", url, b"", self._signed_in(user) | (headers or {}))

    def voice(self, employee: str, user: dict | None = None) -> Answer:
        return self.request("GET", f"{self.stack['api_url']}/api/employees/{employee}/voice", None, self._signed_in(user))

    def request_clone(self, employee: str, replace: bool = False) -> dict:
        """Asks the database as clone-voice does, and queues nothing. Returns the database's answer."""
        asks = "select request_clone(p_user_id => %s, p_employee_id => %s, p_usual_channel => 2::smallint, p_pipeline_version => 1, p_replace => %s)"
        return self.one(asks, self.user("admin")["id"], employee, replace)

    def clone(self, employee: str, headers: dict | None = None) -> dict:
        """Asks for a clone and, after a 202, asks again until the voice is ready. Returns the body of the last answer."""
        answer = self.ask_for_clone(employee, headers=headers)
        if answer.status == 202:
            answer = self.until(lambda: self._settled(employee), "the voice")
        if answer.status != 200 or answer.json()["status"] != "ready":
            raise Missing(f"the clone was answered {answer.status}: {answer.body.decode(errors='replace')}")
        return answer.json()

    def _settled(self, employee: str) -> Answer | None:
        answer = self.voice(employee)
        return None if answer.status == 200 and answer.json()["status"] == "pending" else answer

    def _signed_in(self, user: dict | None) -> dict:
        return {"Authorization": f"Bearer {(user or self.user('admin'))['token']}"}

    # -- the API -------------------------------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: dict | None = None, user: dict | None = None, **headers: str) -> Answer:
        """The answer to a signed-in user (an admin, unless another is given)."""
        return self.anyone(method, path, body, Authorization=f"Bearer {(user or self.user('admin'))['token']}", **headers)

    def anyone(self, method: str, path: str, body: dict | None = None, **headers: str) -> Answer:
        """The answer to somebody without an account. `consent_token` is the header Consent-Token."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
        return self.request(method, f"{self.stack['api_url']}/api{path}", None if body is None else json.dumps(body).encode(), headers)

    # -- what there is -------------------------------------------------------------------------------------------------

    def stored(self, path: str) -> bytes | None:
        """An object in Storage, path with the bucket; None when there is none."""
        key = self.stack["supabase"]["secret_key"]
        url = f"{self.stack['supabase']['url']}/storage/v1/object/authenticated/{path}"
        answer = self.request("GET", url, None, {"apikey": key, "Authorization": f"Bearer {key}"})
        return answer.body if answer.status == 200 else None

    def stored_bytes(self, path: str) -> int | None:
        """The length of an object, without fetching it."""
        key = self.stack["supabase"]["secret_key"]
        url = f"{self.stack['supabase']['url']}/storage/v1/object/info/{path}"
        answer = self.request("GET", url, None, {"apikey": key, "Authorization": f"Bearer {key}"})
        return answer.json()["size"] if answer.status == 200 else None

    def stored_names(self, bucket: str, folder: str) -> list[str]:
        """The names in a folder of a bucket, a hundred at most."""
        key = self.stack["supabase"]["secret_key"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        url = f"{self.stack['supabase']['url']}/storage/v1/object/list/{bucket}"
        answer = self.expect([200], "POST", url, json.dumps({"prefix": folder, "limit": 100, "offset": 0}).encode(), headers)
        return [found["name"] for found in answer.json()]

    def vendor_voices(self, employee: str) -> list[str]:
        """The ids of the voices at ElevenLabs that carry this employee's mark."""
        url = f"{self.stack['elevenlabs']['url']}/v2/voices?search={employee}&page_size=100"
        answer = self.expect([200], "GET", url, None, {"xi-api-key": self.stack["elevenlabs"]["api_key"]})
        voices = answer.json()["voices"]
        return [voice["voice_id"] for voice in voices if employee in (voice["labels"].get("employee"), *(voice["description"] or "").replace(",", " ").split())]

    def journal(self, vendor: str, **query) -> list[dict]:
        """The requests that a stand-in got. `query`: see its GET /_control/requests."""
        url = f"{self.stack[vendor]['url']}/_control/requests?{urllib.parse.urlencode(query)}"
        return self.expect([200], "GET", url).json()["requests"]

    def breaches(self, vendor: str) -> list[str]:
        """The requests of the functions, and the stand-in's answers to them, that are not as the vendor publishes them."""
        found = self.expect([200], "GET", f"{self.stack[vendor]['url']}/_control/breaches").json()["breaches"]
        return [breach["what"] for breach in found if breach["agent"].startswith("understudy/")]

    def messages(self, queue: str) -> int:
        """The number of messages in a queue, visible or not."""
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        url = self.stack["aws"]["queues"][queue]
        return sum(int(n) for n in self.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"].values())

    # -- means ---------------------------------------------------------------------------------------------------------

    @cached_property
    def database(self) -> psycopg.Connection:
        return psycopg.connect(self.stack["database_url"], autocommit=True)

    def row(self, query: str, *values):
        return self.database.execute(query, values).fetchone()

    def one(self, query: str, *values):
        return self.row(query, *values)[0]

    def aws(self, service: str):
        """A boto3 client with the rights of the local account's root."""
        aws = self.stack["aws"]
        return aws_client(service, aws["endpoint_url"], aws["region"], aws["access_key_id"], aws["secret_access_key"])

    def make_cold(self, function: str) -> None:
        """Ends the warm processes of a function ("clone-voice"); its next invocation reads its secrets again."""
        client, name = self.aws("lambda"), self.stack["aws"]["functions"][function]
        environment = client.get_function_configuration(FunctionName=name)["Environment"]
        # Only a change ends them. The variable is not the functions' business.
        environment["Variables"]["MADE_COLD"] = secrets.token_hex(8)
        client.update_function_configuration(FunctionName=name, Environment=environment)

    @contextmanager
    def timeout(self, function: str, seconds: int) -> Iterator[None]:
        """For as long as the block runs, the function has this timeout."""
        client, name = self.aws("lambda"), self.stack["aws"]["functions"][function]
        usual = client.get_function_configuration(FunctionName=name)["Timeout"]
        client.update_function_configuration(FunctionName=name, Timeout=seconds)
        try:
            yield
        finally:
            client.update_function_configuration(FunctionName=name, Timeout=usual)

    def mark(self, employee: str, attempt: str) -> str:
        """A description by which a voice is known as one that an attempt of this deployment has made."""
        return f"Of employee {employee}, made by attempt {attempt} of deployment {self.one('select understudy.deployment_id()')}."

    def environment(self, function: str) -> dict[str, str]:
        """For a function's process started by hand: the variables that the template gave it, and the local AWS with all rights."""
        aws = self.stack["aws"]
        found = self.aws("lambda").get_function_configuration(FunctionName=aws["functions"][function])["Environment"]["Variables"]
        return found | {
            "AWS_ENDPOINT_URL": aws["endpoint_url"], "AWS_REGION": aws["region"],
            "AWS_ACCESS_KEY_ID": aws["access_key_id"], "AWS_SECRET_ACCESS_KEY": aws["secret_access_key"],
        }

    def logs(self, function: str, since_ms: int = 0) -> str:
        """The lines that a function has logged since then (milliseconds since 1970). An invocation's lines come when it is over."""
        group = f"/aws/lambda/{self.stack['aws']['functions'][function]}"
        pages = self.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms)
        return "\n".join(event["message"] for page in pages for event in page["events"])

    def request(self, method: str, url: str, body: bytes | None = None, headers: dict | None = None) -> Answer:
        try:
            with _opener.open(urllib.request.Request(url, body, headers or {}, method=method), timeout=PATIENCE) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def expect(self, statuses, method: str, url: str, *rest) -> Answer:
        answer = self.request(method, url, *rest)
        if answer.status not in statuses:
            raise Missing(f"{method} {url.partition('?')[0]} was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
        return answer

    def until(self, look, what: str, patience: float = PATIENCE):
        """Calls `look` again and again, and returns its first result that is neither None nor False."""
        deadline = time.monotonic() + patience
        while (found := look()) is None or found is False:
            if reason := self.hopeless():
                raise Missing(f"{what} will not appear: {reason}")
            if time.monotonic() > deadline:
                raise Missing(f"{what} did not appear within {patience:.0f} s")
            time.sleep(0.1)
        return found
