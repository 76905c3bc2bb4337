"""A lane: the whole bundle for one case, with a database, stand-ins, queues and a clock that nobody else has.

    with Lane(ground) as lane:
        lane.scenario.callback(recording_sid)
        lane.drain()          # every message is worked on until it is done or dead, whatever delays that takes on the lane's clock
        lane.sweep()
"""

from __future__ import annotations

import json
import pickle
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from local.runtime_api import FunctionFailed
from local.scenario import Answer, Scenario
from standins.aws.queues_and_secrets import Message, QueuesAndSecrets
from standins.postgres import Postgres, apply_migrations, with_database
from standins.seeds import seed

from .bundle import Bundle
from .clock import ADJUSTABLE, Clock
from .functions import SWEEPER, Functions, Gateway
from .outside import Outside
from .prepared import Prepared, changed, copy_files, state_of

PUBLIC_BASE_URL = "https://voice.example.com"
# More deliveries than any case needs; a message that goes round and round for ever ends here.
MOST_DELIVERIES = 400
TEMPLATE = "prepared"
# Many small databases, each for a minute.
SETTINGS = {"max_connections": "400", "autovacuum": "off"}


class NeverSettles(AssertionError):
    """There is always another message."""


@dataclass(frozen=True)
class Ground:
    """The ground that all lanes of a run stand on; it can be handed to another process."""

    directory: Path
    bundle: Bundle
    template: str = TEMPLATE

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.directory / "postgres", settings=SETTINGS)

    def prepare(self) -> None:
        """Starts the database server, which ends with this process, and makes the database of which each lane's is a copy."""
        self.postgres.start(die_with_parent=True)
        url = self.postgres.create_database(self.template)
        with psycopg.connect(with_database(self.postgres.superuser_url, self.template), autocommit=True) as superuser:
            superuser.execute(ADJUSTABLE)
        apply_migrations(url)
        seed(url)

    def forget(self, prepared: Prepared) -> None:
        _drop(self.postgres, prepared.database)
        shutil.rmtree(prepared.directory)

    def damaged(self, template: str, function: str, old: str, new: str) -> "Ground":
        """The same with something of one SQL function replaced: for proving that the checks see it."""
        url = self.postgres.create_database(template, self.template)
        with psycopg.connect(url, autocommit=True) as owner:
            definition = owner.execute("select pg_get_functiondef(to_regproc(%s))", [function]).fetchone()[0]
            assert definition.count(old) == 1, f"{function} has {definition.count(old)} times {old!r}"
            owner.execute(definition.replace(old, new))
        return Ground(self.directory, self.bundle, template)


