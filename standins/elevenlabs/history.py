"""The history of the speech that was generated with voices: https://elevenlabs.io/docs/api-reference/history

It outlives the voice: only deleting an item itself, or zero retention (an enterprise plan), takes it away. One thing is not documented, and
is chosen here: 404 with `history_item_not_found` for an item that is not there.
"""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass, field

from .errors import Refused


def _id() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(20))


@dataclass
class Item:
    voice_id: str
    voice_name: str | None
    text: str
    source: str = "TTS"
    state: str = "created"
    history_item_id: str = field(default_factory=_id)
    request_id: str = field(default_factory=_id)
    date_unix: int = field(default_factory=lambda: int(time.time()))

    def shown(self) -> dict:
        return {
            "history_item_id": self.history_item_id,
            "request_id": self.request_id,
            "voice_id": self.voice_id,
            "model_id": "eleven_multilingual_v2",
            "voice_name": self.voice_name,
            "voice_category": "cloned",
            "text": self.text,
            "date_unix": self.date_unix,
            "character_count_change_from": 0,
            "character_count_change_to": len(self.text),
            "content_type": "audio/mpeg",
            "state": self.state,
            "settings": None,
            "share_link_id": None,
            "source": self.source,
        }


class History:
    """Items by their ids, the oldest first."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def clear(self) -> None:
        self._items.clear()

    def keep(self, item: Item) -> Item:
        self._items[item.history_item_id] = item
        return item

    def get(self, item_id: str) -> Item:
        if item_id not in self._items:
            raise Refused(404, "not_found", "history_item_not_found", f"History item with id {item_id} was not found.")
        return self._items[item_id]

    def delete(self, item_id: str) -> None:
        del self._items[self.get(item_id).history_item_id]

    def all(self) -> list[dict]:
        return [item.shown() for item in self._items.values()]

    def page(self, query, error) -> dict:
        """The answer of GET /v1/history, newest first. `error` makes the 422 for a bad parameter."""
        size = query.get("page_size", "100")
        if not size.isdigit():
            raise error("page_size", "int_parsing", "Input should be a valid integer, unable to parse string as an integer", size)
        if int(size) > 1000:
            raise error("page_size", "less_than_equal", "Input should be less than or equal to 1000", size)
        found = [item for item in reversed(self._items.values()) if query.get("voice_id", item.voice_id) == item.voice_id]
        if after := query.get("start_after_history_item_id"):
            places = [place for place, item in enumerate(found) if item.history_item_id == after]
            found = found[places[0] + 1 :] if places else []
        shown = found[: int(size)]
        return {
            "history": [item.shown() for item in shown],
            "last_history_item_id": shown[-1].history_item_id if shown else None,
            "has_more": len(found) > len(shown),
            "scanned_until": None,
        }
