"""Faults and journal, which every other test of failure leans on."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .audio import wav

SEARCH = "/v2/voices"
RE1 = "RE" + "1" * 32


def keys(where: dict) -> dict[str, str]:
    """Headers with Supabase's secret key."""
    return {"apikey": where["secret_key"], "Authorization": f"Bearer {where['secret_key']}"}


@pytest.fixture
def elevenlabs(vendors):
    where = vendors["elevenlabs"]
    with httpx.Client(base_url=where["url"], headers={"xi-api-key": where["api_key"]}, timeout=30) as client:
        yield client


@pytest.fixture
def supabase(vendors):
    where = vendors["supabase"]
    with httpx.Client(base_url=where["url"], headers=keys(where), timeout=30) as client:
        yield client


@pytest.fixture
def bucket(supabase):
    assert supabase.post("/storage/v1/bucket", json={"name": "b"}).status_code == 200
    return "/storage/v1/object/b"


def stored(control) -> dict[str, str]:
    """Names and SHA-256 of what is in Storage."""
    return {found["name"]: found["sha256"] for found in control["supabase"]("GET", "/objects").json()["objects"]}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def raw(url: str, head: str, *pieces: bytes) -> tuple[bytes, bool]:
    """Sends a request by hand and reads to the end: the bytes, and whether the end was a reset."""
    host, port = url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        for piece in pieces:
            connection.sendall(piece)
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            return received, True
    return received, False


def get(where: dict, path: str) -> str:
    return f"GET {path} HTTP/1.1\nHost: x\nxi-api-key: {where['api_key']}\n\n"


def test_a_fault_answers_instead_of_the_vendor_so_often_and_then_no_more(elevenlabs, control):
    control["elevenlabs"].fault(path=f"^{SEARCH}$", method="GET", times=2, status=429, headers={"Retry-After": "7"}, body={"detail": "busy"})
    for _ in range(2):
        answer = elevenlabs.get(SEARCH)
        assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (429, "7", {"detail": "busy"})
    assert elevenlabs.get(SEARCH).status_code == 200


def test_a_fault_can_skip_and_last_until_it_is_deleted(elevenlabs, control):
    fault = control["elevenlabs"].fault(path=SEARCH, skip=1, times=None, status=500, body="<html>oops</html>")
    assert [elevenlabs.get(SEARCH).status_code for _ in range(4)] == [200, 500, 500, 500]
    assert control["elevenlabs"]("GET", "/faults").json()["faults"][0]["hits"] == 3
    control["elevenlabs"]("DELETE", f"/faults/{fault}")
    assert elevenlabs.get(SEARCH).status_code == 200


def test_a_fault_hits_only_its_method_path_and_query(elevenlabs, control):
    control["elevenlabs"].fault(path=f"^{SEARCH}$", method="GET", query="search=here", status=503)
    assert elevenlabs.get("/v1/user/subscription").status_code == 200
    assert elevenlabs.get(SEARCH, params={"search": "there"}).status_code == 200
    assert elevenlabs.get(SEARCH, params={"search": "here"}).status_code == 503


def test_a_fault_hits_only_requests_with_its_headers(elevenlabs, control):
    control["elevenlabs"].fault(path=SEARCH, header={"X-Target": "Send$", "xi-api-key": "."}, status=503)
    assert elevenlabs.get(SEARCH).status_code == 200
    assert elevenlabs.get(SEARCH, headers={"X-Target": "SendBatch"}).status_code == 200
    assert elevenlabs.get(SEARCH, headers={"X-Target": "sqs.Send"}).status_code == 503


def test_a_fault_that_makes_no_sense_is_refused(control):
    for fault in ({}, {"path": "("}, {"path": "x"}, {"path": "x", "staus": 500}, {"path": "x", "delay": "1"}, {"path": "x", "status": True},
                  {"path": "x", "header": {"a": 1}, "status": 500}, {"path": "x", "header": {"a": "("}, "status": 500}, {"path": "x", "status": 500, "work_delay": 1}, {"path": "x", "reset": True, "do_work": True, "at_once": True}):  # fmt: skip
        answer = control["twilio"].http.post("/_control/faults", json=fault)
        assert answer.status_code == 400, fault


