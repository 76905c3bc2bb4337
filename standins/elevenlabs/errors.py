"""ElevenLabs' error bodies: https://elevenlabs.io/docs/eleven-api/resources/errors, and FastAPI's for a malformed request."""

from __future__ import annotations

import secrets

from aiohttp import web


class Refused(Exception):
    """`kind` None gives the older body, {"detail": {"status", "message"}}, that some answers still have."""

    def __init__(self, http: int, kind: str | None, code: str, message: str, legacy: str | None = None, param: str | None = None):
        super().__init__(message)
        self.http = http
        self.detail = {"status": legacy or code, "message": message}
        if kind:
            self.detail = {"type": kind, "code": code, **self.detail, "request_id": secrets.token_hex(16)}
        if param:
            self.detail["param"] = param


class Malformed(Exception):
    """422, with FastAPI's list."""

    def __init__(self, place: str, name: str, kind: str, message: str, given=None):
        super().__init__(message)
        self.detail = [{"type": kind, "loc": [place, name], "msg": message, "input": given}]


def field_error(name: str, kind: str, message: str, given=None, place: str = "query") -> Malformed:
    return Malformed(place, name, kind, message, given)


def refusal(error: Exception) -> web.Response:
    if isinstance(error, Refused):
        return web.json_response({"detail": error.detail}, status=error.http)
    if isinstance(error, Malformed):
        return web.json_response({"detail": error.detail}, status=422)
    if isinstance(error, web.HTTPException):
        return web.json_response({"detail": error.reason}, status=error.status)
    detail = Refused(500, "internal_error", "internal_error", f"{type(error).__name__}").detail
    return web.json_response({"detail": detail}, status=500)
