"""The flows: things that people and vendors do with the bundle, each from its start to the end that it must reach."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache

from local.scenario import Answer, Missing
from standins.call import recording

from .lane import Lane

# Bytes of a frame, and of the header before them.
FRAME, HEADER = 4, 44
# The part of the laptop's call that a recording has: enough speech for a voice, and not so much that an older one is never needed.
SECONDS = 56
TRIES = 3
# Seconds.
EARLIER = 60


@dataclass
class Told:
    """A recording that Twilio told us about."""

    employee: str
    sha256: str
    # Consent was withdrawn since, so it must be nowhere.
    erased: bool = False


@dataclass
class World:
    """The facts that hold however often things went wrong."""

    told: dict[str, Told] = field(default_factory=dict)  # by RecordingSid
    # The end for each employee: "voice", "nothing", or, whatever there was before, "erased".
    ends: dict[str, str] = field(default_factory=dict)
    # Voices that were put at the vendor, so that something finds them.
    planted: set[str] = field(default_factory=set)
    # Untrue things that people were told.
    untrue: list[str] = field(default_factory=list)


class Flow:
    """A flow runs `prepare`, then `act` with a fault in the way. A person who sees that it did not work does `again`, once the fault is over."""

    name: str
    # The functions whose calls are of interest; those of others have a flow of their own.
    functions: frozenset[str]
    # It must be found in the label of a call that is of interest.
    calls = re.compile("")
    # True if most of its cases wait for something; they run in the slow lanes, beside many others.
    waits = False

    def __init__(self, lane: Lane):
        self.lane, self.scenario = lane, lane.scenario
        self.world = World()
        self._recordings = 0

    def prepare(self) -> None:
        raise NotImplementedError

    def act(self) -> None:
        raise NotImplementedError

    def again(self) -> None:
        pass

    def check(self) -> None:
        """Checks, when the dust has settled, the things that only this flow knows, and adds to `world.untrue`."""

    # -- people ------------------------------------------------------------------------------------------------------------

    def employee(self, ends: str) -> str:
        employee = self.scenario.new_employee()
        self.world.ends[employee] = ends
        return employee

    def recorded(self, employee: str, call_sid: str | None = None, ago: float = 0) -> str:
        """Twilio has another recording of the employee, begun so many seconds ago. None is like the other."""
        self._recordings += 1
        audio = audio_of(self._recordings)
        began = (datetime.now(timezone.utc) - timedelta(seconds=ago)).isoformat()
        recording_sid = self.scenario.new_recording(call_sid or self.scenario.new_call(employee), audio, start_time=began, date_created=began)
        self.world.told[recording_sid] = Told(employee, hashlib.sha256(audio).hexdigest(), self.world.ends[employee] == "erased")
        return recording_sid

    def a_second_passes(self) -> None:
        """Twilio tells whole seconds. They must show which of two recordings was first, and whether a recording was before an erasure."""
        time.sleep(1 - time.time() % 1)

    def call_becomes_known(self, call_sid: str, employee: str) -> None:
        self.scenario.database.execute(
            "insert into calls (id, org_id, employee_id, twilio_call_sid, status) values (gen_random_uuid(), %s, %s, %s, 'completed')",
            [self.scenario.organization["id"], employee, call_sid],
        )

    def stored(self, employee: str, ago: float = 0) -> str:
        recording_sid = self.recorded(employee, ago=ago)
        self.scenario.callback(recording_sid)
        self.lane.drain()
        return recording_sid

    def cloned(self, ends: str, consent: str = "1 year") -> str:
        employee = self.employee(ends)
        self.stored(employee, EARLIER)
        self.consents(employee, consent)
        self.asks(employee)
        self.lane.drain()
        return employee

    def consents(self, employee: str, lasting: str = "1 year") -> None:
        self.scenario.one(
            "select grant_voice_consent(%s, e.id, s.version, s.sha256, 'written_release', e.org_id || '/' || e.id || '/release', repeat('a', 64),"
            " array['voice_clone'], clock_timestamp() + %s::interval, repeat('a', 64))"
            " from jsonb_to_record(current_consent_statement('en') -> 'statement') as s (version text, sha256 text), employees e where e.id = %s",
            self.scenario.user("admin")["id"], lasting, employee,
        )  # fmt: skip

    def asks(self, employee: str) -> None:
        """Somebody asks for a clone, and again when something went wrong."""
        self._insists(lambda: self.scenario.ask_for_clone(employee, headers={"Prefer": "respond-async"}))

    def _insists(self, request) -> Answer:
        """Asks until the answer is no failure; returns the last answer."""
        for _ in range(TRIES):
            if (answer := request()).status < 500:
                break
            self.lane.pass_time(5)
        return answer

    def _is_told(self, status: int, request) -> Answer:
        """Insists; an answer that is no failure must have this status."""
        answer = self._insists(request)
        if answer.status < 500 and answer.status != status:
            self.world.untrue.append(f"a request was answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
        return answer

    # -- the employee, who has no account ----------------------------------------------------------------------------------

    def invited(self, employee: str) -> str | None:
        """The token that the admin has got for them."""
        asks = {"purposes": ["voice_clone"], "consent_expires_at": in_a_year()}
        answer = self._is_told(200, lambda: self.scenario.api("POST", f"/employees/{employee}/voice-consent/invitation", asks))
        return answer.json()["token"] if answer.status == 200 else None

    def answers(self, token: str, granted: bool) -> Answer:
        answer = {"granted": granted}
        return self._is_told(200, lambda: self.scenario.anyone("POST", "/voice-consent/invitation", answer, consent_token=token))

    def grants(self, employee: str) -> str:
        """Grants with nothing in the way, and returns the token to withdraw with."""
        return self.answers(self.invited(employee), True).json()["withdrawal_token"]


class Ingest(Flow):
    """A callback; the call itself is not known yet, and Twilio's audio comes late."""

    name = "ingest"
    functions = frozenset({"recording-webhook", "recording-ingest"})

    def prepare(self) -> None:
        self._employee = self.employee("nothing")
        self.stored(self._employee, EARLIER)
        self._call_sid = f"CA{secrets.token_hex(16)}"
        self._recording_sid = self.recorded(self._employee, self._call_sid)

    def act(self) -> None:
        try:
            self.scenario.callback(self._recording_sid)
        except Missing:
            pass  # nobody answered; Twilio does not try again
        if (message := self.lane.aws.next()) is not None:
            self.lane.deliver(message)
        self.call_becomes_known(self._call_sid, self._employee)
        self.lane.drain()


