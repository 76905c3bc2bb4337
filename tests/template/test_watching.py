"""The watch over a deployment: the metrics that the code counts, the metric filter, the alarms, the dashboard, the saved queries."""

from __future__ import annotations

import json
import re

import pytest

from .expanded import TEMPLATE, expanded
from .test_template import FUNCTIONS, QUEUES, of_type, properties, ref

ALARMS = of_type("AWS::CloudWatch::Alarm")
FILTERS = of_type("AWS::Logs::MetricFilter")
DASHBOARD = properties("Dashboard")["DashboardBody"]["Fn::Sub"]

# A line of the API's log, in the stage's own format: every value is a text.
ANSWERED = {name: value.removeprefix("$context.") for name, value in json.loads(properties("Stage")["AccessLogSettings"]["Format"]).items()}
THROTTLED = ANSWERED | {"route": "ANY /twilio/recording", "status": "429"}

CODE = "".join(file.read_text() for folder in ("functions", "shared") for file in (TEMPLATE.parent / folder).rglob("*.rs"))
# Name → its dimensions besides the function.
COUNTED = {name: tuple(re.findall(r'\("(\w+)", ', by)) for name, by in re.findall(r'metrics::count\("(\w+)", .+?, &\[(.*?)\], &\[\]\)', CODE)}
COUNTED |= {"VendorErrors": ("Vendor", "Code"), "StepSeconds": ("Step",)}
STEPS = set(re.findall(r'timed\(\s*"(\w+)"', CODE))


# -- metrics --------------------------------------------------------------------------------------------------------------


