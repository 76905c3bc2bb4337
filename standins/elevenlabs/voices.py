"""Voices, and the search over them: https://elevenlabs.io/docs/api-reference/voices/search"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..multipart import Part


@dataclass
class Sample:
    path: Path
    filename: str
    content_type: str
    bytes: int
    sha256: str


@dataclass
class Voice:
    voice_id: str
    name: str
    description: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    remove_background_noise: bool = False
    requires_verification: bool = False
    category: str = "cloned"
    deleted: bool = False
    created: float = field(default_factory=time.time)
    samples: list[Sample] = field(default_factory=list)

    def age(self) -> float:
        return time.time() - self.created

    def keep(self, files: list[tuple[Part, str]], directory: Path) -> None:
        for number, (part, digest) in enumerate(files):
            path = directory / f"sample-{self.voice_id}-{number}"
            with path.open("wb") as out:
                for chunk in part.chunks():
                    out.write(chunk)
            self.samples.append(Sample(path, part.filename, part.content_type or "application/octet-stream", part.length, digest))

    def received(self) -> dict:
        """Everything that the client sent, for tests."""
        return {
            "voice_id": self.voice_id,
            "name": self.name,
            "description": self.description,
            "labels": self.labels,
            "remove_background_noise": self.remove_background_noise,
            "files": [
                {"filename": s.filename, "content_type": s.content_type, "bytes": s.bytes, "sha256": s.sha256} for s in self.samples
            ],
        }

    def shown(self) -> dict:
        """The vendor's JSON."""
        return {
            "voice_id": self.voice_id,
            "name": self.name,
            "samples": [
                {
                    "sample_id": f"{self.voice_id}{number}",
                    "file_name": sample.filename,
                    "mime_type": sample.content_type,
                    "size_bytes": sample.bytes,
                    "hash": sample.sha256[:32],
                    "remove_background_noise": self.remove_background_noise,
                }
                for number, sample in enumerate(self.samples)
            ],
            "category": self.category,
            "fine_tuning": {
                "is_allowed_to_fine_tune": False,
                "state": {},
                "verification_failures": [],
                "verification_attempts_count": 0,
                "manual_verification_requested": False,
            },
            "labels": self.labels,
            "description": self.description,
            "preview_url": None,
            "available_for_tiers": [],
            "settings": None,
            "sharing": None,
            "high_quality_base_model_ids": [],
            "safety_control": None,
            "voice_verification": {
                "requires_verification": self.requires_verification,
                "is_verified": False,
                "verification_failures": [],
                "verification_attempts_count": 0,
                "language": None,
                "verification_attempts": None,
            },
            "permission_on_resource": "admin" if self.category == "cloned" else None,
            "is_owner": self.category == "cloned",
            "is_legacy": False,
            "is_mixed": False,
            "created_at_unix": int(self.created),
        }

    def mentions(self, text: str) -> bool:
        """Returns whether the text is in the name, description, labels or category, which the vendor says it searches."""
        everything = [self.name, self.description or "", self.category, *self.labels, *self.labels.values()]
        return any(text.lower() in part.lower() for part in everything)


def premade() -> list[Voice]:
    """Voices that every account has. A count of an account's voices must leave them out."""
    return [
        Voice("21m00Tcm4TlvDq8ikWAM", "Rachel", "A calm voice", {"gender": "female"}, category="premade", created=1.6e9),
        Voice("pNInz6obpgDQGcFmaJgB", "Adam", "A deep voice", {"gender": "male"}, category="premade", created=1.6e9),
    ]


def page(voices: list[Voice], query, error) -> dict:
    """The answer of GET /v2/voices. `error` makes the 422 for a bad parameter."""
    size = query.get("page_size", "10")
    if not size.isdigit():
        raise error("page_size", "int_parsing", "Input should be a valid integer, unable to parse string as an integer", size)
    if int(size) > 100:
        raise error("page_size", "less_than_equal", "Input should be less than or equal to 100", size)
    sort, direction = query.get("sort", "created_at_unix"), query.get("sort_direction", "desc")
    if sort not in ("created_at_unix", "name"):
        raise error("sort", "enum", "Input should be 'created_at_unix' or 'name'", sort)
    if direction not in ("asc", "desc"):
        raise error("sort_direction", "enum", "Input should be 'asc' or 'desc'", direction)
    found = [voice for voice in voices if voice.mentions(query.get("search", ""))]
    if "category" in query:
        found = [voice for voice in found if voice.category == query["category"]]
    if ids := query.getall("voice_ids", []):
        if len(ids) > 100:
            raise error("voice_ids", "too_long", "List should have at most 100 items after validation", len(ids))
        found = [voice for voice in found if voice.voice_id in ids]
    kind = query.get("voice_type")
    if kind in ("personal", "non-default", "saved", "non-community"):
        found = [voice for voice in found if voice.category != "premade"]
    elif kind == "default":
        found = [voice for voice in found if voice.category == "premade"]

    def place(voice: Voice) -> str:
        return f"{voice.created:020.6f} {voice.voice_id}" if sort == "created_at_unix" else f"{voice.name} {voice.voice_id}"

    found.sort(key=place, reverse=direction == "desc")
    rest = found
    if token := query.get("next_page_token"):
        try:
            last = base64.urlsafe_b64decode(token).decode()
        except ValueError:
            raise error("next_page_token", "value_error", "Invalid token", token)
        rest = [voice for voice in found if (place(voice) < last if direction == "desc" else place(voice) > last)]
    shown, more = rest[: int(size)], len(rest) > int(size)
    return {
        "voices": [voice.shown() for voice in shown],
        "has_more": more,
        "total_count": len(found) if query.get("include_total_count", "true").lower() != "false" else 0,
        "next_page_token": base64.urlsafe_b64encode(place(shown[-1]).encode()).decode() if more and shown else None,
    }
