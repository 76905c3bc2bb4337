"""The world of the SQL tests: two organisations with people, and the functions, called as PostgREST would call them."""

from __future__ import annotations

import datetime
import hashlib
import secrets
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

SHA = "a" * 64
ACCOUNT = f"AC{'a' * 32}"
# The report of a good sample.
REPORT = {"speech_seconds": 75.5, "snr_db": 21.0, "warnings": []}
# The `minute` of a recording that begins after everything that happens in a test, and so after its erasures.
LATER = 10_000_000


def hashed(token: str) -> str:
    """The hash by which the database knows a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True)
class Organisation:
    id: uuid.UUID
    admin: uuid.UUID
    member: uuid.UUID
    employee: uuid.UUID
    other_employee: uuid.UUID


class World:
    """`rpc` goes through the role service_role; `sql` and `row` are the owner's, to set up and to look."""

    def __init__(self, owner_url: str, authenticator_url: str):
        self.owner_url = owner_url
        self.authenticator_url = authenticator_url
        self._connections: list[psycopg.Connection] = []
        self.owner = self._connect(owner_url)
        self.service = self.session("service_role")
        self.here = self._organisation("Here")
        self.there = self._organisation("There")

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *exception) -> None:
        for connection in self._connections:
            connection.close()

    def _connect(self, url: str) -> psycopg.Connection:
        connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._connections.append(connection)
        return connection

    def session(self, role: str) -> psycopg.Connection:
        """A connection as PostgREST has it for a key or token of this role."""
        connection = self._connect(self.authenticator_url)
        connection.execute(psycopg.sql.SQL("set role {}").format(psycopg.sql.Identifier(role)))
        return connection

    # -- looking and preparing -------------------------------------------------------------------------------------

    def sql(self, statement: str, *values):
        cursor = self.owner.execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    def row(self, statement: str, *values):
        rows = self.sql(statement, *values)
        assert len(rows) == 1, rows
        return rows[0]

    def value(self, statement: str, *values):
        return next(iter(self.row(statement, *values).values()))

    def voice(self, attempt_id):
        return self.row("select * from public.voices where id = %s", attempt_id)

    def voice_id(self, employee):
        return self.value("select voice_id from public.employees where id = %s", employee)

    def audit(self) -> list[tuple[str, str]]:
        """Every audit row so far, oldest first, as (action, outcome)."""
        return [(row["action"], row["outcome"]) for row in self.sql("select action, outcome from public.voice_audit order by id")]

    def _organisation(self, name: str) -> Organisation:
        org = self.value("insert into public.organizations (name) values (%s) returning id", name)
        people = {
            role: self.value(
                "insert into public.users (id, org_id, email, role) values (gen_random_uuid(), %s, %s, %s) returning id",
                org, f"{role}@{name.lower()}.example", role,
            )
            for role in ("admin", "member")
        }
        employees = [
            self.value(
                "insert into public.employees (org_id, full_name, email, phone) values (%s, %s, %s, %s) returning id",
                org, f"Ottilie {name} {number}", f"ottilie{number}@{name.lower()}.example", f"+1555010{number}",
            )
            for number in (1, 2)
        ]
        return Organisation(org, people["admin"], people["member"], *employees)

    def call(self, employee=None, org=None) -> str:
        """A call of the employee; returns its CallSid."""
        call_sid = f"CA{secrets.token_hex(16)}"
        self.sql(
            "insert into public.calls (org_id, employee_id, twilio_call_sid, status) values (%s, %s, %s, 'completed')",
            org or self.here.id, employee, call_sid,
        )
        return call_sid

    def record(self, employee=None, minute: int = 0, call_sid: str | None = None) -> str:
        """A stored recording that began at `minute`; returns its RecordingSid."""
        call_sid = call_sid or self.call(employee or self.here.employee)
        recording_sid = f"RE{secrets.token_hex(16)}"
        target = self.target(recording_sid, call_sid)
        stored = self.ingest(recording_sid, call_sid, target["storage_path"], minute, write_id=target["write_id"])
        assert stored["outcome"] == "stored"
        self.publish(stored["newest"])
        return recording_sid

    def newest(self, employee=None, org=None) -> str | None:
        """The RecordingSid of the recording that is to be at the key of the newest."""
        return self.value("select (understudy.newest_recording(%s, %s)).recording_sid", org or self.here.id, employee or self.here.employee)

    def publish(self, newest) -> dict | None:
        """A worker copies the newest recording until there is no newer one; returns what it is told at last."""
        answer = None
        while newest:
            answer = self.rpc("newest_published", newest["write_id"], newest["recording_sid"])
            newest = answer.get("newest")
        return answer

    def set_channel(self, recording_sid, channel) -> None:
        """Somebody says which channel of this recording's call the employee is on."""
        self.sql(
            "update public.calls set employee_channel = %s where id = (select call_id from public.recordings where recording_sid = %s)",
            channel, recording_sid,
        )

    def move_lease(self, attempt_id, seconds_from_now: float) -> None:
        """Time passes: the lease now ends that many seconds from now."""
        self.sql(
            "update public.voices set lease_until = clock_timestamp() + make_interval(secs => %s) where id = %s",
            seconds_from_now, attempt_id,
        )

    def expire_consent(self, employee) -> None:
        """Time passes: the open consent has run out. Consents are immutable, so the guard is set aside for it."""
        with self.owner.transaction():
            self.sql("alter table public.voice_consents disable trigger voice_consents_kept")
            self.sql(
                "update public.voice_consents set granted_at = granted_at - interval '2 years', expires_at = clock_timestamp()"
                " where employee_id = %s and ended_at is null and expires_at > clock_timestamp()",
                employee,
            )
            self.sql("alter table public.voice_consents enable trigger voice_consents_kept")

    # -- the functions ---------------------------------------------------------------------------------------------

    def rpc(self, name: str, *arguments, connection: psycopg.Connection | None = None) -> dict:
        marks = psycopg.sql.SQL(", ").join(psycopg.sql.Placeholder() * len(arguments))
        statement = psycopg.sql.SQL("select public.{}({}) as answer").format(psycopg.sql.Identifier(name), marks)
        return (connection or self.service).execute(statement, arguments).fetchone()["answer"]

    def target(self, recording_sid, call_sid):
        return self.rpc("recording_target", recording_sid, call_sid)

    def ingest(self, recording_sid, call_sid, storage_path, minute=0, write_id=None, connection=None):
        started_at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=minute)
        if write_id is None:
            writes = self.sql("select id from public.storage_writes where recording_sid = %s and path = %s", recording_sid, storage_path)
            write_id = writes[-1]["id"] if writes else None
        return self.rpc(
            "finish_ingest", write_id, recording_sid, call_sid, storage_path, 3_000_000_000, SHA, 61 + minute, 2, "both", "DialVerb",
            ACCOUNT, started_at, connection=connection,
        )

    def grant(
        self, employee=None, user=None, purposes=("voice_clone",), method="written_release", days=365, expires_at=None, reference=None,
        sha256=SHA, read=SHA, connection=None,
    ):
        """An admin records a consent on a signed release that was read. `read=None`: nobody has read it yet, as when it is first asked for."""
        employee, user = employee or self.here.employee, user or self.here.admin
        org = self.there if user in (self.there.admin, self.there.member) else self.here
        expires_at = expires_at or datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        return self.rpc(
            "grant_voice_consent", user, employee, self.statement["version"], self.statement["sha256"], method,
            reference or f"{org.id}/{employee}/release-17", sha256, list(purposes), expires_at, read, connection=connection,
        )

    @cached_property
    def statement(self) -> dict:
        """The current English statement."""
        return self.rpc("current_consent_statement", "en")["statement"]

    def withdraw(self, employee=None, user=None, connection=None):
        return self.rpc(
            "withdraw_voice_consent", user or self.here.admin, employee or self.here.employee, connection=connection
        )

    def request(self, employee=None, user=None, channel=2, version=1, replace=False, campaign=False, connection=None):
        return self.rpc(
            "request_clone", user or self.here.admin, employee or self.here.employee, channel, version, replace, campaign,
            connection=connection,
        )

    def read(self, employee=None, user=None):
        return self.rpc("read_voice", user or self.here.member, employee or self.here.employee)

    def begin(self, attempt_id, seconds=300, connection=None):
        return self.rpc("begin_clone", attempt_id, seconds, connection=connection)

    def take(self, attempt_id, begun, sources=None, version=1, report=REPORT, connection=None):
        """A sample of these recordings, of the channel each; by default of the second channel of the newest alone. The channel
        "synthetic": it was passed over, since a cloned voice spoke in it."""
        sources = sources or [(begun["recordings"][0]["recording_sid"], 2)]
        listed = [
            {"recording_sid": sid, "synthetic": True} if channel == "synthetic" else {"recording_sid": sid, "channel": channel}
            for sid, channel in sources
        ]
        return self.rpc("take_sample", attempt_id, begun["lease_id"], Jsonb(listed), version, Jsonb(report), connection=connection)

    def sources(self, attempt_id) -> list[tuple[str, int | None]]:
        """The sources of the attempt's sample."""
        rows = self.sql("select recording_sid, channel from public.voice_sources where attempt_id = %s order by position", attempt_id)
        return [(row["recording_sid"], row["channel"]) for row in rows]

    def release(self, attempt_id, lease_id, no_voice_was_made, is_unprocessed=False):
        return self.rpc("release_clone", attempt_id, lease_id, no_voice_was_made, is_unprocessed)

    def save(self, attempt_id, vendor_voice_id, account=ACCOUNT):
        return self.rpc("save_vendor_voice", attempt_id, vendor_voice_id, account)

    def finish(self, attempt_id, connection=None):
        return self.rpc("finish_clone", attempt_id, connection=connection)

    def fail(self, attempt_id, lease_id, code, vendor_voice_id=None, report=None):
        return self.rpc("fail_clone", attempt_id, lease_id, code, vendor_voice_id, report and Jsonb(report))

    def deleted(self, attempt_id, account=ACCOUNT, was_there=False):
        return self.rpc("voice_deleted", attempt_id, account, was_there)

    def written(self, attempt_id):
        """The newest write of this attempt's metadata is done."""
        writes = self.sql("select id from public.storage_writes where attempt_id = %s order by begun_at desc limit 1", attempt_id)
        return self.rpc("metadata_written", attempt_id, writes[0]["id"] if writes else None)

    def invite(self, token, employee=None, user=None, purposes=("voice_clone",), locale="en", days=365, seconds=3600, connection=None):
        expires_at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        return self.rpc(
            "invite_to_consent", user or self.here.admin, employee or self.here.employee, hashed(token), locale, list(purposes),
            expires_at, seconds, connection=connection,
        )

    def answer(self, token, granted=True, withdrawal_token="withdrawal", connection=None, address="203.0.113.7", agent="Firefox of Ottilie"):
        return self.rpc(
            "answer_invitation", hashed(token), granted, hashed(withdrawal_token), "web", address, agent, connection=connection,
        )

    def withdraw_with_token(self, token="withdrawal", connection=None):
        return self.rpc("withdraw_with_token", hashed(token), "203.0.113.8", "Chrome of Ottilie", connection=connection)

    def authorize(self, purpose="voice_clone", employee=None, user=None, call_sid=None, connection=None):
        return self.rpc("authorize_voice", user or self.here.member, employee or self.here.employee, purpose, call_sid, connection=connection)

    def erase(self, employee=None, user=None, connection=None):
        return self.rpc("start_erasure", user or self.here.admin, employee or self.here.employee, connection=connection)

    def erasure(self, employee=None, user=None):
        """The answer of read_erasure, without its outcome."""
        answer = self.rpc("read_erasure", user or self.here.member, employee or self.here.employee)
        assert answer["outcome"] == "erasure", answer
        return answer

    def copies(self, erasure_id) -> dict[str, list[str]]:
        """The copies that begin_erasure offers, as {kind: [copy_id]} in its order."""
        offered: dict[str, list[str]] = {}
        for copy in self.rpc("begin_erasure", erasure_id).get("copies", []):
            offered.setdefault(copy["kind"], []).append(copy["copy_id"])
        return offered

    def erased_now(self, erasure_id, *kinds) -> list[dict]:
        """The worker erases these kinds only, as far as they are offered."""
        offered = self.copies(erasure_id)
        return [self.rpc("copy_erased", copy, ACCOUNT) for kind in kinds for copy in offered.get(kind, [])]

    def work_off(self, erasure_id) -> dict:
        """A worker for whom everything goes well, until there is nothing to do; returns what begin_erasure says then."""
        for _ in range(1000):
            offered = self.copies(erasure_id)
            answers = [self.rpc("copy_erased", copy, ACCOUNT) for copies in offered.values() for copy in copies]
            for answer in answers:
                self.publish(answer.get("newest"))
            if not any(answer["outcome"] == "erased" for answer in answers):
                break
        return self.rpc("begin_erasure", erasure_id)

    def to_delete(self, employee=None) -> list[dict]:
        """The voices that the vendor still has of an employee and should not."""
        return self.value("select understudy.voices_to_delete(%s)", employee or self.here.employee)

    # -- two at once -----------------------------------------------------------------------------------------------

    def race(self, first, second):
        """Both answers when `second` comes while `first` has done its work and not committed yet.

        Each is called with a connection of its own. `second` must then be waiting for `first`, so the outcome is the same
        every time.
        """
        one, two = self.session("service_role"), self.session("service_role")
        pid = two.info.backend_pid
        with ThreadPoolExecutor(1) as pool:
            with one.transaction():
                answer = first(one)
                waiting = pool.submit(second, two)
                while not waiting.done():
                    if self.value("select cardinality(pg_blocking_pids(%s)) > 0", pid):
                        break
                    time.sleep(0.002)
                assert not waiting.done(), f"did not wait: {waiting.result()}"
            return answer, waiting.result(60)

    # -- the way to a state ----------------------------------------------------------------------------------------

    def requested(self, employee=None) -> str:
        """Consent, a recording, and an attempt that nobody has begun; returns the attempt id."""
        self.grant(employee)
        self.record(employee)
        return self.request(employee)["attempt_id"]

    def cloned(self, vendor_voice_id="voice_1") -> str:
        """... and a finished voice whose metadata is written; returns the attempt id."""
        return self.made(self.requested(), vendor_voice_id)

    def made(self, attempt_id, vendor_voice_id="voice_1", sources=None, **sample) -> str:
        """The attempt becomes the voice, made from these sources."""
        assert self.take(attempt_id, self.begin(attempt_id), sources, **sample)["outcome"] == "taken"
        self.save(attempt_id, vendor_voice_id)
        assert self.finish(attempt_id)["outcome"] == "finished"
        assert self.written(attempt_id)["outcome"] == "current"
        return attempt_id

    def again(self, minute=1) -> str:
        """A newer recording and an attempt to clone that; returns the attempt id."""
        self.record(minute=minute)
        return self.request()["attempt_id"]


