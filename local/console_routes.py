"""The console's routes below `/laptop`, each for a signed-in user and for nobody else's employees.

    GET    /laptop/settings                            {"api_url", "users": [{"id", "role", "organization"}]}; needs no token
    POST   /laptop/sign-in {"user_id"}                 {"access_token"}
    GET    /laptop/employees                           {"employees": [{"id", "full_name", "has_voice", "has_consent", "unknown_until",
                                                       "recordings": [{"recording_sid", "stored_at", "seconds", "bytes", "erased_at"}]}]}
    POST   /laptop/employees/{id}/calls                a call with the WAV that is the body, or the one of `standins.call`: {"recording_sid"}
    POST   /laptop/employees/{id}/messages {"queue"}   puts the newest message once more into the queue recording, clone or erasure
    POST   /laptop/employees/{id}/look-now             ends the wait for a lost answer of ElevenLabs, and sends the clone message again
    POST   /laptop/recordings/{RE…}/callback           Twilio posts its signed callback: {"at", "status", "seconds"}
    GET    /laptop/recordings/{RE…}                    the stored bytes
    GET    /laptop/voices/{id}/sample                  the bytes that ElevenLabs was sent
    POST   /laptop/voices/{id}/speech {"text"}         ElevenLabs speaks: {"bytes"}
    GET    /laptop/{vendor}/requests?after=ID          the journal of a stand-in
    GET, POST, DELETE /laptop/{vendor}/faults[/ID]     its faults
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from datetime import datetime, timezone
from urllib.parse import urlencode

from aiohttp import web

from standins.call import recording

from .scenario import Answer, Missing, Scenario

VENDORS = ("twilio", "elevenlabs", "supabase")
# The console's User-Agent, by which a journal tells its requests from others.
OURS = "understudy-console"
# Seconds; a user who keeps the page open for longer signs in again.
SIGNED_IN = 12 * 3600
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RECORDING = r"RE[0-9a-zA-Z]{1,64}"
VOICE = r"[0-9A-Za-z]{1,64}"

EMPLOYEES = """
select coalesce(jsonb_agg(jsonb_build_object(
    'id', e.id, 'full_name', e.full_name, 'has_voice', e.voice_id is not null,
    'has_consent', exists (select from voice_consents c where c.employee_id = e.id and c.org_id = e.org_id and c.ended_at is null and c.expires_at > now()),
    -- ElevenLabs' answer was lost: until then a worker might still be at it, and nobody looks for the voice.
    'unknown_until', (select max(v.lease_until + understudy.lease_grace()) from voices v where v.employee_id = e.id and v.state = 'unknown'),
    'recordings', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'recording_sid', r.recording_sid, 'stored_at', r.stored_at, 'seconds', r.duration_seconds, 'bytes', r.bytes, 'erased_at', r.erased_at
      ) order by r.started_at desc, r.recording_sid desc), '[]')
      from (select * from recordings where employee_id = e.id order by started_at desc, recording_sid desc limit 50) r
    )) order by e.full_name, e.id), '[]')
