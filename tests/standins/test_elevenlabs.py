"""The ElevenLabs stand-in, seen by ElevenLabs' own Python library."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError

from .audio import wav

ONCE = {"max_retries": 0}  # the library repeats a POST by itself


@pytest.fixture
def http(vendors):
    where = vendors["elevenlabs"]
    with httpx.Client(base_url=where["url"], headers={"xi-api-key": where["api_key"]}, timeout=60) as client:
        yield client


@pytest.fixture
def client(vendors):
    with httpx.Client(timeout=60) as http:
        yield ElevenLabs(api_key=vendors["elevenlabs"]["api_key"], base_url=vendors["elevenlabs"]["url"], httpx_client=http)


def file(seconds: float = 8, seed: int = 0, name: str = "sample.wav") -> tuple:
    return (name, wav(seconds, 1, seed), "audio/wav")


def add(client, name: str = "Alice", files=None, **more):
    return client.voices.ivc.create(name=name, files=files or [file()], request_options=ONCE, **more)


def refused(attempt) -> ApiError:
    with pytest.raises(ApiError) as error:
        attempt()
    return error.value


def test_a_voice_is_added_found_read_and_deleted(client, control):
    made = add(client, "Alice", description="employee 7 attempt 42", labels={"language": "en"}, remove_background_noise=True)
    assert made.requires_verification is False and made.library_voice_match is None and len(made.voice_id) == 20

    voice = client.voices.get(made.voice_id)
    assert (voice.name, voice.description, voice.labels, voice.category) == ("Alice", "employee 7 attempt 42", {"language": "en"}, "cloned")
    assert voice.is_owner is True and voice.voice_verification.requires_verification is False
    assert voice.fine_tuning.manual_verification_requested is False

    [found] = client.voices.search(search="attempt 42").voices
    assert found.voice_id == made.voice_id

    assert client.voices.delete(made.voice_id).status == "ok"
    assert client.voices.search(search="attempt 42").voices == []
    assert refused(lambda: client.voices.get(made.voice_id)).status_code == 404
    assert refused(lambda: client.voices.delete(made.voice_id)).body["detail"]["code"] == "voice_not_found"


def test_the_sample_is_kept_byte_for_byte(client, control):
    content = wav(8)
    made = add(client, files=[("call.wav", content, "audio/wav")], remove_background_noise=True)
    assert control["elevenlabs"]("GET", f"/voices/{made.voice_id}/sample").content == content
    [voice] = control["elevenlabs"]("GET", "/voices").json()["voices"]
    assert voice["remove_background_noise"] is True and voice["labels"] == {}
    assert voice["files"] == [{"filename": "call.wav", "content_type": "audio/wav", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]


def test_the_search_pages_through_all_voices_once(client, control):
    for number in range(23):
        control["elevenlabs"]("PUT", f"/voices/voice{number:02}", json={"name": f"clone {number:02}"})
    seen, token = [], None
    while True:
        page = client.voices.search(search="clone", page_size=10, next_page_token=token, sort="name", sort_direction="asc")
        assert page.total_count == 23
        seen += [voice.name for voice in page.voices]
        if not page.has_more:
            break
        token = page.next_page_token
    assert seen == [f"clone {number:02}" for number in range(23)] and page.next_page_token is None


def test_the_search_looks_into_name_description_labels_and_category(client, control):
    control["elevenlabs"]("PUT", "/voices/a", json={"name": "Needle one"})
    control["elevenlabs"]("PUT", "/voices/b", json={"name": "b", "description": "a needle two"})
    control["elevenlabs"]("PUT", "/voices/c", json={"name": "c", "labels": {"accent": "needle"}})
    assert {voice.voice_id for voice in client.voices.search(search="NEEDLE").voices} == {"a", "b", "c"}
    assert {voice.voice_id for voice in client.voices.search(category="cloned").voices} == {"a", "b", "c"}
    assert [voice.category for voice in client.voices.search(search="premade").voices] == ["premade", "premade"]


def test_the_subscription_counts_slots_and_edits(client, control):
    add(client)
    subscription = client.user.subscription.get()
    assert (subscription.voice_slots_used, subscription.voice_add_edit_counter) == (1, 1)
    assert subscription.can_use_instant_voice_cloning is True


def test_a_page_above_100_is_refused(client):
    with pytest.raises(UnprocessableEntityError):
        client.voices.search(page_size=101)


def test_a_full_account_answers_400_with_only_the_old_fields(client, control):
    control["elevenlabs"].account(voice_limit=1)
    add(client)
    error = refused(lambda: add(client, files=[file(seed=1)]))
    assert error.status_code == 400 and set(error.body["detail"]) == {"status", "message"}
    assert error.body["detail"]["status"] == "voice_limit_reached" and "(1 / 1)" in error.body["detail"]["message"]


def test_no_month_edits_are_left(client, control):
    control["elevenlabs"].account(max_voice_add_edits=0)
    assert refused(lambda: add(client)).body["detail"]["status"] == "voice_add_edit_limit_reached"


def test_a_plan_without_cloning_answers_400_although_payment_is_required(client, control):
    control["elevenlabs"].account(can_use_instant_voice_cloning=False)
    error = refused(lambda: add(client))
    assert error.status_code == 400
    assert (error.body["detail"]["type"], error.body["detail"]["code"]) == ("payment_required", "paid_plan_required")
    assert error.body["detail"]["status"] == "can_not_use_instant_voice_cloning"


@pytest.mark.parametrize(("key", "code"), [("wrong", "invalid_api_key"), (None, "missing_api_key")])
def test_a_bad_key_is_a_401_with_a_code(vendors, key, code):
    headers = {"xi-api-key": key} if key else {}
    answer = httpx.get(vendors["elevenlabs"]["url"] + "/v2/voices", headers=headers)
    assert answer.status_code == 401 and answer.json()["detail"]["code"] == code


def test_the_key_can_be_rotated(vendors, control):
    control["elevenlabs"].account(api_key="new")
    url = vendors["elevenlabs"]["url"] + "/v2/voices"
    assert httpx.get(url, headers={"xi-api-key": vendors["elevenlabs"]["api_key"]}).status_code == 401
    assert httpx.get(url, headers={"xi-api-key": "new"}).status_code == 200


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([file(2)], 400, "audio_too_short"),
        ([file(8), file(8, name="again.wav")], 400, "duplicate_files"),
        ([("a.wav", wav(8)[:-1000], "audio/wav")], 400, "invalid_audio"),
        ([("a.wav", b"RIFF but no WAVE" * 9, "audio/wav")], 400, "invalid_audio"),
        ([("a.wav", b"<TwilioResponse>" * 9, "audio/wav")], 400, "invalid_audio_format"),
        ([("a.txt", wav(8), "text/plain")], 400, "invalid_file_type"),
        ([file(8, seed=seed) for seed in range(26)], 400, "too_many_files"),
    ],
)
def test_audio_that_cannot_be_cloned_is_refused(client, control, files, status, code):
    error = refused(lambda: add(client, files=files))
    detail = error.body["detail"]
    assert (error.status_code, detail.get("code", detail["status"])) == (status, code)
    assert control["elevenlabs"]("GET", "/voices").json()["voices"] == []


def test_a_file_above_the_limit_is_refused(client, control):
    control["elevenlabs"].account(max_file_bytes=100_000)
    error = refused(lambda: add(client))
    assert (error.status_code, error.body["detail"]["code"]) == (413, "request_too_large")


def test_two_short_files_are_long_enough_together(client):
    assert add(client, files=[file(3, 1), file(3, 2)]).voice_id


@pytest.mark.parametrize(
    ("data", "files", "location"),
    [
        ({}, [("files", file())], "name"),
        ({"name": "A"}, [("other", file())], "files"),
        ({"name": "A", "files": "not a file"}, [("other", file())], "files"),
        ({"name": "A", "remove_background_noise": "maybe"}, [("files", file())], "remove_background_noise"),
    ],
)
def test_a_malformed_form_is_a_422_that_names_the_field(http, data, files, location):
    answer = http.post("/v1/voices/add", data=data, files=files)
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body", location]


def test_a_body_that_is_no_form_is_refused(http):
    assert http.post("/v1/voices/add", json={"name": "A"}).status_code == 422
    broken = http.post("/v1/voices/add", content=b"--x\r\nhalf", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert broken.status_code == 400


def test_labels_are_a_json_object_of_strings(http):
    for labels in ("language", "[1]", '{"age": 3}'):
        answer = http.post("/v1/voices/add", data={"name": "A", "labels": labels}, files=[("files", file())])
        assert answer.status_code == 400 and answer.json()["detail"]["param"] == "labels"


def test_a_200_can_still_need_a_verification(client, control):
    control["elevenlabs"].account(requires_verification=True)
    made = add(client)
    assert made.requires_verification is True
    assert client.voices.get(made.voice_id).voice_verification.requires_verification is True
    match = {"library_voice_id": "lib", "public_owner_id": "own"}
    control["elevenlabs"].account(requires_verification=False, library_voice_match=match)
    made = add(client, files=[file(seed=2)])
    assert made.requires_verification is True and made.library_voice_match.library_voice_id == "lib"


def test_too_many_at_once_is_a_429(http, control):
    control["elevenlabs"].account(concurrency_limit=1, add_seconds=0.5)
    with ThreadPoolExecutor(2) as pool:
        posts = [pool.submit(http.post, "/v1/voices/add", data={"name": "A"}, files=[("files", file(seed=seed))]) for seed in (1, 2)]
        answers = sorted((post.result() for post in posts), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["detail"]["code"] == "concurrent_limit_exceeded"


def test_a_voice_whose_answer_was_lost_is_there_and_can_be_searched(http, client, control):
    control["elevenlabs"].fault(path="/v1/voices/add", reset=True, do_work=True)
    with pytest.raises(httpx.ReadError):
        http.post("/v1/voices/add", data={"name": "A", "description": "attempt 9"}, files=[("files", file())])
    assert len(client.voices.search(search="attempt 9").voices) == 1


# -- what is generated with a voice --------------------------------------------------------------------------------------


def test_what_a_voice_has_said_is_kept_also_when_the_voice_is_gone_until_it_is_deleted_itself(client, control):
    made = add(client)
    for text in ("one", "two", "three"):
        assert b"".join(client.text_to_speech.convert(made.voice_id, text=text, request_options=ONCE))
    control["elevenlabs"]("POST", "/history", json={"voice_id": "another", "text": "other"})
    client.voices.delete(made.voice_id)

    first = client.history.list(voice_id=made.voice_id, page_size=2)
    assert ([item.text for item in first.history], first.has_more) == (["three", "two"], True)
    rest = client.history.list(voice_id=made.voice_id, page_size=2, start_after_history_item_id=first.last_history_item_id)
    assert ([item.text for item in rest.history], rest.has_more) == (["one"], False)

    for item in first.history + rest.history:
        assert client.history.delete(item.history_item_id).status == "ok"
    assert client.history.list(voice_id=made.voice_id).history == []
    assert refused(lambda: client.history.delete(first.history[0].history_item_id)).status_code == 404
    assert [item["text"] for item in control["elevenlabs"]("GET", "/history").json()["history"]] == ["other"]


def test_speech_that_is_not_logged_leaves_nothing(client, control):
    made = add(client)
    b"".join(client.text_to_speech.convert(made.voice_id, text="one", enable_logging=False, request_options=ONCE))
    assert control["elevenlabs"]("GET", "/history").json()["history"] == []


def test_deleting_a_voice_that_is_gone_may_be_a_500(client, control):
    made = add(client)
    client.voices.delete(made.voice_id)
    control["elevenlabs"].account(delete_missing_status=500)
    assert refused(lambda: client.voices.delete(made.voice_id, request_options=ONCE)).status_code == 500
    assert refused(lambda: client.voices.get(made.voice_id)).status_code == 404


@pytest.mark.parametrize("code", ["voice_access_denied", "detected_captcha_voice"])
def test_a_protected_voice_is_a_403(client, control, code):
    control["elevenlabs"].account(protected=code)
    error = refused(lambda: add(client))
    assert (error.status_code, error.body["detail"]["code"]) == (403, code)
    assert control["elevenlabs"]("GET", "/voices").json()["voices"] == []


def test_the_user_stays_when_the_key_is_replaced_and_a_restricted_key_may_not_read_it(vendors, control):
    def user(key: str) -> httpx.Response:
        return httpx.get(vendors["elevenlabs"]["url"] + "/v1/user", headers={"xi-api-key": key})

    before = user(vendors["elevenlabs"]["api_key"]).json()
    control["elevenlabs"].account(api_key="new")
    assert user("new").json()["user_id"] == before["user_id"]
    control["elevenlabs"].account(user_read=False)
    assert (user("new").status_code, user("new").json()["detail"]["code"]) == (401, "missing_permissions")
