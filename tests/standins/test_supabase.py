"""The Supabase stand-in's Storage and Auth, seen by Supabase's own Python library."""

from __future__ import annotations

import hashlib
import json

import httpx
import jwt
import pytest
from storage3.exceptions import StorageApiError
from supabase import ClientOptions, create_client

from .audio import wav


@pytest.fixture
def http(vendors):
    """By hand, with the secret key."""
    where = vendors["supabase"]
    headers = {"apikey": where["secret_key"], "Authorization": f"Bearer {where['secret_key']}"}
    with httpx.Client(base_url=where["url"], headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def make_client(vendors):
    """`make_client(key)`: the library with one of the project's keys."""
    opened = []

    def make(key: str = "secret_key"):
        http = httpx.Client(timeout=60)
        opened.append(http)
        return create_client(vendors["supabase"]["url"], vendors["supabase"][key], ClientOptions(httpx_client=http))

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def bucket(client):
    client.storage.create_bucket("recordings", options={"public": False})
    return client.storage.from_("recordings")


def code(attempt) -> tuple[str, str]:
    with pytest.raises(StorageApiError) as error:
        attempt()
    return str(error.value.status), error.value.code


def token(control, **wishes) -> str:
    return control["supabase"]("POST", "/tokens", json=wishes).json()["token"]


# -- Storage -----------------------------------------------------------------------------------------------------------


def test_a_bucket_is_made_private_once_and_can_be_changed(client):
    assert client.storage.create_bucket("b", options={"allowed_mime_types": ["audio/wav"], "file_size_limit": "1MB"}) == {"name": "b"}
    assert code(lambda: client.storage.create_bucket("b")) == ("409", "Duplicate")
    found = client.storage.get_bucket("b")
    assert (found.public, found.file_size_limit, found.allowed_mime_types) == (False, 1_000_000, ["audio/wav"])
    client.storage.update_bucket("b", {"public": True})
    assert [(b.name, b.public) for b in client.storage.list_buckets()] == [("b", True)]
    client.storage.delete_bucket("b")
    assert code(lambda: client.storage.get_bucket("b")) == ("404", "Bucket not found")


def test_a_full_bucket_is_not_deleted_until_it_is_emptied(client, bucket):
    bucket.upload("a.wav", b"a")
    assert code(lambda: client.storage.delete_bucket("recordings"))[0] == "409"
    client.storage.empty_bucket("recordings")
    client.storage.delete_bucket("recordings")


def test_a_file_goes_up_and_comes_down_the_same(bucket):
    content = wav(20, 2)
    bucket.upload("e/e.wav", content, {"content-type": "audio/wav", "metadata": {"k": "v"}})
    assert bucket.download("e/e.wav") == content
    info = bucket.info("e/e.wav")
    assert (info["size"], info["content_type"], info["metadata"]) == (len(content), "audio/wav", {"k": "v"})


def test_an_upload_replaces_only_when_told_to(bucket):
    bucket.upload("a", b"one")
    assert code(lambda: bucket.upload("a", b"two")) == ("409", "Duplicate")
    bucket.upload("a", b"two", {"upsert": "true"})
    assert bucket.download("a") == b"two"
    bucket.update("a", b"three")
    assert bucket.download("a") == b"three"


def test_put_makes_what_is_not_there(bucket):
    bucket.update("new", b"x")
    assert bucket.exists("new")


def test_a_copy_replaces_only_with_the_header(client, bucket, http):
    bucket.upload("a", b"one", {"content-type": "audio/wav"})
    assert bucket.copy("a", "b")["Key"] == "recordings/b"
    bucket.upload("c", b"two")
    assert code(lambda: bucket.copy("c", "b")) == ("409", "Duplicate")
    body = {"bucketId": "recordings", "sourceKey": "c", "destinationKey": "b"}
    assert http.post("/storage/v1/object/copy", json=body, headers={"x-upsert": "true"}).status_code == 200
    assert bucket.download("b") == b"two" and bucket.download("c") == b"two"
    bucket.remove(["c"])
    assert bucket.download("b") == b"two"
    assert code(lambda: bucket.copy("gone", "d")) == ("404", "not_found")


def test_remove_answers_what_it_removed_and_is_silent_about_the_rest(bucket, http):
    bucket.upload("a", b"a")
    assert [row["name"] for row in bucket.remove(["a", "never"])] == ["a"]
    assert bucket.remove(["a"]) == []
    assert not bucket.exists("a")
    assert http.delete("/storage/v1/object/recordings/a").json()["statusCode"] == "404"


def test_move_and_list_show_one_level(bucket):
    for name in ("x/1", "x/2", "y"):
        bucket.upload(name, b"1")
    bucket.move("y", "z")
    assert [(row["name"], row["id"] is None) for row in bucket.list()] == [("x", True), ("z", False)]
    assert [row["name"] for row in bucket.list("x")] == ["1", "2"]
    assert [row["name"] for row in bucket.list("x", {"limit": 1, "offset": 1})] == ["2"]


def test_a_signed_url_opens_one_object_for_a_while(bucket):
    bucket.upload("a b", b"content")
    url = bucket.create_signed_url("a b", 60)["signedURL"]
    assert httpx.get(url).content == b"content"
    assert httpx.get(url + "x").json()["code"] == "InvalidJWT"
    assert httpx.get(url.replace("/a%20b", "/b")).json()["code"] in ("InvalidSignature", "NoSuchKey")


def test_a_url_signed_for_an_upload_takes_one_object_from_anybody_and_never_replaces_it(bucket, http):
    signed = bucket.create_signed_upload_url("o/e/paper")
    assert signed["path"] == "o/e/paper" and signed["signed_url"].startswith(f"{http.base_url}")
    assert httpx.put(signed["signed_url"], content=b"signed", headers={"Content-Type": "application/pdf"}).json() == {"Key": "recordings/o/e/paper"}
    assert bucket.download("o/e/paper") == b"signed" and bucket.info("o/e/paper")["content_type"] == "application/pdf"
    again = httpx.put(signed["signed_url"], content=b"forged")
    assert (again.status_code, again.json()["statusCode"], again.json()["code"]) == (400, "409", "KeyAlreadyExists")
    assert bucket.download("o/e/paper") == b"signed"
    # Not even a new URL is to be had for what is there.
    assert code(lambda: bucket.create_signed_upload_url("o/e/paper")) == ("409", "Duplicate")


def test_the_library_uploads_to_a_signed_url(bucket):
    signed = bucket.create_signed_upload_url("a")
    bucket.upload_to_signed_url(signed["path"], signed["token"], b"content")
    assert bucket.download("a") == b"content"


def test_a_token_for_an_upload_is_for_its_object_its_purpose_and_its_time(bucket, http, control):
    signed = bucket.create_signed_upload_url("a")["signed_url"]
    assert httpx.put(signed.replace("/a?", "/b?"), content=b"x").json()["code"] == "InvalidSignature"
    assert httpx.put(signed + "x", content=b"x").json()["code"] == "InvalidJWT"
    assert httpx.get(signed.replace("/upload/sign/", "/sign/")).json()["code"] == "InvalidSignature"
    bucket.upload("there", b"x")
    download = bucket.create_signed_url("there", 60)["signedURL"]
    assert httpx.put(download.replace("/sign/", "/upload/sign/"), content=b"y").json()["code"] == "InvalidSignature"
    control["supabase"].account(signed_upload_seconds=-1)
    assert httpx.put(bucket.create_signed_upload_url("a")["signed_url"], content=b"x").json()["code"] == "InvalidJWT"
    assert not bucket.exists("a")


def test_nobody_but_the_secret_key_signs_an_upload(http, bucket, make_client, vendors):
    anonymous = make_client("publishable_key").storage.from_("recordings")
    assert code(lambda: anonymous.create_signed_upload_url("a")) == ("403", "Unauthorized")
    assert httpx.post(f"{http.base_url}/storage/v1/object/upload/sign/recordings/a").status_code == 401
    missing = http.post("/storage/v1/object/upload/sign/nowhere/a", json={}).json()
    assert (missing["statusCode"], missing["code"]) == ("404", "InvalidRequest")


def test_a_copy_goes_to_another_bucket_and_stays_when_its_source_is_gone(client, bucket, http):
    client.storage.create_bucket("voice-consent-evidence", options={"public": False})
    bucket.upload("e/RE1.wav", b"call")
    body = {"bucketId": "recordings", "sourceKey": "e/RE1.wav", "destinationBucket": "voice-consent-evidence", "destinationKey": "o/e/RE1.wav"}
    assert http.post("/storage/v1/object/copy", json=body, headers={"x-upsert": "true"}).json()["Key"] == "voice-consent-evidence/o/e/RE1.wav"
    bucket.remove(["e/RE1.wav"])
    assert client.storage.from_("voice-consent-evidence").download("o/e/RE1.wav") == b"call"


def test_every_error_is_http_400_with_the_status_in_the_body(http, bucket):
    missing = http.get("/storage/v1/object/recordings/none")
    assert missing.status_code == 400
    assert missing.json() == {"statusCode": "404", "code": "NoSuchKey", "error": "not_found", "message": "Object not found"}
    assert http.post("/storage/v1/object/nowhere/a", content=b"x").json()["code"] == "NoSuchBucket"
    assert http.post("/storage/v1/object/recordings/%C3%A9", content=b"x").json()["code"] == "InvalidKey"
    assert http.head("/storage/v1/object/recordings/none").status_code == 400


def test_a_bucket_refuses_other_types_and_bigger_files(client, http):
    client.storage.create_bucket("b", options={"allowed_mime_types": ["audio/wav"], "file_size_limit": 10})
    url = "/storage/v1/object/b/a"
    assert http.post(url, content=b"x", headers={"Content-Type": "audio/x-wav"}).json()["statusCode"] == "415"
    assert http.post(url, content=b"x" * 11, headers={"Content-Type": "audio/wav"}).json()["statusCode"] == "413"
    assert http.post(url, content=b"x" * 10, headers={"Content-Type": "audio/wav"}).status_code == 200


def test_the_project_refuses_what_is_bigger_than_its_limit_which_is_50_mb_until_somebody_raises_it(http, bucket, control):
    url, big = "/storage/v1/object/recordings/a", bytes(50 * 1024**2 + 1)
    refused = http.post(url, content=big)
    assert (refused.status_code, refused.json()) == (
        400, {"statusCode": "413", "code": "EntityTooLarge", "error": "Payload too large", "message": "The object exceeded the maximum allowed size"},
    )
    assert http.post(url, content=big[1:]).status_code == 200
    control["supabase"].account(file_size_limit=len(big))
    assert http.put(url, content=big).status_code == 200


def test_anybody_may_read_the_projects_limit_where_resumable_uploads_begin(vendors, control):
    def largest() -> str:
        answer = httpx.options(vendors["supabase"]["url"] + "/storage/v1/upload/resumable", headers={"Tus-Resumable": "1.0.0"})
        assert (answer.status_code, answer.headers["Tus-Resumable"]) == (204, "1.0.0")
        return answer.headers["Tus-Max-Size"]

    assert largest() == str(50 * 1024**2)
    control["supabase"].account(file_size_limit=1000)
    assert largest() == "1000"
    assert httpx.post(vendors["supabase"]["url"] + "/storage/v1/upload/resumable").status_code == 401, "but not begin one"


def test_a_raw_upload_keeps_type_and_cache_control_and_answers_ranges(http, bucket):
    headers = {"Content-Type": "audio/wav", "Cache-Control": "max-age=9"}
    answer = http.post("/storage/v1/object/recordings/r.wav", content=b"0123456789", headers=headers)
    assert answer.json()["Key"] == "recordings/r.wav" and answer.json()["Id"]

    def ranged(text):
        return http.get("/storage/v1/object/authenticated/recordings/r.wav", headers={"Range": text})

    whole = ranged("")
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, b"0123456789", "audio/wav")
    assert whole.headers["cache-control"] == "max-age=9" and whole.headers["accept-ranges"] == "bytes"
    part = ranged("bytes=2-4")
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert ranged("bytes=7-").content == b"789" and ranged("bytes=-2").content == b"89"
    beyond = ranged("bytes=10-")
    assert (beyond.status_code, beyond.json()["statusCode"], beyond.json()["code"]) == (416, "416", "InvalidRange")
    head = http.head("/storage/v1/object/recordings/r.wav")
    assert (head.status_code, head.headers["content-length"], head.headers["etag"]) == (200, "10", whole.headers["etag"])
    assert http.get("/storage/v1/object/recordings/r.wav", headers={"If-None-Match": head.headers["etag"]}).status_code == 304


