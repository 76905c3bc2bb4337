"""Calls that are made over the API: somebody picks up, both speak, and the recording is there at once.

Of TwiML only `<Play digits>` has an effect: its tones are the only sound on the first channel, which is our side. Twilio does not document
the channels of a call without a second leg; here they are as in the call of `standins.call`.

Source: https://www.twilio.com/docs/voice/api/call-resource; errors 21201, 21205 and 21213 of https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import array
import asyncio
import io
import math
import re
import secrets
import wave
from urllib.parse import parse_qs

from aiohttp import web

from .. import wav
from ..body import BODY
from ..call import recording
from .recording import Recording

NEEDED = {"To": (21201, "No 'To' number is specified"), "From": (21213, "No 'From' number is specified")}


class Calls:
    """`refuse` makes Twilio's error."""

    def __init__(self, twilio, refuse) -> None:
        self._twilio, self._refuse = twilio, refuse

    def routes(self) -> list[web.AbstractRouteDef]:
        account = "/2010-04-01/Accounts/{account}"
        one = account + r"/Calls/{call:[^/.]+}.json"
        return [web.post(account + "/Calls.json", self._create), web.get(one, self._fetch), web.delete(one, self._delete)]

    async def _create(self, request: web.Request) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(request[BODY].read().decode()).items()}
        for name, (code, message) in NEEDED.items():
            if not form.get(name):
                raise self._refuse(400, message, code)
        if not form.get("Twiml") and not form.get("Url"):
            raise self._refuse(400, "Url parameter is required", 21205)
        call = "CA" + secrets.token_hex(16)
        self._twilio.calls.add(call)
        if form.get("Record") == "true":
            keys = re.search(r'<Play digits="([^"]+)"', form.get("Twiml", ""))
            await self._record(call, 2 if form.get("RecordingChannels") == "dual" else 1, keys[1] if keys else "")
        path = f"/2010-04-01/Accounts/{self._twilio.account_sid}/Calls/{call}"
        said = {"sid": call, "account_sid": self._twilio.account_sid, "to": form["To"], "from": form["From"], "status": "queued", "uri": f"{path}.json"}
        return web.json_response(said, status=201)

    async def _record(self, call: str, channels: int, digits: str) -> None:
        sid = "RE" + secrets.token_hex(16)
        path = self._twilio.media_path(sid)
        path.write_bytes(await asyncio.to_thread(lambda: played(digits) if digits else recording()))
        query = {"call_sid": call, "channels": str(channels), "source": "OutboundAPI"}
        self._twilio.recordings[sid] = Recording.made(sid, query, wav.read_header(path))

    async def _fetch(self, request: web.Request) -> web.Response:
        if request.match_info["call"] not in self._twilio.calls:
            raise self._refuse(404)
        return web.json_response({"sid": request.match_info["call"], "account_sid": self._twilio.account_sid, "status": "completed"})

    async def _delete(self, request: web.Request) -> web.Response:
        if request.match_info["call"] not in self._twilio.calls:
            raise self._refuse(404)
        self._twilio.calls.remove(request.match_info["call"])
        return web.Response(status=204)


# https://www.itu.int/rec/T-REC-Q.23
TONES = {key: (low, high) for low, row in ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D")) for high, key in zip((1209, 1336, 1477, 1633), row)}
RATE = 8000


def played(digits: str) -> bytes:
    """A WAV with the keys on the first channel, after a second, and the speech of the called person on the second. "w" is half a second."""
    ours = array.array("h", [0] * RATE)
    for digit in digits:
        low, high = TONES.get(digit, (0, 0))
        wave_ = (math.sin(2 * math.pi * low * n / RATE) + math.sin(2 * math.pi * high * n / RATE) for n in range(RATE // 5))
        ours.extend(round(4000 * sample) for sample in wave_)
        ours.extend([0] * (RATE // 10 if low else RATE // 2 - RATE // 5))
    with wave.open(io.BytesIO(recording())) as file:
        theirs = array.array("h", file.readframes(len(ours)))[1::2]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", (sample for pair in zip(ours, theirs) for sample in pair)).tobytes())
    return out.getvalue()
