"""The watch over a deployment: the alarms, the dashboard, and metric filters that fit the lines that the functions write."""

from __future__ import annotations

import json
import re

import pytest

from .expanded import TEMPLATE, expanded
from .test_template import FUNCTIONS, QUEUES, of_type, properties, ref

ALARMS = of_type("AWS::CloudWatch::Alarm")
FILTERS = of_type("AWS::Logs::MetricFilter")
DASHBOARD = properties("Dashboard")["DashboardBody"]["Fn::Sub"]

# As the functions write them with LogFormat JSON.
SPAN = {"span": {"requestId": "7e877e06", "name": "Lambda runtime invoke"}}
REFUSED = {"level": "WARN", "fields": {"message": "a callback is refused", "code": "signature_invalid"}, **SPAN}
QUEUED = {"level": "INFO", "fields": {"message": "the recording is queued", "recording_sid": "RE0"}, **SPAN}
OVERSIZED = {"level": "ERROR", "fields": {"message": "a recording is larger than Storage takes", "bytes": 60_000_000}, **SPAN}
STORED = {"level": "INFO", "fields": {"message": "the recording is stored", "bytes": 60_000_000}, **SPAN}
SWEPT = {"level": "INFO", "fields": {"message": "swept", "symptoms": 3, "erasures_started": 0, "attempts_queued": 3}, **SPAN}
# What the API writes has the shape of the stage's own format, every value a text.
ANSWERED = {name: value.removeprefix("$context.") for name, value in json.loads(properties("Stage")["AccessLogSettings"]["Format"]).items()}
THROTTLED = ANSWERED | {"route": "ANY /twilio/recording", "status": "429"}


def swept(**findings: int) -> dict:
    return SWEPT | {"fields": SWEPT["fields"] | findings}


# -- metric filters -------------------------------------------------------------------------------------------------------


def value_at(line: dict, selector: str):
    for step in selector.removeprefix("$.").split("."):
        line = line.get(step) if isinstance(line, dict) else None
    return line


def counted(name: str, line: dict) -> float | None:
    """What the filter adds to its metric for a line. Knows the part of the pattern syntax that is used here.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
    """
    pattern = re.fullmatch(r"\{ (.+) \}", FILTERS[name]["FilterPattern"])[1]
    for condition in pattern.split(" && "):
        selector, comparison, expected = re.fullmatch(r'(\$[.\w]+) (=|>) ("[^"]*"|\d+)', condition).groups()
        found, expected = value_at(line, selector), json.loads(expected)
        if type(found) is not type(expected) or not (found == expected if comparison == "=" else found > expected):
            return None
    (transformation,) = FILTERS[name]["MetricTransformations"]
    value = transformation["MetricValue"]
    return float(value_at(line, value) if value.startswith("$") else value)


@pytest.mark.parametrize("name, line, count", [
    ("CallbacksRefusedFilter", REFUSED, 1),
    ("CallbacksRefusedFilter", QUEUED, None),
    ("CallbacksThrottledFilter", THROTTLED, 1),
    ("CallbacksThrottledFilter", THROTTLED | {"status": "204"}, None),
    ("CallbacksThrottledFilter", THROTTLED | {"route": "ANY /api/audit"}, None),
    ("OversizedRecordingsFilter", OVERSIZED, 1),
    ("OversizedRecordingsFilter", STORED, None),
    ("SweepSymptomsFilter", SWEPT, 3),
    ("SweepSymptomsFilter", swept(symptoms=0, erasures_started=7), None),
])
def test_a_filter_counts_what_it_has_to_and_nothing_else(name, line, count):
    assert counted(name, line) == count


def test_the_filters_read_the_logs_of_whoever_writes_the_lines():
    assert {name: found["LogGroupName"] for name, found in FILTERS.items()} == {
        "CallbacksRefusedFilter": ref("RecordingWebhookLogs"),
        "CallbacksThrottledFilter": ref("AccessLogs"),
        "OversizedRecordingsFilter": ref("RecordingIngestLogs"),
        "SweepSymptomsFilter": ref("VoiceSweeperLogs"),
    }


def test_every_log_message_that_is_looked_for_is_one_that_the_code_writes():
    code = "".join(file.read_text() for folder in ("functions", "shared") for file in (TEMPLATE.parent / folder).rglob("*.rs"))
    found = [message for text in (TEMPLATE.read_text(), (TEMPLATE.parent / "docs" / "operations.md").read_text()) for message in messages(text)]
    assert len(found) > 10
    assert [message for message in found if f'"{message}"' not in code] == []


def messages(text: str) -> list[str]:
    """The log messages that filter patterns and queries name."""
    named = re.findall(r"fields\.message (?:=|in) (\[.+?\]|\"[^\"]+\"|'[^']+')", text.replace('\\"', '"'))
    return [double or single for part in named for double, single in re.findall(r"\"([^\"]+)\"|'([^']+)'", part)]


# -- alarms ---------------------------------------------------------------------------------------------------------------


def metric(alarm: dict) -> tuple:
    return alarm["Namespace"], alarm["MetricName"], *(dimension["Value"] for dimension in alarm.get("Dimensions", []))


