"""One recording as Twilio has it: https://www.twilio.com/docs/voice/api/recording#recording-properties"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime
from itertools import count

from ..wav import Wav

STATUSES = {"in-progress", "paused", "stopped", "processing", "completed", "absent", "deleted", "failed"}
SOURCES = {
    "DialVerb", "Conference", "OutboundAPI", "Trunking", "RecordVerb", "StartCallRecordingAPI", "StartConferenceRecordingAPI",
}  # fmt: skip
TRACKS = {"inbound", "outbound", "both"}
# `start_time` and `date_created` are nullable in Twilio's OpenAPI; recordings of these statuses may have neither.
UNDATED = {"absent", "processing", "deleted"}
# The place in which an account with external storage has its media (https://www.twilio.com/docs/voice/recording-settings).
EXTERNAL = "https://recordings-of-a-customer.s3.amazonaws.com"
_made = count()


class TwilioDate:
    @staticmethod
    def parse(text: str) -> datetime:
        """ISO 8601 or RFC 2822; raises ValueError."""
        try:
            date = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            date = parsedate_to_datetime(text)
        return date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date.astimezone(timezone.utc)

    @staticmethod
    def show(date: datetime) -> str:
        """Tue, 14 Oct 2025 21:56:34 +0000"""
        return format_datetime(date)


@dataclass
class Recording:
    sid: str
    call_sid: str
    channels: int
    duration: int | None  # seconds; None (REST: -1) until completed
    source: str = "DialVerb"
    track: str = "both"
    status: str = "completed"
    conference_sid: str | None = None
    error_code: int | None = None
    encrypted: bool = False
    media: str = "stored"
    chunked: bool = False
    start_time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    date_created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    date_updated: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    number: int = field(default_factory=lambda: next(_made))

    @property
    def order(self) -> tuple:
        """The order of creation; the number tells recordings of the same second apart."""
        return self.date_created.replace(microsecond=0), self.number

    @classmethod
    def made(cls, sid: str, query: dict[str, str], head: Wav | None) -> "Recording":
        """The recording that PUT /_control/recordings/{sid} describes by its query and by the header of its media. Raises ValueError."""
        query = dict(query)

        def one_of(name: str, values: set[str], default: str) -> str:
            value = query.pop(name, default)
            if value not in values:
                raise ValueError(f"{name} is one of {', '.join(sorted(values))}")
            return value

        status = one_of("status", STATUSES, "completed")
        duration = int(query.pop("duration", round(head.seconds) if head else 0))
        recording = cls(
            sid=sid,
            call_sid=query.pop("call_sid", None) or "CA" + secrets.token_hex(16),
            channels=int(query.pop("channels", head.channels if head else 1)),
            duration=duration if status in ("completed", "deleted") else None,
            source=one_of("source", SOURCES, "DialVerb"),
            track=one_of("track", TRACKS, "both"),
            status=status,
            conference_sid=query.pop("conference_sid", None),
            error_code=int(query.pop("error_code")) if "error_code" in query else None,
            encrypted=one_of("encrypted", {"true", "false"}, "false") == "true",
            media=one_of("media", {"stored", "external", "none"}, "stored"),
            chunked=one_of("chunked", {"true", "false"}, "false") == "true",
        )
        for name in ("start_time", "date_created"):
            if name in query:
                setattr(recording, name, TwilioDate.parse(query.pop(name)))
        if query:
            raise ValueError(f"unknown: {', '.join(query)}")
        return recording

    def resource(self, account_sid: str, base_url: str, of_call: bool = False) -> dict:
        """The JSON of the REST API. Numbers that are strings there are strings here. `track` is a field of a call's
        recordings (/Calls/{CA…}/Recordings) and not of an account's; `media_url` and `subresource_uris` only of an account's."""
        account = f"/2010-04-01/Accounts/{account_sid}"
        path = f"{account}/Recordings/{self.sid}"
        media = {"stored": base_url + path, "external": f"{EXTERNAL}/{account_sid}/{self.sid}.wav", "none": None}
        dated = self.status not in UNDATED
        encryption = {
            "encryption_public_key_sid": "CR" + "0" * 32,
            "encryption_cek": "OV4h6zrsxMIW7h0Zfqwfn6TI2GCNl54KALlg8wn8YB8=",
            "encryption_iv": "8I2hhNIYNTrwxfHk",
        }
        subresources = {"add_on_results": path + "/AddOnResults.json", "transcriptions": path + "/Transcriptions.json"}
        return {
            "account_sid": account_sid,
            "api_version": "2010-04-01",
            "call_sid": self.call_sid,
            "conference_sid": self.conference_sid,
            "channels": self.channels,
            "date_created": TwilioDate.show(self.date_created) if dated else None,
            "date_updated": TwilioDate.show(self.date_updated),
            "start_time": TwilioDate.show(self.start_time) if dated else None,
            "duration": str(-1 if self.duration is None else self.duration),
            "encryption_details": encryption if self.encrypted else None,
            "error_code": self.error_code,
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "source": self.source,
            "status": self.status,
            "uri": (f"{account}/Calls/{self.call_sid}/Recordings/{self.sid}" if of_call else path) + ".json",
        } | ({"track": self.track} if of_call else {"media_url": media[self.media], "subresource_uris": subresources})
