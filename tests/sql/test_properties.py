"""The invariants hold, whatever functions are called in whatever order."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from .world import ACCOUNT, LATER

STEPS = 600


class Walk:
    """Random calls, right and wrong ones, late ones and repeated ones, on one employee."""

    def __init__(self, world, seed, own_connection=False):
        self.world = Caller(world) if own_connection else world
        self.random = random.Random(seed)
        self.attempts: list[str] = []
        self.leases: list[tuple[str, str]] = []
        self.begun: list[tuple[str, dict]] = []
        self.minute = 0
        self.tokens = 0

    def step(self):
        moves = [
            self.grant, self.withdraw, self.expire, self.record, self.request, self.request, self.begin, self.begin, self.save,
            self.save, self.finish, self.finish, self.fail, self.release, self.written, self.deleted, self.time_passes, self.other,
            self.sample,
            self.invite, self.answer, self.withdraw_with_token, self.erase, self.sweep, self.work_on_erasure, self.late_recording,
        ]
        weights = [6, 1, 1, 4] + [6] * (len(moves) - 11) + [1, 1, 1, 1, 2, 8, 2]
        self.random.choices(moves, weights)[0]()

    def attempt(self):
        # Mostly the newest: that is where things happen.
        return self.attempts[-1] if self.random.random() < 0.7 else self.random.choice(self.attempts)

    def new_sid(self):
        # Of recordings that began together the greater sid is newer: the walk must not depend on chance.
        return f"RE{self.random.randbytes(16).hex()}"

    def grant(self):
        purposes = self.random.choice([("voice_clone",), ("voice_clone",), ("voice_clone",), ("synthetic_speech",)])
        if self.world.grant(purposes=purposes)["outcome"] == "consent_needs_employee":
            self.invite()
            self.answer(granted=True)

    def withdraw(self):
        self.world.withdraw()

    def expire(self):
        self.world.expire_consent(self.world.here.employee)

    def record(self):
        for _ in range(self.random.randint(1, 3)):
            self.minute += self.random.choice([1, 1, -1])
            call_sid, sid = self.world.call(self.world.here.employee), self.new_sid()
            target = self.world.target(sid, call_sid)
            # Another caller's erasure may come at any time.
            if target["outcome"] == "store":
                answer = self.world.ingest(sid, call_sid, target["storage_path"], LATER + self.minute, target["write_id"])
                if self.random.random() < 0.8:
                    self.world.publish(answer.get("newest"))

    def request(self):
        answer = self.world.request(channel=self.random.choice([1, 2, 2, 2]))
        if answer["outcome"] == "requested":
            self.attempts.append(answer["attempt_id"])
        elif answer["outcome"] == "recording_missing":
            self.record()
        elif answer["outcome"] not in ("pending", "ready"):
            self.grant()

    def begin(self):
        if self.attempts:
            attempt = self.attempt()
            answer = self.world.begin(attempt)
            if "lease_id" in answer:
                self.leases.append((attempt, answer["lease_id"]))
            if "recordings" in answer:
                self.begun.append((attempt, answer))
                if self.random.random() < 0.9:
                    self.take(attempt, answer)

    def sample(self):
        if self.begun:
            self.take(*self.random.choice(self.begun[-2:]))

    def take(self, attempt, begun):
        looked_at = begun["recordings"][: self.random.randint(1, 3)]
        self.world.take(attempt, begun, [(r["recording_sid"], self.random.choice([1, 2, 2, 2])) for r in looked_at])

    def save(self):
        if self.leases:
            self.world.save(self.random.choice(self.leases[-3:])[0], f"voice_{secrets.token_hex(8)}")

    def finish(self):
        if self.attempts:
            self.world.finish(self.attempt())

    def fail(self):
        if self.leases and self.random.random() < 0.3:
            self.world.fail(*self.random.choice(self.leases[-3:]), "sample_too_short")

    def release(self):
        if self.leases and self.random.random() < 0.5:
            self.world.release(*self.random.choice(self.leases[-3:]), self.random.random() < 0.5)

    def written(self):
        if self.attempts:
            self.world.written(self.attempt())

    def deleted(self):
        if self.attempts:
            self.world.deleted(self.attempt())

    def time_passes(self):
        if self.attempts:
            self.world.move_lease(self.attempts[-1], -61)
        self.world.sql("update public.storage_writes set begun_at = begun_at - interval '16 minutes'")

    def invite(self):
        self.tokens += 1
        self.world.invite(f"{id(self)} {self.tokens}")

    def answer(self, granted=None):
        if self.tokens:
            granted = self.random.random() < 0.8 if granted is None else granted
            self.world.answer(f"{id(self)} {self.tokens}", granted, f"withdrawal {secrets.token_hex(8)} {self.tokens}")

    def withdraw_with_token(self):
        for row in self.world.sql("select token_sha256 as token from public.voice_withdrawal_tokens order by handed_at desc limit 1"):
            self.world.rpc("withdraw_with_token", row["token"], None, None)

    def erase(self):
        self.world.erase()

    def sweep(self):
        self.world.rpc("sweep_erasures")
        self.world.rpc("sweep_unfinished", 10)

    def work_on_erasure(self):
        for row in self.world.sql("select id from public.voice_erasures order by number desc limit 1"):
            if self.random.random() < 0.3:
                self.world.work_off(row["id"])
            begun = self.world.rpc("begin_erasure", row["id"])
            for copy in begun.get("copies", []):
                if self.random.random() < 0.2:
                    self.world.rpc("copy_failed", copy["copy_id"], "unavailable")
                elif self.random.random() < 0.7:
                    self.world.rpc("copy_erased", copy["copy_id"], ACCOUNT)

    def late_recording(self):
        """One that Twilio tells of again, or only now, of a call that we know."""
        calls = self.world.sql("select twilio_call_sid as sid from public.calls where employee_id = %s", self.world.here.employee)
        if calls:
            sid, call_sid = self.new_sid(), self.random.choice(calls)["sid"]
            target = self.world.target(sid, call_sid)
            if target["outcome"] == "store":
                self.world.ingest(sid, call_sid, target["storage_path"], LATER + self.minute)

    def other(self):
        self.world.request(user=self.world.there.admin)
        self.world.withdraw(user=self.world.here.member)
        self.world.erase(user=self.world.there.admin)
        self.world.erase(user=self.world.here.member)
        self.world.authorize(user=self.world.there.member)


class Caller:
    """The world as seen by a caller of its own: with its own connections."""

    def __init__(self, world):
        for name, value in vars(world).items():
            setattr(self, name, value)
        self.service = world.session("service_role")
        self.owner = world._connect(world.owner_url)
        self._class = type(world)

    def __getattr__(self, name):
        found = getattr(self._class, name)
        return found.__get__(self) if callable(found) else found


MADE_FROM_ERASED = """
exists (
  select from public.recordings r left join public.voice_sources s on s.attempt_id = v.id and s.recording_sid = r.recording_sid
  where understudy.is_erased(r) and (s.attempt_id is not null or r.recording_sid = v.recording_sid)
)
"""
UNCOVERED = f"""
select v.id from public.voices v
where v.vendor_voice_id is not null and v.vendor_deleted_at is null and v.state in ('failed', 'retired') and {MADE_FROM_ERASED}
  and not exists (
    select from public.voice_erasure_copies c join public.voice_erasures e on e.id = c.erasure_id
    where c.attempt_id = v.id and c.state <> 'erased' and e.erased_at is null
  )
