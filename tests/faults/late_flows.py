"""Flows in which something comes later than it should: an upload that everybody has given up, and a function that still has an old secret."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress

from local.scenario import Missing

from .flows import EARLIER, Flow


class Late(Flow):
    """A recording reaches Storage when everything of its employee is erased, and then its message comes again."""

    name = "late"
    functions = frozenset({"recording-ingest"})

    def prepare(self) -> None:
        self._employee = self.employee("erased")
        self._recording_sid = self.recorded(self._employee, ago=EARLIER)
        self.scenario.callback(self._recording_sid)
        message = self.lane.aws.next()
        self._message = (message.queue.name, message.body)
        self.scenario.fault("supabase", method="POST", path="/rpc/finish_ingest$", status=503, body={})
        self.lane.deliver(message)
        self.scenario.control("DELETE", "supabase", "/faults")
        self.lane.aws.reset()
        storage = self.lane.outside.vendors.supabase.storage
        (stored,) = (key for bucket, key in storage.objects if bucket == "recordings")
        self._upload = stored, storage.objects["recordings", stored].path.read_bytes()
        # Nobody can be uploading it for longer than that.
        self.lane.pass_time(20 * 60)
        self.scenario.api("DELETE", f"/employees/{self._employee}/voice")
        self.lane.drain()
        self._lands_late()

    def _lands_late(self) -> None:
        key, audio = self._upload
        secret = self.scenario.stack["supabase"]["secret_key"]
        url = f"{self.scenario.stack['supabase']['url']}/storage/v1/object/recordings/{key}"
        headers = {"apikey": secret, "Authorization": f"Bearer {secret}", "x-upsert": "true", "Content-Type": "audio/wav"}
        self.scenario.expect([200], "POST", url, audio, headers)

    def act(self) -> None:
        self.lane.aws.send(*self._message)
        self.lane.drain()


class Rotation(Flow):
    """Twilio's token is being replaced: one callback is signed with the one before, and one with the one to come."""

    name = "rotation"
    functions = frozenset({"recording-webhook"})
    calls = re.compile("GetSecretValue")

    def prepare(self) -> None:
        self._employee = self.employee("nothing")
        self._sids = [self.recorded(self._employee), self.recorded(self._employee)]

    def act(self) -> None:
        before, now, to_come = (secrets.token_hex(16) for _ in range(3))
        self.lane.rotate("twilio", AWSCURRENT={"auth_token": now}, AWSPREVIOUS={"auth_token": before}, AWSPENDING={"auth_token": to_come})
        for recording_sid, token in zip(self._sids, (before, to_come)):
            with suppress(Missing):  # nobody answered
                self.scenario.callback(recording_sid, {"auth_token": token})
        self.lane.drain()


class NewKeys(Flow):
    """Every vendor has a new key, and each function that starts still reads the old one: turned away, it reads again."""

    name = "new keys"
    functions = frozenset({"clone-voice", "voice-consent", "recording-ingest", "clone-worker", "voice-erasure", "voice-sweeper"})
    calls = re.compile("GetSecretValue")
    # AWS's client library tries a failed read again by itself, which takes seconds.
    waits = True
    KEYS = {"twilio": "api_key_secret", "elevenlabs": "api_key", "supabase": "secret_key"}

    def prepare(self) -> None:
        erased = self.cloned("erased")
        self._cloned = self.employee("voice")
        self.stored(self._cloned)
        self.consents(self._cloned)
        self.scenario.callback(self.recorded(self.employee("nothing")))
        self.asks(self._cloned)
        self.scenario.api("DELETE", f"/employees/{erased}/voice-consent")
        self._messages = [(message.queue.name, message.body) for message in self.lane.aws.messages]
        self.lane.aws.reset()

    def act(self) -> None:
        new = {vendor: {key: secrets.token_hex(16)} for vendor, key in self.KEYS.items()}
        for vendor, key in new.items():
            self.scenario.control("PUT", vendor, "/account", key)
        for work in (self._looks, *[lambda message=message: self.lane.aws.send(*message) for message in self._messages], self.lane.sweep):
            # The first read of each function.
            for vendor, key in new.items():
                self.lane.rotate(vendor, AWSCURRENT=key, first_reads=1)
            work()
            self.lane.drain()

    def _looks(self) -> None:
        self._insists(lambda: self.scenario.voice(self._cloned))
        self.lane.rotate("supabase", AWSCURRENT={}, first_reads=1)
        self._insists(lambda: self.scenario.api("GET", f"/employees/{self._cloned}/voice-consent"))

    def again(self) -> None:
        self.asks(self._cloned)
