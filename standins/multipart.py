"""multipart/form-data (RFC 7578) in a file: where its parts are, without reading them into memory."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

MOST_PARTS = 100


@dataclass(frozen=True)
class Part:
    path: Path
    name: str
    filename: str | None  # None: a plain field
    content_type: str | None
    start: int
    length: int

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.length)

    def text(self) -> str:
        """Raises ValueError when it is not UTF-8."""
        return self.read().decode()

    def chunks(self, size: int = 1 << 20):
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = self.length
            while left and (chunk := file.read(min(size, left))):
                left -= len(chunk)
                yield chunk


def boundary(content_type: str) -> str | None:
    """The boundary of a Content-Type, None when it is not multipart/form-data with one."""
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "multipart/form-data":
        return None
    return message.get_boundary()


def parts(path: Path, mark: str) -> list[Part]:
    """Raises ValueError on anything that is not exactly a form: no final boundary, no name, headers that do not end."""
    delimiter = b"\r\n--" + mark.encode()
    found: list[Part] = []
    if path.stat().st_size == 0:
        raise ValueError("the body is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[: len(delimiter) - 2] == delimiter[2:]:  # the first delimiter has no line before it
            at = len(delimiter) - 2
        elif (at := data.find(delimiter)) >= 0:  # or a preamble, which is ignored
            at += len(delimiter)
        else:
            raise ValueError("the boundary is not in the body")
        while data[at : at + 2] != b"--":
            if data[at : at + 2] != b"\r\n":
                raise ValueError("a boundary does not end its line")
            head_end = data.find(b"\r\n\r\n", at)
            end = data.find(delimiter, at + 2)
            if head_end < 0 or end < 0 or head_end > end:
                raise ValueError("the body ends inside a part")
            found.append(_part(path, data[at + 2 : head_end + 2], head_end + 4, end))
            if len(found) > MOST_PARTS:
                raise ValueError("too many parts")
            at = end + len(delimiter)
    return found


def _part(path: Path, head: bytes, start: int, end: int) -> Part:
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace"))
    if headers.get_content_disposition() != "form-data":
        raise ValueError("a part has no Content-Disposition: form-data")
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise ValueError("a part has no name")
    return Part(path, name, headers.get_filename(), headers.get("content-type"), start, end - start)
