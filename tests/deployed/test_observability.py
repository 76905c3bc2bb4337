"""An operator finds one call by the same id in every log line, message and request to a vendor, and sees the metrics."""

from __future__ import annotations

import json
import urllib.parse
import uuid

import pytest

from standins.call import recording

from .spine import call_becomes_voice, everything_is_erased, recording_is_stored, requested_attempt
from .test_webhook import FORM, Webhook

FORGED = "forged-by-a-stranger"
FORGERIES = {name: FORGED for name in ("X-Request-Id", "X-Amzn-RequestId", "X-Correlation-Id")} | {"X-Amzn-Trace-Id": f"Root={FORGED}"}


@pytest.fixture
def watched(scenario):
    return Watched(scenario)


class Watched:
    """The log lines, and the requests to vendors, from now on."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.since = int(scenario.one("select extract(epoch from clock_timestamp()) * 1000"))

    def lines(self, function: str) -> list[dict]:
        """The lines of the function itself; Lambda's own about an invocation have no level."""
        found = [json.loads(text) for text in self.scenario.logs(function, self.since).splitlines() if text.startswith("{")]
        return [line for line in found if "level" in line]

    def line(self, function: str, message: str, **fields) -> dict:
        """A line with these fields, once it is there."""
        wanted = {"message": message} | fields

        def look() -> dict | None:
            return next((line for line in self.lines(function) if wanted.items() <= line.get("fields", {}).items()), None)

        return self.scenario.until(look, f"the line of {function}: {message}")

    def metrics(self, function: str, name: str, number: int = 1) -> list[dict]:
        """The lines of a metric, once there are so many, each checked for what CloudWatch needs to take it."""

        def look() -> list[dict] | None:
            found = [line for line in self.lines(function) if name in line]
            return found if len(found) >= number else None

        found = self.scenario.until(look, f"the metric {name} of {function}")
        for line in found:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == self.scenario.stack["aws"]["stack_name"]
            assert [metric["Name"] for metric in directive["Metrics"]] == [name]
            assert all(isinstance(line[dimension], str) for dimensions in directive["Dimensions"] for dimension in dimensions)
            assert line["FunctionName"] == self.scenario.stack["aws"]["functions"][function]
            assert abs(line["_aws"]["Timestamp"] - self.since) < 600_000
        return found

    def asked_under(self, vendor: str, **query) -> set[str | None]:
        """The ids of what the functions asked of a vendor."""
        headers = [{name.lower(): value for name, value in entry["headers"].items()} for entry in self.scenario.journal(vendor, **query)]
        found = {line.get("x-request-id") for line in headers if line.get("user-agent", "").startswith("understudy/")}
        assert found, f"nothing was asked of {vendor}"
        return found


def id_of(line: dict) -> str:
    return line["span"]["correlation_id"]


def dimensions(line: dict) -> list[list[str]]:
    return line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]


def test_one_id_leads_from_twilios_request_to_the_vendors_and_no_header_of_a_stranger_sets_it(watched):
    scenario = watched.scenario
    webhook = Webhook(scenario)
    headers = {"Content-Type": FORM, "X-Twilio-Signature": webhook.sign(webhook.fields)} | FORGERIES
    url = f"{scenario.stack['api_url']}/twilio/recording"
    assert webhook.arrives(scenario.request("POST", url, urllib.parse.urlencode(webhook.fields).encode(), headers))

    recording_sid = webhook.fields["RecordingSid"]
    id = id_of(watched.line("recording-webhook", "the recording is queued", recording_sid=recording_sid))
    assert id_of(watched.line("recording-ingest", "the recording is stored", recording_sid=recording_sid)) == id
    assert watched.asked_under("twilio", path=recording_sid) == {id}
    assert watched.asked_under("supabase", path=recording_sid) == {id}
    watched.metrics("recording-ingest", "StepSeconds", 2)
    for function in ("recording-webhook", "recording-ingest"):
        assert [line for line in watched.lines(function) if id_of(line) != id] == []
        assert FORGED not in scenario.logs(function, watched.since)


def test_one_id_leads_from_the_request_for_a_clone_to_elevenlabs_and_another_from_the_withdrawal_to_the_end_of_the_erasure(watched):
    scenario = watched.scenario
    employee = scenario.new_employee()
    call_becomes_voice(scenario, employee, recording(), FORGERIES)
    attempt = scenario.one("select id from voices where employee_id = %s", employee)
    id = id_of(watched.line("clone-worker", "the voice is the employee's", attempt_id=str(attempt)))
    assert watched.asked_under("supabase", path="/rpc/request_clone$") == watched.asked_under("elevenlabs", path="/v1/voices/add$") == {id}
    assert [line for line in watched.lines("clone-worker") if id_of(line) != id] == []

    for vendor in ("supabase", "elevenlabs"):
        scenario.forget_journal(vendor)
    assert scenario.api("DELETE", f"/employees/{employee}/voice-consent", **FORGERIES).status == 200
    everything_is_erased(scenario, employee)
    (withdrawal,) = watched.asked_under("supabase", path="/rpc/withdraw_voice_consent$")
    assert watched.asked_under("supabase", path="/rpc/copy_erased$") == watched.asked_under("elevenlabs", method="DELETE") == {withdrawal}
    assert withdrawal not in (id, FORGED)


