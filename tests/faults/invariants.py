"""The invariants: these must hold when the dust has settled.

    L  lost      a recording that Twilio has of a call we know is neither in Storage with its bytes, nor erased on request
    D  doubled   two voices of one employee at the vendor, or two that one attempt has made
    O  orphaned  a voice at the vendor, or an object in Storage, that nobody owns
    W  wrong     what the database says is not so, a flow did not come to its end, or a vendor was asked for what it does not publish

The stand-ins are looked at directly, not asked: nothing here depends on what is being tested.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from .flows import World
from .lane import Lane

MARK = re.compile(r"employee ([0-9a-f-]{36}), made by attempt ([0-9a-f-]{36})")


def _marks(voice) -> tuple[str, str]:
    """The employee and the attempt of a voice. A voice that a test has left behind has them in its description."""
    if "employee" in voice.labels:
        return voice.labels["employee"], voice.labels["attempt"]
    return MARK.search(voice.description or "").groups()


@dataclass(frozen=True)
class Finding:
    letter: str
    what: str


class Inspection:
    def __init__(self, lane: Lane, world: World):
        self.lane, self.world = lane, world
        self.findings: list[Finding] = []
        vendors = lane.outside.vendors
        self._objects = {f"{bucket}/{key}": stored for (bucket, key), stored in vendors.supabase.storage.objects.items()}
        self._twilio = vendors.twilio.recordings
        self._made: list[tuple[str, str, str]] = []  # voice, employee, attempt: every voice there ever was
        self._live: dict[str, list[str]] = defaultdict(list)
        for voice in vendors.elevenlabs.voices.values():
            if voice.category == "cloned":
                employee, attempt = _marks(voice)
                self._made.append((voice.voice_id, employee, attempt))
                if not voice.deleted:
                    self._live[employee].append(voice.voice_id)

    def inspect(self) -> list[Finding]:
        for untrue in self.world.untrue:
            self._found("W", untrue)
        self._recordings()
        self._voices_made()
        for employee, end in self.world.ends.items():
            self._voice(employee, end)
            self._metadata(employee, end)
            self._newest_recording(employee)
        self._nobodys_objects()
        self._database()
        self._as_published()
        return self.findings

    def _found(self, letter: str, what: str) -> None:
        self.findings.append(Finding(letter, what))

    # -- recordings --------------------------------------------------------------------------------------------------------

    def _recordings(self) -> None:
        for recording_sid, told in self.world.told.items():
            row = self.lane.rows("select storage_path from recordings where recording_sid = %s and erased_at is null", recording_sid)
            if told.erased:
                if (twilio := self._twilio.get(recording_sid)) and twilio.status != "deleted":
                    self._found("W", f"Twilio still has {recording_sid}, which is to be erased")
                if row:
                    self._found("W", f"{recording_sid} is to be erased, and is recorded as if it were not")
                continue
            path = f"recordings/{row[0][0]}" if row else None
            if path not in self._objects:
                self._found("L", f"{recording_sid} is {'recorded, and not in Storage' if path else 'nowhere'}")
            elif path != f"recordings/{told.employee}/{recording_sid}.wav" or self._objects[path].sha256 != told.sha256:
                self._found("L", f"{path} is not what Twilio served, or not where it belongs")

    def _newest_recording(self, employee: str) -> None:
        path = f"recordings/{employee}/{employee}.wav"
        newest = self.lane.rows(
            "select storage_path from recordings where employee_id = %s and erased_at is null order by started_at desc, recording_sid desc limit 1",
            employee,
        )
        has, should = (self._objects[p].sha256 if p in self._objects else None for p in (path, f"recordings/{newest[0][0]}" if newest else ""))
        if has != should:
            self._found("W" if newest else "O", f"{path} is not the newest recording")

    def _nobodys_objects(self) -> None:
        kept = {f"recordings/{path}" for (path,) in self.lane.rows("select storage_path from recordings where erased_at is null")}
        for path in self._objects:
            if path.startswith("recordings/") and path not in kept and not re.fullmatch(r"recordings/([0-9a-f-]{36})/\1\.wav", path):
                self._found("O", f"{path} belongs to no recording")

    # -- voices ------------------------------------------------------------------------------------------------------------

    def _voices_made(self) -> None:
        made = Counter(attempt for voice, _, attempt in self._made if voice not in self.world.planted)
        for attempt, number in made.items():
            if number > 1:
                self._found("D", f"attempt {attempt} has made {number} voices")

    def _voice(self, employee: str, end: str) -> None:
        live = self._live[employee]
        current = self.lane.rows("select voice_id from employees where id = %s", employee)[0][0]
        if len(live) > 1:
            self._found("D", f"{len(live)} voices of one employee are at the vendor")
        if orphans := [voice for voice in live if voice != current]:
            self._found("O", f"{len(orphans)} voices at the vendor are nobody's current one")
        if current and current not in live:
            self._found("W", "employees.voice_id is not at the vendor")
        consented = self.lane.rows(
            "select (understudy.check_consent(%s, %s, 'voice_clone')).problem is null", self.lane.scenario.organization["id"], employee
        )[0][0]
        if current and not consented:
            self._found("W", "a voice without a live consent")
        if bool(current) != (end == "voice"):
            self._found("W", f"employees.voice_id is {'set' if current else 'null'}, and the end was to be: {end}")

    def _metadata(self, employee: str, end: str) -> None:
        stored = self._objects.get(f"deep-fakes/{employee}/{employee}.json")
        says = json.loads(stored.path.read_text()) if stored else None
        if end == "voice":
            voice = self.lane.rows("select voice_id from employees where id = %s", employee)[0][0]
            if says is None or (says.get("voice_id"), says.get("status")) != (voice, "ready"):
                self._found("W", "the metadata are not those of the current voice")
        elif says is not None and (says.get("status") not in ("none", "erased") or says.get("voice_id") or says.get("employee_name")):
            self._found("W", "the metadata are of a voice that is gone")

    # -- the vendors ------------------------------------------------------------------------------------------------------

    def _as_published(self) -> None:
        """Judges the requests of the functions only; the harness may ask otherwise."""
        vendors = self.lane.outside.vendors
        for breach in vendors.twilio.breaches + vendors.elevenlabs.breaches:
            if breach["agent"].startswith("understudy/"):
                self._found("W", breach["what"])

    # -- the database ------------------------------------------------------------------------------------------------------

    def _database(self) -> None:
        for state, number in self.lane.rows("select state, count(*) from voices where state in ('requested', 'cloning', 'unknown') group by 1"):
            self._found("W", f"{number} attempts are still {state}")
        unfinished = "select count(*) from voice_erasures where erased_at is null"
        if number := self.lane.rows(unfinished)[0][0]:
            self._found("W", f"{number} erasures are not complete")
        for employee, end in self.world.ends.items():
            if end == "erased" and not self.lane.rows("select from voice_erasures where employee_id = %s and erased_at is not null", employee):
                self._found("W", "nothing says that it was erased")
            if end == "erased" and self.lane.rows("select from voices where employee_id = %s and report is not null", employee):
                self._found("W", "figures of what was erased are kept")
        if self.lane.scenario.one("select verify_audit()")["outcome"] != "whole":
            self._found("W", "the chain of the audit is broken")
        if self.lane.aws.dead or self.lane.aws.messages:
            self._found("W", f"{len(self.lane.aws.dead)} messages are dead")
        for failure in self.lane.functions.failures:
            self._found("W", f"an invocation failed by itself: {failure}")