class Lane:
    """`ahead`: by how many seconds the database's clock is wrong. `rate`: how much faster than real time the lane's clock runs. `prepared`:
    what there is from the beginning."""

    def __init__(self, ground: Ground, ahead: float = 0, rate: float = 1, prepared: Prepared | None = None):
        self.ground = ground
        self._ahead, self._rate, self.prepared = ahead, rate, prepared
        # A message dies after this many receipts if that is fewer than its queue allows.
        self.patience: int | None = None
        # It is called before time passes to a later moment, and may do something first.
        self.before_time_passes = lambda until: None

    def __enter__(self) -> "Lane":
        self._closing = ExitStack()
        try:
            self._enter()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._closing.close()

    def _enter(self) -> None:
        later, postgres, bundle = self._closing.callback, self.ground.postgres, self.ground.bundle
        self._directory = directory = Path(tempfile.mkdtemp(dir=self.ground.directory))
        self._name = name = f"lane_{secrets.token_hex(6)}"
        self._kept = False
        later(self._remove)
        url = postgres.create_database(name, self.prepared.database if self.prepared else self.ground.template)
        self.clock = Clock(with_database(postgres.superuser_url, name), self._rate, self._ahead)
        later(self.clock.close)
        self.outside = Outside(with_database(postgres.authenticator_url, name), directory / "outside")
        later(self.outside.close)
        if self.prepared:
            self.clock.go_on(self.prepared.passed, self.prepared.database_time)
            self.prepared.restore(self.outside.vendors, directory / "outside")
        else:
            self._at_first = state_of(self.outside.vendors, directory / "outside")
        where = self.outside.vendors.where()

        # The template asks for an ARN; a lane's own ARN says which secret it is.
        self._arns = arns = {name: f"arn:aws:secretsmanager:eu-central-1:000000000000:secret:{name}-abcdef" for name in ("twilio", "supabase", "elevenlabs")}
        kept = {arns[name]: json.dumps({key: value for key, value in where[name].items() if key != "url"}) for name in arns}
        self.aws = QueuesAndSecrets(directory / "aws", bundle.queues, kept, self.clock.now)
        self.outside.listen("aws", self.aws)
        values = {
            "SupabaseUrl": where["supabase"]["url"], "TwilioApiUrl": where["twilio"]["url"], "ElevenLabsApiUrl": where["elevenlabs"]["url"],
            "SupabaseSecretArn": arns["supabase"], "TwilioSecretArn": arns["twilio"], "ElevenLabsSecretArn": arns["elevenlabs"],
            "PublicBaseUrl": PUBLIC_BASE_URL,
        } | {queue: self.aws.queue_url(queue) for queue in bundle.queues}  # fmt: skip
        self.functions = Functions(bundle, values | {"AWS_API_URL": self.aws.url}, self.outside.watch, self.clock)
        later(self.functions.close)
        gateway = Gateway(directory / "gateway", bundle, self.functions)
        self.outside.listen("gateway", gateway)
        self.scenario = LaneScenario({
            "api_url": gateway.url, "public_base_url": PUBLIC_BASE_URL, "database_url": url, **where, "aws": {"url": self.aws.url, "queues": {}},
        })  # fmt: skip
        later(self.scenario.close)

    def keep(self, run: dict) -> Prepared:
        """Keeps the present state, for other lanes to begin with; this lane is at its end. `run` is the flow's own state."""
        self._kept = True
        outside, kept = self._directory / "outside", self._directory / "kept"
        vendors = changed(self._at_first, state_of(self.outside.vendors, outside))
        # The stand-ins' own are gone with them.
        copy_files(outside, kept)
        prepared = Prepared(self._name, kept, vendors, pickle.dumps(run), self.clock.now(), self.clock.database_time(), time.monotonic())
        # Nobody may be connected to what is copied.
        self._closing.close()
        return prepared

    def _remove(self) -> None:
        if not self._kept:
            _drop(self.ground.postgres, self._name)
            shutil.rmtree(self._directory)

    # -- what happens by itself -----------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Works on messages, in the order in which they become visible, until all are done or dead."""
        for _ in range(MOST_DELIVERIES):
            if (message := self.aws.next()) is None:
                self.before_time_passes(float("inf"))
                if self.aws.next() is None:
                    return
                continue
            self.pass_time(until=message.visible_at)
            self.deliver(message)
        raise NeverSettles(f"{MOST_DELIVERIES} deliveries, and still there is {self.aws.next()}")

    def deliver(self, message: Message) -> None:
        self.work(message, self.aws.receive(message))

    def work(self, message: Message, event: dict) -> None:
        """Hands a message that was received to its function."""
        queue = message.queue
        try:
            answer = self.functions.invoke(queue.function, event)
            done = message.id not in [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        except FunctionFailed:
            # It becomes visible again when the queue's own time is over.
            done = False
        self.aws.settle(message, done, min(queue.most_receipts, self.patience or queue.most_receipts))

    def pass_time(self, seconds: float = 0, until: float | None = None) -> None:
        until = self.clock.now() + seconds if until is None else until
        if until > self.clock.now():
            self.before_time_passes(until)
        if until > self.clock.now():
            self.clock.pass_time(until - self.clock.now())

    def sweep(self, tries: int = 3) -> bool:
        """Sweeps as the schedule does; a run that fails is repeated twice. Returns whether one succeeded."""
        for _ in range(tries):
            with suppress(FunctionFailed):
                self.functions.invoke(SWEEPER, {})
                return True
            self.pass_time(60)
        return False

    def rotate(self, vendor: str, first_reads: int = 0, **versions: dict) -> None:
        """A secret gets new versions, by stage: what is current with these changes. `first_reads`: see `QueuesAndSecrets.rotate`."""
        current = json.loads(self.aws.secret(self._arns[vendor]))
        self.aws.rotate(self._arns[vendor], {stage: json.dumps(current | changes) for stage, changes in versions.items()}, first_reads)

    # -- looking --------------------------------------------------------------------------------------------------------------

    def rows(self, query: str, *values) -> list[tuple]:
        return self.scenario.database.execute(query, values).fetchall()


class LaneScenario(Scenario):
    """With the stand-ins' faults."""

    def fault(self, vendor: str, **fault) -> None:
        self.control("POST", vendor, "/faults", fault)

    def hits(self, vendor: str) -> int:
        return sum(fault["hits"] for fault in self.control("GET", vendor, "/faults").json()["faults"])

    def control(self, method: str, vendor: str, path: str, body: dict | None = None) -> Answer:
        where = self.stack[vendor]["url"]
        data = None if body is None else json.dumps(body).encode()
        return self.expect(range(200, 300), method, f"{where}/_control{path}", data, {"Content-Type": "application/json"})


def _drop(postgres: Postgres, name: str) -> None:
    with psycopg.connect(postgres.superuser_url, autocommit=True) as superuser:
        superuser.execute(f"drop database if exists {name} with (force)")