@pytest.mark.parametrize("attributes", [{}, {"correlation_id": {"stringValue": "two words", "dataType": "String"}}], ids=["none", "malformed"])
def test_a_message_without_an_id_or_with_one_that_is_none_has_that_of_lambdas_request(watched, attributes):
    message = str(uuid.uuid4())
    record = {"messageId": message, "receiptHandle": "of no queue", "body": "{}", "attributes": {}, "messageAttributes": attributes, "eventSource": "aws:sqs"}
    function = watched.scenario.stack["aws"]["functions"]["recording-ingest"]
    answer = watched.scenario.aws("lambda").invoke(FunctionName=function, Payload=json.dumps({"Records": [record]}))
    assert json.loads(answer["Payload"].read()) == {"batchItemFailures": [{"itemIdentifier": message}]}
    line = watched.line("recording-ingest", "the message stays in the queue", message_id=message)
    assert id_of(line) == line["spans"][0]["requestId"]


def test_a_sweep_has_an_id_and_hands_it_on(watched):
    scenario = watched.scenario
    employee = scenario.new_employee()
    recording_is_stored(scenario, employee, recording())
    attempt = requested_attempt(scenario, employee)
    scenario.database.execute("update voices set requested_at = now() - interval '7 hours' where id = %s", [attempt])
    scenario.swept()
    line = watched.line("voice-sweeper", "swept")
    assert id_of(line) == line["spans"][0]["requestId"]
    assert id_of(watched.line("clone-worker", "the voice is the employee's", attempt_id=attempt)) == id_of(line)
    (symptoms,) = watched.metrics("voice-sweeper", "SweepSymptoms")
    assert (symptoms["SweepSymptoms"], id_of(symptoms)) == (line["fields"]["symptoms"], id_of(line))


def test_what_is_stored_and_how_long_it_took_is_counted(watched):
    recording_is_stored(watched.scenario, watched.scenario.new_employee(), recording())
    (stored,) = watched.metrics("recording-ingest", "RecordingsStored")
    assert stored["RecordingsStored"] == 1 and dimensions(stored) == [["FunctionName"]]
    steps = watched.metrics("recording-ingest", "StepSeconds", 2)
    assert {step["Step"] for step in steps} == {"store_recording", "publish_recording"}
    assert all(step["StepSeconds"] > 0 and dimensions(step) == [["FunctionName", "Step"]] for step in steps)


def test_a_clone_is_counted_as_ready_or_as_refused_by_its_code_and_the_vendors_error_by_its_own(watched):
    scenario = watched.scenario
    employee = scenario.new_employee()
    recording_is_stored(scenario, employee, recording())
    assert scenario.ask_for_clone(employee).status == 403
    (refused,) = watched.metrics("clone-voice", "RequestsRefused")
    assert (refused["RequestsRefused"], refused["Code"]) == (1, "consent_required")
    assert dimensions(refused) == [["FunctionName"], ["FunctionName", "Code"]]

    scenario.consent(employee)
    scenario.fault("elevenlabs", path="/v1/voices/add$", status=400, body={"detail": {"code": "voice_limit_reached"}})
    assert scenario.ask_for_clone(employee).status != 200
    (refused,) = watched.metrics("clone-worker", "ClonesRefused")
    assert (refused["ClonesRefused"], refused["Code"]) == (1, "voice_limit_reached")
    (error,) = watched.metrics("clone-worker", "VendorErrors")
    assert (error["Vendor"], error["Code"], error["Action"]) == ("elevenlabs", "voice_limit_reached", "add a voice")
    assert dimensions(error) == [["FunctionName"], ["FunctionName", "Vendor", "Code"]]
    assert id_of(error) == id_of(refused)

    scenario.clone(employee)
    (ready,) = watched.metrics("clone-worker", "ClonesReady")
    assert ready["ClonesReady"] == 1
    assert {"make_sample", "add_voice", "finish_clone"} == {step["Step"] for step in watched.metrics("clone-worker", "StepSeconds", 5)}


def test_a_cold_start_is_counted_once_for_each_environment(watched):
    scenario = watched.scenario
    scenario.make_cold("voice-sweeper")
    scenario.swept()
    scenario.swept()
    watched.metrics("voice-sweeper", "SweepSymptoms", 2)
    (cold,) = watched.metrics("voice-sweeper", "ColdStarts")
    assert cold["ColdStarts"] == 1 and id_of(cold)
