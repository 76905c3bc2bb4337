"""For each function of schema public: arguments with which it does what it is there for, and the outcome that says that it did.

A recipe is a Python function of the SQL function's name; what follows two underscores tells recipes of one function apart. It may bring
the database to the state that the call needs: both happen in one transaction that is rolled back, and only the call is measured.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Callable
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from .seeding import ACCOUNT, WORKSPACE, Person, hashed, id_of, somebody

# Functions that are not measured, each with the reason.
NOT_MEASURED = {
    "verify_audit": "reads the whole audit: an operator's tool, which the bundle never calls",
    "describe_database": "reads the catalogue and no table: an operator's tool, which the bundle never calls",
}

# voice-sweeper asks for so many.
LIMIT = 100
# The pipeline's version that the seeded voices were made by.
PIPELINE = 1
REPORT = {"speech_seconds": 75.5, "snr_db": 21.0, "warnings": []}
PURPOSES = ["voice_clone"]
ADDRESS = ("203.0.113.7", "Firefox")
VENDOR_VOICE = "new" + "0" * 17


class State:
    """One database of some size, in a transaction."""

    def __init__(self, connection: psycopg.Connection, size: int):
        self.connection, self.size = connection, size

    def rpc(self, name: str, *arguments):
        marks = ", ".join(["%s"] * len(arguments))
        return self.connection.execute(f"select public.{name}({marks})", arguments).fetchone()[0]

    def sql(self, statement: str, *values) -> None:
        """Runs SQL as the owner, for things that no function does."""
        self.connection.execute("reset role")
        self.connection.execute(statement, values)
        self.connection.execute("set local role service_role")

    def value(self, query: str, *values):
        self.connection.execute("reset role")
        value = self.connection.execute(query, values).fetchone()[0]
        self.connection.execute("set local role service_role")
        return value

    def one(self, kind: str) -> Person:
        return somebody(kind, self.size)

    def in_a_year(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(days=365)

    def statement(self) -> dict:
        return self.rpc("current_consent_statement", "en")["statement"]

    # -- the way to a state ------------------------------------------------------------------------------------------------

    def requested(self) -> str:
        person = self.one("consented")
        return self.rpc("request_clone", person.admin, person.id, 2, PIPELINE)["attempt_id"]

    def begun(self) -> tuple[str, str, str]:
        """An attempt with its lease and its newest recording."""
        attempt = self.requested()
        begun = self.rpc("begin_clone", attempt, 300)
        return attempt, begun["lease_id"], begun["recordings"][0]["recording_sid"]

    def sampled(self) -> tuple[str, str]:
        attempt, lease, recording_sid = self.begun()
        sources = Jsonb([{"recording_sid": recording_sid, "channel": 2}])
        assert self.rpc("take_sample", attempt, lease, sources, PIPELINE, Jsonb(REPORT))["outcome"] == "taken"
        return attempt, lease

    def saved(self) -> str:
        attempt, _ = self.sampled()
        assert self.rpc("save_vendor_voice", attempt, VENDOR_VOICE, WORKSPACE)["outcome"] == "saved"
        return attempt

    def erasing(self) -> str:
        """An erasure that nobody has begun."""
        person = self.one("voice")
        return self.rpc("start_erasure", person.admin, person.id)["erasure_id"]

    def copy(self) -> str:
        return self.rpc("begin_erasure", self.erasing())["copies"][0]["copy_id"]

    def new_recording(self) -> tuple[str, str, str, str]:
        """RecordingSid, CallSid, key and write of one that Twilio has just told of."""
        recording_sid, call_sid = f"RE{secrets.token_hex(16)}", self.one("consented").call_sid()
        target = self.rpc("recording_target", recording_sid, call_sid)
        return recording_sid, call_sid, target["storage_path"], target["write_id"]

    def ingested(self) -> dict:
        """The answer of finish_ingest for a new recording."""
        recording_sid, call_sid, path, write = self.new_recording()
        return self.rpc("finish_ingest", *stored(recording_sid, call_sid, path, write))


def stored(recording_sid: str, call_sid: str, path: str, write: str) -> tuple:
    now = datetime.now(timezone.utc)
    return write, recording_sid, call_sid, path, 3_000_000, "a" * 64, 61, 2, "both", "DialVerb", ACCOUNT, now


@dataclass(frozen=True)
class Recipe:
    name: str
    outcome: str
    arguments: Callable[[State], tuple]

    @property
    def function(self) -> str:
        return self.name.partition("__")[0]


RECIPES: list[Recipe] = []


def recipe(outcome: str):
    def keep(arguments: Callable[[State], tuple]) -> Callable[[State], tuple]:
        RECIPES.append(Recipe(arguments.__name__, outcome, arguments))
        return arguments

    return keep


# -- recordings ----------------------------------------------------------------------------------------------------------------


@recipe("store")
def recording_target(at):
    return f"RE{secrets.token_hex(16)}", at.one("consented").call_sid()


@recipe("erased")
def recording_target__erased(at):
    person = at.one("erased")
    return person.recording_sid(), person.call_sid()


@recipe("stored")
def finish_ingest(at):
    return stored(*at.new_recording())


@recipe("current")
def newest_published(at):
    newest = at.ingested()["newest"]
    return newest["write_id"], newest["recording_sid"]


@recipe("recording_too_large")
def recording_too_large(at):
    recording_sid, call_sid, _, write = at.new_recording()
    return write, recording_sid, call_sid, 60_000_000, 50_000_000


@recipe("recorded")
def write_cleared(at):
    return (at.new_recording()[3],)


# -- a clone -------------------------------------------------------------------------------------------------------------------


@recipe("requested")
def request_clone(at):
    person = at.one("consented")
    return person.admin, person.id, 2, PIPELINE


@recipe("ready")
def request_clone__that_is_there(at):
    person = at.one("voice")
    return person.admin, person.id, 2, PIPELINE


@recipe("recording_too_large")
def request_clone__of_what_is_too_large(at):
    person = at.one("consented")
    at.sql("delete from public.recordings where employee_id = %s", person.id)
    at.rpc("recording_too_large", None, f"RE{secrets.token_hex(16)}", person.call_sid(), 60_000_000, 50_000_000)
    return person.admin, person.id, 2, PIPELINE


@recipe("voice_quota_reached")
def request_clone__with_a_quota(at):
    """As many voices are counted as the quota allows: as many at each size."""
    at.sql("insert into public.organization_voice_settings (org_id, max_voices) values (%s, 100)", Person.organisation)
    return request_clone(at)


@recipe("voice")
def read_voice(at):
    person = at.one("voice")
    return person.member, person.id


@recipe("clone")
def begin_clone(at):
    return at.requested(), 300


@recipe("taken")
def take_sample(at):
    attempt, lease, recording_sid = at.begun()
    return attempt, lease, Jsonb([{"recording_sid": recording_sid, "channel": 2}]), PIPELINE, Jsonb(REPORT)


@recipe("released")
def release_clone(at):
    attempt, lease, _ = at.begun()
    return attempt, lease, True


@recipe("saved")
def save_vendor_voice(at):
    attempt, _ = at.sampled()
    return attempt, VENDOR_VOICE, WORKSPACE


@recipe("finished")
def finish_clone(at):
    return (at.saved(),)


@recipe("failed")
def fail_clone(at):
    attempt, lease, _ = at.begun()
    return attempt, lease, "sample_too_short", None, Jsonb(REPORT)


@recipe("recorded")
def voice_deleted(at):
    person = at.one("erased")
    at.sql("update public.voices set vendor_deleted_at = null where id = %s", person.attempt)
    return person.attempt, WORKSPACE, True


@recipe("current")
def metadata_written(at):
    attempt = at.saved()
    at.rpc("finish_clone", attempt)
    return attempt, at.value("select id from public.storage_writes where attempt_id = %s", attempt)


# -- consent and use -----------------------------------------------------------------------------------------------------------


@recipe("granted")
def grant_voice_consent(at):
    person, statement = at.one("recorded"), at.statement()
    release = at.rpc("offer_evidence", person.admin, person.id)["reference"]
    said = (person.admin, person.id, statement["version"], statement["sha256"], "written_release", release)
    return *said, "a" * 64, PURPOSES, at.in_a_year(), "a" * 64


@recipe("offered")
def offer_evidence(at):
    person = at.one("recorded")
    return person.admin, person.id


@recipe("withdrawn")
def withdraw_voice_consent(at):
    person = at.one("voice")
    return person.admin, person.id


@recipe("consent")
def read_voice_consent(at):
    person = at.one("voice")
    return person.member, person.id


@recipe("statement")
def current_consent_statement(at):
    return ("en",)


@recipe("invited")
def invite_to_consent(at):
    person = at.one("recorded")
    return person.admin, person.id, hashed("new"), "en", PURPOSES, at.in_a_year(), 3600


@recipe("invitation")
def read_invitation(at):
    return (at.one("invited").invitation_token,)


@recipe("granted")
def answer_invitation(at):
    return at.one("invited").invitation_token, True, hashed("withdrawal"), "web", *ADDRESS


@recipe("refused")
def answer_invitation__with_no(at):
    return at.one("invited").invitation_token, False, hashed("withdrawal"), "web", *ADDRESS


@recipe("withdrawn")
def withdraw_with_token(at):
    return at.one("voice").withdrawal_token, *ADDRESS


@recipe("withdrawal")
def read_withdrawal(at):
    return (at.one("voice").withdrawal_token,)


@recipe("authorized")
def authorize_voice(at):
    person = at.one("voice")
    return person.member, person.id, "voice_clone"


@recipe("audit")
def read_audit(at):
    """The newest page of the large organisation's."""
    return (Person.admin,)


