"""Checks of the database: whether it is what the migrations make, and lets nobody else in.

It is asked by one function, `describe_database`, which reads no row of any table. The check has no list of its own of what should be there:
it compares the answer with the migrations (`expected`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .deployed import Deployed
from .expected import expected
from .finding import Finding, NotLookedAt, fail, ok, warn

APPLY = "apply supabase/migrations (`supabase db push`, or `psql -f` each file in order)"
# The application's own tables, with the columns that our functions need. Their other columns, types and rights are the application's.
APPLICATION = {
    "public.organizations": {"id"},
    "public.users": {"id", "org_id", "role"},
    "public.employees": {"id", "org_id", "full_name", "voice_id"},
    "public.calls": {"id", "org_id", "employee_id", "twilio_call_sid", "recording_url", "duration_seconds", "employee_channel", "known_since"},
}
# Hosted projects have 8 s. No call of ours may take longer than one.
LEAST_TIMEOUT_MS = 5000
# The columns by which a callback finds its call, and those by which an erasure walks an employee's calls.
INDEXES = {"(twilio_call_sid)": ["twilio_call_sid"], "(employee_id, id)": ["employee_id", "id"]}


@cache
def described(deployment: Deployed) -> dict:
    """The database's description of itself; raises NotLookedAt."""
    answer = deployment.supabase("POST", "/rest/v1/rpc/describe_database", json={})
    if answer.status_code == 200:
        return answer.json()
    try:
        code = answer.json().get("code")
    except (ValueError, AttributeError):
        code = None
    # https://docs.postgrest.org/en/stable/references/errors.html
    if code == "PGRST202":
        raise NotLookedAt("the database has no function describe_database, which the migrations make")
    if answer.status_code == 401:
        raise NotLookedAt("Supabase refuses the secret key")
    raise NotLookedAt(f"the database answers {answer.status_code}{f' ({code})' if code else ''}")


@dataclass(frozen=True)
class Differences:
    """Names of objects, such as "table public.voices"."""

    missing: list[str]
    # Objects that are there, but not as the migrations make them.
    other: list[str]
    # Rights that somebody has or lacks, other than the migrations say.
    rights: list[str]


def compared(wanted: dict, there: dict) -> Differences:
    """Compares the `objects` of two descriptions. An object that is there and not wanted is the application's own."""
    names = [name for name in wanted if _is_ours(name)]
    missing = [name for name in names if name not in there]
    present = [name for name in names if name in there]
    # Types and rights in the application's own tables are its own.
    comparable = [name for name in present if _table(name) not in APPLICATION or name.startswith("trigger ")]
    other = [name for name in comparable if there[name]["state"] != wanted[name]["state"]]
    rights = []
    for name in comparable:
        if wanted[name]["privileges"] is not None:
            may, should = set(there[name]["privileges"]), set(wanted[name]["privileges"])
            # The project decides who may use `public`, as long as the service key may.
            rights += [f"{name}: {one} is missing" for one in sorted(should - may)]
            rights += [f"{name}: {one} is too much" for one in sorted(may - should) if name != "schema public"]
    return Differences(missing, other, rights)


def _table(name: str) -> str | None:
    """The table to which an object belongs."""
    kind, _, rest = name.partition(" ")
    return rest if kind == "table" else rest.rpartition(".")[0] if kind in ("column", "constraint", "index", "trigger") else None


def _is_ours(name: str) -> bool:
    """Returns whether the functions need it, in a project that had the application's tables before, too."""
    kind, table, last = name.partition(" ")[0], _table(name), name.rpartition(".")[2]
    if table not in APPLICATION:
        return True
    return kind == "table" or kind == "column" and last in APPLICATION[table] or kind == "trigger"


def migrations(deployment: Deployed) -> Finding:
    there = described(deployment)["objects"]
    found = compared(expected()["objects"], there)
    if found.missing:
        return fail(f"{len(found.missing)} things are missing: {_some(found.missing)}", APPLY)
    if found.other:
        return fail(f"{len(found.other)} things are not as these migrations make them: {_some(found.other)}", f"{APPLY}, of the version that is deployed")
    return ok("everything is there, and as these migrations make it")


def grants(deployment: Deployed) -> Finding:
    rights = compared(expected()["objects"], described(deployment)["objects"]).rights
    if rights:
        return fail(f"{len(rights)} rights are wrong: {_some(rights)}", f"{APPLY} again: each sets the rights of what it makes")
    return ok("only the service key reaches the functions, and nobody the tables")


def calls_indexes(deployment: Deployed) -> Finding:
    """An index that begins with these columns will do, whatever its name."""
    there = described(deployment)["calls_indexed_by"]
    missing = [name for name, columns in INDEXES.items() if not any(index[: len(columns)] == columns for index in there)]
    if missing:
        advice = "".join(f"`create index concurrently on public.calls {name}`; " for name in missing).removesuffix("; ")
        return fail(f"calls has no valid index on {', '.join(missing)}", advice)
    return ok("calls has those that a callback and an erasure need")


def statement_timeout(deployment: Deployed) -> Finding:
    """The timeout of requests that come through the API: the setting of the role `authenticator`, or of `service_role`.
    https://supabase.com/docs/guides/database/postgres/timeouts"""
    found = described(deployment)["statement_timeout_ms"]
    if 0 < found < LEAST_TIMEOUT_MS:
        return fail(f"a statement is ended after {found / 1000:g} s", "`alter role authenticator set statement_timeout = '8s'`, likewise of service_role, and `notify pgrst, 'reload config'`")
    return ok(f"a statement may take {found / 1000:g} s" if found else "a statement may take as long as it likes")


def users_reach(deployment: Deployed) -> Finding:
    """Looks at the application's own rights and policies: they may let its users do too much."""
    found = described(deployment)["open_to_users"]
    said = [f"users may write {_some(found['columns'], 9)}"] if found["columns"] else []
    said += [f"policies may open the buckets ({_some(found['policies'])})"] if found["policies"] else []
    if said:
        return warn("; ".join(said), "see docs/operations.md, A project that is in use; supabase/optional/protect_existing_tables.sql closes most of it")
    return ok("no user writes whose voice it is, or who is an admin; no policy opens a bucket")


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


CHECKS = {
    "migrations": migrations,
    "rights in the database": grants,
    "indexes of calls": calls_indexes,
    "statement timeout": statement_timeout,
    "what users may write": users_reach,
}
