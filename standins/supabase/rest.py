"""PostgREST, as far as this project needs it: `POST /rest/v1/rpc/<name>` and `GET /rest/v1/<table>`.

PostgreSQL decides: the role and claims are set as PostgREST sets them, so that grants, policies and functions behave as
they will. Errors: https://docs.postgrest.org/en/stable/references/errors.html and PostgREST's `Error.hs`. The missing parts (writing to
tables, embedding, Prefer) are answered with 405 or 400, so that nothing else is done instead.
"""

from __future__ import annotations

import json

import psycopg
from aiohttp import web

from ..body import BODY
from .caller import CALLER, BadToken
from .database import Pool
from .postgrest_query import Select, Unreadable, find_call

STATUS = {"23503": 409, "23505": 409, "25006": 405, "53400": 500, "57P01": 503, "P0001": 400, "42883": 404, "42P01": 404, "42P17": 500, "21000": 500}
CLASSES = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500,
    "53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip
OBJECT = "application/vnd.pgrst.object+json"


class RestRefused(Exception):
    def __init__(self, status: int, code: str, message: str, details: str | None = None, hint: str | None = None, headers: dict | None = None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = {"code": code, "details": details, "hint": hint, "message": message}


class Rest:
    def __init__(self, database_url: str) -> None:
        self._pool = Pool(database_url)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.route("*", "/rest/v1/rpc/{name}", self._call),
            web.route("*", "/rest/v1/{table}", self._table),
        ]

    async def close(self) -> None:
        await self._pool.close()

    async def _call(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if request.method != "POST":
            raise RestRefused(405, "PGRST101", f"Cannot use the {request.method} method on RPC")
        arguments = _arguments(request)
        async with self._as_caller(request) as connection:
            call = await find_call(connection, name, set(arguments))
            if call is None:
                raise _unknown_function(name, sorted(arguments))
            cursor = await connection.execute(call.statement, [json.dumps(arguments)] if call.parameters else [])
            body = (await cursor.fetchone())[0]
        if call.void:
            return web.Response(status=204)
        return web.Response(text="null" if body is None else body, content_type="application/json")

    async def _table(self, request: web.Request) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            raise RestRefused(405, "PGRST117", f"Unsupported HTTP method: {request.method}")
        table = request.match_info["table"]
        try:
            select = Select.read(table, request.query)
        except Unreadable as error:
            raise RestRefused(400, "PGRST100", f'"failed to parse {error}"', str(error))
        async with self._as_caller(request) as connection:
            cursor = await connection.execute("select to_regclass(format('public.%%I', %s::text)) is not null", [table])
            if not (await cursor.fetchone())[0]:
                raise RestRefused(404, "PGRST205", f"Could not find the table 'public.{table}' in the schema cache")
            rows = [row[0] for row in await (await connection.execute(select.statement())).fetchall()]
        headers = {"Content-Range": f"0-{len(rows) - 1}/*" if rows else "*/*"}
        if OBJECT in request.headers.get("Accept", ""):
            if len(rows) != 1:
                raise RestRefused(406, "PGRST116", "Cannot coerce the result to a single JSON object", f"The result contains {len(rows)} rows")
            return web.Response(text=rows[0], headers=headers | {"Content-Type": f"{OBJECT}; charset=utf-8"})
        return web.Response(text=f"[{','.join(rows)}]", headers=headers, content_type="application/json")

    def _as_caller(self, request: web.Request):
        caller = request[CALLER]
        if caller.token:
            code = "PGRST303" if caller.token.reason in ("expired", "claims") else "PGRST301"
            challenge = f'Bearer error="invalid_token", error_description="{caller.token}"'
            raise RestRefused(401, code, str(caller.token), headers={"WWW-Authenticate": challenge})
        return self._pool.transaction(caller, request)

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        if isinstance(error, BadToken):
            error = RestRefused(401, "PGRST301", str(error))
        if isinstance(error, psycopg.Error):
            error = _from_postgres(error, request[CALLER].role != "anon")
        if isinstance(error, web.HTTPException):
            error = RestRefused(404, "PGRST125", "Invalid path specified in request URL")
        if not isinstance(error, RestRefused):
            error = RestRefused(500, "PGRSTX00", f"{type(error).__name__}")
        headers = error.headers | {"Proxy-Status": f"PostgREST; error={error.body['code']}"}
        return web.json_response(error.body, status=error.status, headers=headers)


def _unknown_function(name: str, arguments: list[str]) -> RestRefused:
    named = ", ".join(arguments)
    function = f"public.{name}({named})" if named else f"public.{name} without parameters"
    searched = f"with parameter{'s' * (len(arguments) > 1)} {named}" if named else "without parameters"
    details = (
        f"Searched for the function public.{name} {searched} or with a single unnamed json/jsonb parameter, "
        "but no matches were found in the schema cache."
    )
    return RestRefused(404, "PGRST202", f"Could not find the function {function} in the schema cache", details)


def _arguments(request: web.Request) -> dict:
    try:
        arguments = request[BODY].json() if request[BODY].bytes else {}
    except ValueError:
        raise RestRefused(400, "PGRST102", "Empty or invalid json")
    if not isinstance(arguments, dict):
        raise RestRefused(400, "PGRST102", "All object keys must match")
    return arguments


def _from_postgres(error: psycopg.Error, authenticated: bool) -> RestRefused:
    code, diag = error.sqlstate, error.diag
    if code is None:  # no answer from the server at all
        return RestRefused(503, "PGRST000", "Database connection error. Retrying the connection.")
    message = diag.message_primary or ""
    headers = {}
    if code == "42501":
        status = 403 if authenticated else 401
        headers = {} if authenticated else {"WWW-Authenticate": "Bearer"}
    elif code == "22023" and message.startswith("role") and message.endswith("does not exist"):
        status = 401  # the role in the token
    elif code.startswith("PT"):
        status = int(code[2:]) if code[2:].isdigit() else 500
    else:
        status = STATUS.get(code) or CLASSES.get(code[:2], 400)
    return RestRefused(status, code, message, diag.message_detail, diag.message_hint, headers)