@recipe("audit")
def read_audit__of_one(at):
    return Person.admin, at.one("voice").id, None, 200


# -- erasure -------------------------------------------------------------------------------------------------------------------


@recipe("started")
def start_erasure(at):
    person = at.one("voice")
    return person.admin, person.id


@recipe("erasure")
def read_erasure(at):
    person = at.one("erased")
    return person.member, person.id


@recipe("added")
def add_erasure_copies(at):
    return at.erasing(), "twilio_recording", [f"RE{secrets.token_hex(16)}" for _ in range(10)]


@recipe("erase")
def begin_erasure(at):
    return (at.erasing(),)


@recipe("erased")
def begin_erasure__over(at):
    return (at.one("erased").erasure,)


@recipe("erased")
def copy_erased(at):
    return at.copy(), ACCOUNT, True


@recipe("recorded")
def copy_failed(at):
    return at.copy(), "vendor_unavailable"


@recipe("recorded")
def copy_kept_elsewhere(at):
    return at.copy(), "external_storage"


# -- the sweep -----------------------------------------------------------------------------------------------------------------


@recipe("none")
def sweep_erasures(at):
    return ()


@recipe("started")
def sweep_erasures__expired(at):
    at.sql("alter table public.voice_consents disable trigger voice_consents_kept")
    at.sql("update public.voice_consents set expires_at = clock_timestamp() where employee_id = %s and ended_at is null", at.one("voice").id)
    return ()


