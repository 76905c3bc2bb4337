"""ElevenLabs' account, and its voices: one is made of the project's own synthetic speech, and deleted. `elevenlabs_history.py` has its history.

Sources: https://elevenlabs.io/docs/api-reference/voices, https://elevenlabs.io/docs/eleven-api/resources/errors
"""

from __future__ import annotations

import json
from uuid import uuid4

import httpx

from .account import Account, code, succeeded
from .assumption import Skipped, assume, hold
from .sample import mono

# As the functions read them (`shared/src/clients/elevenlabs`).
KEY = {
    "invalid_api_key", "missing_api_key", "needs_authorization", "unauthorized", "invalid_authorization_header", "authentication_error",
    "authorization_error", "missing_permissions", "insufficient_permissions", "detected_unusual_activity",
}  # fmt: skip
NO_PERMISSION = {"missing_permissions", "insufficient_permissions"}
NO_AUDIO = {"audio_too_long", "audio_too_short", "request_too_large", "invalid_audio", "invalid_audio_format", "invalid_file_type", "duplicate_files"}
FULL = {"voice_limit_reached", "max_voice_limit_reached"}
MONTH_FULL = {"max_voice_add_edits_reached", "voice_add_edit_limit_reached"}
PLAN = {
    "paid_plan_required", "can_not_use_instant_voice_cloning", "feature_not_available", "subscription_required", "insufficient_credits",
    "quota_exceeded",
}  # fmt: skip
PROTECTED = {"voice_access_denied", "detected_captcha_voice"}
BUSY = {
    "rate_limit_exceeded", "concurrent_limit_exceeded", "too_many_concurrent_requests", "system_busy",
}  # fmt: skip
RUNNING = {"already_running", "concurrent_modification"}
GONE = {"voice_not_found", "voice_does_not_exist", "history_item_not_found", "history_item_does_not_exist"}
NO_VOICE = "no voice was made"


class Attempt:
    """A voice to be made, with the marks that clone-worker puts upon it."""

    def __init__(self) -> None:
        self.id, deployment, employee = str(uuid4()), str(uuid4()), str(uuid4())
        self.labels = {"attempt": self.id, "employee": employee, "deployment": deployment}
        self.description = (
            "Cloned by Understudy from recorded calls, with the speaker's consent; do not delete it by hand. "
            f"It was made by attempt {self.id} of deployment {deployment}."
        )

    def form(self) -> dict:
        labels = json.dumps(self.labels, separators=(",", ":"))
        return {"name": "Understudy contract", "description": self.description, "labels": labels, "remove_background_noise": "false"}

    def bears_marks(self, voice: dict) -> bool:
        labels = voice.get("labels") or {}
        return labels.get("attempt") == self.id or f"attempt {self.id}" in (voice.get("description") or "")


def add(elevenlabs: Account, attempt: Attempt, sample: bytes, kept: bool = True, **changes) -> httpx.Response:
    """Makes a voice. The attempt's voice is removed at the end, even if the answer is lost."""
    elevenlabs.later("a voice", lambda: forget(elevenlabs, attempt))
    form = {name: value for name, value in (attempt.form() | changes).items() if value is not None}
    answer = elevenlabs.ask("POST", "/v1/voices/add", kept, data=form, files={"files": ("sample.wav", sample, "audio/wav")})
    if answer.is_success:
        voice = answer.json()["voice_id"]
        elevenlabs.names[voice] = "{voice}"
        elevenlabs.later("a voice", lambda: gone(elevenlabs.ask("DELETE", f"/v1/voices/{voice}", kept=False)))
    return answer


def forget(elevenlabs: Account, attempt: Attempt) -> None:
    for voice in search(elevenlabs, kept=False, search=attempt.id):
        gone(elevenlabs.ask("DELETE", f"/v1/voices/{voice['voice_id']}", kept=False))


def search(elevenlabs: Account, kept: bool = True, **query) -> list[dict]:
    return succeeded(elevenlabs.ask("GET", "/v2/voices", kept, params={"page_size": 100} | query), 200).json()["voices"]


def is_gone(answer: httpx.Response) -> bool:
    return answer.status_code == 404 or code(answer) in GONE


def gone(answer: httpx.Response) -> None:
    if not answer.is_success:
        hold(is_gone(answer), f"it was answered {answer.status_code} ({code(answer)})")


def made_none(elevenlabs: Account, attempt: Attempt) -> None:
    hold(not search(elevenlabs, search=attempt.id), "it makes a voice")


def refused(answer: httpx.Response, codes: set[str]) -> None:
    hold(not answer.is_success, "it was accepted")
    hold(code(answer) in codes, f"it was answered {answer.status_code} ({code(answer)})")


