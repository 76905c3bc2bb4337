"""The functions of a lane: the real bootstraps, each against a runtime API of its own, and the gateway before those that speak HTTP."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import threading
from collections import defaultdict
from pathlib import Path

from aiohttp import web

from local.events import example
from local.runtime_api import FunctionFailed, RuntimeApi
from standins.body import BODY
from standins.control import Vendor

from .bundle import Bundle
from .calls import Watch
from .clock import Clock

AWS_SETTINGS = {
    "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "NO_PROXY": "127.0.0.1", "HOME": os.devnull,
}  # fmt: skip


# This function fails when it could not do everything, and is then invoked again.
SWEEPER = "voice-sweeper"


class Functions:
    """Environments as Lambda has them: one invocation at a time each, kept warm, gone when an invocation fails in them."""

    def __init__(self, bundle: Bundle, values: dict[str, str], watch: Watch, clock: Clock):
        """`values`: see `Bundle.environment`."""
        self._bundle, self._values, self._watch, self._clock = bundle, values, watch, clock
        self._lock = threading.Lock()
        self._idle: dict[str, list[RuntimeApi]] = defaultdict(list)
        self._busy: dict[RuntimeApi, str] = {}
        self._killed: set[RuntimeApi] = set()
        self._logs: dict[str, str] = defaultdict(str)
        # Called before and after each invocation.
        self.begins = self.ends = lambda: None
        # Invocations that failed by themselves: they crashed, or took longer than the template lets them.
        self.failures: list[str] = []

    def environment(self, name: str) -> dict[str, str]:
        """The variables that a function is started with."""
        return AWS_SETTINGS | self._bundle.environment(name, self._values)

    def invoke(self, name: str, event):
        """The handler's answer. Raises FunctionFailed."""
        self._watch.begin(name)
        self.begins()
        environment = self._take(name)
        timeout, patience = self._bundle.functions[name].timeout, self._patience(name)
        try:
            environment.initialize()
            answer = environment.invoke(event, timeout, patience)
        except FunctionFailed as failed:
            why = str(failed).splitlines()[0]
            # If the clock runs faster, a timeout is only another way to be killed.
            killed = environment in self._killed or (patience < timeout and why.startswith("no answer in time"))
            if not killed and not (name == SWEEPER and why.startswith("error")):
                self.failures.append(f"{name}: {why}")
            self._remove(name, environment)
            raise
        finally:
            self.ends()
        with self._lock:
            del self._busy[environment]
            self._idle[name].append(environment)
        return answer

    def kill(self, name: str) -> None:
        """SIGKILL to where this function runs just now; the invocation fails."""
        with self._lock:
            environment = next(environment for environment, its in self._busy.items() if its == name)
            self._kill(environment)

    def kill_one(self, choose) -> str | None:
        """Sends SIGKILL to one of all environments, at work or not. Returns its function, if there was one."""
        with self._lock:
            environments = self._busy | {each: name for name, idle in self._idle.items() for each in idle}
            alive = [environment for environment in environments if environment not in self._killed]
            if not alive:
                return None
            environment = choose(alive)
            self._kill(environment)
            return environments[environment]

    def _kill(self, environment: RuntimeApi) -> None:
        self._killed.add(environment)
        os.kill(environment.pid, signal.SIGKILL)

    def make_cold(self) -> None:
        """Ends every environment, so that a later invocation starts a new one."""
        for name, environments in list(self._idle.items()):
            for environment in list(environments):
                environments.remove(environment)
                self._remove(name, environment)

    close = make_cold

    def log(self) -> str:
        """The logs of all of them."""
        self.make_cold()
        return "".join(f"-- {name}\n{text}" for name, text in self._logs.items())

    def lines(self) -> list[str]:
        """The lines that the warm and idle functions have logged."""
        return [line for idle in self._idle.values() for environment in idle for line in environment.output().splitlines()]

    def _patience(self, name: str) -> float:
        """Real seconds until Lambda would end it. A function that works for a queue must be gone before its lease is over, on the lane's
        clock; people wait in real time."""
        timeout = self._bundle.functions[name].timeout
        works_for_a_queue = any(queue.function == name for queue in self._bundle.queues.values())
        return self._clock.real(timeout) if works_for_a_queue else timeout

    def _take(self, name: str) -> RuntimeApi:
        with self._lock:
            while self._idle[name]:
                environment = self._idle[name].pop()
                if environment not in self._killed:
                    self._busy[environment] = name
                    return environment
                self._remove(name, environment)
            environment = RuntimeApi(self._bundle.bootstraps[name], self.environment(name) | {"AWS_LAMBDA_LOG_LEVEL": "INFO"}, name)
            environment.__enter__()
            self._busy[environment] = name
            return environment

    def _remove(self, name: str, environment: RuntimeApi) -> None:
        self._busy.pop(environment, None)
        self._logs[name] += environment.output()
        environment.__exit__()


class Gateway(Vendor):
    """The HTTP API: a request becomes the event of the function that its route leads to (payload format 2.0)."""

    def __init__(self, directory: Path, bundle: Bundle, functions: Functions):
        super().__init__(directory)
        self._bundle, self._functions = bundle, functions

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.route("*", "/{path:.*}", self._serve)]

    def reset(self) -> None:
        pass

    def refusal(self, request: web.Request, error: Exception) -> web.Response:
        """A failed invocation is a 500 there, too."""
        missing = isinstance(error, web.HTTPException)
        return web.json_response({"message": "Not Found" if missing else "Internal Server Error"}, status=404 if missing else 500)

    async def _serve(self, request: web.Request) -> web.Response:
        function = self._bundle.route(request.method, request.path)
        if function is None:
            raise web.HTTPNotFound
        answer = await asyncio.to_thread(self._functions.invoke, function, _event(request))
        body = answer.get("body") or ""
        return web.Response(
            status=answer["statusCode"], headers=answer.get("headers"), body=base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        )


def _event(request: web.Request) -> dict:
    event = example("recording-webhook")
    event["rawPath"] = event["requestContext"]["http"]["path"] = request.rel_url.raw_path
    event["rawQueryString"] = request.rel_url.raw_query_string
    event["requestContext"]["http"]["method"] = request.method
    event["headers"] = {name.lower(): value for name, value in request.headers.items()}
    event["body"] = base64.b64encode(request[BODY].read()).decode()
    return event