def test_a_reader_of_the_old_version_reads_it_to_its_end(http, bucket):
    old, new = wav(200, 2, 1), wav(200, 2, 2)
    http.put("/storage/v1/object/recordings/r", content=old)
    with http.stream("GET", "/storage/v1/object/recordings/r") as reading:
        pieces = reading.iter_bytes(65536)
        read = next(pieces)
        http.put("/storage/v1/object/recordings/r", content=new)
        read += b"".join(pieces)
    assert read == old
    assert http.get("/storage/v1/object/recordings/r").content == new


def test_private_files_are_for_the_secret_key_only(vendors, control, http, bucket, make_client):
    bucket.upload("a", b"secret")
    anonymous = make_client("publishable_key").storage
    assert code(lambda: anonymous.from_("recordings").download("a")) == ("404", "not_found")
    assert code(lambda: anonymous.from_("recordings").upload("b", b"x")) == ("403", "Unauthorized")
    assert anonymous.list_buckets() == []
    user = {"apikey": vendors["supabase"]["publishable_key"], "Authorization": f"Bearer {token(control, sub='u')}"}
    assert httpx.get(f"{http.base_url}/storage/v1/object/recordings/a", headers=user).json()["statusCode"] == "404"
    assert httpx.get(f"{http.base_url}/storage/v1/object/public/recordings/a").json()["code"] == "NoSuchBucket"


