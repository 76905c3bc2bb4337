"""Calls that are made over the API, as far as `make contract` makes one: somebody picks up, both speak, and the recording is there at once.

Source: https://www.twilio.com/docs/voice/api/call-resource; errors 21201, 21205 and 21213 of https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import asyncio
import secrets
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
        return [web.post(account + "/Calls.json", self._create), web.delete(account + r"/Calls/{call:[^/.]+}.json", self._delete)]

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
            await self._record(call, 2 if form.get("RecordingChannels") == "dual" else 1)
        path = f"/2010-04-01/Accounts/{self._twilio.account_sid}/Calls/{call}"
        said = {"sid": call, "account_sid": self._twilio.account_sid, "to": form["To"], "from": form["From"], "status": "queued", "uri": f"{path}.json"}
        return web.json_response(said, status=201)

    async def _record(self, call: str, channels: int) -> None:
        sid = "RE" + secrets.token_hex(16)
        path = self._twilio.media_path(sid)
        path.write_bytes(await asyncio.to_thread(recording))
        query = {"call_sid": call, "channels": str(channels), "source": "OutboundAPI"}
        self._twilio.recordings[sid] = Recording.made(sid, query, wav.read_header(path))

    async def _delete(self, request: web.Request) -> web.Response:
        if request.match_info["call"] not in self._twilio.calls:
            raise self._refuse(404)
        self._twilio.calls.remove(request.match_info["call"])
        return web.Response(status=204)
