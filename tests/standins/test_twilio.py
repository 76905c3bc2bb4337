"""The Twilio stand-in, seen by Twilio's own Python library."""

from __future__ import annotations

import struct
import threading
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from .audio import samples, wav

PUBLIC = "https://voices.example.com/twilio/recording?tenant=a%20b"


class ToStandIn(TwilioHttpClient):
    """The library knows only api.twilio.com."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=30)
        self.url = url

    def request(self, method, uri, *rest, **more):
        return super().request(method, uri.replace("https://api.twilio.com", self.url), *rest, **more)


@pytest.fixture
def client(vendors):
    where = vendors["twilio"]
    http = ToStandIn(where["url"])
    yield Client(where["account_sid"], where["auth_token"], http_client=http)
    http.session.close()


@pytest.fixture
def media(vendors):
    """GET of a recording's media; `media(sid, ".wav", RequestedChannels=2)`."""
    where = vendors["twilio"]

    def get(sid: str, suffix: str = "", **query) -> httpx.Response:
        url = f"{where['url']}/2010-04-01/Accounts/{where['account_sid']}/Recordings/{sid}{suffix}"
        return httpx.get(url, params=query, auth=(where["account_sid"], where["auth_token"]))

    return get


def sid(number: int, kind: str = "RE") -> str:
    return f"{kind}{number:032x}"


def put(control, number: int, body: bytes = b"", **query) -> str:
    control["twilio"]("PUT", f"/recordings/{sid(number)}", content=body, params=query)
    return sid(number)


def test_a_recording_has_every_field_the_library_reads(client, control):
    put(control, 1, wav(3, 2), call_sid=sid(1, "CA"), start_time="2026-03-01T10:00:00Z", source="DialVerb")
    recording = client.recordings(sid(1)).fetch()
    assert (recording.sid, recording.call_sid, recording.status) == (sid(1), sid(1, "CA"), "completed")
    assert (recording.duration, recording.channels, recording.source) == ("3", 2, "DialVerb")
    assert recording.start_time == datetime(2026, 3, 1, 10, tzinfo=timezone.utc)
    assert recording.media_url == f"{client.http_client.url}{recording.uri.removesuffix('.json')}"
    assert recording.encryption_details is None and recording.error_code is None


def test_an_encrypted_recording_says_so(client, control):
    put(control, 1, b"ciphertext", encrypted="true")
    assert set(client.recordings(sid(1)).fetch().encryption_details) == {"encryption_public_key_sid", "encryption_cek", "encryption_iv"}


def test_only_a_calls_own_path_tells_the_track_and_it_has_that_calls_recordings_alone(client, control):
    put(control, 1, wav(), call_sid=sid(1, "CA"), track="inbound")
    of_call = client.calls(sid(1, "CA")).recordings(sid(1)).fetch()
    assert (of_call.track, of_call.call_sid) == ("inbound", sid(1, "CA"))
    assert [recording.track for recording in client.calls(sid(1, "CA")).recordings.list()] == ["inbound"]
    where = client.http_client.url + f"/2010-04-01/Accounts/{client.account_sid}/Recordings/{sid(1)}.json"
    of_account = httpx.get(where, auth=client.auth).json()
    assert "track" not in of_account and of_account["call_sid"] == sid(1, "CA")
    with pytest.raises(TwilioRestException) as error:
        client.calls(sid(2, "CA")).recordings(sid(1)).fetch()
    assert (error.value.status, error.value.code) == (404, 20404)


@pytest.mark.parametrize("status", ["absent", "processing"])
def test_what_has_no_audio_may_have_no_dates(client, control, status):
    put(control, 1, status=status)
    recording = client.recordings(sid(1)).fetch()
    assert (recording.start_time, recording.date_created) == (None, None)


def test_media_in_the_accounts_own_storage_are_named_there_and_not_found_here(client, control, media):
    put(control, 1, wav(), media="external")
    recording = client.recordings(sid(1)).fetch()
    assert recording.status == "completed" and recording.media_url.startswith("https://recordings-of-a-customer.s3.amazonaws.com/")
    assert media(sid(1), ".wav").status_code == 404


def test_the_list_is_paged_newest_first_and_skips_nothing_when_one_is_deleted_meanwhile(client, control):
    for number in range(1, 8):
        put(control, number, wav(), call_sid=sid(number % 2, "CA"))
    pages = client.recordings.stream(page_size=2)
    seen = [next(pages).sid, next(pages).sid]
    client.recordings(sid(7)).delete()
    seen += [recording.sid for recording in pages]
    assert seen == [sid(number) for number in (7, 6, 5, 4, 3, 2, 1)]
    assert [r.sid for r in client.recordings.list(call_sid=sid(0, "CA"))] == [sid(6), sid(4), sid(2)]