def test_only_the_authenticated_path_tells_a_bad_token_from_a_missing_object(vendors, control, http, bucket):
    bucket.upload("a", b"secret")
    key = vendors["supabase"]["publishable_key"]

    def info(path: str, **headers) -> tuple:
        answer = httpx.get(f"{http.base_url}/storage/v1/object/info/{path}", headers={"apikey": key} | headers)
        return answer.status_code, answer.json()["statusCode"], answer.json()["code"]

    bad = {"Authorization": f"Bearer {token(control, kind='expired')}"}
    assert info("recordings/a", **bad) == info("recordings/a", Authorization="") == (400, "404", "NoSuchBucket")
    assert info("authenticated/recordings/a", **bad) == (400, "403", "AccessDenied")
    assert info("authenticated/recordings/a") == (400, "400", "InvalidRequest")
    for path in ("recordings/none", "authenticated/recordings/none"):
        assert http.get(f"/storage/v1/object/info/{path}").json()["code"] == "NoSuchKey"
    assert http.get("/storage/v1/object/info/authenticated/recordings/a").json()["size"] == 6


def test_storage_itself_wants_an_authorization_and_a_hosted_gateway_adds_it(vendors, control):
    url, headers = vendors["supabase"]["url"] + "/storage/v1/bucket", {"apikey": vendors["supabase"]["secret_key"]}
    refused = httpx.get(url, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "InvalidRequest")
    control["supabase"].account(adds_authorization=True)
    assert httpx.get(url, headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["%2e%2e/a", "e/%2e%2e/a", "e/%2e/a", "e/%2e%2e"])
