"""A Supabase project: the gateway in front, with Auth, Storage and REST behind it.

Keys: https://supabase.com/docs/guides/getting-started/api-keys. The bodies of the gateway's own refusals are those that
hosted projects answer; they are not documented.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from aiohttp import web

from ..control import Vendor
from .auth import Auth, auth_refusal
from .caller import CALLER, BadToken, Caller
from .rest import Rest
from .storage import Storage

# Answered without an API key: they are public, or carry their own signature.
OPEN = re.compile(r"^/auth/v1/\.well-known/|^/storage/v1/object/(public|sign)/.|^/storage/v1/object/info/public/")
OPEN_UPLOAD = {"PUT": re.compile(r"^/storage/v1/object/upload/sign/."), "OPTIONS": re.compile(r"^/storage/v1/upload/resumable$")}
BROWSER = re.compile(r"Mozilla/|AppleWebKit|Chrome/|Safari/|Firefox/", re.I)
PROTECTED = "Secret API keys can only be used in a protected environment and should never be used in a browser."


class BadKey(Exception):
    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.body = {"message": message} | ({"hint": hint} if hint else {})


class Supabase(Vendor):
    """Supabase. Its own control routes:

    PUT    /_control/account              {"secret_key", "publishable_key"} new keys; {"jwt_secret": "…"} also takes HS256
           tokens, as projects from before the signing keys do; {"file_size_limit": n} of the project, in bytes
           (50 MiB where nobody has raised it);
           {"adds_authorization": true}: the gateway gives Storage an `Authorization` where there is only an `apikey`, as
           that of hosted projects has been seen to do; Storage itself refuses such a request
           {"signed_upload_seconds": n}: how long a URL that is signed for an upload is good
    POST   /_control/tokens               mints a user token: {"sub", "email", "expires_in": 3600, "claims": {…}, "kind"}.
           claims change the usual ones, null leaves one out. kind: "valid" (default), "anonymous", "oauth_client" (of a
           third party that acts for the user: has `client_id` and `scope`), "expired",
           "foreign" (another key under our key id), "unknown_kid", "alg_none", "hs256" (needs jwt_secret),
           "hs256_public_key" (our public key as an HMAC secret). Answers {"token", "claims"}
    POST   /_control/signing-keys         makes a new current key (?algorithm=ES256 or EdDSA); the JWKS has the old ones too
    DELETE /_control/signing-keys/{kid}   takes one out of the JWKS
    GET    /_control/objects[?bucket=]    {"objects": [{"bucket", "name", "bytes", "sha256", "content_type", "version"}]}
    """

    def __init__(self, directory: Path, database_url: str) -> None:
        super().__init__(directory)
        self._first = {
            "secret_key": "sb_secret_" + secrets.token_urlsafe(24),
            "publishable_key": "sb_publishable_" + secrets.token_urlsafe(24),
        }
        self.keys = dict(self._first)
        self.auth = Auth(self)
        self.storage = Storage(directory)
        self.rest = Rest(database_url)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [*self.auth.routes(), *self.storage.routes(), *self.rest.routes()]

    @property
    def issuer(self) -> str:
        return f"{self.url}/auth/v1"

    async def close(self, app: web.Application) -> None:
        await self.rest.close()

    async def before(self, request: web.Request) -> None:
        is_open = OPEN if request.method in ("GET", "HEAD") else OPEN_UPLOAD.get(request.method)
        if not (is_open and is_open.search(request.path)):
            request[CALLER] = self._caller(request)
            if request.path.startswith("/storage/v1/"):
                self.storage.before(request)

    def _caller(self, request: web.Request) -> Caller:
        """`apikey` says which project role; a bearer token, if it is more than the same key again, says which user."""
        key = request.headers.get("apikey") or request.query.get("apikey")
        if not key:
            raise BadKey("No API key found in request", "No `apikey` request header or url param was found.")
        if key == self.keys["secret_key"]:
            if BROWSER.search(request.headers.get("User-Agent", "")):
                raise BadKey("Forbidden use of secret API key in browser", PROTECTED)
            caller = Caller("service_role", {"role": "service_role"})
        elif key == self.keys["publishable_key"]:
            caller = Caller("anon", {"role": "anon"})
        else:
            raise BadKey("Invalid API key", "Double check your API key.")
        bearer = request.headers.get("Authorization")
        if bearer is None:
            return caller
        token = re.sub(r"^Bearer\s+", "", bearer, flags=re.I)
        if token == key:
            return caller
        try:
            claims = self.auth.verified(token)
        except BadToken as error:
            return Caller("anon", token=error)
        return Caller(claims.get("role") or "anon", claims, user=True)

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        if isinstance(error, BadKey):
            return web.json_response(error.body, status=401)
        if request.path.startswith("/storage/v1/"):
            return self.storage.refusal(error)
        if request.path.startswith("/rest/v1/"):
            return self.rest.refusal(request, error)
        if request.path.startswith("/auth/v1/"):
            return auth_refusal(error)
        status = error.status if isinstance(error, web.HTTPException) else 500
        return web.json_response({"message": "no Route matched with those values"}, status=status)

    def reset(self) -> None:
        self.keys = dict(self._first)
        self.auth.reset()
        self.storage.reset()

    def set_account(self, settings: dict) -> dict:
        for name, value in settings.items():
            if name in self.keys:
                self.keys[name] = value
            elif name == "jwt_secret":
                self.auth.jwt_secret = value
            elif name == "file_size_limit":
                self.storage.size_limit = int(value)
            elif name == "adds_authorization":
                self.storage.adds_authorization = bool(value)
            elif name == "signed_upload_seconds":
                self.storage.signed_upload_seconds = int(value)
            else:
                raise ValueError(f"unknown: {name}")
        return self.keys | {"jwt_secret": self.auth.jwt_secret, "file_size_limit": self.storage.size_limit}