def test_a_delay_comes_before_the_real_answer(elevenlabs, control):
    control["elevenlabs"].fault(path=SEARCH, delay=0.3)
    started = time.monotonic()
    assert elevenlabs.get(SEARCH).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_reset_answers_nothing_and_does_nothing(vendors, control, supabase, bucket):
    control["supabase"].fault(path="/object/b/k", method="POST", reset=True)
    where = vendors["supabase"]
    head = f"POST {bucket}/k HTTP/1.1\nHost: x\napikey: {where['secret_key']}\nAuthorization: Bearer {where['secret_key']}\nContent-Length: 4\n\n"
    assert raw(where["url"], head, b"data") == (b"", True)
    assert stored(control) == {}
    [entry] = control["supabase"].requests(path="/object/b/k")
    assert (entry["status"], entry["sent"], entry["outcome"], entry["body"]["sha256"]) == (None, None, "reset", sha256(b"data"))


def test_a_reset_can_come_after_the_work(vendors, control, supabase, bucket):
    control["supabase"].fault(path="/object/b/k", reset=True, do_work=True)
    with pytest.raises(httpx.ReadError):
        supabase.post(f"{bucket}/k", content=b"data")
    assert stored(control) == {"k": sha256(b"data")}
    [entry] = control["supabase"].requests(path="/object/b/k")
    assert (entry["status"], entry["sent"]) == (200, None)


def test_the_work_can_end_after_the_reset(control, supabase, bucket):
    control["supabase"].fault(path="/object/b/k", reset=True, do_work=True, work_delay=0.5)
    with pytest.raises(httpx.ReadError):
        supabase.post(f"{bucket}/k", content=b"data")
    assert stored(control) == {}
    until(lambda: stored(control) == {"k": sha256(b"data")})


def test_work_that_was_put_off_can_be_done_now(control, supabase, bucket):
    control["supabase"].fault(path="/object/b/", reset=True, do_work=True, work_delay=3600, times=2)
    for key in ("k", "l"):
        with pytest.raises(httpx.ReadError):
            supabase.post(f"{bucket}/{key}", content=b"data")
    assert stored(control) == {}
    control["supabase"]("POST", "/late")
    assert stored(control) == {"k": sha256(b"data"), "l": sha256(b"data")}


def test_a_false_answer_can_come_after_the_work(control, supabase, bucket):
    control["supabase"].fault(path="/object/b/k", status=500, body="", do_work=True)
    assert supabase.post(f"{bucket}/k", content=b"data").status_code == 500
    assert stored(control) == {"k": sha256(b"data")}


def test_a_reset_at_once_does_not_wait_for_the_body(vendors, control, supabase, bucket):
    control["supabase"].fault(path="/object/b/k", reset=True, at_once=True)
    where = vendors["supabase"]
    head = f"POST {bucket}/k HTTP/1.1\nHost: x\napikey: {where['secret_key']}\nAuthorization: Bearer {where['secret_key']}\nContent-Length: 1000000\n\n"
    assert raw(where["url"], head) == (b"", True)
    assert control["supabase"].requests(path="/object/b/k")[0]["body"] is None


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_body_has_its_full_length_in_the_headers_and_fewer_bytes(vendors, control, elevenlabs, reset):
    control["elevenlabs"].fault(path=SEARCH, cut=10, reset=reset)
    received, was_reset = raw(vendors["elevenlabs"]["url"], get(vendors["elevenlabs"], SEARCH))
    head, _, body = received.partition(b"\r\n\r\n")
    whole = elevenlabs.get(SEARCH).content
    assert f"content-length: {len(whole)}".encode() in head.lower()
    assert was_reset is reset
    if not reset:  # a reset may overtake what was sent
        assert body == whole[:10]


def test_a_cut_recording_is_noticed_by_a_client(vendors, control):
    where = vendors["twilio"]
    control["twilio"]("PUT", f"/recordings/{RE1}", content=wav(60, 2))
    control["twilio"].fault(path=r"\.wav$", cut=500_000)
    url = f"{where['url']}/2010-04-01/Accounts/{where['account_sid']}/Recordings/{RE1}.wav"
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url, auth=(where["account_sid"], where["auth_token"]))
    assert control["twilio"].requests(path="wav")[0]["outcome"] == "cut"


