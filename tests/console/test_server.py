"""The console's server refuses everybody but its own page, and everything that is not listed."""

from __future__ import annotations

import http.client
import json
import re
from urllib.parse import urlsplit

import pytest

from local.console import FILES, TYPES

from .conftest import new_employee

ADMIN, MEMBER = "11000000-0000-4000-8000-000000000001", "11000000-0000-4000-8000-000000000002"
OTHER_ADMIN = "21000000-0000-4000-8000-000000000001"
NOBODY = "00000000-0000-4000-8000-000000000000"
NEEDS_A_USER = [
    ("GET", "/laptop/employees"), ("POST", f"/laptop/employees/{NOBODY}/calls"), ("POST", f"/laptop/employees/{NOBODY}/messages"),
    ("POST", f"/laptop/employees/{NOBODY}/look-now"),
    ("GET", "/laptop/recordings/RE1"), ("POST", "/laptop/recordings/RE1/callback"), ("GET", "/laptop/voices/abc/sample"),
    ("POST", "/laptop/voices/abc/speech"), ("GET", "/laptop/twilio/requests"), ("GET", "/laptop/elevenlabs/faults"),
    ("POST", "/laptop/supabase/faults"), ("DELETE", "/laptop/twilio/faults"), ("DELETE", "/laptop/twilio/faults/1"),
]  # fmt: skip


@pytest.fixture
def ask(stack):
    """(status, headers, body) of one request, with exactly these headers."""
    host = urlsplit(stack["console_url"]).netloc

    def ask(method: str, path: str, body: bytes | None = None, **headers: str):
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in ({"Content-Length": str(len(body or b""))} | {name.replace("_", "-"): value for name, value in headers.items()}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        try:
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return ask


@pytest.fixture
def signed_in(ask):
    """The header of a signed-in user."""
    def signed_in(user: str) -> dict[str, str]:
        status, _, body = ask("POST", "/laptop/sign-in", json.dumps({"user_id": user}).encode(), Content_Type="application/json")
        assert status == 200, body
        return {"Authorization": f"Bearer {json.loads(body)['access_token']}"}

    return signed_in


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir() if path.suffix in TYPES))
def test_each_file_of_the_page_is_served_as_what_it_is(ask, name):
    status, headers, body = ask("GET", f"/{name}")
    assert (status, headers.get_content_type(), body) == (200, TYPES[name[name.rindex("."):]], (FILES / name).read_bytes())


@pytest.mark.parametrize("path", [
    "/../README.md", "/..%2fREADME.md", "/%2e%2e/README.md", "/%2e%2e%2fREADME.md", "/console/../../README.md", "//etc/passwd", "/..\\README.md",
    "/index.html%00.js", "/./../local/console.py", "/laptop/../../README.md", "/nothing.js", "/.git/config", "/stack.json",
    "/api-docs/../../README.md", "/api-docs/..%2f..%2fREADME.md", "/api-docs/package.json",
])  # fmt: skip
def test_no_path_leads_out_of_the_directory(ask, path):
    status, _, body = ask("GET", path)
    assert (status, b"Understudy" in body) == (404, False)


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", "[::1]"])
def test_a_name_that_was_pointed_at_this_machine_is_refused(ask, host):
    assert ask("GET", "/", Host=host)[0] == 421
    assert ask("GET", "/laptop/settings", Host=host)[0] == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:1"])
@pytest.mark.parametrize("method, path", [("GET", "/laptop/settings"), ("POST", "/laptop/sign-in"), ("DELETE", "/laptop/twilio/faults")])
def test_another_sites_page_is_refused(ask, method, path, origin):
    status, headers, _ = ask(method, path, b"{}" if method == "POST" else None, Origin=origin, Content_Type="application/json")
    assert (status, headers["Access-Control-Allow-Origin"]) == (403, None)


