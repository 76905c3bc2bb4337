"""Checks of Supabase's Auth and Storage."""

from __future__ import annotations

from .deployed import Deployed
from .finding import Finding, fail, ok, warn

# https://supabase.com/docs/guides/auth/signing-keys; others verify nothing here (`shared/src/auth.rs`).
ALGORITHMS = ("ES256", "RS256", "EdDSA")
BUCKETS = ("recordings", "deep-fakes", "voice-consent-evidence")
# Two channels of 16 bits at 8 kHz, for an hour.
HOUR_BYTES = 3600 * 8000 * 2 * 2


def signing_keys(deployment: Deployed) -> Finding:
    """The keys by which users' tokens are verified, as the functions read them: without a key of ours."""
    issuer = deployment.parameters.get("SupabaseIssuer") or f"{deployment.parameters['SupabaseUrl']}/auth/v1"
    answer = deployment.ask("GET", f"{issuer}/.well-known/jwks.json")
    if answer.status_code != 200:
        return fail(f"{issuer}/.well-known/jwks.json answers {answer.status_code}", "SupabaseUrl or SupabaseIssuer is not the project's: deploy with the right one")
    usable = [one for one in answer.json().get("keys", []) if one.get("alg") in ALGORITHMS and one.get("kid")]
    if usable:
        return ok(f"{len(usable)} keys can be read: {', '.join(sorted({one['alg'] for one in usable}))}")
    if deployment.secret("supabase").get("jwt_secret"):
        return warn("the project still signs with the legacy secret (HS256)", "change to signing keys, in the project's dashboard under JWT Keys")
    advice = "change the project to signing keys, or put its legacy secret into the secret of Supabase as jwt_secret"
    return fail("the project has no signing keys, so no user's token can be verified", advice)


def buckets(deployment: Deployed) -> Finding:
    answer = deployment.supabase("GET", "/storage/v1/bucket")
    if answer.status_code != 200:
        return fail(f"Storage answers {answer.status_code} to the secret key", "put the project's own secret key into the secret of Supabase")
    there = {one["id"]: one for one in answer.json() if one["id"] in BUCKETS}
    public = [name for name, one in there.items() if one["public"]]
    if public:
        return fail(f"everybody can read {', '.join(public)}", "make it private in the project's dashboard, under Storage; nothing is stored until then")
    missing = [name for name in BUCKETS if name not in there]
    return ok("all are private" if not missing else f"those that are there are private; made when they are needed: {', '.join(missing)}")


def upload_limit(deployment: Deployed) -> Finding:
    """The project's is told by nothing but the server of resumable uploads, in `Tus-Max-Size`:
    https://supabase.com/docs/guides/storage/uploads/file-limits and supabase/storage `src/http/routes/tus`."""
    limits = {}
    answer = deployment.supabase("OPTIONS", "/storage/v1/upload/resumable")
    if (told := answer.headers.get("Tus-Max-Size", "")).isdigit():
        limits["the project"] = int(told)
    answer = deployment.supabase("GET", "/storage/v1/bucket")
    for one in answer.json() if answer.status_code == 200 else []:
        if one["id"] == "recordings" and one["file_size_limit"] is not None:
            limits["the bucket recordings"] = one["file_size_limit"]
    if not limits:
        return warn("Storage does not tell what it takes", "look under Storage, Settings, in the project's dashboard: 250 MB are two hours of a call")
    place, least = min(limits.items(), key=lambda limit: limit[1])
    said = f"{place} takes {_megabytes(least)}, {least * 60 / HOUR_BYTES:.0f} minutes of a call"
    if least < HOUR_BYTES:
        return fail(said, "raise it to 250 MB in the project's dashboard, under Storage; what is larger stays at Twilio until then")
    return ok(said)


def _megabytes(number: int) -> str:
    return f"{number / 1_000_000:,.0f} MB"


CHECKS = {"users' signing keys": signing_keys, "buckets private": buckets, "upload limit": upload_limit}