from employees e where e.org_id = %s
"""
WAIT_IS_OVER = """
update voices set lease_until = clock_timestamp() - understudy.lease_grace() - interval '1 second'
where employee_id = %s and state = 'unknown' and lease_id is null returning id
"""
# Queries that make each queue's newest message for an employee again.
MESSAGES = {
    "recording": "select jsonb_build_object('call_sid', call_sid, 'recording_sid', recording_sid) from recordings"
    " where employee_id = %s order by stored_at desc limit 1",
    "clone": "select jsonb_build_object('attempt_id', id) from voices where employee_id = %s order by number desc limit 1",
    "erasure": "select jsonb_build_object('erasure_id', id) from voice_erasures where employee_id = %s order by number desc limit 1",
}


class Routes:
    """`stack` gives the content of stack.json, or None while there is none."""

    def __init__(self, stack):
        self._stack = stack
        self._scenario: Scenario | None = None
        # Token → {"id", "role", "org_id"}.
        self._users: dict[str, dict] = {}

    def close(self) -> None:
        if self._scenario:
            self._scenario.close()

    def all(self) -> list[web.AbstractRouteDef]:
        vendor = "/laptop/{vendor:%s}" % "|".join(VENDORS)
        employee, one_recording, voice = "/laptop/employees/{id:%s}" % UUID, "/laptop/recordings/{sid:%s}" % RECORDING, "/laptop/voices/{id:%s}" % VOICE
        for_users = [
            ("GET", "/laptop/employees", self._employees),
            ("POST", employee + "/calls", self._place_call), ("POST", employee + "/messages", self._send_message),
            ("POST", employee + "/look-now", self._look_now),
            ("POST", one_recording + "/callback", self._callback), ("GET", one_recording, self._recording),
            ("GET", voice + "/sample", self._sample), ("POST", voice + "/speech", self._speak),
            ("GET", vendor + "/requests", self._control), ("GET", vendor + "/faults", self._control), ("POST", vendor + "/faults", self._control),
            ("DELETE", vendor + "/faults", self._control), ("DELETE", vendor + "/faults/{fault:[0-9]+}", self._control),
        ]  # fmt: skip
        return [
            web.get("/laptop/settings", self._settings),
            web.post("/laptop/sign-in", self._sign_in),
            *(web.route(method, path, self._signed_in(handler)) for method, path, handler in for_users),
        ]

    # -- who asks, and for whom --------------------------------------------------------------------------------------------

    def _around(self) -> Scenario:
        """Everything around the bundle. It blocks, so it is called in threads."""
        if self._scenario is None:
            if (stack := self._stack()) is None:
                raise web.HTTPServiceUnavailable(text="the stack is not up yet")
            self._scenario = Scenario(stack)
        return self._scenario

    def _user(self, request: web.Request) -> dict:
        self._around()
        user = self._users.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            raise web.HTTPUnauthorized(text="sign in first")
        return user

    def _signed_in(self, handler):
        """The handler, for signed-in users only; nothing else is looked at before."""
        async def checked(request: web.Request) -> web.Response:
            self._user(request)
            return await handler(request)

        return checked

    async def _is_ours(self, request: web.Request, query: str, *values) -> None:
        """Raises a 404 unless the query, with the user's organisation after the values, finds something."""
        user = self._user(request)
        if await self._one(f"select exists ({query} and org_id = %s)", *values, user["org_id"]) is not True:
            raise web.HTTPNotFound(text="there is none in your organisation")

    async def _employee(self, request: web.Request) -> str:
        await self._is_ours(request, "select from employees where id = %s", request.match_info["id"])
        return request.match_info["id"]

    async def _one(self, query: str, *values):
        row = await asyncio.to_thread(self._around().row, query, *values)
        return row[0] if row else None

    # -- people ------------------------------------------------------------------------------------------------------------

    async def _settings(self, request: web.Request) -> web.Response:
        stack = self._around().stack
        users = [
            {"id": user["id"], "role": user["role"], "organization": organization["name"]}
            for organization in stack["organizations"] for user in organization["users"]
        ]  # fmt: skip
        return web.json_response({"api_url": stack["api_url"], "users": users})

    async def _sign_in(self, request: web.Request) -> web.Response:
        """Supabase Auth's part; its stand-in mints a token for whoever it is asked for."""
        scenario, wanted = self._around(), (await _json(request)).get("user_id")
        for organization in scenario.stack["organizations"]:
            for user in organization["users"]:
                if user["id"] == wanted:
                    wish = json.dumps({"sub": wanted, "expires_in": SIGNED_IN}).encode()
                    answer = await self._ask("POST", f"{self._url('supabase')}/tokens", wish)
                    token = json.loads(answer.body)["token"]
                    self._users[token] = {"id": wanted, "role": user["role"], "org_id": organization["id"]}
                    return web.json_response({"access_token": token})
        raise web.HTTPNotFound(text="there is no such user")

    async def _employees(self, request: web.Request) -> web.Response:
        return web.json_response({"employees": await self._one(EMPLOYEES, self._user(request)["org_id"])})

    # -- Twilio ------------------------------------------------------------------------------------------------------------

    async def _place_call(self, request: web.Request) -> web.Response:
        employee = await self._employee(request)
        audio = await request.read() or await asyncio.to_thread(recording)
        call_sid = await asyncio.to_thread(self._around().new_call, employee, {"id": self._user(request)["org_id"]})
        recording_sid = f"RE{secrets.token_hex(16)}"
        # The stand-in reads the number of channels from the WAV's header.
        await self._ask("PUT", f"{self._url('twilio')}/recordings/{recording_sid}?call_sid={call_sid}", audio, "audio/x-wav")
        return web.json_response({"recording_sid": recording_sid}, status=201)

    async def _callback(self, request: web.Request) -> web.Response:
        sid, stack = request.match_info["sid"], self._around().stack
        call_sid = await self._call_of(sid)
        await self._is_ours(request, "select from calls where twilio_call_sid = %s", call_sid)
        query = urlencode({"url": f"{stack['api_url']}/twilio/recording", "public_url": f"{stack['public_base_url']}/twilio/recording"})
        began, clock = datetime.now(timezone.utc), time.monotonic()
        # A 502 says that nobody answered.
        answer = await self._ask("POST", f"{self._url('twilio')}/recordings/{sid}/callback?{query}", statuses=(200, 502))
        sent = json.loads(answer.body)
        return web.json_response({"at": began.isoformat(), "status": sent.get("status"), "seconds": round(time.monotonic() - clock, 4)})

    async def _call_of(self, recording_sid: str) -> str | None:
        """The call of a recording, as Twilio tells it: the bundle may not know the recording yet."""
        answer = await self._ask("GET", f"{self._url('twilio')}/recordings")
        return next((each["call_sid"] for each in json.loads(answer.body)["recordings"] if each["sid"] == recording_sid), None)

    async def _recording(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        await self._is_ours(request, "select from recordings where recording_sid = %s and erased_at is null", sid)
        path = await self._one("select storage_path from recordings where recording_sid = %s", sid)
        supabase = self._around().stack["supabase"]
        key = {"apikey": supabase["secret_key"], "Authorization": f"Bearer {supabase['secret_key']}"}
        answer = await self._ask("GET", f"{supabase['url']}/storage/v1/object/authenticated/recordings/{path}", **key)
        return web.Response(body=answer.body, content_type="audio/x-wav")

    async def _send_message(self, request: web.Request) -> web.Response:
        employee, queue = await self._employee(request), (await _json(request)).get("queue")
        if queue not in MESSAGES:
            raise web.HTTPBadRequest(text=f"queue is one of {', '.join(MESSAGES)}")
        return await self._queue(queue, employee)

    async def _look_now(self, request: web.Request) -> web.Response:
        employee = await self._employee(request)
        if await self._one(WAIT_IS_OVER, employee) is None:
            raise web.HTTPNotFound(text="no answer was lost")
        return await self._queue("clone", employee)

    async def _queue(self, queue: str, employee: str) -> web.Response:
        message = await self._one(MESSAGES[queue], employee)
        if message is None:
            raise web.HTTPNotFound(text="that queue had no message for this employee")
        scenario = self._around()
        began = datetime.now(timezone.utc)
        url = scenario.stack["aws"]["queues"][queue]
        await asyncio.to_thread(lambda: scenario.aws("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(message)))
        return web.json_response({"at": began.isoformat(), "message": message})

    # -- ElevenLabs --------------------------------------------------------------------------------------------------------

    async def _sample(self, request: web.Request) -> web.Response:
        voice = request.match_info["id"]
        await self._is_ours(request, "select from employees where voice_id = %s", voice)
        answer = await self._ask("GET", f"{self._url('elevenlabs')}/voices/{voice}/sample")
        return web.Response(body=answer.body, content_type="audio/x-wav")

    async def _speak(self, request: web.Request) -> web.Response:
        voice, text = request.match_info["id"], (await _json(request)).get("text")
        if not isinstance(text, str) or not text.strip():
            raise web.HTTPBadRequest(text="text: what to say")
        await self._is_ours(request, "select from employees where voice_id = %s", voice)
        vendor = self._around().stack["elevenlabs"]
        said = json.dumps({"text": text}).encode()
        answer = await self._ask("POST", f"{vendor['url']}/v1/text-to-speech/{voice}", said, **{"xi-api-key": vendor["api_key"]})
        return web.json_response({"bytes": len(answer.body)})

    # -- the stand-ins -----------------------------------------------------------------------------------------------------

    def _url(self, vendor: str) -> str:
        return f"{self._around().stack[vendor]['url']}/_control"

    async def _control(self, request: web.Request) -> web.Response:
        """Journal and faults as they are; of the query only what the page needs."""
        vendor, _, rest = request.path.removeprefix("/laptop/").partition("/")
        after = request.query.get("after", "0")
        query = f"?after={int(after)}" if re.fullmatch(r"[0-9]{1,15}", after) and rest == "requests" else ""
        body = await request.read() if request.method == "POST" else None
        answer = await self._ask(request.method, f"{self._url(vendor)}/{rest}{query}", body, statuses=(200, 201, 204, 400, 404))
        return web.Response(body=answer.body, status=answer.status, content_type="application/json" if answer.status < 400 else "text/plain")

    async def _ask(self, method: str, url: str, body: bytes | None = None, content_type="application/json", statuses=(200, 201, 204), **headers) -> Answer:
        """A vendor's answer. Any status but these becomes a 502 that quotes it."""
        headers = {"Content-Type": content_type, "User-Agent": OURS, **headers}
        try:
            return await asyncio.to_thread(self._around().expect, statuses, method, url, body, headers)
        except (Missing, OSError) as error:
            raise web.HTTPBadGateway(text=str(error))


async def _json(request: web.Request) -> dict:
    """The body, a JSON object. The request has to state its type, which no foreign page can do without a preflight."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the body is JSON")
    try:
        value = json.loads(await request.read())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text="the body is a JSON object")
    return value
