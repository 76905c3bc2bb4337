"""Nothing is wrong with the template, and the lint would see it if something were."""

from __future__ import annotations

import pytest
from samtranslator.model.exceptions import InvalidDocumentException

from .expanded import expand, expanded, lint, source


def test_cfn_lint_finds_nothing_in_the_expanded_template():
    assert lint(expanded()) == []


def properties(template: dict, name: str) -> dict:
    return template["Resources"][name]["Properties"]


def misspelt_reference(template):
    properties(template, "RecordingWebhook")["Environment"]["Variables"]["RECORDING_QUEUE_URL"] = {"Ref": "RecordingQeue"}


def attribute_that_does_not_exist(template):
    properties(template, "RecordingQueue")["RedrivePolicy"]["deadLetterTargetArn"] = {"Fn::GetAtt": ["RecordingDeadLetters", "Ar"]}


def unknown_property(template):
    properties(template, "CloneQueue")["VisibiltyTimeout"] = 1080


def wrong_type(template):
    properties(template, "CloneWorker")["Timeout"] = "three minutes"


def concurrency_that_lambda_refuses(template):
    properties(template, "CloneWorkerSource")["ScalingConfig"]["MaximumConcurrency"] = 1


def response_type_that_does_not_exist(template):
    properties(template, "RecordingIngestSource")["FunctionResponseTypes"] = ["ReportBatchItemFailure"]


def retention_that_cloudwatch_refuses(template):
    properties(template, "AccessLogs")["RetentionInDays"] = 31


def unknown_condition(template):
    template["Resources"]["AlarmTopic"]["Condition"] = "HasAlarmMail"


def comparison_that_does_not_exist(template):
    properties(template, "CloneDeadLettersAlarm")["ComparisonOperator"] = "GreaterThan"


def role_without_trust(template):
    del properties(template, "CloneVoiceRole")["AssumeRolePolicyDocument"]


def statement_without_effect(template):
    del properties(template, "CloneVoiceRole")["Policies"][0]["PolicyDocument"]["Statement"][0]["Effect"]


def parameter_that_nobody_uses(template):
    template["Parameters"]["Forgotten"] = {"Type": "String", "Default": ""}


def substitution_of_nothing(template):
    properties(template, "CloneVoiceRoute")["Target"] = {"Fn::Sub": "integrations/${CloneVoiceIntegraton}"}


def stack_that_waits_for_itself(template):
    properties(template, "RecordingDeadLetters")["RedrivePolicy"] = {
        "deadLetterTargetArn": {"Fn::GetAtt": ["RecordingQueue", "Arn"]}, "maxReceiveCount": 1,
    }


def schedule_of_nobody(template):
    properties(template, "VoiceSweeperSchedule")["Targets"][0]["Arn"] = {"Fn::GetAtt": ["VoiceSweepr", "Arn"]}


FAULTS = [
    misspelt_reference, attribute_that_does_not_exist, unknown_property, wrong_type, concurrency_that_lambda_refuses, response_type_that_does_not_exist, retention_that_cloudwatch_refuses, unknown_condition,
    comparison_that_does_not_exist, role_without_trust, statement_without_effect,
    parameter_that_nobody_uses, substitution_of_nothing, stack_that_waits_for_itself, schedule_of_nobody,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_seeded_fault_is_found(fault):
    template = source()
    fault(template)
    try:
        found = lint(expand(template))
    except InvalidDocumentException:
        return
    assert found