@assume("elevenlabs", "A wrong key is turned away with 401, and a code that is about the key.")
def _(elevenlabs):
    answer = succeeded(elevenlabs.ask("GET", "/v1/user", headers={"xi-api-key": "sk_" + "0" * 48}), 401)
    hold(code(answer) in KEY, f"the code is {code(answer)}")


@assume("elevenlabs", "The user of a key has a user_id, the same each time; a key that may not read it is told missing_permissions.")
def _(elevenlabs):
    answer = elevenlabs.ask("GET", "/v1/user")
    if not answer.is_success:
        elevenlabs.facts["may_not_read_user"] = code(answer) in NO_PERMISSION
        return hold(code(answer) in NO_PERMISSION, f"it was answered {answer.status_code} ({code(answer)})")
    hold(answer.json().get("user_id"), "it has none")
    hold(succeeded(elevenlabs.ask("GET", "/v1/user"), 200).json()["user_id"] == answer.json()["user_id"], "it is another one")


@assume("elevenlabs", "A key without the permission user_read is told missing_permissions.")
def _(elevenlabs):
    if elevenlabs.facts.get("may_not_read_user"):
        return
    with elevenlabs.staged("the key has the permission").account(user_read=False):
        answer = elevenlabs.ask("GET", "/v1/user")
    hold(code(answer) in NO_PERMISSION, f"it was answered {answer.status_code} ({code(answer)})")


def subscription(elevenlabs: Account) -> dict:
    answer = elevenlabs.ask("GET", "/v1/user/subscription")
    if code(answer) in NO_PERMISSION:
        raise Skipped("the key may not read the subscription")
    return succeeded(answer, 200).json()


@assume("elevenlabs", "The subscription says how many voices there are and may be (voice_slots_used, voice_limit).")
def _(elevenlabs):
    said = subscription(elevenlabs)
    hold(all(isinstance(said.get(name), int) and said[name] >= 0 for name in ("voice_slots_used", "voice_limit")), "it does not")


@assume("elevenlabs", "The subscription says whether the plan has instant clones, and how many additions of the month are used.")
def _(elevenlabs):
    said = subscription(elevenlabs)
    hold(isinstance(said.get("can_use_instant_voice_cloning"), bool) and isinstance(said.get("tier"), str), "it says nothing of the plan")
    most = said.get("max_voice_add_edits")
    hold(isinstance(said.get("voice_add_edit_counter"), int) and (most is None or isinstance(most, int)), "it says nothing of additions")


@assume("elevenlabs", "A file that is no audio is refused with a code that says so, and makes no voice.")
def _(elevenlabs):
    attempt = Attempt()
    refused(add(elevenlabs, attempt, b"This is no audio. " * 5000), NO_AUDIO)
    made_none(elevenlabs, attempt)


@assume("elevenlabs", "A form without a name is a 422, and makes no voice.")
def _(elevenlabs):
    attempt = Attempt()
    succeeded(add(elevenlabs, attempt, mono(10), name=None), 422)
    made_none(elevenlabs, attempt)


@assume("elevenlabs", "A minute of telephone speech (8 kHz WAV) with marks in labels and description becomes a voice: voice_id, requires_verification.")
def _(elevenlabs):
    attempt = Attempt()
    answer = add(elevenlabs, attempt, mono(60))
    if code(answer) in FULL | MONTH_FULL | PLAN:
        elevenlabs.facts["refused"] = answer
        raise Skipped(f"the account can have no further voice ({code(answer)})")
    said = succeeded(answer, 200).json()
    elevenlabs.facts |= {"voice": said["voice_id"], "attempt": attempt}
    hold(isinstance(said["requires_verification"], bool), "it does not say whether it has to be verified")


@assume("elevenlabs", "A voice is found within a minute by its attempt's id, which stands in labels and description.")
def _(elevenlabs):
    voice, attempt = elevenlabs.fact("voice", NO_VOICE), elevenlabs.facts["attempt"]

    def look():
        return [one for one in search(elevenlabs, search=attempt.id) if one["voice_id"] == voice]

    elevenlabs.facts["found"] = elevenlabs.until(look, "it is not found")[0]


@assume("elevenlabs", "A voice that is found has its marks as they were sent: in the labels, or in the description.")
def _(elevenlabs):
    found = elevenlabs.fact("found", NO_VOICE)
    hold(elevenlabs.facts["attempt"].bears_marks(found), "it has neither")


@assume("elevenlabs", "Labels with other keys than the vendor names are kept.")
def _(elevenlabs):
    hold(elevenlabs.fact("found", NO_VOICE).get("labels") == elevenlabs.facts["attempt"].labels, "they are not")


@assume("elevenlabs", "A voice says whether it has to be verified and is (voice_verification), or null.")
def _(elevenlabs):
    voice = elevenlabs.fact("voice", NO_VOICE)
    said = succeeded(elevenlabs.ask("GET", f"/v1/voices/{voice}"), 200).json().get("voice_verification")
    hold(said is None or {"requires_verification", "is_verified"} <= set(said), "it does not")