class Oversized(Flow):
    """A recording is larger than Storage takes, until somebody raises the limit and the schedule looks again."""

    name = "oversized"
    functions = frozenset({"recording-ingest", "voice-sweeper"})
    # Calls that an ordinary recording, or an ordinary sweep, does not make.
    calls = re.compile("object/recordings|upload/resumable|recording_too_large|storable_recordings|recordings_queued|SendMessage")

    def prepare(self) -> None:
        self._recording_sid = self.recorded(self.employee("nothing"))

    def act(self) -> None:
        self._takes(1000)
        self.scenario.callback(self._recording_sid)
        self.lane.drain()
        self._takes(1 << 30)
        self.lane.sweep()
        self.lane.drain()

    def _takes(self, size: int) -> None:
        # This goes past the door, which may be shut.
        self.lane.outside.vendors.supabase.storage.size_limit = size


class Withdraw(Flow):
    """Consent is withdrawn, and everything goes; Twilio has a recording of which nobody was told."""

    name = "withdraw"
    functions = frozenset({"voice-consent", "voice-erasure"})

    def prepare(self) -> None:
        self._employee = self.cloned("erased")
        self.recorded(self._employee)

    def act(self) -> None:
        self._withdraws()
        self.lane.drain()

    again = act

    def _withdraws(self) -> None:
        self._insists(lambda: self.scenario.api("DELETE", f"/employees/{self._employee}/voice-consent"))


class Return(Withdraw):
    """Consent is withdrawn and given again: what was recorded before is erased, also if we hear of it only now, and what is recorded
    later is not."""

    name = "return"
    functions = frozenset()

    def act(self) -> None:
        late_call_sid = f"CA{secrets.token_hex(16)}"
        late = self.recorded(self._employee, late_call_sid, EARLIER)
        super().act()
        self.call_becomes_known(late_call_sid, self._employee)
        self.scenario.callback(late)
        self.lane.drain()
        self.world.ends[self._employee] = "voice"
        self.consents(self._employee)
        self.a_second_passes()
        self.stored(self._employee)
        self.again()

    def again(self) -> None:
        self.asks(self._employee)
        self.lane.drain()