def test_a_drip_sends_the_real_answer_slowly(elevenlabs, control):
    whole = elevenlabs.get(SEARCH).content
    control["elevenlabs"].fault(path=SEARCH, drip={"bytes": len(whole) // 4, "seconds": 0.1})
    started = time.monotonic()
    assert elevenlabs.get(SEARCH).content == whole
    assert time.monotonic() - started >= 0.25  # three gaps between four pieces


def test_an_upload_that_ends_early_is_not_stored(vendors, control, supabase, bucket):
    where = vendors["supabase"]
    for framing, part in (("Content-Length: 100", b"only this"), ("Transfer-Encoding: chunked", b"9\r\nonly this\r\n")):
        head = f"POST {bucket}/k HTTP/1.1\nHost: x\napikey: {where['secret_key']}\nAuthorization: Bearer {where['secret_key']}\n{framing}\n\n"
        host, port = where["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + part)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        entries = control["supabase"].requests(path="/object/b/k", at_least=1, timeout=30)
        assert entries[-1]["body"] == {"bytes": 9, "sha256": sha256(b"only this"), "complete": False}
        control["supabase"]("DELETE", "/requests")
        assert stored(control) == {}


# -- the journal -------------------------------------------------------------------------------------------------------


def test_the_journal_has_everything_but_bodies_and_secrets(vendors, control, elevenlabs):
    key = vendors["elevenlabs"]["api_key"]
    elevenlabs.post("/v1/voices/add?a=1&a=2", content=b"hello", headers={"Authorization": "Bearer secret", "X-Note": "n"})
    [entry] = control["elevenlabs"].requests(path="^/v1/voices/add$", method="POST")
    assert entry["body"] == {"bytes": 5, "sha256": sha256(b"hello"), "complete": True}
    assert entry["query"] == {"a": ["1", "2"]} and entry["headers"]["x-note"] == "n"
    assert (entry["status"], entry["sent"], entry["fault"], entry["outcome"]) == (422, 422, None, "answered")
    assert entry["headers"]["xi-api-key"] == "sha256:" + sha256(key.encode())[:12]
    text = json.dumps(entry)
    assert key not in text and "Bearer secret" not in text and "hello" not in text


def test_the_journal_is_filtered_and_waited_for(elevenlabs, control):
    elevenlabs.get("/v1/user/subscription")
    elevenlabs.get("/nowhere")
    assert [entry["path"] for entry in control["elevenlabs"].requests(status=404)] == ["/nowhere"]
    first = control["elevenlabs"].requests()[0]["id"]
    assert [entry["path"] for entry in control["elevenlabs"].requests(after=first)] == ["/nowhere"]
    assert control["elevenlabs"].requests(path="never", at_least=1, timeout=0.01) == []


def test_a_request_that_was_under_way_when_the_journal_was_cleared_is_not_in_it(vendors, elevenlabs, control):
    control["elevenlabs"].fault(path=SEARCH, delay=0.5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(elevenlabs.get, SEARCH)
        until(lambda: control["elevenlabs"]("GET", "/faults").json()["faults"][0]["hits"])
        control["elevenlabs"]("DELETE", "/requests")
        assert waiting.result().status_code == 200
    elevenlabs.get("/nowhere")
    assert [entry["path"] for entry in control["elevenlabs"].requests()] == ["/nowhere"]


def test_delete_control_forgets_everything(control, elevenlabs, supabase, bucket):
    control["elevenlabs"]("PUT", "/voices/v1", json={"name": "n"})
    control["elevenlabs"].account(voice_limit=0)
    control["elevenlabs"].fault(path="", times=None, status=500)
    supabase.post(f"{bucket}/k", content=b"data")
    for each in control.values():
        each("DELETE", "")
    assert control["elevenlabs"].requests() == []
    assert elevenlabs.get("/v1/user/subscription").json()["voice_limit"] > 0
    assert control["elevenlabs"]("GET", "/voices").json() == {"voices": []}
    assert stored(control) == {} and supabase.get("/storage/v1/bucket").json() == []


def test_the_control_surface_explains_itself(control):
    for name, text in (("twilio", "silence_bytes"), ("elevenlabs", "voice_limit"), ("supabase", "signing-keys")):
        page = control[name]("GET", "").text
        assert "work_delay" in page and text in page


def until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "never became true"
        time.sleep(0.02)
