"""Users of a project: an administrator makes them, and they sign in with a password. `make contract` needs both; the functions need neither.

Sources: https://supabase.com/docs/reference/javascript/auth-admin-createuser, supabase/auth `internal/api/admin.go` and `token.go`
"""

from __future__ import annotations

import hmac
from uuid import uuid4

from aiohttp import web

from ..body import BODY
from .caller import CALLER


class Users:
    """`users` are by id: {"id", "email", "password", "confirmed"}; `refuse` makes Auth's error, `mint` a token."""

    def __init__(self, users: dict[str, dict], refuse, mint) -> None:
        self._users, self._refuse, self._mint = users, refuse, mint

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post("/auth/v1/admin/users", self._create),
            web.get("/auth/v1/admin/users", self._list),
            web.delete("/auth/v1/admin/users/{id}", self._delete),
            web.post("/auth/v1/token", self._token),
        ]

    def _must_administer(self, request: web.Request) -> None:
        if request[CALLER].role != "service_role":
            raise self._refuse(403, "not_admin", "User not allowed")

    async def _create(self, request: web.Request) -> web.Response:
        self._must_administer(request)
        wish = request[BODY].json()
        if "@" not in (email := wish.get("email") or ""):
            raise self._refuse(400, "validation_failed", "Unable to validate email address: invalid format")
        if any(user["email"] == email for user in self._users.values()):
            raise self._refuse(422, "email_exists", "A user with this email address has already been registered")
        user = {"id": str(uuid4()), "email": email, "password": wish.get("password"), "confirmed": wish.get("email_confirm", False)}
        self._users[user["id"]] = user
        return web.json_response(_shown(user))

    async def _list(self, request: web.Request) -> web.Response:
        self._must_administer(request)
        size, page = int(request.query.get("per_page", 50)), int(request.query.get("page", 1))
        found = [_shown(user) for user in reversed(self._users.values())]
        return web.json_response({"users": found[(page - 1) * size : page * size], "aud": "authenticated"})

    async def _delete(self, request: web.Request) -> web.Response:
        self._must_administer(request)
        if self._users.pop(request.match_info["id"], None) is None:
            raise self._refuse(404, "user_not_found", "User not found")
        return web.json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        if request.query.get("grant_type") != "password":
            raise self._refuse(400, "unsupported_grant_type", "unsupported_grant_type")
        wish = request[BODY].json()
        user = next((user for user in self._users.values() if user["email"] == wish.get("email")), None)
        if user is None or not user["password"] or not hmac.compare_digest(user["password"], wish.get("password") or ""):
            raise self._refuse(400, "invalid_credentials", "Invalid login credentials")
        if not user["confirmed"]:
            raise self._refuse(400, "email_not_confirmed", "Email not confirmed")
        token = self._mint(user["id"], user["email"])
        return web.json_response({"access_token": token, "token_type": "bearer", "expires_in": 3600, "user": _shown(user)})


def _shown(user: dict) -> dict:
    return {"id": user["id"], "aud": "authenticated", "role": "authenticated", "email": user["email"], "phone": "", "is_anonymous": False}