class Sweep(Flow):
    """The schedule finds everything that no message will come for."""

    name = "sweep"
    functions = frozenset({"voice-sweeper"})

    def prepare(self) -> None:
        self._paper_that_no_consent_rests_on()
        self._object_that_nobody_names()
        self.lane.pass_time(25 * 60 * 60)
        self._recording_that_came_before_its_call()
        self._attempt_without_a_message()
        self._erasure_without_a_message()
        self._voice_that_nobody_owns()
        self._voice_that_is_gone()
        self._consent_that_runs_out()
        self._recording_that_nobody_told_of()
        self.lane.pass_time(20 * 60)

    def act(self) -> None:
        self.lane.sweep()
        self.lane.drain()

    def _attempt_without_a_message(self) -> None:
        employee = self.employee("voice")
        self.stored(employee)
        self.consents(employee)
        self.asks(employee)
        self.lane.aws.reset()

    def _erasure_without_a_message(self) -> None:
        employee = self.employee("erased")
        self.stored(employee)
        self.scenario.api("DELETE", f"/employees/{employee}/voice")
        self.lane.aws.reset()

    def _voice_that_nobody_owns(self) -> None:
        """Its attempt has another one."""
        employee = self.cloned("voice")
        attempt = self.scenario.one("select id from voices where employee_id = %s", employee)
        self.world.planted.add(planted := "0" * 20)
        body = {"name": "left over", "description": self.scenario.mark(employee, attempt)}
        self.scenario.control("PUT", "elevenlabs", f"/voices/{planted}", body)

    def _voice_that_is_gone(self) -> None:
        """Nobody here has deleted it."""
        employee = self.cloned("nothing")
        voice = self.scenario.one("select voice_id from employees where id = %s", employee)
        self.lane.outside.vendors.elevenlabs.voices[voice].deleted = True

    def _consent_that_runs_out(self) -> None:
        self.cloned("erased", consent="10 minutes")

    def _recording_that_nobody_told_of(self) -> None:
        self.recorded(self.employee("nothing"))

    def _recording_that_came_before_its_call(self) -> None:
        """A sweep has heard of it, and did not know whose it is."""
        employee, call_sid = self.employee("nothing"), f"CA{secrets.token_hex(16)}"
        self.recorded(employee, call_sid, ago=EARLIER)
        self.lane.sweep()
        self.call_becomes_known(call_sid, employee)

    def _object_that_nobody_names(self) -> None:
        """Its worker has died, and its call belongs to somebody else now, with whom it was stored then."""
        before, after = self.employee("nothing"), self.employee("nothing")
        call_sid = self.scenario.new_call(before)
        recording_sid = self.recorded(before, call_sid)
        self.scenario.callback(recording_sid)
        self.scenario.fault("supabase", method="POST", path="/rpc/finish_ingest$", status=503, body={})
        self.lane.deliver(self.lane.aws.next())
        self.scenario.control("DELETE", "supabase", "/faults")
        self.scenario.database.execute("update calls set employee_id = %s where twilio_call_sid = %s", [after, call_sid])
        self.world.told[recording_sid].employee = after
        self.lane.drain()

    def _paper_that_no_consent_rests_on(self) -> None:
        offered = self.scenario.api("POST", f"/employees/{self.employee('nothing')}/voice-consent/evidence").json()
        self.scenario.expect([200], "PUT", offered["upload_url"], b"%PDF-1.7", {"Content-Type": "application/pdf"})

    def check(self) -> None:
        if any(bucket == "voice-consent-evidence" for bucket, _ in self.lane.outside.vendors.supabase.storage.objects):
            self.world.untrue.append("a paper that no consent rests on is kept")


def in_a_year() -> str:
    return (datetime.now(timezone.utc) + timedelta(days=365)).isoformat()


@cache
def _call() -> bytes:
    return recording()


def audio_of(number: int) -> bytes:
    """A part of the laptop's call as a WAV. The last sample says the number, so that no two are alike."""
    whole = _call()
    rate = int.from_bytes(whole[24:28], "little")
    sound = whole[HEADER : HEADER + SECONDS * rate * FRAME - 2] + number.to_bytes(2, "little")
    head = bytearray(whole[:HEADER])
    head[4:8], head[40:44] = (len(sound) + HEADER - 8).to_bytes(4, "little"), len(sound).to_bytes(4, "little")
    return bytes(head) + sound