@recipe("started")
def sweep_erasures__left(at):
    at.sql("delete from public.employees where id = %s", at.one("voice").id)
    return ()


def _keeps(at, **days: int) -> tuple:
    for column, number in days.items():
        at.sql(f"insert into public.organization_voice_settings (org_id, {column}) values (%s, %s)", Person.organisation, number)
    return ()


@recipe("none")
def sweep_erasures__nothing_is_too_old(at):
    return _keeps(at, delete_recordings_days_after_call=1000)


@recipe("started")
def sweep_erasures__too_long_after_the_call(at):
    return _keeps(at, delete_recordings_days_after_call=30)


@recipe("none")
def sweep_erasures__no_voice_is_too_old(at):
    return _keeps(at, delete_recordings_days_after_clone=1000)


@recipe("started")
def sweep_erasures__too_long_after_the_clone(at):
    return _keeps(at, delete_recordings_days_after_clone=30)


@recipe("found")
def sweep_unfinished(at):
    return (LIMIT,)


@recipe("found")
def sweep_unfinished__one(at):
    attempt = at.requested()
    at.sql("update public.voices set requested_at = clock_timestamp() - interval '1 hour' where id = %s", attempt)
    return (LIMIT,)


@recipe("recorded")
def attempts_queued(at):
    return ([UUID(at.requested())],)