def test_the_metrics_are_these_and_the_documentation_lists_them_with_their_dimensions():
    operations = (TEMPLATE.parent / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\| [^|]+ \|$", operations, re.MULTILINE)
    listed = {name: tuple(re.findall(r"`(\w+)`", dimensions)) for name, dimensions in rows if name in COUNTED}
    assert listed == COUNTED
    assert len(COUNTED) == 9


def test_the_documentation_names_every_step():
    operations = (TEMPLATE.parent / "docs" / "operations.md").read_text()
    assert len(STEPS) == 6
    assert [step for step in STEPS if f"`{step}`" not in operations] == []


# -- metric filters -------------------------------------------------------------------------------------------------------


def value_at(line: dict, selector: str):
    for step in selector.removeprefix("$.").split("."):
        line = line.get(step) if isinstance(line, dict) else None
    return line


def counted(name: str, line: dict) -> float | None:
    """The number that the filter adds to its metric for a line. Knows the part of the pattern syntax that is used here.

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
    ("CallbacksThrottledFilter", THROTTLED, 1),
    ("CallbacksThrottledFilter", THROTTLED | {"status": "204"}, None),
    ("CallbacksThrottledFilter", THROTTLED | {"route": "ANY /api/audit"}, None),
])
def test_a_filter_counts_what_it_has_to_and_nothing_else(name, line, count):
    assert counted(name, line) == count


def test_only_the_api_is_counted_by_its_log_since_the_functions_write_their_own_metrics():
    assert {name: found["LogGroupName"] for name, found in FILTERS.items()} == {"CallbacksThrottledFilter": ref("AccessLogs")}


def test_every_log_message_that_is_looked_for_is_one_that_the_code_writes():
    found = [message for text in (TEMPLATE.read_text(), (TEMPLATE.parent / "docs" / "operations.md").read_text()) for message in messages(text)]
    assert len(found) > 10
    assert [message for message in found if f'"{message}"' not in CODE] == []


def messages(text: str) -> list[str]:
    """The log messages that filter patterns and queries name."""
    named = re.findall(r"fields\.message (?:=|in) (\[.+?\]|\"[^\"]+\"|'[^']+')", text.replace('\\"', '"'))
    return [double or single for part in named for double, single in re.findall(r"\"([^\"]+)\"|'([^']+)'", part)]


# -- alarms ---------------------------------------------------------------------------------------------------------------


# The metrics of the code that ring an alarm → the function that counts them.
ALARMING = {"RequestsRefused": "RecordingWebhook", "OversizedRecordings": "RecordingIngest", "SweepSymptoms": "VoiceSweeper"}


def metric(alarm: dict) -> tuple:
    return alarm["Namespace"], alarm["MetricName"], *(dimension["Value"] for dimension in alarm.get("Dimensions", []))


def test_the_alarms_are_these():
    expected = [("AWS/Lambda", name, ref(function)) for function in FUNCTIONS for name in ("Errors", "Throttles")]
    for queue, dead_letters in QUEUES.items():
        expected.append(("AWS/SQS", "ApproximateAgeOfOldestMessage", {"Fn::GetAtt": [queue, "QueueName"]}))
        expected.append(("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"Fn::GetAtt": [dead_letters, "QueueName"]}))
    expected.append(("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", {"Fn::GetAtt": ["ErasureQueue", "QueueName"]}))
    expected.append(("AWS/ApiGateway", "5xx", ref("HttpApi")))
    expected.append((ref("AWS::StackName"), "CallbacksThrottled"))
    expected += [(ref("AWS::StackName"), name, ref(function)) for name, function in ALARMING.items()]
    assert sorted(map(metric, ALARMS.values()), key=repr) == sorted(expected, key=repr)


def test_every_alarm_listens_to_a_metric_that_is_written():
    written = {t["MetricName"] for found in FILTERS.values() for t in found["MetricTransformations"]} | set(COUNTED)
    alarmed = [alarm for alarm in ALARMS.values() if isinstance(alarm["Namespace"], dict)]
    assert {alarm["MetricName"] for alarm in alarmed} <= written
    assert all({dimension["Name"] for dimension in alarm.get("Dimensions", [])} <= {"FunctionName"} for alarm in alarmed)


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
    # A part written as ${…} is text within the JSON, so it parses before the substitution too.
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
    assert ("${AWS::StackName}", "CallbacksThrottled") in shown
    found = {(line[1], dimension) for line in shown if line[0] == "${AWS::StackName}" for dimension in line[2:3] or [None]}
    searched = re.findall(r'SEARCH\(\'\{"\$\{AWS::StackName\}",([\w,]+)\} MetricName="(\w+)"\'', DASHBOARD.replace('\\"', '"'))
    for dimensions, name in searched:
        assert tuple(dimensions.split(",")) == ("FunctionName", *COUNTED[name]), name
    assert {name for name, _ in found} - {"CallbacksThrottled"} | {name for _, name in searched} == set(COUNTED)
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


# -- saved queries --------------------------------------------------------------------------------------------------------

QUERIES = of_type("AWS::Logs::QueryDefinition")


def test_the_saved_queries_are_these_in_a_folder_of_the_stack():
    assert sorted(query["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}/") for query in QUERIES.values()) == [
        "cold starts", "errors of the vendors", "find the id of a recording or attempt", "follow one id", "refusals by code", "slowest steps",
    ]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_saved_query_reads_every_log_and_names_what_is_in_it(name):
    assert {group["Ref"] for group in QUERIES[name]["LogGroupNames"]} == set(of_type("AWS::Logs::LogGroup"))
    query = QUERIES[name]["QueryString"]
    assert re.match(r"filter ", query)
    # Fields of metrics begin with a capital letter.
    there_are = set(COUNTED) | {dimension for by in COUNTED.values() for dimension in by} | {"FunctionName", "Action", "VendorCode"}
    assert set(re.findall(r"(?<![-\w\"])[A-Z]\w+", query)) <= there_are
    assert expanded()["Resources"][name]["Condition"] == "HasSavedQueries"


def test_the_sweeps_findings_on_the_dashboard_are_all_that_the_sweep_counts():
    counted = re.findall(r"(\w+) = findings\.\1,", CODE)
    shown = re.findall(r"sum\(fields\.(\w+)\) as \1", DASHBOARD)
    assert len(counted) == 10 and set(shown) < set(counted) and "recordings_fetched_again" in shown
