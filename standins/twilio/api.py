"""Twilio's Recordings resource, media and signed callbacks.

Sources: https://www.twilio.com/docs/voice/api/recording and the OpenAPI description twilio/twilio-oai (twilio_api_v2010).
Error bodies are JSON below `.json` and XML elsewhere, with the codes of https://www.twilio.com/docs/api/errors. Two things are not
documented, and are chosen here: the code of the other 400 answers (20001, which Twilio has for the deletion of what is not
completed), and that another account's path is a 401.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import secrets
from datetime import datetime, timezone
from pathlib import Path
from xml.sax.saxutils import escape

from aiohttp import web

from .. import wav
from ..body import BODY
from ..control import FileAnswer, Vendor
from . import callback
from .calls import Calls
from .recording import Recording, TwilioDate

MESSAGES = {
    401: (20003, "Authenticate"),
    404: (20404, "The requested resource {path} was not found"),
    405: (20004, "Method not allowed"),
    500: (20500, "An internal server error has occurred"),
}


class Refused(Exception):
    def __init__(self, status: int, message: str | None = None, code: int | None = None):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class Twilio(Vendor):
    """Twilio. Its own control routes:

    PUT    /_control/recordings/{RE…}            makes or replaces a recording. The body is its media (any bytes; a WAV's
           header tells channels and duration). Query, all optional: call_sid, channels (of the resource: what a
           download without RequestedChannels has), track, source, status, start_time, date_created (ISO 8601 or
           RFC 2822), duration, error_code, conference_sid, encrypted=true (ciphertext flag), media=external (in the
           account's own S3: `media_url` is there, and the media are a 404 here) or none (a 404), chunked=true (media without Content-Length), silence_bytes=N with file_channels=1|2
           (instead of a body: a WAV of N bytes of silence that takes no disk).
    GET    /_control/recordings                  every recording, deleted ones too
    POST   /_control/recordings/{RE…}/callback   posts the signed callback, see `twilio/callback.py`
    PUT    /_control/account                     {"auth_token", "api_key_sid", "api_key_secret"}: replaces credentials
    """

    published = "twilio"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.account_sid = "AC" + secrets.token_hex(16)
        self.auth_token = secrets.token_hex(16)
        self.api_key_sid = "SK" + secrets.token_hex(16)
        self.api_key_secret = secrets.token_hex(16)
        self._first = (self.auth_token, self.api_key_sid, self.api_key_secret)
        self.recordings: dict[str, Recording] = {}
        self.calls: set[str] = set()

    def routes(self) -> list[web.AbstractRouteDef]:
        account = "/2010-04-01/Accounts/{account}"
        return [
            *Calls(self, Refused).routes(),
            web.get(account + "/Recordings.json", self._list),
            web.get(account + "/Calls/{call}/Recordings.json", self._list),
            web.get(account + r"/Calls/{call}/Recordings/{sid:[^/.]+}.json", self._fetch),
            web.get(account + r"/Recordings/{sid:[^/.]+}.json", self._fetch),
            web.delete(account + r"/Recordings/{sid:[^/.]+}.json", self._delete),
            web.delete(account + r"/Recordings/{sid:[^/.]+}", self._delete),
            web.get(account + r"/Recordings/{sid:[^/.]+}{suffix:(\.wav|\.mp3)?}", self._media),
            web.put("/_control/recordings/{sid}", self._put),
            web.get("/_control/recordings", self._all),
            web.post("/_control/recordings/{sid}/callback", self._callback),
        ]

    # -- the shared part ---------------------------------------------------------------------------------------------

    async def before(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        try:
            user, _, password = base64.b64decode(given.removeprefix("Basic "), validate=True).decode().partition(":")
        except ValueError:
            raise Refused(401)
        known = {self.account_sid: self.auth_token, self.api_key_sid: self.api_key_secret}
        if not given.startswith("Basic ") or not hmac.compare_digest(known.get(user, "").encode(), password.encode()) or not password:
            raise Refused(401)
        if request.match_info.get("account", self.account_sid) != self.account_sid:
            raise Refused(401)

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        if isinstance(error, web.HTTPException):
            error = Refused(error.status if error.status in MESSAGES else 404)
        status = error.status if isinstance(error, Refused) else 500
        code, message = MESSAGES.get(status, (20001, "Bad request"))
        path = request.path.removesuffix(".json")
        code, message = getattr(error, "code", None) or code, getattr(error, "message", None) or message.format(path=path)
        more = f"https://www.twilio.com/docs/errors/{code}"
        headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if status == 401 else {}
        if request.path.endswith(".json"):
            return web.json_response({"code": code, "message": message, "more_info": more, "status": status}, status=status, headers=headers)
        text = (
            "<?xml version='1.0' encoding='UTF-8'?>\n<TwilioResponse><RestException>"
            f"<Code>{code}</Code><Message>{escape(message)}</Message><MoreInfo>{more}</MoreInfo><Status>{status}</Status>"
            "</RestException></TwilioResponse>"
        )
        return web.Response(text=text, content_type="application/xml", status=status, headers=headers)

    def reset(self) -> None:
        for sid in list(self.recordings):
            self._remove_files(sid)
        self.recordings.clear()
        self.calls.clear()
        self.auth_token, self.api_key_sid, self.api_key_secret = self._first

    def set_account(self, settings: dict) -> dict:
        names = ("auth_token", "api_key_sid", "api_key_secret")
        for name, value in settings.items():
            if name not in names or not isinstance(value, str) or not value:
                raise ValueError(f"known settings: {', '.join(names)}")
            setattr(self, name, value)
        return {"account_sid": self.account_sid} | {name: getattr(self, name) for name in names}

    def _known(self, request: web.Request) -> Recording:
        """Below a call's path only that call's recordings are found."""
        recording = self.recordings.get(request.match_info["sid"])
        if recording is None or request.match_info.get("call", recording.call_sid) != recording.call_sid:
            raise Refused(404)
        return recording

    # -- the API -----------------------------------------------------------------------------------------------------

    async def _fetch(self, request: web.Request) -> web.Response:
        """A deleted recording is still there with IncludeSoftDeleted (for 40 days), and is a 404 without."""
        recording = self._known(request)
        if recording.status == "deleted" and request.query.get("IncludeSoftDeleted", "").lower() != "true":
            raise Refused(404)
        return web.json_response(recording.resource(self.account_sid, self.url, "call" in request.match_info))

    async def _delete(self, request: web.Request) -> web.Response:
        recording = self._known(request)
        if recording.status == "deleted":
            raise Refused(404)
        if recording.status != "completed":
            raise Refused(400, "Only completed recordings can be deleted", 20001)
        recording.status, recording.date_updated = "deleted", datetime.now(timezone.utc)
        self._remove_files(recording.sid)
        return web.Response(status=204)

    async def _media(self, request: web.Request) -> FileAnswer:
        recording = self._known(request)
        path = self.media_path(recording.sid)
        if recording.status != "completed" or recording.media != "stored" or not path.exists():
            raise Refused(404)
        if request.match_info["suffix"] == ".mp3":  # this stand-in has no encoder; real Twilio has
            raise Refused(404)
        head = wav.read_header(path)
        stored = head.channels if head else recording.channels
        wanted = request.query.get("RequestedChannels")
        if wanted not in (None, "1", "2"):
            raise Refused(400, "RequestedChannels must be 1 or 2")
        if wanted == "2" and stored < 2:
            raise Refused(400, "The recording is not available with 2 channels, try RequestedChannels=1")
        # Without it: as the recording was created, and conferences mono.
        default = 1 if recording.source == "Conference" else recording.channels
        if min(int(wanted or default), stored) < stored and head and head.bits == 16 and head.format == 1:
            path = await self._downmixed(recording.sid, head)
        return FileAnswer(path, {"Content-Type": "audio/x-wav"}, chunked=recording.chunked)

    async def _downmixed(self, sid: str, head: wav.Wav) -> Path:
        target = self.media_path(sid, "-mono")
        if not target.exists():
            part = self.media_path(sid, f"-{secrets.token_hex(4)}")
            await asyncio.to_thread(wav.write_mono, self.media_path(sid), head, part)
            part.replace(target)
        return target

    async def _list(self, request: web.Request) -> web.Response:
        """Newest first. The page token names the last recording seen, so that deleting one skips none."""
        query = request.query
        size = query.get("PageSize", "50")
        if not size.isdigit() or not 1 <= int(size) <= 1000:
            raise Refused(400, "PageSize must be between 1 and 1000")
        found = self._matching(query, request.match_info.get("call"))
        first = 0
        if token := query.get("PageToken"):
            last = self.recordings.get(token.removeprefix("PA"))
            if last is None or not token.startswith("PA"):
                raise Refused(400, "Invalid PageToken")
            first = sum(recording.order >= last.order for recording in found)
        page = found[first : first + int(size)]
        number = int(query.get("Page", 0))

        def uri(**changes) -> str:
            kept = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
            return str(request.rel_url.with_query(kept | {"PageSize": size, "Page": str(changes.pop("page"))} | changes))

        more = first + len(page) < len(found)
        return web.json_response(
            {
                "recordings": [recording.resource(self.account_sid, self.url, "call" in request.match_info) for recording in page],
                "page": number,
                "page_size": int(size),
                "start": number * int(size),
                "end": number * int(size) + max(len(page) - 1, 0),
                "uri": str(request.rel_url),
                "first_page_uri": uri(page=0),
                "previous_page_uri": uri(page=number - 1) if number > 0 else None,
                "next_page_uri": uri(page=number + 1, PageToken="PA" + page[-1].sid) if more else None,
            }
        )

    def _matching(self, query, call: str | None) -> list[Recording]:
        """Dates have the granularity of days; names that Twilio does not know (DateCreatedAfter) are ignored, as there."""

        def day(name: str):
            try:
                return TwilioDate.parse(query[name]).date() if name in query else None
            except ValueError:
                raise Refused(400, f"{name} is not a date")

        on, after, before = day("DateCreated"), day("DateCreated>"), day("DateCreated<")
        call = call or query.get("CallSid")
        deleted_too = query.get("IncludeSoftDeleted", "").lower() == "true"
        found = [
            recording
            for recording in self.recordings.values()
            if (call is None or recording.call_sid == call)
            and query.get("ConferenceSid", recording.conference_sid) == recording.conference_sid
            and (deleted_too or recording.status != "deleted")
            and (on is None or recording.date_created.date() == on)
            and (after is None or recording.date_created.date() >= after)
            and (before is None or recording.date_created.date() <= before)
        ]
        return sorted(found, key=lambda recording: recording.order, reverse=True)

    # -- control -----------------------------------------------------------------------------------------------------

    async def _put(self, request: web.Request) -> web.Response:
        sid, body = request.match_info["sid"], request[BODY]
        if not re.fullmatch(r"RE[0-9a-fA-F]{32}", sid):
            raise web.HTTPBadRequest(text="a RecordingSid is RE and 32 hexadecimal digits\n")
        self._remove_files(sid)
        query = dict(request.query)
        silence, channels = int(query.pop("silence_bytes", 0)), int(query.pop("file_channels", 2))
        if silence:
            wav.write_silence(self.media_path(sid), channels, silence)
        elif body.bytes:
            body.path.replace(self.media_path(sid))
        try:
            recording = Recording.made(sid, query, wav.read_header(self.media_path(sid)) if self.media_path(sid).exists() else None)
        except ValueError as error:
            self._remove_files(sid)
            raise web.HTTPBadRequest(text=f"{error}\n")
        self.recordings[sid] = recording
        return web.json_response(recording.resource(self.account_sid, self.url), status=201)

    async def _all(self, request: web.Request) -> web.Response:
        resources = [recording.resource(self.account_sid, self.url) for recording in self.recordings.values()]
        return web.json_response({"recordings": resources})

    async def _callback(self, request: web.Request) -> web.Response:
        recording = self.recordings.get(request.match_info["sid"])
        if recording is None:
            raise web.HTTPNotFound(text="no such recording\n")
        return await callback.send(request, recording, self)

    def media_path(self, sid: str, suffix: str = "") -> Path:
        return self.directory / f"{sid}{suffix}.wav"

    def _remove_files(self, sid: str) -> None:
        for path in self.directory.glob(f"{sid}*"):
            path.unlink()