def _listed(at, nth: int, deployment: str) -> dict:
    person = somebody("voice", at.size, nth)
    return {"vendor_voice_id": person.vendor_voice, "attempt_id": str(person.attempt), "deployment_id": deployment}


@recipe("judged")
def judge_vendor_voices(at):
    """A hundred voices."""
    deployment = str(at.value("select understudy.deployment_id()"))
    return (Jsonb([_listed(at, nth, deployment) for nth in range(LIMIT)]),)


@recipe("recorded")
def voice_gone(at):
    return at.one("voice").attempt, WORKSPACE


@recipe("state")
def recording_sweep_state(at):
    return ()


@recipe("missing")
def missing_recordings(at):
    """A hundred recordings: half are here, and half nobody has told of."""
    created = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
    here = [(person.recording_sid(), person.call_sid()) for person in (somebody("voice", at.size, nth) for nth in range(LIMIT // 2))]
    new = [(f"RE{id_of(f'new {nth}').hex}", somebody("voice", at.size, nth).call_sid(2)) for nth in range(LIMIT // 2)]
    return (Jsonb([{"recording_sid": sid, "call_sid": call, "created_at": created} for sid, call in [*here, *new]]),)


@recipe("missing")
def matched_recordings(at):
    return (LIMIT,)


@recipe("storable")
def storable_recordings(at):
    """A limit that is as low as ever."""
    return 50_000_000, LIMIT


@recipe("storable")
def storable_recordings__a_raised_limit(at):
    return 200_000_000, LIMIT


@recipe("recorded")
def recordings_queued(at):
    return ([f"RE{id_of(f'new {nth}').hex}" for nth in range(LIMIT)],)


@recipe("recorded")
def recording_page_seen(at):
    return [f"RE{id_of(f'new {nth}').hex}" for nth in range(LIMIT)], None


@recipe("abandoned")
def abandoned_evidence(at):
    return (LIMIT,)


@recipe("abandoned")
def abandoned_evidence__one(at):
    person = at.one("recorded")
    at.rpc("offer_evidence", person.admin, person.id)
    at.sql("update public.voice_consent_evidence set noted_at = noted_at - interval '2 days' where employee_id = %s", person.id)
    return (LIMIT,)


@recipe("cleared")
def evidence_cleared(at):
    person = at.one("recorded")
    return (at.rpc("offer_evidence", person.admin, person.id)["reference"],)


@recipe("abandoned")
def abandoned_writes(at):
    return (LIMIT,)


@recipe("abandoned")
def abandoned_writes__one(at):
    write = at.new_recording()[3]
    at.sql("update public.storage_writes set begun_at = clock_timestamp() - interval '2 hours' where id = %s", write)
    return (LIMIT,)


@recipe("purged")
def purge(at):
    return (1000,)


@recipe("purged")
def purge__something(at):
    """Purges a consent that ended so long ago that nobody owes a proof of it any more."""
    at.sql("alter table public.voice_consents disable trigger voice_consents_kept")
    at.sql(
        "update public.voice_consents set granted_at = granted_at - interval '6 years', ended_at = ended_at - interval '6 years',"
        " expires_at = expires_at - interval '6 years' where id = %s",
        id_of(f"consent {at.one('voice').number}/1"),
    )
    return (1000,)
