"""The answers by which each vendor says that it is busy, that it is broken, or no: statuses, codes and bodies as documented.

The shapes are the stand-ins' own. Sources: https://elevenlabs.io/docs/eleven-api/resources/errors,
https://www.twilio.com/docs/api/errors, supabase/storage `src/internal/errors/codes.ts`,
https://docs.postgrest.org/en/stable/references/errors.html, and the API references of SQS and Secrets Manager.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Error:
    status: int
    code: str
    body: dict
    # Tells whether an attempt to clone must end when making the voice is answered so; None: nothing looks at it.
    ends: bool | None = None

    def fault(self) -> dict:
        return {"status": self.status, "body": self.body}


def busy(api: str) -> dict:
    """429, with a Retry-After."""
    return next(error for error in ERRORS[api] if error.status == 429).fault() | {"headers": {"Retry-After": "30"}}


def broken(api: str) -> dict:
    """500"""
    return next(error for error in ERRORS[api] if error.status == 500).fault()


def _elevenlabs(status: int, kind: str | None, code: str, ends: bool | None, legacy: str | None = None) -> Error:
    """`kind` None: the older body."""
    detail = {"status": legacy or code, "message": "See the documentation."}
    return Error(status, code, {"detail": {"type": kind, "code": code, "request_id": "0" * 32, **detail} if kind else detail}, ends)


def _storage(code: str, stated: int, error: str, http: int = 400) -> Error:
    return Error(http, code, {"statusCode": str(stated), "code": code, "error": error, "message": error})


def _postgrest(status: int, code: str) -> Error:
    return Error(status, code, {"code": code, "details": None, "hint": None, "message": "See the documentation."})


def _twilio(status: int, code: int) -> Error:
    return Error(status, str(code), {"code": code, "message": "", "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status})


def _auth(status: int, code: str) -> Error:
    return Error(status, code, {"code": status, "error_code": code, "msg": ""})


def _aws(code: str, status: int = 400) -> Error:
    return Error(status, code, {"__type": code, "message": ""})


def _no_secret(code: str) -> Error:
    """A call that succeeds and brings no secret."""
    return Error(200, f"with {code}", {"SecretValues": [], "Errors": [{"SecretId": "", "ErrorCode": code, "Message": ""}]})


ENDS, WAITS = True, False

SECRETS = [
    _aws("ResourceNotFoundException"), _aws("DecryptionFailure"), _aws("InvalidRequestException"), _aws("AccessDeniedException"),
    _aws("ExpiredTokenException"), _aws("ThrottlingException", 429), _aws("InternalServiceError", 500), _aws("ServiceUnavailable", 503),
]  # fmt: skip
ERRORS: dict[str, list[Error]] = {
    "elevenlabs": [
        _elevenlabs(400, None, "voice_limit_reached", ENDS),
        _elevenlabs(400, None, "max_voice_limit_reached", ENDS),
        _elevenlabs(400, None, "voice_add_edit_limit_reached", ENDS),
        _elevenlabs(403, None, "voice_access_denied", ENDS),
        _elevenlabs(403, None, "detected_captcha_voice", ENDS),
        _elevenlabs(400, "payment_required", "paid_plan_required", ENDS, "can_not_use_instant_voice_cloning"),
        _elevenlabs(402, "payment_required", "insufficient_credits", ENDS),
        _elevenlabs(400, None, "quota_exceeded", ENDS),
        _elevenlabs(401, None, "quota_exceeded", ENDS),
        _elevenlabs(403, "authorization_error", "feature_not_available", ENDS),
        _elevenlabs(403, "authorization_error", "subscription_required", ENDS),
        _elevenlabs(400, "validation_error", "audio_too_long", ENDS),
        _elevenlabs(400, "validation_error", "audio_too_short", ENDS),
        _elevenlabs(413, "validation_error", "request_too_large", ENDS),
        _elevenlabs(400, "validation_error", "invalid_audio", ENDS),
        _elevenlabs(400, "validation_error", "invalid_audio_format", ENDS),
        _elevenlabs(400, "validation_error", "invalid_file_type", ENDS),
        _elevenlabs(400, None, "duplicate_files", ENDS),
        _elevenlabs(400, "validation_error", "invalid_voice_name", ENDS),
        _elevenlabs(409, "conflict", "voice_already_exists", None),
        Error(422, "validation list", {"detail": [{"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": None}]}, ENDS),
        _elevenlabs(401, "authentication_error", "invalid_api_key", WAITS),
        _elevenlabs(401, "authentication_error", "missing_api_key", WAITS, "needs_authorization"),
        _elevenlabs(401, None, "missing_permissions", WAITS),
        _elevenlabs(401, None, "detected_unusual_activity", WAITS),
        _elevenlabs(403, "authorization_error", "insufficient_permissions", WAITS),
        _elevenlabs(404, "not_found", "voice_not_found", None),
        _elevenlabs(400, None, "voice_does_not_exist", None),
        _elevenlabs(409, "conflict", "already_running", WAITS),
        _elevenlabs(409, "conflict", "concurrent_modification", WAITS),
        _elevenlabs(429, "rate_limit_error", "rate_limit_exceeded", WAITS),
        _elevenlabs(429, "rate_limit_error", "concurrent_limit_exceeded", WAITS, "too_many_concurrent_requests"),
        _elevenlabs(429, "rate_limit_error", "system_busy", WAITS),
        _elevenlabs(429, None, "too_many_concurrent_requests", WAITS),
        _elevenlabs(500, "internal_error", "internal_error", WAITS),
        _elevenlabs(503, "service_unavailable", "service_unavailable", WAITS),
    ],
    "storage": [
        _storage("NoSuchKey", 404, "not_found"),
        _storage("NoSuchBucket", 404, "Bucket not found"),
        _storage("AccessDenied", 403, "Unauthorized"),
        _storage("InvalidKey", 400, "InvalidKey"),
        _storage("KeyAlreadyExists", 409, "Duplicate"),
        _storage("BucketAlreadyExists", 409, "Duplicate"),
        _storage("EntityTooLarge", 413, "Payload too large"),
        _storage("InvalidMimeType", 415, "invalid_mime_type"),
        _storage("ResourceLocked", 423, "ResourceLocked"),
        _storage("SlowDown", 429, "too_many_connections", 429),
        _storage("DatabaseReadOnly", 503, "DatabaseReadOnly"),
        _storage("DatabaseTimeout", 544, "DatabaseTimeout", 544),
        _storage("InternalError", 500, "Internal", 500),
    ],
    "postgrest": [
        _postgrest(401, "PGRST301"), _postgrest(404, "PGRST202"), _postgrest(403, "42501"), _postgrest(429, "too_many_requests"),
        _postgrest(500, "57014"), _postgrest(500, "40P01"), _postgrest(503, "PGRST000"), _postgrest(504, "PGRST003"), _postgrest(503, "53300"),
    ],
    "auth": [_auth(404, "not_found"), _auth(429, "over_request_rate_limit"), _auth(500, "unexpected_failure")],
    "twilio": [
        _twilio(400, 20001), _twilio(401, 20003), _twilio(403, 20403), _twilio(404, 20404), _twilio(405, 20004), _twilio(429, 20429), _twilio(500, 20500),
        _twilio(503, 20503),
    ],
    "sqs": [
        _aws("com.amazonaws.sqs#QueueDoesNotExist"), _aws("com.amazonaws.sqs#RequestThrottled"), _aws("com.amazonaws.sqs#KmsThrottled"),
        _aws("com.amazonaws.sqs#InvalidMessageContents"), _aws("com.amazonaws.sqs#MessageNotInflight"), _aws("com.amazonaws.sqs#OverLimit"),
        _aws("AccessDeniedException"), _aws("ThrottlingException", 429), _aws("InternalFailure", 500), _aws("ServiceUnavailable", 503),
    ],
    "secrets": SECRETS,
    "secrets at start": [*SECRETS, _no_secret("AccessDeniedException"), _no_secret("ResourceNotFoundException")],
}  # fmt: skip
