"""Supabase's Storage: buckets and objects. Two small buckets are made, and removed. `storage_access.py` has rights and failures.

Source: https://github.com/supabase/storage, `src/http/routes` and `src/storage`
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import ssl
from urllib.parse import urlsplit

import httpx

from .account import AGENT, Account, code, stated, succeeded
from .assumption import Skipped, assume, hold
from .sample import mono

HOSTED_SECONDS = 2 * 60 * 60
NO_BUCKET = "no bucket was made"
WAV, JSON = "audio/wav", "application/json"


def make_bucket(storage: Account, name: str, **settings) -> None:
    """Makes a bucket with a name of its own. Its objects are those that `put` and `leave` know."""
    bucket = f"understudy-contract-{secrets.token_hex(6)}"
    storage.names[bucket] = f"{{{name}}}"
    storage.facts.setdefault("objects", {})[bucket] = set()
    storage.later("a bucket", lambda: remove_bucket(storage, bucket))
    succeeded(storage.ask("POST", "/bucket", json={"id": bucket, "name": bucket, "public": False} | settings), 200)
    storage.facts[name] = bucket


def remove_bucket(storage: Account, bucket: str) -> None:
    if keys := sorted(storage.facts["objects"][bucket]):
        succeeded(storage.ask("DELETE", f"/object/{bucket}", kept=False, json={"prefixes": keys}))
    answer = storage.ask("DELETE", f"/bucket/{bucket}", kept=False)
    hold(answer.is_success or stated(answer) == 404, f"it was answered {stated(answer)} ({code(answer)})")


def bucket_of(storage: Account) -> str:
    return storage.fact("bucket", NO_BUCKET)


def leave(storage: Account, key: str, bucket: str | None = None) -> str:
    """Stores an object there as somebody else would, and returns its path."""
    bucket = bucket or bucket_of(storage)
    storage.facts["objects"][bucket].add(key)
    return f"{bucket}/{key}"


def put(storage: Account, key: str, body: bytes, kind: str = WAV, bucket: str | None = None) -> httpx.Response:
    headers = storage.headers | {"x-upsert": "true", "Content-Type": kind}
    return storage.ask("POST", f"/object/{leave(storage, key, bucket)}", content=body, headers=headers)


def get(storage: Account, key: str, **request) -> httpx.Response:
    return storage.ask("GET", f"/object/authenticated/{bucket_of(storage)}/{key}", **request)


def info(storage: Account, key: str, **request) -> httpx.Response:
    return storage.ask("GET", f"/object/info/authenticated/{bucket_of(storage)}/{key}", **request)


def copy(storage: Account, source: str, key: str, to: str | None = None) -> httpx.Response:
    leave(storage, key, to)
    body = {"bucketId": bucket_of(storage), "sourceKey": source, "destinationBucket": to or bucket_of(storage), "destinationKey": key}
    return storage.ask("POST", "/object/copy", json=body, headers=storage.headers | {"x-upsert": "true"})


def hold_there(storage: Account, key: str, body: bytes) -> None:
    hold(succeeded(get(storage, key), 200).content == body, "what is there is something else")


def hold_not_there(answer: httpx.Response) -> None:
    hold(not answer.is_success and code(answer) == "NoSuchKey", f"it was answered {stated(answer)} ({code(answer)})")


def hold_stated(answer: httpx.Response, status: int, word: str | None = None) -> None:
    hold(not answer.is_success and stated(answer) == status, f"it was answered {stated(answer)} ({code(answer)})")
    hold(word is None or code(answer) == word, f"the code is {code(answer)}")


@assume("storage", "A bucket that is made private says so (public: false), and what it takes at most, or null (file_size_limit).")
def _(storage):
    make_bucket(storage, "bucket")
    said = succeeded(storage.ask("GET", f"/bucket/{bucket_of(storage)}"), 200).json()
    hold(said["public"] is False, "it does not")
    hold(said["file_size_limit"] is None or isinstance(said["file_size_limit"], int), "it tells no size")


@assume("storage", "A bucket that does not exist is a 404, by the statusCode in the body.")
def _(storage):
    hold_stated(storage.ask("GET", "/bucket/understudy-contract-nothing"), 404)


@assume("storage", "Making a bucket that is there is a 409, by the statusCode in the body.")
def _(storage):
    bucket = bucket_of(storage)
    hold_stated(storage.ask("POST", "/bucket", json={"id": bucket, "name": bucket, "public": False}), 409)


@assume("storage", "Asked how uploads can be resumed, Storage tells what the project takes at most (Tus-Max-Size).")
def _(storage):
    answer = succeeded(storage.ask("OPTIONS", "/upload/resumable"))
    hold(answer.headers.get("Tus-Max-Size", "").isdigit(), "it does not")


@assume("storage", "Storing an object is answered with its Key, bucket and path.")
def _(storage):
    said = succeeded(put(storage, "folder/a.wav", mono(1)), 200).json()
    hold(said["Key"] == f"{bucket_of(storage)}/folder/a.wav", "it is not")


@assume("storage", "With x-upsert an object replaces what was at its path, and the next reader gets the new one whole.")
def _(storage):
    for body in (mono(2), mono(1)):
        succeeded(put(storage, "kept.wav", body), 200)
        hold_there(storage, "kept.wav", body)


@assume("storage", "JSON is stored as it is, with its media type.")
def _(storage):
    body = json.dumps({"voice_id": None}).encode()
    succeeded(put(storage, "a.json", body, JSON), 200)
    answer = succeeded(get(storage, "a.json"), 200)
    hold(answer.content == body and answer.headers["Content-Type"].startswith(JSON), "it is not")


@assume("storage", "A file that is larger than the bucket takes is a 413 (EntityTooLarge), by the statusCode in the body, and nothing is stored.")
def _(storage):
    make_bucket(storage, "small", file_size_limit=1024)
    small = storage.facts["small"]
    hold(succeeded(storage.ask("GET", f"/bucket/{small}"), 200).json()["file_size_limit"] == 1024, "the bucket does not say what it takes")
    hold_stated(put(storage, "a.wav", mono(1), bucket=small), 413, "EntityTooLarge")
    hold_not_there(storage.ask("GET", f"/object/info/authenticated/{small}/a.wav"))


@assume("storage", "An upload that ends before its Content-Length stores nothing, and leaves what was there.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(2)), 200)
    for key in ("kept.wav", "nothing.wav"):
        cut_off(storage, f"/object/{leave(storage, key)}", mono(1))
    hold_there(storage, "kept.wav", mono(2))
    hold_not_there(info(storage, "nothing.wav"))


def cut_off(storage: Account, path: str, body: bytes) -> None:
    """Sends half of it, says that this was all, and waits until the server has understood."""
    to = urlsplit(storage.url)
    headers = storage.headers | {"Host": to.netloc, "User-Agent": AGENT, "x-upsert": "true", "Content-Type": WAV, "Content-Length": str(len(body))}
    head = "\r\n".join([f"POST {to.path}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""])
    with socket.create_connection((to.hostname, to.port or (443 if to.scheme == "https" else 80)), timeout=30) as plain:
        line = ssl.create_default_context().wrap_socket(plain, server_hostname=to.hostname) if to.scheme == "https" else plain
        line.sendall(head.encode() + body[: len(body) // 2])
        if line is plain:
            line.shutdown(socket.SHUT_WR)
            try:
                while line.recv(4096):
                    pass
            except OSError:
                pass  # it has hung up, or has nothing to say to this
        else:
            line.close()


@assume("storage", "A copy is answered with its Key, replaces what was there with x-upsert, and goes to other buckets, too.")
def _(storage):
    succeeded(put(storage, "folder/a.wav", mono(1)), 200)
    hold(succeeded(copy(storage, "folder/a.wav", "kept.wav"), 200).json()["Key"] == f"{bucket_of(storage)}/kept.wav", "it has another Key")
    hold_there(storage, "kept.wav", mono(1))
    make_bucket(storage, "other")
    other = storage.facts["other"]
    succeeded(copy(storage, "kept.wav", "evidence.wav", other), 200)
    copied = succeeded(storage.ask("GET", f"/object/authenticated/{other}/evidence.wav"), 200)
    hold(copied.content == mono(1), "the copy is something else")


@assume("storage", "The info of an object tells its size in bytes.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(2)), 200)
    hold(succeeded(info(storage, "kept.wav"), 200).json()["size"] == len(mono(2)), "it tells another")


@assume("storage", "Copying an object that does not exist is NoSuchKey.")
def _(storage):
    hold_not_there(copy(storage, "never.wav", "copied.wav"))


def sign(storage: Account, key: str) -> httpx.Response:
    return storage.ask("POST", f"/object/upload/sign/{leave(storage, key)}", json={})


@assume("storage", "An upload is signed by a token that says for how long (iat, exp), below the path that was asked for; hosted, for two hours.")
def _(storage):
    url = succeeded(sign(storage, "paper.pdf"), 200).json()["url"]
    place, _, token = url.partition("?token=")
    hold(place == f"/object/upload/sign/{bucket_of(storage)}/paper.pdf", "it is of another path")
    coded = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    hold(claims["exp"] > claims["iat"], "it is good for no time")
    hold(not storage.facts["gateway"] or claims["exp"] - claims["iat"] == HOSTED_SECONDS, f"it is good for {claims['exp'] - claims['iat']} s")
    storage.facts["signed"] = url


def put_signed(storage: Account, url: str) -> httpx.Response:
    return storage.ask("PUT", url, content=b"%PDF-1.7", headers={"Content-Type": "application/pdf"})


@assume("storage", "A signed address stores its object without a key, and once: a second upload is refused, because the object is there.")
def _(storage):
    url = storage.fact("signed", "no upload was signed")
    succeeded(put_signed(storage, url), 200)
    hold_there(storage, "paper.pdf", b"%PDF-1.7")
    hold_stated(put_signed(storage, url), 409)


@assume("storage", "A signed address is for one object, and opens no download.")
def _(storage):
    url = storage.fact("signed", "no upload was signed")
    leave(storage, "other.pdf")
    hold(not put_signed(storage, url.replace("/paper.pdf?", "/other.pdf?")).is_success, "it is for another object, too")
    answer = storage.ask("GET", url.replace("/object/upload/sign/", "/object/sign/"), headers={})
    hold(not answer.is_success, "it opens a download")


@assume("storage", "No upload of an object that is there already is signed: 409.")
def _(storage):
    hold_stated(sign(storage, "paper.pdf"), 409)


@assume("storage", "An object of a private bucket comes whole, with its Content-Length.")
def _(storage):
    succeeded(put(storage, "kept.wav", mono(2)), 200)
    answer = succeeded(get(storage, "kept.wav"), 200)
    hold(answer.content == mono(2), "it does not come whole")
    hold(answer.headers.get("Content-Length") == str(len(mono(2))), "it comes without its length")
