"""Checks of ElevenLabs: what the plan allows, and what the key may do."""

from __future__ import annotations

import httpx

from .deployed import Deployed
from .finding import Finding, fail, ok, warn

# A clone needs a place while the voice that it replaces still has one.
FEW_PLACES = 3
USER = "/v1/user"
# Requests of the functions besides the making of voices → their purpose.
READS = {"/v2/voices?page_size=1": "to look for voices", "/v1/history?page_size=1": "to erase speech that was made with a voice", USER: "to read the user"}
NEW_KEY = "make an API key that has no restrictions, or one that may read and write voices, read and delete history, and read the user"


def key(deployment: Deployed) -> Finding:
    """https://elevenlabs.io/docs/eleven-api/resources/errors: a key that lacks a permission is a 401 with missing_permissions."""
    lacking = []
    for path in READS:
        answer = deployment.elevenlabs(path)
        if _code(answer) in ("missing_permissions", "insufficient_permissions"):
            lacking.append(path)
        elif answer.status_code in (401, 403):
            return fail(f"ElevenLabs refuses the key: {_code(answer) or answer.status_code}", "put a key that works into the secret of ElevenLabs")
        elif answer.status_code != 200:
            return fail(f"ElevenLabs answers {answer.status_code} to {path.partition('?')[0]}", "look at https://status.elevenlabs.io, and at ElevenLabsApiUrl")
    said = f"the key has no permission {', nor '.join(READS[path] for path in lacking)}"
    if lacking == [USER]:
        # See `account` in shared/src/clients/elevenlabs/account.rs: then the key itself stands for the account.
        return warn(f"{said}: once it is replaced, voices that it made count as another account's, and are not erased", NEW_KEY)
    if lacking:
        return fail(said, NEW_KEY)
    return ok("the key may read voices, history and user")


def plan(deployment: Deployed) -> Finding:
    """https://elevenlabs.io/docs/api-reference/user/subscription/get"""
    answer = deployment.elevenlabs("/v1/user/subscription")
    if answer.status_code != 200:
        return warn(f"the plan cannot be read: ElevenLabs answers {answer.status_code}", NEW_KEY)
    found = answer.json()
    if not found["can_use_instant_voice_cloning"]:
        return fail(f"the plan {found['tier']} has no instant voice cloning", "change to a plan that has it")
    if found["status"] not in ("active", "trialing"):
        return fail(f"the subscription is {found['status']}", "pay what is open at ElevenLabs")
    return ok(f"the plan {found['tier']} has instant voice cloning")


def places(deployment: Deployed) -> Finding:
    answer = deployment.elevenlabs("/v1/user/subscription")
    if answer.status_code != 200:
        return warn(f"the number of voices cannot be read: ElevenLabs answers {answer.status_code}", NEW_KEY)
    found = answer.json()
    free, said = found["voice_limit"] - found["voice_slots_used"], f"{found['voice_slots_used']} of {found['voice_limit']} places for voices are taken"
    most, added = found.get("max_voice_add_edits"), found["voice_add_edit_counter"]
    if free <= 0:
        return fail(said, "delete voices that nobody needs, or change to a larger plan")
    if most is not None and added >= most:
        return fail(f"all {most} additions of this month are used", "wait for the next month, or change to a larger plan")
    if free < FEW_PLACES or most is not None and most - added < FEW_PLACES:
        return warn(f"{said}, and {added} of {'any number of' if most is None else most} additions of this month are used", "change to a larger plan before they are all used")
    return ok(said)


def _code(answer: httpx.Response) -> str | None:
    """The newer bodies have a code, the older ones a status."""
    try:
        detail = answer.json()["detail"]
        return detail.get("code") or detail.get("status")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


CHECKS = {"ElevenLabs' key": key, "ElevenLabs' plan": plan, "places for voices": places}
