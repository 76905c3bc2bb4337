"""The deployed bundle as an operator should have it, and the doctor looking at it."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager

import pytest

from standins.call import recording
from local.doctor import Deployed, Finding, examine
from local.scenario import Scenario


class Patient(Scenario):
    """A stack, what can go wrong with it, and what the doctor says of it."""

    @property
    def callback_url(self) -> str:
        return f"{self.stack['public_base_url']}/twilio/recording#rc=5&rp=all"

    def deployment(self, **wishes) -> Deployed:
        return Deployed.of_stack_file(self.stack, **{"callback_url": self.callback_url} | wishes)

    def examined(self, **wishes) -> dict[str, Finding]:
        return dict(examine(self.deployment(**wishes)))

    def control(self, method: str, vendor: str, path: str, body: dict | None = None) -> dict:
        url = f"{self.stack[vendor]['url']}/_control{path}"
        return self.expect(range(200, 300), method, url, json.dumps(body).encode(), {"Content-Type": "application/json"}).json()

    # -- what goes wrong, for as long as the block runs --------------------------------------------------------------------

    @contextmanager
    def account(self, vendor: str, **settings):
        """Other settings of a vendor's account."""
        before = self.control("PUT", vendor, "/account", {})
        self.control("PUT", vendor, "/account", settings)
        yield
        self.control("PUT", vendor, "/account", {name: before[name] for name in settings})

    @contextmanager
    def secret(self, vendor: str, value):
        """Another value; a text as it is."""
        client, arn = self.aws("secretsmanager"), self.stack["aws"]["secrets"][vendor]
        before = client.get_secret_value(SecretId=arn)["SecretString"]
        client.put_secret_value(SecretId=arn, SecretString=value if isinstance(value, str) else json.dumps(value))
        yield
        client.put_secret_value(SecretId=arn, SecretString=before)

    @contextmanager
    def sql(self, statement: str, undo: str):
        self.database.execute(statement)
        yield
        self.database.execute(undo)

    @contextmanager
    def bucket(self, name: str, **settings):
        key = self.stack["supabase"]["secret_key"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        url = f"{self.stack['supabase']['url']}/storage/v1/bucket"
        self.expect([200], "POST", url, json.dumps({"id": name, "name": name} | settings).encode(), headers)
        yield
        self.expect([200], "DELETE", f"{url}/{name}", None, headers)

    @contextmanager
    def environment_of(self, function: str, **variables):
        client, name = self.aws("lambda"), self.stack["aws"]["functions"][function]
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})
        yield
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    @contextmanager
    def event_source_off(self, function: str):
        client = self.aws("lambda")
        [source, *_] = client.list_event_source_mappings(FunctionName=self.stack["aws"]["functions"][function])["EventSourceMappings"]
        client.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
        yield
        client.update_event_source_mapping(UUID=source["UUID"], Enabled=True)

    @contextmanager
    def rules(self, enabled: bool):
        """The sweep's schedule, on or off."""
        events = self.aws("events")
        before = {rule["Name"]: rule["State"] for rule in events.list_rules()["Rules"]}
        for name in before:
            (events.enable_rule if enabled else events.disable_rule)(Name=name)
        yield
        for name, state in before.items():
            (events.enable_rule if state == "ENABLED" else events.disable_rule)(Name=name)

    @contextmanager
    def recording_at_twilio(self, **settings):
        sid = self.new_recording(self.new_call(None), recording(), **settings)
        yield sid

    @contextmanager
    def dead_letter(self, queue: str):
        url = self.stack["aws"]["queues"][f"{queue}_dead_letters"]
        self.aws("sqs").send_message(QueueUrl=url, MessageBody="{}")
        yield
        self.aws("sqs").purge_queue(QueueUrl=url)

    @contextmanager
    def fault(self, vendor: str, **fault):
        number = self.control("POST", vendor, "/faults", fault | {"times": None})["id"]
        yield
        self.control("DELETE", vendor, f"/faults/{number}")


@pytest.fixture
def patient(stack):
    """Nothing is wrong with it."""
    patient = Patient(stack)
    patient.clean()
    cloudwatch = patient.aws("cloudwatch")
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="a test begins")
    with ExitStack() as well:
        # As docs/operations.md asks for.
        well.enter_context(patient.account("supabase", file_size_limit=250_000_000))
        well.enter_context(patient.rules(enabled=True))
        well.enter_context(patient.recording_at_twilio())
        yield patient
    patient.close()