def test_the_list_filters_by_day(client, control):
    today = date(2026, 6, 15)
    for number, days in ((1, -1), (2, 0), (3, 1)):
        put(control, number, wav(), date_created=f"{today + timedelta(days)}T12:00:00Z")

    def found(**filters):
        return [recording.sid for recording in client.recordings.list(**filters)]

    noon = datetime(2026, 6, 15, 23, tzinfo=timezone.utc)
    assert found(date_created_after=noon) == [sid(3), sid(2)]
    assert found(date_created_before=noon) == [sid(2), sid(1)]
    assert found(date_created=noon) == [sid(2)]


def test_a_deleted_recording_is_gone_from_media_list_and_fetch(client, control, media):
    put(control, 1, wav())
    assert client.recordings(sid(1)).delete() is True
    for attempt in (client.recordings(sid(1)).fetch, client.recordings(sid(1)).delete):
        with pytest.raises(TwilioRestException) as error:
            attempt()
        assert (error.value.status, error.value.code) == (404, 20404)
    assert client.recordings.list() == []
    assert [recording.status for recording in client.recordings.list(include_soft_deleted=True)] == ["deleted"]
    assert media(sid(1), ".wav").status_code == 404


def test_only_a_completed_recording_can_be_deleted_or_downloaded(client, control, media):
    put(control, 1, wav(), status="processing")
    with pytest.raises(TwilioRestException) as error:
        client.recordings(sid(1)).delete()
    assert (error.value.status, error.value.code) == (400, 20001)
    assert media(sid(1)).status_code == 404
    assert client.recordings(sid(1)).fetch().duration == "-1"


def test_a_wrong_token_is_refused_with_twilios_code(vendors, control):
    put(control, 1, wav())
    http = ToStandIn(vendors["twilio"]["url"])
    with pytest.raises(TwilioRestException) as error:
        Client(vendors["twilio"]["account_sid"], "wrong", http_client=http).recordings(sid(1)).fetch()
    assert (error.value.status, error.value.code) == (401, 20003)
    http.session.close()


def test_an_api_key_is_as_good_as_the_token_and_another_account_is_not(vendors, control):
    put(control, 1, wav())
    where = vendors["twilio"]
    http = ToStandIn(where["url"])
    client = Client(where["api_key_sid"], where["api_key_secret"], where["account_sid"], http_client=http)
    assert len(client.recordings.list()) == 1
    with pytest.raises(TwilioRestException) as error:
        Client(where["account_sid"], where["auth_token"], sid(9, "AC"), http_client=http).recordings(sid(1)).fetch()
    assert error.value.status == 401
    http.session.close()


def test_media_is_byte_for_byte_what_was_put(control, media):
    body = wav(2, 2)
    put(control, 1, body)
    for suffix in ("", ".wav"):
        answer = media(sid(1), suffix)
        assert answer.content == body
        assert answer.headers["content-type"] == "audio/x-wav"
        assert answer.headers["content-length"] == str(len(body))


def test_media_can_come_without_a_length(control, media):
    body = wav(2, 2)
    put(control, 1, body, chunked="true")
    answer = media(sid(1), ".wav")
    assert answer.content == body and "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("stored", "resource", "source", "wanted", "channels"),
    [
        (2, 2, "DialVerb", None, 2),
        (2, 1, "DialVerb", None, 1),  # created mono, stored dual
        (2, 1, "DialVerb", 2, 2),
        (2, 2, "DialVerb", 1, 1),
        (2, 2, "Conference", None, 1),
        (2, 2, "Conference", 2, 2),
        (1, 1, "RecordVerb", 1, 1),
        (1, 1, "RecordVerb", 2, None),
        (2, 2, "DialVerb", 3, None),
    ],
)
def test_requested_channels_gives_what_is_stored_mixes_down_or_refuses(control, media, stored, resource, source, wanted, channels):
    body = wav(1, stored)
    put(control, 1, body, channels=resource, source=source)
    answer = media(sid(1), ".wav", **({"RequestedChannels": wanted} if wanted else {}))
    if channels is None:
        assert answer.status_code == 400 and b"<RestException>" in answer.content
        return
    assert answer.status_code == 200
    got, frames = samples(answer.content)
    assert got == channels
    if channels == stored:
        assert answer.content == body
    else:
        left, right = struct.unpack("<hh", samples(body)[1][:4])
        assert struct.unpack("<h", frames[:2])[0] == (left + right) // 2


