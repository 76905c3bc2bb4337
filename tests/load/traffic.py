"""Recordings that Twilio has, and its signed callbacks about them: repeated, out of order, as many in a second as wanted."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import hmac
import io
import random
import secrets
import time
import urllib.parse
import wave
from collections import Counter
from dataclasses import dataclass, field
from typing import Iterator

import aiohttp

from local.scenario import Scenario

# As many requests of ours as may wait for an answer at once.
AT_ONCE = 64
# Twilio's own patience with a webhook.
TIMEOUT = aiohttp.ClientTimeout(total=15)


@dataclass(frozen=True)
class Recording:
    sid: str
    call_sid: str
    employee: str
    started_at: datetime.datetime
    sha256: str


@dataclass(frozen=True)
class Request:
    """One HTTP request of a load."""

    method: str
    url: str
    body: bytes = b""
    headers: dict = field(default_factory=dict)


@dataclass
class Answers:
    """The answers to a load."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    refused: list[Request] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """A percentile of the times that the answers took, in seconds."""
        return sorted(self.latencies)[min(len(self.latencies) * percent // 100, len(self.latencies) - 1)]


def make_recordings(scenario: Scenario, number: int, of_each: int = 3) -> list[Recording]:
    """Recordings of calls that the database knows, `of_each` of them of one employee, none like another."""
    first = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(days=1)
    made = []
    for n in range(number):
        if n % of_each == 0:
            employee = scenario.new_employee()
        call_sid, audio, started_at = scenario.new_call(employee), _wav(), first + datetime.timedelta(seconds=n)
        sid = scenario.new_recording(call_sid, audio, start_time=started_at.isoformat())
        made.append(Recording(sid, call_sid, employee, started_at, hashlib.sha256(audio).hexdigest()))
    return made


def callbacks(scenario: Scenario, recordings: list[Recording], number: int, seed: int = 1) -> list[Request]:
    """Makes `number` callbacks about the recordings, several for each, in no order. A quarter of them say that a recording is in progress."""
    wanted = [(recording, "completed") for recording in recordings]
    chance = random.Random(seed)
    while len(wanted) < number:
        wanted.append((chance.choice(recordings), chance.choice(["completed", "completed", "completed", "in-progress"])))
    chance.shuffle(wanted)
    return [_callback(scenario, recording, status) for recording, status in wanted]


def _callback(scenario: Scenario, recording: Recording, status: str) -> Request:
    twilio = scenario.stack["twilio"]
    fields = {"AccountSid": twilio["account_sid"], "CallSid": recording.call_sid, "RecordingSid": recording.sid, "RecordingStatus": status}
    signed = f"{scenario.stack['public_base_url']}/twilio/recording" + "".join(name + fields[name] for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(twilio["auth_token"].encode(), signed.encode(), "sha1")).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    return Request("POST", f"{scenario.stack['api_url']}/twilio/recording", urllib.parse.urlencode(fields).encode(), headers)


def _wav() -> bytes:
    """A quarter of a second of two-channel telephone noise."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(secrets.token_bytes(2000 * 4))
    return file.getvalue()


def deliver(requests: list[Request], rate: float | None = None) -> Iterator[Answers]:
    """Sends again what is not acknowledged, as Twilio does, but more patiently. Gives the answers of each time."""
    for _ in range(20):
        answers = asyncio.run(send(requests, rate))
        yield answers
        if not (requests := answers.refused):
            return


async def send(requests: list[Request], rate: float | None = None, at_once: int = AT_ONCE) -> Answers:
    """Sends all requests: `rate` of them a second, whether or not the answers keep up, and without it as fast as they are answered."""
    answers, waiting = Answers(), asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once), timeout=TIMEOUT) as session:
        began = time.monotonic()

        async def one(request: Request, due: float) -> None:
            try:
                async with session.request(request.method, request.url, data=request.body, headers=request.headers) as answer:
                    await answer.read()
                    status = str(answer.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                status = type(error).__name__
            finally:
                waiting.release()
            # The time counts from when it was due: a request that waits for its turn has waited, too.
            answers.latencies.append(time.monotonic() - due)
            answers.statuses[status] += 1
            if status != "204":
                answers.refused.append(request)

        async with asyncio.TaskGroup() as group:
            for n, request in enumerate(requests):
                due = began + n / rate if rate else time.monotonic()
                if (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                await waiting.acquire()
                group.create_task(one(request, due if rate else time.monotonic()))
        answers.seconds = time.monotonic() - began
    return answers
