"""The Supabase stand-in's REST: PostgreSQL decides, and the answers are PostgREST's."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from postgrest.exceptions import APIError
from supabase import ClientOptions, create_client

ORG, ADMIN, EMPLOYEE = "10000000-0000-4000-8000-000000000001", "11000000-0000-4000-8000-000000000001", "12000000-0000-4000-8000-000000000001"

FUNCTIONS = """
create or replace function public.t_echo(p_a text, p_b int[] default '{7}', p_c jsonb default null) returns jsonb language sql as
  $$ select jsonb_build_object('a', p_a, 'b', p_b, 'c', p_c) $$;
create or replace function public.t_who() returns jsonb language sql stable as
  $$ select jsonb_build_object('user', current_user, 'session', session_user, 'sub', current_setting('request.jwt.claims', true)::jsonb ->> 'sub',
       'path', current_setting('request.path', true), 'timeout', current_setting('statement_timeout')) $$;
create or replace function public.t_rows() returns setof public.organizations language sql stable security definer as
  $$ select * from public.organizations order by id $$;
create or replace function public.t_void() returns void language sql as $$ $$;
create or replace function public.t_raise(p_state text) returns jsonb language plpgsql as
  $$ begin raise exception 'a message' using errcode = p_state, detail = 'a detail', hint = 'a hint'; end $$;
create or replace function public.t_insert(p_id uuid, p_fail boolean) returns jsonb language plpgsql security definer as
  $$ begin insert into public.organizations (id, name) values (p_id, 'x'); if p_fail then raise 'no'; end if; return '{}'; end $$;
