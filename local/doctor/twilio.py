"""Checks of Twilio: the account, its recordings, and the address that it calls."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator

from .deployed import Deployed
from .finding import Finding, fail, ok, warn

# As many of the newest recordings are looked at.
NEWEST = 50
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
FRAGMENT = "rc=5&rp=all"
# https://www.twilio.com/docs/api/errors/20008
TEST_CREDENTIALS = 20008


def _recordings(deployment: Deployed, login: tuple[str, str]) -> httpx.Response:
    return deployment.twilio("GET", "/Recordings.json", login, params={"PageSize": NEWEST})


def account(deployment: Deployed) -> Finding:
    """Checks whether all that the secret has opens the recordings of the account that it names."""
    sid, logins = deployment.secret("twilio")["account_sid"], deployment.twilio_logins
    for field, login in logins.items():
        answer = _recordings(deployment, login)
        if answer.status_code == 401:
            return fail(f"{field} is not one of the account {sid}, or not any more", "put the account's own into the secret of Twilio")
        if answer.status_code == 403 and _code(answer) == TEST_CREDENTIALS:
            return fail(f"{field} is a test credential, which reaches no recordings", "put the account's live credentials into the secret of Twilio")
        if answer.status_code != 200:
            advice = "look at TwilioApiUrl, at https://status.twilio.com, and whether the account is active"
            return fail(f"Twilio answers {answer.status_code} to {field} of the account {sid}", advice)
    return ok(f"the account {sid} opens with {' and with '.join(logins)}")


def media(deployment: Deployed) -> Finding:
    """Checks whether Twilio keeps the audio itself, and as we can read it. An account may have it in its own S3 instead, or encrypted with its own key:
    https://www.twilio.com/docs/voice/recording-settings"""
    answer = _recordings(deployment, next(iter(deployment.twilio_logins.values())))
    if answer.status_code != 200:
        return warn(f"the recordings cannot be listed: Twilio answers {answer.status_code}", "repair the account's credentials first")
    newest = [one for one in answer.json()["recordings"] if one["status"] == "completed"]
    elsewhere = [one["sid"] for one in newest if _is_elsewhere(deployment, one)]
    if elsewhere:
        advice = "turn external storage off in Twilio's console, under Voice, Settings, General: what is elsewhere cannot be fetched"
        return fail(f"of the {len(newest)} newest recordings {len(elsewhere)} are in a bucket of the account's own, {elsewhere[0]} for one", advice)
    if any(one.get("encryption_details") for one in newest):
        return fail("newer recordings are encrypted with the account's own key", "turn voice recording encryption off in Twilio's console: what is encrypted cannot be read")
    if not newest:
        return warn("the account has no recordings yet, which would tell where it keeps them", "record one call, and run this again; external storage must be off")
    return ok(f"Twilio keeps the {len(newest)} newest recordings itself")


def _is_elsewhere(deployment: Deployed, recording: dict) -> bool:
    """As the functions decide it."""
    host = urlsplit(recording.get("media_url") or "").hostname or ""
    return bool(host) and host != urlsplit(deployment.parameters["TwilioApiUrl"]).hostname and not f".{host}".endswith(".twilio.com")


def _code(answer: httpx.Response) -> int | None:
    try:
        return answer.json().get("code")
    except (ValueError, AttributeError):
        return None


def public_url(deployment: Deployed) -> Finding:
    """Sends a callback of our own, signed as Twilio would, of a recording that is only in progress: the webhook verifies it, writes a
    line into its log, and does nothing. https://www.twilio.com/docs/usage/webhooks/webhooks-security"""
    url = f"{deployment.public_base_url}/twilio/recording"
    secret = deployment.secret("twilio")
    fields = {
        "AccountSid": secret["account_sid"], "CallSid": f"CA{secrets.token_hex(16)}", "RecordingSid": f"RE{secrets.token_hex(16)}", "RecordingStatus": "in-progress",
    }  # fmt: skip
    key, algorithm = (secret["auth_token"], HMAC_SHA1) if secret.get("auth_token") else (secret["shared_key_secret"], HMAC_SHA256)
    signature = RequestValidator(key).compute_signature(url, fields, algorithm)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    answer = deployment.ask("POST", f"{deployment.api_url}/twilio/recording", content=urlencode(fields), headers=headers)
    if answer.status_code == 204:
        return ok(f"{url} takes what is signed for it")
    if answer.status_code == 403:
        return fail(f"{url} refuses what is signed for it", "deploy with a PublicBaseUrl that is exactly what Twilio calls, base path included; a secret that was just changed needs a minute")
    return fail(f"{url} answers {answer.status_code}, not 204", "the address must lead to this stack's API: look at the domain's mapping, and at the log of recording-webhook")


def callback_url(deployment: Deployed) -> Finding:
    """Judges the address that the command line gives. Twilio tells nobody which address a call has: it stands in the application's code or TwiML."""
    right = f"{deployment.public_base_url}/twilio/recording#{FRAGMENT}"
    given = deployment.wishes.get("callback_url")
    if not given:
        return warn("Twilio does not tell which recordingStatusCallback its calls have", f"it must be {right}; --callback-url checks the one that your application uses")
    address, _, fragment = given.partition("#")
    if address != right.partition("#")[0]:
        return fail("it is another address than this stack's", f"use {right}")
    overrides = dict(parse_qsl(fragment))
    policies = set(overrides.get("rp", "ct").split(","))
    if overrides.get("rc", "1") == "0" or not ("all" in policies or policies >= {"4xx", "5xx", "ct", "rt"}):
        return fail("it has Twilio retry not at all, or only if it cannot connect", f"use {right}")
    return ok("it is this stack's, and has Twilio retry every kind of failure")


CHECKS = {"Twilio's account": account, "Twilio's media": media, "public URL": public_url, "callback URL": callback_url}
