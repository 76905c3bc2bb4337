"""Supabase's database, over PostgREST. With a connection of its owner, a function and a schema of our own are made, and dropped.

Sources: https://docs.postgrest.org/en/stable/references/errors.html and transactions.html, https://supabase.com/docs/guides/database/postgres/timeouts
"""

from __future__ import annotations

import secrets

import httpx
import psycopg

from .account import Account, code, succeeded
from .assumption import No, assume, hold

NEEDS_OWNER = "needs SUPABASE_DB_URL"
# PostgREST's `max_rows` is 1,000 at Supabase unless somebody has changed it.
LONG = 5000
FUNCTION = """
create schema {name};
create table {name}.kept (n int check (n > 0));
grant usage on schema {name} to service_role;
grant all on {name}.kept to service_role;
create function {name}.inner_function() returns jsonb language sql as 'select to_jsonb(1)';
create function public.{name}(p_do text, p_value text default null) returns jsonb language plpgsql as $$
begin
  case p_do
  when 'count' then
    return (select jsonb_agg(n) from generate_series(1, p_value::int) as n);
  when 'who' then
    return jsonb_build_object('role', current_user, 'headers', current_setting('request.headers', true)::jsonb,
      'statement_timeout', extract(epoch from current_setting('statement_timeout')::interval), 'kept', (select count(*) from {name}.kept));
  when 'keep' then
    insert into {name}.kept values (1);
    if p_value is not null then raise exception 'no' using errcode = p_value; end if;
    return to_jsonb(1);
  when 'raise' then
    raise exception 'no' using errcode = p_value;
  when 'id' then
    return to_jsonb(p_value::uuid);
  when 'check' then
    insert into {name}.kept values (p_value::int);
    return to_jsonb(1);
  end case;
end $$;
revoke execute on function public.{name} from public, anon, authenticated;
grant execute on function public.{name} to service_role;
notify pgrst, 'reload schema';
"""


def prepare(database: Account) -> None:
    """Makes the function, and waits until PostgREST knows it."""
    if not (url := database.facts.get("url")):
        return
    name = f"understudy_contract_{secrets.token_hex(6)}"
    database.names[name] = "{function}"
    owner = psycopg.connect(url, autocommit=True)
    database.later("the connection", owner.close)
    dropped = f"drop function if exists public.{name}; drop schema if exists {name} cascade; notify pgrst, 'reload schema'"
    database.later("a function and a schema", lambda: owner.execute(dropped))
    owner.execute(FUNCTION.format(name=name))
    database.facts |= {"function": name, "owner": owner}

    def known() -> bool:
        return database.ask("POST", f"/rest/v1/rpc/{name}", kept=False, json={"p_do": "who"}).is_success

    database.until(known, "PostgREST does not know a new function")


def call(database: Account, do: str, value: str | None = None, **headers: str) -> httpx.Response:
    name = database.fact("function", NEEDS_OWNER)
    body = {"p_do": do} | ({} if value is None else {"p_value": value})
    return database.ask("POST", f"/rest/v1/rpc/{name}", json=body, headers=database.headers | headers)


def who(database: Account, **headers: str) -> dict:
    return succeeded(call(database, "who", **headers), 200).json()


def query(database: Account, sql: str, *values):
    return database.fact("owner", NEEDS_OWNER).execute(sql, values).fetchone()[0]


def hold_error(answer: httpx.Response, status: int, word: str) -> None:
    hold((answer.status_code, code(answer)) == (status, word), f"it was answered {answer.status_code} ({code(answer)})")


@assume("database", "Calling a function that does not exist is a 404 with code PGRST202.")
def _(database):
    hold_error(database.ask("POST", "/rest/v1/rpc/understudy_contract_nothing", json={}), 404, "PGRST202")


@assume("database", "A key that is not good is turned away with 401 or 403.")
def _(database):
    wrong = "sb_secret_" + "0" * 31
    answer = database.ask("POST", "/rest/v1/rpc/anything", json={}, headers={"apikey": wrong, "Authorization": f"Bearer {wrong}"})
    hold(answer.status_code in (401, 403), f"it was answered {answer.status_code}")


@assume("database", "A function that returns jsonb is answered 200 with that JSON, however long: max_rows does not cut it.")
def _(database):
    hold(succeeded(call(database, "keep"), 200).json() == 1, "it is something else")
    hold(succeeded(call(database, "count", str(LONG)), 200).json() == list(range(1, LONG + 1)), "it is cut")


@assume("database", "The function runs as service_role.")
def _(database):
    hold(who(database)["role"] == "service_role", "it runs as another")


@assume("database", "The function hears the headers of the request, such as those that tell of our caller (request.headers).")
def _(database):
    headers = {"x-caller-address": "192.0.2.1", "x-caller-user-agent": "a browser"}
    hold(headers.items() <= who(database, **headers)["headers"].items(), "it does not")


@assume("database", "A call is one transaction: an exception takes back what was written before it, and an answer means that it is kept.")
def _(database):
    before = who(database)["kept"]
    succeeded(call(database, "keep"), 200)
    hold_error(call(database, "keep", "P0001"), 400, "P0001")
    hold(who(database)["kept"] == before + 1, "it is not")


@assume("database", "A value that cannot be of its type is a 400 with a code of class 22, and a check that fails one with 23514.")
def _(database):
    answer = call(database, "id", "no id")
    hold(answer.status_code == 400 and str(code(answer)).startswith("22"), f"it was answered {answer.status_code} ({code(answer)})")
    hold_error(call(database, "check", "0"), 400, "23514")


@assume("database", "An exception of ours (P0001) is a 400, and a missing right (42501) a 403.")
def _(database):
    hold_error(call(database, "raise", "P0001"), 400, "P0001")
    hold_error(call(database, "raise", "42501"), 403, "42501")


@assume("database", "A failure that may succeed later is a 5xx: a deadlock, a conflict, a lock or a statement that takes too long (40P01, 40001, 55P03, 57014).")
def _(database):
    for state in ("40P01", "40001", "55P03", "57014"):
        answer = call(database, "raise", state)
        hold(answer.status_code >= 500 and code(answer) == state, f"{state} was answered {answer.status_code} ({code(answer)})")


@assume("database", "A statement is given up before our client gives up: after eight seconds.")
def _(database):
    seconds = who(database)["statement_timeout"]
    hold(seconds == 8, f"it is after {seconds} s")


@assume("database", "Nobody reaches a function outside of the exposed schema, and anon and authenticated none that was revoked from them.")
def _(database):
    name = database.fact("function", NEEDS_OWNER)
    hold_error(database.ask("POST", "/rest/v1/rpc/inner_function", json={}), 404, "PGRST202")
    for role in ("anon", "authenticated"):
        may = query(database, "select has_function_privilege(%s, %s::regproc, 'execute')", role, f"public.{name}")
        hold(not may, f"{role} does")


@assume("database", "service_role is not held by row level security, and the roles anon, authenticated and authenticator are there.")
def _(database):
    hold(query(database, "select rolbypassrls from pg_roles where rolname = 'service_role'"), "it is")
    hold(query(database, "select count(*) from pg_roles where rolname in ('anon', 'authenticated', 'authenticator')") == 3, "one is missing")


@assume("database", "The database hashes and makes UUIDs without an extension (sha256, gen_random_uuid).")
def _(database):
    try:
        query(database, "select pg_catalog.sha256('x'), pg_catalog.gen_random_uuid()")
    except psycopg.errors.UndefinedFunction:
        raise No("it needs one") from None
