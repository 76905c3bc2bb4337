"""Straight at Supabase, past our API: with what a browser has, nothing of a voice can be read, decided or started."""

from __future__ import annotations

import json

import pytest

from .people import cloned

FUNCTIONS = {
    "request_clone": ("p_user_id", "p_employee_id"), "withdraw_voice_consent": ("p_user_id", "p_employee_id"),
    "start_erasure": ("p_user_id", "p_employee_id"), "read_voice": ("p_user_id", "p_employee_id"),
    "read_voice_consent": ("p_user_id", "p_employee_id"),
}  # fmt: skip
TABLES = ["voices", "voice_consents", "voice_consent_invitations", "voice_erasures", "voice_erasure_copies", "voice_audit", "recordings"]


@pytest.fixture
def direct(scenario):
    """Asks Supabase as an admin's browser would, and as nobody's."""
    supabase = scenario.stack["supabase"]
    key, token = supabase["publishable_key"], scenario.user("admin")["token"]

    def ask(method: str, path: str, body: dict | None, signed_in: bool):
        headers = {"apikey": key, "Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if signed_in else {})
        return scenario.request(method, f"{supabase['url']}{path}", None if body is None else json.dumps(body).encode(), headers)

    return ask


@pytest.mark.parametrize("signed_in", [True, False], ids=["with an admin's token", "with the publishable key"])
def test_no_function_can_be_called_and_no_table_read(scenario, direct, signed_in):
    employee, voice = cloned(scenario)
    for function, arguments in FUNCTIONS.items():
        values = dict(zip(arguments, (scenario.user("admin")["id"], employee)))
        answer = direct("POST", f"/rest/v1/rpc/{function}", values, signed_in)
        assert answer.status in (401, 403, 404), (function, answer.status, answer.body)
    for table in TABLES:
        answer = direct("GET", f"/rest/v1/{table}?select=*", None, signed_in)
        assert answer.status in (401, 403, 404) or answer.json() == [], (table, answer.status)
    assert scenario.voice(employee).json()["voice_id"] == voice


@pytest.mark.parametrize("kind", ["expired", "foreign", "alg_none", "hs256_public_key", "anonymous"])
def test_a_token_that_proves_nothing_decides_nothing(scenario, kind):
    employee, voice = cloned(scenario)
    user = {"token": scenario.token(scenario.user("admin")["id"], kind)}
    for method, path in (("DELETE", "voice"), ("DELETE", "voice-consent"), ("GET", "voice-consent"), ("GET", "voice/erasure")):
        assert scenario.api(method, f"/employees/{employee}/{path}", user=user).status == 401, path
    assert scenario.api("GET", "/audit", user=user).status == 401
    assert scenario.vendor_voices(employee) == [voice]