def test_nothing_is_written_to_a_key_that_leads_elsewhere(http, bucket, key):
    assert http.post(f"/storage/v1/object/recordings/{key}", content=b"x").json()["code"] == "InvalidKey"
    bucket.upload("a", b"x")
    body = {"bucketId": "recordings", "sourceKey": "a", "destinationKey": key.replace("%2e", ".")}
    assert http.post("/storage/v1/object/copy", json=body).json()["code"] == "InvalidKey"


def test_a_public_bucket_is_readable_without_a_key(client, vendors):
    client.storage.create_bucket("open", options={"public": True})
    client.storage.from_("open").upload("a", b"x")
    assert httpx.get(client.storage.from_("open").get_public_url("a")).content == b"x"


# -- keys and tokens ---------------------------------------------------------------------------------------------------


def test_the_gateway_wants_a_key_and_not_in_a_browser(vendors):
    where = vendors["supabase"]
    url = where["url"] + "/storage/v1/bucket"

    def status(**headers):
        return httpx.get(url, headers=headers).status_code

    secret = where["secret_key"]
    assert status() == 401
    assert status(apikey="sb_secret_wrong") == 401
    assert status(apikey=secret, Authorization=f"Bearer {secret}") == 200
    assert status(apikey=secret, **{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}) == 401
    # A key in Authorization must equal the apikey, and is no token otherwise.
    assert status(apikey=where["publishable_key"], Authorization=f"Bearer {secret}") == 400
    assert httpx.get(url, headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_the_library_verifies_a_token_with_the_published_keys(client, control, vendors):
    claims = client.auth.get_claims(jwt=token(control, sub="user-1", email="a@example.com"))["claims"]
    assert (claims["sub"], claims["aud"], claims["role"], claims["is_anonymous"]) == ("user-1", "authenticated", "authenticated", False)
    assert claims["iss"] == vendors["supabase"]["jwt_issuer"] == vendors["supabase"]["url"] + "/auth/v1"


def test_discovery_leads_to_the_keys(vendors):
    found = httpx.get(vendors["supabase"]["jwt_issuer"] + "/.well-known/openid-configuration").json()
    assert found["issuer"] == vendors["supabase"]["jwt_issuer"]
    keys = httpx.get(found["jwks_uri"])
    assert keys.headers["cache-control"] == "public, max-age=600"
    assert all((key["kty"], key["crv"], key["alg"], "d" in key) == ("EC", "P-256", "ES256", False) for key in keys.json()["keys"])


def verifies(vendors, text: str) -> dict:
    issuer = vendors["supabase"]["jwt_issuer"]
    keys = {key["kid"]: key for key in httpx.get(issuer + "/.well-known/jwks.json").json()["keys"]}
    key = keys.get(jwt.get_unverified_header(text)["kid"])
    if key is None:
        raise jwt.InvalidKeyError("unknown kid")
    return jwt.decode(text, jwt.PyJWK(key).key, ["ES256"], audience="authenticated", issuer=issuer)


def test_an_oauth_clients_token_is_as_good_as_the_users_own_but_for_its_claims(vendors, control):
    users, clients = (verifies(vendors, token(control, sub="u", kind=kind)) for kind in ("valid", "oauth_client"))
    assert set(clients) - set(users) == {"client_id", "scope"}
    assert all(clients[name] == users[name] for name in ("iss", "aud", "sub", "role"))


def test_a_project_may_sign_with_eddsa(vendors, control):
    kid = control["supabase"]("POST", "/signing-keys", params={"algorithm": "EdDSA"}).json()["kid"]
    made = token(control, sub="u")
    (key,) = [key for key in httpx.get(vendors["supabase"]["jwt_issuer"] + "/.well-known/jwks.json").json()["keys"] if key["kid"] == kid]
    assert (key["kty"], key["crv"], key["alg"], "d" in key) == ("OKP", "Ed25519", "EdDSA", False)
    assert jwt.decode(made, jwt.PyJWK(key).key, ["EdDSA"], audience="authenticated")["sub"] == "u"
    headers = {"apikey": vendors["supabase"]["publishable_key"], "Authorization": f"Bearer {made}"}
    assert httpx.get(vendors["supabase"]["jwt_issuer"] + "/user", headers=headers).json()["id"] == "u"
    control["supabase"]("POST", "/signing-keys")


def test_bad_tokens_of_every_kind_are_bad(vendors, control):
    assert verifies(vendors, token(control, sub="u"))["sub"] == "u"
    assert verifies(vendors, token(control, kind="anonymous"))["is_anonymous"] is True
    control["supabase"].account(jwt_secret="0123456789abcdef0123456789abcdef")
    for kind in ("expired", "foreign", "unknown_kid", "alg_none", "hs256", "hs256_public_key"):
        with pytest.raises(jwt.PyJWTError):
            verifies(vendors, token(control, sub="u", kind=kind))
    for claims in ({"iss": "https://elsewhere"}, {"aud": "other"}, {"aud": None}):
        with pytest.raises(jwt.PyJWTError):
            verifies(vendors, token(control, sub="u", claims=claims))


def test_auth_names_the_user_of_a_token_and_refuses_bad_ones(vendors, control):
    def user(text=None):
        headers = {"apikey": vendors["supabase"]["publishable_key"]} | ({"Authorization": f"Bearer {text}"} if text else {})
        return httpx.get(vendors["supabase"]["jwt_issuer"] + "/user", headers=headers)

    assert user(token(control, sub="u-1", email="a@b.c")).json()["id"] == "u-1"
    assert user().status_code == 401 and user().json()["error_code"] == "no_authorization"
    for kind in ("expired", "foreign", "unknown_kid", "alg_none", "hs256_public_key"):
        answer = user(token(control, kind=kind))
        assert (answer.status_code, answer.json()["error_code"]) == (403, "bad_jwt"), kind
    control["supabase"].account(jwt_secret="0123456789abcdef0123456789abcdef")
    assert user(token(control, sub="u-1", kind="hs256")).status_code == 200


def test_signing_keys_rotate_and_are_revoked(vendors, control):
    first = control["supabase"]("POST", "/signing-keys").json()["kid"]
    old = token(control, sub="u")
    rotated = control["supabase"]("POST", "/signing-keys").json()
    new = token(control, sub="u")
    assert rotated["previous"] == first == jwt.get_unverified_header(old)["kid"]
    assert jwt.get_unverified_header(new)["kid"] == rotated["kid"]
    assert verifies(vendors, old) and verifies(vendors, new)
    control["supabase"]("DELETE", f"/signing-keys/{first}")
    with pytest.raises(jwt.InvalidKeyError):
        verifies(vendors, old)
    assert control["supabase"].http.delete(f"/_control/signing-keys/{rotated['kid']}").status_code == 409  # the current one


def test_the_secret_key_can_be_rotated(vendors, control):
    url = vendors["supabase"]["url"] + "/storage/v1/bucket"
    control["supabase"].account(secret_key="sb_secret_new")
    for key, status in ((vendors["supabase"]["secret_key"], 401), ("sb_secret_new", 200)):
        assert httpx.get(url, headers={"apikey": key, "Authorization": f"Bearer {key}"}).status_code == status


def test_the_seeded_users_have_tokens_that_verify(vendors):
    assert len(vendors["organizations"]) == 2
    for organization in vendors["organizations"]:
        assert [user["role"] for user in organization["users"]] == ["admin", "member"]
        assert len(organization["employees"]) == 2
        for user in organization["users"]:
            assert verifies(vendors, user["token"])["sub"] == user["id"]


def test_files_are_listed_for_tests_with_their_hash(bucket, control):
    bucket.upload("a", b"content")
    [found] = control["supabase"]("GET", "/objects", params={"bucket": "recordings"}).json()["objects"]
    assert (found["name"], found["bytes"], found["sha256"]) == ("a", 7, hashlib.sha256(b"content").hexdigest())
    assert json.dumps(found)
