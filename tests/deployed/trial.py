"""A scenario in which things go wrong on purpose, and the functions are invoked one message at a time."""

from __future__ import annotations

import base64
import json
import uuid

from local.scenario import Answer, Scenario

from .contract import check


class Trial(Scenario):
    # -- the stand-ins: see standins/README.md -------------------------------------------------------------------

    def fault(self, vendor: str, **fault) -> None:
        self._control("POST", vendor, "/faults", fault)

    def hits(self, vendor: str) -> int:
        """The number of requests that the faults have hit."""
        return sum(fault["hits"] for fault in self._control("GET", vendor, "/faults")["faults"])

    def no_faults(self, vendor: str) -> None:
        self._control("DELETE", vendor, "/faults")

    def account(self, vendor: str, **settings) -> None:
        self._control("PUT", vendor, "/account", settings)

    def forget_journal(self, vendor: str) -> None:
        self._control("DELETE", vendor, "/requests")

    def token(self, user_id: str, kind: str = "valid") -> str:
        """A Supabase access token, of a kind that the stand-in describes."""
        return self._control("POST", "supabase", "/tokens", {"sub": user_id, "kind": kind})["token"]

    def make_voices(self, prefix: str, number: int, description: str) -> None:
        """Voices at ElevenLabs that are not ours."""
        for n in range(number):
            self._control("PUT", "elevenlabs", f"/voices/{prefix}{n:016}", {"name": prefix, "description": description})

    def vendor_sample(self, voice_id: str) -> bytes:
        """The file that ElevenLabs got for a voice."""
        return self.expect([200], "GET", f"{self.stack['elevenlabs']['url']}/_control/voices/{voice_id}/sample").body

    def voices_sent(self) -> list[dict]:
        """Every voice at ElevenLabs with what was sent for it."""
        return self._control("GET", "elevenlabs", "/voices")["voices"]

    def storage(self, method: str, path: str, body: dict | None = None) -> dict:
        """Supabase Storage's own API, with the secret key."""
        key = self.stack["supabase"]["secret_key"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        url = f"{self.stack['supabase']['url']}/storage/v1{path}"
        return self.expect([200], method, url, _json(body), headers).json()

    def twilio_has(self, recording_sid: str) -> bool:
        """Whether Twilio still has a recording's resource."""
        return self._twilio("GET", recording_sid, [200, 404]) == 200

    def twilio_deletes(self, recording_sid: str) -> None:
        self._twilio("DELETE", recording_sid, [204])

    def _twilio(self, method: str, recording_sid: str, statuses: list[int]) -> int:
        twilio = self.stack["twilio"]
        basic = base64.b64encode(f"{twilio['account_sid']}:{twilio['auth_token']}".encode()).decode()
        url = f"{twilio['url']}/2010-04-01/Accounts/{twilio['account_sid']}/Recordings/{recording_sid}.json"
        return self.expect(statuses, method, url, None, {"Authorization": f"Basic {basic}"}).status

    def elevenlabs(self, method: str, path: str):
        """ElevenLabs' own API."""
        key = {"xi-api-key": self.stack["elevenlabs"]["api_key"]}
        return self.expect([200], method, f"{self.stack['elevenlabs']['url']}{path}", None, key).json()

    def _control(self, method: str, vendor: str, path: str, body: dict | None = None):
        url = f"{self.stack[vendor]['url']}/_control{path}"
        answer = self.expect(range(200, 300), method, url, _json(body), {"Content-Type": "application/json"})
        return answer.json() if answer.body else None

    def request(self, method: str, url: str, body: bytes | None = None, headers: dict | None = None) -> Answer:
        answer = super().request(method, url, body, headers)
        api_url = self.stack["api_url"]
        # A preflight is the gateway's, not ours.
        if url.startswith(api_url) and method != "OPTIONS":
            check(method, url.removeprefix(api_url), answer.status, answer.headers.get("Content-Type"), answer.body)
        return answer

    # -- people --------------------------------------------------------------------------------------------------------

    def withdraw(self, employee: str) -> None:
        """In the database alone: nothing is queued."""
        outcome = self.one("select withdraw_voice_consent(%s, %s)", self.user("admin")["id"], employee)
        assert outcome["outcome"] == "withdrawn", outcome

    def swept(self) -> dict:
        """One run of the sweep: what it found."""
        answer = self.aws("lambda").invoke(FunctionName=self.stack["aws"]["functions"]["voice-sweeper"], Payload=b"{}")
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    # -- the functions -------------------------------------------------------------------------------------------------

    def work(self, function: str, message: dict) -> bool:
        """Hands one message to a function that works for a queue. True if it is done; otherwise it would stay in the queue."""
        return self.work_all(function, [message])[0]

    def work_all(self, function: str, messages: list) -> list[bool]:
        """Hands it a batch."""
        records = [
            {
                "messageId": str(uuid.uuid4()), "receiptHandle": "of no queue", "eventSource": "aws:sqs",
                "body": message if isinstance(message, str) else json.dumps(message), "attributes": {"ApproximateReceiveCount": "1"},
            }
            for message in messages
        ]  # fmt: skip
        answer = self.aws("lambda").invoke(FunctionName=self.stack["aws"]["functions"][function], Payload=json.dumps({"Records": records}))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        failed = {failure["itemIdentifier"] for failure in payload["batchItemFailures"]}
        return [record["messageId"] not in failed for record in records]


def _json(body: dict | None) -> bytes | None:
    return None if body is None else json.dumps(body).encode()
