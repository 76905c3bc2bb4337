"""One function alone: its `bootstrap` against a tiny Lambda Runtime API on loopback, without the gateway and queues before it.

    with RuntimeApi(bootstrap, environment) as function:
        answer = function.invoke(event)          # what the handler answered
        function.peak_memory()                   # bytes

It is for measurements of the process itself: memory and speed. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import queue
import re
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

from standins.process import end_with_parent

RESULT = re.compile(r"/2018-06-01/runtime/(?:invocation/([^/]+)/(response|error)|(init)/error)")


class FunctionFailed(RuntimeError):
    """The handler answered with an error, or the process ended."""


@dataclass
class Invocation:
    request_id: str
    event: bytes
    deadline_ms: int


class RuntimeApi:
    """One function process. Invocations go one after the other, as in one Lambda environment."""

    def __init__(self, bootstrap: str | Path | list, environment: dict[str, str], name: str = "function", memory_mb: int = 256):
        """`bootstrap`: a program, or a command with its arguments."""
        self._command = bootstrap if isinstance(bootstrap, list) else [bootstrap]
        self._environment = environment | {
            "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb), "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": name, "AWS_LAMBDA_LOG_STREAM_NAME": name, "AWS_LAMBDA_LOG_FORMAT": "JSON", "_HANDLER": "bootstrap",
        }
        self._events: queue.Queue[Invocation | None] = queue.Queue()
        self._results: queue.Queue[tuple[str, str, bytes]] = queue.Queue()
        self.ready = threading.Event()
        # Of `time.perf_counter`, in seconds: when the program was executed, and when it asked for its first event.
        self.started_at = self.ready_at = 0.0

    def __enter__(self) -> "RuntimeApi":
        self._log = tempfile.TemporaryFile()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        reader, writer = os.pipe()

        def before_the_program() -> None:
            end_with_parent()
            os.write(writer, struct.pack("d", time.perf_counter()))

        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, preexec_fn=before_the_program,
            env=self._environment | {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}"},
        )
        os.close(writer)
        (self.started_at,) = struct.unpack("d", os.read(reader, 8))
        os.close(reader)
        return self

    def __exit__(self, *exception) -> None:
        self._process.kill()
        self._process.wait()
        self._events.put(None)  # wakes the thread that still waits for an event
        self._server.shutdown()
        self._server.server_close()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def invoke(self, event, timeout: float = 300, patience: float | None = None):
        """The handler's answer, parsed. `timeout` is what the function is told; `patience`, if another, is how long it is waited for.
        Raises FunctionFailed."""
        invocation = Invocation(str(uuid4()), json.dumps(event).encode(), int((time.time() + timeout) * 1000))
        self._events.put(invocation)
        deadline = time.monotonic() + (timeout if patience is None else patience)
        while True:
            try:
                request_id, kind, body = self._results.get(timeout=0.1)
            except queue.Empty:
                if self._process.poll() is not None:
                    raise FunctionFailed(f"the process ended with {self._process.returncode}:\n{self.output()}") from None
                if time.monotonic() > deadline:
                    raise FunctionFailed(f"no answer in time:\n{self.output()}") from None
                continue
            if kind != "response" or request_id != invocation.request_id:
                raise FunctionFailed(f"{kind}: {body.decode(errors='replace')}\n{self.output()}")
            return json.loads(body) if body else None

    def initialize(self, patience: float = 10) -> None:
        """Waits until it asks for its first event, or has ended, or Lambda would not wait any longer. The time of an invocation begins
        after that."""
        deadline = time.monotonic() + patience
        while not self.ready.wait(0.01) and self._process.poll() is None and time.monotonic() < deadline:
            pass

    def peak_memory(self) -> int:
        """The most that the process ever had in memory, in bytes (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024

    def output(self) -> str:
        """The function's log."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _handler(api) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each event waits 40 ms for an acknowledgement

            def do_GET(self) -> None:
                if not api.ready.is_set():
                    api.ready_at = time.perf_counter()
                    api.ready.set()
                invocation = api._events.get()
                if invocation is None:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", invocation.request_id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:000000000000:function:alone")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(invocation.event)))
                self.end_headers()
                self.wfile.write(invocation.event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) if "Content-Length" in self.headers else self._chunks()
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if found := RESULT.fullmatch(self.path):
                    api._results.put((found[1] or "", found[2] or "init error", body))

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:  # the process was killed
                    self.close_connection = True

            def _chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_) -> None:
                pass

        return Handler