def test_another_sites_image_is_refused_and_its_link_is_not(ask):
    assert ask("GET", "/laptop/settings", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert ask("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200


def test_a_preflight_of_another_site_gets_no_leave(ask, stack):
    asks = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    for origin in ("https://evil.example", stack["console_url"]):
        status, headers, _ = ask("OPTIONS", "/laptop/employees", Origin=origin, **asks)
        assert status in (403, 405) and headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("method, path", NEEDS_A_USER)
@pytest.mark.parametrize("token", [None, "Bearer nonsense"])
def test_nothing_is_done_for_who_is_not_signed_in(ask, stack, method, path, token):
    headers = {"Authorization": token} if token else {}
    assert ask(method, path, b"{}" if method == "POST" else None, Content_Type="application/json", **headers)[0] == 401


def test_a_token_that_the_console_did_not_give_is_not_taken(ask, stack):
    token = stack["organizations"][0]["users"][0]["token"]
    assert ask("GET", "/laptop/employees", Authorization=f"Bearer {token}")[0] == 401


@pytest.mark.parametrize("user", [NOBODY, None, 7, [], "' or 1=1"])
def test_nobody_signs_in_who_is_not_seeded(ask, user):
    assert ask("POST", "/laptop/sign-in", json.dumps({"user_id": user}).encode(), Content_Type="application/json")[0] == 404


@pytest.mark.parametrize("body, content_type, status", [(b"{", "application/json", 400), (b"[]", "application/json", 400), (b"{}", "text/plain", 415)])
def test_a_body_that_is_no_object_of_json_is_refused(ask, body, content_type, status):
    assert ask("POST", "/laptop/sign-in", body, Content_Type=content_type)[0] == status


def test_what_belongs_to_another_organisation_is_not_there(ask, signed_in, scenario):
    theirs = new_employee(scenario, "Chiara Example", scenario.other_organization)
    recording = scenario.new_recording(scenario.new_call(theirs, scenario.other_organization), b"RIFF")
    scenario.database.execute("update employees set voice_id = %s where id = %s", (f"voice{theirs[:8]}", theirs))
    ours = signed_in(ADMIN)
    json_body = ours | {"Content-Type": "application/json"}
    listed = json.loads(ask("GET", "/laptop/employees", **ours)[2])["employees"]
    assert theirs not in [each["id"] for each in listed] and listed
    assert ask("POST", f"/laptop/employees/{theirs}/calls", b"", **ours)[0] == 404
    assert ask("POST", f"/laptop/employees/{theirs}/messages", b'{"queue": "clone"}', **json_body)[0] == 404
    assert ask("POST", f"/laptop/employees/{theirs}/look-now", **ours)[0] == 404
    assert ask("POST", f"/laptop/recordings/{recording}/callback", **ours)[0] == 404
    assert ask("GET", f"/laptop/recordings/{recording}", **ours)[0] == 404
    assert ask("GET", f"/laptop/voices/voice{theirs[:8]}/sample", **ours)[0] == 404
    assert ask("POST", f"/laptop/voices/voice{theirs[:8]}/speech", b'{"text": "Hello"}', **json_body)[0] == 404
    assert ask("POST", f"/laptop/recordings/{recording}/callback", **signed_in(OTHER_ADMIN))[0] == 200


@pytest.mark.parametrize("path", ["account", "recordings", "tokens", "signing-keys", "", "faults/../account", "faults/%2e%2e/account"])
def test_of_the_control_routes_only_journal_and_faults_are_passed_on(ask, signed_in, path):
    for vendor in ("twilio", "elevenlabs", "supabase", "aws"):
        assert ask("GET", f"/laptop/{vendor}/{path}", **signed_in(MEMBER))[0] == 404


def test_a_fault_that_means_nothing_is_refused_as_the_stand_in_refuses_it(ask, signed_in):
    status, _, body = ask("POST", "/laptop/twilio/faults", b'{"pat": "x"}', Content_Type="application/json", **signed_in(ADMIN))
    assert (status, b"path" in body) == (400, True)


def test_no_answer_holds_a_key_of_the_stack(ask, signed_in, stack):
    keys = [stack["supabase"]["secret_key"], stack["elevenlabs"]["api_key"], stack["twilio"]["auth_token"], stack["database_url"]]
    of_vendors = [f"/laptop/{vendor}/{what}" for vendor in ("twilio", "elevenlabs", "supabase") for what in ("requests", "faults")]
    for path in ["/laptop/settings", "/laptop/employees", *of_vendors]:
        status, _, body = ask("GET", path, **signed_in(ADMIN))
        assert status == 200, path
        assert not [key for key in keys if key.encode() in body], path


def test_every_answer_says_what_the_page_may_do(ask, stack):
    api = urlsplit(stack["api_url"])
    for path, status in (("/", 200), ("/api-docs", 200), ("/nothing", 404), ("/laptop/employees", 401)):
        found, headers, _ = ask("GET", path)
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        assert found == status
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert ("require-trusted-types-for" in policy) == (path != "/api-docs"), "Swagger UI inserts markup"
        assert policy["connect-src"] == f"'self' {api.scheme}://{api.netloc}"
        assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_page_holds_no_markup_that_the_policy_would_have_to_allow():
    for path in FILES.glob("*.html"):
        assert not re.search(r"""\s(?:on\w+|style)\s*=|<script>|<style|["']https?:""", path.read_text()), path.name
    for path in FILES.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", path.read_text()), path.name
