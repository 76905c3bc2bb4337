"""Supabase's Auth: published keys, and the tokens of users. A user without a mailbox is made, and removed.

Sources: https://supabase.com/docs/guides/auth/jwts, https://supabase.com/docs/guides/auth/jwt-fields, supabase/auth `internal/api/jwks.go`
"""

from __future__ import annotations

import re
import secrets
from functools import partial
from uuid import UUID

import jwt

from .account import Account, succeeded
from .assumption import No, Skipped, assume, hold

NO_KEYS = "the key set could not be read, or is empty"
# The fields that would make a key private (RFC 7518).
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
ALGORITHMS = ("ES256", "RS256", "EdDSA")
NOBODY = "contract.invalid"


def prepare(auth: Account) -> None:
    """Makes a user for this run alone, with an address that nobody can have (RFC 2606), and signs in."""
    if auth.stage:
        auth.facts["user"] = "7d0c1b3e-4c9b-4e0a-9a53-0a3f0d5f7c11"
        auth.facts["token"] = auth.stage.token(sub=auth.facts["user"])
        return
    password, email = secrets.token_urlsafe(24), f"understudy-{secrets.token_hex(6)}@{NOBODY}"
    ask = partial(auth.ask, "POST", kept=False)
    auth.later("a user", lambda: forget(auth, email))
    user = succeeded(ask("/auth/v1/admin/users", json={"email": email, "password": password, "email_confirm": True})).json()["id"]
    signed_in = ask("/auth/v1/token", params={"grant_type": "password"}, json={"email": email, "password": password})
    auth.facts |= {"user": user, "token": succeeded(signed_in).json()["access_token"]}


def forget(auth: Account, email: str) -> None:
    """Removes the user, also where the answer with the id was lost: the newest users are listed first."""
    listed = succeeded(auth.ask("GET", "/auth/v1/admin/users", kept=False, params={"page": 1, "per_page": 100})).json()["users"]
    for user in listed:
        if user["email"] == email:
            succeeded(auth.ask("DELETE", f"/auth/v1/admin/users/{user['id']}", kept=False), 200, 204, 404)


def keys(auth: Account) -> list[dict]:
    return auth.fact("keys", NO_KEYS)


def claims_of(auth: Account, token: str) -> dict:
    """The claims of a token, verified as the functions do it."""
    head = jwt.get_unverified_header(token)
    found = [key for key in keys(auth) if key["kid"] == head.get("kid")]
    hold(found, "it names no published key")
    hold(head["alg"] in ALGORITHMS, f"it is signed with {head['alg']}")
    try:
        return jwt.decode(token, jwt.PyJWK(found[0]).key, [head["alg"]], audience="authenticated", options={"require": ["exp", "aud", "iss", "sub"]})
    except jwt.InvalidTokenError as error:
        raise No(f"it is no such token: {type(error).__name__}") from None


@assume("auth", "The signing keys are published below /auth/v1/.well-known/jwks.json, to anybody.")
def _(auth):
    answer = succeeded(auth.ask("GET", "/auth/v1/.well-known/jwks.json", headers={}), 200)
    found = answer.json()["keys"]
    auth.facts["cache"] = answer.headers.get("Cache-Control", "")
    if not found:
        raise Skipped("the project has only a legacy secret")
    auth.facts["keys"] = found


@assume("auth", "Each published key has an id (kid) and a type, says which algorithm it is for, and is a public key.")
def _(auth):
    for key in keys(auth):
        hold({"kid", "kty", "alg"} <= set(key), f"one has only {', '.join(sorted(key))}")
        hold(not PRIVATE & set(key), "one is private")


@assume("auth", "The key set may be kept for ten minutes (max-age=600), and no longer.")
def _(auth):
    found = re.search(r"max-age=(\d+)", auth.fact("cache", NO_KEYS))
    hold(found and int(found[1]) == 600, f"it says {auth.facts['cache'] or 'nothing'}")


@assume("auth", "The project issues tokens in the name of its own address and /auth/v1, unless it has a custom domain.")
def _(auth):
    issuer = succeeded(auth.ask("GET", "/auth/v1/.well-known/openid-configuration", headers={}), 200).json()["issuer"]
    hold(issuer == f"{auth.url}/auth/v1" or not issuer.endswith(".supabase.co/auth/v1"), "the issuer is another project")
    auth.facts["issuer"] = issuer


@assume("auth", "A user's access token is verified by a published key, names it (kid), and has exp, aud (authenticated), iss and sub.")
def _(auth):
    claims = claims_of(auth, auth.fact("token", "nobody could sign in"))
    hold(claims["iss"] == auth.facts.get("issuer"), "it is issued by another")
    auth.facts["claims"] = claims


@assume("auth", "The sub of a user's token is the user's id, a UUID; the role is authenticated; and it is neither anonymous nor an OAuth client's.")
def _(auth):
    claims = auth.fact("claims", "there is no token")
    hold(claims["sub"] == auth.facts["user"] == str(UUID(claims["sub"])), "the sub is something else")
    hold(claims["role"] == "authenticated", "the role is another")
    hold(not claims.get("is_anonymous") and "client_id" not in claims, "it is")


@assume("auth", "The token of an anonymous user says so (is_anonymous), and that of an OAuth client names it (client_id).")
def _(auth):
    stage = auth.staged("nobody is signed in anonymously, or by a third party")
    hold(claims_of(auth, stage.token("anonymous")).get("is_anonymous") is True, "the first does not")
    hold(claims_of(auth, stage.token("oauth_client")).get("client_id"), "the second does not")
