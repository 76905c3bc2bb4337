"""The speech that ElevenLabs keeps of a voice, also after the voice is deleted.

Sources: https://elevenlabs.io/docs/api-reference/history, https://elevenlabs.io/docs/api-reference/voices/delete
"""

from __future__ import annotations

import httpx

from .account import Account, code, succeeded
from .assumption import No, Skipped, assume, hold
from .elevenlabs import NO_VOICE, Attempt, add, gone, is_gone, search, subscription
from .sample import mono

NEEDS_SPEAK = "needs --speak"
# Eight characters in all.
SPOKEN = ("One.", "Two.")


def history(elevenlabs: Account, voice: str, kept: bool = True, **query) -> dict:
    return succeeded(elevenlabs.ask("GET", "/v1/history", kept, params={"voice_id": voice, "page_size": 100} | query), 200).json()


def spoken(elevenlabs: Account) -> list[str]:
    """The voice's items of the history, the newest first."""
    return elevenlabs.fact("spoken", NEEDS_SPEAK)


@assume("elevenlabs", "The history of a voice that never spoke is an empty page.")
def _(elevenlabs):
    page = history(elevenlabs, elevenlabs.fact("voice", NO_VOICE))
    hold(page["history"] == [] and page["has_more"] is False, "it is not")


@assume("elevenlabs", "The speech that was generated with a voice is listed by the voice, each item with an id and a state, the newest first.")
def _(elevenlabs):
    voice = elevenlabs.fact("voice", NO_VOICE)
    if not (elevenlabs.stage or elevenlabs.wishes.speak):
        raise Skipped(NEEDS_SPEAK)
    elevenlabs.later("what a voice has spoken", lambda: forget(elevenlabs, voice))
    for text in SPOKEN:
        succeeded(elevenlabs.ask("POST", f"/v1/text-to-speech/{voice}", kept=False, json={"text": text, "model_id": "eleven_multilingual_v2"}), 200)

    def look():
        page = history(elevenlabs, voice)["history"]
        return page if len(page) == len(SPOKEN) else None

    found = elevenlabs.until(look, "it is not listed")
    hold(all(item["history_item_id"] and item["state"] for item in found), "one has no id, or no state")
    hold([item["text"] for item in found] == list(reversed(SPOKEN)), "the newest is not the first")
    elevenlabs.facts["spoken"] = [item["history_item_id"] for item in found]
    elevenlabs.names |= dict.fromkeys(elevenlabs.facts["spoken"], "{item}")


def forget(elevenlabs: Account, voice: str) -> None:
    for item in history(elevenlabs, voice, kept=False)["history"]:
        if item["state"] != "deleted":
            gone(elevenlabs.ask("DELETE", f"/v1/history/{item['history_item_id']}", kept=False))


@assume("elevenlabs", "start_after_history_item_id goes on behind an item.")
def _(elevenlabs):
    newest, oldest = spoken(elevenlabs)
    page = history(elevenlabs, elevenlabs.facts["voice"], start_after_history_item_id=newest)
    hold([item["history_item_id"] for item in page["history"]] == [oldest], "it does not")


@assume("elevenlabs", "A page that is full names its last item (last_history_item_id) and says that there is more (has_more).")
def _(elevenlabs):
    newest, _ = spoken(elevenlabs)
    page = history(elevenlabs, elevenlabs.facts["voice"], page_size=1)
    hold(page["last_history_item_id"] == newest and page["has_more"] is True, "it does not")


@assume("elevenlabs", "A voice that does not exist answers 404 or voice_not_found.")
def _(elevenlabs):
    there_is_not(elevenlabs.ask("GET", "/v1/voices/21m00Tcm4TlvDq8ikWAX"))


def there_is_not(answer: httpx.Response) -> None:
    hold(is_gone(answer), f"it was answered {answer.status_code} ({code(answer)})")


@assume("elevenlabs", "Deleting a voice succeeds.")
def _(elevenlabs):
    voice = elevenlabs.fact("voice", NO_VOICE)
    before = slots_used(elevenlabs)
    succeeded(elevenlabs.ask("DELETE", f"/v1/voices/{voice}"))
    elevenlabs.facts["deleted"] = voice
    if before is not None:
        elevenlabs.facts["slots_before"] = before


def slots_used(elevenlabs: Account) -> int | None:
    """None where they cannot be read: a voice can be deleted all the same."""
    try:
        return subscription(elevenlabs)["voice_slots_used"]
    except (Skipped, No, KeyError):
        return None


@assume("elevenlabs", "The subscription has the slot of a deleted voice at once (voice_slots_used).")
def _(elevenlabs):
    before = elevenlabs.fact("slots_before", "no voice was deleted, or the subscription could not be read before")
    now = subscription(elevenlabs)["voice_slots_used"]
    hold(now == before - 1, f"{before} slots were used before, and {now} after")


@assume("elevenlabs", "A deleted voice answers 404 or voice_not_found.")
def _(elevenlabs):
    there_is_not(elevenlabs.ask("GET", f"/v1/voices/{elevenlabs.fact('deleted', NO_VOICE)}"))


@assume("elevenlabs", "Deleting a deleted voice again answers 404, voice_not_found, or the 500 of any deletion that fails.")
def _(elevenlabs):
    answer = elevenlabs.ask("DELETE", f"/v1/voices/{elevenlabs.fact('deleted', NO_VOICE)}")
    hold(is_gone(answer) or answer.status_code == 500, f"it was answered {answer.status_code} ({code(answer)})")


@assume("elevenlabs", "Neither the search nor the list has a deleted voice for longer than a minute.")
def _(elevenlabs):
    voice, attempt = elevenlabs.fact("deleted", NO_VOICE), elevenlabs.facts["attempt"]

    def look():
        return not any(one["voice_id"] == voice for query in ({"search": attempt.id}, {"category": "cloned"}) for one in search(elevenlabs, **query))

    elevenlabs.until(look, "one of them has")


@assume("elevenlabs", "The speech that was generated with a voice outlives the voice, and is still listed by it.")
def _(elevenlabs):
    items = spoken(elevenlabs)
    page = history(elevenlabs, elevenlabs.fact("deleted", NO_VOICE))
    hold([item["history_item_id"] for item in page["history"]] == items, "it does not")


@assume("elevenlabs", "An item of the history is deleted with a success; then it is a 404, history_item_not_found, or in the state deleted; and listed no more.")
def _(elevenlabs):
    item = spoken(elevenlabs)[0]
    succeeded(elevenlabs.ask("DELETE", f"/v1/history/{item}"))
    answer = elevenlabs.ask("GET", f"/v1/history/{item}")
    hold(is_gone(answer) or answer.json().get("state") == "deleted", "it is there")
    left = history(elevenlabs, elevenlabs.facts["voice"])["history"]
    hold(item not in [one["history_item_id"] for one in left if one["state"] != "deleted"], "it is listed")


@assume("elevenlabs", "A lost answer may have been a success: the voice is there although nobody heard of it.")
def _(elevenlabs):
    attempt = Attempt()
    with elevenlabs.staged("no real answer is lost on purpose").fault("^/v1/voices/add$", do_work=True, reset=True):
        try:
            add(elevenlabs, attempt, mono(10))
            hold(False, "the answer was not lost")
        except httpx.TransportError:
            pass
    hold(search(elevenlabs, search=attempt.id), "nothing was done")
