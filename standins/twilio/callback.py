"""The recording status callback, signed and sent as Twilio does.

    POST /_control/recordings/{RE…}/callback?url=http://127.0.0.1:1234/twilio/recording&public_url=https://example.com/twilio/recording

`url` is where it really goes, `public_url` is the address that Twilio would have been told, and is what is signed
(default: `url`; a fragment with connection overrides is not part of it). The body may be JSON:

    {"parameters": {"RecordingStatus": "failed", "RecordingUrl": null},   changes fields; null leaves one out
     "method": "GET",                              the fields then go into the query, as Twilio does
     "auth_token": "…",                            signs with another token
     "shared_key_id": "…", "shared_key_secret": "…",   HMAC-SHA256, with the header that says so
     "signature": "…" | null,                      sends this one, or none
     "headers": {…}}                               adds headers

Answers {"status", "headers", "body", "sent": {"url", "signed_url", "headers", "parameters"}}, with 502 and {"error"} when
nobody answers within Twilio's 15 s. Nothing is retried: Twilio does that only when it cannot connect.

Sources: https://www.twilio.com/docs/voice/twiml/recording, https://www.twilio.com/docs/usage/webhooks/webhooks-security
and the helper library's `request_validator`. Two things are not documented: the format of RecordingStartTime here (RFC 2822, as in the
REST API) and the spelling of ErrorCode.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import uuid4

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from yarl import URL

from ..body import BODY
from .recording import Recording, TwilioDate

TIMEOUT = ClientTimeout(total=15, connect=5)  # Twilio's hard limit and its default


def signature(url: str, parameters: dict[str, str], key: str, algorithm: str = "sha1") -> str:
    """base64(HMAC(key, url + name and value of each form field in the order of the names))"""
    text = url + "".join(name + parameters[name] for name in sorted(parameters))
    return base64.b64encode(hmac.new(key.encode(), text.encode(), getattr(hashlib, algorithm)).digest()).decode()


def parameters(recording: Recording, account_sid: str, base_url: str) -> dict[str, str]:
    """The fields of the documentation, for this recording."""
    fields = {
        "AccountSid": account_sid,
        "CallSid": recording.call_sid,
        "RecordingSid": recording.sid,
        "RecordingUrl": f"{base_url}/2010-04-01/Accounts/{account_sid}/Recordings/{recording.sid}",
        "RecordingStatus": recording.status,
        "RecordingChannels": str(recording.channels),
        "RecordingStartTime": TwilioDate.show(recording.start_time),
        "RecordingSource": recording.source,
        "RecordingTrack": recording.track,
    }
    if recording.status == "completed":
        fields["RecordingDuration"] = str(recording.duration)
    if recording.error_code is not None:
        fields["ErrorCode"] = str(recording.error_code)
    return fields


async def send(request: web.Request, recording: Recording, twilio) -> web.Response:
    url = request.query.get("url")
    if not url:
        raise web.HTTPBadRequest(text="url: where to post to\n")
    try:
        wishes = request[BODY].json() if request[BODY].bytes else {}
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n")
    unknown = set(wishes) - {"parameters", "method", "auth_token", "shared_key_id", "shared_key_secret", "signature", "headers"}
    if unknown:
        raise web.HTTPBadRequest(text=f"unknown: {', '.join(sorted(unknown))}\n")

    fields = parameters(recording, twilio.account_sid, twilio.url) | wishes.get("parameters", {})
    fields = {name: value for name, value in fields.items() if value is not None}
    signed_url = urlunsplit(urlsplit(request.query.get("public_url", url))._replace(fragment=""))
    method = wishes.get("method", "POST")
    if method == "GET":
        more = urlencode(fields)
        signed_url, url = ((to + ("&" if "?" in to else "?") + more) for to in (signed_url, url))

    headers = {"I-Twilio-Idempotency-Token": str(uuid4()), "User-Agent": "TwilioProxy/1.1", "Accept": "*/*"}
    signed = {} if method == "GET" else fields
    if wishes.get("shared_key_secret"):
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key={wishes.get('shared_key_id', '')},algorithm=HMAC_SHA256"
        headers["X-Twilio-Signature"] = signature(signed_url, signed, wishes["shared_key_secret"], "sha256")
    else:
        headers["X-Twilio-Signature"] = signature(signed_url, signed, wishes.get("auth_token", twilio.auth_token))
    if "signature" in wishes:
        headers["X-Twilio-Signature"] = wishes["signature"]
    headers = {name: value for name, value in (headers | wishes.get("headers", {})).items() if value is not None}

    sent = {"url": url, "signed_url": signed_url, "headers": headers, "parameters": fields}
    try:
        async with ClientSession(timeout=TIMEOUT) as session:
            # `encoded`: the query goes out byte for byte as it was signed.
            target = URL(url.partition("#")[0], encoded=True)
            body = None if method == "GET" else urlencode(fields).encode()
            if body is not None:
                headers = headers | {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            async with session.request(method, target, data=body, headers=headers, allow_redirects=False) as answer:
                text = (await answer.read()).decode("utf-8", "replace")
                return web.json_response({"status": answer.status, "headers": dict(answer.headers), "body": text, "sent": sent})
    except (ClientError, asyncio.TimeoutError, OSError) as error:
        return web.json_response({"error": f"{type(error).__name__}: {error}", "sent": sent}, status=502)
