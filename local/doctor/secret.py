"""The demands on a vendor's secret, as the functions make them at their start: `problem` in `shared/src/clients`.

A message names a field and never its value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Vendor:
    name: str
    # The stack's parameter with the ARN.
    parameter: str
    # Field → the least characters that it has where it is there.
    least: dict[str, int]
    # One of each of these groups must be there, all fields of it.
    needed: tuple[tuple[tuple[str, ...], ...], ...]


VENDORS = {
    "supabase": Vendor("Supabase", "SupabaseSecretArn", {"secret_key": 20, "jwt_secret": 32}, ((("secret_key",),),)),
    "twilio": Vendor(
        "Twilio", "TwilioSecretArn", {"auth_token": 32, "api_key_secret": 32, "shared_key_secret": 16},
        # To ask the REST API, and to verify callbacks.
        ((("auth_token",), ("api_key_sid", "api_key_secret")), (("auth_token",), ("shared_key_secret",))),
    ),
    "elevenlabs": Vendor("ElevenLabs", "ElevenLabsSecretArn", {"api_key": 20}, ((("api_key",),),)),
}
# As AWS names them where it rotates the secret itself:
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/mes-partner-TwilioAuthToken.html
ALIASES = {"accountSid": "account_sid", "authToken": "auth_token", "apiKeySid": "api_key_sid", "apiKeySecret": "api_key_secret"}


def normal(value: dict) -> dict:
    """The secret with our own names for its fields."""
    return {ALIASES.get(name, name): field for name, field in value.items()}


def problem(vendor: str, value) -> str | None:
    """The problem for which the secret cannot be used; None if there is none."""
    if not isinstance(value, dict):
        return "it is no JSON object"
    value, rules = normal(value), VENDORS[vendor]
    return _malformed(value, rules) or _missing(value, rules) or (_no_account(value) if vendor == "twilio" else None)


def _malformed(value: dict, rules: Vendor) -> str | None:
    for field, least in rules.least.items():
        text = value.get(field)
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            return f"`{field}` is no text"
        if text != text.strip():
            return f"`{field}` has white space around it"
        if len(text) < least:
            return f"`{field}` is shorter than {least} characters"
    return None


def _missing(value: dict, rules: Vendor) -> str | None:
    for group in rules.needed:
        if not any(all(value.get(field) for field in fields) for fields in group):
            wanted = " or ".join(" with ".join(f"`{field}`" for field in fields) for fields in group)
            return f"it has no {wanted}" if len(group) == 1 else f"it has neither {wanted.replace(' or ', ' nor ')}"
    return None


def _no_account(value: dict) -> str | None:
    is_account = re.fullmatch(r"AC[0-9a-fA-F]{32}", str(value.get("account_sid", "")))
    return None if is_account else "`account_sid` is not AC and 32 hexadecimal digits"
