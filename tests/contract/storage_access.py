"""The rights to read from Storage, and its refusals.

Sources: https://github.com/supabase/storage (`getObjectInfo.ts`, `deleteObjects.ts`, `src/internal/errors/codes.ts`),
https://supabase.com/docs/guides/getting-started/api-keys
"""

from __future__ import annotations

from .account import Account, code, stated, succeeded
from .assumption import Skipped, assume, hold
from .sample import mono
from .storage import WAV, bucket_of, get, hold_not_there, hold_stated, info, put

# Well-formed, and signed by nobody.
FORGED = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0." + "A" * 43
NO_GATEWAY = "there is no gateway in front of this Storage"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
MISSING = "understudy-contract-nothing"


def forged(storage: Account) -> dict:
    """The headers of somebody who passes the gateway, with a token that is not good."""
    return storage.headers | {"Authorization": f"Bearer {FORGED}"}


def gateway(storage: Account) -> None:
    if not storage.facts["gateway"]:
        raise Skipped(NO_GATEWAY)


@assume("storage", "Reading an object that does not exist is NoSuchKey, HTTP 400 with statusCode 404 in the body.")
def _(storage):
    answer = get(storage, "never.wav")
    hold_not_there(answer)
    hold((answer.status_code, stated(answer)) == (400, 404), f"it is HTTP {answer.status_code}, and says {stated(answer)}")


@assume("storage", "Nobody reads an object of a private bucket without a key.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(1)), 200)
    for below in ("", "authenticated/", "public/", "info/", "info/authenticated/", "info/public/"):
        answer = storage.ask("GET", f"/object/{below}{bucket_of(storage)}/kept.wav", headers={})
        hold(not answer.is_success, f"somebody does, at /object/{below}")


@assume("storage", "The info of an object tells whether it is there: a success, or NoSuchKey.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(1)), 200)
    succeeded(info(storage, "kept.wav"), 200)
    hold_not_there(info(storage, "never.wav"))


@assume("storage", "A missing bucket, and a token that is not good, are never told as NoSuchKey.")
def _(storage):
    for answer in (
        storage.ask("GET", f"/object/info/authenticated/{MISSING}/a.wav"),
        info(storage, "never.wav", headers=forged(storage)),
        get(storage, "never.wav", headers=forged(storage)),
    ):
        hold(not answer.is_success and code(answer) != "NoSuchKey", f"it was answered {stated(answer)} ({code(answer)})")


@assume("storage", "Without authenticated in its path, the info of an object does not tell a bad token from a missing bucket.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(1)), 200)
    bad_token = storage.ask("GET", f"/object/info/{bucket_of(storage)}/kept.wav", headers=forged(storage))
    no_bucket = storage.ask("GET", f"/object/info/{MISSING}/kept.wav")
    hold((stated(bad_token), code(bad_token)) == (stated(no_bucket), code(no_bucket)), f"{code(bad_token)} is not {code(no_bucket)}")


def remove(storage: Account, *keys: str):
    return storage.ask("DELETE", f"/object/{bucket_of(storage)}", json={"prefixes": list(keys)})


@assume("storage", "Removing an object is a success, whether it was there or not; afterwards it is not there.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(1)), 200)
    for _ in range(2):
        succeeded(remove(storage, "kept.wav"), 200)
        hold_not_there(info(storage, "kept.wav"))


@assume("storage", "Removing takes exact names, although their field is called prefixes.")
def _(storage):
    succeeded(put(storage, "folder/a.wav", mono(1)), 200)
    succeeded(remove(storage, "folder", "folder/", "folder/a"), 200)
    succeeded(info(storage, "folder/a.wav"), 200)


@assume("storage", "A key that is not good is turned away with 401 or 403, as our clients read it.")
def _(storage):
    wrong = {"apikey": "sb_secret_" + "0" * 31, "Authorization": "Bearer sb_secret_" + "0" * 31}
    for answer in (get(storage, "kept.wav", headers=wrong), info(storage, "kept.wav", headers=wrong), get(storage, "kept.wav", headers=forged(storage))):
        hold(stated(answer) in (401, 403), f"it was answered {stated(answer)} ({code(answer)})")


@assume("storage", "A new secret key may stand in Authorization as well, if both are the same.")
def _(storage):
    gateway(storage)
    if not storage.headers["apikey"].startswith("sb_secret_"):
        raise Skipped("the key is a legacy one")
    succeeded(storage.ask("GET", f"/bucket/{bucket_of(storage)}"), 200)
    other = storage.headers | {"Authorization": "Bearer sb_secret_" + "0" * 31}
    hold(not storage.ask("GET", f"/bucket/{bucket_of(storage)}", headers=other).is_success, "another one may stand there, too")


@assume("storage", "A secret key in the hands of a browser, by its User-Agent, is turned away.")
def _(storage):
    gateway(storage)
    hold_stated(storage.ask("GET", f"/bucket/{bucket_of(storage)}", headers=storage.headers | {"User-Agent": BROWSER}), 401)


@assume("storage", "Nothing that is private is answered without Authorization and apikey.")
def _(storage):
    gateway(storage)
    bucket = bucket_of(storage)
    copied = {"bucketId": bucket, "sourceKey": "folder/a.wav", "destinationKey": "copied.wav"}
    for method, path, body in (
        ("GET", f"/bucket/{bucket}", {}), ("POST", "/bucket", {"json": {"name": "understudy-contract-nobodys"}}),
        ("POST", f"/object/{bucket}/folder/a.wav", {"content": b"x", "type": WAV}), ("POST", "/object/copy", {"json": copied}),
        ("POST", f"/object/upload/sign/{bucket}/new.pdf", {"json": {}}), ("DELETE", f"/object/{bucket}", {"json": {"prefixes": ["folder/a.wav"]}}),
        ("GET", f"/object/authenticated/{bucket}/folder/a.wav", {}), ("GET", f"/object/info/authenticated/{bucket}/folder/a.wav", {}),
    ):  # fmt: skip
        headers = {"Content-Type": body.pop("type")} if "type" in body else {}
        hold(not storage.ask(method, path, headers=headers, **body).is_success, f"{method} {path.replace(bucket, '{bucket}')} is answered")


@assume("storage", "Storage that is too busy says so with 429, or a statusCode of 423, 429 or 5xx in the body.")
def _(storage):
    stage = storage.staged("nobody should keep a vendor busy")
    # `src/internal/errors/codes.ts`; only 429, 500 and 544 are the HTTP status, too.
    for http, said, word in ((429, "429", "SlowDown"), (544, "544", "DatabaseTimeout"), (400, "423", "ResourceLocked"), (400, "503", "DatabaseReadOnly")):
        body = {"statusCode": said, "code": word, "error": word, "message": word}
        with stage.fault("^/storage/v1/bucket/", status=http, body=body):
            answer = storage.ask("GET", f"/bucket/{bucket_of(storage)}")
        hold(stated(answer) in (423, 429) or stated(answer) >= 500, f"it was answered {stated(answer)}")
