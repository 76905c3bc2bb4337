"""Connects `sam local` with the stack: its containers reach the stack, and get its environment.

    with Bridge(stack, directory) as bridge:
        bridge.env_file, bridge.host

`sam local invoke` runs a function in a container on Docker's default bridge, where 127.0.0.1 is the container itself, and its
`--docker-network host` does not change that (https://github.com/aws/aws-sam-cli/pull/7278). The stack listens on loopback
only. So each port of the stack is also opened on this machine's address on that bridge, which nothing but containers
reaches, and passed on. `env.json` names the stack by that address: for each function every variable that the template
declares, since `sam local` ignores all others.

Needs a Docker Engine on this machine: the bridge of Docker Desktop or of a rootless one is somewhere else.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
import socketserver
import threading
from pathlib import Path
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException

from .scenario import Scenario
from .stack import FUNCTIONS

LOOPBACK = "127.0.0.1"


class NoBridge(RuntimeError):
    """Containers cannot be given a way to the stack; the text says why."""


class Bridge:
    """Between `stack`, the content of stack.json, and Docker's default bridge. `env.json` is written to `directory`."""

    def __init__(self, stack, directory: Path, host: str | None = None):
        self.host = host or gateway()
        self.env_file = Path(directory) / "env.json"
        self._stack = stack
        self._servers: list[_Passing] = []

    def __enter__(self) -> "Bridge":
        try:
            for port in ports(self._stack):
                self._open(port)
        except BaseException:
            self.__exit__()
            raise
        self.env_file.write_text(json.dumps(environment(self._stack, self.host), indent=2) + "\n")
        return self

    def __exit__(self, *exception) -> None:
        self.env_file.unlink(missing_ok=True)
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _open(self, port: int) -> None:
        try:
            server = _Passing((self.host, port), _Connection)
        except OSError as error:
            hint = "is another bridge open?" if error.errno == errno.EADDRINUSE else "is the Docker Engine not on this machine?"
            raise NoBridge(f"port {port} of {self.host}, Docker's bridge, cannot be opened ({error.strerror}): {hint}") from None
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()


def gateway() -> str:
    """This machine's address on Docker's default bridge. Raises NoBridge."""
    try:
        subnet = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]
    except (DockerException, LookupError, OSError) as error:
        raise NoBridge(f"Docker with its default bridge does not answer: {error}") from None
    # Engines before 23 name the gateway only if it was configured; it is the first address.
    return subnet.get("Gateway") or str(next(ipaddress.ip_network(subnet["Subnet"]).hosts()))


def ports(stack) -> list[int]:
    """The ports of the stack that a function reaches."""
    urls = [stack["aws"]["endpoint_url"], *(stack[vendor]["url"] for vendor in ("twilio", "supabase", "elevenlabs"))]
    return [urlsplit(url).port for url in urls]


def environment(stack, host: str) -> dict[str, dict[str, str]]:
    """The content for `sam local --env-vars`: variables by the function's name in the template, the stack at address `host`."""
    scenario = Scenario(stack)
    client = scenario.aws("lambda")

    def variables(function: str) -> dict[str, str]:
        name = stack["aws"]["functions"][function]
        deployed = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        local = deployed | {"AWS_API_URL": stack["aws"]["endpoint_url"]}
        return {name: value.replace(f"http://{LOOPBACK}:", f"http://{host}:") for name, value in local.items()}

    return {logical_id: variables(function) for function, logical_id in FUNCTIONS.items()}


class _Passing(socketserver.ThreadingTCPServer):
    """Passes connections on to the same port of loopback."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with socket.create_connection((LOOPBACK, self.server.server_address[1])) as inside:
            back = threading.Thread(target=_copy, args=(inside, self.request), daemon=True)
            back.start()
            _copy(self.request, inside)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copies until `source` ends, and passes the end on."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one side is gone, and the other has to learn of it
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
