"""Large things at once, worked off as the bundle works them off, call by call, each with its time."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

import psycopg

from .seeding import ACCOUNT, Person, somebody

# The statement_timeout of the role that PostgREST logs in as, on hosted Supabase.
STATEMENT_TIMEOUT = "8s"
# Seconds that one call may take.
MOST = 1.0
# Size of the database around it.
AROUND = 1000


class Calls:
    """The service key's calls of one database, each a transaction of its own, and how long each took."""

    def __init__(self, url: str, patience: float):
        """`patience`: seconds after which the next call fails instead."""
        self._deadline = time.monotonic() + patience
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("set role service_role")
        self._connection.execute(f"set statement_timeout = '{STATEMENT_TIMEOUT}'")
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> "Calls":
        return self

    def __exit__(self, *exception) -> None:
        self._connection.close()

    def __call__(self, name: str, *arguments) -> dict:
        if time.monotonic() > self._deadline:
            raise ProofFailed(f"still not over after {sum(map(len, self.seconds.values())):,} calls")
        began = time.perf_counter()
        try:
            return self._connection.execute(f"select public.{name}({', '.join(['%s'] * len(arguments))})", arguments).fetchone()[0]
        except psycopg.Error as error:
            raise ProofFailed(f"{name}: {error}".splitlines()[0]) from error
        finally:
            self.seconds[name].append(time.perf_counter() - began)

    def table(self) -> str:
        rows = [f"  {'':<28} {'calls':>9} {'median ms':>10} {'most ms':>9}"]
        for name, seconds in self.seconds.items():
            rows.append(f"  {name:<28} {len(seconds):>9,} {statistics.median(seconds) * 1000:>10.2f} {max(seconds) * 1000:>9.1f}")
        return "\n".join(rows)

    def too_slow(self) -> list[str]:
        return [f"a call of {name} took {max(seconds):.1f} s" for name, seconds in self.seconds.items() if max(seconds) > MOST]


class ProofFailed(Exception):
    """It did not come to its end."""


def work_off(call: Calls, erasure: str) -> int:
    """Does what voice-erasure does when every vendor does what it is asked, until the database says "erased". Returns how
    often it had to begin."""
    begun = 0
    while True:
        left = call("begin_erasure", erasure)
        begun += 1
        if left["outcome"] == "erased":
            return begun
        answers = {call("copy_erased", copy["copy_id"], ACCOUNT, True)["outcome"] for copy in left.get("copies", [])}
        if "erased" not in answers and left.get("is_listed", True):
            raise ProofFailed(f"begin_erasure answers {left['outcome']}, and nothing that it hands out can be erased: {answers}")


def many_recordings(superuser_url: str, recordings: int) -> Person:
    """Somebody has so many recordings, each of a call of its own."""
    person = somebody("voice", AROUND)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        made = (person.organisation, person.id, recordings)
        connection.execute(
            """insert into public.calls (id, org_id, employee_id, twilio_call_sid, status, created_at)
               select md5('many ' || k)::uuid, %s, %s, 'CA' || md5('many ' || k), 'completed', now() - k * interval '1 minute'
               from generate_series(1, %s) as k""",
            made,
        )
        connection.execute(
            """insert into public.recordings
                 (recording_sid, call_sid, call_id, org_id, employee_id, storage_path, bytes, sha256, duration_seconds, channels, track, source,
                  account_sid, started_at)
               select 'RE' || md5('many ' || k), 'CA' || md5('many ' || k), md5('many ' || k)::uuid, m.org_id, m.id,
                 m.id || '/RE' || md5('many ' || k) || '.wav', 3000000, repeat('a', 64), 90, 2, 'both', 'DialVerb', m.account,
                 now() - k * interval '1 minute'
               from (values (%s::uuid, %s::uuid, %s, %s)) as m (org_id, id, number, account), generate_series(1, m.number) as k""",
            (*made, ACCOUNT),
        )
        connection.execute("vacuum (analyze)")
    return person


def erase_many_recordings(call: Calls, person: Person) -> str:
    """Erases them, from the withdrawal to "erased"."""
    answer = call("withdraw_voice_consent", person.admin, person.id)
    begun = work_off(call, answer["erasure_id"])
    status = call("read_erasure", person.admin, person.id)
    if status.get("status") != "erased":
        raise ProofFailed(f"read_erasure says {status.get('status')}")
    return f"erased; begun {begun} times"


def many_expiring(superuser_url: str, consents: int) -> None:
    """So many consents have expired, all in the same second."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        expired = connection.execute(
            """update public.voice_consents c set expires_at = date_trunc('second', clock_timestamp()) - interval '1 minute'
               where c.id in (select o.id from public.voice_consents o where o.ended_at is null order by o.id limit %s)""",
            [consents],
        ).rowcount
        assert expired == consents, f"only {expired} consents are open"
        connection.execute("vacuum (analyze)")


def expire_many_consents(call: Calls, consents: int) -> str:
    """Expires them as voice-sweeper does: one after the other, until no consent is left that is over."""
    ended = 0
    while call("sweep_erasures")["outcome"] == "started":
        ended += 1
    if ended != consents:
        raise ProofFailed(f"{ended} of {consents} have ended")
    return "all have ended, and each has an erasure"
