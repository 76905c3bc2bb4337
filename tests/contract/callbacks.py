"""Twilio's signatures. Twilio's servers cannot reach the machine that runs this, so Twilio's own library answers
(`twilio.request_validator`), and the stand-in, which must send what that library takes.

Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qs, parse_qsl

from multidict import MultiDict
from twilio.request_validator import RequestValidator, get_signature_algorithm

from .assumption import assume, hold
from .stages import PUBLIC

TOKEN = "0123456789abcdef0123456789abcdef"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FIELDS = [("CallSid", "CA1234567890ABCDE"), ("From", "+14158675309"), ("a", "x"), ("B", ""), ("É", "é")]
UNREACHABLE = "Twilio would have to reach an address of ours"
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"


def signed(text: str, key: str = TOKEN, algorithm: str = "sha1") -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), algorithm).digest()).decode()


def by_name(fields: list[tuple[str, str]]) -> str:
    """The fields as recording-webhook puts them: names sorted, and the values of each sorted, each once."""
    return "".join(f"{name}{value}" for name in sorted({name for name, _ in fields}) for value in sorted({v for n, v in fields if n == name}))


def accepts(signature: str, url: str, fields, key: str = TOKEN, algorithm: str | None = None) -> bool:
    return RequestValidator(key).validate(url, fields, signature, algorithm)


@assume("callbacks", "A callback is signed with HMAC-SHA1 and the auth token: the address with its query as it is, then each field's name and value, sorted.")
def _(callbacks):
    hold(accepts(signed(URL + by_name(FIELDS)), URL, dict(FIELDS)), "the library takes another signature")
    hold(not accepts(signed(URL + by_name(FIELDS), "another"), URL, dict(FIELDS)), "the library takes another key's signature")
    if stage := callbacks.stage:
        got = stage.callback()
        hold(SETTINGS not in got.headers, "it is signed as if with a shared key")
        fields = parse_qsl(got.body, keep_blank_values=True)
        hold(got.headers["X-Twilio-Signature"] == signed(PUBLIC + by_name(fields), stage.auth_token), "it is signed otherwise")


@assume("callbacks", "Values of a field that is repeated are signed sorted, each once.")
def _(callbacks):
    fields = [("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234"), ("Sid", "CA123")]
    hold(accepts(signed(f"{URL}Digits1234Digits5678SidCA123"), URL, MultiDict(fields)), "the library takes another signature")
    hold(by_name(fields) == "Digits1234Digits5678SidCA123", "we put it otherwise")


@assume("callbacks", "The address may be signed with the default port, or without.")
def _(callbacks):
    for spelling in ("https://mycompany.com/x", "https://mycompany.com:443/x"):
        hold(accepts(signed(spelling), "https://mycompany.com/x", {}), "the library takes only one of them")


@assume("callbacks", "The fragment of an address, with its connection overrides, is not signed.")
def _(callbacks):
    stage = callbacks.staged(UNREACHABLE)
    got = stage.callback()
    fields = dict(parse_qsl(got.body, keep_blank_values=True))
    hold(accepts(got.headers["X-Twilio-Signature"], PUBLIC, fields, stage.auth_token), "it is")


@assume("callbacks", "A callback is a form with AccountSid, CallSid (of two legs the parent's), RecordingSid and RecordingStatus, completed when the audio is there.")
def _(callbacks):
    stage = callbacks.staged(UNREACHABLE)
    got = stage.callback()
    hold(got.headers["Content-Type"].startswith("application/x-www-form-urlencoded"), got.headers["Content-Type"])
    fields = {name: values[0] for name, values in parse_qs(got.body).items()}
    hold(fields["AccountSid"] == stage.account_sid and fields["RecordingSid"] == stage.two_legs, "it is of something else")
    hold(fields["CallSid"].startswith("CA") and fields["RecordingStatus"] == "completed", "it has no call, or another status")


@assume("callbacks", "With a shared key a callback is signed with HMAC-SHA256, over the same text.")
def _(callbacks):
    hold(accepts(signed(URL + by_name(FIELDS), algorithm="sha256"), URL, dict(FIELDS), algorithm="HMAC_SHA256"), "the library takes another signature")
    hold(get_signature_algorithm("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256") == "HMAC_SHA256", "the library reads the header otherwise")
    if stage := callbacks.stage:
        got = stage.callback(shared_key_id="webhooks_sharedkey_1", shared_key_secret=TOKEN)
        hold(get_signature_algorithm(got.headers[SETTINGS]) == "HMAC_SHA256", "it does not say so")
        text = PUBLIC + by_name(parse_qsl(got.body, keep_blank_values=True))
        hold(got.headers["X-Twilio-Signature"] == signed(text, algorithm="sha256"), "it is signed otherwise")


@assume("callbacks", "Of a body that is no form, the SHA-256 stands in the address (bodySHA256), and only the address is signed.")
def _(callbacks):
    body = '{"property": "value", "boolean": true}'
    url = f"{URL}&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    hold(accepts(signed(url), url, body), "the library takes another signature")
    hold(not accepts(signed(url), url, f"{body} "), "the library takes another body")