def test_the_alarms_are_these():
    expected = [("AWS/Lambda", name, ref(function)) for function in FUNCTIONS for name in ("Errors", "Throttles")]
    for queue, dead_letters in QUEUES.items():
        expected.append(("AWS/SQS", "ApproximateAgeOfOldestMessage", {"Fn::GetAtt": [queue, "QueueName"]}))
        expected.append(("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"Fn::GetAtt": [dead_letters, "QueueName"]}))
    expected.append(("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", {"Fn::GetAtt": ["ErasureQueue", "QueueName"]}))
    expected.append(("AWS/ApiGateway", "5xx", ref("HttpApi")))
    expected += [(ref("AWS::StackName"), name) for name in ("CallbacksRefused", "CallbacksThrottled", "OversizedRecordings", "SweepSymptoms")]
    assert sorted(map(metric, ALARMS.values()), key=repr) == sorted(expected, key=repr)


def test_every_metric_that_the_logs_are_counted_for_has_an_alarm():
    written = {(t["MetricNamespace"]["Ref"], t["MetricName"]) for found in FILTERS.values() for t in found["MetricTransformations"]}
    alarmed = {(alarm["Namespace"]["Ref"], alarm["MetricName"]) for alarm in ALARMS.values() if isinstance(alarm["Namespace"], dict)}
    assert written == alarmed


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_tells_somebody_and_says_where_to_read_on(name):
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == [
        {"Fn::If": ["HasAlarmEmail", ref("AlarmTopic"), ref("AWS::NoValue")]},
        {"Fn::If": ["HasAlarmTopicArn", ref("AlarmTopicArn"), ref("AWS::NoValue")]},
    ]
    assert re.fullmatch(r"[^.]+ \(see docs/operations\.md\)\.", alarm["AlarmDescription"])
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    if alarm["MetricName"] != "ApproximateAgeOfOldestMessage":
        assert alarm["Threshold"] == 0, "the first one counts"


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_looks_at_what_its_metric_means(name):
    """A maximum of what is there at a moment, a sum of what happens."""
    counts_events = ALARMS[name]["Namespace"] != "AWS/SQS"
    assert ALARMS[name]["Statistic"] == ("Sum" if counts_events else "Maximum")


def test_an_alarm_rings_at_the_first_sign_but_for_what_may_happen_for_a_while():
    patient = {
        name: (alarm["Period"], alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm"))
        for name, alarm in ALARMS.items() if alarm["EvaluationPeriods"] > 1
    }
    assert patient == {"ErasureStuckAlarm": (300, 12, None), "ApiFailuresAlarm": (300, 3, 2)}


# -- dashboard ------------------------------------------------------------------------------------------------------------


def widgets() -> list[dict]:
    return json.loads(DASHBOARD)["widgets"]


def metrics(widget: dict) -> list[list]:
    return [line for line in widget["properties"].get("metrics", []) if isinstance(line[0], str)]


def test_the_dashboard_is_json_for_this_region_under_a_name_of_its_own():
    # What is written as ${…} is text within the JSON, so it parses before the substitution too.
    assert all(widget["properties"]["region"] == "${AWS::Region}" and widget["properties"]["title"] for widget in widgets())
    assert properties("Dashboard")["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


def test_the_dashboard_shows_every_function_queue_and_counted_metric():
    shown = {tuple(part for part in line if isinstance(part, str)) for widget in widgets() for line in metrics(widget)}
    for function in FUNCTIONS:
        for name in ("Errors", "Throttles", "Duration"):
            assert ("AWS/Lambda", name, "FunctionName", f"${{{function}}}") in shown
    for queue, dead_letters in QUEUES.items():
        for name in ("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage"):
            assert ("AWS/SQS", name, "QueueName", f"${{{queue}.QueueName}}") in shown
        assert ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"${{{dead_letters}.QueueName}}") in shown
    for name in ("CallbacksRefused", "CallbacksThrottled", "OversizedRecordings", "SweepSymptoms"):
        assert ("${AWS::StackName}", name) in shown
    assert {("AWS/ApiGateway", name, "ApiId", "${HttpApi}") for name in ("Count", "4xx", "5xx")} <= shown


def test_durations_are_shown_as_shares_of_the_functions_timeouts():
    (widget,) = [widget for widget in widgets() if any(line[1] == "Duration" for line in metrics(widget))]
    functions = {line[-1]["id"]: line[3][2:-1] for line in metrics(widget)}
    shares = [line[0] for line in widget["properties"]["metrics"] if isinstance(line[0], dict)]
    shown = {}
    for share in shares:
        id, milliseconds = re.fullmatch(r"100 \* (\w+) / (\d+)", share["expression"]).groups()
        assert share["label"] == FUNCTIONS[functions[id]]
        shown[functions[id]] = int(milliseconds)
    assert shown == {function: properties(function)["Timeout"] * 1000 for function in FUNCTIONS}


def test_queries_of_the_dashboard_read_log_groups_of_the_stack():
    queries = [widget["properties"]["query"] for widget in widgets() if widget["type"] == "log"]
    groups = [group for query in queries for group in re.findall(r"SOURCE '\$\{(\w+)\}'", query)]
    assert len(groups) >= len(queries) and set(groups) <= set(of_type("AWS::Logs::LogGroup"))


def test_widgets_lie_side_by_side():
    taken = set()
    for widget in widgets():
        cells = {(widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, widget["properties"]["title"]
        taken |= cells


def test_the_substitutions_of_the_dashboard_name_what_there_is():
    names = set(re.findall(r"\$\{([\w:]+)(?:\.QueueName)?\}", DASHBOARD))
    assert DASHBOARD.count("${") == len(re.findall(r"\$\{[\w:]+(?:\.QueueName)?\}", DASHBOARD))
    assert names - set(expanded()["Resources"]) == {"AWS::Region", "AWS::StackName"}
