"""A story's stage: an employee of its own, faults that end with it, and what happened where."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable

from ..scenario import Missing, Scenario

VENDORS = {"twilio": "Twilio", "elevenlabs": "ElevenLabs", "supabase": "Supabase"}
# The User-Agent of the functions begins so.
FUNCTIONS = "understudy/"
# Queries that describe an employee's rows, each in lines of text.
DATABASE = {
    "recordings": "select recording_sid || case when erased_at is null then ' is stored, ' || bytes || ' bytes' else ' is erased' end"
    " from recordings where employee_id = %s order by started_at",
    "voices": "select id || ' is ' || state || coalesce(': ' || code, '') || coalesce(', voice ' || vendor_voice_id, '') from voices where employee_id = %s order by number",
    "copies": "select c.kind || ' is ' || c.state from voice_erasure_copies c join voice_erasures e on e.id = c.erasure_id where e.employee_id = %s order by c.number",
    "audit": "select action || ' → ' || outcome from voice_audit where employee_id = %s order by seq",
}


class Stage:
    """`say` prints a line. `close` ends what the story has broken, and nothing else: others may be using the stack."""

    def __init__(self, scenario: Scenario, say: Callable[[str], None]):
        self.scenario, self._say, self._began = scenario, say, time.monotonic()
        self.employee = scenario.new_employee()
        self._undo: list[Callable[[], object]] = []
        self._seen = {vendor: max((entry["id"] for entry in scenario.journal(vendor)), default=0) for vendor in VENDORS}

    def close(self) -> None:
        while self._undo:
            self._undo.pop()()

    # -- what a story does -------------------------------------------------------------------------------------------------

    def tell(self, what: str) -> None:
        """Prints what has just happened."""
        self._say(f"{time.monotonic() - self._began:7.1f} s  {what}")

    def same(self, what: str, found, expected) -> None:
        if found != expected:
            raise Missing(f"{what}: {found!r}, expected {expected!r}")

    def control(self, method: str, vendor: str, path: str, body: dict | None = None):
        """Asks a stand-in's control surface."""
        url = f"{self.scenario.stack[vendor]['url']}/_control{path}"
        answer = self.scenario.expect(range(200, 300), method, url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
        return answer.json() if answer.body else None

    def fault(self, vendor: str, **fault) -> Callable[[], bool]:
        """Breaks a vendor as the stand-ins' documentation says, until the story is over. Returns a function that tells whether a request was hit."""
        number = self.control("POST", vendor, "/faults", fault)["id"]
        self._undo.append(lambda: self.control("DELETE", vendor, f"/faults/{number}"))
        return lambda: any(each["id"] == number and each["hits"] > 0 for each in self.control("GET", vendor, "/faults")["faults"])

    def account(self, vendor: str, **settings) -> None:
        """Other settings of a vendor's account, until the story is over."""
        before = self.control("PUT", vendor, "/account", {})
        self.control("PUT", vendor, "/account", settings)
        self._undo.append(lambda: self.control("PUT", vendor, "/account", {name: before[name] for name in settings}))

    def send(self, queue: str, message: dict) -> None:
        url = self.scenario.stack["aws"]["queues"][queue]
        self.scenario.aws("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(message))

    # -- what there is -----------------------------------------------------------------------------------------------------

    def asked(self, vendor: str, **query) -> list[dict]:
        """The requests of the functions to a vendor since the story began."""
        found = self.scenario.journal(vendor, after=self._seen[vendor], **query)
        return [entry for entry in found if str(entry["headers"].get("user-agent", "")).startswith(FUNCTIONS)]

    def newest(self) -> bytes | None:
        return self.scenario.stored(f"recordings/{self.employee}/{self.employee}.wav")

    def voice(self) -> str | None:
        """The one on the employee's row."""
        return self.scenario.one("select voice_id from employees where id = %s", self.employee)

    def is_erased(self) -> bool:
        return self.scenario.one("select coalesce(bool_and(erased_at is not null), false) from voice_erasures where employee_id = %s", self.employee)

    def what_happened(self) -> None:
        """Prints every request of the functions to the vendors, whoever it was for, and the employee's rows in the database."""
        entries = sorted(((entry["time"], VENDORS[vendor], entry) for vendor in VENDORS for entry in self.asked(vendor)), key=lambda each: each[0])
        lines = [(at[11:23], f"{vendor:<10}  {entry['method']:<6}  {_short(entry['path'])} → {_answered(entry)}") for at, vendor, entry in entries]
        self._say("\n  asked of the vendors")
        # A function that waits asks the same again and again.
        for line, same in itertools.groupby(lines, key=lambda line: line[1]):
            times = [at for at, _ in same]
            self._say(f"    {times[0]}  {line}{f'  ({len(times)} times)' if len(times) > 1 else ''}")
        self._say("  in the database")
        for table, query in DATABASE.items():
            for row in self.scenario.database.execute(query, [self.employee]).fetchall():
                self._say(f"    {table:<12}{row[0]}")


def _answered(entry: dict) -> str:
    return f"{entry['sent'] or entry['outcome']}{'  (broken by the story)' if entry['fault'] else ''}"


def _short(path: str) -> str:
    """Ids by their ends."""
    path = re.sub(r"/2010-04-01/Accounts/AC[0-9a-f]{32}", "…", path)
    path = re.sub(r"\b(RE|CA)[0-9a-f]{28}([0-9a-f]{4})", r"\1…\2", path)
    return re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{8}([0-9a-f]{4})\b", r"…\2", path)
