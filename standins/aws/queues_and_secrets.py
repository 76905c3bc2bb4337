"""AWS as the functions see it: queues and secrets, in the protocol of the AWS SDK (`AWS_API_URL` leads them here).

A stand-in like the vendors', with the same journal and faults; all its requests are POST /, so a fault tells them apart by the
header `X-Amz-Target`. Nobody polls the queues: the harness takes the next message, at the time of its own clock.

Sources: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference and
https://docs.aws.amazon.com/secretsmanager/latest/apireference (AWS JSON 1.0 and 1.1).
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Callable
from uuid import uuid4

from aiohttp import web

from ..body import BODY
from ..control import Vendor

ACCOUNT = "000000000000"
NOT_FOUND = "ResourceNotFoundException"


class Refused(Exception):
    """An error as AWS spells it, always a 400 here."""

    def __init__(self, code: str, message: str = ""):
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Queue:
    name: str
    function: str  # the one that gets its messages
    visibility_timeout: int  # seconds
    most_receipts: int
    dead_letters: str


@dataclass
class Message:
    queue: Queue
    body: str
    visible_at: float  # on the harness's clock
    number: int
    attributes: dict = field(default_factory=dict)  # as they are sent
    id: str = field(default_factory=lambda: str(uuid4()))
    receipt_handle: str = ""
    receipts: int = 0


class QueuesAndSecrets(Vendor):
    """Queues and secrets. It has no account to set."""

    def __init__(self, directory: Path, queues: dict[str, Queue], secrets: dict[str, str], now: Callable[[], float]):
        """`secrets` are their texts, by ARN. `now` gives the seconds on the clock by which messages become visible."""
        super().__init__(directory)
        self._queues, self._now = queues, now
        # The texts by ARN and stage, and those that the next reads get instead of the current ones.
        self._secrets = {arn: {"AWSCURRENT": text} for arn, text in secrets.items()}
        self._read_first: dict[str, list[str]] = {arn: [] for arn in secrets}
        self._lock = threading.RLock()  # the driver is in another thread than the server
        self._numbers = count()
        self.messages: list[Message] = []
        self.dead: list[Message] = []

    # -- for the harness ------------------------------------------------------------------------------------------------------

    def queue_url(self, name: str) -> str:
        return f"{self.url}/{ACCOUNT}/{name}"

    def send(self, queue: str, body: str, attributes: dict | None = None) -> None:
        with self._lock:
            self.messages.append(Message(self._queues[queue], body, self._now(), next(self._numbers), attributes or {}))

    def next(self) -> Message | None:
        """The message that is visible first, now or later."""
        with self._lock:
            return min(self.messages, key=lambda message: (message.visible_at, message.number), default=None)

    def take(self, queue: str) -> tuple[Message, dict] | None:
        """A message that is visible now, with its event."""
        with self._lock:
            visible = (m for m in self.messages if m.queue.name == queue and m.visible_at <= self._now())
            message = min(visible, key=lambda message: (message.visible_at, message.number), default=None)
            return None if message is None else (message, self.receive(message))

    def receive(self, message: Message) -> dict:
        """The event that Lambda gets for a message, which is then invisible for its queue's time."""
        with self._lock:
            message.receipts += 1
            message.receipt_handle = f"{message.number}-{message.receipts}"  # not by chance: the delay follows from it
            message.visible_at = self._now() + message.queue.visibility_timeout
            record = {
                "messageId": message.id, "receiptHandle": message.receipt_handle, "body": message.body,
                "attributes": {"ApproximateReceiveCount": str(message.receipts)}, "messageAttributes": {
                    name: {key[0].lower() + key[1:]: value for key, value in attribute.items()} for name, attribute in message.attributes.items()
                },
                "eventSource": "aws:sqs", "eventSourceARN": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:{message.queue.name}", "awsRegion": "eu-central-1",
            }  # fmt: skip
        return {"Records": [record]}

    def settle(self, message: Message, done: bool, most_receipts: int) -> None:
        """Removes a message that is done. One that has failed once too often becomes a dead letter."""
        with self._lock:
            if done or message.receipts >= most_receipts:
                self.messages.remove(message)
                if not done:
                    self.dead.append(message)

    def redrive(self) -> int:
        """Sends every dead letter back to where it came from, with all its tries before it again."""
        with self._lock:
            letters, self.dead = self.dead, []
            for letter in letters:
                self.send(letter.queue.name, letter.body, letter.attributes)
            return len(letters)

    def rotate(self, arn: str, versions: dict[str, str], first_reads: int) -> None:
        """Replaces versions of a secret, by stage. The given number of reads still get the version that was current, as a function does that started before."""
        with self._lock:
            self._read_first[arn] = [self._secrets[arn]["AWSCURRENT"]] * first_reads
            self._secrets[arn] |= versions

    def secret(self, arn: str) -> str:
        """The version that is current."""
        return self._secrets[arn]["AWSCURRENT"]

    # -- the stand-in ------------------------------------------------------------------------------------------------------

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.post("/", self._call)]

    def reset(self) -> None:
        with self._lock:
            self.messages.clear()
            self.dead.clear()

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        if isinstance(error, web.HTTPException):
            return web.Response(status=error.status)
        code, message = (error.code, error.message) if isinstance(error, Refused) else ("InternalFailure", type(error).__name__)
        return web.json_response({"__type": code, "message": message}, status=400 if isinstance(error, Refused) else 500)

    async def _call(self, request: web.Request) -> web.Response:
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        actions = {
            "SendMessage": self._send, "SendMessageBatch": self._send_batch, "ChangeMessageVisibility": self._change_visibility,
            "GetSecretValue": self._get_secret, "BatchGetSecretValue": self._get_secrets,
        }  # fmt: skip
        if action not in actions:
            raise Refused("UnknownOperationException")
        with self._lock:
            return web.json_response(actions[action](request[BODY].json()), content_type="application/x-amz-json-1.0")

    def _queue(self, body: dict) -> str:
        name = body["QueueUrl"].rpartition("/")[2]
        if body["QueueUrl"] != self.queue_url(name) or name not in self._queues:
            raise Refused("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        return name

    def _send(self, body: dict) -> dict:
        self.send(self._queue(body), body["MessageBody"], body.get("MessageAttributes"))
        return {"MessageId": self.messages[-1].id, "MD5OfMessageBody": _md5(body["MessageBody"])}

    def _send_batch(self, body: dict) -> dict:
        queue, entries = self._queue(body), body["Entries"]
        if not 1 <= len(entries) <= 10 or len({entry["Id"] for entry in entries}) < len(entries):
            raise Refused("com.amazonaws.sqs#BatchEntryIdsNotDistinct")
        sent = []
        for entry in entries:
            self.send(queue, entry["MessageBody"], entry.get("MessageAttributes"))
            sent.append({"Id": entry["Id"], "MessageId": self.messages[-1].id, "MD5OfMessageBody": _md5(entry["MessageBody"])})
        return {"Successful": sent, "Failed": []}

    def _change_visibility(self, body: dict) -> dict:
        queue = self._queue(body)
        found = [m for m in self.messages if m.queue.name == queue and m.receipt_handle == body["ReceiptHandle"]]
        if not found:
            raise Refused("com.amazonaws.sqs#MessageNotInflight")
        if not 0 <= body["VisibilityTimeout"] <= 43200:
            raise Refused("InvalidParameterValue")
        found[0].visible_at = self._now() + body["VisibilityTimeout"]
        return {}

    def _get_secret(self, body: dict) -> dict:
        arn, stage = body["SecretId"], body.get("VersionStage", "AWSCURRENT")
        if stage not in self._secrets.get(arn, {}):
            raise Refused(NOT_FOUND, "Secrets Manager can't find the specified secret value.")
        text = self._secrets[arn][stage]
        if stage == "AWSCURRENT" and self._read_first[arn]:
            text = self._read_first[arn].pop()
        return {
            "ARN": arn, "Name": arn.rpartition(":")[2], "SecretString": text, "VersionId": str(uuid4()), "VersionStages": [stage], "CreatedDate": time.time(),
        }  # fmt: skip

    def _get_secrets(self, body: dict) -> dict:
        """A secret that cannot be read is no error of the call."""
        arns, answer = body.get("SecretIdList", []), {"SecretValues": [], "Errors": []}
        if "Filters" in body or not 1 <= len(arns) <= 20:
            raise Refused("InvalidParameterException" if "Filters" in body else "ValidationException")
        for arn in arns:
            try:
                answer["SecretValues"].append(self._get_secret({"SecretId": arn}))
            except Refused as error:
                answer["Errors"].append({"SecretId": arn, "ErrorCode": error.code, "Message": error.message})
        return answer


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
