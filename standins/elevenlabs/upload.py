"""The form of POST /v1/voices/add, and the refusals of its contents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from aiohttp import web

from .. import multipart, wav
from ..body import BODY
from ..multipart import Part
from .errors import Refused, field_error

TRUE, FALSE = {"true", "1", "yes", "on", "y", "t"}, {"false", "0", "no", "off", "n", "f"}  # as FastAPI reads them


@dataclass
class Form:
    name: str
    files: list[tuple[Part, str]]  # with the SHA-256
    description: str | None
    labels: dict[str, str]
    remove_background_noise: bool


def read_form(request: web.Request, account: dict) -> Form:
    """Checks the form first, then the audio, as the vendor's framework does. Raises Refused or Malformed."""
    mark = multipart.boundary(request.headers.get("Content-Type", ""))
    try:
        parts = multipart.parts(request[BODY].path, mark) if mark else []
        fields = {part.name: part.text() for part in parts if part.filename is None and part.name != "files"}
    except ValueError:
        raise Refused(400, "invalid_request", "invalid_request", "There was an error parsing the body")
    if "name" not in fields:
        raise field_error("name", "missing", "Field required", None, "body")
    files = [part for part in parts if part.name == "files"]
    if not files:
        raise field_error("files", "missing", "Field required", None, "body")
    if any(part.filename is None for part in files):
        raise field_error("files", "value_error", "Value error, Expected UploadFile, received: <class 'str'>", None, "body")
    noise = fields.get("remove_background_noise", "false")
    if noise.lower() not in TRUE | FALSE:
        raise field_error("remove_background_noise", "bool_parsing", "Input should be a valid boolean, unable to interpret input", noise, "body")
    if not fields["name"].strip():
        raise Refused(400, "validation_error", "invalid_voice_name", "The name of a voice cannot be empty.", param="name")
    labels = _labels(fields.get("labels"))
    return Form(fields["name"], _audio(files, account), fields.get("description"), labels, noise.lower() in TRUE)


def _labels(text: str | None) -> dict[str, str]:
    """A JSON string. The vendor's own SDK sends "null" when there are none."""
    try:
        labels = json.loads(text) if text else {}
    except ValueError:
        labels = text
    labels = {} if labels is None else labels
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise Refused(400, "validation_error", "invalid_labels", "Labels must be a JSON object with string values.", param="labels")
    return labels


def _audio(files: list[Part], account: dict) -> list[tuple[Part, str]]:
    def refuse(code: str, message: str, http: int = 400):
        return Refused(http, "validation_error", code, message, param="files")

    if len(files) > account["max_files"]:
        raise refuse("too_many_files", f"At most {account['max_files']} files can be uploaded.")
    seconds, result, seen = 0.0, [], set()
    for part in files:
        if part.length > account["max_file_bytes"]:
            raise refuse("request_too_large", f"A file is larger than {account['max_file_bytes']} bytes.", 413)
        if part.content_type and not part.content_type.startswith(("audio/", "video/", "application/octet-stream")):
            raise refuse("invalid_file_type", f"Files of the type {part.content_type} are not audio.")
        seconds += _seconds(part, refuse)
        digest = hashlib.sha256()
        for chunk in part.chunks():
            digest.update(chunk)
        if digest.hexdigest() in seen:
            raise Refused(400, None, "duplicate_files", "You cannot upload the same file twice.")
        seen.add(digest.hexdigest())
        result.append((part, digest.hexdigest()))
    if seconds < account["min_seconds"]:
        raise refuse("audio_too_short", f"The audio is {seconds:.1f} s long, at least {account['min_seconds']} s are needed.")
    if account["max_seconds"] is not None and seconds > account["max_seconds"]:
        raise refuse("audio_too_long", f"The audio is {seconds:.1f} s long, at most {account['max_seconds']} s are possible.")
    return result


def _seconds(part: Part, refuse) -> float:
    """The length is exact for WAV; other formats are only recognised, and taken to be long enough."""
    head = next(part.chunks(16), b"")
    if head[:4] == b"RIFF":
        found = wav.read_header(part.path, part.start, part.length)
        if found is None or found.truncated or not found.data_bytes:
            raise refuse("invalid_audio", "The audio file is corrupted.")
        return found.seconds
    known = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3")
    if head.startswith(known) or head[4:8] == b"ftyp":
        return 60.0
    raise refuse("invalid_audio_format", "The format of the audio file is not supported.")