create or replace function public.t_private() returns jsonb language sql as $$ select '{}'::jsonb $$;
revoke execute on function public.t_private() from public, anon, authenticated;
"""


@pytest.fixture(scope="module", autouse=True)
def functions(database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(FUNCTIONS)
        yield connection
        for (name,) in connection.execute("select oid::regprocedure::text from pg_proc where proname ^@ 't_' and pronamespace = 'public'::regnamespace").fetchall():
            connection.execute(f"drop function {name}")


@pytest.fixture
def rpc(vendors):
    """`rpc(name, {arguments}, key="secret_key", token=None)` by hand."""
    where = vendors["supabase"]

    def call(name: str, arguments=None, key: str = "secret_key", token: str | None = None, method: str = "POST", **more) -> httpx.Response:
        headers = {"apikey": where[key]} | ({"Authorization": f"Bearer {token}"} if token else {})
        more = more or {"json": arguments or {}}
        return httpx.request(method, f"{where['url']}/rest/v1/rpc/{name}", headers=headers, **more)

    return call


@pytest.fixture
def client(vendors):
    with httpx.Client(timeout=60) as http:
        yield create_client(vendors["supabase"]["url"], vendors["supabase"]["secret_key"], ClientOptions(httpx_client=http))


def admin(vendors) -> str:
    return vendors["organizations"][0]["users"][0]["token"]


def test_a_function_is_called_by_the_names_of_its_arguments(client):
    arguments = {"p_c": {"deep": [1, None]}, "p_a": "é'"}
    assert client.rpc("t_echo", arguments).execute().data == {"a": "é'", "b": [7], "c": {"deep": [1, None]}}
    assert client.rpc("t_echo", {"p_a": None, "p_b": [1, 2]}).execute().data == {"a": None, "b": [1, 2], "c": None}


def test_rows_become_an_array_and_void_becomes_204(client, rpc):
    assert [row["id"] for row in client.rpc("t_rows").execute().data][0] == ORG
    answer = rpc("t_void")
    assert (answer.status_code, answer.content) == (204, b"")


def test_each_key_and_token_has_its_role(vendors, rpc):
    assert rpc("t_who").json()["user"] == "service_role"
    assert rpc("t_who", key="publishable_key").json()["user"] == "anon"
    as_user = rpc("t_who", key="publishable_key", token=admin(vendors)).json()
    assert (as_user["user"], as_user["sub"], as_user["path"]) == ("authenticated", ADMIN, "/rpc/t_who")
    assert as_user["session"] == "authenticator" and as_user["timeout"] == "8s"
    # The role comes from the token, whatever the key is.
    assert rpc("t_who", token=admin(vendors)).json()["user"] == "authenticated"


def test_the_projects_own_functions_are_for_the_service_role_only(vendors, rpc):
    arguments = {"p_user_id": ADMIN, "p_employee_id": EMPLOYEE}
    assert rpc("read_voice", arguments).json()["outcome"] == "voice"
    refused = rpc("read_voice", arguments, key="publishable_key", token=admin(vendors))
    assert (refused.status_code, refused.json()["code"]) == (403, "42501")


def test_a_function_that_may_not_be_called_is_401_for_anon_and_403_for_a_user(vendors, rpc):
    anon = rpc("t_private", key="publishable_key")
    assert (anon.status_code, anon.json()["code"], anon.headers["www-authenticate"]) == (401, "42501", "Bearer")
    user = rpc("t_private", key="publishable_key", token=admin(vendors))
    assert (user.status_code, set(user.json())) == (403, {"code", "message", "details", "hint"})


def test_an_unknown_function_or_argument_is_404(rpc):
    unknown = rpc("t_nothing", {"b": 1, "a": 2})
    assert unknown.status_code == 404 and unknown.json()["code"] == "PGRST202"
    assert unknown.json()["message"] == "Could not find the function public.t_nothing(a, b) in the schema cache"
    assert rpc("t_echo", {"p_a": "x", "p_z": 1}).json()["code"] == "PGRST202"
    assert rpc("t_echo", {}).json()["code"] == "PGRST202"


@pytest.mark.parametrize(
    ("state", "status"),
    [("P0001", 400), ("23505", 409), ("23503", 409), ("40001", 500), ("53300", 503), ("PT418", 418), ("22P02", 400), ("42501", 403), ("XX000", 500), ("57P01", 503)],
)
def test_an_exception_has_the_status_of_its_class(rpc, state, status):
    answer = rpc("t_raise", {"p_state": state})
    assert answer.status_code == status
    assert answer.json() == {"code": state, "message": "a message", "details": "a detail", "hint": "a hint"}


def test_a_failed_call_leaves_nothing_behind(rpc, functions):
    for fail in (True, False):
        rpc("t_insert", {"p_id": "30000000-0000-4000-8000-000000000001", "p_fail": fail})
        rows = functions.execute("delete from organizations where id = '30000000-0000-4000-8000-000000000001' returning 1").fetchall()
        assert len(rows) == (0 if fail else 1)


def test_what_is_no_call_is_refused(rpc):
    assert rpc("t_who", method="DELETE").json()["code"] == "PGRST101"
    assert rpc("t_who", content=b"{").json()["code"] == "PGRST102"
    assert rpc("t_echo", {"p_a": "x", "p_b": "not an array"}).status_code == 400


@pytest.mark.parametrize(("kind", "code"), [("expired", "PGRST303"), ("foreign", "PGRST301"), ("unknown_kid", "PGRST301"), ("alg_none", "PGRST301")])
def test_a_bad_token_is_401_with_postgrests_code(control, rpc, kind, code):
    token = control["supabase"]("POST", "/tokens", json={"kind": kind}).json()["token"]
    answer = rpc("t_who", key="publishable_key", token=token)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


def test_rows_are_read_with_filters_order_and_limit(client):
    table = client.table("employees")
    found = table.select("id,full_name").eq("org_id", ORG).order("full_name", desc=True).execute().data
    assert [row["full_name"] for row in found] == ["Bruno Oyelaran", "Alice Tremaine"] and set(found[0]) == {"id", "full_name"}
    assert len(client.table("employees").select("*").in_("id", [EMPLOYEE, ORG]).is_("voice_id", "null").execute().data) == 1
    assert client.table("employees").select("*").neq("org_id", ORG).limit(1).execute().data[0]["org_id"] != ORG
    assert len(client.table("employees").select("id").like("full_name", "Al%").execute().data) == 1
    assert client.table("employees").select("id").eq("id", EMPLOYEE).single().execute().data == {"id": EMPLOYEE}


def test_one_row_was_wanted_and_there_were_others(client):
    with pytest.raises(APIError) as error:
        client.table("employees").select("id").single().execute()
    assert error.value.code == "PGRST116"


def test_grants_and_policies_decide_who_reads_a_table(vendors):
    where = vendors["supabase"]

    def rows(token=None):
        headers = {"apikey": where["publishable_key"]} | ({"Authorization": f"Bearer {token}"} if token else {})
        return httpx.get(f"{where['url']}/rest/v1/employees?select=id", headers=headers)

    for answer in (rows(), rows(admin(vendors))):
        assert answer.status_code in (401, 403) or answer.json() == []


def test_tables_and_columns_that_are_not_there(client):
    for attempt, code in (
        (lambda: client.table("nothing").select("*").execute(), "PGRST205"),
        (lambda: client.table("employees").select("nothing").execute(), "42703"),
        (lambda: client.table("employees").select("*").eq("id", "no-uuid").execute(), "22P02"),
        (lambda: client.table("employees").insert({"full_name": "x"}).execute(), "PGRST117"),
    ):
        with pytest.raises(APIError) as error:
            attempt()
        assert error.value.code == code