"""
FALSELY_ERASED = """
select e.id from public.voice_erasures e where e.erased_at is not null and (
  exists (select from public.voice_erasure_copies c where c.erasure_id = e.id and c.state <> 'erased')
  or e.listed_at is null or e.copies_left <> 0
)
or e.copies_left <> (select count(*) from public.voice_erasure_copies c where c.erasure_id = e.id and c.state in ('pending', 'failed'))
"""


def check_erasures(world):
    # Every voice made from an erased recording is on a list, and nothing is called erased that is not.
    assert world.sql(UNCOVERED) == []
    assert world.sql(FALSELY_ERASED) == []
    assert len(world.sql("select 1 from public.voice_erasures where erased_at is null")) <= 1
    assert world.sql(f"select 1 from public.voices v where v.state = 'ready' and {MADE_FROM_ERASED}") == []
    newest = world.newest()
    assert newest is None or world.publish(world.target(newest, "CA")["newest"]) == {"outcome": "current"}
    assert world.rpc("verify_audit")["outcome"] == "whole"


def settle(world):
    """Time passes, one sweep is made, and workers for whom everything goes well do what it found."""
    while world.rpc("sweep_erasures")["outcome"] == "started":
        pass
    world.sql("update public.voices set lease_until = lease_until - interval '1 hour', requested_at = requested_at - interval '1 hour', swept_at = null")
    world.sql("update public.storage_writes set begun_at = begun_at - interval '1 hour'")
    world.sql("update public.voice_erasures set requested_at = requested_at - interval '1 hour'")
    for attempt in [found["attempt_id"] for found in world.rpc("sweep_unfinished", 100)["attempts"]]:
        while (begun := world.begin(attempt))["outcome"] == "resolve":
            world.release(attempt, begun["lease_id"], True)
        if "lease_id" in begun:
            world.save(attempt, f"voice_{secrets.token_hex(8)}")
        finished = world.finish(attempt)
        if finished.get("metadata"):
            world.written(attempt)
        for voice in finished.get("delete_voices", []):
            world.deleted(voice["attempt_id"])
    for row in world.sql("select id from public.voice_erasures where erased_at is null"):
        assert world.work_off(row["id"]) == {"outcome": "erased"}


def check_settled(world):
    assert world.sql("select 1 from public.voices where state in ('failed', 'retired') and vendor_voice_id is not null and vendor_deleted_at is null") == []
    assert world.sql("select 1 from public.voice_erasures where erased_at is null") == []
    ready = world.sql("select 1 from public.voices where state = 'ready'")
    assert not ready or world.authorize()["outcome"] == "authorized"


def check(world):
    ready = world.sql("select * from public.voices where state = 'ready'")
    assert len(ready) <= 1
    assert world.voice_id(world.here.employee) == (ready[0]["vendor_voice_id"] if ready else None)
    assert len(world.sql("select 1 from public.voices where state in ('requested', 'cloning', 'unknown')")) <= 1
    assert world.value("select count(*) from public.voices where vendor_deleted_at is not null and state = 'ready'") == 0

    # Given out only while consent is live; and not current at all once it was withdrawn.
    consent = world.sql("select *, expires_at > clock_timestamp() as in_time from public.voice_consents order by number desc limit 1")
    open_ = bool(consent) and consent[0]["ended_at"] is None and "voice_clone" in consent[0]["purposes"]
    if not open_:
        assert not ready
    read = world.read()
    if read["voice_id"]:
        assert open_ and consent[0]["in_time"] and read["voice_id"] == ready[0]["vendor_voice_id"]
    assert (read["status"] == "failed") <= (read["code"] is not None)

    # And none of it is another organisation's business.
    assert world.read(user=world.there.admin) == {"outcome": "employee_not_found"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_most_one_voice_is_ready_and_the_employee_mirrors_it_whatever_happens(world, seed):
    walk = Walk(world, seed)
    reached = set()
    tombstones: set[str] = set()
    for _ in range(STEPS):
        states = {row["id"]: row["state"] for row in world.sql("select id, state from public.voices")}
        audited = len(world.audit())
        walk.step()
        after = {row["id"]: row["state"] for row in world.sql("select id, state from public.voices")}
        if after != states:
            assert len(world.audit()) > audited, "a change of state without an audit row"
        reached |= set(after.values())
        erased = {row["sid"] for row in world.sql("select recording_sid as sid from public.recordings r where understudy.is_erased(r)")}
        assert tombstones <= erased, "an erased recording came back"
        tombstones = erased
        check(world)
        check_erasures(world)
    # A walk that never gets anywhere would prove nothing.
    assert reached == {"requested", "cloning", "unknown", "ready", "failed", "retired"}
    assert world.sql("select 1 from public.voices v where state in ('ready', 'retired') and pipeline_version is not null"), "no sample became a voice"
    assert world.sql("select 1 from public.voice_sources where position > 1"), "no sample was of several recordings"
    assert world.sql("select 1 from public.voice_erasures where erased_at is not null"), "no erasure ever ended"
    settle(world)
    check_settled(world)
    check(world)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_holds_when_several_callers_do_it_at_once_and_none_of_them_deadlocks(world, seed):
    # A fixed statement for all: it is looked up once.
    assert world.statement
    walks = [Walk(world, f"{seed} {number}", own_connection=True) for number in range(4)]

    def go(walk):
        for _ in range(STEPS // 6):
            walk.step()

    with ThreadPoolExecutor(len(walks)) as pool:
        list(pool.map(go, walks))
    check(world)
    check_erasures(world)
    settle(world)
    check_settled(world)