@assume("elevenlabs", "category=cloned lists the voice, and none of those that every account has.")
def _(elevenlabs):
    voice = elevenlabs.fact("voice", NO_VOICE)
    found = search(elevenlabs, category="cloned")
    hold(voice in [one["voice_id"] for one in found], "it does not")
    hold({one["category"] for one in found} == {"cloned"}, "there are others, too")


@assume("elevenlabs", "A list that does not end here says so (has_more, next_page_token), and the next page has other voices.")
def _(elevenlabs):
    first = succeeded(elevenlabs.ask("GET", "/v2/voices", params={"page_size": 1}), 200).json()
    if not first["has_more"] and first.get("total_count", 2) < 2:
        raise Skipped("the account has no two voices")
    hold(first["has_more"] and first["next_page_token"], "it does not")
    query = {"page_size": 1, "next_page_token": first["next_page_token"]}
    second = succeeded(elevenlabs.ask("GET", "/v2/voices", params=query), 200).json()
    hold(second["voices"] and second["voices"][0]["voice_id"] != first["voices"][0]["voice_id"], "it has the same")


@assume("elevenlabs", "A search that fits no voice answers an empty list.")
def _(elevenlabs):
    hold(search(elevenlabs, search=str(uuid4())) == [], "it finds something")


def refused_when(elevenlabs: Account, codes: set[str], why: str, **settings) -> None:
    """Holds that a state of the account is refused. The account's own refusal will do if it was for that; else a stand-in is brought into the state."""
    answer = elevenlabs.facts.get("refused")
    if answer is not None and code(answer) in codes:
        return
    attempt = Attempt()
    with elevenlabs.staged(why).account(**settings):
        refused(add(elevenlabs, attempt, mono(10)), codes)
    made_none(elevenlabs, attempt)


@assume("elevenlabs", "A full account says so with a code of the limit (voice_limit_reached, …).")
def _(elevenlabs):
    refused_when(elevenlabs, FULL, "the account is not full", voice_limit=0)


@assume("elevenlabs", "An account whose month has no more additions says so with a code (voice_add_edit_limit_reached, …).")
def _(elevenlabs):
    refused_when(elevenlabs, MONTH_FULL, "the account has additions left", max_voice_add_edits=0)


def limit_is_met(elevenlabs: Account) -> bool:
    said = subscription(elevenlabs)
    used, most = said.get("voice_add_edit_counter"), said.get("max_voice_add_edits")
    month_is_over = used is not None and most is not None and 0 <= most <= used
    return month_is_over or said["voice_slots_used"] >= said["voice_limit"]


@assume("elevenlabs", "The subscription of an account that is too full for a voice shows that its limit is met.")
def _(elevenlabs):
    own = elevenlabs.facts.get("refused")
    if own is not None and code(own) in FULL | MONTH_FULL:
        return hold(limit_is_met(elevenlabs), "it shows room")
    for settings in ({"voice_limit": 0}, {"max_voice_add_edits": 0}):
        with elevenlabs.staged("the account has room").account(**settings):
            refused(add(elevenlabs, Attempt(), mono(10)), FULL | MONTH_FULL)
            hold(limit_is_met(elevenlabs), "it shows room")


@assume("elevenlabs", "A plan without instant clones says so with a code of the plan (paid_plan_required, …).")
def _(elevenlabs):
    refused_when(elevenlabs, PLAN, "the plan has instant clones", can_use_instant_voice_cloning=False)


@assume("elevenlabs", "A voice that the vendor protects is refused with a code of its own, and not as if the key were wrong.")
def _(elevenlabs):
    for said in PROTECTED:
        refused_when(elevenlabs, PROTECTED, "nobody should upload a voice that is protected", protected=said)


@assume("elevenlabs", "A voice that has to be verified first is answered 200, and says so.")
def _(elevenlabs):
    with elevenlabs.staged("it takes a voice that the vendor protects").account(requires_verification=True):
        hold(succeeded(add(elevenlabs, Attempt(), mono(10)), 200).json()["requires_verification"] is True, "it does not")


@assume("elevenlabs", "Too much at once is told by a code of its own (concurrent_limit_exceeded, …), and nothing was made.")
def _(elevenlabs):
    refused_when(elevenlabs, BUSY, "nobody should ask a vendor too often", concurrency_limit=0)


@assume("elevenlabs", "There is no idempotency: the same request twice makes two voices.")
def _(elevenlabs):
    elevenlabs.staged("it would cost another voice")
    attempt = Attempt()
    for _ in range(2):
        succeeded(add(elevenlabs, attempt, mono(10)), 200)
    hold(len(search(elevenlabs, search=attempt.id)) == 2, "it does not")
