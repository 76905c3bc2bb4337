"""A few connections to PostgreSQL, and a transaction with the role and settings that PostgREST gives one.

https://docs.postgrest.org/en/stable/references/transactions.html
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import psycopg
from aiohttp import web

SIZE = 10  # PostgREST's default
# PostgREST applies a role's settings itself; `set role` alone would not.
_ROLE_SETTINGS = """
select set_config(split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1), true)
from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as setting
where r.rolname = %s and s.setdatabase = 0 and split_part(setting, '=', 1) in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
"""
_SETTINGS = """
select set_config('search_path', '"public", "extensions"', true), set_config('role', %(role)s, true),
       set_config('request.jwt.claims', %(claims)s, true), set_config('request.method', %(method)s, true),
       set_config('request.path', %(path)s, true), set_config('request.headers', %(headers)s, true)
"""


class Pool:
    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[psycopg.AsyncConnection] = []
        self._places = asyncio.Semaphore(SIZE)

    @asynccontextmanager
    async def transaction(self, caller, request: web.Request):
        """A transaction that the end commits and an exception rolls back. A broken connection is not used again."""
        async with self._places:
            connection = await self._connection()
            try:
                async with connection.transaction():
                    await connection.execute(_ROLE_SETTINGS, [caller.role])
                    await connection.execute(
                        _SETTINGS,
                        {
                            "role": caller.role,
                            "claims": json.dumps(caller.claims),
                            "method": request.method,
                            "path": request.path.removeprefix("/rest/v1"),
                            "headers": json.dumps({name.lower(): value for name, value in request.headers.items()}),
                        },
                    )
                    yield connection
            finally:
                if connection.closed or connection.broken:
                    await connection.close()
                else:
                    self._idle.append(connection)

    async def _connection(self) -> psycopg.AsyncConnection:
        """A connection that works. An idle one may have died with its server; then another is tried, and at last a new one is made."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.execute("select 1")
                return connection
            except psycopg.OperationalError:
                await connection.close()
        return await psycopg.AsyncConnection.connect(self._url, autocommit=True, application_name="postgrest")

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()