def test_errors_are_json_below_json_and_xml_elsewhere(vendors, media):
    xml = media(sid(404), ".wav")
    assert xml.status_code == 404 and xml.headers["content-type"].startswith("application/xml")
    assert "<Code>20404</Code>" in xml.text
    assert media(sid(404), ".json").json()["code"] == 20404


def test_silence_of_any_length_takes_no_disk(control, media, vendors):
    put(control, 1, silence_bytes=8_000_000, file_channels=2)
    body = media(sid(1), ".wav").content
    assert len(body) == 8_000_044 and samples(body)[0] == 2


# -- the callback ------------------------------------------------------------------------------------------------------


class Receiver:
    """A server that keeps what is posted to it."""

    def __init__(self) -> None:
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                received.append((self.command, self.path, dict(self.headers), body))
                self.send_response(204)
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/twilio/recording?tenant=a%20b"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.thread.join()
    receiver.server.server_close()


def send(control, receiver, **wishes) -> dict:
    query = {"url": receiver.url, "public_url": PUBLIC + "#rc=3&rp=all"}
    return control["twilio"]("POST", f"/recordings/{sid(1)}/callback", params=query, json=wishes).json()


def test_twilios_own_validator_accepts_the_callback(vendors, control, receiver):
    put(control, 1, wav(3, 2), call_sid=sid(5, "CA"))
    assert send(control, receiver)["status"] == 204
    [(_, path, headers, body)] = receiver.received
    assert path == "/twilio/recording?tenant=a%20b"
    fields = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
    assert RequestValidator(vendors["twilio"]["auth_token"]).validate(PUBLIC, fields, headers["X-Twilio-Signature"])
    assert fields == fields | {
        "AccountSid": vendors["twilio"]["account_sid"], "CallSid": sid(5, "CA"), "RecordingSid": sid(1), "RecordingStatus": "completed",
        "RecordingDuration": "3", "RecordingChannels": "2", "RecordingSource": "DialVerb", "RecordingTrack": "both",
    }  # fmt: skip
    assert {"RecordingUrl", "RecordingStartTime"} < set(fields)
    assert headers["I-Twilio-Idempotency-Token"]


def test_a_callback_signed_with_a_shared_key_says_so_and_is_sha256(vendors, control, receiver):
    put(control, 1, wav())
    send(control, receiver, shared_key_id="webhooks_sharedkey_1", shared_key_secret="s3cret")
    [(_, _, headers, body)] = receiver.received
    settings = headers["X-Twilio-Webhooks-Signature-Settings"]
    assert settings == "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    fields = {name: values[0] for name, values in parse_qs(body).items()}
    expected = RequestValidator("s3cret").compute_signature(PUBLIC, fields, algorithm="HMAC_SHA256")
    assert headers["X-Twilio-Signature"] == expected


def test_a_get_callback_carries_its_fields_in_the_signed_query(vendors, control, receiver):
    put(control, 1, wav())
    sent = send(control, receiver, method="GET")["sent"]
    [(method, path, headers, body)] = receiver.received
    assert method == "GET" and body == "" and "RecordingSid=" in path
    assert RequestValidator(vendors["twilio"]["auth_token"]).validate(sent["signed_url"], {}, headers["X-Twilio-Signature"])


def test_a_callback_can_be_tampered_with_on_request(control, receiver):
    put(control, 1, wav(), status="absent", error_code=16101)
    send(control, receiver, parameters={"CallSid": None, "Extra": "é"}, signature=None)
    [(_, _, headers, body)] = receiver.received
    fields = parse_qs(body)
    assert "CallSid" not in fields and "RecordingDuration" not in fields and "X-Twilio-Signature" not in headers
    assert fields["Extra"] == ["é"] and fields["ErrorCode"] == ["16101"]


def test_a_call_that_is_made_is_recorded_and_says_that_it_is_over(client):
    call = client.calls.create(to="+15550100", from_="+15550101", twiml="<Response><Say>Hello.</Say></Response>", record=True, recording_channels="dual")
    assert client.calls(call.sid).fetch().status == "completed"
    [made] = client.recordings.list(call_sid=call.sid)
    assert made.channels == 2 and made.source == "OutboundAPI"
    assert client.calls(call.sid).delete()
    with pytest.raises(TwilioRestException) as refused:
        client.calls(call.sid).fetch()
    assert refused.value.code == 20404
