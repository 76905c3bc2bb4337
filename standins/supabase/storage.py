"""Supabase Storage: buckets and objects as files. Read from supabase/storage (`src/http/routes`, `src/storage`).

Surprises, all of which Supabase has as well:
* Nearly every error is HTTP 400, with the true status as a string in the body ("statusCode").
* POST refuses an object that exists unless `x-upsert: true`; PUT always replaces. The check comes before the body is
  read, and the write does not check again: two that upload at once may both be told 200, and the last one wins.
* A new version is a new file, to which the name then points. A reader of the old file goes on reading it.
* A key with a segment `.` or `..` is refused when something is written to it.
* Nothing of a private bucket is told without a good token: `GET /object/info/{bucket}/{key}` then says that there is no such bucket, while
  `/object/info/authenticated/…` says what is wrong with the token.
* A URL that is signed for an upload is for one object. It may be used any number of times until that object is there. Signing it checks that the object
  is not there yet; the upload checks again. Its token opens no download, nor the other way round.
* The project's size limit holds for every bucket, and nothing but `OPTIONS /upload/resumable` tells it: `Tus-Max-Size`.

There are no storage policies: the secret key may do everything, everybody else nothing but read public buckets.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from uuid import uuid4

import jwt
from aiohttp import web

from ..control import FileAnswer
from .caller import CALLER
from .storage_errors import StorageRefused, invalid_key, no_authorization, no_bucket, no_key, refusal
from .storage_requests import download, required_json
from .storage_state import Bucket, Object, bucket_limits, now
from .storage_upload import received

KEY = re.compile(r"[A-Za-z0-9_/!.*'() &$=@;:+,?-]+")
BUCKET = re.compile(r"[A-Za-z0-9_!.*'() &$=@;:+,?-]{1,100}")
RLS = StorageRefused("403", "AccessDenied", "Unauthorized", "new row violates row-level security policy")
# These paths are answered without `Authorization`, or with an invalid one: public objects, signed addresses, and the download and the info of an object.
OPEN = re.compile(r"^/storage/v1/object/(public|sign|info/public)/|^/storage/v1/object/(info/)?(?!authenticated/|info/|list/)[^/]+/.")
# The project's limit, as long as nobody raises it: https://supabase.com/docs/guides/storage/uploads/file-limits
DEFAULT_SIZE_LIMIT = 50 * 1024**2
# The server of resumable uploads says this of itself to anybody (`routes/tus/index.ts`, whose `publicRoutes` ask for no key).
TUS = {"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Extension": "creation,creation-with-upload,creation-defer-length,termination,expiration"}

SIGNED_UPLOAD_SECONDS = 7200  # hosted; 60 where nobody set UPLOAD_SIGNED_URL_EXPIRATION_TIME


class Storage:
    def __init__(self, directory: Path) -> None:
        self._files = directory / "objects"
        self._files.mkdir()
        self._secret = secrets.token_hex(32)  # of signed URLs
        self.size_limit = DEFAULT_SIZE_LIMIT
        self.adds_authorization = False
        self.signed_upload_seconds = SIGNED_UPLOAD_SECONDS
        self.buckets: dict[str, Bucket] = {}
        self.objects: dict[tuple[str, str], Object] = {}

    def routes(self) -> list[web.AbstractRouteDef]:
        at = "/storage/v1"
        path = "{bucket}/{key:.+}"
        return [
            web.post(f"{at}/bucket", self._create_bucket),
            web.post(f"{at}/bucket/", self._create_bucket),
            web.get(f"{at}/bucket", self._list_buckets),
            web.get(f"{at}/bucket/", self._list_buckets),
            web.get(f"{at}/bucket/{{bucket}}", self._get_bucket),
            web.put(f"{at}/bucket/{{bucket}}", self._update_bucket),
            web.delete(f"{at}/bucket/{{bucket}}", self._delete_bucket),
            web.post(f"{at}/bucket/{{bucket}}/empty", self._empty_bucket),
            web.options(f"{at}/upload/resumable", self._resumable_uploads),
            web.post(f"{at}/object/copy", self._copy),
            web.post(f"{at}/object/move", self._move),
            web.post(f"{at}/object/list/{{bucket}}", self._list),
            web.post(f"{at}/object/upload/sign/{path}", self._sign_upload),
            web.put(f"{at}/object/upload/sign/{path}", self._signed_upload),
            web.post(f"{at}/object/sign/{path}", self._sign),
            web.get(f"{at}/object/sign/{path}", self._signed),
            web.get(f"{at}/object/info/authenticated/{path}", self._info),
            web.get(f"{at}/object/info/public/{path}", self._public_info),
            web.get(f"{at}/object/info/{path}", self._open_info),
            web.get(f"{at}/object/public/{path}", self._public),
            web.get(f"{at}/object/authenticated/{path}", self._download),
            web.get(f"{at}/object/{path}", self._open_download),
            web.post(f"{at}/object/{path}", self._upload),
            web.put(f"{at}/object/{path}", self._upload),
            web.delete(f"{at}/object/{path}", self._delete),
            web.delete(f"{at}/object/{{bucket}}", self._delete_many),
            web.get("/_control/objects", self._all),
        ]

    def refusal(self, error: Exception) -> web.Response:
        return refusal(error)

    def reset(self) -> None:
        self.size_limit = DEFAULT_SIZE_LIMIT
        self.adds_authorization = False
        self.signed_upload_seconds = SIGNED_UPLOAD_SECONDS
        for object_ in self.objects.values():
            object_.path.unlink(missing_ok=True)
        self.objects.clear()
        self.buckets.clear()

    def before(self, request: web.Request) -> None:
        """Refuses a request without `Authorization`, as Storage itself does. A gateway in front of it may have added one: see `adds_authorization`."""
        is_open = request.method in ("GET", "HEAD") and OPEN.search(request.path)
        if not is_open and not self.adds_authorization and "Authorization" not in request.headers:
            raise no_authorization()

    # -- who may ---------------------------------------------------------------------------------------------------

    def _served(self, request: web.Request) -> bool:
        """Returns whether the caller is the service role. Anybody else learns something only with a good token."""
        caller = request[CALLER]
        if caller.token:
            raise StorageRefused("403", "AccessDenied", "Unauthorized", str(caller.token))
        return caller.role == "service_role"

    def _must_serve(self, request: web.Request) -> None:
        if not self._served(request):
            raise RLS

    # -- buckets ---------------------------------------------------------------------------------------------------

    async def _create_bucket(self, request: web.Request) -> web.Response:
        body = required_json(request, "name")
        name = body.get("id") or body["name"]
        if not BUCKET.fullmatch(name):
            raise StorageRefused("400", "InvalidBucketName", "Invalid Input", "Bucket name invalid")
        limits = bucket_limits(body, self.size_limit)
        self._must_serve(request)
        if name in self.buckets:
            raise StorageRefused("409", "BucketAlreadyExists", "Duplicate", "The resource already exists")
        self.buckets[name] = Bucket(name, body["name"], bool(body.get("public") or False), **limits)
        return web.json_response({"name": body["name"]})

    async def _list_buckets(self, request: web.Request) -> web.Response:
        return web.json_response([bucket.listed() for bucket in self.buckets.values()] if self._served(request) else [])

    async def _get_bucket(self, request: web.Request) -> web.Response:
        return web.json_response(self._bucket(request).shown())

    async def _update_bucket(self, request: web.Request) -> web.Response:
        body = required_json(request)
        bucket = self._bucket(request)
        for name, value in bucket_limits(body, self.size_limit).items():
            if name in body:
                setattr(bucket, name, value)
        if body.get("public") is not None:
            bucket.public = bool(body["public"])
        bucket.updated_at = now()
        return web.json_response({"message": "Successfully updated"})

    async def _empty_bucket(self, request: web.Request) -> web.Response:
        """Hosted Storage only queues this."""
        bucket = self._bucket(request)
        for key in [key for key in self.objects if key[0] == bucket.id]:
            self._forget(key)
        return web.json_response({"message": "Empty bucket has been queued. Completion may take up to an hour."})

    async def _delete_bucket(self, request: web.Request) -> web.Response:
        bucket = self._bucket(request)
        if any(name == bucket.id for name, _ in self.objects):
            raise StorageRefused("409", "ResourceNotEmpty", "ResourceNotEmpty", "The bucket you tried to delete is not empty")
        del self.buckets[bucket.id]
        return web.json_response({"message": "Successfully deleted"})

    def _bucket(self, request: web.Request) -> Bucket:
        bucket = self.buckets.get(request.match_info["bucket"]) if self._served(request) else None
        if bucket is None:
            raise no_bucket()
        return bucket

    async def _resumable_uploads(self, request: web.Request) -> web.Response:
        """Tells the project's limit, which holds for every kind of upload. No resumable upload is taken here."""
        return web.Response(status=204, headers=TUS | {"Tus-Max-Size": str(self.size_limit)})

    # -- writing ---------------------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        replace = request.method == "PUT" or request.headers.get("x-upsert") == "true"
        stored = self._receive(request, self._served(request), replace)
        return web.json_response({"Id": stored.id, "Key": f"{stored.bucket}/{stored.name}"})

    def _receive(self, request: web.Request, allowed: bool, replace: bool) -> Object:
        bucket, key = self.buckets.get(request.match_info["bucket"]), request.match_info["key"]
        if bucket is None:
            raise no_bucket()
        if not _is_valid(key):
            raise invalid_key(key)
        upload = received(request, bucket, self.size_limit)
        if not allowed:
            raise RLS
        if not replace and (bucket.id, key) in self.objects:
            raise StorageRefused("409", "KeyAlreadyExists", "Duplicate", "The resource already exists")
        path = self._files / uuid4().hex
        upload.move_to(path)
        stored = Object(bucket.id, key, path, upload.bytes, upload.sha256, upload.mime, upload.cache_control, upload.metadata)
        self._put(stored)
        return stored

    async def _sign_upload(self, request: web.Request) -> web.Response:
        """Storage does not look for the bucket: it inserts a row and rolls it back, so a missing bucket is a broken reference."""
        self._must_serve(request)
        bucket, key = request.match_info["bucket"], request.match_info["key"]
        replace = request.headers.get("x-upsert") == "true"
        if bucket not in self.buckets:
            raise StorageRefused("404", "InvalidRequest", "InvalidRequest", "The related resource does not exist")
        if not replace and (bucket, key) in self.objects:
            raise StorageRefused("409", "KeyAlreadyExists", "Duplicate", "The resource already exists")
        url = f"{bucket}/{key}"
        token = self._token(url, self.signed_upload_seconds, upsert=replace, scope="upload")
        return web.json_response({"url": f"/object/upload/sign/{url}?token={token}", "token": token})

    async def _signed_upload(self, request: web.Request) -> web.Response:
        """Anybody with the URL may upload, without a key and a user. The signature says whether the upload may replace an object."""
        claims = self._claims(request, "upload")
        stored = self._receive(request, True, claims["upsert"])
        return web.json_response({"Key": f"{stored.bucket}/{stored.name}"})

    def _token(self, url: str, seconds: int, **claims) -> str:
        issued = int(time.time())
        return jwt.encode({"url": url, "iat": issued, "exp": issued + seconds} | claims, self._secret, "HS256")

    def _claims(self, request: web.Request, scope: str) -> dict:
        """The claims of the token in the query, which must be for this object and this purpose; raises StorageRefused."""
        try:
            claims = jwt.decode(request.query.get("token", ""), self._secret, ["HS256"])
        except jwt.InvalidTokenError as error:
            raise StorageRefused("400", "InvalidJWT", "InvalidJWT", str(error))
        if claims.get("scope") != scope:
            raise StorageRefused("400", "InvalidSignature", "InvalidSignature", f"Token is not scoped for {scope}")
        if claims.get("url") != f"{request.match_info['bucket']}/{request.match_info['key']}":
            raise StorageRefused("400", "InvalidSignature", "InvalidSignature", "Invalid signature")
        return claims

    async def _copy(self, request: web.Request) -> web.Response:
        body = required_json(request, "bucketId", "sourceKey", "destinationKey")
        target, key = body.get("destinationBucket") or body["bucketId"], body["destinationKey"]
        if not _is_valid(key):
            raise invalid_key(key)
        source = self.objects.get((body["bucketId"], body["sourceKey"])) if self._served(request) else None
        if source is None:
            raise no_key()
        if target not in self.buckets:
            raise no_bucket()
        if (target, key) in self.objects and request.headers.get("x-upsert") != "true":
            raise StorageRefused("409", "KeyAlreadyExists", "Duplicate", "The resource already exists")
        path = self._files / uuid4().hex
        os.link(source.path, path)  # versions never change
        copied = Object(target, key, path, source.bytes, source.sha256, source.mime, source.cache_control, source.metadata)
        self._put(copied)
        return web.json_response({"Id": copied.id, "Key": f"{target}/{key}"} | copied.row())

    async def _move(self, request: web.Request) -> web.Response:
        body = required_json(request, "bucketId", "sourceKey", "destinationKey")
        target, key = body.get("destinationBucket") or body["bucketId"], body["destinationKey"]
        if not _is_valid(key):
            raise invalid_key(key)
        self._must_serve(request)
        if (target, key) in self.objects:
            raise StorageRefused("409", "KeyAlreadyExists", "Duplicate", "The resource already exists")
        moved = self.objects.pop((body["bucketId"], body["sourceKey"]), None)
        if moved is None:
            raise no_key()
        moved.bucket, moved.name = target, key
        self.objects[(target, key)] = moved
        return web.json_response({"message": "Successfully moved", "Id": moved.id, "Key": f"{target}/{key}"})

    async def _delete(self, request: web.Request) -> web.Response:
        self._served(request)
        stored = self._object(request)
        self._forget((stored.bucket, stored.name))
        return web.json_response({"message": "Successfully deleted"})

    async def _delete_many(self, request: web.Request) -> web.Response:
        """Takes exact names, although they are called prefixes. An object that is not there is left out of the answer, and is no error."""
        prefixes = required_json(request, "prefixes")["prefixes"]
        if not isinstance(prefixes, list) or not prefixes:
            raise StorageRefused("400", "InvalidRequest", "Error", "body/prefixes must NOT have fewer than 1 items")
        if len(prefixes) > 1000:
            raise StorageRefused("400", "InvalidRequest", "InvalidRequest", "Bulk object requests are limited to 1000 objects per request.")
        bucket, rows = request.match_info["bucket"], []
        for key in dict.fromkeys((bucket, name) for name in prefixes):
            if self._served(request) and key in self.objects:
                rows.append(self.objects[key].row())
                self._forget(key)
        return web.json_response(rows)

    def _put(self, stored: Object) -> None:
        old = self.objects.get((stored.bucket, stored.name))
        if old:
            stored.id, stored.created_at = old.id, old.created_at
        self.objects[(stored.bucket, stored.name)] = stored
        if old:
            old.path.unlink(missing_ok=True)

    def _forget(self, key: tuple[str, str]) -> None:
        self.objects.pop(key).path.unlink(missing_ok=True)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _object(self, request: web.Request) -> Object:
        bucket = self.buckets.get(request.match_info["bucket"])
        if bucket is None:
            raise no_bucket()
        stored = self.objects.get((bucket.id, request.match_info["key"]))
        if stored is None or not (bucket.public and request.method in ("GET", "HEAD") or self._served(request)):
            raise no_key()
        return stored

    async def _download(self, request: web.Request) -> web.Response | FileAnswer:
        self._served(request)
        return download(request, self._object(request))

    async def _public(self, request: web.Request) -> web.Response | FileAnswer:
        return download(request, self._public_object(request))

    async def _public_info(self, request: web.Request) -> web.Response:
        return web.json_response(self._public_object(request).info())

    async def _open_info(self, request: web.Request) -> web.Response:
        self._must_be_known(request)
        return web.json_response(self._object(request).info())

    async def _open_download(self, request: web.Request) -> web.Response | FileAnswer:
        self._must_be_known(request)
        return download(request, self._object(request))

    def _must_be_known(self, request: web.Request) -> None:
        """A caller without a good token hears of no private bucket."""
        bucket = self.buckets.get(request.match_info["bucket"])
        if request[CALLER].token and not (bucket and bucket.public):
            raise no_bucket()

    def _public_object(self, request: web.Request) -> Object:
        bucket = self.buckets.get(request.match_info["bucket"])
        if bucket is None or not bucket.public:
            raise no_bucket()
        return self._object(request)

    async def _info(self, request: web.Request) -> web.Response:
        self._served(request)
        return web.json_response(self._object(request).info())

    async def _sign(self, request: web.Request) -> web.Response:
        seconds = str(required_json(request, "expiresIn")["expiresIn"])
        if not seconds.isdigit() or int(seconds) < 1:
            raise StorageRefused("400", "InvalidRequest", "Error", "body/expiresIn must be >= 1")
        stored = self._object(request)
        url = f"{stored.bucket}/{stored.name}"
        token = self._token(url, int(seconds), scope="download")
        return web.json_response({"signedURL": f"/object/sign/{url}?token={token}"})

    async def _signed(self, request: web.Request) -> web.Response | FileAnswer:
        self._claims(request, "download")
        stored = self.objects.get((request.match_info["bucket"], request.match_info["key"]))
        if stored is None:
            raise no_key()
        return download(request, stored)

    async def _list(self, request: web.Request) -> web.Response:
        """One level: names below the prefix, folders with a null id."""
        body = required_json(request, "prefix")
        bucket, folder = request.match_info["bucket"], body["prefix"].strip("/")
        start = f"{folder}/" if folder else ""
        rows: dict[str, dict] = {}
        for (holder, name), stored in sorted(self.objects.items()):
            if holder != bucket or not name.startswith(start) or not self._served(request):
                continue
            first, slash, _ = name[len(start) :].partition("/")
            empty = dict.fromkeys(("id", "updated_at", "created_at", "last_accessed_at", "metadata"))
            rows[first] = {"name": first} | (empty if slash else {k: stored.row()[k] for k in empty})
        found = [row for name, row in rows.items() if body.get("search", "") in name]
        column = (body.get("sortBy") or {}).get("column") or "name"
        backwards = (body.get("sortBy") or {}).get("order") == "desc"
        found.sort(key=lambda row: str(row.get(column) or ""), reverse=backwards)
        offset = int(body.get("offset") or 0)
        return web.json_response(found[offset : offset + int(body.get("limit") or 100)])

    async def _all(self, request: web.Request) -> web.Response:
        wanted = request.query.get("bucket")
        shown = [stored.control() for (bucket, _), stored in sorted(self.objects.items()) if wanted in (None, bucket)]
        return web.json_response({"objects": shown})


def _is_valid(key: str) -> bool:
    return bool(KEY.fullmatch(key)) and not {".", ".."} & set(key.split("/"))
