"""Storage's error bodies: supabase/storage `src/internal/errors/codes.ts` and `http/error-handler.ts`."""

from __future__ import annotations

from aiohttp import web


class StorageRefused(Exception):
    """HTTP 400 whatever the status in the body says, except for 500, 416, 429 and 544."""

    def __init__(self, status: str, code: str, error: str, message: str):
        super().__init__(message)
        self.body = {"statusCode": status, "code": code, "error": error, "message": message}
        self.http = int(status) if status in ("416", "429", "500", "544") else 400


def no_bucket() -> StorageRefused:
    return StorageRefused("404", "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_key() -> StorageRefused:
    return StorageRefused("404", "NoSuchKey", "not_found", "Object not found")


def invalid_key(key: str) -> StorageRefused:
    return StorageRefused("400", "InvalidKey", "InvalidKey", f"Invalid key: {key}")


def no_authorization() -> StorageRefused:
    return StorageRefused("400", "InvalidRequest", "Error", "headers must have required property 'authorization'")


def too_large(entity: str = "object") -> StorageRefused:
    return StorageRefused("413", "EntityTooLarge", "Payload too large", f"The {entity} exceeded the maximum allowed size")


def refusal(error: Exception) -> web.Response:
    if isinstance(error, StorageRefused):
        return web.json_response(error.body, status=error.http)
    if isinstance(error, web.HTTPException):  # a route that is not there: the framework's answer, with its true status
        body = {"statusCode": str(error.status), "code": "InternalError", "error": "Not Found", "message": "Route not found"}
        return web.json_response(body, status=error.status)
    body = {"statusCode": "500", "code": "InternalError", "error": "Internal", "message": f"Internal Server Error ({type(error).__name__})"}
    return web.json_response(body, status=500)
