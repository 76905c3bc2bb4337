"""Supabase Auth, as far as a resource server sees it: keys, discovery, `GET /user`, and tokens for tests.

Claims: https://supabase.com/docs/guides/auth/jwt-fields. Errors: supabase/auth `internal/api/errors.go`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from uuid import NAMESPACE_URL, uuid4, uuid5

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..body import BODY
from .caller import CALLER, BadToken
from .users import Users

KINDS = ("valid", "anonymous", "oauth_client", "expired", "foreign", "unknown_kid", "alg_none", "hs256", "hs256_public_key")
ALGORITHMS = ("ES256", "EdDSA")


class AuthRefused(Exception):
    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status, self.body = status, {"code": status, "error_code": code, "msg": message}


def auth_refusal(error: Exception) -> web.Response:
    if isinstance(error, web.HTTPException):
        error = AuthRefused(error.status, "not_found" if error.status == 404 else "validation_failed", error.reason)
    if not isinstance(error, AuthRefused):
        error = AuthRefused(500, "unexpected_failure", "Unexpected failure, please check server logs for more information")
    return web.json_response(error.body, status=error.status)


class Auth:
    def __init__(self, project) -> None:
        self._project = project  # its url, the issuer, is known only when it listens
        self.jwt_secret: str | None = None
        self._keys: dict[str, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] = {}
        self._current = self._new_key()
        self.users: dict[str, dict] = {}

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            *Users(self.users, AuthRefused, self.mint).routes(),
            web.get("/auth/v1/.well-known/jwks.json", self._jwks),
            web.get("/auth/v1/.well-known/openid-configuration", self._discovery),
            web.get("/auth/v1/user", self._user),
            web.post("/_control/tokens", self._mint),
            web.post("/_control/signing-keys", self._rotate),
            web.delete("/_control/signing-keys/{kid}", self._revoke),
        ]

    def reset(self) -> None:
        """The current key stays: tokens that were minted at the start go on working."""
        self.jwt_secret = None
        self.users.clear()

    def _new_key(self, algorithm: str = "ES256") -> str:
        kid = str(uuid4())
        self._keys[kid] = ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())
        return kid

    def _algorithm(self, kid: str) -> str:
        return "EdDSA" if isinstance(self._keys[kid], ed25519.Ed25519PrivateKey) else "ES256"

    # -- tokens ------------------------------------------------------------------------------------------------------

    def mint(self, sub: str, email: str = "", kind: str = "valid", expires_in: int = 3600, claims: dict | None = None) -> str:
        """A user's access token with the claims that Auth puts into one."""
        now = int(time.time())
        payload = {
            "iss": self._project.issuer,
            "sub": sub,
            "aud": "authenticated",
            "exp": now - 60 if kind == "expired" else now + expires_in,
            "iat": now - 3600 if kind == "expired" else now,
            "email": email,
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": str(uuid4()),
            "is_anonymous": kind == "anonymous",
            # The token of a third party that the user has let act for them (supabase/auth `internal/tokens/service.go`).
            **({"client_id": str(uuid4()), "scope": "openid email"} if kind == "oauth_client" else {}),
        } | (claims or {})
        payload = {name: value for name, value in payload.items() if value is not None}
        kid = str(uuid4()) if kind == "unknown_kid" else self._current
        if kind in ("foreign", "unknown_kid"):
            return jwt.encode(payload, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": kid})
        if kind == "alg_none":
            return _joined({"alg": "none", "typ": "JWT", "kid": kid}, payload, lambda text: b"")
        if kind in ("hs256", "hs256_public_key"):
            # PyJWT refuses a PEM as HMAC secret, which is what an attacker would use.
            public = self._keys[self._current].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            secret = public if kind == "hs256_public_key" else (self.jwt_secret or "").encode()
            return _joined({"alg": "HS256", "typ": "JWT", "kid": kid}, payload, lambda text: hmac.new(secret, text, hashlib.sha256).digest())
        return jwt.encode(payload, self._keys[self._current], self._algorithm(self._current), {"kid": kid})

    def verified(self, token: str) -> dict:
        """Checks what PostgREST and Storage check: signature, exp, nbf, aud. Returns the claims; raises BadToken."""
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") == "HS256" and self.jwt_secret:
                key, algorithm = self.jwt_secret, "HS256"
            elif head.get("kid") in self._keys and head.get("alg") == self._algorithm(head["kid"]):
                key, algorithm = self._keys[head["kid"]].public_key(), head["alg"]
            else:
                raise BadToken("key", "No suitable key or wrong key type")
            # Legacy anon and service_role keys have no aud.
            return jwt.decode(token, key, [algorithm], options={"verify_aud": False}, leeway=30)
        except jwt.ExpiredSignatureError:
            raise BadToken("expired", "JWT expired")
        except jwt.DecodeError:
            parts = token.count(".") + 1
            raise BadToken("malformed", "JWT cryptographic operation failed" if parts == 3 else f"Expected 3 parts in JWT; got {parts}")
        except jwt.InvalidTokenError as error:
            raise BadToken("claims", str(error))

    # -- HTTP --------------------------------------------------------------------------------------------------------

    async def _jwks(self, request: web.Request) -> web.Response:
        keys = []
        for kid, key in self._keys.items():
            algorithm = self._algorithm(kid)
            kind = jwt.algorithms.OKPAlgorithm if algorithm == "EdDSA" else jwt.algorithms.ECAlgorithm
            public = kind.to_jwk(key.public_key(), as_dict=True)
            keys.append(public | {"kid": kid, "alg": algorithm, "use": "sig", "key_ops": ["verify"], "ext": True})
        return web.json_response({"keys": keys}, headers={"Cache-Control": "public, max-age=600"})

    async def _discovery(self, request: web.Request) -> web.Response:
        issuer = self._project.issuer
        return web.json_response(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/oauth/authorize",
                "token_endpoint": f"{issuer}/oauth/token",
                "userinfo_endpoint": f"{issuer}/oauth/userinfo",
                "jwks_uri": f"{issuer}/.well-known/jwks.json",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "ES256"],
            },
            headers={"Cache-Control": "public, max-age=600"},
        )

    async def _user(self, request: web.Request) -> web.Response:
        caller = request[CALLER]
        if caller.token:
            raise AuthRefused(403, "bad_jwt", f"invalid JWT: unable to parse or verify signature, {caller.token}")
        if not caller.user:
            raise AuthRefused(401, "no_authorization", "This endpoint requires a valid Bearer token")
        claims = caller.claims
        if not claims.get("sub"):
            raise AuthRefused(403, "bad_jwt", "invalid claim: missing sub claim")
        since = "2026-01-01T00:00:00Z"
        return web.json_response(
            {
                "id": claims["sub"],
                "aud": claims.get("aud", ""),
                "role": claims.get("role", ""),
                "email": claims.get("email", ""),
                "phone": claims.get("phone", ""),
                "email_confirmed_at": since,
                "app_metadata": claims.get("app_metadata", {}),
                "user_metadata": claims.get("user_metadata", {}),
                "identities": [],
                "created_at": since,
                "updated_at": since,
                "is_anonymous": claims.get("is_anonymous", False),
            }
        )

    async def _mint(self, request: web.Request) -> web.Response:
        try:
            wish = request[BODY].json()
            unknown = set(wish) - {"sub", "email", "kind", "expires_in", "claims"}
            if unknown or wish.get("kind", "valid") not in KINDS:
                raise ValueError(f"unknown: {', '.join(unknown) or wish['kind']}; kinds are {', '.join(KINDS)}")
            if wish.get("kind") == "hs256" and not self.jwt_secret:
                raise ValueError("hs256 needs a jwt_secret: PUT /_control/account")
            wish.setdefault("sub", str(uuid5(NAMESPACE_URL, wish.get("email", "somebody"))))
            token = self.mint(**wish)
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"{error}\n")
        return web.json_response({"token": token, "claims": jwt.decode(token, options={"verify_signature": False})}, status=201)

    async def _rotate(self, request: web.Request) -> web.Response:
        algorithm = request.query.get("algorithm", "ES256")
        if algorithm not in ALGORITHMS:
            raise web.HTTPBadRequest(text=f"algorithm is one of {', '.join(ALGORITHMS)}\n")
        old, self._current = self._current, self._new_key(algorithm)
        return web.json_response({"kid": self._current, "previous": old}, status=201)

    async def _revoke(self, request: web.Request) -> web.Response:
        kid = request.match_info["kid"]
        if kid == self._current or kid not in self._keys:
            raise web.HTTPConflict(text="the current key, or none of ours\n")
        del self._keys[kid]
        return web.Response(status=204)


def _joined(head: dict, payload: dict, sign) -> str:
    def coded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = f"{coded(json.dumps(head).encode())}.{coded(json.dumps(payload).encode())}"
    return f"{text}.{coded(sign(text.encode()))}"
